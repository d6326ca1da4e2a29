package ecstemporal

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

func TestHooksInOrder(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		s.balance(nil)
		drain, undrain := s.hooks.Drain, s.hooks.Undrain
		s.hooks.Blocker = func(_ context.Context, target fleet.Target) error {
			s.note("ask", target)
			return nil
		}
		s.hooks.Drain = func(ctx context.Context, target fleet.Target) error {
			require.True(t, s.recordInHook(target.ID).Drained(), "the history has the call before the hook runs")
			require.Zero(t, s.Reboots(target.ID))
			return drain(ctx, target)
		}
		s.hooks.Undrain = func(ctx context.Context, target fleet.Target) error {
			require.Equal(t, fleet.HookUndrain, s.recordInHook(target.ID).Call(fleet.HookUndrain).Hook)
			require.Equal(t, 1, s.Reboots(target.ID))
			require.Equal(t, ecsreboot.StatusRunning, s.Status(target.ID))
			return undrain(ctx, target)
		}
		settings := hooked()
		settings.Blocker = true
		report, seen := s.run(settings)
		require.NoError(t, report.Err())
		require.Equal(t, []string{
			"ask i-00001", "drain i-00001", "ask i-00001", "undrain i-00001",
			"ask i-00002", "drain i-00002", "ask i-00002", "undrain i-00002",
			"ask i-00003", "drain i-00003", "ask i-00003", "undrain i-00003",
		}, s.log)
		require.Equal(t, []fleet.EventKind{
			fleet.EventHook, fleet.EventHooked, fleet.EventIntent, fleet.EventAccepted, fleet.EventDown, fleet.EventUp,
			fleet.EventHook, fleet.EventHooked, fleet.EventHealthy,
		}, seen.kinds("i-00002"))
		require.Equal(t, []fleet.Hook{fleet.HookBlocker, fleet.HookDrain, fleet.HookUndrain, fleet.HookFailed}, seen[0].Hooks)
		require.Equal(t, 1, seen.unavailable(t, s.plan, settings.Rules))
		record, _ := report.Record("i-00002")
		require.False(t, record.Drained())
	})
}

// TestHooksGetTheRegion: the targets of a plan of one region name none.
func TestHooksGetTheRegion(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		s.balance(map[string]error{"undrain i-00002": errors.New("no")})
		seen := make(map[string]bool)
		watch := func(hook func(context.Context, fleet.Target) error, name string) func(context.Context, fleet.Target) error {
			return func(ctx context.Context, target fleet.Target) error {
				s.mu.Lock()
				seen[name+" in "+target.Region] = true
				s.mu.Unlock()
				return hook(ctx, target)
			}
		}
		pass := func(context.Context, fleet.Target) error { return nil }
		s.hooks.Health, s.hooks.Blocker = watch(pass, "health"), watch(pass, "blocker")
		s.hooks.Drain, s.hooks.Undrain = watch(s.hooks.Drain, "drain"), watch(s.hooks.Undrain, "undrain")
		failed := s.hooks.Failed
		s.hooks.Failed = func(ctx context.Context, target fleet.Target, e fleet.Event) error {
			return watch(func(ctx context.Context, target fleet.Target) error { return failed(ctx, target, e) }, "failed")(ctx, target)
		}
		settings := hooked()
		settings.Blocker, settings.Health = true, true
		s.run(settings)
		want := make(map[string]bool)
		for _, name := range []string{"health", "blocker", "drain", "undrain", "failed"} {
			want[name+" in "+s.plan.Region] = true
		}
		require.Equal(t, want, seen)
	})
}

// recordInHook is record for hooks, which run beside the workflows. The environment, unlike
// a server, starts an activity before the run has handled the signals that were sent before.
func (s *service) recordInHook(id string) (record fleet.Record) {
	done := make(chan struct{})
	s.at(0, func() {
		defer close(done)
		record = s.record(id)
	})
	<-done
	return record
}

