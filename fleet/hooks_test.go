package fleet_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// balancer is a load balancer: its log is of the hooks that were called.
type balancer struct {
	mu   sync.Mutex
	log  []string
	fail map[string]error // by the line of the log
	out  map[string]bool  // of service
}

func (b *balancer) note(line string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.log = append(b.log, line)
	err := b.fail[line]
	what, id, _ := strings.Cut(line, " ")
	switch {
	case what == "drain":
		b.out[id] = true // also if it fails
	case what == "undrain" && err == nil:
		delete(b.out, id)
	}
	return err
}

// of returns the lines of the log that are of an instance: others go on meanwhile.
func (b *balancer) of(id string) (lines []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, line := range b.log {
		if strings.Contains(line, id) {
			lines = append(lines, line)
		}
	}
	return lines
}

// with adds the hooks to the options.
func (b *balancer) with(o fleet.Options) fleet.Options {
	b.out = make(map[string]bool)
	o.Drain = func(_ context.Context, t fleet.Target) error { return b.note("drain " + t.ID) }
	o.Undrain = func(_ context.Context, t fleet.Target) error { return b.note("undrain " + t.ID) }
	o.Failed = func(_ context.Context, t fleet.Target, e fleet.Event) error {
		return b.note("failed " + t.ID + ": " + string(e.Reason))
	}
	return o
}

func hookOptions(t *testing.T) fleet.Options {
	t.Helper()
	return fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{Canary: []int{}}}, Journal: filepath.Join(t.TempDir(), "j")}
}

func TestHooksInOrder(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		var b balancer
		var seen trace
		options := b.with(hookOptions(t))
		options.OnEvent = collect(&seen)
		drain := options.Drain
		options.Drain = func(ctx context.Context, target fleet.Target) error {
			history, err := fleet.Load(options.Journal)
			require.NoError(t, err)
			record, _ := history.Report().Record(target.ID)
			require.True(t, record.Drained(), "the journal has the intent before the hook runs")
			require.Zero(t, s.Reboots(target.ID))
			return drain(ctx, target)
		}
		undrain := options.Undrain
		options.Undrain = func(ctx context.Context, target fleet.Target) error {
			require.Equal(t, 1, s.Reboots(target.ID))
			require.Equal(t, ecsreboot.StatusRunning, s.Status(target.ID))
			return undrain(ctx, target)
		}
		report, err := s.run(options)
		require.NoError(t, err)
		require.NoError(t, report.Err())
		require.Equal(t, []string{
			"drain i-00001", "undrain i-00001", "drain i-00002", "undrain i-00002", "drain i-00003", "undrain i-00003",
		}, b.log)
		require.Equal(t, []fleet.EventKind{
			fleet.EventHook, fleet.EventHooked, fleet.EventIntent, fleet.EventAccepted, fleet.EventDown, fleet.EventUp,
			fleet.EventHook, fleet.EventHooked, fleet.EventHealthy,
		}, seen.kinds("i-00002"))
		require.Equal(t, 1, seen.unavailable(t, s.plan(), options.Rules))
		record, _ := report.Record("i-00002")
		require.False(t, record.Drained())
		require.Len(t, record.Hooks, 2)
		require.Equal(t, fleet.HookDrain, record.Hooks[0].Hook)
		history, err := fleet.Load(options.Journal)
		require.NoError(t, err)
		require.Equal(t, mustJSON(t, report), mustJSON(t, history.Report()))
	})
}

// TestDrainFails: nothing is sent, what is half drained is put back.
func TestDrainFails(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		b := balancer{fail: map[string]error{"drain i-00002": errors.New("no such backend")}}
		report, err := s.run(b.with(hookOptions(t)))
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonDone, report.Reason)
		s.restartedOnce("i-00001", "i-00003")
		record, _ := report.Record("i-00002")
		require.Equal(t, fleet.ReasonNotDrained, record.Reason)
		require.Equal(t, "drain hook: no such backend", record.Error)
		require.Equal(t, []string{"drain i-00002", "undrain i-00002", "failed i-00002: not drained"}, b.of("i-00002"))
		require.Empty(t, b.out)
	})
}

