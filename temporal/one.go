package ecstemporal

import (
	"hash/fnv"
	"slices"
	"strconv"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// oneInput is what RebootOne is to do.
type oneInput struct {
	work

	Key       string    `json:"key"`
	Chunk     string    `json:"chunk"` // who is told
	Number    int       `json:"n"`
	ForceStop bool      `json:"forceStop,omitempty"`
	Attempts  int       `json:"attempts,omitempty"` // that were before
	AskedAt   time.Time `json:"askedAt"`
	Limits    limits    `json:"limits"`
	SendQueue string    `json:"sendQueue"`
	// Look sends nothing: an earlier workflow of the instance ended without telling
	// what it did. Late follows one that was given up. Both need what was known.
	Look     bool                `json:"look,omitempty"`
	Late     bool                `json:"late,omitempty"`
	Known    *ecsreboot.Baseline `json:"known,omitempty"`    // the instance before its intent was told
	Accepted bool                `json:"accepted,omitempty"` // that was told as well
}

// limits are the settings that matter to a single instance.
type limits struct {
	MinReady     time.Duration `json:"minReady"`
	ReadyTimeout time.Duration `json:"readyTimeout"`
	UnknownGrace time.Duration `json:"unknownGrace"`
	SendTimeout  time.Duration `json:"sendTimeout"`
	Health       bool          `json:"health,omitempty"`
}

func (s Settings) limits() limits {
	return limits{MinReady: s.MinReady, ReadyTimeout: s.ReadyTimeout, UnknownGrace: s.UnknownGrace, SendTimeout: s.SendTimeout, Health: s.Health}
}

const (
	// sendSlack is how much later than the send's own limit the server gives it up.
	sendSlack = 15 * time.Second
	// queueTime is how long a send may wait for a worker before its turn is looked at
	// anew.
	queueTime = 10 * time.Minute
	// retryInterval and sendPatience are those of package fleet: the time between two
	// tries of what certainly did not happen, and for how long it goes on for reasons
	// that should pass soon.
	retryInterval = 10 * time.Second
	sendPatience  = 5 * time.Minute
	// throttlePatience is how long a throttled instance keeps its turn: its history
	// grows with each try.
	throttlePatience = time.Hour
)

// one is the state of RebootOne.
type one struct {
	in      oneInput
	account account
	held    fleet.Reason        // why nothing may be sent any more; empty if it may
	calling workflow.CancelFunc // takes back what is not sent yet
	before  ecsreboot.Baseline  // of the last send
	first   time.Time           // the StartTime when its turn came
	watcher []string            // chunks that are told the end, beside the one that asked
}

// rebootOne restarts one instance and follows it to its end, which it returns.
// Nothing is sent twice: see the package comment.
func rebootOne(ctx workflow.Context, in oneInput) (account, error) {
	w := &one{in: in, account: account{Key: in.Key, ID: in.Target.ID, Number: in.Number}}
	work, _ := workflow.NewDisconnectedContext(ctx)
	w.listen(work, ctx)
	switch {
	case in.Late:
		w.followLate(work)
	case in.Look:
		w.look(work)
	default:
		w.restart(work)
	}
	w.account.Over = true
	for _, chunk := range w.watcher {
		w.inform(work, chunk)
	}
	return w.account, nil
}

// listen takes in signals while the work goes on. Who cancels the workflow takes back
// what is not sent yet, and no more.
func (w *one) listen(ctx, canceled workflow.Context) {
	workflow.Go(ctx, func(ctx workflow.Context) {
		next := w.signals(ctx).AddReceive(canceled.Done(), func(workflow.ReceiveChannel, bool) { w.hold(fleet.ReasonUser) })
		for canceled.Err() == nil {
			next.Select(ctx)
		}
		next = w.signals(ctx) // the channel of a context that has ended is ready for ever
		for {
			next.Select(ctx)
		}
	})
}

// signals takes in one signal at a time. It belongs to the coroutine of its context.
func (w *one) signals(ctx workflow.Context) workflow.Selector {
	return workflow.NewSelector(ctx).AddReceive(workflow.GetSignalChannel(ctx, signalHold), func(holds workflow.ReceiveChannel, _ bool) {
		var h hold
		if holds.Receive(ctx, &h); h.Key == w.in.Key {
			w.hold(h.Reason)
		}
	}).AddReceive(workflow.GetSignalChannel(ctx, signalWatch), func(watches workflow.ReceiveChannel, _ bool) {
		var chunk string
		watches.Receive(ctx, &chunk)
		if slices.Contains(w.watcher, chunk) {
			return // it wanted to know whether somebody is here
		}
		w.watcher = append(w.watcher, chunk)
		if w.in.Late {
			w.hold(fleet.ReasonOthers) // it gives way
		}
		w.inform(ctx, chunk)
	})
}

func (w *one) hold(reason fleet.Reason) {
	if w.held == "" {
		w.held = reason
	}
	if w.calling != nil {
		w.calling()
	}
}

// tell adds an event.
func (w *one) tell(ctx workflow.Context, e fleet.Event) {
	e.InstanceID = w.in.Target.ID
	if e.At.IsZero() {
		e.At = workflow.Now(ctx)
	}
	e.Error = shorten(e.Error)
	w.account.Events = append(w.account.Events, e)
}

// inform tells a chunk what it does not know yet. One that is gone needs nothing.
func (w *one) inform(ctx workflow.Context, chunk string) {
	err := workflow.SignalExternalWorkflow(ctx, chunk, "", signalTold, w.account).Get(ctx, nil)
	if err != nil {
		workflow.GetLogger(ctx).Info("Nobody is there to be told.", "chunk", chunk, "error", err)
	}
}

// restart sends the restart and follows it.
func (w *one) restart(ctx workflow.Context) {
	begin := workflow.Now(ctx)
	var failing time.Time // since when tries fail for what should pass soon
	for try := 1; ; try++ {
		if w.held != "" {
			w.tell(ctx, fleet.Event{Kind: fleet.EventUnsent, Reason: w.held})
			return
		}
		why, sent := w.attempt(ctx)
		now := workflow.Now(ctx)
		switch {
		case sent, why == nil && endOf(w.account.Events).Kind != "":
			return
		case why == nil: // it may try again at once
			continue
		case why.Retry == "":
			w.give(ctx, why)
			return
		case why.Retry == fleet.ReasonThrottled:
			failing = time.Time{}
			if now.Sub(begin) > throttlePatience {
				w.tell(ctx, fleet.Event{Kind: fleet.EventUnsent, Reason: fleet.ReasonThrottled})
				return
			}
		case failing.IsZero():
			failing = now
		case now.Sub(failing) > sendPatience:
			w.give(ctx, why)
			return
		}
		w.delay(ctx, why, try)
	}
}

// give tells that the instance is given up without a restart.
func (w *one) give(ctx workflow.Context, why *verdict) {
	if why.ForAll {
		w.tell(ctx, fleet.Event{Kind: fleet.EventHalt, Reason: fleet.ReasonAccess, Error: why.Event.Error})
	}
	w.tell(ctx, why.Event)
}

// delay waits before the next try, and tells why.
func (w *one) delay(ctx workflow.Context, why *verdict, try int) {
	wait := retryInterval
	if why.Retry == fleet.ReasonThrottled {
		w.account.Throttled++
		wait = max(wait, why.RetryAfter)
		// Those that were throttled together shall not come back together.
		wait += wait * time.Duration(spread(w.in.Target.ID, try)) / 100
	}
	last := fleet.Event{}
	if n := len(w.account.Events); n > 0 {
		last = w.account.Events[n-1]
	}
	if last.Kind != fleet.EventHeld || last.Reason != why.Retry {
		w.tell(ctx, fleet.Event{Kind: fleet.EventHeld, Reason: why.Retry, Error: why.Event.Error})
		w.inform(ctx, w.in.Chunk)
	}
	limited, cancel := workflow.WithCancel(ctx)
	w.calling = cancel
	if w.held == "" {
		_ = workflow.Sleep(limited, wait)
	}
	w.calling = nil
	cancel()
}

// spread is a number below 50 that is the same whenever the history is replayed.
func spread(id string, try int) int {
	h := fnv.New32a()
	h.Write([]byte(id + strconv.Itoa(try)))
	return int(h.Sum32() % 50)
}

// attempt makes one try. It returns why nothing was sent, nil if that is told or
// there is no reason, and whether something was sent, the end of which is told then.
func (w *one) attempt(ctx workflow.Context) (why *verdict, sent bool) {
	var before snapshot
	if err := workflow.ExecuteActivity(w.reading(ctx), snapshotActivity, w.in.work).Get(ctx, &before); err != nil {
		return &verdict{Retry: fleet.ReasonNotSent, Event: fleet.Event{Kind: fleet.EventFailed, Reason: fleet.ReasonNotSent, Error: text(err)}}, false
	}
	switch {
	case before.Verdict != nil && before.Verdict.NotRunning:
		return w.awaitOthers(ctx)
	case before.Verdict != nil:
		return before.Verdict, false
	case w.held != "":
		return nil, false
	case w.isStarted(before.Baseline):
		return &verdict{Event: fleet.Event{Kind: fleet.EventSkipped, Reason: fleet.ReasonOthers}}, false
	}
	w.first, w.before = before.Baseline.StartTime, before.Baseline
	return w.send(ctx)
}

// isStarted reports whether others have restarted the instance since its turn came.
func (w *one) isStarted(now ecsreboot.Baseline) bool {
	ahead := time.Duration(0) // of the service's clock, which StartTime is of
	if !now.ServiceTime.IsZero() {
		ahead = now.ServiceTime.Sub(now.TakenAt)
	}
	return !w.first.IsZero() && now.StartTime.After(w.first) || now.StartTime.After(w.in.AskedAt.Add(ahead))
}
