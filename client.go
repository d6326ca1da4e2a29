package ecsreboot

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/ecsreboot/ecsreboot/internal/credential"
	"github.com/ecsreboot/ecsreboot/internal/once"
	"github.com/ecsreboot/ecsreboot/pace"
)

// Version is the version of this package, as the User-Agent header has it.
const Version = "0.1.0"

// Client restarts instances of one region. It is safe for concurrent use; make
// one and share it.
type Client struct {
	scheme, host   string
	region         string
	endpointGiven  bool // host is not the region's own
	transport      *once.Transport
	credentials    *credential.Supply
	sign           func(message, credential.Secrets) signed
	retry          RetryPolicy
	attemptTimeout time.Duration
	logRetry       func(ctx context.Context, failed *OperationError, wait time.Duration) // nil: nobody wants to know
	logCredentials func(ctx context.Context, keys credential.Secrets)                    // likewise
	saidKeys       atomic.Pointer[credential.Secrets]                                    // what that was told last
	call           caller                                                                // do, with those around it that are told
	userAgent      string
	clockOffset    atomic.Int64 // service's clock less ours, in nanoseconds, once it refused ours
	rebootGate     gate
	describeGate   gate
	watchesMu      sync.Mutex
	watches        map[watchKey]*watch // restarts under way that calls may join
	poller         poller
}

// NewClient returns a client for the ECS service of a region, such as
// "cn-hangzhou". Without options it takes credentials from credentials-go's
// default chain, speaks HTTPS to the region's public endpoint and signs with
// ACS3-HMAC-SHA256.
//
// It neither touches the network nor fetches credentials. Its errors are
// [InputError]s, joined if there are several.
func NewClient(region string, options ...Option) (*Client, error) {
	s, err := newSettings(region, options)
	if err != nil {
		return nil, err
	}
	client := &Client{
		region:         region,
		endpointGiven:  s.endpointGiven,
		scheme:         s.scheme,
		host:           s.host,
		sign:           s.sign,
		retry:          s.retry.withDefaults(),
		attemptTimeout: s.attemptTimeout,
		logRetry:       s.logRetry,
		logCredentials: s.logCredentials,
		userAgent:      s.userAgent,
		rebootGate:     newGate(s.pacer(pace.RebootInstance)),
		describeGate:   newGate(s.pacer(pace.DescribeInstances)),
	}
	if client.credentials, err = credential.NewSupply(s.credential); err != nil {
		return nil, &InputError{Field: "WithCredential", Problem: err.Error()}
	}
	if client.transport, err = once.New(s.httpClient, s.scheme, s.wrappers); err != nil {
		if refused, ok := errors.AsType[*once.FieldError](err); ok {
			err = &InputError{Field: refused.Field, Problem: refused.Problem}
		}
		return nil, err
	}
	client.poller.source = client
	client.call = client.do
	if s.logCalls != nil {
		client.call = s.logCalls(client, client.call)
	}
	for i := range s.observed { // the first one given comes outermost
		client.call = s.observed[len(s.observed)-1-i](client, client.call)
	}
	return client, nil
}

// Endpoint returns the address that requests go to, such as
// "https://ecs-cn-hangzhou.aliyuncs.com".
func (c *Client) Endpoint() string { return c.scheme + "://" + c.host }

// Region returns the region that the client acts in, such as "cn-hangzhou".
func (c *Client) Region() string { return c.region }

// CloseIdleConnections closes the connections that no call uses. The client stays
// usable.
func (c *Client) CloseIdleConnections() { c.transport.CloseIdleConnections() }

// String names the endpoint, and nothing that is secret.
func (c *Client) String() string { return "ecsreboot.Client(" + c.Endpoint() + ")" }

// GoString is String, for %#v.
func (c *Client) GoString() string { return c.String() }

// operation is one call of the API.
type operation struct {
	action     string
	instanceID string
	params     []field // sorted by name
	repeatable bool    // changes nothing: a read or a dry run
	dryRun     bool
	forceStop  bool
	attempts   int                         // at most
	before     func(context.Context) error // asked before each attempt; nil asks nobody
	leaving    func()                      // told right before its request leaves; nil tells nobody
	waited     time.Duration               // for the service to stop throttling, before the call
	gate       *gate
	spent      []string // the secrets of earlier attempts, which a response may still show
	into       page     // takes the body of a success; nil if there is nothing in it
}

