package fleet_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// consoles are the consoles of instances. The log is of the IDs for which they were read.
type consoles struct {
	mu  sync.Mutex
	log []string
	err error
	raw string
}

func (c *consoles) read(_ context.Context, target fleet.Target) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = append(c.log, target.ID)
	return c.raw, c.err
}

// hangs makes restarts of some instances hang.
func hangs(ids ...string) func(*ecstest.Instance) {
	return func(i *ecstest.Instance) {
		for _, id := range ids {
			i.Reboot.Hang = i.Reboot.Hang || i.ID == id
		}
	}
}

// The console is read once for each instance that was restarted and did not come back, and
// for no other one.
func TestConsole(t *testing.T) {
	const secret = "hunter2"
	inBubble(t, 10, ecstest.Options{}, func(t *testing.T, s *service) {
		fault := func(id string, f ecstest.Fault) {
			f.Action, f.InstanceID = "RebootInstance", id
			s.Inject(f)
		}
		fault("i-00002", ecstest.Fault{Kind: ecstest.FaultError, Status: 403, Code: "DiskError"})
		require.NoError(t, s.SetLocks("i-00003", "security"))
		require.NoError(t, s.SetStatus("i-00004", ecsreboot.StatusStopped))
		fault("i-00005", ecstest.Fault{Kind: ecstest.FaultDrop})                                                        // never arrives
		_, err := s.client.RebootInstance(context.Background(), ecsreboot.RebootInstanceRequest{InstanceID: "i-00009"}) // by others
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		options := hookOptions(t)
		options.Rules, options.ReadyTimeout = without, 5*time.Minute
		options.Exclude = []string{"i-00006"}
		options.Health = func(_ context.Context, target fleet.Target) error {
			if target.ID == "i-00007" || target.ID == "i-00009" {
				return errors.New("connection refused")
			}
			return nil
		}
		c := consoles{raw: strings.Repeat("[ 1.0] a line of the kernel\n", 1000) + "\x1b[1mroot password is: " + secret + "\x1b[0m\r\nKernel panic\x07\n"}
		options.Console = c.read
		var seen trace
		options.OnEvent = func(e fleet.Event) {
			seen = append(seen, e)
			if e.Kind == fleet.EventAccepted && e.InstanceID == "i-00010" {
				s.RemoveInstance("i-00010")
			}
		}
		report, err := s.run(options)
		require.NoError(t, err)
		states := map[string]fleet.Reason{
			"i-00001": fleet.ReasonNotBack, "i-00002": fleet.ReasonRefused, "i-00003": fleet.ReasonLocked, "i-00004": fleet.ReasonNotRunning,
			"i-00005": fleet.ReasonNotProven, "i-00006": fleet.ReasonExcluded, "i-00007": fleet.ReasonNotHealthy, "i-00008": "",
			"i-00009": fleet.ReasonNotHealthy, "i-00010": fleet.ReasonGone,
		}
		for id, reason := range states {
			record, _ := report.Record(id)
			require.Equal(t, reason, record.Reason, mustJSON(t, record))
			if id != "i-00001" && id != "i-00007" {
				require.Empty(t, record.Console+record.ConsoleError)
				continue
			}
			require.Empty(t, record.ConsoleError)
			require.LessOrEqual(t, len(record.Console), 16<<10)
			require.True(t, strings.HasSuffix(record.Console, "kernel\nroot password is: ***\nKernel panic\n"), record.Console)
		}
		require.ElementsMatch(t, []string{"i-00001", "i-00007"}, c.log)
		require.ElementsMatch(t, c.log, seen.of(fleet.EventConsole).ids())
		text, err := os.ReadFile(options.Journal)
		require.NoError(t, err)
		require.NotContains(t, string(text), secret)
		history, err := fleet.Load(options.Journal)
		require.NoError(t, err)
		require.Equal(t, mustJSON(t, report), mustJSON(t, history.Report()))
	}, hangs("i-00001"))
}

