package ecsreboot

import (
	"errors"
	"iter"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/credential"
	"github.com/ecsreboot/ecsreboot/internal/document"
	"github.com/ecsreboot/ecsreboot/internal/logvalue"
	"github.com/ecsreboot/ecsreboot/internal/redact"
	"github.com/ecsreboot/ecsreboot/pace"
)

// prefix begins every error text of this package, once.
const prefix = "ecsreboot: "

// Classes of failures, for errors.Is. An error may belong to a class, carry an
// [ErrorCode] and an outcome, and match a context error, all at once. These variables are
// not service codes: each class stands for several codes, or for none.
var (
	// ErrThrottled is the class of calls that failed because of a rate limit: the
	// service's own, the slower pace of the client while the service throttles, or the
	// limit of [WithRateHint]. The service did not process the call.
	ErrThrottled = pace.ErrThrottled
	// ErrUnauthenticated is the class of responses that refuse the credentials or the
	// signature.
	ErrUnauthenticated = errors.New(prefix + "unauthenticated")
	// ErrAccessDenied is the class of responses that say that the service authenticated
	// the identity, but that the identity lacks a permission.
	ErrAccessDenied = errors.New(prefix + "access denied")
	// ErrKMSKey is the class of responses that say that the KMS key of an encrypted disk
	// cannot be used.
	ErrKMSKey = errors.New(prefix + "KMS key not usable")
	// ErrCredentials is the class of calls that had no usable credentials. Nothing was
	// sent.
	ErrCredentials = credential.ErrCredentials
	// ErrInvalidInput is the class of every [InputError]: the client refused an argument
	// or option and sent nothing.
	ErrInvalidInput = errors.New(prefix + "invalid input")
)

// Outcomes of a failed restart, for errors.Is; see [Outcome].
var (
	// ErrNotSent matches if nothing reached the service, so the restart did not happen.
	ErrNotSent = errors.New(prefix + "not sent")
	// ErrRejected matches if the service refused, so the restart did not happen.
	ErrRejected = errors.New(prefix + "rejected by the service")
	// ErrOutcomeUnknown matches if the restart may or may not have happened. Call
	// [Client.Resolve], or look at the instance, before you resend the restart.
	ErrOutcomeUnknown = errors.New(prefix + "outcome unknown")
	// ErrAccepted matches if the restart was accepted although the call failed.
	ErrAccepted = errors.New(prefix + "restart accepted")
)

// Findings about a restart, for errors.Is.
var (
	// ErrDryRunIgnored matches if the service accepted a dry run as a real restart, so
	// the instance may be restarting. The error matches [ErrAccepted] too.
	ErrDryRunIgnored = errors.New(prefix + "the service ignored DryRun and accepted a real restart")
	// ErrNotProven matches if a wait ended without proof that the instance restarted. The
	// instance may still have restarted.
	ErrNotProven = errors.New(prefix + "restart not proven")
)

// Outcome says what is known of the restart that a failed call requested.
type Outcome uint8

// The outcomes. Each except OutcomeNone has a matching sentinel for errors.Is, given in
// parentheses.
const (
	OutcomeNone     Outcome = iota // there is no outcome to report: the call was a read or WaitUntilRestarted, or a dry run that got no usable response
	OutcomeNotSent                 // nothing reached the service: the restart did not happen ([ErrNotSent])
	OutcomeRejected                // the service refused: the restart did not happen ([ErrRejected])
	OutcomeUnknown                 // the restart may have happened ([ErrOutcomeUnknown])
	OutcomeAccepted                // the service accepted the restart ([ErrAccepted])
)

// String returns "none", "not sent", "rejected", "unknown" or "accepted".
func (o Outcome) String() string {
	switch o {
	case OutcomeNone:
		return "none"
	case OutcomeNotSent:
		return "not sent"
	case OutcomeRejected:
		return "rejected"
	case OutcomeUnknown:
		return "unknown"
	case OutcomeAccepted:
		return "accepted"
	}
	return "Outcome(" + strconv.Itoa(int(o)) + ")"
}

// MarshalText returns what [Outcome.String] returns.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads the texts of the constants. Any other text is an error.
func (o *Outcome) UnmarshalText(text []byte) error {
	return unmarshalWord(o, text, OutcomeNone, OutcomeNotSent, OutcomeRejected, OutcomeUnknown, OutcomeAccepted)
}

func (o Outcome) sentinel() error {
	switch o {
	case OutcomeNotSent:
		return ErrNotSent
	case OutcomeRejected:
		return ErrRejected
	case OutcomeUnknown:
		return ErrOutcomeUnknown
	case OutcomeAccepted:
		return ErrAccepted
	case OutcomeNone:
	}
	return nil
}

