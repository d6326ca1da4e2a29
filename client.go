package ecsreboot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/aliyun/credentials-go/credentials/providers"
	"github.com/google/uuid"

	"github.com/ecsreboot/ecsreboot/internal/credential"
	"github.com/ecsreboot/ecsreboot/internal/once"
	"github.com/ecsreboot/ecsreboot/internal/seam"
	"github.com/ecsreboot/ecsreboot/pace"
)

// Version is the version of this package. The User-Agent header contains it.
const Version = "0.1.0"

// Client restarts instances of one region. A Client is safe for concurrent use; make one
// for each region and share it.
type Client struct {
	scheme, host   string
	region         string
	endpointGiven  bool // host is not the region's own
	transport      *once.Transport
	credentials    *credential.Supply
	signature      func(message, credential.Secrets) signed
	retry          RetryPolicy
	attemptTimeout time.Duration
	logger         *slog.Logger                       // never nil
	loggedKeys     atomic.Pointer[credential.Secrets] // those whose source was logged last
	observers      []CallObserver
	userAgent      string
	operationID    string       // begins each send ID, or empty
	clockOffset    atomic.Int64 // service's clock less ours, in nanoseconds, once it refused ours
	rebootGate     gate
	describeGate   gate
	scheduledGate  gate
	historyGate    gate
	watchesMu      sync.Mutex
	watches        map[watchKey]*watch // restarts under way that calls may join
	poller         poller
}

// NewClient returns a client for the ECS service of a region, such as "cn-hangzhou".
// Without options, the client takes credentials from credentials-go's default chain, uses
// HTTPS to the region's public endpoint and signs with ACS3-HMAC-SHA256.
//
// NewClient neither uses the network nor fetches credentials. Its errors are
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
		signature:      s.sign,
		retry:          s.retry.withDefaults(),
		attemptTimeout: s.attemptTimeout,
		logger:         s.logger,
		observers:      s.observers,
		userAgent:      s.userAgent,
		operationID:    s.operationID,
		rebootGate:     newGate(s.pacer(pace.RebootInstance)),
		describeGate:   newGate(s.pacer(pace.DescribeInstances)),
		scheduledGate:  newGate(new(pace.Adaptive)),
		historyGate:    newGate(new(pace.Adaptive)),
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
	client.poller.client = client
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

// Credential returns a credential that always has the keys with which the client currently
// signs. Module witness reads the cloud's records with it, for example. The credential is
// safe for concurrent use, and the client's [WithAttemptTimeout] limits each fetch. Its
// errors match [ErrCredentials] and contain no secret. If the client signs with a bearer
// token, each fetch fails, because a provider of credentials-go cannot return a bearer
// token.
func (c *Client) Credential() credentials.Credential {
	return credentials.FromCredentialsProvider("ecsreboot", &credentialOf{c})
}

// credentialOf provides the credentials of a client to credentials-go.
type credentialOf struct{ client *Client }

// GetCredentials returns the current credentials of the client.
func (c *credentialOf) GetCredentials() (*providers.Credentials, error) {
	keys, err := c.client.fetchCredentials(context.Background())
	if err != nil {
		return nil, err
	}
	if keys.BearerToken() != "" {
		return nil, fmt.Errorf("%w: the client signs with a bearer token", ErrCredentials)
	}
	return &providers.Credentials{
		AccessKeyId: keys.AccessKeyID(), AccessKeySecret: keys.AccessKeySecret(), SecurityToken: keys.SecurityToken(),
		ProviderName: c.GetProviderName(),
	}, nil
}

// GetProviderName names the provider.
func (c *credentialOf) GetProviderName() string { return "ecsreboot" }

// String returns a text that names the endpoint and contains no secret.
func (c *Client) String() string { return "ecsreboot.Client(" + c.Endpoint() + ")" }

// Format writes what String returns, whatever the verb, because %#v would read fields
// that other goroutines may be modifying.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue gives slog the region and the endpoint.
func (c *Client) LogValue() slog.Value {
	if c == nil {
		return slog.Value{}
	}
	return slog.GroupValue(slog.String("region", c.region), slog.String("endpoint", c.Endpoint()))
}

// MarshalJSON writes the region and the endpoint.
func (c *Client) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Region   string `json:"region"`
		Endpoint string `json:"endpoint"`
	}{c.region, c.Endpoint()})
}

// operation is what is sent: one call of the API.
type operation struct {
	action     string
	instanceID string
	params     []field // sorted by name
	repeatable bool    // changes nothing: a read or a dry run
	dryRun     bool
	forceStop  bool
	id         string // begins each send ID, or empty
	attempts   int    // at most
	gate       *gate
	into       page // takes the body of a success; nil if there is nothing in it
}