// record asks the run for what its report says of an instance.
func (s *service) record(id string) fleet.Record {
	value, err := s.env.QueryWorkflow(queryHistory)
	require.NoError(s.t, err)
	var packed []byte
	require.NoError(s.t, value.Get(&packed))
	history, err := unpackHistory(packed)
	require.NoError(s.t, err)
	record, _ := history.Report().Record(id)
	return record
}

// TestDrainFails: nothing is sent, what is half drained is put back.
func TestDrainFails(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		s.balance(map[string]error{"drain i-00002": errors.New("no such backend")})
		report, seen := s.run(hooked())
		require.Equal(t, fleet.ReasonDone, report.Reason)
		s.restartedOnce("i-00001", "i-00003")
		record, _ := report.Record("i-00002")
		require.Equal(t, fleet.ReasonNotDrained, record.Reason)
		require.Equal(t, "drain hook: no such backend", record.Error)
		require.True(t, seen.of(fleet.EventFailed)[0].Running)
		require.Equal(t, []string{"drain i-00002", "undrain i-00002", "failed i-00002: not drained"}, s.of("i-00002"))
	})
}

func TestHookTextsHoldNoSecrets(t *testing.T) {
	const secret = "s3cretTokenOfTheBalancer01"
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		fail := errors.New(`Get "https://lb/drain?token=` + secret + `": EOF`)
		s.balance(map[string]error{"drain i-00001": fail})
		asked := 0
		s.hooks.Blocker = func(context.Context, fleet.Target) error {
			if asked++; asked == 1 {
				return fail
			}
			return nil
		}
		settings := hooked()
		settings.Blocker = true
		report, seen := s.run(settings)
		require.Contains(t, seen.of(fleet.EventHeld)[0].Error, "Get ")
		require.Contains(t, report.Records[0].Error, "drain hook: Get ")
		require.NotContains(t, report.Records[0].Error, secret)
		for _, e := range seen {
			require.NotContains(t, e.Error, secret)
		}
	})
}

// TestUndrainFails: it restarted, does not serve, and takes its place.
func TestUndrainFails(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		s.balance(map[string]error{"undrain i-00002": errors.New("no such backend")})
		report, _ := s.run(hooked())
		require.Equal(t, fleet.ReasonWidth, report.Reason)
		record, _ := report.Record("i-00002")
		require.Equal(t, fleet.ReasonNotUndrained, record.Reason)
		require.Equal(t, "undrain hook: no such backend", record.Error)
		require.True(t, record.Drained())
		require.Equal(t, []string{"drain i-00002", "undrain i-00002", "failed i-00002: not undrained"}, s.of("i-00002"))
		s.restartedOnce("i-00001", "i-00002")
	})
}

// TestRefusedAfterDrain: what was drained for nothing serves again, and takes no place.
func TestRefusedAfterDrain(t *testing.T) {
	for name, fail := range map[string]error{"served again": nil, "not served again": errors.New("down")} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
				s.Inject(refused("i-00002", ecsreboot.ErrDiskError))
				s.balance(map[string]error{"undrain i-00002": fail})
				report, _ := s.run(hooked())
				record, _ := report.Record("i-00002")
				if fail == nil {
					require.Equal(t, fleet.ReasonDone, report.Reason)
					require.Equal(t, fleet.ReasonRefused, record.Reason)
					require.Equal(t, []string{"drain i-00002", "undrain i-00002", "failed i-00002: refused"}, s.of("i-00002"))
				} else {
					require.Equal(t, fleet.ReasonWidth, report.Reason, "who does not serve is unavailable")
					require.Equal(t, fleet.ReasonNotUndrained, record.Reason)
				}
			})
		})
	}
}

