package ecstemporal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/driver"
	"github.com/ecsreboot/ecsreboot/pace"
)

// sendInput asks for one restart.
type sendInput struct {
	work

	Settings   Settings  `json:"settings"`
	ForceStop  bool      `json:"forceStop,omitempty"`
	AskedAt    time.Time `json:"askedAt,omitzero"`    // when the instance's turn came
	StartTime  time.Time `json:"startTime,omitzero"`  // what it was then
	SendBefore time.Time `json:"sendBefore,omitzero"` // the end of the maintenance window
	// OperationID begins the send IDs of this activity, and of no other one. It is chosen
	// before the activity is scheduled, so that it is known even if the worker dies.
	OperationID string `json:"operationId,omitempty"`
	// Since skips an instance that started in the minute of this time or later: StartTime
	// has no seconds. It is set if an operator has marked the instance as not restarted.
	Since time.Time `json:"since,omitzero"`
}

// sendResult is the result of a sendInput. If it has no refusal, the restart was sent;
// if it was not accepted either, its outcome is unknown.
type sendResult struct {
	Accepted  bool                `json:"accepted,omitempty"`
	RequestID string              `json:"requestId,omitempty"`
	Error     string              `json:"error,omitempty"` // of an unknown outcome
	SentAt    time.Time           `json:"sentAt,omitzero"`
	SendID    string              `json:"sendId,omitempty"`
	Before    *ecsreboot.Baseline `json:"before,omitempty"`  // taken right before the request left
	Refusal   *driver.Judgement   `json:"refusal,omitempty"` // why it was not sent, or refused by the service
	Rate      float64             `json:"rate,omitempty"`    // restarts a minute that the client allows; 0: no limit
}

var (
	errWithheld = errors.New("ecstemporal: the restart is withheld")
	errTooLate  = errors.New("ecstemporal: the restart would leave too late")
	errAnswered = errors.New("ecstemporal: the restart was answered") // and another activity follows it
)

// Send restarts an instance, at most once, and returns when the response is there. It
// has one attempt and no heartbeat; if it ends without a result, RebootOne polls the
// instance.
//
// The server gives the activity up sendSlack after its limit, and then the instance is
// polled. A restart that left after that poll would contradict the report. Therefore
// the client may hold the request back, for its rate limit, connections and credentials,
// for a third of the limit only. A request that is about to leave later is not sent:
// see [fleet.Departure].
func (a *activities) Send(ctx context.Context, in sendInput) (sendResult, error) {
	if refusal := a.unfit(in.work, in.Settings); refusal != nil {
		return sendResult{Refusal: refusal}, nil
	}
	// By the deadline, the client knows when not to wait for a service that throttles.
	// Nothing else cancels the request: a server that can cancel an activity without a
	// heartbeat would turn a pause into a lost response.
	ctx = context.WithoutCancel(ctx)
	timeout := in.Settings.SendTimeout
	limited, stop := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("ecstemporal: SendTimeout, %v, is over", timeout))
	defer stop()
	limited, cancel := context.WithCancelCause(limited)
	defer cancel(nil)
	departure := fleet.NewDeparture(timeout / 3)
	patience := time.AfterFunc(timeout/3, func() {
		if departure.Revoke() {
			cancel(errTooLate)
		}
	})
	defer patience.Stop()
	if refusal := a.askBefore(limited, in); refusal != nil {
		return sendResult{Refusal: refusal}, nil
	}
	var result sendResult
	var refusal *driver.Judgement
	var answer ecsreboot.Event
	_, err := a.of(in.Region).RebootAndWait(limited, ecsreboot.RebootInstanceRequest{InstanceID: in.Target.ID, ForceStop: in.ForceStop}, ecsreboot.WaitOptions{
		Timeout: -1, OperationID: in.OperationID,
		BeforeSend: func(_ context.Context, intent ecsreboot.SendIntent) error {
			result.Before, result.SendID, refusal = &intent.Baseline, intent.SendID, in.withheld(intent.Baseline)
			switch {
			case refusal != nil:
				return errWithheld
			case !departure.Leave():
				return errTooLate
			}
			return nil
		},
		OnEvent: func(e ecsreboot.Event) {
			if e.Kind == ecsreboot.EventAccepted || e.Kind == ecsreboot.EventOutcomeUnknown {
				answer = e
				cancel(errAnswered)
			}
		},
	})
	result.Rate = a.of(in.Region).Pace(pace.RebootInstance).RatePerMinute
	if failed, ok := errors.AsType[*ecsreboot.OperationError](err); ok {
		result.SentAt = failed.SentAt
	}
	switch ecsreboot.OutcomeOf(err) {
	case ecsreboot.OutcomeNotSent, ecsreboot.OutcomeRejected:
		if result.Refusal = refusal; refusal == nil {
			result.Refusal, err = a.notSent(ctx, in.work, err)
			return result, err
		}
	case ecsreboot.OutcomeUnknown:
		result.Error = text(cmp.Or(answer.Err, err)) // without an event, the call itself ended
	case ecsreboot.OutcomeAccepted, ecsreboot.OutcomeNone: // without an error, it was even proven
		result.Accepted, result.RequestID = true, answer.RequestID
	}
	return result, nil
}

