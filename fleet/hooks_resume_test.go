package fleet_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// TestInterruptedInAHook: a resumed run calls the hook once more, and restarts nothing
// twice.
func TestInterruptedInAHook(t *testing.T) {
	for _, test := range []struct {
		in      string
		resumed []string // the log of the resumed run
		resolve []string // or of Resolve in its place
	}{
		{"drain i-00002", []string{"drain i-00002", "undrain i-00002", "drain i-00003", "undrain i-00003"}, []string{"undrain i-00002"}},
		{"undrain i-00002", []string{"undrain i-00002", "drain i-00003", "undrain i-00003"}, []string{"undrain i-00002"}},
	} {
		for _, resume := range []bool{true, false} {
			t.Run(test.in, func(t *testing.T) {
				inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
					var b balancer
					ctx, cancel := context.WithCancel(context.Background())
					options := b.with(hookOptions(t))
					during := options
					interrupted := func(hook func(context.Context, fleet.Target) error) func(context.Context, fleet.Target) error {
						return func(hookCtx context.Context, target fleet.Target) error {
							err := hook(hookCtx, target)
							if b.log[len(b.log)-1] == test.in {
								b.out[target.ID] = true
								cancel()
								return hookCtx.Err()
							}
							return err
						}
					}
					during.Drain, during.Undrain = interrupted(options.Drain), interrupted(options.Undrain)
					plan := s.plan()
					report, err := fleet.Run(ctx, s.client, plan, during)
					require.ErrorIs(t, err, context.Canceled)
					require.Equal(t, fleet.ReasonInterrupted, report.Reason)
					record, _ := report.Record("i-00002")
					require.Equal(t, fleet.StateRestarting, record.State)
					require.True(t, record.Drained())
					b.log = nil
					if resume {
						report, err = fleet.Resume(context.Background(), s.client, plan, options)
						require.NoError(t, err)
						require.NoError(t, report.Err())
						require.Equal(t, test.resumed, b.log)
						s.restartedOnce(s.ids...)
					} else {
						report, err = fleet.Resolve(context.Background(), s.client, plan, options)
						require.NoError(t, err)
						require.Equal(t, test.resolve, b.log)
						require.Zero(t, report.Count(fleet.StateRestarting))
						require.Zero(t, s.Reboots("i-00003"))
					}
					require.Empty(t, b.out)
					record, _ = report.Record("i-00002")
					require.False(t, record.Drained())
				})
			})
		}
	}
}

// TestDrainedKeepsItsPlaceAfterACrash: what is out of service counts, whatever comes next.
func TestDrainedKeepsItsPlaceAfterACrash(t *testing.T) {
	history := events("run, intent a, healthy a")
	history = append(history, fleet.Event{Kind: fleet.EventHook, InstanceID: "c", Hook: fleet.HookDrain})
	p := newPlanner(t, planOf(4), wide(1), history...)
	require.Equal(t, 1, p.Unavailable())
	require.Equal(t, "restart c", tell(t, p, "resume"), "and not b as well")
	require.Equal(t, "restart b", tell(t, p, "intent c, healthy c"))
}

func TestResumeNeedsTheHooks(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		var b balancer
		options := b.with(hookOptions(t))
		_, err := s.run(options)
		require.NoError(t, err)
		for field, without := range map[string]func(*fleet.Options){
			"Drain":   func(o *fleet.Options) { o.Drain = nil },
			"Undrain": func(o *fleet.Options) { o.Undrain = nil },
			"Failed":  func(o *fleet.Options) { o.Failed = nil },
		} {
			less := options
			without(&less)
			_, err := fleet.Resume(context.Background(), s.client, s.plan(), less)
			var bad *ecsreboot.InputError
			require.ErrorAs(t, err, &bad)
			require.Equal(t, field, bad.Field)
			_, err = fleet.Resolve(context.Background(), s.client, s.plan(), less)
			require.Equal(t, field == "Drain", errors.Is(err, fleet.ErrFinished), "a Resolve drains nothing")
		}
	})
}

// TestNotPutIntoServiceAfterARefusal: a resumed run tries again, and then has its turn.
func TestNotPutIntoServiceAfterARefusal(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		s.Inject(ecstest.Fault{Kind: ecstest.FaultError, Action: "RebootInstance", InstanceID: "i-00002", Status: 403, Code: "DiskError"})
		b := balancer{fail: map[string]error{"undrain i-00002": errors.New("down")}}
		options := b.with(hookOptions(t))
		report, err := s.run(options)
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonWidth, report.Reason)
		b.log = nil
		report, err = fleet.Resume(context.Background(), s.client, s.plan(), options)
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonWidth, report.Reason, "it is out of service still")
		require.Equal(t, []string{"undrain i-00002"}, b.log[:1])
		clear(b.fail)
		b.log = nil
		report, err = fleet.Resume(context.Background(), s.client, s.plan(), options)
		require.NoError(t, err)
		require.NoError(t, report.Err())
		require.Equal(t, []string{"undrain i-00002", "drain i-00002", "undrain i-00002", "drain i-00003", "undrain i-00003"}, b.log)
		s.restartedOnce(s.ids...)
	})
}
