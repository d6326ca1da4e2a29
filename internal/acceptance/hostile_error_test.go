package acceptance_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/pace"
)

// sentinels are all exported errors of the package that are no codes.
var sentinels = map[string]error{
	"ErrNotSent": ecsreboot.ErrNotSent, "ErrRejected": ecsreboot.ErrRejected, "ErrOutcomeUnknown": ecsreboot.ErrOutcomeUnknown, "ErrAccepted": ecsreboot.ErrAccepted,
	"ErrThrottled": ecsreboot.ErrThrottled, "ErrUnauthenticated": ecsreboot.ErrUnauthenticated, "ErrAccessDenied": ecsreboot.ErrAccessDenied,
	"ErrKMSKey": ecsreboot.ErrKMSKey, "ErrCredentials": ecsreboot.ErrCredentials, "ErrInvalidInput": ecsreboot.ErrInvalidInput,
	"ErrNotProven": ecsreboot.ErrNotProven, "ErrDryRunIgnored": ecsreboot.ErrDryRunIgnored,
}

// The list above is complete.
func TestSentinelsAreListed(t *testing.T) {
	entries, err := os.ReadDir(moduleRoot)
	require.NoError(t, err)
	found := 0
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".go") || strings.HasSuffix(entry.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(moduleRoot, entry.Name()), nil, 0)
		require.NoError(t, err)
		for _, declaration := range file.Decls {
			block, ok := declaration.(*ast.GenDecl)
			if !ok || block.Tok != token.VAR {
				continue
			}
			for _, spec := range block.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					if strings.HasPrefix(name.Name, "Err") {
						assert.Contains(t, sentinels, name.Name)
						found++
					}
				}
			}
		}
	}
	assert.Len(t, sentinels, found)
}

var errOwn = errors.New("the caller's own")

// claimsAllError says that it is whatever it is asked for.
type claimsAllError struct{ error }

func (claimsAllError) Is(error) bool { return true }

func (claimsAllError) As(target any) bool {
	switch to := target.(type) {
	case **ecsreboot.OperationError:
		*to = &ecsreboot.OperationError{Outcome: accepted}
	case **ecsreboot.APIError:
		*to = &ecsreboot.APIError{Code: "Throttling", StatusCode: 400}
	case **ecsreboot.WaitError:
		*to = &ecsreboot.WaitError{Err: errOwn}
	case **ecsreboot.InputError:
		*to = &ecsreboot.InputError{}
	case *ecsreboot.ErrorCode:
		*to = "Throttling"
	default:
		return false
	}
	return true
}

// poisons are errors of foreign code that tell of other calls.
func poisons() map[string]error {
	poisons := map[string]error{
		"a code":    ecsreboot.ErrDiskError,
		"an answer": &ecsreboot.APIError{Code: "Throttling.User", StatusCode: 400, RequestID: "other", RetryAfter: time.Hour},
		"a wait":    &ecsreboot.WaitError{Err: errOwn, Before: ecsreboot.Baseline{InstanceID: "i-other", TakenAt: time.Now()}},
		"an input":  &ecsreboot.InputError{Field: "x", Problem: "is wrong"},
		"all":       claimsAllError{errOwn},
	}
	maps.Copy(poisons, sentinels)
	for _, outcome := range []ecsreboot.Outcome{notSent, rejected, unknown, accepted} {
		poisons["another call, "+outcome.String()] = &ecsreboot.OperationError{
			Operation: "RebootInstance", InstanceID: "i-other", Outcome: outcome, SentAt: time.Now(),
			Err: &ecsreboot.WaitError{Err: &ecsreboot.APIError{Code: "Forbidden.RAM", StatusCode: 403}},
		}
	}
	for name, poison := range poisons {
		poisons[name] = fmt.Errorf("%w: %w", errOwn, poison)
	}
	return poisons
}

// callersContext is a context of a type of the caller's, whose Err is its own.
type callersContext struct {
	context.Context

	err error
}

func (c callersContext) Err() error {
	if c.Context.Err() != nil {
		return c.err
	}
	return nil
}

// refusingPacer lets nothing go.
type refusingPacer struct{ err error }

func (p refusingPacer) Acquire(context.Context, pace.Request) (pace.Reservation, error) {
	return nil, p.err
}

// refusingCredential has no keys.
type refusingCredential struct {
	credentials.Credential

	err error
}

func (c refusingCredential) GetCredential() (*credentials.CredentialModel, error) { return nil, c.err }

// failingBody is an answer that cannot be read.
type failingBody struct{ err error }

func (b failingBody) Read([]byte) (int, error) { return 0, b.err }
func (failingBody) Close() error               { return nil }

