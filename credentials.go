package ecsreboot

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/aliyun/credentials-go/credentials/providers"
)

// secrets is one consistent set of credentials, copied out of a
// credentials.CredentialModel. It holds either a key pair, with a security
// token if the pair is temporary, or a bearer token, never both.
type secrets struct {
	accessKeyID, accessKeySecret, securityToken string
	bearerToken                                 string

	source string // of the default chain; empty for a credential of the caller's
}

// same reports whether s and other are the same credentials.
func (s secrets) same(other secrets) bool {
	s.source, other.source = "", ""
	return s == other
}

// credentialSource hands out secrets. It is safe for concurrent use, which
// most credentials of credentials-go are not.
//
// Its fields are pointers because fmt follows no pointer inside a struct:
// printing something that holds a source prints addresses.
type credentialSource struct {
	fixed  *secrets                           // set if the credential can't change
	bearer *credentials.BearerTokenCredential // set with fixed if it is one of these
	guard  *guard                             // set otherwise
}

// newCredentialSource does no I/O and asks nothing of a credential that might
// do some. A nil credential means the default chain, built at the first get.
func newCredentialSource(c credentials.Credential) (*credentialSource, error) {
	if c == nil {
		return &credentialSource{guard: new(guard)}, nil
	}
	source, problem := sourceOf(c)
	if source == nil || problem != "" {
		return nil, &InputError{Field: "WithCredential", Problem: problem}
	}
	return source, nil
}

func sourceOf(c credentials.Credential) (source *credentialSource, problem string) {
	v := reflect.ValueOf(c)
	if isNil(v) {
		return nil, "is a nil " + v.Type().String()
	}
	provider, wrapped := innerProvider(v)
	if wrapped && !provider.IsValid() {
		return nil, "wraps a nil provider"
	}
	bearer, _ := c.(*credentials.BearerTokenCredential)
	if bearer == nil && !isStatic(provider) {
		return &credentialSource{guard: guardOf(c)}, ""
	}
	if bearer == nil && provider.IsNil() {
		return nil, "wraps a nil " + provider.Type().String()
	}
	model, err := c.GetCredential()
	if err != nil {
		return nil, safeText(err.Error(), nil, maxErrorText)
	}
	keys, problem := keysOf(model)
	return &credentialSource{fixed: keys, bearer: bearer}, problem
}

// get returns the current secrets, or a *credentialError. A credential that
// can't change answers whatever the state of ctx; for every other one the wait
// ends with ctx at the latest.
func (s *credentialSource) get(ctx context.Context) (*secrets, error) {
	switch {
	case s.guard != nil:
		return s.guard.get(ctx)
	case s.bearer == nil || s.bearer.BearerToken == s.fixed.bearerToken:
		return s.fixed, nil
	}
	// The token is an exported field: its owner has set another one.
	keys := &secrets{bearerToken: s.bearer.BearerToken}
	if problem := problemOf(keys); problem != "" {
		return nil, &credentialError{text: "the credential " + problem}
	}
	return keys, nil
}

// isStatic reports whether provider is one of credentials-go's own that only
// repeat what they were given. The type name that a credential carries proves
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
// credentials.FromCredentialsProvider makes, good for asking its type and its
// address; the zero Value if that provider is nil. Anything else, a wrapper of
// an unknown shape included, is not wrapped: it takes the guarded path.
func innerProvider(v reflect.Value) (provider reflect.Value, wrapped bool) {
	if v.Type() != reflect.TypeOf(credentials.FromCredentialsProvider("", nil)) || v.Kind() != reflect.Pointer {
		return reflect.Value{}, false
	}
	v = v.Elem()
	if v.Kind() != reflect.Struct {
		return reflect.Value{}, false
	}
	for i := range v.NumField() {
		field := v.Field(i)
		if field.Type() != reflect.TypeFor[providers.CredentialsProvider]() {
			continue
		}
		if wrapped {
			return reflect.Value{}, false
		}
		provider, wrapped = field.Elem(), true
	}
	return provider, wrapped
}

