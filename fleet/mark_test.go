package fleet_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// lostRun is a run at width 1 that halts, as nothing shows what became of its second
// restart: the service did not get it, or did and the machine hangs.
func (s *service) lostRun(options fleet.Options) fleet.Plan {
	s.t.Helper()
	s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", InstanceID: "i-00002"})
	plan := s.plan()
	report, err := fleet.Run(context.Background(), s.client, plan, options)
	require.NoError(s.t, err)
	require.Equal(s.t, fleet.ReasonWidth, report.Reason)
	record, _ := report.Record("i-00002")
	require.Equal(s.t, fleet.StateUnknown, record.State)
	return plan
}

func markOptions(t *testing.T) fleet.Options {
	return fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{Canary: []int{}}, MinReady: -1}, Journal: filepath.Join(t.TempDir(), "j")}
}

// TestMarks: a resumed run honours an operator's word.
func TestMarks(t *testing.T) {
	for _, test := range []struct {
		mark     fleet.Mark
		state    fleet.State
		reason   fleet.Reason
		restarts []string
	}{
		{fleet.MarkGone, fleet.StateSkipped, fleet.ReasonGone, []string{"i-00001", "i-00003", "i-00004"}},
		{fleet.MarkRestarted, fleet.StateSkipped, fleet.ReasonMarkedRestarted, []string{"i-00001", "i-00003", "i-00004"}},
		{fleet.MarkNotRestarted, fleet.StateHealthy, "", []string{"i-00001", "i-00002", "i-00003", "i-00004"}},
	} {
		t.Run(string(test.mark), func(t *testing.T) {
			inBubble(t, 4, ecstest.Options{}, func(t *testing.T, s *service) {
				options := markOptions(t)
				plan := s.lostRun(options)
				if test.mark == fleet.MarkGone {
					s.RemoveInstance("i-00002")
				}
				marked, err := fleet.MarkInstances(options.Journal, fleet.Marking{InstanceID: "i-00002", Mark: test.mark, Note: "I looked"})
				require.NoError(t, err)
				record, _ := marked.Record("i-00002")
				require.Equal(t, "I looked", record.Note)
				require.Zero(t, marked.Count(fleet.StateUnknown))

				report, err := fleet.Resume(context.Background(), s.client, plan, options)
				require.NoError(t, err)
				require.Equal(t, fleet.ReasonDone, report.Reason)
				s.restartedOnce(test.restarts...)
				record, _ = report.Record("i-00002")
				require.Equal(t, test.state, record.State)
				require.Equal(t, test.reason, record.Reason)
				require.Equal(t, record.State == fleet.StateHealthy, record.Proof != "", "a word is no proof")
				require.Empty(t, report.NotRestarted())
				require.NoError(t, report.Err())
				history, err := fleet.Load(options.Journal)
				require.NoError(t, err)
				require.Equal(t, mustJSON(t, report), mustJSON(t, history.Report()))
			})
		})
	}
}

// TestFalseWordRestartsNothingTwice: the operator is wrong, and the StartTime shows it.
func TestFalseWordRestartsNothingTwice(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		options := markOptions(t)
		plan := s.lostRun(options)
		time.Sleep(5 * time.Minute)
		require.NoError(t, s.Restart("i-00002", true)) // as if the lost request had arrived now
		time.Sleep(5 * time.Minute)
		_, err := fleet.MarkInstances(options.Journal, fleet.Marking{InstanceID: "i-00002", Mark: fleet.MarkNotRestarted, Note: "I did not look"})
		require.NoError(t, err)
		report, err := fleet.Resume(context.Background(), s.client, plan, options)
		require.NoError(t, err)
		record, _ := report.Record("i-00002")
		require.Equal(t, fleet.ReasonUptime, record.Reason)
		require.Equal(t, 1, s.Reboots("i-00002"))
	})
}