// TestFailedHook: of the last instance as well, when the run has nothing else to do. The
// run ends when its result is there.
func TestFailedHook(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		s.balance(nil)
		failed := s.hooks.Failed
		s.hooks.Failed = func(ctx context.Context, target fleet.Target, e fleet.Event) error {
			require.Equal(t, fleet.EventFailed, e.Kind)
			require.Equal(t, target.ID, e.InstanceID)
			select {
			case <-time.After(time.Minute):
				return failed(ctx, target, e)
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		settings := hooked()
		settings.ReadyTimeout = 5 * time.Minute
		report, seen := s.run(settings)
		require.Equal(t, []string{"drain i-00001", "undrain i-00001", "drain i-00002", "failed i-00002: not back"}, s.log)
		record, _ := report.Record("i-00002")
		require.Empty(t, record.Call(fleet.HookFailed).Error)
		require.False(t, record.Call(fleet.HookFailed).Ended.IsZero())
		require.True(t, record.Drained())
		require.Equal(t, fleet.EventEnd, seen[len(seen)-1].Kind)
	}, func(i *ecstest.Instance) { i.Reboot.Hang = i.ID == "i-00002" })
}

func TestHookTimeout(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		s.hooks.Drain = func(ctx context.Context, _ fleet.Target) error {
			<-ctx.Done()
			return ctx.Err()
		}
		begin := time.Now()
		report, _ := s.run(Settings{Settings: fleet.Settings{Rules: fleet.Rules{Canary: []int{}}, HookTimeout: 90 * time.Second}, Drain: true})
		require.Equal(t, fleet.ReasonNotDrained, report.Records[0].Reason)
		require.Equal(t, "drain hook: not done within 1m30s", report.Records[0].Error)
		require.Less(t, time.Since(begin), 4*time.Minute)
		s.restartedOnce()
	})
}

// TestAbortDuringDrain: what is drained is put back, as nothing more is sent.
func TestAbortDuringDrain(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		s.balance(nil)
		drain := s.hooks.Drain
		s.hooks.Drain = func(ctx context.Context, target fleet.Target) error {
			s.env.SignalWorkflow(SignalAbort, nil)
			time.Sleep(time.Minute)
			return drain(ctx, target)
		}
		report, _ := s.run(hooked())
		require.Equal(t, fleet.ReasonUser, report.Reason)
		require.Equal(t, []string{"drain i-00001", "undrain i-00001"}, s.log)
		require.Equal(t, 2, report.Count(fleet.StateWaiting))
		s.restartedOnce()
	})
}

// TestBlockedIsNotDrained: Drain comes after the blocker.
func TestBlockedIsNotDrained(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		s.balance(nil)
		begin := time.Now()
		s.hooks.Blocker = func(_ context.Context, target fleet.Target) error {
			if time.Since(begin) < 8*time.Minute && target.ID == "i-00001" {
				return errors.New("not now")
			}
			return nil
		}
		settings := hooked()
		settings.Blocker = true
		report, _ := s.run(settings)
		require.NoError(t, report.Err())
		require.Equal(t, []string{"drain i-00002", "undrain i-00002", "drain i-00001", "undrain i-00001"}, s.log)
	})
}

// TestHooksWithALateHealthy: one that failed and comes back is put into service.
func TestHooksWithALateHealthy(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		s.balance(nil)
		settings := hooked()
		settings.Rules = fleet.Rules{MaxUnavailable: fleet.Count(2), AllowWide: true, Canary: []int{}}
		settings.ReadyTimeout, settings.Health = 5*time.Minute, true
		begin := time.Now()
		drain := s.hooks.Drain
		s.hooks.Drain = func(ctx context.Context, target fleet.Target) error {
			if target.ID == "i-00002" { // so that the run is not over when the other one comes back
				time.Sleep(4 * time.Minute)
			}
			return drain(ctx, target)
		}
		s.hooks.Health = func(_ context.Context, target fleet.Target) error {
			if target.ID == "i-00001" && time.Since(begin) < 6*time.Minute || target.ID == "i-00002" && time.Since(begin) < 8*time.Minute {
				return errors.New("migrating")
			}
			return nil
		}
		report, _ := s.run(settings)
		require.NoError(t, report.Err())
		require.Equal(t, []string{"drain i-00001", "drain i-00002", "failed i-00001: not healthy", "undrain i-00001", "undrain i-00002"}, s.log)
		s.restartedOnce(s.ids...)
	})
}