// entryPoint is a place where an error of foreign code enters.
type entryPoint struct {
	outcome ecsreboot.Outcome
	allowed []error // sentinels that say what this very call came to
	hidden  bool    // the error is not part of the call's
	call    func(t *testing.T, server *ecstest.Server, poison error) error
}

func restart(t *testing.T, server *ecstest.Server, options ...ecsreboot.Option) error {
	t.Helper()
	_, err := newClient(t, server, options...).RebootInstance(t.Context(), request)
	return err
}

// canceledAfter returns a context that ends after a while with a cause.
func canceledAfter(t *testing.T, d time.Duration, cause error) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(d, func() { cancel(cause) })
	t.Cleanup(func() { cancel(nil) })
	if d == 0 {
		cancel(cause)
	}
	return ctx
}

func entryPoints() map[string]entryPoint {
	roundTripper := func(f func() (*http.Response, error)) *http.Client {
		return &http.Client{Transport: roundTripFunc(func(*http.Request) (*http.Response, error) { return f() })}
	}
	throttled := ecstest.Fault{Kind: ecstest.FaultThrottle, Times: 100}
	return map[string]entryPoint{
		"cause, before the call": {outcome: notSent, call: func(t *testing.T, server *ecstest.Server, poison error) error {
			_, err := newClient(t, server).RebootInstance(canceledAfter(t, 0, poison), request)
			return err
		}},
		"cause, the answer hangs": {outcome: unknown, call: func(t *testing.T, server *ecstest.Server, poison error) error {
			server.Inject(ecstest.Fault{Kind: ecstest.FaultHang})
			_, err := newClient(t, server).RebootInstance(canceledAfter(t, time.Second, poison), request)
			return err
		}},
		"deadline's cause, the answer hangs": {outcome: unknown, call: func(t *testing.T, server *ecstest.Server, poison error) error {
			server.Inject(ecstest.Fault{Kind: ecstest.FaultHang})
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, poison)
			defer cancel()
			_, err := newClient(t, server).RebootInstance(ctx, request)
			return err
		}},
		"own context, the answer hangs": {outcome: unknown, call: func(t *testing.T, server *ecstest.Server, poison error) error {
			server.Inject(ecstest.Fault{Kind: ecstest.FaultHang})
			_, err := newClient(t, server).RebootInstance(callersContext{canceledAfter(t, time.Second, poison), poison}, request)
			return err
		}},
		"cause, throttled": {outcome: rejected, allowed: []error{ecsreboot.ErrThrottled}, call: func(t *testing.T, server *ecstest.Server, poison error) error {
			server.Inject(throttled)
			_, err := newClient(t, server).RebootInstance(canceledAfter(t, time.Second, poison), request)
			return err
		}},
		"cause, the dial hangs": {outcome: notSent, call: func(t *testing.T, server *ecstest.Server, poison error) error {
			dial := func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
			client := newClient(t, server, ecsreboot.WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: dial}}))
			_, err := client.RebootInstance(canceledAfter(t, time.Second, poison), request)
			return err
		}},
		"cause, waiting": {outcome: accepted, allowed: []error{ecsreboot.ErrNotProven}, call: func(t *testing.T, server *ecstest.Server, poison error) error {
			_, err := newClient(t, server).RebootAndWait(canceledAfter(t, 5*time.Second, poison), request, ecsreboot.WaitOptions{})
			return err
		}},
		"cause, the wait's send hangs": {outcome: unknown, allowed: []error{ecsreboot.ErrNotProven}, call: func(t *testing.T, server *ecstest.Server, poison error) error {
			inject(server, ecstest.Fault{Kind: ecstest.FaultHang})
			_, err := newClient(t, server).RebootAndWait(canceledAfter(t, 5*time.Second, poison), request, ecsreboot.WaitOptions{})
			return err
		}},
		"cause, WaitUntilRestarted": {allowed: []error{ecsreboot.ErrNotProven}, call: func(t *testing.T, server *ecstest.Server, poison error) error {
			client := newClient(t, server)
			before, err := client.TakeBaseline(t.Context(), id)
			require.NoError(t, err)
			_, err = client.WaitUntilRestarted(canceledAfter(t, 5*time.Second, poison), before, ecsreboot.WaitOptions{})
			return err
		}},
		"cause, Resolve": {outcome: unknown, allowed: []error{ecsreboot.ErrNotProven}, call: func(t *testing.T, server *ecstest.Server, poison error) error {
			lost := &ecsreboot.OperationError{Operation: "RebootInstance", InstanceID: id, Outcome: unknown, SentAt: time.Now()}
			_, err := newClient(t, server).Resolve(canceledAfter(t, 5*time.Second, poison), lost, ecsreboot.WaitOptions{})
			return err
		}},
		"cause, TakeBaseline": {call: func(t *testing.T, server *ecstest.Server, poison error) error {
			server.Inject(ecstest.Fault{Kind: ecstest.FaultHang})
			_, err := newClient(t, server).TakeBaseline(canceledAfter(t, time.Second, poison), id)
			return err
		}},
		"cause, DescribeInstances": {call: func(t *testing.T, server *ecstest.Server, poison error) error {
			server.Inject(ecstest.Fault{Kind: ecstest.FaultHang})
			for _, err := range newClient(t, server).DescribeInstances(canceledAfter(t, time.Second, poison), ecsreboot.DescribeInstancesRequest{}) {
				return err
			}
			return nil
		}},
		"cause, Check": {call: func(t *testing.T, server *ecstest.Server, poison error) error {
			server.Inject(ecstest.Fault{Kind: ecstest.FaultHang})
			_, err := newClient(t, server).Check(canceledAfter(t, time.Second, poison), request)
			return err
		}},
		"wrapper": {outcome: unknown, call: func(t *testing.T, server *ecstest.Server, poison error) error {
			return restart(t, server, wrapped(func(http.RoundTripper, *http.Request) (*http.Response, error) { return nil, poison }))
		}},
		"wrapper, after the answer": {outcome: unknown, call: func(t *testing.T, server *ecstest.Server, poison error) error {
			return restart(t, server, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				if resp, err := next.RoundTrip(req); err == nil {
					resp.Body.Close()
				}
				return nil, poison
			}))
		}},
		"RoundTripper": {outcome: unknown, call: func(t *testing.T, server *ecstest.Server, poison error) error {
			return restart(t, server, ecsreboot.WithHTTPClient(roundTripper(func() (*http.Response, error) { return nil, poison })))
		}},
		"RoundTripper of an http.Client with a limit": {outcome: unknown, call: func(t *testing.T, server *ecstest.Server, poison error) error {
			client := roundTripper(func() (*http.Response, error) { return nil, poison })
			client.Timeout = time.Minute
			return restart(t, server, ecsreboot.WithHTTPClient(client))
		}},
		"body": {outcome: unknown, hidden: true, call: func(t *testing.T, server *ecstest.Server, poison error) error {
			return restart(t, server, ecsreboot.WithHTTPClient(roundTripper(func() (*http.Response, error) {
				return &http.Response{StatusCode: 200, Header: http.Header{}, ContentLength: -1, Body: failingBody{poison}}, nil
			})))
		}},
		"dialer": {outcome: notSent, call: func(t *testing.T, server *ecstest.Server, poison error) error {
			dial := func(context.Context, string, string) (net.Conn, error) { return nil, poison }
			return restart(t, server, quick(), ecsreboot.WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: dial}}))
		}},
		"connection": {outcome: unknown, call: func(t *testing.T, server *ecstest.Server, poison error) error {
			dial := func(context.Context, string, string) (net.Conn, error) {
				near, far := net.Pipe()
				go func() { _, _ = io.Copy(io.Discard, far) }()
				return failingConn{near, poison}, nil
			}
			return restart(t, server, ecsreboot.WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: dial}}))
		}},
		"RoundTripper, reads": {call: func(t *testing.T, server *ecstest.Server, poison error) error {
			client := newClient(t, server, quick(), ecsreboot.WithHTTPClient(roundTripper(func() (*http.Response, error) { return nil, poison })))
			for _, err := range client.DescribeInstances(t.Context(), ecsreboot.DescribeInstancesRequest{}) {
				return err
			}
			return nil
		}},
		"wrapper, polls": {outcome: accepted, call: func(t *testing.T, server *ecstest.Server, poison error) error {
			sent := false
			client := newClient(t, server, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				if sent {
					return nil, poison
				}
				sent = strings.Contains(req.URL.RawQuery, "ForceStop")
				return next.RoundTrip(req)
			}))
			_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{MaxPollFailures: 2})
			return err
		}},
		"BeforeSend": {outcome: notSent, call: func(t *testing.T, server *ecstest.Server, poison error) error {
			_, err := newClient(t, server).RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{
				BeforeSend: func(context.Context, ecsreboot.SendIntent) error { return poison },
			})
			return err
		}},
		"Probe": {call: func(t *testing.T, server *ecstest.Server, poison error) error {
			var failed error
			_, err := newClient(t, server).RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{
				Timeout: time.Minute,
				Probe:   func(context.Context, ecsreboot.Observation) (ecsreboot.ProbeResult, error) { return 0, poison },
				OnEvent: func(e ecsreboot.Event) {
					if e.Kind == ecsreboot.EventProbeFailed {
						failed = e.Err
					}
				},
			})
			assertOutcome(t, accepted, err)
			return failed
		}},
		"credentials": {outcome: notSent, allowed: []error{ecsreboot.ErrCredentials}, call: func(t *testing.T, server *ecstest.Server, poison error) error {
			return restart(t, server, quick(), ecsreboot.WithCredential(refusingCredential{&fakeCredential{}, poison}))
		}},
		"Pacer": {outcome: notSent, call: func(t *testing.T, server *ecstest.Server, poison error) error {
			return restart(t, server, ecsreboot.WithPacer("RebootInstance", refusingPacer{poison}))
		}},
		"Pacer of reads": {call: func(t *testing.T, server *ecstest.Server, poison error) error {
			_, err := newClient(t, server, ecsreboot.WithPacer("DescribeInstances", refusingPacer{poison})).TakeBaseline(t.Context(), id)
			return err
		}},
	}
}

