package control_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/control"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// run restarts instances of a fake service, and returns what controls it, and its report
// when it has ended.
func run(t *testing.T, options fleet.Options, approvals *control.Approvals) (*control.Local, <-chan *fleet.Report) {
	t.Helper()
	server, err := ecstest.NewInMemoryServer(ecstest.Options{})
	require.NoError(t, err)
	t.Cleanup(server.Close)
	var ids []string
	for _, id := range []string{"i-1", "i-2", "i-3"} {
		require.NoError(t, server.AddInstance(ecstest.Instance{ID: id}))
		ids = append(ids, id)
	}
	client, err := server.NewClient()
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	plan, err := fleet.NewPlan(t.Context(), client, fleet.Selection{InstanceIDs: ids})
	require.NoError(t, err)
	options.Control = new(fleet.Control)
	local := control.NewLocal("run-1", "/var/lib/web.journal", options.Control, approvals)
	options.OnEvent = local.OnEvent
	if approvals != nil {
		options.Approve = approvals.Approve
	}
	done := make(chan *fleet.Report, 1)
	go func() {
		report, err := fleet.Run(t.Context(), client, plan, options)
		if err != nil {
			t.Error(err)
		}
		done <- report
	}()
	return local, done
}

func state(t *testing.T, controls control.Controls) control.State {
	t.Helper()
	state, err := controls.State(t.Context())
	require.NoError(t, err)
	return state
}

func TestPauseHoldsARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		local, done := run(t, fleet.Options{}, nil)
		require.NoError(t, local.Pause(t.Context()))
		require.True(t, state(t, local).Paused(fleet.ReasonUser), "at once, before the event")
		time.Sleep(24 * time.Hour)
		select {
		case <-done:
			require.Fail(t, "the run has ended during the pause")
		default:
		}
		require.NoError(t, local.Unpause(t.Context()))
		require.Empty(t, state(t, local).Pauses)
		report := <-done
		require.NoError(t, report.Err())
		require.Greater(t, report.Ended.Sub(report.Begun), 23*time.Hour)
		is := state(t, local)
		require.True(t, is.Ended)
		require.Equal(t, fleet.ReasonDone, is.Ending)
		require.Equal(t, "run-1", is.Run)
		require.ErrorIs(t, local.Pause(t.Context()), control.ErrEnding)
		require.ErrorIs(t, local.Unpause(t.Context()), control.ErrEnding)
	})
}

func TestAbortEndsARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		local, done := run(t, fleet.Options{}, nil)
		time.Sleep(5 * time.Second)
		require.NoError(t, local.Abort(t.Context()))
		require.Equal(t, fleet.ReasonUser, state(t, local).Ending)
		require.ErrorIs(t, local.Pause(t.Context()), control.ErrEnding)
		report := <-done
		require.Equal(t, fleet.ReasonUser, report.Reason)
		require.Equal(t, 1, report.Count(fleet.StateHealthy), "what was sent is followed to its end")
		require.Equal(t, 2, report.Count(fleet.StateWaiting))
		require.NoError(t, local.Abort(t.Context()))
	})
}

func TestPausesByTheRun(t *testing.T) {
	local := control.NewLocal("run-1", "", new(fleet.Control), nil)
	local.OnEvent(fleet.Event{Kind: fleet.EventPause, Reason: fleet.ReasonWindow})
	local.OnEvent(fleet.Event{Kind: fleet.EventPause, Reason: fleet.ReasonWindow})
	local.OnEvent(fleet.Event{Kind: fleet.EventPause, Reason: fleet.ReasonUser}) // such as by a signal
	require.Equal(t, []fleet.Reason{fleet.ReasonWindow, fleet.ReasonUser}, state(t, local).Pauses)
	require.NoError(t, local.Unpause(t.Context()))
	require.Equal(t, []fleet.Reason{fleet.ReasonWindow}, state(t, local).Pauses)
	local.OnEvent(fleet.Event{Kind: fleet.EventContinue, Reason: fleet.ReasonWindow})
	require.Empty(t, state(t, local).Pauses)
	local.OnEvent(fleet.Event{Kind: fleet.EventHalt, Reason: fleet.ReasonBudget})
	require.Equal(t, fleet.ReasonBudget, state(t, local).Ending)
	require.False(t, state(t, local).Ended)
	require.ErrorIs(t, local.Approve(t.Context(), 1), control.ErrNotPending)
}

func TestApprovalFromOutside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, endedQuestions := 0, 0
		var pending []int
		approvals := control.NewApprovals(func(ctx context.Context, _ int) (bool, error) {
			asked++
			<-ctx.Done()
			endedQuestions++
			return false, context.Cause(ctx)
		}, func(stage int) { pending = append(pending, stage) })
		local, done := run(t, fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{Canary: []int{1, 1}}}}, approvals)
		require.ErrorIs(t, local.Approve(t.Context(), 1), control.ErrNotPending, "nothing waits yet")
		for stage := 1; stage <= 2; stage++ {
			time.Sleep(time.Hour)
			require.Equal(t, stage, state(t, local).Stage)
			require.EqualError(t, local.Approve(t.Context(), 3-stage),
				map[int]string{1: "not waiting for this approval: stage 1 waits for approval, not stage 2", 2: "not waiting for this approval: stage 2 waits for approval, not stage 1"}[stage])
			require.NoError(t, local.Approve(t.Context(), stage))
			require.ErrorIs(t, local.Approve(t.Context(), stage), control.ErrNotPending, "the second click")
		}
		report := <-done
		require.NoError(t, report.Err())
		require.Equal(t, []int{1, 2}, pending)
		require.Equal(t, 2, asked)
		require.Equal(t, 2, endedQuestions, "no question is left on the terminal")
		require.Zero(t, state(t, local).Stage)
	})
}

func TestDisapproval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		approvals := control.NewApprovals(nil, nil)
		local, done := run(t, fleet.Options{}, approvals)
		time.Sleep(time.Hour)
		require.NoError(t, local.Disapprove(t.Context(), 1))
		report := <-done
		require.Equal(t, fleet.ReasonDisapproved, report.Reason)
		require.Contains(t, report.Error, "rejected by another command or on the live page")
	})
}

func TestApprovalAtTheTerminal(t *testing.T) {
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		approved bool
		err      error
		want     string
	}{
		"yes":   {approved: true},
		"no":    {want: "rejected at the terminal"},
		"error": {err: broken, want: "broken"},
	} {
		t.Run(name, func(t *testing.T) {
			approvals := control.NewApprovals(func(context.Context, int) (bool, error) { return test.approved, test.err }, nil)
			err := approvals.Approve(t.Context(), 1)
			if test.want == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, test.want)
			}
			require.Zero(t, approvals.Pending())
		})
	}
}

func TestNobodyAtTheTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		approvals := control.NewApprovals(func(context.Context, int) (bool, error) { return false, control.ErrNobody }, nil)
		result := make(chan error, 1)
		go func() { result <- approvals.Approve(t.Context(), 2) }()
		time.Sleep(time.Hour)
		require.Equal(t, 2, approvals.Pending())
		require.NoError(t, approvals.Answer(2, true))
		require.NoError(t, <-result)
	})
}

func TestApprovalEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		approvals := control.NewApprovals(nil, nil)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("interrupted"))
		defer cancel()
		require.EqualError(t, approvals.Approve(ctx, 1), "interrupted")
		require.ErrorIs(t, approvals.Answer(1, true), control.ErrNotPending)
	})
}
