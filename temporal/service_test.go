package ecstemporal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// service is an in-memory service with machines, and a worker's activities in the SDK's
// environment, all in a bubble: what package fleet's tests do with a run is done here
// with a workflow.
type service struct {
	*ecstest.Server

	t       *testing.T
	env     *testsuite.TestWorkflowEnvironment
	hooks   WorkerOptions
	options []ecsreboot.Option // of the worker's client
	ids     []string
	plan    fleet.Plan

	// dies reports whether the worker dies in a Send, after the request has left; nil: none does.
	dies func(in sendInput) bool
	// onStatus is called, in a goroutine, when the status of an instance changes.
	onStatus func(id string, status ecsreboot.Status)

	mu  sync.Mutex
	log []string // of hooks
}

func inBubble(t *testing.T, n int, options ecstest.Options, test func(t *testing.T, s *service), settings ...func(*ecstest.Instance)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(30 * time.Second) // StartTime is a matter of minutes
		s := &service{t: t, plan: fleet.Plan{Region: "cn-hangzhou"}}
		options.OnStatus = func(id string, status ecsreboot.Status) {
			if s.onStatus != nil {
				go s.onStatus(id, status)
			}
		}
		server, err := ecstest.NewInMemoryServer(options)
		require.NoError(t, err)
		t.Cleanup(server.Close)
		s.Server = server
		for i := range n {
			instance := ecstest.Instance{ID: fmt.Sprintf("i-%05d", i+1)}
			for _, set := range settings {
				set(&instance)
			}
			require.NoError(t, server.AddInstance(instance))
			s.ids = append(s.ids, instance.ID)
			s.plan.Targets = append(s.plan.Targets, fleet.Target{ID: instance.ID})
		}
		var suite testsuite.WorkflowTestSuite
		suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
		s.env = suite.NewTestWorkflowEnvironment()
		s.env.SetStartTime(time.Now())
		s.env.SetTestTimeout(1000 * time.Hour)
		s.env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Hour})
		s.env.SetDetachedChildWait(true) // or goroutines would be left in the bubble
		s.env.SetWorkflowRunTimeout(365 * 24 * time.Hour)
		s.tick()
		silence := heartbeatTimeout
		defer func() { heartbeatTimeout = silence }()
		heartbeatTimeout = time.Minute
		test(t, s)
	})
}

// tick moves the environment's clock on: it moves only when a timer fires.
func (s *service) tick() { s.env.RegisterDelayedCallback(s.tick, time.Second) }

// idleActivity is under way for as long as the run is, so that the environment skips no
// time: the bubble does.
const idleActivity = "Idle"

// underWay does a workflow's work while the idle activity is under way, and ends when the
// environment has run again what waited to be tried again: it would leave their goroutines.
func underWay[Out any](ctx workflow.Context, end func(), do func() (Out, error)) (Out, error) {
	workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: forEver}), idleActivity)
	out, err := do()
	end()
	detached, _ := workflow.NewDisconnectedContext(ctx)
	return out, errors.Join(err, workflow.Sleep(detached, retryInterval+time.Second))
}

// register registers the activities of a worker. They end with the run.
func (s *service) register() (end, stop func()) {
	client, err := s.NewClient(s.options...)
	require.NoError(s.t, err)
	stopping, end := context.WithCancel(context.Background())
	a := &activities{client: client, hooks: s.hooks}
	s.env.RegisterActivityWithOptions(until(stopping, a.Check), activity.RegisterOptions{Name: checkActivity})
	s.env.RegisterActivityWithOptions(until(stopping, a.Ask), activity.RegisterOptions{Name: askActivity})
	s.env.RegisterActivityWithOptions(until(stopping, a.Hook), activity.RegisterOptions{Name: hookActivity})
	s.env.RegisterActivityWithOptions(until(stopping, a.DryRun), activity.RegisterOptions{Name: dryRunActivity})
	s.env.RegisterActivityWithOptions(until(stopping, a.Snapshot), activity.RegisterOptions{Name: snapshotActivity})
	s.env.RegisterActivityWithOptions(until(stopping, func(ctx context.Context, in sendInput) (sendResult, error) {
		result, err := a.Send(ctx, in)
		if s.dies != nil && s.dies(in) {
			return sendResult{}, errDied
		}
		return result, err
	}), activity.RegisterOptions{Name: sendActivity})
	s.env.RegisterActivityWithOptions(until(stopping, a.Follow), activity.RegisterOptions{Name: followActivity})
	s.env.RegisterActivityWithOptions(func(context.Context) error {
		<-stopping.Done()
		return temporal.NewNonRetryableApplicationError("the test is over", "Over", nil)
	}, activity.RegisterOptions{Name: idleActivity})
	return end, func() {
		end()
		synctest.Wait()
		client.CloseIdleConnections()
	}
}

