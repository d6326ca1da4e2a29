package ecstest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

var statuses = []ecsreboot.Status{ecsreboot.StatusPending, ecsreboot.StatusStarting, ecsreboot.StatusRunning, ecsreboot.StatusStopping, ecsreboot.StatusStopped}

// Instance is an instance to add to a Server.
type Instance struct {
	ID     string
	Name   string           // default the ID
	Status ecsreboot.Status // default Running
	ZoneID string           // default the region with "-a" added
	// Locks are the lock reasons: "security" makes a restart fail with
	// InstanceLockedForSecurity, "financial" with InstanceExpiredOrInArrears;
	// others are reported but have no effect.
	Locks []string
	// StartTime and CreationTime are an hour and a day before the server's
	// time by default. ExpiredTime is far off by default; from ExpiredTime on, a
	// restart fails with InstanceExpiredOrInArrears. All three are reported to
	// the minute.
	StartTime, CreationTime, ExpiredTime time.Time
	StoppedMode                          string // default "Not-applicable"
	Tags                                 map[string]string
	Reboot                               RebootProfile
}

// RebootProfile is how a restart looks from outside. The zero value passes
// through Starting and takes 30 s, or 10 s with ForceStop.
type RebootProfile struct {
	// Path lists the statuses of the instance during the restart, in order, each
	// for an equal share of the time; default Starting.
	Path []ecsreboot.Status
	// Graceful and Forced are how long the restart takes until the instance is
	// Running again, without and with ForceStop; default 30 s and 10 s; negative
	// means no time at all.
	Graceful, Forced time.Duration
	// Stale is how long reads keep showing the old state after the restart was
	// accepted.
	Stale time.Duration
	// KeepStartTime leaves StartTime as it is. By default, StartTime becomes the
	// time at which the instance is Running again.
	KeepStartTime bool
	// Hang leaves the instance in the last status of Path for good.
	Hang bool
}

// machine is an instance and its last restart. Everything is derived from the
// time that passed, so no goroutine is needed to move it on.
type machine struct {
	Instance
	sequence int // counts up as instances are added
	restart  *restart
	removed  bool
	told     ecsreboot.Status // the status that OnStatus knows
	timer    *time.Timer
}

type restart struct {
	at, startTime time.Time
	took          time.Duration
	oldStatus     ecsreboot.Status
	oldStart      time.Time
}

// AddInstance adds an instance. An empty id, an id that already exists, an
// unknown status, including one in Reboot.Path, and a tag with an empty key are
// errors.
func (s *Server) AddInstance(i Instance) error {
	if i.ID == "" {
		return errors.New("ecstest: an instance needs an id")
	}
	for _, status := range append([]ecsreboot.Status{i.Status}, i.Reboot.Path...) {
		if status != "" && !slices.Contains(statuses, status) {
			return unknownStatus(i.ID, status)
		}
	}
	if slices.Contains(i.Reboot.Path, "") {
		return unknownStatus(i.ID, "")
	}
	if _, ok := i.Tags[""]; ok {
		return fmt.Errorf("ecstest: instance %s: a tag needs a key", i.ID)
	}
	i.Locks = slices.Clone(i.Locks)
	i.Tags = maps.Clone(i.Tags)
	i.Reboot.Path = slices.Clone(i.Reboot.Path)

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.machines[i.ID] != nil {
		return fmt.Errorf("ecstest: instance %s was added before", i.ID)
	}
	s.fillDefaults(&i)
	s.added++
	s.machines[i.ID] = &machine{Instance: i, sequence: s.added, told: i.Status}
	return nil
}

func (s *Server) fillDefaults(i *Instance) {
	now := time.Now().Add(s.offset)
	if i.Name == "" {
		i.Name = i.ID
	}
	if i.Status == "" {
		i.Status = ecsreboot.StatusRunning
	}
	if i.ZoneID == "" {
		i.ZoneID = s.options.Region + "-a"
	}
	if i.StartTime.IsZero() {
		i.StartTime = now.Add(-time.Hour)
	}
	if i.CreationTime.IsZero() {
		i.CreationTime = now.Add(-24 * time.Hour)
	}
	if i.ExpiredTime.IsZero() {
		i.ExpiredTime = time.Date(2099, time.December, 31, 15, 59, 0, 0, time.UTC) // the service's "never"
	}
	if i.StoppedMode == "" {
		i.StoppedMode = "Not-applicable"
	}
	r := &i.Reboot
	if len(r.Path) == 0 {
		r.Path = []ecsreboot.Status{ecsreboot.StatusStarting}
	}
	if r.Graceful == 0 {
		r.Graceful = 30 * time.Second
	}
	if r.Forced == 0 {
		r.Forced = 10 * time.Second
	}
}

func unknownStatus(id string, status ecsreboot.Status) error {
	return fmt.Errorf("ecstest: instance %s: unknown status %q", id, status)
}

// change applies f to an instance and reports a changed status to OnStatus.
func (s *Server) change(id string, f func(m *machine)) error {
	s.mu.Lock()
	m := s.machines[id]
	if m == nil {
		s.mu.Unlock()
		return fmt.Errorf("ecstest: there is no instance %s", id)
	}
	f(m)
	s.mu.Unlock()
	s.follow(m)
	return nil
}

// SetStatus puts an instance into a status at once; a restart that is in
// progress ends. The status stays until the next SetStatus or restart. A change
// to Running sets StartTime to the present, as a start does, unless
// KeepStartTime is set.
func (s *Server) SetStatus(id string, status ecsreboot.Status) error {
	if !slices.Contains(statuses, status) {
		return unknownStatus(id, status)
	}
	return s.change(id, func(m *machine) {
		now := time.Now()
		old, start := m.state(now)
		if status == ecsreboot.StatusRunning && old != ecsreboot.StatusRunning && !m.Reboot.KeepStartTime {
			start = now.Add(s.offset)
		}
		m.Status, m.StartTime, m.restart = status, start, nil
	})
}

// SetLocks replaces the lock reasons of an instance; without reasons, the
// instance is unlocked.
func (s *Server) SetLocks(id string, reasons ...string) error {
	return s.change(id, func(m *machine) { m.Locks = slices.Clone(reasons) })
}

// SetTags replaces the tags of an instance.
func (s *Server) SetTags(id string, tags map[string]string) error {
	return s.change(id, func(m *machine) { m.Tags = maps.Clone(tags) })
}

// RemoveInstance makes an instance vanish. Its restarts stay counted.
func (s *Server) RemoveInstance(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.machines[id]; m != nil {
		m.removed = true
		m.stopTimer()
		delete(s.machines, id)
	}
}

// Status returns the true status of an instance, whatever reads show, and ""
// if there is no such instance.
func (s *Server) Status(id string) ecsreboot.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.machines[id]
	if m == nil {
		return ""
	}
	status, _ := m.state(time.Now())
	return status
}

// Reboots returns how often an instance really restarted.
func (s *Server) Reboots(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reboots[id]
}

// TotalReboots returns how often any instance really restarted.
func (s *Server) TotalReboots() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}
