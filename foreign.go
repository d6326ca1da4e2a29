package ecsreboot

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"reflect"
	"slices"

	"github.com/ecsreboot/ecsreboot/internal/apart"
	"github.com/ecsreboot/ecsreboot/internal/credential"
	"github.com/ecsreboot/ecsreboot/internal/logvalue"
	"github.com/ecsreboot/ecsreboot/internal/once"
	"github.com/ecsreboot/ecsreboot/internal/redact"
)

// ForeignError is an error of code outside this package: the cause of the caller's
// context, the error of net/http, of a RoundTripper, of a credential provider, of a
// [pace.Pacer], of [WaitOptions].BeforeSend or of a probe.
//
// Err may itself come from another call of this package, for example one made in
// BeforeSend. The outcome of that call must not be mistaken for the outcome of this call,
// so errors.Is and errors.As do not find this package's sentinels, codes or error types
// inside a ForeignError. They find everything else in Err, except that errors.As does not
// find a [url.Error]. There is no Unwrap method.
type ForeignError struct {
	// Source says where the error comes from: "context", "transport", "credentials",
	// "Pacer", "BeforeSend" or "Probe".
	Source string `json:"source"`
	// Err is the error as the other code returned it. Do not print Err: its text, unlike
	// that of the ForeignError, may hold secrets, such as a signed URL.
	Err error `json:"-"`

	text string
}

// foreign makes a ForeignError with a text that scrub has made safe to print.
func foreign(source string, err error, scrub func(string) string) *ForeignError {
	return &ForeignError{Source: source, Err: err, text: scrub(textOf(err))}
}

// textOf survives an Error method that panics, as that of a nil pointer may. The value of
// the panic may be a secret.
func textOf(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("a %T without a text", err)
		}
	}()
	return err.Error()
}

// maxErrorText bounds what an error of ours quotes of another's.
const maxErrorText = 600

// scrubForeign makes the text of a foreign error safe to print where no secrets of a
// call are at hand.
func scrubForeign(text string) string { return redact.Unknown(text, maxErrorText) }

// Error returns the text of the error without secrets.
func (e *ForeignError) Error() string { return e.text }

// Format writes the text for every verb, because some verbs would print Err.
func (e *ForeignError) Format(f fmt.State, verb rune) {
	if verb == 'q' {
		_, _ = fmt.Fprintf(f, "%q", e.text)
		return
	}
	_, _ = io.WriteString(f, e.text)
}

// Is reports whether errors.Is(Err, target). The result is false for the sentinels and
// codes of this package, and if a method of Err panics.
func (e *ForeignError) Is(target error) (is bool) {
	defer apart.IgnorePanic() // the outcome of the call must not be lost
	return !isOwn(target) && errors.Is(e.Err, target)
}

// As works like errors.As on Err, but does not find this package's error types or a
// [url.Error], because the text of a url.Error contains a URL with its query. As returns
// false if a method of Err panics.
func (e *ForeignError) As(target any) (found bool) {
	defer apart.IgnorePanic()
	if _, ok := target.(**url.Error); ok || !errors.As(e.Err, target) {
		return false
	}
	value := reflect.ValueOf(target).Elem()
	inner, isError := reflect.TypeAssert[error](value)
	if !isError {
		return true
	}
	if _, leaks := errors.AsType[*url.Error](inner); leaks || isOwn(inner) {
		value.SetZero()
		return false
	}
	return true
}

// Timeout reports whether Err is a timeout, as a [net.Error] reports it.
func (e *ForeignError) Timeout() (timeout bool) {
	defer apart.IgnorePanic()
	return isTimeout(e.Err)
}

// LogValue gives slog the fields of the JSON, not Err.
func (e *ForeignError) LogValue() slog.Value {
	if e == nil {
		return slog.Value{}
	}
	return logvalue.Of(jsonForeignError{e.Source, e.text})
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && timeout.Timeout()
}

// sentinels are all those of this package.
var sentinels = []error{
	ErrNotSent, ErrRejected, ErrOutcomeUnknown, ErrAccepted,
	ErrThrottled, ErrUnauthenticated, ErrAccessDenied, ErrKMSKey, ErrCredentials, ErrInvalidInput,
	ErrNotProven, ErrDryRunIgnored,
}

// isOwn reports whether an error is a sentinel, a code or of an error type of this
// package.
func isOwn(err error) bool {
	switch err.(type) { //nolint:errorlint // this very error, not what it wraps
	case ErrorCode, *OperationError, *WaitError, *APIError, *InputError, *throttleError, *credentialError:
		return true
	}
	return slices.Contains(sentinels, err)
}

// contextError is the end of a context that has a cause of its own.
type contextError struct {
	plain error // context.Canceled or context.DeadlineExceeded
	cause *ForeignError
}

