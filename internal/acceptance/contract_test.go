package acceptance_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// contractRow is a row of the table that says when a restart is sent again. It is
// tried on a restart and on a dry run, over a new connection and over one that was
// used before.
type contractRow struct {
	name   string
	faults []ecstest.Fault
	// setUp arranges what no fault can; it may return options.
	setUp func(*testing.T, *ecstest.Server) []ecsreboot.Option
	// What a restart comes to. calls counts what the service received.
	calls, reboots int
	outcome        ecsreboot.Outcome
	matches        []error
	took           time.Duration // least virtual time
	// What a dry run comes to; it passes unless dryMatches is set.
	dryCalls   int
	dryOutcome ecsreboot.Outcome
	dryMatches []error
}

const (
	notSent  = ecsreboot.OutcomeNotSent
	rejected = ecsreboot.OutcomeRejected
	unknown  = ecsreboot.OutcomeUnknown
	accepted = ecsreboot.OutcomeAccepted
)

func fault(kind ecstest.FaultKind) []ecstest.Fault { return []ecstest.Fault{{Kind: kind}} }

func acting(kind ecstest.FaultKind) []ecstest.Fault { return []ecstest.Fault{{Kind: kind, Act: true}} }

func answer(status int, body string) []ecstest.Fault {
	return []ecstest.Fault{{Kind: ecstest.FaultAnswer, Status: status, Body: body}}
}

func failWith(status int, code string) []ecstest.Fault {
	return []ecstest.Fault{{Kind: ecstest.FaultError, Status: status, Code: code}}
}

func throttle(fault ecstest.Fault) []ecstest.Fault {
	fault.Kind = ecstest.FaultThrottle
	return []ecstest.Fault{fault}
}

// dialing puts a function before the first dials.
func dialing(times int64, dial func(ctx context.Context) error) func(*testing.T, *ecstest.Server) []ecsreboot.Option {
	return func(_ *testing.T, server *ecstest.Server) []ecsreboot.Option {
		client := server.HTTPClient()
		transport := client.Transport.(*http.Transport)
		through := transport.DialContext
		var dials atomic.Int64
		transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if dials.Add(1) <= times {
				if err := dial(ctx); err != nil {
					return nil, err
				}
			}
			return through(ctx, network, addr)
		}
		return []ecsreboot.Option{ecsreboot.WithHTTPClient(client)}
	}
}

func failing(err error) func(context.Context) error {
	return func(context.Context) error { return err }
}

// fakeCredential answers with testid, after the errors in failures.
type fakeCredential struct {
	credentials.Credential
	failures []error
	wait     time.Duration
}

func (c *fakeCredential) GetType() *string { return new("fake") }

func (c *fakeCredential) GetCredential() (*credentials.CredentialModel, error) {
	time.Sleep(c.wait)
	if len(c.failures) > 0 {
		err := c.failures[0]
		c.failures = c.failures[1:]
		return nil, err
	}
	return &credentials.CredentialModel{AccessKeyId: new("testid"), AccessKeySecret: new("testsecret")}, nil
}

func credentialFailures(failures ...error) func(*testing.T, *ecstest.Server) []ecsreboot.Option {
	return func(*testing.T, *ecstest.Server) []ecsreboot.Option {
		return []ecsreboot.Option{ecsreboot.WithCredential(&fakeCredential{failures: failures})}
	}
}

var (
	errRefused     = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	errNoHost      = &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "ecs", IsNotFound: true}}
	errCertificate = &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}
)

const requestID = "473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E"

