package ecstemporal

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/mocks"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// mark marks instances of the run at a time of the run; told gets why it is refused, or
// nil.
func (s *service) mark(after time.Duration, told func(err error), markings ...fleet.Marking) {
	s.at(after, func() {
		s.env.UpdateWorkflow(UpdateMark, rand.Text(), &testsuite.TestUpdateCallback{
			OnAccept:   func() {},
			OnReject:   func(err error) { told(err) },
			OnComplete: func(_ any, err error) { told(err) },
		}, markings)
	})
}

func word(id string, m fleet.Mark) fleet.Marking {
	return fleet.Marking{InstanceID: id, Mark: m, Note: "I looked"}
}

// markSettings are of a run that goes on with an instance that is unknown.
func markSettings() Settings {
	return Settings{Settings: fleet.Settings{
		Rules: fleet.Rules{MaxUnavailable: fleet.Count(2), MaxFailed: fleet.Count(3), AllowWide: true, Canary: []int{}}, MinReady: 5 * time.Minute,
	}}
}

// TestMarks: a run honours an operator's word while it goes on.
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
		for _, paused := range []bool{false, true} {
			t.Run(string(test.mark), func(t *testing.T) {
				inBubble(t, 4, ecstest.Options{}, func(t *testing.T, s *service) {
					s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", InstanceID: "i-00002"})
					var refused error
					if paused {
						s.at(4*time.Minute, func() { s.env.SignalWorkflow(SignalPause, nil) })
						s.at(time.Hour, func() { s.env.SignalWorkflow(SignalUnpause, nil) })
					}
					s.at(4*time.Minute+30*time.Second, func() {
						require.Equal(t, fleet.StateUnknown, s.record("i-00002").State)
						if test.mark == fleet.MarkGone {
							s.RemoveInstance("i-00002")
						}
					})
					s.mark(5*time.Minute, func(err error) { refused = err }, word("i-00002", test.mark))
					s.at(5*time.Minute+time.Second, func() {
						record := s.record("i-00002")
						if test.mark != fleet.MarkNotRestarted {
							require.Equal(t, "I looked", record.Note)
						} else if paused {
							require.Equal(t, fleet.StateWaiting, record.State)
						}
					})
					report, seen := s.run(markSettings())
					require.NoError(t, refused)
					require.Equal(t, fleet.ReasonDone, report.Reason)
					require.Len(t, seen.of(fleet.EventMarked), 1)
					record, _ := report.Record("i-00002")
					require.Equal(t, test.state, record.State)
					require.Equal(t, test.reason, record.Reason)
					s.restartedOnce(test.restarts...)
				})
			})
		}
	}
}

// TestNotRestartedAfterAll: an operator errs. The instance has started since the run
// began, so it is not restarted again.
func TestNotRestartedAfterAll(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", InstanceID: "i-00001"})
		s.at(4*time.Minute, func() {
			require.Equal(t, fleet.StateUnknown, s.record("i-00001").State)
			require.NoError(t, s.Restart("i-00001", false)) // a request that was under way for long
		})
		s.mark(4*time.Minute+time.Second, func(err error) { require.NoError(t, err) }, word("i-00001", fleet.MarkNotRestarted))
		report, _ := s.run(markSettings())
		record, _ := report.Record("i-00001")
		require.Equal(t, fleet.StateSkipped, record.State)
		require.Equal(t, 1, s.Reboots("i-00001"))
	})
}

