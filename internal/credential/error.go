package credential

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"sync"

	"github.com/ecsreboot/ecsreboot/internal/redact"
)

// ErrCredentials is the class of every [Error].
var ErrCredentials = errors.New("ecsreboot: no usable credentials")

// Error says why there are no credentials. It wraps nothing of a provider, whose error
// may hold a signed URL, or keys; see [Error.Provider].
type Error struct {
	text      string
	temporary bool

	ended    error // the end of the context of the wait, and its cause; or nil
	provider error // what the provider returned, or nil
	quoted   string
}

// Error returns a text without secrets.
func (e *Error) Error() string { return "credentials: " + e.text }

// Format writes the text for every verb, because some verbs would print the fields.
func (e *Error) Format(f fmt.State, verb rune) {
	if verb == 'q' {
		_, _ = fmt.Fprintf(f, "%q", e.Error())
		return
	}
	_, _ = io.WriteString(f, e.Error())
}

// Is reports whether target is [ErrCredentials].
func (e *Error) Is(target error) bool { return target == ErrCredentials }

// Unwrap returns the end of the context that ended the wait, and its cause, as they are.
func (e *Error) Unwrap() error { return e.ended }

// Temporary reports whether a fetch ran out of time or failed on the network.
func (e *Error) Temporary() bool { return e.temporary }

// Ended reports whether the wait ended with its context. The text does not say why.
func (e *Error) Ended() bool { return e.ended != nil }

// Provider returns the error that the provider returned, and a text of it without
// secrets. The text of the error itself may hold some. The error is nil if the provider
// returned none.
func (e *Error) Provider() (quoted string, err error) { return e.quoted, e.provider }

// waitError is for a wait that ended with ctx.
func waitError(ctx context.Context) *Error {
	end := errors.Join(ctx.Err(), context.Cause(ctx))
	return &Error{
		text:      "none before the context ended",
		temporary: errors.Is(end, context.DeadlineExceeded) || isTimeout(end),
		ended:     end,
	}
}

// panicError is for a provider that panicked, or ended its goroutine if value is
// nil. What it panicked with may be a secret; only the runtime's own texts are
// known not to hold any.
func panicError(value any) *Error {
	if value == nil {
		return &Error{text: "the provider ended its goroutine"}
	}
	kind := reflect.TypeOf(value) // only its name and its package: any value may hold a secret
	text := "the provider panicked with a value of type " + redact.Line(kind.String(), 200)
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	if err, ok := value.(runtime.Error); ok && kind.PkgPath() == "runtime" {
		text += ": " + redact.Unknown(err.Error(), 300)
	}
	return &Error{text: text}
}

const chainPrefix = "unable to get credentials from any of the providers in the chain: "

// maxErrorText bounds what an Error quotes.
const maxErrorText = 600

// fetchError turns a provider's error into ours. Known are secrets that the provider has
// handed out before, or nil.
func fetchError(err error, known *Secrets) *Error {
	text := redact.Cut(err.Error())
	scrubber := new(redact.Scrubber)
	if known != nil {
		scrubber = known.Scrubber()
	}
	failed := &Error{provider: err, quoted: scrubber.Text(text, maxErrorText)}
	failed.text = failed.quoted
	rest, ofChain := strings.CutPrefix(text, chainPrefix)
	if !ofChain {
		failed.temporary = isTemporary(err, text)
		return failed
	}
	// The chain asks the metadata service wherever it runs. Where nobody answers
	// at its address there is none, and trying again is a waste of time.
	if patterns().temporary.MatchString(patterns().unreachableMetadata.ReplaceAllLiteralString(rest, "")) {
		failed.temporary = true
		return failed
	}
	failed.text = noneFound + scrubber.Text(rest, maxErrorText-len(noneFound))
	return failed
}

// isTemporary reports whether err is a failure to reach whoever has the
// credentials, rather than their refusal. credentials-go joins most errors as
// strings, so the text has to be read as well.
func isTemporary(err error, text string) bool {
	if problem, ok := errors.AsType[*sourceError](err); ok {
		return problem.temporary
	}
	if patterns().permanent.MatchString(text) {
		return false
	}
	_, op := errors.AsType[*net.OpError](err)
	_, dns := errors.AsType[*net.DNSError](err)
	return op || dns || isTimeout(err) || patterns().temporary.MatchString(text)
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && timeout.Timeout()
}

// patterns are what the texts of providers are read by. They are compiled for the first
// such text.
var patterns = sync.OnceValue(func() *patternSet {
	return &patternSet{
		// A connection that works and a peer that is wrong.
		permanent: regexp.MustCompile(`x509: |tls: failed to verify certificate|remote error: tls: |` +
			`server gave HTTP response to HTTPS client|Proxy Authentication Required`),

		// Failures to reach whoever has the credentials.
		temporary: regexp.MustCompile(`(?i)` +
			`i/o timeout|handshake timeout|timeout awaiting|deadline exceeded|client\.timeout|timed out|` +
			`connection (?:refused|reset|aborted)|actively refused|forcibly closed|broken pipe|` +
			`no such host|server misbehaving|failure in name resolution|` +
			`network is (?:unreachable|down)|no route to host|host is (?:unreachable|down)|` +
			`unexpected eof|": eof\b|server closed idle connection|` +
			// Answers: the texts of the providers give the status in these ways, or not at all.
			`status(?: ?code)?"?[:= ]+(?:5\d\d|429)\b|\bGET http\S+ (?:5\d\d|429)\b|` +
			`internal server error|bad gateway|service (?:temporarily )?unavailable|gateway time-?out|too many requests|` +
			`"Code"\s*:\s*"(?:InternalError|ServiceUnavailable|ServiceBusy|Throttling)|` +
			`<Code>(?:InternalError|ServiceUnavailable|ServiceBusy|Throttling)`),

		// What net/http says when nobody answers at the address of the metadata service,
		// up to the next provider's error.
		unreachableMetadata: regexp.MustCompile(`(?:Get|Put) "http://100\.100\.100\.200[^"]*": [^,]*`),
	}
})

type patternSet struct{ permanent, temporary, unreachableMetadata *regexp.Regexp }
