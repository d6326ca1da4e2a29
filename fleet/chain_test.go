package fleet_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/journal"
)

// partOf runs the plan of a service until so many of its instances are healthy.
func (s *service) partOf(options fleet.Options, healthy int, run func(context.Context, *ecsreboot.Client, fleet.Plan, fleet.Options) (*fleet.Report, error)) *fleet.Report {
	s.t.Helper()
	options.Control = new(fleet.Control)
	options.OnEvent = func(e fleet.Event) {
		if e.Kind == fleet.EventHealthy {
			if healthy--; healthy == 0 {
				options.Control.Stop()
			}
		}
	}
	report, err := run(context.Background(), s.client, s.plan(), options)
	require.NoError(s.t, err)
	return report
}

func chainOptions(t *testing.T) fleet.Options {
	t.Helper()
	return fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{Canary: []int{}}, MinReady: -1}, Journal: filepath.Join(t.TempDir(), "run.journal")}
}

// rewrite writes the records of a journal to another one, after a change.
func rewrite(t *testing.T, from, to string, change func(n int, record []byte) []byte) {
	t.Helper()
	contents, err := journal.Read(from, journal.Options{})
	require.NoError(t, err)
	var j *journal.Journal
	for n, record := range contents.Records {
		record := json.RawMessage(change(n, record))
		if n == 0 {
			j, err = journal.Create(to, record, journal.Options{})
		} else if record != nil {
			err = j.Append(record)
		}
		require.NoError(t, err)
	}
	require.NoError(t, j.Close())
}

// TestChangedJournalIsRefused: whatever is changed before the last session is noticed.
func TestChangedJournalIsRefused(t *testing.T) {
	inBubble(t, 4, ecstest.Options{}, func(t *testing.T, s *service) {
		options := chainOptions(t)
		s.partOf(options, 1, fleet.Run)
		time.Sleep(10 * time.Minute)
		s.partOf(options, 1, fleet.Resume)
		history, err := fleet.Load(options.Journal)
		require.NoError(t, err)
		resumed := len(trace(history.Events).before(fleet.EventResume))
		require.NotEmpty(t, history.Events[0].Session)
		require.Equal(t, history.Events[0].Session, history.Report().ID)
		require.NotEqual(t, history.Events[0].Session, history.Events[resumed].Session)
		require.Equal(t, options.Journal, history.Events[resumed].Path)
		require.Greater(t, resumed, 4)
		for changed := range history.Events {
			copied := options
			copied.Journal = filepath.Join(t.TempDir(), "copy.journal")
			copied.Moved = true
			rewrite(t, options.Journal, copied.Journal, func(n int, record []byte) []byte {
				if n != changed {
					return record
				}
				return bytes.Replace(record, []byte(`"at":"2000`), []byte(`"at":"2001`), 1)
			})
			if changed > resumed {
				continue // the next session makes this part of the chain
			}
			for name, resume := range map[string]func() error{
				"Resume": func() error {
					_, err := fleet.Resume(context.Background(), s.client, history.Plan, copied)
					return err
				},
				"Resolve": func() error {
					_, err := fleet.Resolve(context.Background(), s.client, history.Plan, copied)
					return err
				},
				"MarkInstances": func() error {
					_, err := fleet.MarkInstances(copied.Journal, fleet.Marking{InstanceID: "i-00004", Mark: fleet.MarkGone, Note: "x"})
					return err
				},
			} {
				if changed == resumed { // which the hash before it does not have
					continue
				}
				err := resume()
				require.ErrorIs(t, err, fleet.ErrJournal, "%s, record %d", name, changed)
				require.ErrorContains(t, err, "resumes another journal", "%s, record %d", name, changed)
			}
		}
		require.Equal(t, 2, s.TotalReboots())
	})
}

// before returns the events before the first one of a kind.
func (tr trace) before(kind fleet.EventKind) trace {
	for i, e := range tr {
		if e.Kind == kind {
			return tr[:i]
		}
	}
	return tr
}

