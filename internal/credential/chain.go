package credential

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aliyun/credentials-go/credentials/providers"
)

// noneFound begins the text of the error for a machine without any credentials.
const noneFound = "the default chain found none that work in the environment variables, OIDC, the CLI profile, " +
	"the credentials file, the ECS RAM role or the credentials URI: "

// sourceError says why a source that is there cannot be used. Its text quotes names and
// paths, and no contents.
type sourceError struct {
	text      string
	temporary bool // it may become usable by itself, as a file does that somebody is writing
}

func (e *sourceError) Error() string { return e.text }

func problem(format string, args ...any) error {
	return &sourceError{text: fmt.Sprintf(format, args...)}
}

func unfinished(format string, args ...any) error {
	return &sourceError{text: fmt.Sprintf(format, args...), temporary: true}
}

// absentError says why a source is not there.
type absentError struct{ reason string }

func (e *absentError) Error() string { return e.reason }

func absent(format string, args ...any) error {
	return &absentError{reason: fmt.Sprintf(format, args...)}
}

// source is one place that credentials come from.
type source struct {
	name string                                        // such as `profile "prod" of /root/.aliyun/config.json`
	open func() (providers.CredentialsProvider, error) // reads it anew
}

// finders look for the sources, in the chain's order. One that finds none returns an
// absentError.
func finders() []func() (source, error) {
	return []func() (source, error){findEnvironment, findOIDC, findCLIProfile, findCredentialsFile, findRAMRole, findURI}
}

// chain is the default chain. It looks for a source until one has credentials, and
// stays with that one: whom it acts as never depends on a failure. It is not safe for
// concurrent use.
type chain struct {
	find     []func() (source, error) // nil: the finders of the default chain
	source   source                   // no open function: none has had credentials yet
	provider providers.CredentialsProvider
}

// forget drops what was read. The next GetCredentials reads the same source anew, by
// the same name of a profile.
func (c *chain) forget() { c.provider = nil }

// GetProviderName returns "default".
func (c *chain) GetProviderName() string { return "default" }

// GetCredentials returns the current credentials. Their ProviderName is a text that
// names the source. What failed is read anew at the next call.
func (c *chain) GetCredentials() (*providers.Credentials, error) {
	if c.source.open != nil {
		return c.ask(c.source)
	}
	var reasons []string
	find := c.find
	if find == nil {
		find = finders()
	}
	for _, find := range find {
		found, err := find()
		var keys *providers.Credentials
		if err == nil {
			keys, err = c.ask(found)
		}
		if missing, ok := errors.AsType[*absentError](err); ok {
			reasons = append(reasons, missing.reason)
			continue
		}
		if err == nil {
			c.source = found
		}
		return keys, err
	}
	return nil, problem("%s%s", noneFound, strings.Join(reasons, ", "))
}

func (c *chain) ask(s source) (*providers.Credentials, error) {
	if c.provider == nil {
		provider, err := s.open()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		c.provider = provider
	}
	keys, err := c.provider.GetCredentials()
	if err != nil {
		c.provider = nil
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	named := *keys
	named.ProviderName = s.name
	return &named, nil
}

// built returns what a builder of credentials-go has built. Its errors are of the
// configuration, and hold none of it.
func built[P providers.CredentialsProvider](provider P, err error) (providers.CredentialsProvider, error) {
	if err != nil {
		return nil, problem("%v", err)
	}
	return provider, nil
}
