package ecstemporal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/pace"
)

// sendInput asks for one restart.
type sendInput struct {
	work

	Settings   Settings  `json:"settings"`
	ForceStop  bool      `json:"forceStop,omitempty"`
	StartTime  time.Time `json:"startTime,omitzero"`  // when it became the instance's turn
	SendBefore time.Time `json:"sendBefore,omitzero"` // the end of the maintenance window
}

// sendResult is the result of a sendInput.
type sendResult struct {
	Outcome   sendOutcome         `json:"outcome"`
	RequestID string              `json:"requestId,omitempty"`
	Error     string              `json:"error,omitempty"` // of an unknown outcome
	SentAt    time.Time           `json:"sentAt,omitzero"`
	Before    *ecsreboot.Baseline `json:"before,omitempty"`  // taken right before the request left
	Verdict   *verdict            `json:"verdict,omitempty"` // why it was not sent
	Rate      float64             `json:"rate,omitempty"`    // restarts a minute that the client allows; 0: no limit
}

type sendOutcome string

const (
	sendAccepted sendOutcome = "accepted"
	sendUnknown  sendOutcome = "unknown"
	sendNot      sendOutcome = "not" // it certainly did not happen
)

// These cancel a request.
var (
	errTooLate  = errors.New("ecstemporal: the restart would leave too late")
	errAnswered = errors.New("ecstemporal: the restart was answered") // and another activity follows it
)

// withheldError is why a restart is not sent that is about to leave.
type withheldError struct{ end fleet.Event }

func (e *withheldError) Error() string { return "ecstemporal: held back: " + string(e.end.Reason) }

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
	result := sendResult{Outcome: sendNot, Verdict: haltAll(in.work, a.unfit(in.work, in.Settings))}
	if result.Verdict != nil {
		return result, nil
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
	if result.Verdict = a.askBefore(limited, in); result.Verdict != nil {
		return result, nil
	}
	_, err := a.client.RebootAndWait(limited, ecsreboot.RebootInstanceRequest{InstanceID: in.Target.ID, ForceStop: in.ForceStop}, ecsreboot.WaitOptions{
		Timeout: -1,
		BeforeSend: func(_ context.Context, intent ecsreboot.SendIntent) error {
			result.Before = &intent.Baseline
			if withheld := in.withheld(intent.Baseline); withheld != nil {
				return withheld
			}
			if !departure.Leave() {
				return errTooLate
			}
			return nil
		},
		OnEvent: func(e ecsreboot.Event) {
			switch e.Kind {
			case ecsreboot.EventAccepted:
				result.Outcome, result.RequestID = sendAccepted, e.RequestID
				cancel(errAnswered)
			case ecsreboot.EventOutcomeUnknown:
				result.Outcome, result.Error = sendUnknown, text(e.Err)
				cancel(errAnswered)
			default:
			}
		},
	})
	return a.sendResult(ctx, in, result, err)
}

// askBefore asks the server whether it still waits for the restart, and the worker's
// Blocker whether it approves. It returns why not; nil if both agree.
//
// The server has to be asked because an activity that was given to a suspended worker
// lies in its connection for as long, and no clock of the worker knows. The Blocker's
// approval is valid until the departure's limit.
func (a *activities) askBefore(ctx context.Context, in sendInput) *verdict {
	if a.confirm != nil && activity.IsActivity(ctx) {
		if err := a.confirm(ctx, activity.GetInfo(ctx).TaskToken); err != nil {
			return in.retry(fleet.EventFailed, fleet.ReasonNotSent, "the Temporal server does not confirm that it is to be sent: "+text(err))
		}
	}
	if in.Settings.Blocker {
		if err := recovered(func() error { return a.blocker(ctx, in.Target) }); err != nil {
			return in.retry(fleet.EventUnsent, fleet.ReasonBlocked, text(err))
		}
	}
	return nil
}

// recovered turns a panic into an error. If it ended the activity, the server would not
// know that nothing was sent.
func recovered(f func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("panic: %v", value)
		}
	}()
	return f()
}

// retry is the verdict on a restart that may be tried later; kind is its end if it is not.
func (in sendInput) retry(kind fleet.EventKind, reason fleet.Reason, problem string) *verdict {
	return &verdict{Retry: reason, Event: fleet.Event{Kind: kind, InstanceID: in.Target.ID, Reason: reason, Error: problem}}
}

// withheld returns why a restart must not leave now; nil if it may.
func (in sendInput) withheld(before ecsreboot.Baseline) error {
	now := time.Now()
	end := fleet.Event{Kind: fleet.EventSkipped, InstanceID: in.Target.ID}
	switch {
	case !in.StartTime.IsZero() && before.StartTime.After(in.StartTime):
		end.Reason = fleet.ReasonOthers
	case in.Settings.MinUptime > 0 && now.Add(ahead(before)).Sub(before.StartTime) < in.Settings.MinUptime:
		end.Reason = fleet.ReasonUptime
	case !in.SendBefore.IsZero() && !now.Before(in.SendBefore):
		end.Kind, end.Reason = fleet.EventUnsent, fleet.ReasonWindow
	default:
		return nil
	}
	return &withheldError{end}
}

// sendResult completes a result by the error of the call.
func (a *activities) sendResult(ctx context.Context, in sendInput, result sendResult, err error) (sendResult, error) {
	result.Rate = a.client.Pace(pace.RebootInstance).RatePerMinute
	if failed, ok := errors.AsType[*ecsreboot.OperationError](err); ok {
		result.SentAt = failed.SentAt
	}
	switch ecsreboot.OutcomeOf(err) {
	case ecsreboot.OutcomeUnknown:
		if result.Outcome == sendNot { // the call returned before the event
			result.Outcome, result.Error = sendUnknown, text(err)
		}
	case ecsreboot.OutcomeNotSent, ecsreboot.OutcomeRejected:
		result.Outcome = sendNot
		result.Verdict, err = a.notSent(ctx, in, err)
		return result, err
	case ecsreboot.OutcomeAccepted, ecsreboot.OutcomeNone: // without an error, it was even proven
		result.Outcome = sendAccepted
	}
	return result, nil
}

// notSent says why a restart did not happen.
func (a *activities) notSent(ctx context.Context, in sendInput, err error) (*verdict, error) {
	if withheld, ok := errors.AsType[*withheldError](err); ok {
		v := &verdict{Event: withheld.end}
		if withheld.end.Reason == fleet.ReasonWindow {
			v.Retry = fleet.ReasonWindow // until the run revokes it
		}
		return v, nil
	}
	v, bad := a.judge(ctx, in.Target, err)
	if bad == nil && errors.Is(err, errTooLate) { // it waited for its turn, or for a connection
		v.Retry = fleet.ReasonNotSent
		if state := a.client.Pace(pace.RebootInstance); state.Closed || state.RatePerMinute > 0 {
			v.Retry, v.RetryAfter = fleet.ReasonThrottled, max(0, time.Until(state.Until))
		}
	}
	return v, bad
}
