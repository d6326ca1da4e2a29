package ecsreboot

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/aliyun/credentials-go/credentials"

	"github.com/ecsreboot/ecsreboot/internal/credential"
	"github.com/ecsreboot/ecsreboot/internal/endpoint"
	"github.com/ecsreboot/ecsreboot/pace"
)

// Option sets one thing of a [Client] that [NewClient] makes. If an option is repeated,
// the last one wins, except where the option says otherwise. A nil Option sets nothing.
//
// A value that is nil, empty or 0 selects the default, as if the option were not given.
// So a program can pass a setting on without checking that it is set. A nil pointer in an
// interface is an [InputError].
type Option func(*settings) error

type settings struct {
	scheme, host   string
	endpointGiven  bool
	vpc            bool
	credential     credentials.Credential // nil: the default chain
	httpClient     *http.Client
	wrappers       []func(http.RoundTripper) http.RoundTripper
	sign           func(message, credential.Secrets) signed
	retry          RetryPolicy
	attemptTimeout time.Duration
	logger         *slog.Logger
	observers      []CallObserver
	userAgent      string
	operationID    string
	pacers         map[pace.Operation]pace.Pacer
	hinted         map[pace.Operation]*pace.Adaptive // those of WithRateHint
}

const defaultAttemptTimeout = 30 * time.Second

func defaultUserAgent() string {
	return "ecsreboot/" + Version + " go/" + strings.TrimPrefix(runtime.Version(), "go")
}