// An instance that something else has stopped is one that did not come back.
func TestConsoleOfStopped(t *testing.T) {
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		c := consoles{raw: "Power down"}
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: atOnce}, Console: c.read})
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonStopped, report.Records[0].Reason)
		require.Equal(t, "Power down", report.Records[0].Console)
	}, func(i *ecstest.Instance) {
		i.Reboot = ecstest.RebootProfile{Path: []ecsreboot.Status{ecsreboot.StatusStopped}, Hang: true}
	})
}

// A console that cannot be read is noted, and changes nothing else.
func TestConsoleFails(t *testing.T) {
	for name, test := range map[string]struct {
		console *consoles
		says    string
	}{
		"denied": {&consoles{err: errors.New("GetInstanceConsoleOutput: Forbidden.RAM: https://ecs/?Signature=s3cretSignature0123")}, "Forbidden.RAM"},
		"empty":  {&consoles{raw: "\x00 \r\n"}, "the console output is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
				options := hookOptions(t)
				options.Rules, options.ReadyTimeout = without, 2*time.Minute
				options.Console = test.console.read
				report, err := s.run(options)
				require.NoError(t, err)
				require.Equal(t, fleet.ReasonDone, report.Reason)
				require.Equal(t, 2, report.Count(fleet.StateHealthy))
				record, _ := report.Record("i-00002")
				require.Equal(t, fleet.ReasonNotBack, record.Reason)
				require.NotContains(t, record.Error, test.says)
				require.Contains(t, record.ConsoleError, test.says)
				require.NotContains(t, mustJSON(t, report), "s3cretSignature0123")
				require.Empty(t, record.Console)
				require.Len(t, test.console.log, 1)

				// A resumed run tries again, once.
				test.console.err, test.console.raw = nil, "Kernel panic"
				for range 2 {
					report, err = fleet.Resume(context.Background(), s.client, s.plan(), options)
					require.NoError(t, err)
					record, _ = report.Record("i-00002")
					require.Equal(t, fleet.ReasonNotBack, record.Reason)
					require.Equal(t, "Kernel panic", record.Console)
					require.Empty(t, record.ConsoleError)
					require.Len(t, test.console.log, 2, "what the journal has is not read again")
				}
				_, err = fleet.Resolve(context.Background(), s.client, s.plan(), options)
				require.NoError(t, err)
				require.Len(t, test.console.log, 2)
			}, hangs("i-00002"))
		})
	}
}

// A console that takes long delays neither the other instances nor the polls of its own.
func TestConsoleDelaysNothing(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		options := hookOptions(t)
		options.Rules = without
		options.MaxUnavailable = fleet.Count(2) // i-00003 waits until i-00002 is healthy
		options.ReadyTimeout = 10 * time.Minute
		var called time.Time
		options.Console = func(ctx context.Context, target fleet.Target) (string, error) {
			called = time.Now()
			require.Equal(t, "i-00001", target.ID)
			time.AfterFunc(20*time.Second, func() { require.NoError(t, s.SetStatus("i-00001", ecsreboot.StatusRunning)) })
			<-ctx.Done()
			return "", ctx.Err()
		}
		options.MinReady = time.Second
		var seen trace
		options.OnEvent = collect(&seen)
		report, err := s.run(options)
		require.NoError(t, err)
		record, _ := report.Record("i-00001")
		require.Equal(t, fleet.StateHealthy, record.State, mustJSON(t, record))
		require.True(t, record.Failed)
		require.Equal(t, "not done within 1m0s", record.ConsoleError)
		require.Less(t, record.EndedAt.Sub(called), 50*time.Second, "it was polled meanwhile")
		require.Equal(t, []fleet.EventKind{fleet.EventIntent, fleet.EventAccepted, fleet.EventDown, fleet.EventFailed, fleet.EventUp, fleet.EventHealthy, fleet.EventConsole}, seen.kinds("i-00001"))
		console := seen.of(fleet.EventConsole)[0]
		require.Equal(t, time.Minute, console.At.Sub(called))
		s.restartedOnce(s.ids...)
	}, func(i *ecstest.Instance) {
		i.Reboot = ecstest.RebootProfile{Hang: i.ID == "i-00001", Graceful: 9 * time.Minute}
	})
}

