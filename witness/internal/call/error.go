package call

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"

	"github.com/ecsreboot/ecsreboot"
)

// Error is the error of a failed call.
type Error struct {
	Action string
	Err    error // an [ecsreboot.APIError] if the service refused the request
	denied bool
}

// Error returns the operation and the cause.
func (e *Error) Error() string {
	return e.Action + ": " + strings.TrimPrefix(e.Err.Error(), "ecsreboot: ")
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether the target is [ecsreboot.ErrAccessDenied] and a permission is
// missing.
func (e *Error) Is(target error) bool { return e.denied && target == ecsreboot.ErrAccessDenied }

// failure converts the error of the vendor's client.
func failure(op Operation, r reply) error {
	scrub := func(text string) string { return clean(text, r.keys.secrets) }
	failed := refusal(r.err, scrub)
	if failed == nil {
		text := scrub(r.err.Error())
		if r.hook.status != 0 {
			text = "the response with the status code " + strconv.Itoa(r.hook.status) + " cannot be read: " + text
		}
		if errors.Is(r.err, ecsreboot.ErrCredentials) {
			return &Error{Action: op.Action, Err: &credentialError{text}}
		}
		return &Error{Action: op.Action, Err: errors.New(text)}
	}
	denied := isDenied(failed)
	if denied && failed.AccessDenied.Action == "" {
		failed.AccessDenied.Action = op.RAM
	}
	return &Error{Action: op.Action, Err: failed, denied: denied}
}

type credentialError struct{ text string }

func (e *credentialError) Error() string        { return strings.TrimPrefix(e.text, "ecsreboot: ") }
func (e *credentialError) Is(target error) bool { return target == ecsreboot.ErrCredentials }

// isDenied reports whether the service says that a permission is missing. The root package
// does not know all such codes of other services.
func isDenied(e *ecsreboot.APIError) bool {
	if errors.Is(e, ecsreboot.ErrAccessDenied) {
		return true
	}
	return e.StatusCode == http.StatusForbidden && slices.ContainsFunc(
		[]string{"AccessForbidden", "AccessDenied", "Operation.Forbidden", "Unauthorized"},
		func(prefix string) bool { return strings.HasPrefix(string(e.Code), prefix) },
	)
}

// vendorError has the methods of the vendor's three error types.
type vendorError interface {
	error
	GetCode() *string
	GetStatusCode() *int
	GetRequestId() *string
	GetMessage() *string
	GetData() map[string]any
}

// refusal returns the error response in the vendor's error, or nil if there was none.
func refusal(err error, scrub func(string) string) *ecsreboot.APIError {
	var failed vendorError
	var detail map[string]any
	var wait time.Duration
	if e, ok := errors.AsType[*openapi.ThrottlingError](err); ok {
		failed = e
		if e.RetryAfter != nil {
			wait = time.Duration(min(max(*e.RetryAfter, 0), time.Hour.Milliseconds())) * time.Millisecond
		}
	} else if e, ok := errors.AsType[*openapi.ClientError](err); ok {
		failed, detail = e, e.AccessDeniedDetail
	} else if e, ok := errors.AsType[*openapi.ServerError](err); ok {
		failed = e
	}
	if failed == nil || failed.GetStatusCode() == nil {
		return nil
	}
	code := text(failed.GetCode())
	message, ok := failed.GetData()["Message"].(string)
	if !ok {
		message, _ = failed.GetData()["message"].(string)
	}
	return &ecsreboot.APIError{
		Code: ecsreboot.ErrorCode(scrub(code)), Message: scrub(message), StatusCode: *failed.GetStatusCode(),
		RequestID: scrub(text(failed.GetRequestId())), RetryAfter: wait,
		AccessDenied: ecsreboot.AccessDenied{
			Action:           scrub(member(detail, "AuthAction")),
			PolicyType:       scrub(member(detail, "PolicyType")),
			NoPermissionType: scrub(member(detail, "NoPermissionType")),
		},
	}
}

// text returns the text of a field. The vendor's client sets a missing field to "<nil>".
func text(s *string) string {
	if s == nil || *s == "<nil>" {
		return ""
	}
	return *s
}

func member(object map[string]any, name string) string {
	value, _ := object[name].(string)
	return value
}

const maxText = 300

// signed matches a part of a text that may show a signature or a signed request.
var signed = regexp.MustCompile(`(?is)(signature|token|secret|authorization|string ?to ?sign|canonical ?request)(["']?\s*[:=]|\s+is\s*[:=]).*`)

// clean makes a text from outside safe to print.
func clean(text string, secrets []string) string {
	if len(text) > maxSearched {
		text = text[:maxSearched]
	}
	for _, secret := range secrets {
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), strings.Trim(strconv.Quote(secret), `"`)} {
			text = strings.ReplaceAll(text, form, "***")
		}
	}
	if shows(text, secrets) {
		return "***"
	}
	return Line(signed.ReplaceAllString(text, "$1 ***"))
}

// Line makes a text printable and limits it to one line of about 300 bytes.
func Line(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return ' '
		case r == unicode.ReplacementChar, !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, text)
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "…"
	}
	return text
}
