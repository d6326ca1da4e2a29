package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/ecsreboot/ecsreboot/fleet/journal"
)

// recorder writes the events of a session into its journal, if it has one.
type recorder struct {
	journal *journal.Journal
}

// create begins a journal with the first event.
func (r *recorder) create(options Options, first Event) error {
	if options.Journal == "" {
		return nil
	}
	j, err := journal.Create(options.Journal, first, journal.Options{FS: options.files})
	if errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("there is one already; go on with it by Resume, or take another file: %w", err)
	}
	r.journal = j
	return journalError(err)
}

// intend returns when an intent is durable.
func (r *recorder) intend(e Event) error {
	if r.journal == nil {
		return nil
	}
	return journalError(r.journal.Append(e))
}

// write records an event that need not be durable at once. The first event of a run
// and the intents, also those of hooks, are in the journal already.
func (r *recorder) write(e Event) error {
	if r.journal == nil || e.Kind == EventRun || e.Kind == EventIntent || e.Kind == EventHook {
		return nil
	}
	return journalError(r.journal.Write(e))
}

func (r *recorder) close() error {
	if r.journal == nil {
		return nil
	}
	return journalError(r.journal.Close())
}

// ErrJournal is returned when the journal cannot be read or written. A run whose journal
// fails sends nothing more.
var ErrJournal = errors.New("fleet: journal not usable")

func journalError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrJournal, err)
}

// reopen goes on with the journal of an earlier session.
func (s *session) reopen() error {
	j, contents, err := journal.Open(s.options.Journal, journal.Options{FS: s.options.files})
	if err != nil {
		return journalError(err)
	}
	err = s.replay(contents)
	if err != nil {
		return errors.Join(journalError(err), j.Close())
	}
	s.record.journal, s.resumed = j, true
	return nil
}

func (s *session) replay(contents *journal.Contents) error {
	history, err := newHistory(contents)
	if err != nil {
		return err
	}
	if s.chain, err = checkChain(contents.Records, history.Events); err != nil {
		return err
	}
	if is, given := history.Plan.Digest(), s.plan.Digest(); is != given {
		return fmt.Errorf("it is of another plan, %s; the one given is %s", is[:shortDigest], given[:shortDigest])
	}
	if len(history.Events) != s.loaded {
		return errors.New("another session has just resumed the run")
	}
	for _, e := range history.Events {
		if err := s.planner.Replay(e); err != nil {
			return err
		}
		s.report.Add(e)
	}
	s.begun = history.Events[0].At
	return nil
}

// shortDigest is how many characters of a digest are enough to distinguish plans.
const shortDigest = 12

// History is the content of a journal: the plan of a run, and its events.
type History struct {
	Plan   Plan
	Events []Event
	// Torn is the number of bytes at the end of the journal that cannot be read, because
	// a crash interrupted a write, or because the run is still in progress.
	Torn int
	// Holder names the process that drives the run, such as "process 7 on web-1"; empty if
	// no process does, or if HolderKnown is false. A run that has no end and no Holder has
	// crashed. [Load] sets both; see [journal.Holder].
	Holder      string
	HolderKnown bool
}

// Load reads the journal of a run that has ended, has crashed, or is still in progress.
// Load does not change the journal.
func Load(path string) (*History, error) {
	before, _ := journal.Holder(path)
	history, err := load(path, journal.Options{})
	if err != nil {
		return history, err
	}
	history.Holder, history.HolderKnown = journal.Holder(path)
	if before != "" && history.Holder == "" { // it has ended since
		history, err = load(path, journal.Options{})
		if err == nil {
			history.HolderKnown = true
		}
	}
	return history, err
}

func load(path string, options journal.Options) (*History, error) {
	contents, err := journal.Read(path, options)
	if err != nil {
		return nil, journalError(err)
	}
	history, err := newHistory(contents)
	return history, journalError(err)
}

func newHistory(contents *journal.Contents) (*History, error) {
	h := &History{Events: make([]Event, len(contents.Records)), Torn: len(contents.Torn)}
	for i, record := range contents.Records {
		if err := json.Unmarshal(record, &h.Events[i]); err != nil {
			return nil, fmt.Errorf("record %d is no event: %w", i, err)
		}
	}
	if len(h.Events) == 0 || h.Events[0].Kind != EventRun || h.Events[0].InstanceID != "" || h.Events[0].Plan == nil || h.Events[0].Settings == nil {
		return nil, errors.New("it does not begin with a run and its plan")
	}
	h.Plan = *h.Events[0].Plan
	return h, h.Plan.check()
}

// last returns the event with which the last session began, and its settings.
func (h *History) last() (begin Event, settings Settings) {
	for _, e := range h.Events {
		if (e.Kind == EventRun || e.Kind == EventResume) && e.InstanceID == "" {
			begin = e
			if e.Settings != nil {
				settings = *e.Settings
			}
		}
	}
	return begin, settings
}

// Report returns the report of the run, as far as the journal records it.
func (h *History) Report() *Report {
	report := newReport(h.Plan)
	for _, e := range h.Events {
		report.Add(e)
	}
	return report
}

// Finished reports whether the run has ended with nothing left to do, so that [Resume] and
// [Resolve] would return [ErrFinished].
func (h *History) Finished() bool {
	report := h.Report()
	planner, err := h.planner(report.Settings.Rules)
	return err == nil && !report.Ended.IsZero() && planner.isFinished()
}

// planner returns a planner in the state that the history leads to.
func (h *History) planner(rules Rules) (*Planner, error) {
	planner, err := NewPlanner(h.Plan, rules)
	if err != nil {
		return nil, err
	}
	for _, e := range h.Events {
		if err := planner.Replay(e); err != nil {
			return nil, err
		}
	}
	return planner, nil
}
