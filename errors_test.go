package ecsreboot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/aliyun/credentials-go/credentials/providers"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// One error matches a code, a class, an outcome and a context error at once.
func TestOneErrorMatchesAll(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("the operator left")
	cancel(cause)
	err := fmt.Errorf("nightly: %w", &OperationError{
		Operation: "RebootInstance", InstanceID: "i-1", Outcome: OutcomeRejected, Attempts: 2,
		Err: interrupted(ctx, &APIError{Code: ErrInvalidSecurityTokenExpired, StatusCode: 400, Message: "m"}),
	})
	for _, target := range []error{ErrInvalidSecurityTokenExpired, ErrUnauthenticated, ErrRejected, context.Canceled, cause} {
		require.ErrorIs(t, err, target)
	}
	for _, target := range []error{ErrNotSent, ErrOutcomeUnknown, ErrAccepted, ErrThrottled, ErrAccessDenied, ErrDiskError, ErrorCode(""), context.DeadlineExceeded} {
		require.NotErrorIs(t, err, target)
	}
	failed, ok := errors.AsType[*OperationError](err)
	require.True(t, ok)
	assert.Equal(t, 2, failed.Attempts)
	_, ok = errors.AsType[*APIError](err)
	assert.True(t, ok)
	assert.Equal(t, OutcomeRejected, OutcomeOf(err))
	assert.Equal(t, "nightly: ecsreboot: RebootInstance i-1: 400 InvalidSecurityToken.Expired: m; then context canceled (the operator left)", err.Error())
}

func TestOutcomeOf(t *testing.T) {
	assert.Equal(t, OutcomeNone, OutcomeOf(nil))
	assert.Equal(t, OutcomeNone, OutcomeOf(io.EOF))
	assert.Equal(t, OutcomeNone, OutcomeOf(&APIError{Code: "C"}))
	assert.Equal(t, OutcomeUnknown, OutcomeOf(fmt.Errorf("x: %w", &OperationError{Outcome: OutcomeUnknown})))
	words := make([]string, 0, 6)
	for o := range Outcome(6) {
		words = append(words, o.String())
		data, err := json.Marshal(map[string]Outcome{"outcome": o})
		require.NoError(t, err)
		assert.JSONEq(t, `{"outcome":"`+o.String()+`"}`, string(data))
	}
	assert.Equal(t, []string{"none", "not sent", "rejected", "unknown", "accepted", "Outcome(5)"}, words)
}

func TestErrorTexts(t *testing.T) {
	for want, err := range map[string]error{
		"ecsreboot: RebootInstance i-1: not sent: InstanceID is empty":                                &OperationError{Operation: "RebootInstance", InstanceID: "i-1", Outcome: OutcomeNotSent, Err: &InputError{"InstanceID", "is empty"}},
		"ecsreboot: RebootInstance i-1: outcome unknown, the instance may have been restarted: 502 m": &OperationError{Operation: "RebootInstance", InstanceID: "i-1", Outcome: OutcomeUnknown, Err: &APIError{StatusCode: 502, Message: "m"}},
		"ecsreboot: RebootInstance: the restart was accepted: EOF":                                    &OperationError{Operation: "RebootInstance", Outcome: OutcomeAccepted, Err: io.EOF},
		"ecsreboot: DescribeInstances: ":                                                              &OperationError{Operation: "DescribeInstances"},
		"403 C: m (missing RAM action: a) (request R)":                                                &APIError{StatusCode: 403, Code: "C", Message: "m", RequestID: "R", AccessDenied: AccessDenied{Action: "a"}},
		"C: refused early":           &APIError{Code: "C", Message: "refused early"},
		"ecsreboot: region is empty": &InputError{"region", "is empty"},
	} {
		assert.Equal(t, want, err.Error())
	}
}

