package ecstemporal

import (
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/driver"
)

// oneInput is the input of RebootOne.
type oneInput struct {
	work

	Key        string    `json:"key"`
	Run        string    `json:"run"` // the workflow ID of the run, which gets the status
	Number     int       `json:"n"`   // of the instance's turn
	ForceStop  bool      `json:"forceStop,omitempty"`
	Attempts   int       `json:"attempts,omitempty"` // earlier requests that may have left
	AskedAt    time.Time `json:"askedAt"`
	SendBefore time.Time `json:"sendBefore,omitzero"` // the end of the maintenance window
	Settings   Settings  `json:"settings"`
	// Look sends nothing, because an earlier RebootOne ended without a result. Known and
	// Accepted are what it had reported.
	Look     bool                `json:"look,omitempty"`
	Known    *ecsreboot.Baseline `json:"known,omitempty"` // the instance before the restart
	SentAt   time.Time           `json:"sentAt,omitzero"`
	SendID   string              `json:"sendId,omitempty"`
	Accepted bool                `json:"accepted,omitempty"`
	Drained  bool                `json:"drained,omitempty"` // Drain was called, and no Undrain has passed since
	// Others are instances for whose restart a dry run is sent if this one is denied.
	Others []dryRunTarget `json:"others,omitempty"`
	Since  time.Time      `json:"since,omitzero"` // see sendInput
	// OperationID begins those of the Sends of this turn, and of no other one.
	OperationID string `json:"operationId,omitempty"`
}

const (
	// sendSlack is how much later than the request's own limit the server gives up the
	// activity that sends it.
	sendSlack = 15 * time.Second
	// judgeTime is the limit of the poll that the error of a refused restart may need.
	judgeTime = sendSlack / 3
	// queueTime is how long a restart may wait for a worker before the instance is
	// polled once more.
	queueTime = 10 * time.Minute
	// retryInterval is the time between two attempts that certainly sent nothing, and
	// retryTimeout is how long they fail for a reason that should pass soon before the
	// instance is given up; both as in package fleet.
	retryInterval = 10 * time.Second
	retryTimeout  = 5 * time.Minute
	// maxAttempts is how many requests of an instance may have left until the instance
	// fails for good, if a witness says that the service refused the last one.
	maxAttempts = 10
)

// one is the state of RebootOne.
type one struct {
	in          oneInput
	status      targetStatus
	revoked     fleet.Reason        // why nothing may be sent any more; empty if it may
	cancel      workflow.CancelFunc // cancels what can be revoked; nil if nothing can
	sends       int                 // Sends that were scheduled
	before      ecsreboot.Baseline  // of the last attempt
	sent        bool                // it may have been sent, and before is known
	first       time.Time           // the StartTime when its turn came
	subscribers []string            // other runs that get the end
	marked      bool                // an operator has said what became of the instance
	endFollow   workflow.CancelFunc // cancels the follow; nil if nothing is followed
	held        fleet.Event         // the last EventHeld
	holds       int                 // how many there were
	blocked     time.Time           // since when Blocker refuses; zero if it does not

	drained   bool // Drain was called, and no Undrain has passed since
	drainDone bool // Drain was called in this turn
	undrained bool // Undrain was called in this turn
}

// rebootOne restarts one instance, follows it to its end, and reports the end. After that,
// it watches whether an instance that is failed or unknown comes back, until the run ends
// or another run wants the instance.
func rebootOne(ctx workflow.Context, in oneInput) (targetStatus, error) {
	o := &one{in: in, drained: in.Drained, status: targetStatus{Key: in.Key, ID: in.Target.ID, Run: in.Run, Number: in.Number}}
	work, _ := workflow.NewDisconnectedContext(ctx)
	o.listen(work, ctx)
	if in.Look {
		o.look(work)
	} else {
		o.restart(work)
	}
	end := o.status.end()
	failed := end.Kind == fleet.EventFailed || end.Kind == fleet.EventUnknown
	o.status.More = failed && in.Settings.Failed && !o.marked
	o.reportAll(work)
	if o.status.More {
		o.call(work, fleet.HookFailed, &end)
		o.status.More = false
		o.reportAll(work)
	}
	if failed && end.Reason != fleet.ReasonNotUndrained {
		o.watch(work)
	}
	return o.status, nil
}

// listen handles signals. Canceling the workflow revokes what is not sent yet, and no
// more.
func (o *one) listen(ctx, canceled workflow.Context) {
	workflow.Go(ctx, func(ctx workflow.Context) {
		canceled.Done().Receive(ctx, nil)
		o.revoke(fleet.ReasonUser)
	})
	workflow.Go(ctx, func(ctx workflow.Context) {
		for {
			var r revocation
			workflow.GetSignalChannel(ctx, signalRevoke).Receive(ctx, &r)
			if r.Key != o.in.Key || r.Number != o.in.Number {
				continue
			}
			o.marked = o.marked || r.Marked
			o.revoke(r.Reason)
			if o.marked && o.endFollow != nil {
				o.endFollow()
			}
		}
	})
	workflow.Go(ctx, func(ctx workflow.Context) {
		for {
			var run string
			workflow.GetSignalChannel(ctx, signalSubscribe).Receive(ctx, &run)
			if run != o.in.Run {
				if slices.Contains(o.subscribers, run) {
					continue // it asks whether this workflow is still there
				}
				o.subscribers = append(o.subscribers, run)
				if o.status.end().Kind != "" {
					o.revoke(fleet.ReasonOthers) // another run wants the instance
				}
			}
			o.report(ctx, run)
		}
	})
}