// Error returns the text of the cause, after that of the plain error unless the cause
// is one.
func (e *contextError) Error() string {
	if e.cause.Is(e.plain) {
		return e.cause.Error()
	}
	return e.plain.Error() + " (" + e.cause.Error() + ")"
}

// Unwrap returns both.
func (e *contextError) Unwrap() []error { return []error{e.plain, e.cause} }

// waitEndError is the cause with which the context of a watch is canceled: what really
// ended is the context of a waiter, or its Timeout.
type waitEndError struct{ error }

// contextEnd returns why a context ended.
func contextEnd(ctx context.Context) error { return contextEndBy(ctx, scrubForeign) }

func contextEndBy(ctx context.Context, scrub func(string) string) error {
	cause := context.Cause(ctx)
	if end, ok := cause.(*waitEndError); ok { //nolint:errorlint // it is never wrapped
		return end.error
	}
	plain := plainEnd(ctx)
	if cause == plain { //nolint:errorlint // the plain error itself needs no wrapping
		return plain
	}
	return &contextError{plain, foreign("context", cause, scrub)}
}

// credentialError says why there are no credentials. Its cause is the end of the
// context, a [ForeignError] of the provider, or nil.
type credentialError struct {
	text      string
	temporary bool
	cause     error
}

func (e *credentialError) Error() string        { return e.text }
func (e *credentialError) Is(target error) bool { return target == ErrCredentials }
func (e *credentialError) Unwrap() error        { return e.cause }

// credentialFailure makes an error of a [credential.Supply] fit to be shown.
func credentialFailure(ctx context.Context, err error) error {
	failed, ok := errors.AsType[*credential.Error](err)
	if !ok {
		return err
	}
	if failed.Ended() {
		end := contextEnd(ctx)
		return &credentialError{
			text:      failed.Error() + ": " + end.Error(),
			temporary: errors.Is(end, context.DeadlineExceeded) || isTimeout(end),
			cause:     end,
		}
	}
	shown := &credentialError{text: failed.Error(), temporary: failed.Temporary()}
	if quoted, provider := failed.Provider(); provider != nil {
		shown.cause = &ForeignError{Source: "credentials", Err: provider, text: quoted}
	}
	return shown
}

// plainEnd returns which of the errors of package context is that of a context that has
// ended. The context can be of a type of the caller's, which may return any error.
func plainEnd(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return context.Canceled
}

// interrupted joins the end of the caller's context to the error that was known before,
// if that does not say it already.
func interrupted(ctx context.Context, before error) error {
	ended := contextEnd(ctx)
	switch {
	case before == nil:
		return ended
	case errors.Is(before, ctx.Err()):
		return before
	}
	return fmt.Errorf("%w; then %w", before, ended)
}

// transportFailure makes an error of an attempt fit to be shown: without the
// [url.Error] of an http.Client, whose text holds the signed URL, and without secrets.
func (c *Client) transportFailure(ctx context.Context, try *once.Attempt, unsent bool, err error, r *redact.Scrubber) error {
	for {
		wrapped, ok := err.(*url.Error) //nolint:errorlint // peels the outermost layers only
		if !ok {
			break
		}
		err = wrapped.Err
	}
	scrub := func(text string) string { return r.Text(text, maxTextBytes) }
	what := "no answer"
	if unsent {
		what = "no connection"
	}
	switch cause := try.Cause(); {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", what, contextEndBy(ctx, scrub))
	case errors.Is(cause, once.ErrTimeLimit):
		return &timeLimitError{fmt.Sprintf("%s within %v", what, c.attemptTimeout)}
	case errors.Is(cause, once.ErrSecondSend):
		return errors.New("refused to send the restart again over a second connection")
	}
	failed := foreign("transport", err, scrub)
	lookup, _ := errors.AsType[*net.DNSError](failed) // whose methods survive those of err
	notFound := lookup != nil && lookup.IsNotFound
	_, unknownAuthority := errors.AsType[x509.UnknownAuthorityError](failed)
	switch {
	case notFound && once.AtProxy(err):
		// A # or @ in a password makes a part of it the name of the host.
		failed.text = `the host of the proxy was not found: check HTTPS_PROXY, where "#", "/" and "@" in a password need a percent escape`
	case notFound && !c.endpointGiven:
		failed.text = fmt.Sprintf("the region %q has no host %s: is its name right? %s", c.region, c.host, failed.text)
	case unknownAuthority:
		failed.text += "; if a proxy re-signs TLS, set SSL_CERT_FILE to the file of its CA, or give WithHTTPClient a client that trusts the CA"
	}
	return failed
}

// timeLimitError is a timeout to those who ask by the method of [net.Error], but not
// the end of the caller's own context.
type timeLimitError struct{ text string }

func (e *timeLimitError) Error() string { return e.text }

// Timeout returns true.
func (e *timeLimitError) Timeout() bool { return true }