func TestLogValues(t *testing.T) {
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}}))
	logger.Info("x", "err", &OperationError{
		Operation: "RebootInstance", InstanceID: "i-1", Outcome: OutcomeRejected, Attempts: 3, SentAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Err: &APIError{StatusCode: 400, Code: "Throttling", Message: "m", RequestID: "R", RetryAfter: time.Second, AccessDenied: AccessDenied{Action: "a"}},
	})
	logger.Info("y", "err", &InputError{"InstanceID", "is empty"})
	assert.Equal(t, `msg=x err.operation=RebootInstance err.instance_id=i-1 err.outcome=rejected err.attempts=3 err.sent_at=2026-01-02T03:04:05.000Z `+
		`err.answer.code=Throttling err.answer.message=m err.answer.status_code=400 err.answer.request_id=R err.answer.access_denied.action=a err.answer.retry_after=1s `+
		`err.error="400 Throttling: m (missing RAM action: a) (request R)"`+"\n"+
		`msg=y err.field=InstanceID err.problem="is empty"`+"\n", log.String())
}

// A foreign error can be asked for all that it holds, but never for a *url.Error,
// whose text is a signed URL.
func TestForeignErrorHidesURLs(t *testing.T) {
	dns := &net.DNSError{Err: "no such host", Name: "ecs", IsNotFound: true}
	inner := foreign("transport", fmt.Errorf("a: %w", &url.Error{Op: "Post", URL: "https://x/?Signature=s", Err: dns}), func(string) string { return "clean" })
	err := error(&OperationError{Outcome: OutcomeNotSent, Err: inner})
	assert.NotContains(t, fmt.Sprintf("%v %+v %#v %s %q %d", err, err, err, err, err, errors.Unwrap(err)), "Signature")
	text, jsonErr := json.Marshal(err)
	require.NoError(t, jsonErr)
	assert.NotContains(t, string(text), "Signature")

	_, ok := errors.AsType[*url.Error](err)
	assert.False(t, ok)
	_, ok = errors.AsType[net.Error](err)
	assert.False(t, ok, "it would be the *url.Error")
	var unwrapper interface{ Unwrap() error }
	assert.NotErrorAs(t, inner, &unwrapper)

	got, ok := errors.AsType[*net.DNSError](err)
	require.True(t, ok)
	assert.Same(t, dns, got)
	assert.NotErrorIs(t, err, io.EOF)
	assert.False(t, inner.Timeout())
	assert.True(t, foreign("transport", &timeLimitError{}, strings.ToLower).Timeout())
}

// refusingProvider has no credentials.
type refusingProvider struct{ err error }

func (p refusingProvider) GetCredentials() (*providers.Credentials, error) { return nil, p.err }
func (p refusingProvider) GetProviderName() string                         { return "refusing" }

// The error of a provider is a ForeignError, and the end of the context is the cause
// that the caller gave.
func TestCredentialErrorsHaveACause(t *testing.T) {
	refused := fmt.Errorf("vault: password=hunter2: %w", io.ErrUnexpectedEOF)
	client, err := NewClient("cn-hangzhou", WithCredential(credentials.FromCredentialsProvider("x", refusingProvider{refused})))
	require.NoError(t, err)

	_, err = client.fetchCredentials(t.Context())
	require.ErrorIs(t, err, ErrCredentials)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.EqualError(t, err, "credentials: vault: password=[redacted] unexpected EOF")
	failed, ok := errors.AsType[*ForeignError](err)
	require.True(t, ok)
	assert.Same(t, refused, failed.Err)
	assert.Equal(t, "credentials", failed.Source)
	assert.Equal(t, "vault: password=[redacted] unexpected EOF", failed.Error())
	problem, ok := errors.AsType[*credentialError](err)
	require.True(t, ok)
	assert.True(t, problem.temporary)

	stopped := errors.New("the operator said stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopped)
	_, err = client.fetchCredentials(ctx)
	for _, target := range []error{ErrCredentials, stopped, context.Canceled} {
		require.ErrorIs(t, err, target)
	}
	assert.EqualError(t, err, "credentials: none before the context ended: context canceled (the operator said stop)")
	problem, ok = errors.AsType[*credentialError](err)
	require.True(t, ok)
	assert.False(t, problem.temporary)

	ctx, stop := context.WithTimeoutCause(t.Context(), -time.Second, stopped)
	defer stop()
	_, err = client.fetchCredentials(ctx)
	for _, target := range []error{ErrCredentials, stopped, context.DeadlineExceeded} {
		require.ErrorIs(t, err, target)
	}
	problem, ok = errors.AsType[*credentialError](err)
	require.True(t, ok)
	assert.True(t, problem.temporary)
}
