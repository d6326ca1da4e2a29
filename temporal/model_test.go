package ecstemporal

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/driver"
)

// world is a run in the SDK's environment for tests, which skips time. Its activities
// are a model of the service, in the workflow's time. What it checks is that no more
// than the width is down, and nothing is sent twice.
type world struct {
	*testsuite.TestWorkflowEnvironment
	t        testing.TB
	plan     fleet.Plan
	settings Settings

	mu       sync.Mutex // activities have goroutines of their own
	machines map[string]*machine
	down     int // sent to and not yet seen healthy
	widest   int
	called   map[string]bool   // sends that were taken back, by their tokens
	undo     map[string]func() // makes a send undone, by its token
	notices  []Notice
	log      []string // of hooks and restarts
	marked   map[string]bool

	// fate is what comes of a send that reached a worker; nil: it is accepted.
	fate func(m *machine) fate
	// refuses is why an instance is not restarted, as a snapshot shows; nil: it is.
	refuses func(m *machine) *driver.Judgement
	// end is what becomes of a restart; nil: it is healthy. What is given up may come
	// back.
	end       func(m *machine) fleet.Event
	comesBack bool
	// blocks is why Blocker refuses, hookFails is the error of a hook, and lacks is what
	// Check says; nil or empty: nothing.
	blocks    func(m *machine) string
	hookFails func(m *machine, hook fleet.Hook) string
	lacks     string
	// refusal is what a witness says of a lost restart, in the end; nil: it has no trace. It
	// makes the run wait for it first.
	refusal func(m *machine) *driver.Judgement
	// others is what the dry runs for others show.
	others dryRunResult
	// hookTakes is the time that a hook takes.
	hookTakes time.Duration
	// sendTakes and waitTakes are the times that these take.
	sendTakes, waitTakes func() time.Duration
}

// fate is what comes of a send: what the service does, and what the workflow learns.
type fate struct {
	acts   bool // it restarts the instance
	result sendResult
	err    error
}

type machine struct {
	id       string
	number   int
	sends    int // that a worker began with
	restarts int
	tries    int // sends, those included that were taken back or throttled
	looks    int
	asks     int  // of Blocker
	drained  bool // by the hooks
	drains   int
	failures int // calls of Failed
	down     bool
}

var worldBegin = time.Date(2026, 11, 2, 1, 0, 0, 0, time.UTC)

func newWorld(tb testing.TB, n int, settings Settings) *world {
	tb.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	w := &world{
		TestWorkflowEnvironment: suite.NewTestWorkflowEnvironment(), t: tb, settings: settings,
		plan: fleet.Plan{Region: "cn-hangzhou"}, machines: make(map[string]*machine), called: make(map[string]bool), marked: make(map[string]bool), undo: make(map[string]func()),
		sendTakes: func() time.Duration { return 300 * time.Millisecond },
		waitTakes: func() time.Duration { return 90 * time.Second },
	}
	for i := range n {
		id := fmt.Sprintf("i-%05d", i)
		w.plan.Targets = append(w.plan.Targets, fleet.Target{ID: id, Group: "zone-" + string("abc"[i%3])})
		w.machines[id] = &machine{id: id, number: i}
	}
	w.SetStartTime(worldBegin)
	// A machine with much else to do is not to be taken for a workflow that hangs.
	w.SetTestTimeout(time.Minute) // of silence
	w.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute})
	w.SetDetachedChildWait(false)
	w.SetWorkflowRunTimeout(365 * 24 * time.Hour)
	w.SetOnActivityCanceledListener(func(info *activity.Info) {
		w.mu.Lock()
		defer w.mu.Unlock()
		token := string(info.TaskToken)
		w.called[token] = true
		if undo := w.undo[token]; undo != nil {
			undo()
		}
	})
	RegisterWorkflows(w)
	modelled := []struct {
		name  string
		f     any
		takes func() time.Duration
	}{
		{snapshotActivity, w.snapshot, func() time.Duration { return 200 * time.Millisecond }},
		{sendActivity, w.send, func() time.Duration { return w.sendTakes() }},
		{followActivity, w.follow, func() time.Duration { return w.waitTakes() }},
		{notifyActivity, w.notify, func() time.Duration { return 0 }},
		{checkActivity, w.checkWorker, func() time.Duration { return 0 }},
		{askActivity, w.ask, func() time.Duration { return 0 }},
		{hookActivity, w.hook, func() time.Duration { return w.hookTakes }},
		{dryRunActivity, w.dryRun, func() time.Duration { return 0 }},
	}
	for _, a := range modelled {
		w.RegisterActivityWithOptions(a.f, activity.RegisterOptions{Name: a.name})
	}
	for _, a := range modelled {
		w.OnActivity(a.name, mock.Anything, mock.Anything).Return(a.f).AfterFn(a.takes).Maybe()
	}
	return w
}

