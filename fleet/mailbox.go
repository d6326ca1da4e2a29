package fleet

import "sync"

// told is what a goroutine at work tells its session: an event, or what ends the
// session, which is an error that would meet every instance, or a panic in a hook.
type told struct {
	Event
	err      error
	panicked any
}

// mailbox holds what was told until the session has time for it: who tells does not
// wait, as it may be about to send.
type mailbox struct {
	mu     sync.Mutex
	told   []told
	filled chan struct{} // has a token when there is something
}

func newMailbox() *mailbox { return &mailbox{filled: make(chan struct{}, 1)} }

func (m *mailbox) put(t told) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told = append(m.told, t)
	select {
	case m.filled <- struct{}{}:
	default:
	}
}

func (m *mailbox) empty() []told {
	m.mu.Lock()
	defer m.mu.Unlock()
	told := m.told
	m.told = nil
	return told
}
