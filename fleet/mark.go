package fleet

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot/fleet/journal"
)

// Mark is what an operator states about an instance of a run. A resumed run acts on it.
type Mark string

// The marks. Each takes the instance out of MaxUnavailable and MaxFailed.
const (
	// MarkGone means that the instance does not exist any more. The instance is skipped.
	// If MaxUnavailable or MaxUnavailablePerGroup is a percentage, it refers to the
	// instances that remain.
	MarkGone Mark = "gone"
	// MarkRestarted means that the instance has restarted and is healthy. Its state is
	// StateSkipped and not StateHealthy, because there is no proof.
	MarkRestarted Mark = "restarted"
	// MarkNotRestarted means that a restart of unknown outcome did not happen. The
	// instance waits again, and a resumed run restarts it, unless the StartTime of the
	// instance is after the beginning of the run.
	MarkNotRestarted Mark = "not restarted"
)

// reason returns the reason that an instance has for its state by the mark.
func (m Mark) reason() Reason {
	switch m {
	case MarkGone:
		return ReasonGone
	case MarkRestarted:
		return ReasonMarkedRestarted
	case MarkNotRestarted:
		return ReasonMarkedNotRestarted
	}
	return ""
}

// Marking is a mark for one instance.
type Marking struct {
	InstanceID string
	Mark       Mark
	Note       string // the operator's reason, which must not be empty
}

// MarkInstances records marks in the journal of a run that is not in progress, as
// [EventMarked], and returns the report of the run including the marks. It checks all
// marks before it records the first one.
//
// MarkInstances refuses a mark that contradicts the journal or adds nothing to it:
//
//   - MarkRestarted is refused if the restart is proven and the instance is healthy.
//   - MarkNotRestarted is refused if the service accepted the restart, if a poll showed
//     the instance restarting, or if the instance is waiting, healthy or skipped.
//
// The error is an [ecsreboot.InputError], or [ErrJournal] if the journal cannot be read
// or written, such as while a run has the journal open.
func MarkInstances(journalPath string, markings ...Marking) (*Report, error) {
	return markInstances(journalPath, journal.Options{}, markings)
}

func markInstances(path string, options journal.Options, markings []Marking) (report *Report, err error) {
	switch {
	case path == "":
		return nil, input("Journal", "is empty, so there is nothing to mark")
	case len(markings) == 0:
		return nil, input("Marking", "is missing")
	}
	for _, m := range markings {
		if err := m.check(); err != nil {
			return nil, err
		}
	}
	j, contents, err := journal.Open(path, options)
	if err != nil {
		return nil, journalError(err)
	}
	defer func() { err = errors.Join(err, journalError(j.Close())) }()
	history, err := newHistory(contents)
	if err == nil {
		_, err = checkChain(contents.Records, history.Events)
	}
	if err != nil {
		return nil, journalError(err)
	}
	if err := (Options{Journal: path, files: options.FS}).checkDriven(history); err != nil {
		return nil, err
	}
	report = history.Report()
	planner, err := history.planner(report.Settings.Rules)
	if err != nil {
		return nil, journalError(err)
	}
	events, err := planner.Marks(report, markings...)
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		e.At = time.Now()
		if err := j.Append(e); err != nil {
			return nil, journalError(err)
		}
		report.Add(e)
	}
	return report, nil
}

func (m Marking) check() error {
	switch {
	case m.InstanceID == "":
		return input("InstanceID", "is empty")
	case m.Mark.reason() == "":
		return input("Mark", fmt.Sprintf("is %q; it must be %q, %q or %q", m.Mark, MarkGone, MarkRestarted, MarkNotRestarted))
	case strings.TrimSpace(m.Note) == "":
		return input("Note", "of the mark of "+m.InstanceID+" is empty; it must say why")
	}
	return nil
}
