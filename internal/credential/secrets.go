package credential

import (
	"fmt"
	"io"
	"slices"

	"github.com/aliyun/credentials-go/credentials"

	"github.com/ecsreboot/ecsreboot/internal/redact"
)

// Secrets is one consistent set of credentials, copied out of a
// [credentials.CredentialModel]. It holds either a key pair, with a security token if
// the pair is temporary, or a bearer token, never both.
//
// Its fields have accessors because an exported field is printed by encoders. A
// Secrets is comparable.
type Secrets struct {
	accessKeyID, accessKeySecret, securityToken string
	bearerToken                                 string

	source string // of the default chain, or the profile of OfProfile; empty for another credential
}

// AccessKey returns the Secrets of a key pair. Those of a pair that is not temporary
// have no security token.
func AccessKey(id, secret, securityToken string) Secrets {
	return Secrets{accessKeyID: id, accessKeySecret: secret, securityToken: securityToken}
}

// BearerToken returns the Secrets of a bearer token.
func BearerToken(token string) Secrets { return Secrets{bearerToken: token} }

// AccessKeyID returns the id of the key pair, or "".
func (s Secrets) AccessKeyID() string { return s.accessKeyID }

// AccessKeySecret returns the secret of the key pair, or "".
func (s Secrets) AccessKeySecret() string { return s.accessKeySecret }

// SecurityToken returns the token of a temporary key pair, or "".
func (s Secrets) SecurityToken() string { return s.securityToken }

// BearerToken returns the bearer token, or "".
func (s Secrets) BearerToken() string { return s.bearerToken }

// Source names the source of the default chain that the Secrets are from, or the profile
// of [OfProfile]. It is "" for any other credential.
func (s Secrets) Source() string { return s.source }

// Same reports whether s and other are the same credentials, whatever their source.
func (s Secrets) Same(other Secrets) bool {
	s.source, other.source = "", ""
	return s == other
}

// Scrubber returns a scrubber that knows the Secrets and whatever else is given, such as
// the signature that was made with them.
func (s Secrets) Scrubber(more ...string) *redact.Scrubber {
	return redact.New(s.accessKeyID, slices.Concat(s.values(), more)...)
}

// And returns more strings with those of the Secrets that are secret added.
func (s Secrets) And(more []string) []string { return append(more, s.values()...) }

func (s Secrets) values() []string {
	return []string{s.accessKeySecret, s.securityToken, s.bearerToken}
}

// Format writes the same as String for every verb. To encoding/json, Secrets are an
// empty object.
func (s Secrets) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// String says which key it is, masked, and what else there is.
func (s Secrets) String() string {
	switch {
	case s.bearerToken != "":
		return "bearer token"
	case s.securityToken != "":
		return "access key " + redact.KeyID(s.accessKeyID) + " with security token"
	case s.accessKeyID != "" || s.accessKeySecret != "":
		return "access key " + redact.KeyID(s.accessKeyID)
	}
	return "no credentials"
}

// keysOf copies the secrets out of a model, or says what is wrong with it. The
// contents decide, for the default chain calls every kind "default"; only a
// model that calls itself a bearer's has any keys in it ignored.
func keysOf(model *credentials.CredentialModel) (keys *Secrets, problem string) {
	if model == nil {
		return nil, "has nothing in it"
	}
	keys = &Secrets{
		accessKeyID:     deref(model.AccessKeyId),
		accessKeySecret: deref(model.AccessKeySecret),
		securityToken:   deref(model.SecurityToken),
		bearerToken:     deref(model.BearerToken),
	}
	switch {
	case deref(model.Type) == "bearer":
		keys = &Secrets{bearerToken: keys.bearerToken}
		if keys.bearerToken == "" {
			return nil, "is a bearer's but has no bearer token"
		}
	case keys.accessKeyID != "" || keys.accessKeySecret != "":
		keys.bearerToken = ""
	case keys.bearerToken != "":
		keys = &Secrets{bearerToken: keys.bearerToken}
	}
	return keys, problemOf(keys)
}

// problemOf says which part is missing or unusable, never its value.
func problemOf(keys *Secrets) string {
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
