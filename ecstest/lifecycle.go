package ecstest

import (
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// begin starts a restart, a start or a stop at now, which passes through the statuses of
// path and ends in end; offset is the server clock's.
func (m *machine) begin(now time.Time, offset time.Duration, forced bool, path []ecsreboot.Status, end ecsreboot.Status) {
	took := m.Reboot.Graceful
	if forced {
		took = m.Reboot.Forced
	}
	took = max(took, 0)
	next := &transition{at: now, took: took, path: path, end: end}
	next.oldStatus, next.oldStart = m.shown(now)
	m.Status, m.StartTime = m.state(now)
	next.startTime = m.StartTime
	if end == ecsreboot.StatusRunning && !m.Reboot.KeepStartTime {
		next.startTime = now.Add(took + offset)
	}
	m.last = next
}

// state is the true status and StartTime at now.
func (m *machine) state(now time.Time) (status ecsreboot.Status, startTime time.Time) {
	r := m.last
	if r == nil {
		return m.Status, m.StartTime
	}
	elapsed := now.Sub(r.at)
	if elapsed >= r.took && !m.Reboot.Hang {
		return r.end, r.startTime
	}
	last := len(r.path) - 1
	if share := r.share(); share > 0 && elapsed/share < time.Duration(last) {
		return r.path[elapsed/share], m.StartTime
	}
	return r.path[last], m.StartTime
}

// share is how long each status of the path lasts.
func (t *transition) share() time.Duration {
	return t.took / time.Duration(len(t.path))
}

// shown is what reads show at now.
func (m *machine) shown(now time.Time) (status ecsreboot.Status, startTime time.Time) {
	if r := m.last; r != nil && now.Sub(r.at) < m.Reboot.Stale {
		return r.oldStatus, r.oldStart
	}
	return m.state(now)
}

// untilNext is how long after now the shown status may change; 0 if it stays.
func (m *machine) untilNext(now time.Time) time.Duration {
	r := m.last
	if r == nil {
		return 0
	}
	elapsed := now.Sub(r.at)
	if elapsed < m.Reboot.Stale {
		return m.Reboot.Stale - elapsed
	}
	share := r.share()
	for n := 1; n < len(r.path); n++ {
		if at := share * time.Duration(n); at > elapsed {
			return at - elapsed
		}
	}
	if elapsed < r.took && !m.Reboot.Hang {
		return r.took - elapsed
	}
	return 0
}

// stopTimer drops the next look at the status. The lock is held.
func (m *machine) stopTimer() {
	if m.timer != nil {
		m.timer.Stop()
	}
}

type statusChange struct {
	id     string
	status ecsreboot.Status
}

// follow reports the shown status of m to OnStatus if that status has changed, and runs
// again when it may change next. Without OnStatus, follow does nothing.
func (s *Server) follow(m *machine) {
	if s.options.OnStatus == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || m.removed {
		return
	}
	now := time.Now()
	if status, _ := m.shown(now); status != m.told {
		m.told = status
		s.changes = append(s.changes, statusChange{m.ID, status})
	}
	m.stopTimer()
	if wait := m.untilNext(now); wait > 0 {
		m.timer = time.AfterFunc(wait, func() {
			if s.begin() {
				defer s.running.Done()
				s.follow(m)
			}
		})
	}
	s.tell()
}

// tell passes the changes to OnStatus in order. The caller holds the lock; tell releases
// it while OnStatus runs. The same goroutine reports a change that arrives while
// OnStatus runs.
func (s *Server) tell() {
	if s.telling {
		return
	}
	s.telling = true
	defer func() { s.telling = false }()
	for len(s.changes) > 0 {
		change := s.changes[0]
		s.changes = s.changes[1:]
		s.mu.Unlock()
		s.options.OnStatus(change.id, change.status)
		s.mu.Lock()
	}
}
