package simulation

import (
	"context"
	"net"
	"sync"
	"syscall"
)

// network is what lies between a driver and the service. A crash cuts it: what was not
// received by then is lost, and nothing leaves any more.
type network struct {
	through func(ctx context.Context, network, addr string) (net.Conn, error)

	mu    sync.Mutex
	dead  bool
	conns map[*wire]bool
}

func (n *network) dial(ctx context.Context, kind, addr string) (net.Conn, error) {
	if n.isDead() {
		return nil, &net.OpError{Op: "dial", Net: kind, Err: syscall.ENETDOWN}
	}
	conn, err := n.through(ctx, kind, addr)
	if err != nil {
		return nil, err
	}
	w := &wire{conn, n}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.dead {
		_ = conn.Close()
		return nil, &net.OpError{Op: "dial", Net: kind, Err: syscall.ENETDOWN}
	}
	n.conns[w] = true
	return w, nil
}

func (n *network) isDead() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dead
}

func (n *network) cut() {
	n.mu.Lock()
	n.dead = true
	conns := n.conns
	n.conns = nil
	n.mu.Unlock()
	for w := range conns {
		_ = w.Conn.Close()
	}
}

// wire is a connection that can be cut.
type wire struct {
	net.Conn

	network *network
}

func (w *wire) Write(p []byte) (int, error) {
	if w.network.isDead() {
		return 0, syscall.EPIPE
	}
	return w.Conn.Write(p)
}

func (w *wire) Close() error {
	w.network.mu.Lock()
	delete(w.network.conns, w)
	w.network.mu.Unlock()
	return w.Conn.Close()
}