// revoke makes o send nothing any more. What has been sent is followed.
func (o *one) revoke(reason fleet.Reason) {
	if o.revoked == "" {
		o.revoked = reason
	}
	if o.cancel != nil {
		o.cancel()
	}
}

// revocable returns a context that revoke cancels until done is called.
func (o *one) revocable(ctx workflow.Context) (limited workflow.Context, done func()) {
	ctx, cancel := workflow.WithCancel(ctx)
	o.cancel = cancel
	if o.revoked != "" {
		cancel()
	}
	return ctx, func() {
		o.cancel = nil
		cancel()
	}
}

// add adds an event to the status.
func (o *one) add(ctx workflow.Context, events ...fleet.Event) {
	for _, e := range events {
		e.InstanceID = o.in.Target.ID
		if e.At.IsZero() {
			e.At = workflow.Now(ctx)
		}
		e.Error = shorten(e.Error)
		o.status.Events = append(o.status.Events, e)
	}
}

// report sends the status to a run. If the run that asked is gone, o sends no restart.
func (o *one) report(ctx workflow.Context, run string) {
	err := workflow.SignalExternalWorkflow(ctx, run, "", signalStatus, o.status).Get(ctx, nil)
	if err != nil {
		workflow.GetLogger(ctx).Info("A run is gone.", "run", run, "error", err)
		if run == o.in.Run {
			o.revoke(fleet.ReasonInterrupted)
		}
	}
}

func (o *one) reportAll(ctx workflow.Context) {
	for _, run := range append([]string{o.in.Run}, o.subscribers...) {
		o.report(ctx, run)
	}
}

// restart sends the restart and follows it.
func (o *one) restart(ctx workflow.Context) {
	begin := workflow.Now(ctx)
	var failing time.Time // since when attempts fail for what should pass soon
	for attempt := 1; o.status.end().Kind == "" && !o.marked; attempt++ {
		if o.revoked != "" {
			o.giveUp(ctx, fleet.Event{Kind: fleet.EventUnsent, Reason: o.revoked})
			return
		}
		why := o.attempt(ctx)
		now := workflow.Now(ctx)
		switch {
		case why == nil: // there is an end, or the next attempt may be made at once
			continue
		case why.Retry == fleet.ReasonThrottled, why.Retry == fleet.ReasonBlocked:
			failing = time.Time{}
			if o.isHeldTooLong(ctx, why.Retry, begin) {
				o.giveUp(ctx, fleet.Event{Kind: fleet.EventUnsent, Reason: why.Retry, Error: why.Event.Error})
				return
			}
		case why.Retry == "", !failing.IsZero() && now.Sub(failing) > retryTimeout:
			o.end(ctx, why)
			return
		case failing.IsZero():
			failing = now
		}
		o.hold(ctx, why, attempt)
	}
}

// end ends the turn of an instance whose restart is not retried.
func (o *one) end(ctx workflow.Context, why *driver.Judgement) {
	if why.ForAll {
		o.add(ctx, fleet.Event{Kind: fleet.EventHalt, Reason: fleet.ReasonAccess, Error: why.Event.Error})
	}
	o.giveUp(ctx, why.Event)
}

// attempt asks Blocker, drains the instance, polls it, and sends the restart, unless
// something is in the way. It returns why nothing was sent; nil if there is an end, or the
// reason has passed.
func (o *one) attempt(ctx workflow.Context) *driver.Judgement {
	if refusal := o.ask(ctx); refusal != nil || o.revoked != "" {
		return refusal
	}
	if refusal := o.drain(ctx); refusal != nil || o.revoked != "" {
		return refusal
	}
	var before snapshot
	poll := workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: readTimeout + sendSlack, RetryPolicy: retryPolicy})
	if err := workflow.ExecuteActivity(poll, snapshotActivity, o.in.work).Get(ctx, &before); err != nil {
		return notSentFor(err)
	}
	switch {
	case before.Refusal != nil && before.Refusal.NotRunning:
		return o.awaitOthers(ctx)
	case before.Refusal != nil:
		return before.Refusal
	case o.revoked != "":
		return nil
	}
	if o.before = before.Baseline; o.first.IsZero() {
		o.first = o.before.StartTime
	}
	return o.send(ctx)
}

// notSentFor is a refusal because of a problem of the workers.
func notSentFor(err error) *driver.Judgement {
	return &driver.Judgement{Retry: fleet.ReasonNotSent, Event: fleet.Event{Kind: fleet.EventFailed, Reason: fleet.ReasonNotSent, Error: text(err)}}
}