func TestMarksThatAreRefused(t *testing.T) {
	inBubble(t, 4, ecstest.Options{}, func(t *testing.T, s *service) {
		options := markOptions(t)
		options.MaxFailed = fleet.Count(3)
		options.ReadyTimeout = time.Minute
		options.MaxUnavailable, options.AllowWide = fleet.Count(2), true
		s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", InstanceID: "i-00003", Act: true})
		report, err := s.run(options) // i-00002 and i-00003 hang, one of them accepted
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonWidth, report.Reason, mustJSON(t, report))
		before, err := os.ReadFile(options.Journal)
		require.NoError(t, err)
		good := fleet.Marking{InstanceID: "i-00004", Mark: fleet.MarkGone, Note: "released"}
		for _, test := range []struct {
			marking fleet.Marking
			field   string
			problem string
		}{
			{fleet.Marking{Mark: fleet.MarkGone, Note: "x"}, "InstanceID", "is empty"},
			{fleet.Marking{InstanceID: "i-9", Mark: fleet.MarkGone, Note: "x"}, "InstanceID", `"i-9" is not in the plan`},
			{fleet.Marking{InstanceID: "i-00002", Mark: "lost", Note: "x"}, "Mark", `"lost"`},
			{fleet.Marking{InstanceID: "i-00002", Mark: fleet.MarkGone, Note: " \n"}, "Note", "must say why"},
			{fleet.Marking{InstanceID: "i-00001", Mark: fleet.MarkRestarted, Note: "x"}, "Mark", "it is healthy"},
			{fleet.Marking{InstanceID: "i-00001", Mark: fleet.MarkNotRestarted, Note: "x"}, "Mark", "the service accepted its restart at"},
			{fleet.Marking{InstanceID: "i-00002", Mark: fleet.MarkNotRestarted, Note: "x"}, "Mark", "the service accepted its restart at"},
			{fleet.Marking{InstanceID: "i-00003", Mark: fleet.MarkNotRestarted, Note: "x"}, "Mark", "a poll showed it restarting at"},
			{fleet.Marking{InstanceID: "i-00004", Mark: fleet.MarkNotRestarted, Note: "x"}, "Mark", "it is waiting"},
		} {
			_, err := fleet.MarkInstances(options.Journal, good, test.marking)
			var bad *ecsreboot.InputError
			require.ErrorAs(t, err, &bad)
			require.Equal(t, test.field, bad.Field)
			require.ErrorContains(t, err, test.problem)
		}
		_, err = fleet.MarkInstances(options.Journal)
		require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
		_, err = fleet.MarkInstances("", good)
		require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
		_, err = fleet.MarkInstances(options.Journal+"-not", good)
		require.ErrorIs(t, err, fleet.ErrJournal)
		after, err := os.ReadFile(options.Journal)
		require.NoError(t, err)
		require.Equal(t, string(before), string(after), "all are checked before one is written")
	}, func(i *ecstest.Instance) {
		i.Reboot.Hang = i.ID == "i-00002" || i.ID == "i-00003"
	})
}

// TestMarkOfARunUnderWay: who runs holds the journal.
func TestMarkOfARunUnderWay(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		options := markOptions(t)
		tried := false
		options.OnEvent = func(e fleet.Event) {
			if e.Kind == fleet.EventIntent && !tried {
				tried = true
				_, err := fleet.MarkInstances(options.Journal, fleet.Marking{InstanceID: "i-00003", Mark: fleet.MarkGone, Note: "released"})
				require.ErrorIs(t, err, fleet.ErrJournal)
			}
		}
		report, err := s.run(options)
		require.NoError(t, err)
		require.True(t, tried)
		require.NoError(t, report.Err())
	})
}

// TestMarkOnABrokenDisk: a mark is durable, or the error says so.
func TestMarkOnABrokenDisk(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		storage := newDisk()
		options := markOptions(t)
		options.Journal = "run.journal"
		s.lostRun(options.WithFiles(storage))
		marking := fleet.Marking{InstanceID: "i-00002", Mark: fleet.MarkGone, Note: "released"}
		_, err := fleet.MarkInstancesOn(storage, options.Journal, marking)
		require.NoError(t, err)
		content := storage.files[options.Journal]
		require.Contains(t, string(content.synced), `"kind":"marked"`)
		require.Contains(t, string(content.synced), `"mark":"gone"`)
		require.Contains(t, string(content.synced), `"note":"released"`)
		require.Equal(t, 1, strings.Count(string(content.synced), `"marked"`))
	})
}