// TestMarkInFlight: what may still be sent is not marked, and what was sent is no longer
// followed.
func TestMarkInFlight(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		s.balance(nil)
		begin := time.Now()
		s.hooks.Blocker = func(_ context.Context, target fleet.Target) error {
			if target.ID == "i-00002" && time.Since(begin) < 10*time.Minute {
				return errors.New("busy")
			}
			return nil
		}
		var refusals []error
		told := func(err error) { refusals = append(refusals, err) }
		for _, m := range []fleet.Mark{fleet.MarkGone, fleet.MarkRestarted, fleet.MarkNotRestarted} {
			s.mark(time.Minute, told, word("i-00001", fleet.MarkGone), word("i-00002", m)) // all or none
		}
		s.mark(61*time.Second, told, word("i-00001", fleet.MarkNotRestarted))
		s.mark(62*time.Second, told, word("i-00001", fleet.MarkRestarted), word("i-00001", fleet.MarkGone))
		s.at(63*time.Second, func() { s.env.SignalWorkflow(SignalPause, nil) })
		s.mark(2*time.Minute, told, word("i-00002", fleet.MarkRestarted))
		s.at(3*time.Minute, func() {
			s.RemoveInstance("i-00001") // or another follow would find it healthy
			s.env.SignalWorkflow(SignalUnpause, nil)
		})
		settings := hooked()
		settings.Settings, settings.Blocker = markSettings().Settings, true
		report, seen := s.run(settings)
		require.Len(t, refusals, 6)
		for _, err := range refusals[:3] {
			require.ErrorContains(t, err, "i-00002")
		}
		require.ErrorContains(t, refusals[3], "the service accepted its restart")
		require.NoError(t, refusals[4])
		require.NoError(t, refusals[5])
		require.Equal(t, fleet.ReasonDone, report.Reason)
		require.Equal(t, fleet.ReasonGone, report.Records[0].Reason)
		require.Equal(t, fleet.ReasonMarkedRestarted, report.Records[1].Reason)
		require.Equal(t, fleet.StateHealthy, report.Records[2].State)
		require.Equal(t, []string{"drain i-00001"}, s.of("i-00001"), "no hook is called for it any more")
		require.Equal(t, []fleet.EventKind{fleet.EventMarked, fleet.EventMarked}, seen.kinds("i-00001")[len(seen.kinds("i-00001"))-2:])
		s.restartedOnce("i-00001", "i-00003")
	}, func(i *ecstest.Instance) { i.Reboot.Hang = i.ID == "i-00001" })
}

// TestMarkedGoneInFlight: an instance that is marked as gone while it is followed is not
// polled any more, and makes room for the next one.
func TestMarkedGoneInFlight(t *testing.T) {
	const gone, next = "i-00001", "i-00002"
	for _, test := range []struct {
		name  string
		given func(s *service, settings *Settings)
		hangs bool
	}{
		{"down", func(*service, *Settings) {}, true},
		{"not healthy", func(s *service, settings *Settings) {
			settings.Health = true
			s.hooks.Health = func(_ context.Context, target fleet.Target) error {
				if target.ID == gone {
					return errors.New("starting")
				}
				return nil
			}
		}, false},
		{"in doubt", func(s *service, settings *Settings) {
			s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", InstanceID: gone})
			settings.UnknownGrace = time.Hour
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
				settings := Settings{Settings: fleet.Settings{
					Rules:    fleet.Rules{MaxUnavailable: fleet.Count(1), AllowWide: true, Canary: []int{}},
					MinReady: 5 * time.Minute, ReadyTimeout: 2 * time.Hour, StoppedTimeout: -1,
				}}
				test.given(s, &settings)
				var marked time.Time
				s.at(8*time.Minute, func() {
					require.Equal(t, fleet.StateRestarting, s.record(gone).State)
					require.Zero(t, s.Reboots(next), "the width is 1")
				})
				s.mark(8*time.Minute, func(err error) {
					require.NoError(t, err)
					marked = time.Now()
				}, word(gone, fleet.MarkGone))
				report, seen := s.run(settings)
				polled := func(from, to time.Duration) bool {
					return slices.ContainsFunc(s.Calls(), func(c ecstest.ReceivedCall) bool {
						after := c.Time.Sub(marked)
						return strings.Contains(c.InstanceID, gone) && after > from && after < to
					})
				}
				require.True(t, polled(-time.Minute, 0))
				require.False(t, polled(time.Minute, time.Hour), "a heartbeat ends the follow within a minute")
				require.Equal(t, fleet.ReasonDone, report.Reason)
				require.Equal(t, fleet.ReasonGone, report.Records[0].Reason)
				require.Equal(t, 2, report.Count(fleet.StateHealthy))
				begun := slices.IndexFunc(seen, func(e fleet.Event) bool { return e.Kind == fleet.EventIntent && e.InstanceID == next })
				require.WithinDuration(t, marked, seen[begun].At, 10*time.Second)
				require.Equal(t, 1, seen.unavailable(t, s.plan, settings.Rules))
			}, func(i *ecstest.Instance) { i.Reboot.Hang = test.hangs && i.ID == gone })
		})
	}
}