// run runs the plan and returns the report.
func (w *world) run() *fleet.Report {
	w.t.Helper()
	settings, err := w.settings.forPlan(w.plan)
	require.NoError(w.t, err)
	packed, err := packPlan(w.plan, w.settings)
	require.NoError(w.t, err)
	w.ExecuteWorkflow(rollingWorkflow, runHead{Settings: settings, Digest: w.plan.Digest()}, packed)
	require.True(w.t, w.IsWorkflowCompleted())
	require.NoError(w.t, w.GetWorkflowError())
	require.NoError(w.t, w.GetWorkflowResult(&packed))
	return w.report(packed)
}

func (w *world) report(packed []byte) *fleet.Report {
	w.t.Helper()
	history, err := unpackHistory(packed)
	require.NoError(w.t, err)
	return history.Report()
}

// at has something done at a time of the run.
func (w *world) at(after time.Duration, do func()) { w.RegisterDelayedCallback(do, after) }

// isTakenBack reports whether an activity was cancelled before it began.
func (w *world) isTakenBack(ctx context.Context) bool {
	return w.called[string(activity.GetInfo(ctx).TaskToken)]
}

func (w *world) snapshot(_ context.Context, in work) (snapshot, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.machines[in.Target.ID]
	if w.refuses != nil {
		if v := w.refuses(m); v != nil {
			return snapshot{Refusal: v}, nil
		}
	}
	now := w.Now()
	return snapshot{Baseline: ecsreboot.Baseline{
		InstanceID: m.id, Status: ecsreboot.StatusRunning, StartTime: worldBegin.Add(-time.Hour), TakenAt: now, ServiceTime: now,
	}}, nil
}

