package ecstemporal

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/mocks"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

func smallPlan() fleet.Plan {
	return fleet.Plan{Region: "cn-hangzhou", Targets: []fleet.Target{{ID: "i-1"}, {ID: "i-2"}}}
}

// TestStartRefuses what makes no sense before anything is started: the client has no
// expectations.
func TestStartRefuses(t *testing.T) {
	c := new(mocks.Client)
	for field, test := range map[string]struct {
		plan     fleet.Plan
		settings Settings
	}{
		"Plan":           {fleet.Plan{Region: "cn-hangzhou"}, Settings{}},
		"MaxUnavailable": {smallPlan(), Settings{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(2)}}}},
		"MinReady":       {smallPlan(), Settings{Settings: fleet.Settings{MinReady: time.Hour}}},
		"SendTimeout":    {smallPlan(), Settings{SendTimeout: time.Second}},
		"ContinueAfter":  {smallPlan(), Settings{ContinueAfter: -1}},
	} {
		_, err := Start(context.Background(), c, test.plan, StartOptions{Settings: test.settings})
		require.ErrorIs(t, err, ecsreboot.ErrInvalidInput, field)
		bad, _ := errors.AsType[*ecsreboot.InputError](err)
		require.Equal(t, field, bad.Field)
	}
	_, err := Start(context.Background(), nil, smallPlan(), StartOptions{})
	require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
	require.ErrorIs(t, Pause(context.Background(), c, ""), ecsreboot.ErrInvalidInput)
	require.ErrorIs(t, ApproveCanary(context.Background(), c, "x", 0), ecsreboot.ErrInvalidInput)
	_, err = NewWorker(c, nil, WorkerOptions{})
	require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
}

// TestSettingsHaveTheDefaultsOfFleet completes settings as a run of package fleet does.
func TestSettingsHaveTheDefaultsOfFleet(t *testing.T) {
	for _, rules := range []fleet.Rules{{}, {MaxUnavailable: fleet.Count(1), Canary: []int{}}} {
		for _, minReady := range []time.Duration{0, -1, time.Minute} {
			settings, err := Settings{Settings: fleet.Settings{Rules: rules, MinReady: minReady}}.forPlan(smallPlan())
			require.NoError(t, err)
			options, err := fleet.Options{Settings: fleet.Settings{Rules: rules, MinReady: minReady}}.Complete(smallPlan())
			require.NoError(t, err)
			require.Equal(t, options.Rules, settings.Rules)
			require.Equal(t, options.MinReady, settings.MinReady)
			require.Equal(t, options.ReadyTimeout, settings.ReadyTimeout)
			require.Equal(t, options.UnknownGrace, settings.UnknownGrace)
			again, err := settings.forPlan(smallPlan())
			require.NoError(t, err)
			require.Equal(t, settings, again)
		}
	}
}

func TestStart(t *testing.T) {
	c := new(mocks.Client)
	var options client.StartWorkflowOptions
	var head runHead
	c.On("ExecuteWorkflow", mock.Anything, mock.Anything, rollingWorkflow, mock.Anything, mock.Anything).Run(func(args mock.Arguments) {
		options, head = args.Get(1).(client.StartWorkflowOptions), args.Get(3).(runHead)
	}).Return(new(mocks.WorkflowRun), nil).Once()
	_, err := Start(context.Background(), c, smallPlan(), StartOptions{SearchAttributes: true})
	require.NoError(t, err)
	require.Equal(t, WorkflowID(smallPlan()), options.ID)
	require.Regexp(t, `^rolling-reboot/cn-hangzhou/[0-9a-f]{12}$`, options.ID)
	require.Equal(t, DefaultTaskQueue, options.TaskQueue)
	require.Equal(t, 45*time.Second, head.Settings.SendTimeout)
	require.Equal(t, fleet.Count(1), head.Settings.MaxUnavailable)
	digest, ok := options.TypedSearchAttributes.GetKeyword(digestKey)
	require.True(t, ok)
	require.Equal(t, smallPlan().Digest(), digest)

	c.On("ExecuteWorkflow", mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything).
		Return(nil, serviceerror.NewWorkflowExecutionAlreadyStarted("", "", "run")).Once()
	_, err = Start(context.Background(), c, smallPlan(), StartOptions{WorkflowID: "mine"})
	require.ErrorContains(t, err, "the run mine is already running")
}

func TestSignals(t *testing.T) {
	c := new(mocks.Client)
	for name, send := range map[string]func() error{
		SignalPause:         func() error { return Pause(context.Background(), c, "run") },
		SignalUnpause:       func() error { return Unpause(context.Background(), c, "run") },
		SignalAbort:         func() error { return Abort(context.Background(), c, "run") },
		SignalApproveCanary: func() error { return ApproveCanary(context.Background(), c, "run", 1) },
	} {
		c.On("SignalWorkflow", mock.Anything, "run", "", name, mock.Anything).Return(nil).Once()
		require.NoError(t, send())
		c.On("SignalWorkflow", mock.Anything, "run", "", name, mock.Anything).Return(errors.New("no run")).Once()
		require.ErrorContains(t, send(), name+" of run: no run")
	}
}