// TestRewoundJournalRestartsNothingTwice: a journal from a backup lacks what was
// restarted since. It is refused until an operator has marked these instances.
func TestRewoundJournalRestartsNothingTwice(t *testing.T) {
	inBubble(t, 5, ecstest.Options{}, func(t *testing.T, s *service) {
		options := chainOptions(t)
		s.partOf(options, 1, fleet.Run)
		backup, err := os.ReadFile(options.Journal)
		require.NoError(t, err)
		s.partOf(options, 2, fleet.Resume)
		require.Equal(t, 3, s.TotalReboots())
		require.NoError(t, os.WriteFile(options.Journal, backup, 0o600))

		report, err := fleet.Resume(context.Background(), s.client, s.plan(), options)
		require.ErrorIs(t, err, fleet.ErrJournal)
		var missing *fleet.MissingRestartsError
		require.ErrorAs(t, err, &missing)
		require.Equal(t, 1, report.Sessions)
		require.Len(t, missing.Instances, 2)
		require.ErrorContains(t, err, "it has no restart of 2 instances that have started since the run began at ")
		require.ErrorContains(t, err, missing.Instances[1].InstanceID+" at 2000-01-01T00:0")
		require.Equal(t, 3, s.TotalReboots())
		unchanged, err := os.ReadFile(options.Journal)
		require.NoError(t, err)
		require.Equal(t, backup, unchanged)

		_, err = fleet.Resolve(context.Background(), s.client, s.plan(), options)
		require.NoError(t, err, "which sends nothing")
		for _, b := range missing.Instances {
			_, err := fleet.MarkInstances(options.Journal, fleet.Marking{InstanceID: b.InstanceID, Mark: fleet.MarkRestarted, Note: "by the lost session"})
			require.NoError(t, err)
		}
		report, err = fleet.Resume(context.Background(), s.client, s.plan(), options)
		require.NoError(t, err)
		require.Empty(t, report.NotRestarted())
		s.restartedOnce(s.ids...)
	})
}

// TestRestartInTheMinuteOfTheBeginning: StartTime has no seconds.
func TestRestartInTheMinuteOfTheBeginning(t *testing.T) {
	for _, ahead := range []time.Duration{0, time.Hour, -time.Hour} {
		inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
			s.SetClockOffset(ahead)
			options := chainOptions(t)
			options.Control = new(fleet.Control)
			options.Control.Stop()
			_, err := s.run(options)
			require.NoError(t, err)
			require.NoError(t, s.SetStatus("i-00002", ecsreboot.StatusStopped))
			require.NoError(t, s.SetStatus("i-00002", ecsreboot.StatusRunning))
			time.Sleep(time.Hour)
			options.Control = nil
			_, err = fleet.Resume(context.Background(), s.client, s.plan(), options)
			var missing *fleet.MissingRestartsError
			require.ErrorAs(t, err, &missing, ahead)
			require.Equal(t, "i-00002", missing.Instances[0].InstanceID)
			require.Zero(t, s.TotalReboots())
		}, func(i *ecstest.Instance) { i.StartTime = time.Now().Add(-24 * time.Hour) })
	}
}

// TestMovedJournal: a journal beside its copy is refused, and one that was moved is not.
func TestMovedJournal(t *testing.T) {
	inBubble(t, 4, ecstest.Options{}, func(t *testing.T, s *service) {
		options := chainOptions(t)
		s.partOf(options, 1, fleet.Run)
		there := options.Journal
		text, err := os.ReadFile(there)
		require.NoError(t, err)
		folder := t.TempDir()
		options.Journal = filepath.Join(folder, "copy")
		require.NoError(t, os.WriteFile(options.Journal, text, 0o600))
		_, err = fleet.Resume(context.Background(), s.client, s.plan(), options)
		var bad *ecsreboot.InputError
		require.ErrorAs(t, err, &bad)
		require.Equal(t, "Moved", bad.Field)
		require.ErrorContains(t, err, there)
		require.ErrorContains(t, err, options.Journal)
		_, err = fleet.Resolve(context.Background(), s.client, s.plan(), options)
		require.NoError(t, err, "which sends nothing")
		_, err = fleet.Resume(context.Background(), s.client, s.plan(), options)
		require.ErrorAs(t, err, &bad, "also after a Resolve")

		linked := options
		linked.Journal = filepath.Join(folder, "link")
		require.NoError(t, os.Symlink(there, linked.Journal))
		s.partOf(linked, 1, fleet.Resume)
		history, err := fleet.Load(there)
		require.NoError(t, err)
		begin := trace(history.Events).of(fleet.EventResume)[0]
		require.Equal(t, there, begin.Path)
		require.Empty(t, begin.Note, "it is the same file")

		linked.Journal = filepath.Join(folder, "moved")
		require.NoError(t, os.Rename(there, linked.Journal))
		s.partOf(linked, 1, fleet.Resume)
		history, err = fleet.Load(linked.Journal)
		require.NoError(t, err)
		begin = trace(history.Events).of(fleet.EventResume)[1]
		require.Equal(t, linked.Journal, begin.Path)
		require.Contains(t, begin.Note, "the last session had the journal at "+there+" on ")

		text, err = os.ReadFile(linked.Journal)
		require.NoError(t, err)
		linked.Journal, linked.Moved = filepath.Join(folder, "once more"), true
		require.NoError(t, os.WriteFile(linked.Journal, text, 0o600))
		s.partOf(linked, 1, fleet.Resume)
		s.restartedOnce(s.ids...)
	})
}

