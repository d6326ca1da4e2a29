package fleet

import "sync"

// Control pauses and stops runs from other goroutines: put one into Options. The
// zero value is ready for use.
type Control struct {
	mu      sync.Mutex
	paused  bool
	stopped bool
	changed chan struct{} // closed at the next change
}

// Pause sends nothing more until [Control.Unpause]. What was sent is followed.
func (c *Control) Pause() { c.set(func() { c.paused = true }) }

// Unpause ends a pause.
func (c *Control) Unpause() { c.set(func() { c.paused = false }) }

// Stop sends nothing more; the run ends when everything that was sent is settled.
// To leave at once, cancel the run's context: the journal knows what was sent.
func (c *Control) Stop() { c.set(func() { c.stopped = true }) }

func (c *Control) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

// watch returns a channel that tells of the next change.
func (c *Control) watch() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	return c.changed
}

func (c *Control) state() (paused, stopped bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.paused, c.stopped
}