// TestHookTextsHoldNoSecrets: what a hook's error says lands in the journal and the report.
func TestHookTextsHoldNoSecrets(t *testing.T) {
	const secret = "s3cretTokenOfTheBalancer01"
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		b := balancer{fail: map[string]error{"drain i-00002": errors.New(`Get "https://lb/drain?token=` + secret + `": EOF`)}}
		options := b.with(hookOptions(t))
		report, err := s.run(options)
		require.NoError(t, err)
		record, _ := report.Record("i-00002")
		require.Contains(t, record.Error, "drain hook: Get ")
		require.NotContains(t, mustJSON(t, report), secret)
		journal, err := os.ReadFile(options.Journal)
		require.NoError(t, err)
		require.NotContains(t, string(journal), secret)
	})
}

// TestCheckTextsHoldNoSecrets: the same for a health check, a blocker and an approval.
func TestCheckTextsHoldNoSecrets(t *testing.T) {
	const secret = "s3cretTokenOfTheBalancer01"
	failure := errors.New(`Get "https://lb/health?token=` + secret + `": EOF`)
	for name, with := range map[string]func(*fleet.Options){
		"blocked": func(o *fleet.Options) {
			o.Blocker = func(context.Context, fleet.Target) error { return failure }
			o.Control = new(fleet.Control)
			time.AfterFunc(time.Hour, o.Control.Stop)
		},
		"not healthy": func(o *fleet.Options) { o.Health = func(context.Context, fleet.Target) error { return failure } },
		"not approved": func(o *fleet.Options) {
			o.Canary = []int{1}
			o.Approve = func(context.Context, int) error { return failure }
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
				options := hookOptions(t)
				with(&options)
				var seen trace
				options.OnEvent = collect(&seen)
				report, err := s.run(options)
				require.NoError(t, err)
				require.Contains(t, mustJSON(t, seen), "https://lb/health")
				require.NotContains(t, mustJSON(t, report)+mustJSON(t, seen), secret)
				journal, err := os.ReadFile(options.Journal)
				require.NoError(t, err)
				require.NotContains(t, string(journal), secret)
			})
		})
	}
}

// TestUndrainFails: it restarted, does not serve, and takes its place until it does.
func TestUndrainFails(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		// An error of a client must not be taken for one of the restart.
		mine := &ecsreboot.OperationError{Operation: "RebootInstance", Outcome: ecsreboot.OutcomeNotSent, Err: ecsreboot.ErrThrottled}
		b := balancer{fail: map[string]error{"undrain i-00002": mine}}
		options := b.with(hookOptions(t))
		report, err := s.run(options)
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonWidth, report.Reason)
		record, _ := report.Record("i-00002")
		require.Equal(t, fleet.ReasonNotUndrained, record.Reason)
		require.True(t, record.Drained())
		require.Contains(t, b.of("i-00002"), "failed i-00002: not undrained")
		s.restartedOnce("i-00001", "i-00002")

		clear(b.fail)
		b.log = nil
		report, err = fleet.Resume(context.Background(), s.client, s.plan(), options)
		require.NoError(t, err)
		require.NoError(t, report.Err())
		require.Equal(t, []string{"undrain i-00002", "drain i-00003", "undrain i-00003"}, b.log)
		s.restartedOnce(s.ids...)
	})
}

// TestRefusedAfterDrain: what was drained for nothing serves again, and takes no place.
func TestRefusedAfterDrain(t *testing.T) {
	for name, fail := range map[string]error{"served again": nil, "not served again": errors.New("down")} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
				s.Inject(refused("i-00002", ecsreboot.ErrDiskError))
				b := balancer{fail: map[string]error{"undrain i-00002": fail}}
				report, err := s.run(b.with(hookOptions(t)))
				require.NoError(t, err)
				record, _ := report.Record("i-00002")
				if fail == nil {
					require.Equal(t, fleet.ReasonDone, report.Reason)
					require.Equal(t, fleet.ReasonRefused, record.Reason)
					require.Equal(t, []string{"drain i-00002", "undrain i-00002", "failed i-00002: refused"}, b.of("i-00002"))
				} else {
					require.Equal(t, fleet.ReasonWidth, report.Reason, "who does not serve is unavailable")
					require.Equal(t, fleet.ReasonNotUndrained, record.Reason)
				}
			})
		})
	}
}