// TestJournalOfARunInProgress: neither a copy of its journal nor the journal itself, moved
// away from its lock, is used while the run is in progress.
func TestJournalOfARunInProgress(t *testing.T) {
	inBubble(t, 4, ecstest.Options{}, func(t *testing.T, s *service) {
		options := chainOptions(t)
		folder := t.TempDir()
		elsewhere := options
		elsewhere.Moved = true
		refused := func(path string) {
			elsewhere.Journal = path
			before, err := os.ReadFile(path)
			require.NoError(t, err)
			_, err = fleet.Resume(context.Background(), s.client, s.plan(), elsewhere)
			require.ErrorIs(t, err, journal.ErrLocked)
			require.ErrorContains(t, err, " drives the run from "+options.Journal)
			_, err = fleet.Resolve(context.Background(), s.client, s.plan(), elsewhere)
			require.ErrorIs(t, err, journal.ErrLocked)
			_, err = fleet.MarkInstances(path, fleet.Marking{InstanceID: "i-00004", Mark: fleet.MarkGone, Note: "x"})
			require.ErrorIs(t, err, journal.ErrLocked)
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, before, after)
		}
		driven, done := options, false
		driven.OnEvent = func(e fleet.Event) {
			if e.Kind != fleet.EventHealthy || done {
				return
			}
			done = true
			text, err := os.ReadFile(options.Journal)
			require.NoError(t, err)
			copied, moved := filepath.Join(folder, "copy"), filepath.Join(folder, "moved")
			require.NoError(t, os.WriteFile(copied, text, 0o600))
			refused(copied)
			require.NoError(t, os.Rename(options.Journal, moved))
			refused(moved)
		}
		report, err := s.run(driven)
		require.NoError(t, err)
		require.Empty(t, report.NotRestarted())
		s.restartedOnce(s.ids...)
		_, err = fleet.Resume(context.Background(), s.client, s.plan(), elsewhere)
		require.ErrorIs(t, err, fleet.ErrFinished, "the process has ended, and the journal is whole")
	})
}

// TestPathOfAnotherRun: a moved journal is resumed while another run has a journal at its
// old path.
func TestPathOfAnotherRun(t *testing.T) {
	inBubble(t, 4, ecstest.Options{}, func(t *testing.T, s *service) {
		options := chainOptions(t)
		s.partOf(options, 1, fleet.Run)
		moved := options
		moved.Journal, moved.Moved = filepath.Join(t.TempDir(), "moved"), true
		require.NoError(t, os.Rename(options.Journal, moved.Journal))
		resumed := false
		options.Control = new(fleet.Control)
		options.Control.Stop()
		options.OnEvent = func(e fleet.Event) {
			if e.Kind == fleet.EventRun {
				_, err := fleet.Resume(context.Background(), s.client, s.plan(), moved)
				require.NoError(t, err)
				resumed = true
			}
		}
		_, err := s.run(options)
		require.NoError(t, err)
		require.True(t, resumed)
		s.restartedOnce(s.ids...)
	})
}

// TestFinished: a run that is over is not resumed, and one whose failures can be tried
// again is.
func TestFinished(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		s.Inject(ecstest.Fault{Kind: ecstest.FaultError, Status: 403, Code: "DiskError", Action: "RebootInstance", InstanceID: "i-00002"})
		options := chainOptions(t)
		report, err := s.run(options)
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonDone, report.Reason)
		require.Equal(t, fleet.ReasonRefused, report.Records[1].Reason)
		report, err = fleet.Resume(context.Background(), s.client, s.plan(), options)
		require.NoError(t, err)
		require.Empty(t, report.NotRestarted())
		for _, resume := range []func(context.Context, *ecsreboot.Client, fleet.Plan, fleet.Options) (*fleet.Report, error){fleet.Resume, fleet.Resolve} {
			report, err = resume(context.Background(), s.client, s.plan(), options)
			require.ErrorIs(t, err, fleet.ErrFinished)
			require.ErrorContains(t, err, "fleet: the run is finished: ")
			require.Equal(t, 2, report.Sessions)
		}
		s.restartedOnce(s.ids...)
	})
}

// TestHolder: a run in progress has a holder, and one that has ended has none.
func TestHolder(t *testing.T) {
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		options := chainOptions(t)
		looked := false
		options.OnEvent = func(fleet.Event) {
			looked = true
			history, err := fleet.Load(options.Journal)
			require.NoError(t, err)
			require.True(t, history.HolderKnown)
			require.Regexp(t, `^process \d+ on .`, history.Holder)
		}
		_, err := s.run(options)
		require.NoError(t, err)
		require.True(t, looked)
		history, err := fleet.Load(options.Journal)
		require.NoError(t, err)
		require.True(t, history.HolderKnown)
		require.Empty(t, history.Holder)
	})
}
