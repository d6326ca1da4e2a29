package fleet

import (
	"sync"
	"time"
)

// Departure is the point of no return of a restart. Until [Departure.Leave] agrees,
// the restart can be revoked, and has certainly not been sent. From then on it may
// have been sent, so that [Departure.Revoke] fails; whatever happens then, the
// instance is looked at and the restart is never sent again.
//
// Who sends a restart records the intent durably first, and calls Leave as the last
// thing before the request leaves: in [ecsreboot.WaitOptions].BeforeSend, after
// every other check. A run of this package does so, and so does whoever drives a
// [Planner] by other means. A Departure is safe for concurrent use.
type Departure struct {
	begin time.Time
	limit time.Duration
	left  chan struct{} // closed when a request has left

	mu      sync.Mutex
	revoked bool
}

// NewDeparture returns the departure of a restart that may leave within limit from
// now, or at any time if limit is 0 or negative.
func NewDeparture(limit time.Duration) *Departure {
	return &Departure{begin: time.Now(), limit: limit, left: make(chan struct{})}
}

// Leave reports whether a request may leave now. If not, the restart is revoked.
// A client that retries, because nothing came of the request before, asks again.
//
// The limit is measured twice, because no clock serves for all: by the monotonic
// clock, which the setting of a clock does not touch, and by the wall clock, which
// goes on while a process is suspended or a machine is moved. Both are differences on
// one machine, so that the skew between machines does not matter.
func (d *Departure) Leave() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := time.Now(); d.limit > 0 && (now.Sub(d.begin) > d.limit || now.Round(0).Sub(d.begin.Round(0)) > d.limit) {
		d.revoked = true
	}
	if !d.revoked && !d.hasLeft() {
		close(d.left)
	}
	return !d.revoked
}

// Revoke reports whether the restart is revoked: no request leaves any more.
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
