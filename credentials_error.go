package ecsreboot

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"runtime"
	"strings"

	"github.com/ecsreboot/ecsreboot/internal/credential"
)

// credentialError says why there are no credentials. The provider's own error may hold
// a signed URL, or keys, so it is reachable only as a [ForeignError].
type credentialError struct {
	text      string
	temporary bool  // a fetch ran out of time or failed on the network
	cause     error // the end of the context, the provider's error, or nil
}

func (e *credentialError) Error() string        { return "credentials: " + e.text }
func (e *credentialError) Is(target error) bool { return target == ErrCredentials }
func (e *credentialError) Unwrap() error        { return e.cause }

// waitError is for a wait that ended with ctx.
func waitError(ctx context.Context) *credentialError {
	end := contextEnd(ctx)
	return &credentialError{
		text:      "none before the context ended: " + end.Error(),
		temporary: errors.Is(end, context.DeadlineExceeded) || isTimeout(end),
		cause:     end,
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
		text += ": " + safeText(err.Error(), nil, 300)
	}
	return &credentialError{text: text}
}

const (
	chainPrefix = "unable to get credentials from any of the providers in the chain: "
	chainHelp   = credential.None
)

// maxErrorText bounds what an error of ours quotes.
const maxErrorText = 600

// fetchError turns a provider's error into ours; known are secrets that the
// provider has handed out before.
func fetchError(err error, known *secrets) *credentialError {
	text := cut(fmt.Sprint(err))
	cause := foreign("credentials", err, func(text string) string { return safeText(text, known, maxErrorText) })
	rest, chain := strings.CutPrefix(text, chainPrefix)
	if !chain {
		return &credentialError{text: cause.text, temporary: isTemporary(err, text), cause: cause}
	}
	// The chain asks the metadata service wherever it runs. Where nobody answers
	// at its address there is none, and trying again is a waste of time.
	if patterns().temporary.MatchString(replaceEach(rest, patterns().unreachableMetadata, func([]string) string { return "" })) {
		return &credentialError{text: cause.text, temporary: true, cause: cause}
	}
	return &credentialError{text: chainHelp + safeText(rest, known, maxErrorText-len(chainHelp)), cause: cause}
}

// isTemporary reports whether err is a failure to reach whoever has the
// credentials, rather than their refusal. credentials-go joins most errors as
// strings, so the text has to be read as well.
func isTemporary(err error, text string) bool {
	if problem, ok := errors.AsType[*credential.Error](err); ok {
		return problem.Temporary()
	}
	if patterns().permanent.MatchString(text) {
		return false
	}
	_, op := errors.AsType[*net.OpError](err)
	_, dns := errors.AsType[*net.DNSError](err)
	return op || dns || isTimeout(err) || patterns().temporary.MatchString(text)
}
