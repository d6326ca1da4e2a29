package ecstest

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// allowed asks Options.Allow.
func (s *Server) allowed(action, instanceID string) bool {
	return s.options.Allow == nil || s.options.Allow(action, instanceID)
}

func (s *Server) reboot(req *request, call *ReceivedCall) *answer {
	id := req.params.Get("InstanceId")
	if id == "" {
		return missingParameter("InstanceId")
	}
	forced, ok := req.boolean("ForceStop")
	if !ok {
		return invalidParameter("ForceStop")
	}
	dryRun, ok := req.boolean("DryRun")
	if !ok {
		return invalidParameter("DryRun")
	}
	if !s.allowed(req.action, id) {
		return forbidden(req)
	}
	s.mu.Lock()
	m := s.machines[id]
	now := time.Now()
	if code := s.rebootObstacle(m, now); code != "" {
		s.mu.Unlock()
		return documented(code)
	}
	if dryRun {
		s.mu.Unlock()
		return documented("DryRunOperation")
	}
	s.restart(m, now, forced)
	call.Acted, call.Restarted = true, []string{id}
	s.mu.Unlock()
	s.follow(m)
	return &answer{status: http.StatusOK, payload: &rebootPayload{}}
}

// restart begins and counts a restart. The lock is held.
func (s *Server) restart(m *machine, now time.Time, forced bool) {
	m.avoidEvents(now.Add(s.offset))
	s.transit(m, now, forced, m.Reboot.Path, ecsreboot.StatusRunning)
	s.reboots[m.ID]++
	s.total++
}

// Restart restarts an instance without a call, as another user of the account
// would, and counts the restart. Faults do not affect Restart. If the service would
// refuse the restart, Restart does nothing and returns the reason.
func (s *Server) Restart(id string, force bool) error {
	s.mu.Lock()
	m := s.machines[id]
	now := time.Now()
	if code := s.rebootObstacle(m, now); code != "" {
		s.mu.Unlock()
		return fmt.Errorf("ecstest: instance %s: %s", id, code)
	}
	s.restart(m, now, force)
	s.mu.Unlock()
	s.follow(m)
	return nil
}

// rebootObstacle is the code of what keeps m from a restart, or "". The lock is
// held.
func (s *Server) rebootObstacle(m *machine, now time.Time) string {
	if m == nil {
		return "InvalidInstanceId.NotFound"
	}
	switch status, _ := m.state(now); {
	case slices.Contains(m.Locks, "security"):
		return "InstanceLockedForSecurity"
	case slices.Contains(m.Locks, "financial"), !now.Add(s.offset).Before(m.ExpiredTime):
		return "InstanceExpiredOrInArrears"
	case status != ecsreboot.StatusRunning:
		return "IncorrectInstanceStatus"
	}
	return ""
}
