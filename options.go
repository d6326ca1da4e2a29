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
// A value that is nil, empty or 0 selects the default, as if the option were not given,
// so that a program can pass on a value that it does not have. A nil pointer in an
// interface is a mistake, and an [InputError].
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

// WithOptions makes one option of several. Nil ones are left out.
func WithOptions(options ...Option) Option {
	return func(s *settings) error { return s.apply(options) }
}

// WithCredential sets where credentials come from; nil selects credentials-go's default
// chain, which is the default. A nil pointer in the interface, or a credential that wraps
// one, is an error. The credential is asked anew for every request, so that one that
// renews itself, as STS tokens and RAM roles do, always counts as it stands.
//
// The client guards the credential: it may be shared by goroutines and by several
// clients, although credentials-go's own are not safe for that; a fetch obeys the
// call's context; a panic in it becomes an error.
func WithCredential(credential credentials.Credential) Option {
	return func(s *settings) error {
		s.credential = credential
		return nil
	}
}

// WithEndpoint sets the address of the service, such as
// "https://ecs-vpc.cn-hangzhou.aliyuncs.com", in place of the region's own. It
// must be https, except for a loopback host. An empty address selects the region's own.
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

// WithVPCEndpoint selects the region's endpoint inside its VPCs, which machines
// without a way to the internet reach. It never falls back to the public one.
func WithVPCEndpoint() Option {
	return func(s *settings) error {
		s.vpc = true
		return nil
	}
}

// WithHTTPClient sets the client whose dialer, proxy, TLS settings, cookie jar and
// timeout are used. The client is copied, never changed, and follows no redirects. A nil
// client selects the default, one of the library's own.
//
// An *http.Transport in it is cloned twice, for restarts and for reads, under the rules
// that keep a restart from being sent twice: HTTP/1.1 only, no proxy for plain http,
// which stays on this machine, and idle connections closed after at most 3 s for
// restarts and 5 s for reads, because the outcome of a restart that meets a dying
// connection is unknown. A shorter IdleConnTimeout is kept. Without a dialer of its own
// the transport looks up and dials the host for up to 25 s. A nil Transport gets the
// client's own.
//
// Any other RoundTripper is used as it is, without these rules, and proves nothing:
// every failure without a response is [ErrOutcomeUnknown], also a failure to connect. If
// it repeats requests by itself over a net/http transport, the second request of a
// restart is cut off before it is written. Over anything else the client cannot stop it.
// Requests that the RoundTripper makes by itself, for example to fetch a token, must not
// carry the context of the request, or they are taken for it. For tracing and metrics,
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
// A wrapper that sends a restart twice gets an error for the second request, whether it
// sends by the client's transport or by a net/http transport of its own with the
// context of the request. The client can't stop a wrapper that sends by other means or
// with another context. A failure to connect is [ErrNotSent] only if the wrapper
// returns the error of the client's transport, wrapped or not.
//
// A wrapper that traces connections needs a new httptrace.ClientTrace for each request,
// because httptrace.WithClientTrace adds the hooks of the context to it for good.
// Requests of its own, for example to fetch a token, must not carry the context of the
// request.
func WithTransportWrapper(wrap func(http.RoundTripper) http.RoundTripper) Option {
	return func(s *settings) error {
		if wrap != nil {
			s.wrappers = append(s.wrappers, wrap)
		}
		return nil
	}
}

// WithSignatureVersion selects how requests are signed; the default, and 0, is
// [SignatureV3].
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

// WithRetryPolicy limits how calls are sent again; see [RetryPolicy]. A zero field of the
// policy means its default.
func WithRetryPolicy(policy RetryPolicy) Option {
	return func(s *settings) error {
		if p := policy.withDefaults(); p.BaseDelay > p.MaxDelay {
			return &InputError{Field: "WithRetryPolicy", Problem: fmt.Sprintf("has a BaseDelay of %v above its MaxDelay of %v", p.BaseDelay, p.MaxDelay)}
		}
		s.retry = policy
		return nil
	}
}

// WithRateHint limits an operation to a number of calls a minute from the first one on.
// It is for an account whose quota is known or whose other callers need their share:
// three quarters of the quota is a good hint. Without it the client finds the limit out
// by itself; with it, it still goes slower where the service throttles. It counts
// requests as they are let go: a slow [WaitOptions].BeforeSend or connection may make
// them leave closer together. 0 gives no hint. See [pace.Adaptive].
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
// operation needs its own Adaptive. By default, and with a nil Pacer, each client has one
// for each operation. A nil *pace.Adaptive is an error.
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

// pacer returns the one of an operation.
func (s *settings) pacer(operation pace.Operation) pace.Pacer {
	if p := s.pacers[operation]; p != nil {
		return p
	}
	if p := s.hinted[operation]; p != nil {
		return p
	}
	return new(pace.Adaptive)
}

// WithAttemptTimeout limits each attempt of a call: the fetch of credentials, the
// wait for a connection, and the wait for the whole answer may each take so long.
// The default, and 0, is 30 s, a little over the 27 s that the vendor's SDK gives
// RebootInstance to answer. The call as a whole is limited by its context.
func WithAttemptTimeout(limit time.Duration) Option {
	return func(s *settings) error {
		if limit < 0 {
			return &InputError{Field: "WithAttemptTimeout", Problem: fmt.Sprintf("is %v; it must be positive", limit)}
		}
		s.attemptTimeout = orDefault(limit, defaultAttemptTimeout)
		return nil
	}
}

// WithCallObserver registers a function that is called for every call of the API, also
// for the polls and restarts of [Client.RebootAndWait] and of package fleet. Repeated
// options all apply; the first observer gets the caller's context. The function must be
// safe for concurrent use. A nil observer observes nothing.
func WithCallObserver(observer CallObserver) Option {
	return func(s *settings) error {
		if observer != nil {
			s.observers = append(s.observers, observer)
		}
		return nil
	}
}

// WithLogger sets where the client logs: at level Warn that it sends a call again,
// "ecsreboot: sending again", at level Debug each call of the API that has ended,
// "ecsreboot: called", and which source of the default chain the credentials come from,
// with the masked key id, "ecsreboot: credentials", whenever they have changed. The names of records and attributes are stable. By default,
// and with a nil logger, nothing is logged. No record holds a secret.
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
