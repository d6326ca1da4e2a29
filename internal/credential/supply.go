package credential

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/aliyun/credentials-go/credentials/providers"

	"github.com/ecsreboot/ecsreboot/internal/redact"
)

// Supply hands out the Secrets of a credential. It is safe for concurrent use, which
// most credentials of credentials-go are not.
//
// Its fields are pointers because fmt follows no pointer inside a struct: printing
// something that holds a Supply prints addresses.
type Supply struct {
	fixed  *Secrets                           // set if the credential can't change
	bearer *credentials.BearerTokenCredential // set with fixed if it is one of these
	guard  *guard                             // set otherwise
}

// NewSupply does no I/O and asks nothing of a credential that might do some. A nil
// credential means the default chain, built at the first Get.
//
// The text of the error says what is wrong with the credential, such as "wraps a nil
// provider". It holds no secret, and the error wraps nothing.
func NewSupply(c credentials.Credential) (*Supply, error) {
	if c == nil {
		return &Supply{guard: new(guard)}, nil
	}
	supply, problem := supplyOf(c)
	if problem != "" {
		return nil, errors.New(problem)
	}
	return supply, nil
}

func supplyOf(c credentials.Credential) (supply *Supply, problem string) {
	// A nil pointer in the interface is not nil. Only reflection finds it where the type
	// is unknown; otherwise the first call would panic.
	v := reflect.ValueOf(c)
	if isNil(v) {
		return nil, "is a nil " + v.Type().String()
	}
	provider, wrapped := innerProvider(c)
	if wrapped && !provider.IsValid() {
		return nil, "wraps a nil provider"
	}
	bearer, _ := c.(*credentials.BearerTokenCredential)
	if bearer == nil && !isStatic(provider) {
		return &Supply{guard: guardOf(c)}, ""
	}
	if bearer == nil && provider.IsNil() {
		return nil, "wraps a nil " + provider.Type().String()
	}
	model, err := c.GetCredential()
	if err != nil {
		return nil, redact.Unknown(err.Error(), maxErrorText)
	}
	keys, problem := keysOf(model)
	return &Supply{fixed: keys, bearer: bearer}, problem
}

// Get returns the current Secrets, or an [*Error]. A fetch ends with ctx or after the
// limit at the latest, so that a silent source does not hold up a call for ever. A
// credential that can't change needs no fetch, and responds whatever the state of ctx.
func (s *Supply) Get(ctx context.Context, limit time.Duration) (*Secrets, error) {
	if s.guard == nil {
		return s.get(ctx) // spare the timer
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	keys, err := s.get(limited)
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		return nil, &Error{text: fmt.Sprintf("none within %v", limit), temporary: true}
	}
	return keys, err
}

func (s *Supply) get(ctx context.Context) (*Secrets, error) {
	switch {
	case s.guard != nil:
		return s.guard.get(ctx)
	case s.bearer == nil || s.bearer.BearerToken == s.fixed.bearerToken:
		return s.fixed, nil
	}
	// The token is an exported field: its owner has set another one.
	keys := &Secrets{bearerToken: s.bearer.BearerToken}
	if problem := problemOf(keys); problem != "" {
		return nil, &Error{text: "the credential " + problem}
	}
	return keys, nil
}

// Renew has the default chain read anew after the service refused keys, at most once a
// minute, and reports whether a retry fares differently now: with other keys, or by an
// error of the reading.
func (s *Supply) Renew(ctx context.Context, limit time.Duration, refused Secrets) bool {
	if s.guard == nil {
		return false
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return s.guard.renew(limited, refused)
}

// isStatic reports whether provider is one of the two providers of credentials-go that
// only repeat what they were given. It compares reflected types because innerProvider
// cannot return the provider itself. The type name that a credential carries proves
// nothing: FromCredentialsProvider takes any.
func isStatic(provider reflect.Value) bool {
	if !provider.IsValid() {
		return false
	}
	switch provider.Type() {
	case reflect.TypeFor[*providers.StaticAKCredentialsProvider](),
		reflect.TypeFor[*providers.StaticSTSCredentialsProvider]():
		return true
	}
	return false
}

// innerProvider returns the provider inside the wrapper that
// [credentials.FromCredentialsProvider] makes. The value serves to read the provider's
// type and address, not to call it. It is the zero Value if the provider is nil.
//
// This is the one place that reads an unexported field of credentials-go. The wrapper
// has no method that reveals its provider: GetType repeats the name that the wrapper was
// given, and the other methods call the provider, which may block. The callers need the
// provider for three things:
//   - NewCredential returns such wrappers too, so the static providers that most programs
//     use are recognized in this way only, see isStatic. They need no goroutine;
//   - two wrappers around one provider must share a guard, see guardOf;
//   - a wrapper around nil is reported by NewSupply, where its first call would panic.
//
// If another release of credentials-go changes the wrapper, its credentials are treated as not
// wrapped. They still work: each is guarded as an unknown credential is.
func innerProvider(c credentials.Credential) (provider reflect.Value, wrapped bool) {
	v := reflect.ValueOf(c)
	if v.Type() != reflect.TypeOf(credentials.FromCredentialsProvider("", nil)) || v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return reflect.Value{}, false
	}
	for _, field := range v.Elem().Fields() {
		if field.Type() == reflect.TypeFor[providers.CredentialsProvider]() {
			return field.Elem(), true
		}
	}
	return reflect.Value{}, false
}

// isNil reports whether v is a nil of a kind that has one.
func isNil(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Func, reflect.Chan:
		return v.IsNil()
	default:
		return false
	}
}
