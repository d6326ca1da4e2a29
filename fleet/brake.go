package fleet

import "sync"

// brake holds whether the working goroutines may send requests.
type brake struct {
	mu      sync.Mutex
	reason  Reason
	changed chan struct{} // closed at the next change; nil while nobody waits
}

func (b *brake) set(reason Reason) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if reason == b.reason {
		return
	}
	b.reason = reason
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// state returns why no request may be sent, or an empty reason, and a channel that is
// closed at the next change.
func (b *brake) state() (Reason, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changed == nil {
		b.changed = make(chan struct{})
	}
	return b.reason, b.changed
}