// A run that has nothing else to do waits for the console for a minute at most.
func TestConsoleAtTheEnd(t *testing.T) {
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		var seen trace
		report, err := s.run(fleet.Options{
			Settings: fleet.Settings{Rules: atOnce, HookTimeout: time.Hour}, OnEvent: collect(&seen),
			Console: func(ctx context.Context, _ fleet.Target) (string, error) {
				<-ctx.Done()
				return "", ctx.Err()
			},
		})
		require.NoError(t, err)
		require.Equal(t, "not done within 1m0s", report.Records[0].ConsoleError)
		require.Equal(t, []fleet.EventKind{fleet.EventFailed, fleet.EventConsole}, seen.of(fleet.EventFailed, fleet.EventConsole).kinds(s.ids[0]))
		require.Equal(t, time.Minute, report.Ended.Sub(report.Records[0].EndedAt))
	}, hangs("i-00001"))
}

// A call that does not end with its context does not keep the run from its end.
func TestConsoleDoesNotReturn(t *testing.T) {
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		begin, over := time.Now(), make(chan struct{})
		defer close(over)
		report, err := s.run(fleet.Options{
			Settings: fleet.Settings{Rules: atOnce},
			Console: func(context.Context, fleet.Target) (string, error) {
				<-over
				return "late", nil
			},
		})
		require.NoError(t, err)
		require.Equal(t, "the call did not return when its context ended", report.Records[0].ConsoleError)
		require.Empty(t, report.Records[0].Console)
		require.Less(t, time.Since(begin), time.Hour)
	}, hangs("i-00001"))
}

// A run that is interrupted while it reads a console records no result, and a resumed run
// reads the console.
func TestConsoleInterrupted(t *testing.T) {
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		options := hookOptions(t)
		ctx, cancel := context.WithCancel(context.Background())
		during := options
		during.Console = func(ctx context.Context, _ fleet.Target) (string, error) {
			synctest.Wait() // the session has heard of the failure
			cancel()
			<-ctx.Done()
			return "half", nil
		}
		plan := s.plan()
		report, err := fleet.Run(ctx, s.client, plan, during)
		require.NoError(t, err, "nothing else was under way")
		require.Equal(t, fleet.StateFailed, report.Records[0].State)
		require.Empty(t, report.Records[0].Console+report.Records[0].ConsoleError)
		c := consoles{raw: "Kernel panic"}
		options.Console = c.read
		report, err = fleet.Resume(context.Background(), s.client, plan, options)
		require.NoError(t, err)
		require.Equal(t, "Kernel panic", report.Records[0].Console)

		// A new attempt has no console yet.
		_, err = fleet.MarkInstances(options.Journal, fleet.Marking{InstanceID: s.ids[0], Mark: fleet.MarkGone, Note: "released"})
		require.NoError(t, err)
		history, err := fleet.Load(options.Journal)
		require.NoError(t, err)
		require.Equal(t, "Kernel panic", history.Report().Records[0].Console, "a mark takes nothing away")
		again := history.Report()
		again.Add(fleet.Event{Kind: fleet.EventIntent, InstanceID: s.ids[0], Attempt: 2})
		require.Empty(t, again.Records[0].Console)
	}, hangs("i-00001"))
}

// A panic in Console is one of the caller's hooks.
func TestConsolePanics(t *testing.T) {
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		require.PanicsWithValue(t, "console", func() {
			_, _ = s.run(fleet.Options{Settings: fleet.Settings{Rules: atOnce}, Console: func(context.Context, fleet.Target) (string, error) { panic("console") }})
		})
	}, hangs("i-00001"))
}

// An engine records the events until the end of an instance only, so a driver reads no console.
func TestConsoleOfADriver(t *testing.T) {
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		c := consoles{raw: "Kernel panic"}
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		var seen trace
		require.NoError(t, s.driver(fleet.Options{Console: c.read}).Follow(ctx, s.sent(), collect(&seen)))
		require.Equal(t, []fleet.EventKind{fleet.EventDown, fleet.EventFailed}, seen.kinds(s.ids[0]))
		require.Empty(t, c.log)
	}, hangs("i-00001"))
}
