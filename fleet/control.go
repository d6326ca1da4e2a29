package fleet

import "sync"

// A Control pauses and stops the runs that have it in their Options. Its methods may be
// called from any goroutine. The zero value is ready for use.
type Control struct {
	mu      sync.Mutex
	paused  bool
	stopped bool
	changed chan struct{} // closed at the next change
}

// Pause makes runs send nothing more until [Control.Unpause]. They still follow the
// restarts that were sent.
func (c *Control) Pause() { c.set(func() { c.paused = true }) }

// Unpause ends a pause.
func (c *Control) Unpause() { c.set(func() { c.paused = false }) }

// Stop ends runs gracefully: they send nothing more, and end when all restarts that were
// sent have reached their end. To end a run at once, cancel its context: the journal
// records what was sent.
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

// watch returns a channel that is closed at the next change.
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