// TestWorkerLacksAHook: the run refuses before anything is sent or drained.
func TestWorkerLacksAHook(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		s.balance(nil)
		s.hooks.Undrain, s.hooks.TaskQueue = nil, "web"
		report, _ := s.run(hooked())
		require.Equal(t, fleet.ReasonAccess, report.Reason)
		require.Equal(t, `the run needs the hook "undrain", which a worker of the task queue "web" does not have`, report.Error)
		require.Equal(t, 2, report.Count(fleet.StateWaiting))
		require.Empty(t, s.log)
		require.Empty(t, s.Calls())
	})
}

// TestWorkersDiffer: a worker that lacks a hook refuses each activity that needs it, and
// what is drained is put into service by another worker.
func TestWorkersDiffer(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		s.balance(nil)
		client, err := s.NewClient()
		require.NoError(t, err)
		defer client.CloseIdleConnections()
		poor := &activities{client: client, hooks: WorkerOptions{Drain: s.hooks.Drain, Failed: s.hooks.Failed}}
		settings, err := hooked().forPlan(s.plan)
		require.NoError(t, err)
		at := work{Region: "cn-hangzhou", Target: s.plan.Targets[0]}
		drained, err := poor.Hook(t.Context(), hookInput{work: at, Settings: settings, Hook: fleet.HookDrain})
		require.NoError(t, err)
		require.True(t, drained.Refusal.ForAll)
		require.Contains(t, drained.Refusal.Event.Error, `"undrain"`)
		_, err = poor.Hook(t.Context(), hookInput{work: at, Settings: settings, Hook: fleet.HookUndrain})
		require.ErrorContains(t, err, `"undrain"`, "the server gives it to another worker")
		sent, err := poor.Send(t.Context(), sendInput{work: at, Settings: settings})
		require.NoError(t, err)
		require.True(t, sent.Refusal.ForAll)
		settings.Blocker, settings.Undrain = true, false
		asked, err := poor.Ask(t.Context(), askInput{work: at, Settings: settings})
		require.NoError(t, err)
		require.True(t, asked.Refusal.ForAll)
		require.Empty(t, s.log)
		s.restartedOnce()
	})
}

// TestHookEndsWithItsWorker: a call that has passed has a result, whatever becomes of the
// activity's context, and one that was cut off goes to another worker.
func TestHookEndsWithItsWorker(t *testing.T) {
	onBench(t, ecstest.Options{}, func(b *bench) {
		var suite testsuite.WorkflowTestSuite
		suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
		env := suite.NewTestActivityEnvironment()
		call := func(hook error) (hookResult, error) {
			ended := func(ctx context.Context) (hookResult, error) {
				ctx, end := context.WithCancel(ctx)
				b.hooks.Undrain = func(context.Context, fleet.Target) error {
					end()
					return hook
				}
				return b.Hook(ctx, hookInput{work: b.work(), Settings: defaults(b.t), Hook: fleet.HookUndrain})
			}
			env.RegisterActivityWithOptions(ended, activity.RegisterOptions{Name: "Ended", DisableAlreadyRegisteredCheck: true})
			value, err := env.ExecuteActivity("Ended")
			var result hookResult
			if err == nil {
				require.NoError(b.t, value.Get(&result))
			}
			return result, err
		}
		result, err := call(nil)
		require.NoError(b.t, err)
		require.Empty(b.t, result.Error)
		_, err = call(errors.New("cut off"))
		require.ErrorContains(b.t, err, "the worker stops")
	})
}

// TestHookPanics: a panic of a hook is its error.
func TestHookPanics(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		s.balance(nil)
		s.hooks.Drain = func(context.Context, fleet.Target) error { panic("oh") }
		settings := hooked()
		settings.MaxFailed = fleet.Count(2)
		report, _ := s.run(settings)
		require.Equal(t, 2, report.Count(fleet.StateFailed))
		require.Equal(t, "drain hook: panic: oh", report.Records[0].Error)
		s.restartedOnce()
	})
}