// result is what came of one attempt.
type result struct {
	event      event
	requestID  string
	attempts   int                // of the whole call, in what do returns
	retryAfter time.Duration      // awaitGate: how long the service asks to wait; 0 if it does not say
	clock      time.Time          // the Date of the answer, if event.serverTime; see serviceClock
	offset     time.Duration      // of the request's time from our clock
	sentAt     time.Time          // zero if nothing can have reached the service
	err        error              // what the answer, or its lack, is to the caller
	keys       credential.Secrets // of the attempt
	signature  string             // likewise
}

// do sends an operation until it is decided, and returns the accepted or passed
// attempt. All its errors are OperationErrors.
func (c *Client) do(ctx context.Context, op operation) (result, error) {
	failed := OperationError{Operation: op.action, InstanceID: op.instanceID, Outcome: OutcomeNotSent}
	if op.repeatable && !op.dryRun {
		failed.Outcome = OutcomeNone
	}
	if ctx.Err() != nil {
		return result{}, failed.with(contextEnd(ctx))
	}
	throttleBudget := max(0, c.retry.MaxThrottleWait-op.waited)
	throttled, clockFixed, renewed := 0, false, false
	for {
		reservation, err := op.gate.enter(ctx, &throttleBudget, throttled)
		if err != nil {
			return result{}, failed.with(afterwards(failed.Err, err))
		}
		res, outcome, then := c.through(ctx, op, reservation)
		failed.Attempts++
		if !res.sentAt.IsZero() {
			failed.SentAt = res.sentAt
		}
		if then == done {
			res.attempts = failed.Attempts
			return res, nil
		}
		op.spent = append(res.keys.And(op.spent), res.signature)
		failed.Outcome, failed.Err = outcome, res.err
		if outcome == OutcomeAccepted {
			failed.Err = fmt.Errorf("%w (request %s)", ErrDryRunIgnored, res.requestID)
		}
		if then == fixClock {
			c.clockOffset.Store(int64(time.Until(res.clock))) // for the calls to come as well
		}
		switch {
		case ctx.Err() != nil && (then != stop || outcome == OutcomeUnknown): // the context may be why
			return result{}, failed.with(interrupted(ctx, failed.Err))
		case then == stop, then == fixClock && clockFixed, then == renew && (renewed || !c.credentials.Renew(ctx, c.attemptTimeout, res.keys)):
			return result{}, failed.with(failed.Err)
		case failed.Attempts < op.attempts: // and a poll, which has one attempt, gets one more for new credentials
		case then != renew || failed.Attempts >= c.retry.MaxAttempts:
			return result{}, failed.with(failed.Err)
		}
		var wait, closed time.Duration
		switch then {
		case again:
			wait = c.retry.backoff(failed.Attempts)
		case fixClock:
			clockFixed = true
		case renew:
			renewed = true
		case awaitGate: // the gate waits at the top of the loop, unless that is in vain
			throttled++
			state := op.gate.stateAfter(res.retryAfter)
			if err := state.Refusal(ctx, throttleBudget); err != nil {
				return result{}, failed.with(afterwards(failed.Err, heldBack(err)))
			}
			closed = time.Until(state.Until).Round(time.Millisecond)
		case stop, done:
		}
		if c.logRetry != nil {
			c.logRetry(ctx, failed.with(failed.Err), max(wait, closed))
		}
		if !sleep(ctx, wait) {
			return result{}, failed.with(interrupted(ctx, failed.Err))
		}
	}
}