// TestMarksThatAreRefused are those that package fleet refuses.
func TestMarksThatAreRefused(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		var refusals []error
		told := func(err error) { refusals = append(refusals, err) }
		at := 10 * time.Minute
		s.at(time.Second, func() { s.env.SignalWorkflow(SignalPause, nil) })
		for i, m := range []fleet.Marking{
			word("i-00009", fleet.MarkGone), word("i-00001", "lost"),
			{InstanceID: "i-00001", Mark: fleet.MarkGone},
			word("i-00001", fleet.MarkRestarted), word("i-00002", fleet.MarkNotRestarted),
		} {
			s.mark(at+time.Duration(i)*time.Second, told, m)
		}
		s.at(time.Hour, func() { s.env.SignalWorkflow(SignalUnpause, nil) })
		report, seen := s.run(Settings{})
		require.NoError(t, report.Err())
		require.Len(t, refusals, 5)
		for i, text := range []string{`"i-00009" is not in the plan`, `"lost"`, "must say why", "it is healthy", "it is waiting"} {
			require.ErrorContains(t, refusals[i], text)
		}
		require.Empty(t, seen.of(fleet.EventMarked))
	})
}

func TestMarkErrors(t *testing.T) {
	c := new(mocks.Client)
	require.ErrorIs(t, Mark(t.Context(), nil, "run", word("i-1", fleet.MarkGone)), ecsreboot.ErrInvalidInput)
	require.ErrorIs(t, Mark(t.Context(), c, "", word("i-1", fleet.MarkGone)), ecsreboot.ErrInvalidInput)
	require.ErrorIs(t, Mark(t.Context(), c, "run"), ecsreboot.ErrInvalidInput)

	handle := new(mocks.WorkflowUpdateHandle)
	handle.On("Get", mock.Anything, mock.Anything).Return(nil).Once()
	sent := c.On("UpdateWorkflow", mock.Anything, mock.Anything).Run(func(args mock.Arguments) {
		require.Equal(t, UpdateMark, args.Get(1).(client.UpdateWorkflowOptions).UpdateName)
	}).Return(handle, nil)
	require.NoError(t, Mark(t.Context(), c, "run", word("i-1", fleet.MarkGone)))
	handle.On("Get", mock.Anything, mock.Anything).Return(temporal.NewNonRetryableApplicationError("x", refusedMark, nil, "Mark", "is refused")).Once()
	err := Mark(t.Context(), c, "run", word("i-1", fleet.MarkGone))
	bad, ok := errors.AsType[*ecsreboot.InputError](err)
	require.True(t, ok)
	require.Equal(t, "Mark", bad.Field)
	handle.On("Get", mock.Anything, mock.Anything).Return(serviceerror.NewNotFound("workflow execution already completed")).Once()
	require.ErrorContains(t, Mark(t.Context(), c, "run", word("i-1", fleet.MarkGone)), "already completed")
	sent.Unset()

	silent := server(errors.New("no answer"))
	silent.On("UpdateWorkflow", mock.Anything, mock.Anything).Return(nil, context.DeadlineExceeded)
	err = Mark(t.Context(), silent, "run", word("i-1", fleet.MarkGone))
	require.ErrorIs(t, err, ErrNoWorker)
}