// TestFailedHook: of the last instance as well, when the run has nothing else to do.
func TestFailedHook(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		var b balancer
		options := b.with(hookOptions(t))
		options.ReadyTimeout = 5 * time.Minute
		failed := options.Failed
		options.Failed = func(ctx context.Context, target fleet.Target, e fleet.Event) error {
			require.Equal(t, fleet.EventFailed, e.Kind)
			require.Equal(t, target.ID, e.InstanceID)
			select {
			case <-time.After(time.Minute):
				return failed(ctx, target, e)
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		report, err := s.run(options)
		require.NoError(t, err)
		require.Equal(t, []string{"drain i-00001", "undrain i-00001", "drain i-00002", "failed i-00002: not back"}, b.log)
		record, _ := report.Record("i-00002")
		require.Empty(t, record.Call(fleet.HookFailed).Error)
		require.False(t, record.Call(fleet.HookFailed).Ended.IsZero())
		require.True(t, record.Drained())

		// Its result is in the journal, so that nobody is told twice.
		report, err = fleet.Resume(context.Background(), s.client, s.plan(), options)
		require.NoError(t, err)
		require.Equal(t, 1, report.Count(fleet.StateFailed))
		require.Len(t, b.log, 4)
	}, func(i *ecstest.Instance) { i.Reboot.Hang = i.ID == "i-00002" })
}

func TestHookTimeout(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		options := hookOptions(t)
		options.HookTimeout = 90 * time.Second
		options.Drain = func(ctx context.Context, _ fleet.Target) error {
			<-ctx.Done()
			return ctx.Err()
		}
		begin := time.Now()
		report, err := s.run(options)
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonNotDrained, report.Records[0].Reason)
		require.Equal(t, "drain hook: not done within 1m30s", report.Records[0].Error)
		require.Less(t, time.Since(begin), 4*time.Minute)
		s.restartedOnce()
	})
}

// TestStopDuringDrain: what is drained is put back, as nothing more is sent.
func TestStopDuringDrain(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		var b balancer
		var control fleet.Control
		options := b.with(hookOptions(t))
		options.Control = &control
		drain := options.Drain
		options.Drain = func(ctx context.Context, target fleet.Target) error {
			control.Stop()
			time.Sleep(time.Minute)
			return drain(ctx, target)
		}
		report, err := s.run(options)
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonUser, report.Reason)
		require.Equal(t, []string{"drain i-00001", "undrain i-00001"}, b.log)
		require.Equal(t, 2, report.Count(fleet.StateWaiting))
		s.restartedOnce()
	})
}

// TestBlockedIsNotDrained: Drain comes after the blocker.
func TestBlockedIsNotDrained(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		var b balancer
		options := b.with(hookOptions(t))
		begin := time.Now()
		options.Blocker = func(_ context.Context, target fleet.Target) error {
			if time.Since(begin) < 8*time.Minute && target.ID == "i-00001" {
				return errors.New("not now")
			}
			return nil
		}
		report, err := s.run(options)
		require.NoError(t, err)
		require.NoError(t, report.Err())
		require.Equal(t, []string{"drain i-00002", "undrain i-00002", "drain i-00001", "undrain i-00001"}, b.log)
	})
}

// TestHooksWithALateHealthy: one that failed and comes back is put into service.
func TestHooksWithALateHealthy(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		var b balancer
		options := b.with(hookOptions(t))
		options.Rules = fleet.Rules{MaxUnavailable: fleet.Count(2), AllowWide: true, Canary: []int{}}
		options.ReadyTimeout = 5 * time.Minute
		begin := time.Now()
		drain := options.Drain
		options.Drain = func(ctx context.Context, target fleet.Target) error {
			if target.ID == "i-00002" { // so that the run is not over when the other one comes back
				time.Sleep(4 * time.Minute)
			}
			return drain(ctx, target)
		}
		options.Health = func(_ context.Context, target fleet.Target) error {
			if target.ID == "i-00001" && time.Since(begin) < 6*time.Minute {
				return errors.New("migrating")
			}
			if target.ID == "i-00002" && time.Since(begin) < 8*time.Minute {
				return errors.New("migrating")
			}
			return nil
		}
		report, err := s.run(options)
		require.NoError(t, err)
		require.NoError(t, report.Err())
		require.Equal(t, []string{"drain i-00001", "drain i-00002", "failed i-00001: not healthy", "undrain i-00001", "undrain i-00002"}, b.log)
		require.Empty(t, b.out)
		s.restartedOnce(s.ids...)
	})
}
