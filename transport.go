package ecsreboot

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"

	"github.com/ecsreboot/ecsreboot/internal/once"
	"github.com/ecsreboot/ecsreboot/internal/redact"
)

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