// OutcomeOf returns the outcome that err carries, or [OutcomeNone] if it carries none. If
// err joins the errors of several calls, OutcomeOf returns the first outcome in this order
// that one of the errors has: unknown, accepted, rejected, not sent.
func OutcomeOf(err error) Outcome {
	outcome := OutcomeNone
	for failed := range operationErrors(err) {
		if failed.Outcome.uncertainty() > outcome.uncertainty() {
			outcome = failed.Outcome
		}
	}
	return outcome
}

// uncertainty orders the outcomes.
func (o Outcome) uncertainty() int {
	return slices.Index([]Outcome{OutcomeNone, OutcomeNotSent, OutcomeRejected, OutcomeAccepted, OutcomeUnknown}, o)
}

// operationErrors returns the errors of the calls that err wraps or joins, but not those
// that they wrap themselves.
func operationErrors(err error) iter.Seq[*OperationError] {
	return func(yield func(*OperationError) bool) { visitOperationErrors(err, yield) }
}

func visitOperationErrors(err error, yield func(*OperationError) bool) bool {
	for err != nil {
		if failed, ok := err.(*OperationError); ok { //nolint:errorlint // this goes through the tree itself
			return failed == nil || yield(failed)
		}
		switch wrapper := err.(type) { //nolint:errorlint // likewise
		case interface{ Unwrap() []error }:
			for _, joined := range wrapper.Unwrap() {
				if !visitOperationErrors(joined, yield) {
					return false
				}
			}
			return true
		case interface{ Unwrap() error }:
			err = wrapper.Unwrap()
		case interface{ As(target any) bool }:
			var failed *OperationError
			return !wrapper.As(&failed) || failed == nil || yield(failed)
		default:
			return true
		}
	}
	return true
}

// OperationError is the error of every failed call of a [Client].
type OperationError struct {
	Operation  string    `json:"operation"`            // "RebootInstance"
	InstanceID string    `json:"instanceId,omitempty"` // the instance asked for
	Outcome    Outcome   `json:"outcome"`              // of the restart
	Attempts   int       `json:"attempts"`             // number of attempts, including those without connection or credentials
	SentAt     time.Time `json:"sentAt,omitzero"`      // when the last request was sent that may have reached the service, or when the call left a shared restart that was not sent yet; otherwise zero
	SendID     string    `json:"sendId,omitempty"`     // of the request that SentAt is about; see [SentRequest]
	Err        error     `json:"-"`                    // the cause: an [APIError] if there was an error response, an [InputError], …
}

// with returns a copy of the error, over its cause.
func (e *OperationError) with(cause error) *OperationError {
	failed := *e
	failed.Err = cause
	return &failed
}

// Error returns one sentence that names the operation, the instance, the outcome unless
// the cause already states it, and the cause.
func (e *OperationError) Error() string {
	text := prefix + e.Operation
	if e.InstanceID != "" {
		text += " " + redact.Line(e.InstanceID, maxInstanceIDLength)
	}
	switch e.Outcome {
	case OutcomeNotSent:
		text += ": not sent"
	case OutcomeUnknown:
		text += ": outcome unknown, the instance may have been restarted"
	case OutcomeAccepted:
		text += ": the restart was accepted"
	case OutcomeNone, OutcomeRejected:
	}
	text += ": "
	if e.Err != nil {
		text += strings.TrimPrefix(e.Err.Error(), prefix)
	}
	return text
}

// Unwrap returns the cause.
func (e *OperationError) Unwrap() error { return e.Err }

// Is reports whether target is the sentinel of the error's outcome.
func (e *OperationError) Is(target error) bool {
	sentinel := e.Outcome.sentinel()
	return sentinel != nil && target == sentinel
}

// LogValue gives slog the fields of the JSON.
func (e *OperationError) LogValue() slog.Value {
	if e == nil {
		return slog.Value{} // a nil pointer in an error is logged as nil
	}
	fields := e.forJSON()
	fields.InstanceID = redact.Line(e.InstanceID, maxInstanceIDLength)
	return logvalue.Of(fields)
}