type failingConn struct {
	net.Conn

	err error
}

func (c failingConn) Read([]byte) (int, error) { return 0, c.err }

// What foreign code returns is never taken for what became of this call, wherever it
// enters: not its outcome, not its class, not its code, not its types. What is the
// caller's own is found.
func TestForeignErrorsAreNotOurs(t *testing.T) {
	entries, names := entryPoints(), slices.Sorted(maps.Keys(poisons()))
	for n, at := range slices.Sorted(maps.Keys(entries)) {
		entry := entries[at]
		for i, name := range names {
			if !longTests && (n+i)%3 != 0 { // each entry point and each error stays
				continue
			}
			t.Run(at+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					poison := poisons()[name]
					server := newService(t, ecstest.Options{})
					err := entry.call(t, server, poison)
					require.Error(t, err)
					assertForeign(t, entry, err, poison, strings.HasPrefix(at, "Pacer"))
				})
			})
		}
	}
}

func assertForeign(t *testing.T, entry entryPoint, err, poison error, pacer bool) {
	t.Helper()
	assertOutcome(t, entry.outcome, err)
	for name, sentinel := range sentinels {
		// A Pacer says by its error whether it holds a call back.
		want := slices.Contains(entry.allowed, sentinel) || pacer && name == "ErrThrottled" && errors.Is(poison, sentinel)
		if outcomes := []string{"ErrNotSent", "ErrRejected", "ErrOutcomeUnknown", "ErrAccepted"}; !slices.Contains(outcomes, name) {
			assert.Equal(t, want, errors.Is(err, sentinel), "%s: %v", name, err)
		}
	}
	for _, code := range []ecsreboot.ErrorCode{ecsreboot.ErrDiskError, ecsreboot.ErrForbiddenRAM} {
		assert.NotErrorIs(t, err, code)
	}
	if failed, ok := errors.AsType[*ecsreboot.OperationError](err); ok {
		assert.Contains(t, []string{id, ""}, failed.InstanceID)
	}
	if waited, ok := errors.AsType[*ecsreboot.WaitError](err); ok {
		assert.NotEqual(t, "i-other", waited.Before.InstanceID)
	}
	if answer, ok := errors.AsType[*ecsreboot.APIError](err); ok {
		assert.NotEqual(t, "other", answer.RequestID)
		assert.Less(t, answer.RetryAfter, time.Hour)
	}
	_, isInput := errors.AsType[*ecsreboot.InputError](err)
	assert.False(t, isInput)
	_, isCode := errors.AsType[ecsreboot.ErrorCode](err)
	assert.False(t, isCode)
	if entry.hidden {
		return
	}
	require.ErrorIs(t, err, errOwn)
	foreign, ok := errors.AsType[*ecsreboot.ForeignError](err)
	require.True(t, ok, "%v", err)
	require.ErrorIs(t, foreign.Err, errOwn)
	_, isUnwrapper := any(foreign).(interface{ Unwrap() error })
	assert.False(t, isUnwrapper)
	var logged interface{ LogValue() any }
	assert.NotErrorAs(t, foreign, &logged)
	assert.NotEmpty(t, foreign.Source)
	assert.NotEqual(t, reflect.TypeOf(poison), reflect.TypeFor[*ecsreboot.ForeignError]())
}

