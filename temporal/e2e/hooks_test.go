package e2e

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	ecstemporal "github.com/ecsreboot/ecsreboot/temporal"
	"github.com/ecsreboot/ecsreboot/temporal/e2e/embedded"
)

// workerQueue makes the test binary a worker of that task queue, with hooks that write
// lines to the file of workerLog. Its Drain of the instance in workerHangs never returns.
const (
	workerQueue    = "ECSREBOOT_E2E_WORKER_QUEUE"
	workerTemporal = "ECSREBOOT_E2E_WORKER_TEMPORAL"
	workerEndpoint = "ECSREBOOT_E2E_WORKER_ENDPOINT"
	workerLog      = "ECSREBOOT_E2E_WORKER_LOG"
	workerHangs    = "ECSREBOOT_E2E_WORKER_HANGS"
)

// work works until it is killed.
func work(queue string) int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	c, err := client.Dial(client.Options{
		HostPort: os.Getenv(workerTemporal), Namespace: embedded.Namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		return fail(err)
	}
	defer c.Close()
	ecs, err := ecsreboot.NewClient(region, ecsreboot.WithEndpoint(os.Getenv(workerEndpoint)))
	if err != nil {
		return fail(err)
	}
	line := func(words ...string) error { return appendLine(os.Getenv(workerLog), strings.Join(words, " ")) }
	worker, err := ecstemporal.NewWorker(c, ecs, ecstemporal.WorkerOptions{
		TaskQueue: queue,
		Drain: func(ctx context.Context, target fleet.Target) error {
			if err := line("drain", target.ID); target.ID != os.Getenv(workerHangs) {
				return err
			}
			<-ctx.Done()
			return ctx.Err()
		},
		Undrain: func(_ context.Context, target fleet.Target) error { return line("undrain", target.ID) },
		Failed: func(_ context.Context, target fleet.Target, failure fleet.Event) error {
			return line("failed", target.ID, string(failure.Reason))
		},
	})
	if err == nil {
		err = worker.Run(context.Background())
	}
	return fail(err)
}

// appendLine appends a line to a file that several processes write.
func appendLine(file, line string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Close())
}

// A worker dies in mid-drain. Another worker drains once more, and each instance is
// drained, restarted and put into service, in this order. An instance whose restart is
// denied is put into service without one, and one that an operator marks is left alone.
func TestHooks(t *testing.T) {
	t.Parallel()
	const (
		name = "hooks"
		size = 6
	)
	killed, denied, hanging := idOf(name, 0), idOf(name, 2), idOf(name, 4)
	s := newService(t, ecstest.Options{Allow: func(action, instance string) bool { return action != "RebootInstance" || instance != denied }})
	calls := filepath.Join(t.TempDir(), "calls")
	s.onCall = func(c ecstest.ReceivedCall) {
		if c.Action == "RebootInstance" && !c.DryRun {
			require.NoError(t, appendLine(calls, "restart "+c.InstanceID))
		}
	}
	plan := s.add(t, name, size, func(n int) ecstest.RebootProfile {
		return ecstest.RebootProfile{Graceful: shortest, Hang: n == 4}
	})
	server := temporalServer(t)
	c := dial(t, server)
	launchHooked := func(hangs string) *process {
		binary, err := os.Executable()
		require.NoError(t, err)
		return launch(t, exec.Command(binary), workerQueue+"="+name, workerTemporal+"="+server, workerEndpoint+"="+s.URL, workerLog+"="+calls, workerHangs+"="+hangs)
	}
	called := func(id string) (lines []string) {
		text, _ := os.ReadFile(calls) // which does not exist at first
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, id) {
				lines = append(lines, strings.TrimSpace(line))
			}
		}
		return lines
	}

	set := settings(2)
	// One canary, so that the first worker has nothing else to do when it is killed.
	set.ReadyTimeout, set.Canary = 10*time.Minute, []int{1}
	plan.Hooks = []fleet.Hook{fleet.HookDrain, fleet.HookUndrain, fleet.HookFailed} // the plan names them, nothing else
	first := launchHooked(killed)
	run, err := ecstemporal.Start(t.Context(), c, plan, ecstemporal.StartOptions{WorkflowID: name, TaskQueue: name, Settings: set})
	require.NoError(t, err)
	until(t, func() bool { return slices.Contains(called(killed), "drain "+killed) }, "it drains")
	report, err := ecstemporal.GetReport(t.Context(), c, name)
	require.NoError(t, err)
	record, _ := report.Record(killed)
	require.True(t, record.Drained())
	require.Zero(t, record.Call(fleet.HookDrain).Ended)
	require.Equal(t, fleet.StateRestarting, record.State)
	first.kill()
	launchHooked("")
	until(t, func() bool { return s.Reboots(hanging) == 1 }, "the others have their turns")
	word := func(m fleet.Mark) error {
		return ecstemporal.Mark(t.Context(), c, name, fleet.Marking{InstanceID: hanging, Mark: m, Note: "started by hand"})
	}
	until(t, func() bool {
		report, err = ecstemporal.GetReport(t.Context(), c, name)
		require.NoError(t, err)
		record, _ = report.Record(hanging)
		require.Equal(t, 1, record.Attempts, "it may have been sent")
		return !record.Accepted.IsZero()
	}, "its restart is known")
	require.ErrorIs(t, word(fleet.MarkNotRestarted), ecsreboot.ErrInvalidInput)
	require.NoError(t, word(fleet.MarkRestarted))

	report = finish(t, c, run)
	require.Equal(t, fleet.ReasonDone, report.Reason, report.Error)
	for _, record := range report.Records {
		drained := []string{"drain " + record.ID, "restart " + record.ID, "undrain " + record.ID}
		switch record.ID {
		case killed:
			drained = slices.Insert(drained, 0, "drain "+killed)
			require.Equal(t, fleet.StateHealthy, record.State)
		case denied:
			drained = append(drained, "failed "+denied+" denied")
			require.Equal(t, fleet.ReasonDenied, record.Reason)
			require.Zero(t, s.Reboots(denied))
		case hanging:
			drained = drained[:2]
			require.Equal(t, fleet.ReasonMarkedRestarted, record.Reason)
			require.Equal(t, "started by hand", record.Note)
		default:
			require.Equal(t, fleet.StateHealthy, record.State)
		}
		require.Equal(t, drained, called(record.ID))
		if record.ID != denied {
			require.Equal(t, 1, s.Reboots(record.ID))
		}
	}
	history, err := ecstemporal.GetHistory(t.Context(), c, name)
	require.NoError(t, err)
	alone := slices.IndexFunc(history.Events, func(e fleet.Event) bool { return e.InstanceID == denied && e.Alone })
	require.GreaterOrEqual(t, alone, 0, "a dry run of another instance was permitted")
	require.LessOrEqual(t, s.mostDown(name), 2)
}
