package e2e

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/ecsreboot/ecsreboot/fleet"
	ecstemporal "github.com/ecsreboot/ecsreboot/temporal"
)

// account is what the service knows of a fleet, held against what the run tells.
type account struct {
	once, never    int
	unknown, named int // unknown are of those named, which are not healthy
}

// judge holds the service's counts of restarts against the report.
func judge(t *testing.T, s *service, report *fleet.Report) account {
	t.Helper()
	var a account
	named := make(map[string]bool)
	for _, record := range report.NotRestarted() {
		named[record.ID] = true
		if record.State == fleet.StateUnknown {
			a.unknown++
		}
		require.NotContains(t, []fleet.State{fleet.StateRestarting, ""}, record.State, record.ID)
	}
	a.named = len(named)
	for _, record := range report.Records {
		n := s.Reboots(record.ID)
		require.LessOrEqual(t, n, 1, "%s was restarted twice: %+v", record.ID, record)
		if n == 0 {
			require.True(t, named[record.ID], "%s was not restarted, and nobody says so: %+v", record.ID, record)
			a.never++
		}
		a.once += n
		if !named[record.ID] {
			require.Equal(t, 1, n, "%s is told to be healthy: %+v", record.ID, record)
		}
	}
	return a
}

// executions returns how many executions a run has had: one more than it continued as
// new. It follows the histories back from the last one, because lists lag behind.
func executions(t *testing.T, c client.Client, id string) int {
	t.Helper()
	n := 0
	for runID := ""; n == 0 || runID != ""; n++ {
		first, err := c.GetWorkflowHistory(t.Context(), id, runID, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT).Next()
		require.NoError(t, err)
		runID = first.GetWorkflowExecutionStartedEventAttributes().GetContinuedExecutionRunId()
	}
	return n
}

// patience is how long a run may take: much longer than any does.
const patience = 10 * time.Minute

// finish waits for the end of a run.
func finish(t *testing.T, c client.Client, run client.WorkflowRun) *fleet.Report {
	t.Helper()
	limited, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := end(limited, run); err != nil {
		progress, asked := ecstemporal.GetProgress(t.Context(), c, run.GetID())
		require.NoError(t, err, "the run %s does not end: %+v %v", run.GetID(), progress, asked)
	}
	history, err := ecstemporal.GetHistory(t.Context(), c, run.GetID())
	require.NoError(t, err)
	report := history.Report()
	for _, e := range history.Events {
		if record, _ := report.Record(e.InstanceID); e.Kind == fleet.EventDoubt && record.State == fleet.StateUnknown {
			t.Logf("%s: %s", e.InstanceID, e.Error)
		}
	}
	return report
}

// end waits for the end of a run. On a machine with much to do, a poll of the server may
// fail; that is not the end.
func end(ctx context.Context, run client.WorkflowRun) error {
	for {
		err := run.Get(ctx, nil)
		if _, failed := errors.AsType[*temporal.WorkflowExecutionError](err); err == nil || failed || ctx.Err() != nil {
			return err
		}
		time.Sleep(time.Second)
	}
}

// settings are short, so that tests are, except for limits that a machine with much to do
// may exceed.
func settings(width int) ecstemporal.Settings {
	return ecstemporal.Settings{
		Settings: fleet.Settings{
			Rules:    fleet.Rules{MaxUnavailable: fleet.Count(width), AllowWide: true, MaxFailed: fleet.Percent(100), Canary: []int{}},
			MinReady: -1, ReadyTimeout: time.Minute, UnknownGrace: 2 * time.Second,
		},
		SendTimeout: 20 * time.Second,
	}
}
