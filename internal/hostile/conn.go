package hostile

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

// DialsWithoutEnd is more than any run has reason to make.
const DialsWithoutEnd = 5000

// Dial is the network's.
func (r *Run) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	r.mu.Lock()
	n := r.dials
	r.dials++
	r.dialedAt = time.Now()
	r.mu.Unlock()
	if r.dialDeaf {
		ctx = context.WithoutCancel(ctx)
	}
	select {
	case <-time.After(r.dialTime):
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-r.over:
	}
	select {
	case <-r.over:
		return nil, syscall.ENETDOWN
	default:
	}
	if n >= DialsWithoutEnd {
		return nil, syscall.ENETDOWN
	}
	if n >= r.dialFrom && n < r.dialFrom+r.dialFails {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	conn, err := r.through(ctx, network, addr)
	if err != nil || r.conn == (conduct{}) {
		return conn, err
	}
	return &wire{Conn: conn, run: r, used: time.Now()}, nil
}

// End lets nobody dial any more. It returns the number of dials, at least
// DialsWithoutEnd if some were made to the last.
func (r *Run) End() int {
	close(r.over)
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.dialedAt) < 10*time.Minute {
		return max(r.dials, DialsWithoutEnd)
	}
	return r.dials
}

// misbehaves counts a write that goes wrong.
func (r *Run) misbehaves(n int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n < r.conn.from || r.badWrites >= r.conn.times {
		return false
	}
	r.badWrites++
	return true
}

// wire is a connection that says of its writes what is not so.
type wire struct {
	net.Conn
	run *Run

	mu     sync.Mutex
	writes int
	used   time.Time
	lost   bool           // nothing leaves any more
	closed bool           // nor is anything more taken
	queued sync.WaitGroup // deliveries that close waits for
}

func (c *wire) Write(p []byte) (int, error) {
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
		c.run.Behind.Go(func() {
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
func (c *wire) Close() error {
	c.mu.Lock()
	closed := c.closed
	c.closed = true
	c.mu.Unlock()
	if closed {
		return net.ErrClosed
	}
	c.run.Behind.Go(func() {
		c.queued.Wait()
		if c.run.conn.err != nil {
			time.Sleep(time.Second) // the service has read it by then
		}
		_ = c.Conn.Close()
	})
	return c.SetReadDeadline(time.Unix(1, 0)) // nobody here reads any more
}
