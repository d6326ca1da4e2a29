package ecsreboot

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/apart"
	"github.com/ecsreboot/ecsreboot/internal/credential"
	"github.com/ecsreboot/ecsreboot/internal/logvalue"
	"github.com/ecsreboot/ecsreboot/internal/redact"
)

// Call is one call of the API, with all the requests that it may take.
type Call struct {
	Operation  string `json:"operation"`            // "RebootInstance" or "DescribeInstances"
	InstanceID string `json:"instanceId,omitempty"` // empty if it is about several, as readings may be
	ForceStop  bool   `json:"forceStop,omitempty"`
	DryRun     bool   `json:"dryRun,omitempty"`
	Region     string `json:"region"`   // the client's
	Endpoint   string `json:"endpoint"` // the client's, as [Client.Endpoint] has it
}

// LogValue gives slog the fields of the JSON.
func (c Call) LogValue() slog.Value {
	c.InstanceID = redact.Line(c.InstanceID, maxInstanceIDLength)
	return logvalue.Of(c)
}

// CallResult is what became of a [Call].
type CallResult struct {
	RequestID string        `json:"requestId,omitempty"` // of the answer that decided it; empty if none did
	Attempts  int           `json:"attempts"`            // how many requests it took; 0 after a panic
	Outcome   Outcome       `json:"outcome"`
	Elapsed   time.Duration `json:"-"`
	Err       error         `json:"-"` // an [OperationError], or nil; another one after a panic
}

// LogValue gives slog the fields of the JSON.
func (r CallResult) LogValue() slog.Value { return logvalue.Of(r.forJSON()) }

// CallObserver is called when a call begins, and the function that it returns is called
// when the call has ended. The requests of the call use the context that it returns,
// which must derive from the given one, so the spans of a [WithTransportWrapper] are
// children of the call's span. If the returned context is nil, the requests use the
// given one; if the function is nil, it is not called. A panic in the function is
// ignored, because it would hide the outcome of the restart.
type CallObserver func(ctx context.Context, call Call) (context.Context, func(CallResult))

// observedCall is a call as its observers see it.
type observedCall struct {
	client *Client
	op     operation
	began  time.Time
	ends   []func(CallResult) // of the observers that have begun, the log among them
}

func (c *Client) observe(op operation) observedCall {
	return observedCall{client: c, op: op, began: time.Now()}
}

// begin reports the call to the observers, the first one given first, and returns the
// context that they make of the given one.
func (o *observedCall) begin(ctx context.Context) context.Context {
	c, op := o.client, o.op
	if len(c.observers) == 0 && !c.logger.Enabled(ctx, slog.LevelDebug) {
		return ctx
	}
	call := Call{
		Operation: op.action, InstanceID: op.instanceID, ForceStop: op.forceStop, DryRun: op.dryRun,
		Region: c.region, Endpoint: c.Endpoint(),
	}
	for _, observer := range c.observers {
		within, end := observer(ctx, call)
		if within != nil {
			ctx = within //nolint:fatcontext // one observer after the other
		}
		if end != nil {
			o.ends = append(o.ends, end)
		}
	}
	if c.logger.Enabled(ctx, slog.LevelDebug) {
		o.ends = append(o.ends, func(became CallResult) { c.logCall(ctx, call, became) })
	}
	return ctx
}

// end reports what became of the call, the last one first.
func (o *observedCall) end(res result, err error) {
	if len(o.ends) == 0 {
		return
	}
	became := CallResult{RequestID: res.requestID, Attempts: res.attempts, Elapsed: time.Since(o.began), Err: err}
	switch failed, ok := errors.AsType[*OperationError](err); {
	case ok:
		became.Attempts, became.Outcome = failed.Attempts, failed.Outcome
		if answer, ok := errors.AsType[*APIError](err); ok {
			became.RequestID = answer.RequestID
		}
	case o.op.repeatable:
		became.Outcome = OutcomeNone
	case err != nil:
		became.Outcome = OutcomeUnknown
	default:
		became.Outcome = OutcomeAccepted
	}
	for _, end := range slices.Backward(o.ends) {
		func() {
			defer apart.IgnorePanic()
			end(became)
		}()
	}
}

// The names of log records and of their attributes are stable.

func (c *Client) logCall(ctx context.Context, call Call, became CallResult) {
	attributes := []slog.Attr{
		slog.String("operation", call.Operation),
		slog.String("instance_id", call.InstanceID),
		slog.Bool("force_stop", call.ForceStop),
		slog.Bool("dry_run", call.DryRun),
		slog.Int("attempts", became.Attempts),
		slog.String("outcome", became.Outcome.String()),
		slog.String("request_id", became.RequestID),
		slog.Duration("elapsed", became.Elapsed),
	}
	if became.Err != nil {
		attributes = append(attributes, slog.Any("error", became.Err))
	}
	c.logger.LogAttrs(ctx, slog.LevelDebug, "ecsreboot: called", attributes...)
}

func (c *Client) logRetry(ctx context.Context, failed *OperationError, wait time.Duration) {
	c.logger.LogAttrs(ctx, slog.LevelWarn, "ecsreboot: sending again",
		slog.String("operation", failed.Operation),
		slog.String("instance_id", failed.InstanceID),
		slog.Int("attempts", failed.Attempts),
		slog.Duration("wait", wait),
		slog.Any("error", failed))
}

// logCredentials logs the source of credentials that are from the default chain, if
// they are others than those logged last.
func (c *Client) logCredentials(ctx context.Context, keys *credential.Secrets) {
	if keys.Source() == "" || !c.logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	last := c.loggedKeys.Load()
	if last != nil && last.Same(*keys) || !c.loggedKeys.CompareAndSwap(last, keys) {
		return
	}
	c.logger.LogAttrs(ctx, slog.LevelDebug, "ecsreboot: credentials",
		slog.String("source", keys.Scrubber().Text(keys.Source(), maxErrorText)),
		slog.String("credentials", keys.String()))
}