// hooks are what a wait adds to a call. The zero value adds nothing.
type hooks struct {
	consent func(ctx context.Context, sendID string) error // called right before each attempt; its error stops the attempt; nil allows all
	leaving func(sendID string)                            // called right before each request leaves, unless nil
	waited  time.Duration                                  // for the service to stop throttling, before the call
}

// result is an accepted request, or a dry run or read that passed.
type result struct {
	requestID string
	sendID    string
	attempts  int // of the call
	exchange
}

// exchange says when a request and its response passed, by which clock.
type exchange struct {
	sentAt time.Time     // by our clock; zero if nothing can have reached the service
	offset time.Duration // of the request's time from our clock
	clock  time.Time     // the Date of the response, if it is readable; see serviceClock
}

// attempted is the result of one attempt.
type attempted struct {
	exchange
	progress   progress
	sendID     string // empty if the operation changes nothing
	requestID  string
	err        error         // nil if there is a result
	retryAfter time.Duration // how long the service asks to wait; 0 if it does not say
	keys       credential.Secrets
	signature  string
}

// errBrokenOff is the error of a call that ends by a panic in the caller's code.
var errBrokenOff = errors.New("broken off by a panic")

// do sends an operation until it is decided, and returns the accepted or passed
// attempt. All its errors are OperationErrors.
func (c *Client) do(ctx context.Context, op operation, extra hooks) (res result, err error) {
	err = errBrokenOff // until there is another one, or none
	var reservation pace.Reservation
	observed := c.observe(op)
	defer func() {
		if reservation != nil {
			reservation.Report(pace.Result{})
		}
		observed.end(res, err)
	}()
	ctx = observed.begin(ctx)

	failed := OperationError{Operation: op.action, InstanceID: op.instanceID, Outcome: OutcomeNotSent}
	if op.repeatable && !op.dryRun {
		failed.Outcome = OutcomeNone
	}
	if ctx.Err() != nil {
		return result{}, failed.with(contextEnd(ctx))
	}
	budget := max(0, c.retry.MaxThrottleWait-extra.waited)
	throttled, clockFixed, renewed := 0, false, false
	var spent []string // the secrets of earlier attempts, which a response may still show
	for {
		entered, heldUp := op.gate.enter(ctx, &budget, throttled)
		if heldUp != nil {
			return result{}, failed.with(afterwards(failed.Err, heldUp))
		}
		reservation = entered
		tried := c.attempt(ctx, op, extra, reservation, spent)
		outcome, then := decide(op, tried.progress)
		reservation.Report(tried.forPacer(then))
		reservation = nil
		failed.Attempts++
		if !tried.sentAt.IsZero() {
			failed.SentAt, failed.SendID = tried.sentAt, tried.sendID
		}
		failed.Outcome, failed.Err = outcome, tried.err
		if outcome == OutcomeAccepted && op.dryRun {
			failed.Err = fmt.Errorf("%w (request %s)", ErrDryRunIgnored, tried.requestID)
		}
		if then == fixClock {
			c.clockOffset.Store(int64(time.Until(tried.clock))) // for the calls to come as well
		}

		var pause, closed time.Duration // before the next attempt: by us, and by the gate
		mayRetry := failed.Attempts < op.attempts
		switch {
		case then == done:
			return result{requestID: tried.requestID, sendID: tried.sendID, attempts: failed.Attempts, exchange: tried.exchange}, nil
		case ctx.Err() != nil && (then != stop || outcome == OutcomeUnknown): // the context may be why
			return result{}, failed.with(interrupted(ctx, failed.Err))
		case then == again && mayRetry:
			pause = c.retry.backoff(ctx, failed.Attempts)
		case then == fixClock && mayRetry && !clockFixed:
			clockFixed = true
		case then == renew && !renewed && c.credentials.Renew(ctx, c.attemptTimeout, tried.keys) && failed.Attempts < c.retry.MaxAttempts:
			renewed = true // also a poll, which has one attempt, gets one more
		case then == awaitGate && mayRetry: // the gate waits at the top of the loop, unless that is in vain
			throttled++
			state := op.gate.stateAfter(tried.retryAfter)
			if inVain := state.Refusal(ctx, budget); inVain != nil {
				return result{}, failed.with(afterwards(failed.Err, heldBack(inVain)))
			}
			closed = time.Until(state.Until).Round(time.Millisecond)
		default:
			return result{}, failed.with(failed.Err)
		}
		spent = append(tried.keys.And(spent), tried.signature)
		c.logRetry(ctx, failed.with(failed.Err), max(pause, closed))
		if !sleep(ctx, pause) {
			return result{}, failed.with(interrupted(ctx, failed.Err))
		}
	}
}

// newSendID returns a new send ID for an attempt that may restart an instance. Other
// attempts have none.
func newSendID(ctx context.Context, op operation) string {
	switch {
	case op.repeatable:
		return ""
	case op.id == "":
		return seam.Text(ctx)
	}
	return op.id + "." + seam.Text(ctx)
}