// newSettings applies the options and reports all problems at once.
func newSettings(region string, options []Option) (*settings, error) {
	s := &settings{
		attemptTimeout: defaultAttemptTimeout,
		sign:           signV3,
		logger:         slog.New(slog.DiscardHandler),
		userAgent:      defaultUserAgent(),
	}
	problems := []error{s.apply(options)}
	if problem := endpoint.RegionProblem(region); problem != "" {
		problems = append([]error{&InputError{Field: "region", Problem: problem}}, problems...)
	}
	if s.endpointGiven && s.vpc {
		problems = append(problems, &InputError{Field: "WithVPCEndpoint", Problem: "contradicts WithEndpoint; give one of them"})
	}
	for name := range s.hinted {
		if s.pacers[name] != nil {
			problems = append(problems, &InputError{Field: "WithRateHint", Problem: fmt.Sprintf("contradicts WithPacer for %s; give one of them", name)})
		}
	}
	if p, ok := s.pacers[pace.RebootInstance].(*pace.Adaptive); ok && s.pacers[pace.DescribeInstances] == pace.Pacer(p) {
		problems = append(problems, &InputError{Field: "WithPacer", Problem: "has one pace.Adaptive for both operations; the service limits each, give each its own"})
	}
	if !s.endpointGiven {
		s.scheme, s.host = "https", endpoint.Host(region, s.vpc)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return s, nil
}

// apply applies options and reports the problems of all.
func (s *settings) apply(options []Option) error {
	var problems []error
	for _, option := range options {
		if option != nil {
			problems = append(problems, option(s))
		}
	}
	return errors.Join(problems...)
}

// WithOptions combines several options into one. Nil options are ignored.
func WithOptions(options ...Option) Option {
	return func(s *settings) error { return s.apply(options) }
}

// WithCredential sets the source of the credentials. The default is credentials-go's
// default chain; nil selects it. A nil pointer in the interface, or a credential that
// wraps a nil pointer, is an error. The client fetches the credentials for every request,
// so credentials that renew themselves, such as STS tokens and RAM roles, are always
// current.
//
// The client guards the credential: goroutines and several clients may share it,
// although the credentials of credentials-go are not safe for concurrent use; a fetch
// obeys the call's context; a panic in a fetch becomes an error.
func WithCredential(credential credentials.Credential) Option {
	return func(s *settings) error {
		s.credential = credential
		return nil
	}
}

// WithEndpoint sets the address of the service, such as
// "https://ecs-vpc.cn-hangzhou.aliyuncs.com", in place of the region's public endpoint.
// The address must be https, except for a loopback host. An empty address selects the
// default.
func WithEndpoint(address string) Option {
	return func(s *settings) error {
		if address == "" {
			s.endpointGiven = false
			return nil
		}
		scheme, host, problem := endpoint.Parse(address)
		if problem != "" {
			return &InputError{Field: "WithEndpoint", Problem: problem}
		}
		s.scheme, s.host, s.endpointGiven = scheme, host, true
		return nil
	}
}

// WithVPCEndpoint selects the region's endpoint inside its VPCs, which machines without
// internet access can reach. The client never falls back to the public endpoint.
func WithVPCEndpoint() Option {
	return func(s *settings) error {
		s.vpc = true
		return nil
	}
}

// WithHTTPClient sets the client whose dialer, proxy, TLS settings, cookie jar and
// timeout are used. The given client is copied, never changed. The copy follows no
// redirects. A nil client selects ecsreboot's default client.
//
// If the Transport of the client is an *http.Transport, it is cloned twice, once for
// restarts and once for reads, with rules that keep a restart from being sent twice:
//
//   - HTTP/1.1 only
//   - no proxy for plain http, which is allowed only to loopback hosts
//   - idle connections are closed after at most 3 s for restarts and 5 s for reads,
//     because the outcome of a restart on a connection that the server is closing is
//     unknown; a shorter IdleConnTimeout is kept
//
// If the *http.Transport has no dialer, looking up and dialing the host may take up to 25
// s. If the client's Transport is nil, ecsreboot's default transport is used.
//
// Any other RoundTripper is used as it is, without these rules, and its errors prove
// nothing: every failure without a response is [ErrOutcomeUnknown], including a failure
// to connect. If the RoundTripper repeats a restart through a net/http transport, with
// the context of the first request, the client aborts the second request before it is
// written. With another context or any other transport, the client cannot prevent the
// repetition. Requests that the RoundTripper makes for itself,
// for example to fetch a token, must not use the context of the request that it was
// given, because they would be mistaken for the request itself. For tracing and metrics,
// use [WithTransportWrapper].
func WithHTTPClient(client *http.Client) Option {
	return func(s *settings) error {
		s.httpClient = client
		return nil
	}
}

// WithTransportWrapper wraps the transport of the client in a RoundTripper, for tracing,
// metrics or headers. Repeated options all apply: later wrappers wrap earlier ones. A nil
// wrapper wraps nothing; a wrapper that returns a nil RoundTripper is an error.
//
// A wrapper that sends a restart a second time gets an error if it uses the client's
// transport. It also gets an error from its own net/http transport if the second request
// has the context of the first. The client cannot stop a wrapper that sends the restart by
// other means or with another context. A failure to connect is [ErrNotSent] only if the
// wrapper returns the error of the client's transport, wrapped or not.
//
// A wrapper that traces connections needs a new httptrace.ClientTrace for each request,
// because httptrace.WithClientTrace permanently adds the hooks of the context to the
// ClientTrace. Requests that a wrapper makes for itself, for example to fetch a token,
// must not use the context of the request that the wrapper was given.
func WithTransportWrapper(wrap func(http.RoundTripper) http.RoundTripper) Option {
	return func(s *settings) error {
		if wrap != nil {
			s.wrappers = append(s.wrappers, wrap)
		}
		return nil
	}
}

// WithSignatureVersion selects how requests are signed. The default is [SignatureV3]; 0
// selects it.
func WithSignatureVersion(version SignatureVersion) Option {
	return func(s *settings) error {
		switch version {
		case SignatureV3:
			s.sign = signV3
		case SignatureV1:
			s.sign = signV1
		default:
			return &InputError{Field: "WithSignatureVersion", Problem: fmt.Sprintf("%d is not a version; use SignatureV3 or SignatureV1", uint8(version))}
		}
		return nil
	}
}

// WithRetryPolicy limits the retries of calls; see [RetryPolicy]. A zero field of the
// policy selects the default of that field.
func WithRetryPolicy(policy RetryPolicy) Option {
	return func(s *settings) error {
		if p := policy.withDefaults(); p.BaseDelay > p.MaxDelay {
			return &InputError{Field: "WithRetryPolicy", Problem: fmt.Sprintf("has a BaseDelay of %v above its MaxDelay of %v", p.BaseDelay, p.MaxDelay)}
		}
		s.retry = policy
		return nil
	}
}

// WithRateHint limits an operation to perMinute calls a minute, starting with the first
// call. Use it for an account whose quota is known, or whose other callers need their
// share: three quarters of the quota is a good hint. Without a hint, the client finds out
// the limit by itself; with a hint, the client still slows down when the service
// throttles. 0 gives no hint. See [pace.Adaptive].
//
// The limit governs when the pacer releases a request. If [WaitOptions].BeforeSend or the
// connection then delays some requests, several may reach the service closer together.
func WithRateHint(operation pace.Operation, perMinute float64) Option {
	return func(s *settings) error {
		if err := checkOperation("WithRateHint", operation); err != nil {
			return err
		}
		if perMinute == 0 {
			delete(s.hinted, operation)
			return nil
		}
		adaptive, err := pace.NewAdaptive(perMinute)
		if err != nil {
			if refused, ok := errors.AsType[*pace.FieldError](err); ok {
				err = &InputError{Field: "WithRateHint", Problem: refused.Problem}
			}
			return err
		}
		if s.hinted == nil {
			s.hinted = make(map[pace.Operation]*pace.Adaptive)
		}
		s.hinted[operation] = adaptive
		return nil
	}
}

// WithPacer sets the [pace.Pacer] that controls when the requests of an operation are
// sent: a [pace.Adaptive] that several clients share, or the caller's own Pacer. Each
// operation needs its own Adaptive. By default, each client has an Adaptive for each
// operation; a nil Pacer selects the default. A nil *pace.Adaptive is an error.
func WithPacer(operation pace.Operation, pacer pace.Pacer) Option {
	return func(s *settings) error {
		if err := checkOperation("WithPacer", operation); err != nil {
			return err
		}
		if adaptive, ok := pacer.(*pace.Adaptive); ok && adaptive == nil {
			return &InputError{Field: "WithPacer", Problem: "is a nil *pace.Adaptive"}
		}
		if s.pacers == nil {
			s.pacers = make(map[pace.Operation]pace.Pacer)
		}
		s.pacers[operation] = pacer
		return nil
	}
}

// pacer returns the pacer of an operation.
func (s *settings) pacer(operation pace.Operation) pace.Pacer {
	if p := s.pacers[operation]; p != nil {
		return p
	}
	if p := s.hinted[operation]; p != nil {
		return p
	}
	return new(pace.Adaptive)
}

// WithAttemptTimeout limits each step of an attempt: the fetch of credentials, the wait
// for a connection, and the wait for the whole response may each take up to the limit.
// The default is 30 s, a little more than the 27 s that the vendor's SDK waits for a
// response to RebootInstance; 0 selects the default. The context of a call limits the
// whole call.
func WithAttemptTimeout(limit time.Duration) Option {
	return func(s *settings) error {
		if limit < 0 {
			return &InputError{Field: "WithAttemptTimeout", Problem: fmt.Sprintf("is %v; it must be positive", limit)}
		}
		s.attemptTimeout = orDefault(limit, defaultAttemptTimeout)
		return nil
	}
}

// WithCallObserver registers a function that is called for every API call, including the
// polls and restarts of [Client.RebootAndWait] and of package fleet. Repeated options all
// apply; the first observer gets the caller's context. The function must be safe for
// concurrent use. A nil observer observes nothing.
func WithCallObserver(observer CallObserver) Option {
	return func(s *settings) error {
		if observer != nil {
			s.observers = append(s.observers, observer)
		}
		return nil
	}
}

// WithLogger sets the logger of the client. By default, nothing is logged; a nil logger
// selects the default. The client writes these records:
//
//   - "ecsreboot: sending again", level Warn: before each retry of a call
//   - "ecsreboot: called", level Debug: when an API call has ended
//   - "ecsreboot: credentials", level Debug: when the client gets new credentials from
//     the default chain; with their source in the chain and the masked key id
//
// The names of records and attributes are stable. No record holds a secret.
func WithLogger(logger *slog.Logger) Option {
	return func(s *settings) error {
		s.logger = cmp.Or(logger, slog.New(slog.DiscardHandler))
		return nil
	}
}

// WithUserAgent appends a product, such as "myapp/1.2", to the User-Agent header. An
// empty product appends nothing.
func WithUserAgent(product string) Option {
	return func(s *settings) error {
		for _, c := range product {
			if c < ' ' || c > '~' {
				return &InputError{Field: "WithUserAgent", Problem: "holds a character outside printable ASCII"}
			}
		}
		s.userAgent = strings.TrimSuffix(defaultUserAgent()+" "+product, " ")
		return nil
	}
}

// maxOperationID bounds the id of an operation: a User-Agent must not grow long.
const maxOperationID = 64

// WithOperationID sets the ID of an operation, such as "patch-2026-11". The send ID of each
// restart request begins with this ID and a dot. The cloud's audit log shows send IDs in
// the User-Agent, so a search for "send/patch-2026-11." finds all requests of the
// operation. The ID has up to 64 ASCII letters, digits, "-" and "_"; an empty ID adds
// nothing. See [SentRequest].SendID.
func WithOperationID(id string) Option {
	return func(s *settings) error {
		if problem := operationIDProblem(id); problem != "" {
			return &InputError{Field: "WithOperationID", Problem: problem}
		}
		s.operationID = id
		return nil
	}
}

func operationIDProblem(id string) string {
	if len(id) > maxOperationID {
		return fmt.Sprintf("is %d bytes long, the limit is %d", len(id), maxOperationID)
	}
	for _, c := range id {
		if !strings.ContainsRune("-_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", c) {
			return fmt.Sprintf("holds %q; letters, digits, - and _ are allowed", c)
		}
	}
	return ""
}
