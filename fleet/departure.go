package fleet

import (
	"sync"
	"time"
)

// Departure is the point of no return of a restart. Until [Departure.Leave] agrees,
// the restart can be revoked, and has certainly not been sent. From then on the restart
// may have been sent, and [Departure.Revoke] reports false. The restart is sent again
// only if the request certainly did nothing; otherwise its outcome is resolved by polling.
//
// The sender of a restart first records the intent durably, and then calls Leave in
// [ecsreboot.WaitOptions].BeforeSend, after every other check, so that nothing comes
// between Leave and the request. A run follows this order, and an engine that uses
// package fleet/driver must follow it too. A Departure is safe for concurrent use.
type Departure struct {
	begin time.Time // by the monotonic clock
	wall  time.Time // the same by the wall clock
	limit time.Duration
	left  chan struct{} // closed when a request has left

	mu      sync.Mutex
	revoked bool
}

// NewDeparture returns a Departure for a restart that must leave within limit, counted
// from now. If limit is 0 or negative, the restart may leave at any time.
func NewDeparture(limit time.Duration) *Departure {
	now := time.Now()
	return &Departure{begin: now, wall: now.Round(0), limit: limit, left: make(chan struct{})}
}

// Leave reports whether a request may leave now. Once it has reported false, no request
// may leave any more. When a client retries a request that certainly did nothing, Leave is called
// again, and reports false if the limit has passed by then.
//
// The limit is measured by two clocks: by the monotonic clock, because the wall clock
// can be set, and by the wall clock, because the monotonic clock may stand still while
// a process is suspended or a machine is moved. Both clocks are read on one machine, so
// the skew between machines does not matter.
func (d *Departure) Leave() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := time.Now(); d.limit > 0 && (now.Sub(d.begin) > d.limit || now.Sub(d.wall) > d.limit) {
		d.revoked = true
	}
	if !d.revoked && !d.hasLeft() {
		close(d.left)
	}
	return !d.revoked
}

// Revoke revokes the restart unless a request has left. It reports whether the restart
// is revoked, so that no request leaves any more.
func (d *Departure) Revoke() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.revoked = d.revoked || !d.hasLeft()
	return d.revoked
}

// Left returns a channel that is closed when the first request leaves.
func (d *Departure) Left() <-chan struct{} { return d.left }

func (d *Departure) hasLeft() bool {
	select {
	case <-d.left:
		return true
	default:
		return false
	}
}