// askBefore asks the server whether it still waits for the restart, and the worker's
// Blocker whether it approves. It returns why not; nil if both agree.
//
// An activity that the server gives to a suspended worker waits in the worker's connection,
// and no clock of the worker shows for how long; therefore askBefore asks the server. The
// Blocker's approval is valid until the departure's limit.
func (a *activities) askBefore(ctx context.Context, in sendInput) *driver.Judgement {
	if a.confirm != nil && activity.IsActivity(ctx) {
		if err := a.confirm(ctx, activity.GetInfo(ctx).TaskToken); err != nil {
			return in.refusal(fleet.EventFailed, fleet.ReasonNotSent, fleet.ReasonNotSent, "the Temporal server does not confirm the activity: "+text(err))
		}
	}
	if in.Settings.Blocker {
		if err := a.block(ctx, in.work); err != nil {
			return in.refusal(fleet.EventUnsent, fleet.ReasonBlocked, fleet.ReasonBlocked, text(err))
		}
	}
	return nil
}

// recovered turns a panic into an error. A panic would end the activity, and the server
// would not know that nothing was sent.
func recovered(f func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("panic: %v", value)
		}
	}()
	return f()
}

// refusal is why the restart is not sent. kind and reason are the end of the instance's
// turn if RebootOne does not retry, and retry is why it may.
func (in work) refusal(kind fleet.EventKind, reason, retry fleet.Reason, problem string) *driver.Judgement {
	return &driver.Judgement{Retry: retry, Event: fleet.Event{Kind: kind, InstanceID: in.Target.ID, Reason: reason, Error: problem}}
}

// withheld returns why a restart must not leave now; nil if it may.
func (in sendInput) withheld(before ecsreboot.Baseline) *driver.Judgement {
	var ahead time.Duration // of our clock: the service's, which StartTime is of
	if !before.ServiceTime.IsZero() {
		ahead = before.ServiceTime.Sub(before.TakenAt)
	}
	now := time.Now()
	switch {
	case !in.StartTime.IsZero() && before.StartTime.After(in.StartTime), !in.AskedAt.IsZero() && before.StartTime.After(in.AskedAt.Add(ahead)):
		return in.refusal(fleet.EventSkipped, fleet.ReasonOthers, "", "")
	case !in.Since.IsZero() && !before.StartTime.Before(in.Since.Add(ahead).Truncate(time.Minute)), in.Settings.MinUptime > 0 && now.Add(ahead).Sub(before.StartTime) < in.Settings.MinUptime:
		return in.refusal(fleet.EventSkipped, fleet.ReasonUptime, "", "")
	case !in.SendBefore.IsZero() && !now.Before(in.SendBefore): // RebootOne retries until the run revokes it
		return in.refusal(fleet.EventUnsent, fleet.ReasonWindow, fleet.ReasonWindow, "")
	}
	return nil
}

// notSent returns why a restart did not happen.
func (a *activities) notSent(ctx context.Context, in work, err error) (*driver.Judgement, error) {
	j, bad := a.judge(ctx, in, err)
	if bad == nil && errors.Is(err, errTooLate) { // it waited for its turn, or for a connection
		j.Retry = fleet.ReasonNotSent
		if state := a.of(in.Region).Pace(pace.RebootInstance); state.Closed || state.RatePerMinute > 0 {
			j.Retry, j.RetryAfter = fleet.ReasonThrottled, max(0, time.Until(state.Until))
		}
	}
	return j, bad
}