// forPacer is what an attempt means for the pace.
func (a attempted) forPacer(then next) pace.Result {
	switch {
	case then == awaitGate:
		return pace.Result{Response: pace.Throttled, RetryAfter: a.retryAfter, ServiceTime: a.clock}
	case a.progress.stage == stageAnswered && a.progress.genuine:
		return pace.Result{Response: pace.Answered, ServiceTime: a.clock}
	}
	return pace.Result{}
}

// attempt sends the operation once, with nonce, time and signature of its own.
func (c *Client) attempt(ctx context.Context, op operation, extra hooks, reservation pace.Reservation, spent []string) attempted {
	sendID := newSendID(ctx, op)
	keys, lasting, err := c.prepare(ctx, extra, reservation, sendID)
	if err != nil {
		return attempted{err: err, progress: progress{stage: stageBefore, permanent: lasting}}
	}
	now, offset := time.Now(), time.Duration(c.clockOffset.Load())
	request, signature, err := c.sign(ctx, op, now.Add(offset), keys, sendID)
	if err != nil {
		return attempted{err: err, progress: progress{stage: stageBefore, permanent: true}}
	}
	scrubber := keys.Scrubber(append([]string{signature}, spent...)...)
	try := c.transport.Begin(ctx, c.attemptTimeout, !op.repeatable)
	defer try.End()
	resp, err := try.Send(request)
	unsent := err != nil && try.GiveUp(err)
	var tried attempted
	switch {
	case err == nil:
		tried = readAnswer(op, resp, scrubber)
	case unsent:
		tried.progress = progress{stage: stageConnect, permanent: once.Lasts(err)}
		tried.err = c.transportFailure(ctx, try, unsent, err, scrubber)
	default:
		tried.progress = progress{stage: stageSent}
		tried.err = c.transportFailure(ctx, try, unsent, err, scrubber)
	}
	if !unsent {
		tried.sentAt = try.SentAt(now)
	}
	tried.sendID, tried.keys, tried.signature, tried.offset = sendID, keys, signature, offset
	return tried
}

// keysLifetime is how long credentials may wait for the hook. Temporary ones are
// renewed minutes before they expire.
const keysLifetime = 30 * time.Second

// prepare does what comes before an attempt, and reports whether an error of it lasts.
// The hook comes last, so that nothing stands between its consent and the request; only
// after one that took long are the credentials fetched anew.
func (c *Client) prepare(ctx context.Context, extra hooks, reservation pace.Reservation, sendID string) (keys credential.Secrets, lasting bool, err error) {
	keys, err = c.fetchCredentials(ctx)
	if err == nil && extra.consent != nil {
		begin := time.Now()
		if err = consent(ctx, reservation, func(ctx context.Context) error { return extra.consent(ctx, sendID) }); err != nil {
			return keys, true, err
		}
		if time.Since(begin) > keysLifetime {
			keys, err = c.fetchCredentials(ctx)
		}
	}
	if err != nil {
		problem, ok := errors.AsType[*credentialError](err)
		return keys, !ok || !problem.temporary, err
	}
	if extra.leaving != nil {
		extra.leaving(sendID)
	}
	return keys, false, nil
}

// fetchCredentials returns the current credentials, and logs their source if they are
// from the default chain and have changed.
func (c *Client) fetchCredentials(ctx context.Context) (credential.Secrets, error) {
	keys, err := c.credentials.Get(ctx, c.attemptTimeout)
	if err != nil {
		return credential.Secrets{}, credentialFailure(ctx, err)
	}
	c.logCredentials(ctx, keys)
	return *keys, nil
}

// sign makes the request of an attempt and returns its signature with it.
func (c *Client) sign(ctx context.Context, op operation, at time.Time, keys credential.Secrets, sendID string) (*http.Request, string, error) {
	nonce, err := uuid.NewRandomFromReader(seam.Random(ctx))
	if err != nil { // no randomness
		return nil, "", fmt.Errorf("no nonce: %w", err)
	}
	auth := c.signature(message{host: c.host, action: op.action, params: op.params, at: at, nonce: nonce.String()}, keys)
	auth.header["Accept"] = []string{"application/json"}
	auth.header["User-Agent"] = []string{c.userAgent}
	if sendID != "" {
		auth.header["User-Agent"] = []string{c.userAgent + " send/" + sendID}
	}
	return &http.Request{
		Method:     http.MethodPost, // net/http may repeat a GET by itself
		URL:        &url.URL{Scheme: c.scheme, Host: c.host, Path: "/", RawQuery: auth.rawQuery},
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header:     auth.header,
		Host:       c.host,
	}, auth.signature, nil
}
