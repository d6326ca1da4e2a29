package ecsreboot

import (
	"context"
	"errors"
	"net"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"sync"
)

// credentialError says why there are no credentials. Nothing of the provider's
// own error is reachable through it: that may hold a signed URL, or keys.
type credentialError struct {
	text      string
	temporary bool  // a fetch ran out of time or failed on the network
	ended     error // the end of the context, if that ended the wait
}

func (e *credentialError) Error() string        { return "credentials: " + e.text }
func (e *credentialError) Is(target error) bool { return target == ErrCredentials }
func (e *credentialError) Unwrap() error        { return e.ended }

// waitError is for a wait that ended with ctx.
func waitError(ctx context.Context) *credentialError {
	end := contextEnd(ctx)
	return &credentialError{
		text:      "none before the context ended: " + end.Error(),
		temporary: errors.Is(end, context.DeadlineExceeded) || isTimeout(end),
		ended:     end,
	}
}

// panicError is for a provider that panicked, or ended its goroutine if value is
// nil. What it panicked with may be a secret; only the runtime's own texts are
// known not to hold any.
func panicError(value any) *credentialError {
	if value == nil {
		return &credentialError{text: "the provider ended its goroutine"}
	}
	kind := reflect.TypeOf(value)
	text := "the provider panicked with a value of type " + bound(printable(kind.String()), 200)
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	if err, ok := value.(runtime.Error); ok && kind.PkgPath() == "runtime" {
		text += ": " + safeText(err.Error(), secrets{}, 300)
	}
	return &credentialError{text: text}
}

const (
	chainPrefix = "unable to get credentials from any of the providers in the chain: "
	chainHelp   = "the default chain found none that work in the environment variables, OIDC, the CLI profile, " +
		"the credentials file, the ECS RAM role or the credentials URI: "
)

// maxErrorText bounds what an error of ours quotes.
const maxErrorText = 600

// fetchError turns a provider's error into ours; known are secrets that the
// provider has handed out before.
func fetchError(err error, known secrets) *credentialError {
	text := cut(err.Error())
	rest, chain := strings.CutPrefix(text, chainPrefix)
	if !chain {
		return &credentialError{text: safeText(text, known, maxErrorText), temporary: isTemporary(err, text)}
	}
	// The chain asks the metadata service wherever it runs. Where nobody answers
	// at its address there is none, and trying again is a waste of time.
	if temporaryText(unreachableMetadata().ReplaceAllLiteralString(rest, "")) {
		return &credentialError{text: safeText(text, known, maxErrorText), temporary: true}
	}
	return &credentialError{text: chainHelp + safeText(rest, known, maxErrorText-len(chainHelp))}
}

// safeText makes a text that may hold secrets fit for an error.
func safeText(text string, known secrets, limit int) string {
	return bound(scrubUnknown(known.scrub(cut(text))), limit)
}

// isTemporary reports whether err is a failure to reach whoever has the
// credentials, rather than their refusal. credentials-go joins most errors as
// strings, so the text has to be read as well.
func isTemporary(err error, text string) bool {
	if permanentText(text) {
		return false
	}
	var op *net.OpError
	var dns *net.DNSError
	return isTimeout(err) || errors.As(err, &op) || errors.As(err, &dns) || temporaryText(text)
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// permanentText reports a connection that works and a peer that is wrong.
func permanentText(text string) bool {
	return strings.Contains(text, "x509: ") || strings.Contains(text, "tls: failed to verify certificate") ||
		strings.Contains(text, "remote error: tls: ") ||
		strings.Contains(text, "server gave HTTP response to HTTPS client") ||
		strings.Contains(text, "Proxy Authentication Required")
}

func temporaryText(text string) bool { return temporaryPattern().MatchString(text) }

var temporaryPattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)` + strings.Join([]string{
		`i/o timeout`, `handshake timeout`, `timeout awaiting`, `deadline exceeded`, `client\.timeout`, `timed out`,
		`connection (?:refused|reset|aborted)`, `actively refused`, `forcibly closed`, `broken pipe`,
		`no such host`, `server misbehaving`, `failure in name resolution`,
		`network is (?:unreachable|down)`, `no route to host`, `host is (?:unreachable|down)`,
		`unexpected eof`, `": eof\b`, `server closed idle connection`,
		// Answers: the texts of the providers give the status in these ways, or not at all.
		`status(?: ?code)?"?[:= ]+(?:5\d\d|429)\b`, `\bGET http\S+ (?:5\d\d|429)\b`,
		`internal server error`, `bad gateway`, `service (?:temporarily )?unavailable`, `gateway time-?out`, `too many requests`,
		`"Code"\s*:\s*"(?:InternalError|ServiceUnavailable|ServiceBusy|Throttling)`,
		`<Code>(?:InternalError|ServiceUnavailable|ServiceBusy|Throttling)`,
	}, "|"))
})

// unreachableMetadata matches what net/http says when nobody answers at the
// address of the metadata service, up to the next provider's error.
var unreachableMetadata = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?:Get|Put) "http://100\.100\.100\.200[^"]*": [^,]*`)
})