var contract = []contractRow{
	// Nothing was sent.
	{
		name: "credentials refused", setUp: credentialFailures(errors.New("no keys here")),
		outcome: notSent, matches: []error{ecsreboot.ErrCredentials}, dryOutcome: notSent, dryMatches: []error{ecsreboot.ErrCredentials},
	},
	{
		name: "credential fetch fails on the network once", setUp: credentialFailures(errors.New("dial tcp 10.0.0.1:443: i/o timeout")),
		calls: 1, reboots: 1, outcome: accepted, dryCalls: 1,
	},
	{
		name:    "credential fetch fails on the network always",
		setUp:   credentialFailures(errors.New("i/o timeout"), errors.New("i/o timeout"), errors.New("i/o timeout"), errors.New("i/o timeout"), errors.New("a fifth attempt")),
		outcome: notSent, matches: []error{ecsreboot.ErrCredentials}, dryOutcome: notSent, dryMatches: []error{ecsreboot.ErrCredentials},
	},
	{
		name: "credential source is silent",
		setUp: func(t *testing.T, _ *ecstest.Server) []ecsreboot.Option {
			t.Helper()
			t.Cleanup(func() { time.Sleep(time.Hour) }) // until the fetch has ended
			return []ecsreboot.Option{ecsreboot.WithCredential(&fakeCredential{wait: time.Hour}), ecsreboot.WithAttemptTimeout(10 * time.Second)}
		},
		outcome: notSent, matches: []error{ecsreboot.ErrCredentials}, took: 40 * time.Second,
		dryOutcome: notSent, dryMatches: []error{ecsreboot.ErrCredentials},
	},
	{name: "dial refused once", setUp: dialing(1, failing(errRefused)), calls: 1, reboots: 1, outcome: accepted, dryCalls: 1},
	{name: "dial refused always", setUp: dialing(99, failing(errRefused)), outcome: notSent, dryOutcome: notSent, dryMatches: []error{ecsreboot.ErrNotSent}},
	{name: "no such host", setUp: dialing(2, failing(errNoHost)), calls: 1, reboots: 1, outcome: accepted, dryCalls: 1},
	{
		name: "certificate not trusted", setUp: dialing(1, failing(errCertificate)),
		outcome: notSent, dryOutcome: notSent, dryMatches: []error{ecsreboot.ErrNotSent},
	},
	{
		name:  "dial takes longer than the attempt may",
		setUp: dialing(1, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }),
		calls: 1, reboots: 1, outcome: accepted, took: 30 * time.Second, dryCalls: 1,
	},

	// The service refused: throttled.
	{name: "Throttling", faults: throttle(ecstest.Fault{Code: "Throttling"}), calls: 2, reboots: 1, outcome: accepted, dryCalls: 2},
	{name: "Throttling.User", faults: throttle(ecstest.Fault{Times: 2}), calls: 3, reboots: 1, outcome: accepted, took: minute, dryCalls: 3},
	{
		name: "429 Throttling.Api, x-acs-retry-after", faults: throttle(ecstest.Fault{Code: "Throttling.Api", Status: 429, Hint: 7 * time.Second}),
		calls: 2, reboots: 1, outcome: accepted, took: 7 * time.Second, dryCalls: 2,
	},
	{
		name: "503 Throttling, x-ratelimit-user-api", faults: throttle(ecstest.Fault{Status: 503, Hint: 9 * time.Second, HintHeader: ecstest.HintRateLimitAPI}),
		calls: 2, reboots: 1, outcome: accepted, took: 9 * time.Second, dryCalls: 2,
	},
	{
		name: "500 Throttling", faults: throttle(ecstest.Fault{Status: 500}),
		calls: 1, outcome: unknown, dryCalls: 2,
	},
	{
		name: "throttled for longer than the client waits", faults: throttle(ecstest.Fault{Hint: 121 * time.Second}),
		calls: 1, outcome: rejected, matches: []error{ecsreboot.ErrThrottled}, dryCalls: 1, dryOutcome: rejected, dryMatches: []error{ecsreboot.ErrThrottled},
	},
	{
		name: "throttled always", faults: throttle(ecstest.Fault{Times: -1, Hint: time.Second}),
		calls: 4, outcome: rejected, matches: []error{ecsreboot.ErrThrottled}, dryCalls: 4, dryOutcome: rejected, dryMatches: []error{ecsreboot.ErrThrottled},
	},

	// The service refused: the clock is wrong.
	{
		name: "clock 16 minutes off", setUp: func(_ *testing.T, s *ecstest.Server) []ecsreboot.Option { s.SetClockOffset(16 * minute); return nil },
		calls: 2, reboots: 1, outcome: accepted, dryCalls: 2,
	},
	{
		name: "clock 20 hours behind", setUp: func(_ *testing.T, s *ecstest.Server) []ecsreboot.Option {
			s.SetClockOffset(-20 * time.Hour)
			return nil
		},
		calls: 2, reboots: 1, outcome: accepted, dryCalls: 2,
	},
	{
		name: "clock refused twice", faults: []ecstest.Fault{{Kind: ecstest.FaultError, Status: 400, Code: "IllegalTimestamp", Times: -1}},
		calls: 2, outcome: rejected, matches: []error{ecsreboot.ErrIllegalTimestamp},
		dryCalls: 2, dryOutcome: rejected, dryMatches: []error{ecsreboot.ErrIllegalTimestamp},
	},

	// The answer was lost, before or after the service acted.
	{name: "connection reset", faults: fault(ecstest.FaultDrop), calls: 1, outcome: unknown, dryCalls: 2},
	{name: "connection reset after the restart", faults: acting(ecstest.FaultDrop), calls: 1, reboots: 1, outcome: unknown, dryCalls: 2},
	{name: "connection closed", faults: fault(ecstest.FaultFIN), calls: 1, outcome: unknown, dryCalls: 2},
	{name: "connection closed after the restart", faults: acting(ecstest.FaultFIN), calls: 1, reboots: 1, outcome: unknown, dryCalls: 2},
	{name: "no answer", faults: fault(ecstest.FaultHang), calls: 1, outcome: unknown, took: 30 * time.Second, dryCalls: 2},
	{name: "no answer after the restart", faults: acting(ecstest.FaultHang), calls: 1, reboots: 1, outcome: unknown, took: 30 * time.Second, dryCalls: 2},
	{name: "half a status line", faults: acting(ecstest.FaultHalfStatusLine), calls: 1, reboots: 1, outcome: unknown, dryCalls: 2},
	{name: "connection dropped before the request is read", faults: []ecstest.Fault{{Kind: ecstest.FaultRefuse}}, outcome: unknown, dryCalls: 1},

	// The service failed.
	{name: "500 InternalError", faults: failWith(500, "InternalError"), calls: 1, outcome: unknown, matches: []error{ecsreboot.ErrInternalError}, dryCalls: 2},
	{
		name: "500 InternalError after the restart", faults: []ecstest.Fault{{Kind: ecstest.FaultError, Act: true}},
		calls: 1, reboots: 1, outcome: unknown, matches: []error{ecsreboot.ErrInternalError}, dryCalls: 2,
	},
	{name: "503 ServiceUnavailable", faults: failWith(503, "ServiceUnavailable"), calls: 1, outcome: unknown, matches: []error{ecsreboot.ErrServiceUnavailable}, dryCalls: 2},
	{name: "503 LimitedOperation.ServiceUnavailable", faults: failWith(503, "LimitedOperation.ServiceUnavailable"), calls: 1, outcome: unknown, matches: []error{ecsreboot.ErrLimitedOperationServiceUnavailable}, dryCalls: 2},
	{name: "400 UnknownError", faults: failWith(400, "UnknownError"), calls: 1, outcome: unknown, matches: []error{ecsreboot.ErrUnknownError}, dryCalls: 2},
	{name: "403 ServiceUnavailable", faults: failWith(403, "ServiceUnavailable"), calls: 1, outcome: unknown, matches: []error{ecsreboot.ErrServiceUnavailable}, dryCalls: 2},
	{name: "503 IncorrectInstanceStatus", faults: failWith(503, "IncorrectInstanceStatus"), calls: 1, outcome: unknown, matches: []error{ecsreboot.ErrIncorrectInstanceStatus}, dryCalls: 2},
	{name: "503 IllegalTimestamp", faults: failWith(503, "IllegalTimestamp"), calls: 1, outcome: unknown, matches: []error{ecsreboot.ErrIllegalTimestamp}, dryCalls: 2},
	{name: "449 SystemBusy", faults: failWith(449, "SystemBusy"), calls: 1, outcome: unknown, matches: []error{ecsreboot.ErrSystemBusy}, dryCalls: 2},
	{name: "429 Rejected.Throttling", faults: failWith(429, "Rejected.Throttling"), calls: 1, outcome: unknown, matches: []error{ecsreboot.ErrRejectedThrottling}, dryCalls: 2},
	{name: "408 RequestTimeout", faults: failWith(408, "RequestTimeout"), calls: 1, outcome: unknown, dryCalls: 2},
	{name: "403 internalerror", faults: failWith(403, "internalerror"), calls: 1, outcome: unknown, dryCalls: 2},
	{name: "403 InternalError", faults: failWith(403, "InternalError"), calls: 1, outcome: unknown, matches: []error{ecsreboot.ErrInternalError}, dryCalls: 2},
	{name: "502 page", faults: fault(ecstest.FaultAnswer), calls: 1, outcome: unknown, dryCalls: 2},
	{name: "504 page after the restart", faults: []ecstest.Fault{{Kind: ecstest.FaultAnswer, Act: true, Status: 504, Body: "<html>"}}, calls: 1, reboots: 1, outcome: unknown, dryCalls: 2},
	{name: "empty 500", faults: answer(500, ""), calls: 1, outcome: unknown, dryCalls: 2},

	// Accepted.
	{name: "accepted", calls: 1, reboots: 1, outcome: accepted, dryCalls: 1},
	{name: "accepted after 29 s", faults: []ecstest.Fault{{Kind: ecstest.FaultDelay, Delay: 29 * time.Second}}, calls: 1, reboots: 1, outcome: accepted, took: 29 * time.Second, dryCalls: 1},
	{
		name: "accepted in XML", faults: answer(200, `<?xml version="1.0" encoding="UTF-8"?><RebootInstanceResponse><RequestId>`+requestID+`</RequestId></RebootInstanceResponse>`),
		calls: 1, outcome: accepted, dryCalls: 1, dryOutcome: accepted, dryMatches: []error{ecsreboot.ErrDryRunIgnored},
	},

	// 2xx, 3xx and 4xx that are not the service's, or not all of it.
	{name: "accepted, body cut short", faults: fault(ecstest.FaultTruncate), calls: 1, reboots: 1, outcome: unknown, dryCalls: 2},
	{name: "accepted, body stalls", faults: fault(ecstest.FaultStall), calls: 1, reboots: 1, outcome: unknown, took: 30 * time.Second, dryCalls: 2},
	{name: "200 with Success false", faults: answer(200, `{"RequestId":"`+requestID+`","Success":false}`), calls: 1, outcome: unknown, dryCalls: 2},
	{name: "200 with an error's root", faults: answer(200, `<Error><RequestId>`+requestID+`</RequestId></Error>`), calls: 1, outcome: unknown, dryCalls: 2},
	{name: "200 with the id twice", faults: answer(200, `{"RequestId":"`+requestID+`","requestId":"R"}`), calls: 1, outcome: unknown, dryCalls: 2},
	{name: "400 with the code twice", faults: answer(400, `{"RequestId":"`+requestID+`","Code":"InternalError","code":"Throttling"}`), calls: 1, outcome: unknown, dryCalls: 2},
	{name: "400 with the code in CDATA", faults: answer(400, `<Error><RequestId>R</RequestId><Code><![CDATA[Throttling]]></Code></Error>`), calls: 1, outcome: unknown, dryCalls: 2},
	{name: "400 with a code that is none", faults: answer(400, `{"RequestId":"`+requestID+`","Code":"Throttling "}`), calls: 1, outcome: unknown, dryCalls: 2},
	{name: "200 of a captive portal", faults: answer(200, "<html><title>Sign in</title></html>"), calls: 1, outcome: unknown, dryCalls: 2},
	{name: "200 without a body", faults: answer(200, ""), calls: 1, outcome: unknown, dryCalls: 2},
	{
		name: "200 of something in between, with the header", calls: 1, outcome: unknown, dryCalls: 2,
		faults: []ecstest.Fault{{Kind: ecstest.FaultAnswer, Status: 200, Body: "<html></html>", Header: http.Header{"X-Acs-Request-Id": {requestID}}}},
	},
	{name: "200 {}", faults: answer(200, "{}"), calls: 1, outcome: unknown, dryCalls: 2},
	{name: "200 with an error", faults: answer(200, `{"Code":"InternalError","RequestId":"`+requestID+`"}`), calls: 1, outcome: unknown, matches: []error{ecsreboot.ErrInternalError}, dryCalls: 2},
	{
		name:   "200 with an error, cut short",
		faults: []ecstest.Fault{{Kind: ecstest.FaultAnswer, Status: 200, Body: `{"Code":"Interna`, Header: http.Header{"X-Acs-Request-Id": {requestID}}}},
		calls:  1, outcome: unknown, dryCalls: 2,
	},
	{
		name: "302 to another host", faults: []ecstest.Fault{{Kind: ecstest.FaultAnswer, Status: 302, Header: http.Header{"Location": {"https://portal.example/x?y"}}}},
		calls: 1, outcome: unknown, dryCalls: 2,
	},
	{
		name: "307 to the same host", faults: []ecstest.Fault{{Kind: ecstest.FaultAnswer, Status: 307, Header: http.Header{"Location": {"/"}}}},
		calls: 1, outcome: unknown, dryCalls: 2,
	},
	{name: "407 page", faults: answer(407, "<html>Proxy Authentication Required</html>"), calls: 1, outcome: unknown, dryCalls: 2},
	{name: "429 page", faults: answer(429, "slow down"), calls: 1, outcome: unknown, dryCalls: 2},
	{
		name: "403 without a request id", faults: answer(403, `{"Code":"IncorrectInstanceStatus","Message":"no"}`),
		calls: 1, outcome: unknown, matches: []error{ecsreboot.ErrIncorrectInstanceStatus}, dryCalls: 2,
	},
	{name: "408 of a proxy", faults: answer(408, `{"code":408,"message":"upstream request timeout"}`), calls: 1, outcome: unknown, dryCalls: 2},
	{name: "InternalError.Other at 403", faults: failWith(403, "InternalError.Other"), calls: 1, outcome: unknown, dryCalls: 2},
	{name: "403 without a code", faults: answer(403, `{"Message":"no"}`), calls: 1, outcome: unknown, dryCalls: 2},
	{
		name: "403 cut short", faults: []ecstest.Fault{{Kind: ecstest.FaultTruncate, Code: "IncorrectInstanceStatus"}},
		calls: 1, outcome: unknown, dryCalls: 2,
	},
	{name: "SignatureNonceUsed", faults: failWith(400, "SignatureNonceUsed"), calls: 1, outcome: unknown, matches: []error{ecsreboot.ErrSignatureNonceUsed}, dryCalls: 2},

	// The service refused.
	{
		name: "IncorrectInstanceStatus", faults: failWith(403, "IncorrectInstanceStatus"),
		calls: 1, outcome: rejected, matches: []error{ecsreboot.ErrIncorrectInstanceStatus},
		dryCalls: 1, dryOutcome: rejected, dryMatches: []error{ecsreboot.ErrIncorrectInstanceStatus},
	},
	{
		name: "InvalidSecurityToken.Expired", faults: failWith(400, "InvalidSecurityToken.Expired"),
		calls: 1, outcome: rejected, matches: []error{ecsreboot.ErrInvalidSecurityTokenExpired, ecsreboot.ErrUnauthenticated},
		dryCalls: 1, dryOutcome: rejected, dryMatches: []error{ecsreboot.ErrUnauthenticated},
	},
	{
		name: "a new code", faults: failWith(409, "Some.New.Code"),
		calls: 1, outcome: rejected, matches: []error{ecsreboot.ErrorCode("Some.New.Code")},
		dryCalls: 1, dryOutcome: rejected, dryMatches: []error{ecsreboot.ErrorCode("Some.New.Code")},
	},
	{
		name: "an error in XML", faults: answer(403, `<Error><RequestId>R</RequestId><HostId>h</HostId><Code>DiskError</Code><Message>m</Message></Error>`),
		calls: 1, outcome: rejected, matches: []error{ecsreboot.ErrDiskError},
		dryCalls: 1, dryOutcome: rejected, dryMatches: []error{ecsreboot.ErrDiskError},
	},
}