// The least certain of several outcomes is theirs.
func TestOutcomeOfSeveral(t *testing.T) {
	failed := func(o ecsreboot.Outcome) error { return &ecsreboot.OperationError{Outcome: o, Err: errOwn} }
	order := []ecsreboot.Outcome{ecsreboot.OutcomeNone, notSent, rejected, accepted, unknown}
	for i, a := range order {
		for j, b := range order {
			want := order[max(i, j)]
			assert.Equal(t, want, ecsreboot.OutcomeOf(errors.Join(failed(a), failed(b))), "%v, %v", a, b)
			assert.Equal(t, want, ecsreboot.OutcomeOf(fmt.Errorf("two: %w, %w", fmt.Errorf("nested: %w", failed(a)), errors.Join(io.EOF, failed(b)))))
		}
	}
	inner := &ecsreboot.OperationError{Outcome: rejected, Err: failed(unknown)}
	assert.Equal(t, rejected, ecsreboot.OutcomeOf(inner), "what a call's error holds is not the call's outcome")
	assert.Equal(t, accepted, ecsreboot.OutcomeOf(claimsAllError{errOwn}), "an error that is one by its method")
	assert.Equal(t, ecsreboot.OutcomeNone, ecsreboot.OutcomeOf(nil))
	assert.Equal(t, ecsreboot.OutcomeNone, ecsreboot.OutcomeOf(error((*ecsreboot.OperationError)(nil))))
}