// APIError is an error response from ECS or from an intermediary such as a proxy. Its
// texts contain no secret of the client, and their length is limited.
type APIError struct {
	Code         ErrorCode     `json:"code,omitempty"`        // empty if the response had no readable code, such as a proxy's error page
	Message      string        `json:"message"`               // the service's message, or this client's description of the response
	StatusCode   int           `json:"statusCode"`            // HTTP status; 0 if the client concluded from a poll that the service would refuse
	RequestID    string        `json:"requestId,omitempty"`   // from the body or the X-Acs-Request-Id header; the vendor's support asks for this id
	HostID       string        `json:"hostId,omitempty"`      // the endpoint that responded
	Recommend    string        `json:"recommend,omitempty"`   // address of the vendor's troubleshooting page
	RetryAfter   time.Duration `json:"-"`                     // how long the service asks the client to wait; 0 if the response does not say
	AccessDenied AccessDenied  `json:"accessDenied,omitzero"` // what permission is missing; zero unless the class is [ErrAccessDenied]

	// What errors.Is goes by if scrubbing has changed it; receivedCode is nil
	// otherwise. It may hold a secret: of a pointer to a text, fmt prints the address,
	// whatever the verb.
	receivedCode  *ErrorCode
	receivedClass error
}

// keepReceived makes errors.Is use the response as it was received, even if a text in the
// response happens to hold a secret.
func (e *APIError) keepReceived(d *document.Document) {
	raw := &APIError{
		Code: ErrorCode(d.Code), Message: d.Text(), StatusCode: e.StatusCode,
		AccessDenied: AccessDenied{PolicyType: d.Denied.PolicyType, NoPermissionType: d.Denied.NoPermissionType},
	}
	class := classOf(raw)
	if class == ErrThrottled && e.RequestID == "" { //nolint:errorlint // sentinels
		class = nil // a response without a request id proves no refusal
	}
	if raw.Code != e.Code || class != classOf(e) { //nolint:errorlint // sentinels
		e.receivedCode, e.receivedClass = new(raw.Code), class
	}
}

// AccessDenied says which permission is missing.
type AccessDenied struct {
	Action                   string `json:"action,omitempty"`        // RAM action; that of the operation if the service names none
	PrincipalType            string `json:"principalType,omitempty"` // SubUser, AssumedRoleUser, …
	PrincipalOwnerID         string `json:"principalOwnerId,omitempty"`
	PrincipalDisplayName     string `json:"principalDisplayName,omitempty"`
	PolicyType               string `json:"policyType,omitempty"`               // AccountLevelIdentityBasedPolicy, ResourceBasedPolicy, …
	NoPermissionType         string `json:"noPermissionType,omitempty"`         // ImplicitDeny or ExplicitDeny
	EncodedDiagnosticMessage string `json:"encodedDiagnosticMessage,omitempty"` // for the RAM operation DecodeDiagnosticMessage
}

// LogValue gives slog the fields of the JSON except EncodedDiagnosticMessage, which is
// long.
func (d AccessDenied) LogValue() slog.Value {
	d.EncodedDiagnosticMessage = ""
	return logvalue.Of(d)
}

// Error returns the status, code, message and request id.
func (e *APIError) Error() string {
	text := ""
	if e.StatusCode != 0 {
		text = strconv.Itoa(e.StatusCode) + " "
	}
	if e.Code != "" {
		text += string(e.Code) + ": "
	}
	text += e.Message
	if e.AccessDenied.Action != "" {
		text += " (missing RAM action: " + e.AccessDenied.Action + ")"
	}
	if e.RequestID != "" {
		text += " (request " + e.RequestID + ")"
	}
	return text
}

// Is reports whether target is the code of the response or its class.
func (e *APIError) Is(target error) bool {
	if code, ok := target.(ErrorCode); ok {
		return code != "" && (code == e.Code || e.receivedCode != nil && code == *e.receivedCode)
	}
	class := e.receivedClass
	if e.receivedCode == nil {
		class = classOf(e)
	}
	return class != nil && target == class
}

// LogValue gives slog the fields of the JSON.
func (e *APIError) LogValue() slog.Value {
	if e == nil {
		return slog.Value{}
	}
	return logvalue.Of(e.forJSON())
}

// InputError is an argument or option that was refused before anything was sent.
type InputError struct {
	Field   string `json:"field"`   // "InstanceID", "region", "WithEndpoint", …
	Problem string `json:"problem"` // what is wrong with the field: "is empty"
}

// Error names the field and its problem.
func (e *InputError) Error() string { return prefix + e.Field + " " + e.Problem }

// Is reports whether target is [ErrInvalidInput].
func (e *InputError) Is(target error) bool { return target == ErrInvalidInput }

// LogValue gives slog the fields of the JSON.
func (e *InputError) LogValue() slog.Value { return logvalue.Of(e) }