func TestContract(t *testing.T) {
	for _, row := range contract {
		for _, reused := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/reused=%v", row.name, reused), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { row.restart(t, reused) })
			})
			t.Run(fmt.Sprintf("%s/reused=%v/dry run", row.name, reused), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { row.dryRun(t, reused) })
			})
		}
	}
}

// start makes a client of a service that will misbehave as the row says, and
// returns how many calls there were before.
func (row contractRow) start(t *testing.T, reused bool) (*ecstest.Server, *ecsreboot.Client, int) {
	t.Helper()
	server := newService(t, ecstest.Options{})
	if reused && row.setUp != nil {
		t.Skip("is about the time before there is a connection")
	}
	var options []ecsreboot.Option
	if row.setUp != nil {
		options = row.setUp(t, server)
	}
	client := newClient(t, server, options...)
	before := 0
	if reused {
		_, err := client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: true})
		require.NoError(t, err)
		synctest.Wait() // the connection is idle
		before = len(server.Calls())
	}
	server.Inject(row.faults...)
	return server, client, before
}

func (row contractRow) restart(t *testing.T, reused bool) {
	t.Helper()
	server, client, before := row.start(t, reused)
	if reused && len(row.faults) == 1 && row.faults[0].Kind == ecstest.FaultRefuse {
		t.Skip("is about new connections")
	}
	begin := time.Now()
	resp, err := client.RebootInstance(t.Context(), request)
	took := time.Since(begin)
	assert.Len(t, server.Calls(), before+row.calls)
	assert.Equal(t, row.reboots, server.Reboots(id))
	assert.GreaterOrEqual(t, took, row.took)
	assert.Less(t, took, row.took+3*minute, "nothing blocks for ever")
	if row.outcome == accepted {
		require.NoError(t, err)
		assert.NotEmpty(t, resp.RequestID)
		return
	}
	require.Error(t, err)
	assert.Nil(t, resp)
	assertOutcome(t, row.outcome, err)
	for _, target := range row.matches {
		require.ErrorIs(t, err, target)
	}
	failed, ok := errors.AsType[*ecsreboot.OperationError](err)
	require.True(t, ok)
	assert.Equal(t, row.outcome == notSent, failed.SentAt.IsZero())
	if row.outcome == unknown {
		assert.Equal(t, 1, failed.Attempts)
		assert.ErrorContains(t, err, "may have been restarted")
	}
}

func (row contractRow) dryRun(t *testing.T, reused bool) {
	t.Helper()
	server, client, before := row.start(t, reused)
	resp, err := client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: true})
	assert.Zero(t, server.Reboots(id))
	assert.Len(t, server.Calls(), before+row.dryCalls)
	if row.dryMatches == nil {
		require.NoError(t, err)
		assert.True(t, resp.DryRun)
		return
	}
	require.Error(t, err)
	assertOutcome(t, row.dryOutcome, err)
	for _, target := range row.dryMatches {
		require.ErrorIs(t, err, target)
	}
}

// assertOutcome checks that err has the one outcome in all the ways to ask.
func assertOutcome(t *testing.T, want ecsreboot.Outcome, err error) {
	t.Helper()
	assert.Equal(t, want, ecsreboot.OutcomeOf(err))
	for outcome, sentinel := range map[ecsreboot.Outcome]error{
		notSent: ecsreboot.ErrNotSent, rejected: ecsreboot.ErrRejected, unknown: ecsreboot.ErrOutcomeUnknown, accepted: ecsreboot.ErrAccepted,
	} {
		assert.Equal(t, outcome == want, errors.Is(err, sentinel), "%v: %v", sentinel, err)
	}
}
