package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// A journal that was copied, or restored from a backup, lacks the restarts that another
// session of the run has sent since. The service shows them: such an instance has started
// since the run began. If the run simply went on, it would skip each of these instances
// and restart the others, side by side with the other session. So a resumed run polls,
// before it records anything, all instances that it may restart and that its journal has
// never sent, and refuses to go on if one of them has started since.
//
// An operator may have restarted the instance by hand; a mark says so. Instances that
// cannot be polled now, and those that the journal has sent before, are judged one by one
// when their turn comes: see startedRecently.

// missingTimeout limits the polls.
const missingTimeout = time.Minute

// MissingRestartsError is returned by [Resume] if the service shows that instances have
// started since the run began, and the journal knows of no reason. Another session may
// have resumed the run from a copy of the journal. If somebody has restarted the
// instances by hand, mark them with [MarkInstances] as [MarkRestarted], and resume the
// run.
//
// MissingRestartsError is an [ErrJournal].
type MissingRestartsError struct {
	Begun     time.Time            // the beginning of the run
	Instances []ecsreboot.Baseline // in the order of the plan
}

func (e *MissingRestartsError) Error() string {
	var named []string
	for i, b := range e.Instances {
		if i == shownAtMost {
			named = append(named, fmt.Sprintf("and %d more", len(e.Instances)-i))
			break
		}
		named = append(named, b.InstanceID+" at "+b.StartTime.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("%v: it has no restart of %d instances that have started since the run began at %s: %s; "+
		"if another session has resumed the run from a copy, go on from that journal; if somebody has restarted them, mark them as restarted",
		ErrJournal, len(e.Instances), e.Begun.UTC().Format(time.RFC3339), strings.Join(named, ", "))
}

// Unwrap returns [ErrJournal].
func (e *MissingRestartsError) Unwrap() error { return ErrJournal }

// checkMissing returns a MissingRestartsError if restarts are missing in the journal.
func (s *session) checkMissing(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, missingTimeout)
	defer cancel()
	var polls sync.WaitGroup
	baselines := make([]ecsreboot.Baseline, len(s.report.Records))
	for i, record := range s.report.Records {
		if !record.neverSent() {
			continue
		}
		polls.Go(func() {
			if b, err := s.clients.client(record.Target).TakeBaseline(limited, record.ID); err == nil && s.startedSince(b) {
				baselines[i] = b
			}
		})
	}
	polls.Wait()
	started := slices.DeleteFunc(baselines, func(b ecsreboot.Baseline) bool { return b.InstanceID == "" })
	if len(started) == 0 {
		return nil
	}
	return &MissingRestartsError{Begun: s.begun, Instances: started}
}

// neverSent reports whether the run may yet restart the instance, has never sent a
// restart to it, and has not seen it restarted by others.
func (r Record) neverSent() bool {
	switch r.State {
	case StateWaiting, StateRestarting, StateFailed:
		return r.Attempts == 0 && r.Reason != ReasonOthers && r.Reason != ReasonMarkedNotRestarted
	default: // what was locked or not Running may have been started since
		return false
	}
}

// startedSince reports whether the instance has started since the run began, by the
// service's own clock. StartTime has no seconds, so the run began at the beginning of the
// minute.
func (s *session) startedSince(b ecsreboot.Baseline) bool {
	return !b.StartTime.Before(s.begun.Add(clockAhead(b)).Truncate(time.Minute))
}

// clockAhead is how far the clock of the service is ahead.
func clockAhead(b ecsreboot.Baseline) time.Duration {
	if b.ServiceTime.IsZero() {
		return 0
	}
	return b.ServiceTime.Sub(b.TakenAt)
}