// Resolve takes all that it knows from the one error that it resolves.
func TestResolveRefusesSeveral(t *testing.T) {
	lost := func(instance string, before ecsreboot.Baseline) error {
		return &ecsreboot.OperationError{
			Operation: "RebootAndWait", InstanceID: instance, Outcome: unknown, SentAt: time.Now(),
			Err: &ecsreboot.WaitError{Err: errOwn, Before: before},
		}
	}
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		before, err := client.TakeBaseline(t.Context(), id)
		require.NoError(t, err)
		old := before
		old.StartTime = before.StartTime.Add(-time.Hour)
		one := lost(id, before)
		for name, several := range map[string]error{
			"joined": errors.Join(&ecsreboot.OperationError{Operation: "RebootInstance", InstanceID: id, Outcome: unknown, SentAt: time.Now()}, lost("i-other", old)),
			"nested": fmt.Errorf("night: %w", errors.Join(io.EOF, one, fmt.Errorf("b: %w", lost("i-other", old)))),
		} {
			_, err := client.Resolve(t.Context(), several, ecsreboot.WaitOptions{})
			require.ErrorIs(t, err, ecsreboot.ErrInvalidInput, name)
			assert.ErrorContains(t, err, "joins the errors of 2 calls", name)
			assertOutcome(t, unknown, err)
		}
		// A baseline beside the error is none of its own.
		_, err = client.Resolve(t.Context(), errors.Join(&ecsreboot.WaitError{Err: errOwn, Before: old}, &ecsreboot.OperationError{
			Operation: "RebootInstance", InstanceID: id, Outcome: unknown, SentAt: time.Now(), Err: errOwn,
		}), ecsreboot.WaitOptions{})
		require.ErrorIs(t, err, ecsreboot.ErrNotProven, "%v", err)
		assert.Empty(t, server.Reboots(id))
		_, err = client.Resolve(t.Context(), fmt.Errorf("night: %w", one), ecsreboot.WaitOptions{})
		require.ErrorIs(t, err, ecsreboot.ErrNotProven, "a single one is resolved")

		// Nor is it where the instance started in the minute of the send, and before it.
		time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute)))
		require.NoError(t, server.Restart(id, false))
		time.Sleep(50 * time.Second)
		_, err = client.Resolve(t.Context(), errors.Join(&ecsreboot.WaitError{Err: errOwn, Before: old}, &ecsreboot.OperationError{
			Operation: "RebootInstance", InstanceID: id, Outcome: unknown, SentAt: time.Now(), Err: errOwn,
		}), ecsreboot.WaitOptions{})
		require.ErrorIs(t, err, ecsreboot.ErrNotProven, "%v", err)
	})
}

// brokenError is an error whose Error method panics with a secret.
type brokenError struct{}

func (*brokenError) Error() string { panic("s3cret/With+Three=Odd/Chars01") }

// An error that has no text is an error, and lets nothing out.
func TestForeignErrorWithoutText(t *testing.T) {
	server := newService(t, ecstest.Options{})
	for name, broken := range map[string]error{"panics": new(brokenError), "nil": (*ecsreboot.APIError)(nil)} {
		err := restart(t, server, wrapped(func(http.RoundTripper, *http.Request) (*http.Response, error) { return nil, broken }))
		require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown, name)
		assert.NotContains(t, err.Error(), "s3cret", name)
		assert.ErrorContains(t, err, "without a text", name)
	}
}
