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

// Call describes one API call, which may take several requests.
type Call struct {
	Operation  string `json:"operation"`            // as the API names it, such as "RebootInstance"
	InstanceID string `json:"instanceId,omitempty"` // empty if the call concerns several instances, as reads may
	ForceStop  bool   `json:"forceStop,omitempty"`
	DryRun     bool   `json:"dryRun,omitempty"`
	Region     string `json:"region"`   // the client's
	Endpoint   string `json:"endpoint"` // the client's; see [Client.Endpoint]
}

// LogValue gives slog the fields of the JSON.
func (c Call) LogValue() slog.Value {
	c.InstanceID = redact.Line(c.InstanceID, maxInstanceIDLength)
	return logvalue.Of(c)
}

// CallResult is the result of a [Call].
type CallResult struct {
	RequestID string        `json:"requestId,omitempty"` // of the response that determined the outcome; empty if there was none
	Attempts  int           `json:"attempts"`            // number of attempts; 0 if the call panicked
	Outcome   Outcome       `json:"outcome"`
	Elapsed   time.Duration `json:"-"`
	Err       error         `json:"-"` // an [OperationError] or nil; an error of another type if the call panicked
}

// LogValue gives slog the fields of the JSON.
func (r CallResult) LogValue() slog.Value { return logvalue.Of(r.forJSON()) }

// CallObserver is called when an API call begins. The function that the observer returns
// is called when the API call has ended; nil means no function. The requests of the call
// use the context that the observer returns, so the spans of a [WithTransportWrapper] are
// children of the call's span. The returned context must derive from the given context;
// if the returned context is nil, the requests use the given context. A panic in the
// returned function is ignored, because the panic would hide the outcome of the restart.
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

// end reports the result of the call to the observers, the last one first.
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

// logCredentials logs the source of credentials that are from the default chain, if they
// differ from those logged last.
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