func isNil(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Func, reflect.Chan:
		return v.IsNil()
	default:
		return false
	}
}

// keysOf copies the secrets out of a model, or says what is wrong with it. The
// contents decide, for the default chain calls every kind "default"; only a
// model that calls itself a bearer's has any keys in it ignored.
func keysOf(model *credentials.CredentialModel) (keys *secrets, problem string) {
	if model == nil {
		return nil, "has nothing in it"
	}
	keys = &secrets{
		accessKeyID:     deref(model.AccessKeyId),
		accessKeySecret: deref(model.AccessKeySecret),
		securityToken:   deref(model.SecurityToken),
		bearerToken:     deref(model.BearerToken),
	}
	switch {
	case deref(model.Type) == "bearer":
		keys = &secrets{bearerToken: keys.bearerToken}
		if keys.bearerToken == "" {
			return nil, "is a bearer's but has no bearer token"
		}
	case keys.accessKeyID != "" || keys.accessKeySecret != "":
		keys.bearerToken = ""
	case keys.bearerToken != "":
		keys = &secrets{bearerToken: keys.bearerToken}
	}
	return keys, problemOf(keys)
}

// problemOf says which part is missing or unusable, never its value.
func problemOf(keys *secrets) string {
	switch {
	case keys.bearerToken == "" && keys.accessKeyID == "" && keys.accessKeySecret == "":
		return "has neither an access key nor a bearer token"
	case keys.bearerToken == "" && keys.accessKeySecret == "":
		return "has an access key id but no access key secret"
	case keys.bearerToken == "" && keys.accessKeyID == "":
		return "has an access key secret but no access key id"
	}
	for _, part := range [...]struct{ name, value string }{
		{"access key id", keys.accessKeyID},
		{"access key secret", keys.accessKeySecret},
		{"security token", keys.securityToken},
		{"bearer token", keys.bearerToken},
	} {
		for i := range len(part.value) {
			// No key has any other character, and a header can't carry most.
			if c := part.value[i]; c <= ' ' || c > '~' {
				return "has white space, a control character or a character beyond ASCII in its " + part.name
			}
		}
	}
	return ""
}

func deref(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// fetchCredentials fetches under the attempt's limit, so that a silent source does
// not hold up a call for ever.
func (c *Client) fetchCredentials(ctx context.Context) (secrets, error) {
	limited := ctx
	if c.credentials.fixed == nil { // a fetch: without one, spare the timer
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, c.attemptTimeout)
		defer cancel()
	}
	keys, err := c.credentials.get(limited)
	switch {
	case err == nil:
		c.sayCredentials(ctx, keys)
		return *keys, nil
	case ctx.Err() == nil && limited.Err() != nil:
		err = &credentialError{text: fmt.Sprintf("none within %v", c.attemptTimeout), temporary: true}
	}
	return secrets{}, err
}

// sayCredentials logs which source of the default chain has credentials, when they have
// changed.
func (c *Client) sayCredentials(ctx context.Context, keys *secrets) {
	if c.logCredentials == nil || keys.source == "" {
		return
	}
	if said := c.saidKeys.Load(); (said == nil || !said.same(*keys)) && c.saidKeys.CompareAndSwap(said, keys) {
		c.logCredentials(ctx, *keys)
	}
}

// renewCredentials has the default chain read anew after the service refused keys, at
// most once a minute, and reports whether the call fares differently now: with other
// keys, or by an error of the reading.
func (c *Client) renewCredentials(ctx context.Context, refused secrets) bool {
	if c.credentials.guard == nil {
		return false
	}
	limited, cancel := context.WithTimeout(ctx, c.attemptTimeout)
	defer cancel()
	return c.credentials.guard.renew(limited, refused)
}

// isStale reports a refusal of the credentials that others may pass. A signature that
// does not match is none: no secret of a key ever changes.
func isStale(err error) bool {
	return errors.Is(err, ErrUnauthenticated) && !errors.Is(err, ErrSignatureDoesNotMatch) && !errors.Is(err, ErrIncompleteSignature)
}
