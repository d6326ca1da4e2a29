package ecsreboot

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"reflect"
)

// errTimeLimit ends an attempt that took too long.
var errTimeLimit = errors.New("the attempt's time limit is over")

// transportFailure makes an error of net/http fit to be shown: without the
// *url.Error, whose text holds the signed URL, and without secrets.
func (c *Client) transportFailure(ctx, limited context.Context, unsent bool, err error, r *redactor) error {
	for {
		wrapped, ok := err.(*url.Error) //nolint:errorlint // peels the outermost layers only
		if !ok {
			break
		}
		err = wrapped.Err
	}
	switch {
	case ctx.Err() != nil:
		end := contextEnd(ctx)
		return &transportError{text: "no answer: " + r.text(end.Error()), cause: new(end)}
	case errors.Is(context.Cause(limited), errTimeLimit):
		what := "no answer"
		if unsent {
			what = "no connection"
		}
		return &transportError{text: fmt.Sprintf("%s within %v", what, c.attemptTimeout), cause: new(error(timeLimitError{}))}
	}
	text := r.unknownText(err.Error())
	if lookup, ok := errors.AsType[*net.DNSError](err); ok && lookup.IsNotFound && !c.endpointGiven {
		text = fmt.Sprintf("the region %q has no host %s: is its name right? %s", c.region, c.host, text)
	}
	return &transportError{text: text, cause: new(err)}
}

// timeLimitError is a timeout to those who ask by net.Error's method, but not the
// end of the caller's own context.
type timeLimitError struct{}

func (timeLimitError) Error() string { return errTimeLimit.Error() }
func (timeLimitError) Timeout() bool { return true }

// transportError is a failure of net/http, or of a RoundTripper, with a text that
// is safe to print. It stands in for its cause: errors.Is and errors.As see
// through it, but never find a *url.Error, whose text is a signed URL.
type transportError struct {
	text  string
	cause *error // a pointer, which fmt does not follow
}

func (e *transportError) Error() string { return e.text }

func (e *transportError) Is(target error) bool {
	return errors.Is(*e.cause, target)
}

// As finds what the cause holds, unless that would hand out a *url.Error, also by
// way of an interface such as net.Error or of an error that wraps one.
func (e *transportError) As(target any) bool {
	if !as(*e.cause, target) {
		return false
	}
	value := reflect.ValueOf(target).Elem()
	found, _ := value.Interface().(error) //nolint:modernize // reflect.TypeAssert has to be linked for this alone
	if _, leaks := errors.AsType[*url.Error](found); leaks {
		value.SetZero()
		return false
	}
	return true
}

// Timeout reports whether the cause was a timeout, as net.Error has it.
func (e *transportError) Timeout() bool { return isTimeout(*e.cause) }

// interrupted joins the end of the caller's context to what was known before it.
// Both the cause and the context's own error match.
func interrupted(ctx context.Context, before error) error {
	ended := contextEnd(ctx)
	switch {
	case before == nil:
		return ended
	case errors.Is(before, ctx.Err()): // it tells already
		return before
	}
	return fmt.Errorf("%w; then %w", before, ended)
}

// waitEndError is the cause with which a watch's context is canceled: in truth it was a
// waiter's context that ended, or its Timeout.
type waitEndError struct{ error }

// contextEnd returns the context's cause, and its plain error where they differ.
func contextEnd(ctx context.Context) error {
	cause, plain := context.Cause(ctx), ctx.Err()
	if end, ok := cause.(*waitEndError); ok { //nolint:errorlint // it is never wrapped
		return end.error
	}
	text := safeText(cause.Error(), nil, maxErrorText)
	switch {
	case isOurs(cause):
		// As with errgroup, the error of another call: what became of its restart
		// must not be taken for what became of this one.
		cause = plain
	case errors.Is(cause, plain):
		return &transportError{text: text, cause: new(cause)}
	default:
		cause = fmt.Errorf("%w: %w", plain, cause)
	}
	return &transportError{text: plain.Error() + " (" + text + ")", cause: new(cause)}
}

// isOurs reports an error that tells of a call of this package.
func isOurs(err error) bool {
	_, failed := errors.AsType[*OperationError](err)
	_, waited := errors.AsType[*WaitError](err)
	_, answered := errors.AsType[*APIError](err)
	return failed || waited || answered
}