func until[In, Out any](stopping context.Context, do func(context.Context, In) (Out, error)) func(context.Context, In) (Out, error) {
	return func(ctx context.Context, in In) (Out, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(stopping, cancel)()
		out, err := do(ctx, in)
		if stopping.Err() != nil { // nobody retries it
			err = temporal.NewNonRetryableApplicationError("the test is over", "Over", nil)
		}
		return out, err
	}
}

// run runs the plan, and returns the report and the events.
func (s *service) run(settings Settings) (*fleet.Report, trace) {
	s.t.Helper()
	end, stop := s.register()
	RegisterWorkflows(s.env)
	settings, err := settings.forPlan(s.plan)
	require.NoError(s.t, err)
	packed, err := packPlan(s.plan, settings)
	require.NoError(s.t, err)
	s.env.ExecuteWorkflow(func(ctx workflow.Context, head runHead, packed []byte) ([]byte, error) {
		return underWay(ctx, end, func() ([]byte, error) { return rollingReboot(ctx, head, packed) })
	}, runHead{Settings: settings, Digest: s.plan.Digest()}, packed)
	stop()
	require.NoError(s.t, s.env.GetWorkflowError())
	require.NoError(s.t, s.env.GetWorkflowResult(&packed))
	history, err := unpackHistory(packed)
	require.NoError(s.t, err)
	for _, e := range history.Events {
		s.t.Log(e.At.Format("15:04:05.000"), e.Kind, e.InstanceID, e.Hook, e.Reason, e.Error)
	}
	return history.Report(), history.Events
}

// one runs a RebootOne, and returns its status.
func (s *service) one(in oneInput) (status targetStatus) {
	s.t.Helper()
	end, stop := s.register()
	RegisterWorkflows(s.env)
	s.env.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything).Return(nil)
	s.env.SetStartTime(time.Now())
	s.env.ExecuteWorkflow(func(ctx workflow.Context, in oneInput) (targetStatus, error) {
		return underWay(ctx, end, func() (targetStatus, error) { return rebootOne(ctx, in) })
	}, in)
	stop()
	require.NoError(s.t, s.env.GetWorkflowError())
	require.NoError(s.t, s.env.GetWorkflowResult(&status))
	return status
}

// at has something done at a time of the run.
func (s *service) at(after time.Duration, do func()) { s.env.RegisterDelayedCallback(do, after) }

func (s *service) restartedOnce(ids ...string) {
	s.t.Helper()
	for _, id := range s.ids {
		require.Equal(s.t, b2i(slices.Contains(ids, id)), s.Reboots(id), id)
	}
}

// note logs a call of a hook.
func (s *service) note(hook string, t fleet.Target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, hook+" "+t.ID)
}

// balance gives the worker all the hooks; fail has the errors by the line of the log.
func (s *service) balance(fail map[string]error) {
	call := func(hook string) func(context.Context, fleet.Target) error {
		return func(_ context.Context, t fleet.Target) error {
			s.note(hook, t)
			return fail[hook+" "+t.ID]
		}
	}
	s.hooks.Drain, s.hooks.Undrain = call("drain"), call("undrain")
	s.hooks.Failed = func(_ context.Context, t fleet.Target, e fleet.Event) error {
		s.note("failed", fleet.Target{ID: t.ID + ": " + string(e.Reason)})
		return fail["failed "+t.ID]
	}
}

// of returns the lines of the log that are of an instance.
func (s *service) of(id string) (lines []string) {
	for _, line := range s.log {
		if strings.Contains(line, id) {
			lines = append(lines, line)
		}
	}
	return lines
}

// hooked are the settings of a run with all of balance's hooks.
func hooked() Settings {
	return Settings{Settings: fleet.Settings{Rules: fleet.Rules{Canary: []int{}}}, Drain: true, Undrain: true, Failed: true}
}

// trace is the events of a run.
type trace []fleet.Event

func (t trace) of(kind fleet.EventKind) (found trace) {
	for _, e := range t {
		if e.Kind == kind {
			found = append(found, e)
		}
	}
	return found
}

func (t trace) ids() (ids []string) {
	for _, e := range t {
		ids = append(ids, e.InstanceID)
	}
	return ids
}

// kinds returns the kinds of the events of an instance.
func (t trace) kinds(id string) []fleet.EventKind {
	return kinds(slices.DeleteFunc(slices.Clone(t), func(e fleet.Event) bool { return e.InstanceID != id }))
}

// unavailable returns how many were unavailable at once, at most.
func (t trace) unavailable(tb testing.TB, plan fleet.Plan, rules fleet.Rules) int {
	tb.Helper()
	planner, err := fleet.NewPlanner(plan, rules)
	require.NoError(tb, err)
	most := 0
	for _, e := range t {
		require.NoError(tb, planner.Replay(e))
		most = max(most, planner.Unavailable())
	}
	return most
}

// refused makes the service refuse every restart of an instance.
func refused(id string, code ecsreboot.ErrorCode) ecstest.Fault {
	return ecstest.Fault{Kind: ecstest.FaultError, Action: "RebootInstance", InstanceID: id, Status: 403, Code: string(code), Times: -1}
}
