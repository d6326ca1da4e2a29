package fleet

import "sync"

// told is what a working goroutine reports to its session: an event, or the reason to
// end the session, which is an error that would affect every instance or a panic in a
// hook.
type told struct {
	Event
	err      error
	panicked any
}

// mailbox holds the reports until the session takes them. The reporting goroutine does
// not wait, because it may be about to send a request.
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