// through makes one attempt with a reservation of the gate, and reports to it.
func (c *Client) through(ctx context.Context, op operation, reservation pace.Reservation) (_ result, outcome Outcome, then next) {
	returned := false
	defer func() {
		if !returned { // a RoundTripper or hook of the caller's panicked
			reservation.Report(pace.Result{})
		}
	}()
	keys, res := c.prepare(ctx, op, reservation)
	if res.err == nil {
		res = c.attempt(ctx, op, keys)
	}
	res.event.stale = res.event.stage == stageAnswered && isStale(res.err)
	outcome, then = decide(op, res.event)
	returned = true
	switch {
	case then == awaitGate:
		if refusal, ok := errors.AsType[*APIError](res.err); ok {
			res.retryAfter = refusal.RetryAfter
		}
		reservation.Report(pace.Result{Outcome: pace.Throttled, RetryAfter: res.retryAfter, ServiceTime: res.clock})
	case res.event.stage == stageAnswered && res.event.hasRequestID:
		reservation.Report(pace.Result{Outcome: pace.Accepted, ServiceTime: res.clock})
	default:
		reservation.Report(pace.Result{})
	}
	return res, outcome, then
}

// keysLifetime is how long credentials may wait for the hook. Temporary ones are
// renewed minutes before they expire.
const keysLifetime = 30 * time.Second

// prepare does what comes before an attempt. The hook comes last, so that nothing
// stands between its consent and the request; only after one that took long are
// the credentials fetched anew.
func (c *Client) prepare(ctx context.Context, op operation, reservation pace.Reservation) (credential.Secrets, result) {
	keys, err := c.fetchCredentials(ctx)
	if err == nil && op.before != nil {
		begin := time.Now()
		if err := consent(ctx, reservation, op.before); err != nil {
			return credential.Secrets{}, result{err: err, event: event{stage: stageBefore, permanent: true}}
		}
		if time.Since(begin) > keysLifetime {
			keys, err = c.fetchCredentials(ctx)
		}
	}
	if err != nil {
		problem, ok := errors.AsType[*credentialError](err)
		return credential.Secrets{}, result{err: err, event: event{stage: stageBefore, permanent: !ok || !problem.temporary}}
	}
	return keys, result{}
}

// fetchCredentials returns the current credentials, and logs their source if they are
// from the default chain and have changed.
func (c *Client) fetchCredentials(ctx context.Context) (credential.Secrets, error) {
	keys, err := c.credentials.Get(ctx, c.attemptTimeout)
	if err != nil {
		return credential.Secrets{}, credentialFailure(ctx, err)
	}
	if c.logCredentials != nil && keys.Source() != "" {
		if said := c.saidKeys.Load(); (said == nil || !said.Same(*keys)) && c.saidKeys.CompareAndSwap(said, keys) {
			c.logCredentials(ctx, *keys)
		}
	}
	return *keys, nil
}

// attempt sends the operation once, with nonce, time and signature of its own.
func (c *Client) attempt(ctx context.Context, op operation, keys credential.Secrets) result {
	if op.leaving != nil {
		op.leaving()
	}
	nonce, err := uuid.NewRandom()
	if err != nil { // no randomness
		return result{err: fmt.Errorf("no nonce: %w", err), event: event{stage: stageBefore, permanent: true}}
	}
	now, offset := time.Now(), time.Duration(c.clockOffset.Load())
	auth := c.sign(message{
		host:   c.host,
		action: op.action,
		params: op.params,
		at:     now.Add(offset),
		nonce:  nonce.String(),
	}, keys)
	scrubber := keys.Scrubber(append([]string{auth.signature}, op.spent...)...)
	auth.header.put("Accept", "application/json")
	auth.header.put("User-Agent", c.userAgent)
	try := c.transport.Begin(ctx, c.attemptTimeout, !op.repeatable)
	defer try.End()
	resp, err := try.Send(&http.Request{
		Method:     http.MethodPost, // net/http may repeat a GET by itself
		URL:        &url.URL{Scheme: c.scheme, Host: c.host, Path: "/", RawQuery: auth.rawQuery},
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header:     auth.header.Header,
		Host:       c.host,
	})
	if err != nil {
		unsent := try.GiveUp(err)
		res := result{
			event: event{stage: stageSent}, keys: keys, signature: auth.signature,
			err: c.transportFailure(ctx, try, unsent, err, scrubber),
		}
		if unsent {
			res.event = event{stage: stageConnect, permanent: once.Lasts(err)}
		} else {
			res.sentAt = try.SentAt(now)
		}
		return res
	}
	res := readAnswer(op, resp, scrubber)
	res.keys, res.signature = keys, auth.signature
	res.sentAt, res.offset = try.SentAt(now), offset
	return res
}
