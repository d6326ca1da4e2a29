package acceptance_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

var errStalled = errors.New("the link stalls")

// conduct is how connections misbehave.
type conduct struct {
	from, times int           // which writes of a connection go wrong, from 0, and how many in all; times 0: none
	later       time.Duration // when what they wrote is delivered; 0: before they return
	err         error         // what they return
	honest      bool          // they return how much they wrote
	idle        time.Duration // a connection that is idle for so long is lost; 0: none is
	silent      bool          // the client does not notice that loss
}

// dialsWithoutEnd is more than any run has reason to make.
const dialsWithoutEnd = 5000

// dial is the network's.
func (h *hostileRun) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	h.mu.Lock()
	n := h.dials
	h.dials++
	h.dialedAt = time.Now()
	h.mu.Unlock()
	if h.dialDeaf {
		ctx = context.WithoutCancel(ctx)
	}
	select {
	case <-time.After(h.dialTime):
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-h.over:
	}
	select {
	case <-h.over:
		return nil, syscall.ENETDOWN
	default:
	}
	if n >= dialsWithoutEnd {
		return nil, syscall.ENETDOWN
	}
	if n >= h.dialFrom && n < h.dialFrom+h.dialFails {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	conn, err := h.through(ctx, network, addr)
	if err != nil || h.conn == (conduct{}) {
		return conn, err
	}
	return &hostileConn{Conn: conn, run: h, used: time.Now()}, nil
}

// end lets nobody dial any more. It returns the number of dials, at least
// dialsWithoutEnd if some were made to the last.
func (h *hostileRun) end() int {
	close(h.over)
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.dialedAt) < 10*time.Minute {
		return max(h.dials, dialsWithoutEnd)
	}
	return h.dials
}

// misbehaves counts a write that goes wrong.
func (h *hostileRun) misbehaves(n int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n < h.conn.from || h.badWrites >= h.conn.times {
		return false
	}
	h.badWrites++
	return true
}

// hostileConn is a connection that says of its writes what is not so.
type hostileConn struct {
	net.Conn
	run *hostileRun

	mu     sync.Mutex
	writes int
	used   time.Time
	lost   bool           // nothing leaves any more
	closed bool           // nor is anything more taken
	queued sync.WaitGroup // deliveries that close waits for
}

func (c *hostileConn) Write(p []byte) (int, error) {
	how := c.run.conn
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return 0, net.ErrClosed
	}
	n := c.writes
	c.writes++
	c.lost = c.lost || how.idle > 0 && time.Since(c.used) >= how.idle
	c.used = time.Now()
	lost := c.lost
	c.mu.Unlock()
	switch {
	case lost && how.silent:
		return len(p), nil
	case lost:
		return 0, syscall.EPIPE
	case !c.run.misbehaves(n):
		return c.Conn.Write(p)
	case how.later > 0:
		text := append([]byte(nil), p...)
		c.queued.Add(1)
		c.run.behind.Go(func() {
			defer c.queued.Done()
			time.Sleep(how.later)
			_, _ = c.Conn.Write(text)
		})
		return 0, how.err
	}
	wrote, _ := c.Conn.Write(p)
	if !how.honest {
		wrote = 0
	}
	return wrote, how.err
}

// Close leaves what is queued to the session beneath.
func (c *hostileConn) Close() error {
	c.mu.Lock()
	closed := c.closed
	c.closed = true
	c.mu.Unlock()
	if closed {
		return net.ErrClosed
	}
	c.run.behind.Go(func() {
		c.queued.Wait()
		if c.run.conn.err != nil {
			time.Sleep(time.Second) // the service has read it by then
		}
		_ = c.Conn.Close()
	})
	return c.SetReadDeadline(time.Unix(1, 0)) // nobody here reads any more
}
