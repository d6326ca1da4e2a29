package ecstest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// memoryAddr is never listened on: nothing but the in-memory dialer serves it.
const memoryAddr = "127.0.0.1:1"

func listenLoopback(addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("ecstest: Addr %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("ecstest: Addr %q is not a loopback address", addr)
	}
	var config net.ListenConfig
	l, err := config.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("ecstest: %w", err)
	}
	if tcp, ok := l.Addr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		return nil, errors.Join(fmt.Errorf("ecstest: Addr %q is not a loopback address", addr), l.Close())
	}
	return l, nil
}

// listener counts connections and closes at once those that a FaultRefuse hits.
type listener struct {
	net.Listener
	server *Server
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil || !l.server.refuses() {
			return conn, err
		}
		reset(conn)
	}
}

type connectionKey struct{}

// numberConnection runs right after Accept, in the same goroutine.
func (s *Server) numberConnection(ctx context.Context, _ net.Conn) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	return context.WithValue(ctx, connectionKey{}, s.connections)
}

// reset closes conn so that its peer sees a reset instead of an orderly end.
func reset(conn net.Conn) {
	if tls, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = tls.NetConn()
	}
	if lingerer, ok := conn.(interface{ SetLinger(seconds int) error }); ok {
		_ = lingerer.SetLinger(0)
	}
	_ = conn.Close()
}

// memoryListener hands pipes to an http.Server.
type memoryListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newMemoryListener() *memoryListener {
	return &memoryListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *memoryListener) Addr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
}

func (l *memoryListener) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	var cut atomic.Bool
	select {
	case l.conns <- &memoryConn{Conn: far, cut: &cut}:
		return &memoryConn{Conn: near, cut: &cut}, nil
	case <-l.done:
		err := os.NewSyscallError("connect", syscall.ECONNREFUSED)
		return nil, &net.OpError{Op: "dial", Net: network, Addr: l.Addr(), Err: err}
	case <-ctx.Done():
		return nil, &net.OpError{Op: "dial", Net: network, Addr: l.Addr(), Err: context.Cause(ctx)}
	}
}

// memoryConn is one end of a pipe that can be reset like a TCP connection.
type memoryConn struct {
	net.Conn
	cut *atomic.Bool // shared by both ends
}

// SetLinger makes the next Close a reset, as it does on a TCP connection.
func (c *memoryConn) SetLinger(seconds int) error {
	c.cut.Store(seconds == 0)
	return nil
}

func (c *memoryConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n, c.translate("read", err)
}

func (c *memoryConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, c.translate("write", err)
}

// translate turns the end of a pipe into what a socket says in its place.
func (c *memoryConn) translate(op string, err error) error {
	ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe)
	switch {
	case ended && c.cut.Load():
		err = os.NewSyscallError(op, syscall.ECONNRESET)
	case ended && op == "write":
		err = os.NewSyscallError(op, syscall.EPIPE)
	default:
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}