func (w *world) send(ctx context.Context, in sendInput) (sendResult, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.isTakenBack(ctx) {
		return sendResult{}, nil
	}
	m := w.machines[in.Target.ID]
	// The environment calls activities off that have run, at the very moment when their
	// result is on its way. A server calls off only what was not begun.
	before, down, widest := *m, w.down, w.widest
	w.undo[string(activity.GetInfo(ctx).TaskToken)] = func() {
		w.down -= b2i(m.down) - b2i(before.down)
		*m = before
		if w.down == down {
			w.widest = widest
		}
	}
	m.tries++
	f := accepted(m)
	if w.fate != nil {
		f = w.fate(m)
	}
	if f.acts {
		w.log = append(w.log, "restart "+m.id)
		m.restarts++
		w.change(m, true)
	}
	if f.acts || f.err != nil || f.result.Refusal == nil {
		m.sends++
	}
	return f.result, f.err
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// change makes an instance unavailable, or available again.
func (w *world) change(m *machine, down bool) {
	if m.down == down {
		return
	}
	m.down = down
	if down {
		w.down++
	} else {
		w.down--
	}
	w.widest = max(w.widest, w.down)
}

func (w *world) follow(ctx context.Context, in followInput) (followResult, error) {
	switch {
	case in.Others:
		return w.awaitOthers(ctx, in)
	case !in.Accepted:
		return w.resolve(ctx, in)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.machines[in.Target.ID]
	if in.Late && (!w.comesBack || m.restarts == 0) {
		return followResult{}, activity.ErrResultPending // for ever
	}
	now := w.Now()
	end := fleet.Event{Kind: fleet.EventHealthy, Proof: ecsreboot.ProofStatus}
	if w.end != nil && !in.Late {
		end = w.end(m)
	}
	end.At, end.InstanceID = now, m.id
	if end.Kind == fleet.EventHealthy {
		w.change(m, false)
	}
	return followResult{Events: []fleet.Event{
		{Kind: fleet.EventDown, At: now.Add(-time.Minute), InstanceID: m.id}, {Kind: fleet.EventUp, At: now.Add(-30 * time.Second), InstanceID: m.id}, end,
	}}, nil
}

// resolve sees what really happened.
func (w *world) resolve(_ context.Context, in followInput) (followResult, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.machines[in.Target.ID]
	m.looks++
	if w.refusal != nil && m.restarts == 0 && !in.Awaiting {
		return followResult{Events: []fleet.Event{{Kind: fleet.EventAwaiting, At: w.Now(), InstanceID: m.id, Running: true}}}, nil
	}
	if w.refusal != nil && m.restarts == 0 {
		if refusal := w.refusal(m); refusal != nil {
			m.sends-- // it certainly did nothing
			return followResult{Refusal: refusal}, nil
		}
	}
	e := fleet.Event{Kind: fleet.EventUnknown, At: w.Now(), InstanceID: m.id, Reason: fleet.ReasonNotProven}
	if m.restarts > 0 {
		w.change(m, false)
		e = fleet.Event{Kind: fleet.EventHealthy, At: w.Now(), InstanceID: m.id, Proof: ecsreboot.ProofStartTime}
	}
	return followResult{Events: []fleet.Event{e}}, nil
}

func (w *world) awaitOthers(_ context.Context, in followInput) (followResult, error) {
	return followResult{Events: []fleet.Event{{Kind: fleet.EventSkipped, At: w.Now(), InstanceID: in.Target.ID, Reason: fleet.ReasonOthers}}}, nil
}

func (w *world) checkWorker(context.Context, checkInput) (string, error) { return w.lacks, nil }

func (w *world) ask(_ context.Context, in askInput) (askResult, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.machines[in.Target.ID]
	m.asks++
	if w.blocks != nil {
		if why := w.blocks(m); why != "" {
			return askResult{Refusal: in.refusal(fleet.EventUnsent, fleet.ReasonBlocked, fleet.ReasonBlocked, why)}, nil
		}
	}
	return askResult{}, nil
}

func (w *world) hook(_ context.Context, in hookInput) (hookResult, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.machines[in.Target.ID]
	line := string(in.Hook) + " " + m.id
	if in.Failure != nil {
		line += ": " + string(in.Failure.Reason)
	}
	w.log = append(w.log, line)
	switch in.Hook {
	case fleet.HookDrain:
		m.drained = true
		m.drains++
	case fleet.HookUndrain:
		m.drained = false
	case fleet.HookFailed:
		m.failures++
	default:
		return hookResult{}, fmt.Errorf("hook %q is not called by an activity", in.Hook)
	}
	if w.hookFails != nil {
		if why := w.hookFails(m, in.Hook); why != "" {
			m.drained = m.drained || in.Hook == fleet.HookUndrain
			return hookResult{Error: why, Running: in.Hook == fleet.HookDrain}, nil
		}
	}
	return hookResult{}, nil
}

func (w *world) dryRun(context.Context, dryRunInput) (dryRunResult, error) { return w.others, nil }

// of returns the lines of the log that are of an instance.
func (w *world) of(id string) (lines []string) {
	for _, line := range w.log {
		if strings.Contains(line, id) {
			lines = append(lines, line)
		}
	}
	return lines
}

func (w *world) notify(_ context.Context, notice Notice) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notices = append(w.notices, notice)
	return nil
}

// check checks what holds of every run.
func (w *world) check(report *fleet.Report) {
	w.t.Helper()
	planner, err := fleet.NewPlanner(w.plan, report.Settings.Rules)
	require.NoError(w.t, err)
	require.LessOrEqual(w.t, w.widest, planner.Width(), "more than the width was down")
	named := make(map[string]bool)
	for _, r := range report.NotRestarted() {
		named[r.ID] = true
	}
	for _, m := range w.machines {
		require.LessOrEqual(w.t, m.restarts, 1, "%s was restarted twice", m.id)
		require.LessOrEqual(w.t, m.sends, 1, "%s was sent to twice", m.id)
		record, _ := report.Record(m.id)
		if m.restarts == 0 && record.Reason != fleet.ReasonOthers && !w.marked[m.id] {
			require.True(w.t, named[m.id], "%s has not restarted and is not named", m.id)
		}
		w.checkHooks(m, record)
	}
}

// checkHooks checks the calls of hooks for an instance.
func (w *world) checkHooks(m *machine, record fleet.Record) {
	w.t.Helper()
	lines := w.of(m.id)
	if i := slices.Index(lines, "restart "+m.id); i >= 0 && w.settings.Drain {
		require.Contains(w.t, lines[:i], "drain "+m.id, "restarted without its drain")
	}
	if w.marked[m.id] {
		return
	}
	broken := record.State == fleet.StateFailed || record.State == fleet.StateUnknown
	if m.drained && w.settings.Undrain {
		require.True(w.t, broken && (record.Reason == fleet.ReasonNotUndrained || !record.SentAt.IsZero()), "%s does not serve: %v %+v", m.id, lines, record)
	}
	require.Equal(w.t, b2i(w.settings.Failed && (broken || record.Failed)), m.failures, "calls of Failed for %s: %v %+v", m.id, lines, record)
	for _, call := range record.Hooks {
		require.NotZero(w.t, call.Ended, "%s of %s has no result", call.Hook, m.id)
	}
}

// mark marks an instance, if the run allows it.
func (w *world) mark(id string, as fleet.Mark) {
	w.marked[id] = true
	w.UpdateWorkflow(UpdateMark, id+string(as), &testsuite.TestUpdateCallback{
		OnAccept: func() {}, OnReject: func(error) {}, OnComplete: func(any, error) {},
	}, []fleet.Marking{{InstanceID: id, Mark: as, Note: "I looked"}})
}

// errDied is what the server tells of a send whose worker died.
var errDied = temporal.NewTimeoutError(enums.TIMEOUT_TYPE_START_TO_CLOSE, nil)

func TestRun(t *testing.T) {
	w := newWorld(t, 30, Settings{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(3)}}})
	report := w.run()
	w.check(report)
	require.NoError(t, report.Err())
	require.Equal(t, 30, report.Count(fleet.StateHealthy))
	require.Equal(t, 3, w.widest)
	require.Equal(t, fleet.ReasonDone, report.Reason)
}

func accepted(m *machine) fate {
	return fate{acts: true, result: sendResult{Accepted: true, RequestID: fmt.Sprintf("473469C7-AA6F-4DC5-B3DB-%012X", m.number)}}
}

// throttled is what comes of a send that the service throttles.
func throttled(wait time.Duration) fate {
	return notSent(driver.Judgement{Retry: fleet.ReasonThrottled, RetryAfter: wait, Event: fleet.Event{Kind: fleet.EventFailed, Reason: fleet.ReasonRefused}})
}

func notSent(v driver.Judgement) fate { return fate{result: sendResult{Refusal: &v}} }
