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

	ForceStop bool          `json:"forceStop,omitempty"`
	Health    bool          `json:"health,omitempty"`   // will be asked for
	StartTime time.Time     `json:"startTime,omitzero"` // when it came to be the instance's turn
	Timeout   time.Duration `json:"timeout"`
}

// sendResult is what came of it.
type sendResult struct {
	Outcome   sendOutcome         `json:"outcome"`
	RequestID string              `json:"requestId,omitempty"`
	Error     string              `json:"error,omitempty"` // of an unknown outcome
	SentAt    time.Time           `json:"sentAt,omitzero"`
	Before    *ecsreboot.Baseline `json:"before,omitempty"`  // read right before it left
	Verdict   *verdict            `json:"verdict,omitempty"` // why it did not happen
	Rate      float64             `json:"rate,omitempty"`    // restarts a minute that the client lets go; 0: any number
}

type sendOutcome string

const (
	sendAccepted sendOutcome = "accepted"
	sendUnknown  sendOutcome = "unknown"
	sendNot      sendOutcome = "not" // it certainly did not happen
)

// Why a restart is not let go that is about to leave.
var (
	errTooLate  = errors.New("ecstemporal: it would leave too late")
	errAnswered = errors.New("ecstemporal: the restart was answered")
)

// restartedError is of an instance that others have restarted since its turn came.
type restartedError struct{}

func (*restartedError) Error() string { return "ecstemporal: others have restarted it meanwhile" }

// Send restarts an instance, at most once, and returns when the answer is there. It
// has one attempt and no heartbeat: when it ends without a result the instance is
// looked at.
//
// The server gives it up some time after its limit, see sendSlack, and then the
// instance is looked at; a restart that left after that look would contradict the
// report. So the client may hold it back, for throttling, connections and
// credentials, for a third of the limit only; what is about to leave later is not
// let go, and certainly not sent: see [fleet.Departure].
func (a *activities) Send(ctx context.Context, in sendInput) (sendResult, error) {
	if v := a.misplaced(in.work); v != nil {
		return sendResult{Outcome: sendNot, Verdict: v}, nil
	}
	if in.Health && a.health == nil {
		return sendResult{Outcome: sendNot, Verdict: &verdict{ForAll: true, Event: fleet.Event{
			Kind: fleet.EventUnsent, InstanceID: in.Target.ID, Reason: fleet.ReasonAccess, Error: "the worker has no Health, which the run asks for",
		}}}, nil
	}
	// The deadline tells the client when not to wait for a service that throttles.
	// Nobody else calls it off: servers that can do so without a heartbeat would make a
	// lost answer of a pause.
	ctx = context.WithoutCancel(ctx)
	limited, stop := context.WithTimeoutCause(ctx, in.Timeout, fmt.Errorf("ecstemporal: SendTimeout, %v, is over", in.Timeout))
	defer stop()
	limited, cancel := context.WithCancelCause(limited)
	defer cancel(nil)
	result := sendResult{Outcome: sendNot}
	departure := fleet.NewDeparture(in.Timeout / 3)
	if v := a.unwanted(limited, in); v != nil {
		return sendResult{Outcome: sendNot, Verdict: v}, nil
	}
	patience := time.AfterFunc(in.Timeout/3, func() {
		if departure.Revoke() {
			cancel(errTooLate)
		}
	})
	defer patience.Stop()
	_, err := a.client.RebootAndWait(limited, ecsreboot.RebootInstanceRequest{InstanceID: in.Target.ID, ForceStop: in.ForceStop}, ecsreboot.WaitOptions{
		Timeout: -1,
		BeforeSend: func(_ context.Context, before ecsreboot.Baseline) error {
			result.Before = &before
			if before.StartTime.After(in.StartTime) && !in.StartTime.IsZero() {
				return new(restartedError)
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
				cancel(errAnswered) // others follow it
			case ecsreboot.EventOutcomeUnknown:
				result.Outcome, result.Error = sendUnknown, text(e.Err)
				cancel(errAnswered)
			default:
			}
		},
	})
	return a.sendResult(ctx, in, result, err)
}

// unwanted asks the server whether it still waits for the send, and returns why not, or
// nil. What was given to a worker that is suspended lies in its connection for as long,
// and no clock of the worker tells.
func (a *activities) unwanted(ctx context.Context, in sendInput) *verdict {
	if a.confirm == nil || !activity.IsActivity(ctx) {
		return nil
	}
	err := a.confirm(ctx, activity.GetInfo(ctx).TaskToken)
	if err == nil {
		return nil
	}
	return &verdict{Retry: fleet.ReasonNotSent, Event: fleet.Event{
		Kind: fleet.EventFailed, InstanceID: in.Target.ID, Reason: fleet.ReasonNotSent, Error: "the Temporal server does not confirm that it is to be sent: " + text(err),
	}}
}

// sendResult completes a result by the error of the call.
func (a *activities) sendResult(ctx context.Context, in sendInput, result sendResult, err error) (sendResult, error) {
	result.Rate = a.client.Pace(pace.RebootInstance).RatePerMinute
	if failed, ok := errors.AsType[*ecsreboot.OperationError](err); ok {
		result.SentAt = failed.SentAt
	}
	switch ecsreboot.OutcomeOf(err) {
	case ecsreboot.OutcomeAccepted:
		result.Outcome = sendAccepted
	case ecsreboot.OutcomeUnknown:
		if result.Outcome == sendNot { // the call was left before the event was told
			result.Outcome, result.Error = sendUnknown, text(err)
		}
	case ecsreboot.OutcomeNotSent, ecsreboot.OutcomeRejected:
		return a.notSent(ctx, in, result, err)
	case ecsreboot.OutcomeNone:
		result.Outcome = sendAccepted // it was proven before the call could be left
	}
	return result, nil
}

// notSent says why a restart did not happen.
func (a *activities) notSent(ctx context.Context, in sendInput, result sendResult, err error) (sendResult, error) {
	result.Outcome = sendNot
	e := fleet.Event{InstanceID: in.Target.ID}
	if _, others := errors.AsType[*restartedError](err); others {
		e.Kind, e.Reason = fleet.EventSkipped, fleet.ReasonOthers
		result.Verdict = &verdict{Event: e}
		return result, nil
	}
	v, bad := a.judge(context.WithoutCancel(ctx), in.Target, err)
	if bad != nil {
		return result, bad
	}
	result.Verdict = v
	if errors.Is(err, errTooLate) {
		// It waited for its turn, or for a connection.
		v.Retry = fleet.ReasonNotSent
		if state := a.client.Pace(pace.RebootInstance); state.Closed || state.RatePerMinute > 0 {
			v.Retry, v.RetryAfter = fleet.ReasonThrottled, max(0, time.Until(state.Until))
		}
	}
	return result, nil
}
