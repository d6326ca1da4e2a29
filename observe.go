package ecsreboot

import (
	"context"
	"errors"
	"time"
)

// Call is one call of the API, with all the requests that it may take.
type Call struct {
	Operation  string // "RebootInstance" or "DescribeInstances"
	InstanceID string // empty if it is about several, as readings may be
	ForceStop  bool
	DryRun     bool
	Region     string // the client's
	Endpoint   string // the client's, as [Client.Endpoint] has it
}

// CallResult is what became of a [Call].
type CallResult struct {
	RequestID string // of the answer that decided it; empty if none did
	Attempts  int    // how many requests it took; 0 after a panic
	Outcome   Outcome
	Elapsed   time.Duration
	Err       error // an [OperationError], or nil; another one after a panic
}

// CallObserver is told when a call begins and, by the function that it returns, when
// it has ended. The context that it returns, which must derive from the given one, is
// that of the call's requests, so that spans of a [WithTransportWrapper] find
// themselves beneath that of the call. A nil context or function counts as none. A
// panic in the function is ignored: what became of the restart must not be lost.
type CallObserver func(ctx context.Context, call Call) (context.Context, func(CallResult))

// caller sends an operation until it is decided, as Client.do does.
type caller func(ctx context.Context, op operation) (result, error)

// around puts something around the calls of a client. Only a program that has such an
// option links what that takes.
type around func(c *Client, call caller) caller

func (observe CallObserver) around(c *Client, call caller) caller {
	return func(ctx context.Context, op operation) (result, error) {
		begin := time.Now()
		within, end := observe(ctx, Call{
			Operation: op.action, InstanceID: op.instanceID, ForceStop: op.forceStop, DryRun: op.dryRun,
			Region: c.region, Endpoint: c.Endpoint(),
		})
		if within != nil {
			ctx = within
		}
		if end == nil {
			return call(ctx, op)
		}
		became := CallResult{Outcome: OutcomeUnknown, Err: errors.New("broken off by a panic")}
		if op.repeatable {
			became.Outcome = OutcomeNone
		}
		defer func() {
			became.Elapsed = time.Since(begin)
			tell(end, became)
		}()
		res, err := call(ctx, op)
		became = CallResult{RequestID: res.requestID, Attempts: res.attempts, Err: err}
		if failed, ok := errors.AsType[*OperationError](err); ok {
			became.Attempts, became.Outcome = failed.Attempts, failed.Outcome
			if answer, ok := errors.AsType[*APIError](err); ok {
				became.RequestID = answer.RequestID
			}
		} else if !op.repeatable {
			became.Outcome = OutcomeAccepted
		}
		return res, err
	}
}

func tell(end func(CallResult), became CallResult) {
	defer func() { _ = recover() }()
	end(became)
}
