package credential

import (
	"os"
	"strings"

	"github.com/aliyun/credentials-go/credentials/providers"
)

// The variables that credentials-go reads, as far as they decide which source counts.
const (
	envKeyID       = "ALIBABA_CLOUD_ACCESS_KEY_ID"
	envKeySecret   = "ALIBABA_CLOUD_ACCESS_KEY_SECRET"
	envToken       = "ALIBABA_CLOUD_SECURITY_TOKEN" //nolint:gosec // a name
	envOIDCToken   = "ALIBABA_CLOUD_OIDC_TOKEN"     //nolint:gosec // a name
	envOIDCFile    = "ALIBABA_CLOUD_OIDC_TOKEN_FILE"
	envOIDCARN     = "ALIBABA_CLOUD_OIDC_PROVIDER_ARN"
	envRoleARN     = "ALIBABA_CLOUD_ROLE_ARN"
	envConfigFile  = "ALIBABA_CLOUD_CONFIG_FILE"
	envNoCLI       = "ALIBABA_CLOUD_CLI_PROFILE_DISABLED"
	envCredentials = "ALIBABA_CLOUD_CREDENTIALS_FILE" //nolint:gosec // a name
	envProfile     = "ALIBABA_CLOUD_PROFILE"
	envRoleName    = "ALIBABA_CLOUD_ECS_METADATA"
	envNoMetadata  = "ALIBABA_CLOUD_ECS_METADATA_DISABLED"
	envURI         = "ALIBABA_CLOUD_CREDENTIALS_URI"
)

func isTrue(name string) bool { return strings.EqualFold(os.Getenv(name), "true") }

// environment reads the variables at each call, as credentials-go does.
type environment struct{}

func (environment) GetProviderName() string { return "env" }

func (environment) GetCredentials() (*providers.Credentials, error) {
	keys := &providers.Credentials{
		AccessKeyId:     os.Getenv(envKeyID),
		AccessKeySecret: os.Getenv(envKeySecret),
		SecurityToken:   os.Getenv(envToken),
	}
	switch {
	case keys.AccessKeyId == "" && keys.AccessKeySecret == "" && keys.SecurityToken == "":
		return nil, absent("%s is not set", envKeyID)
	case keys.AccessKeyId == "" && keys.AccessKeySecret == "":
		return nil, problem("%s is set, but %s and %s are not", envToken, envKeyID, envKeySecret)
	case keys.AccessKeyId == "":
		return nil, problem("%s is set, but %s is not", envKeySecret, envKeyID)
	case keys.AccessKeySecret == "":
		return nil, problem("%s is set, but %s is not", envKeyID, envKeySecret)
	}
	return keys, nil
}

func findEnvironment() (source, error) {
	open := func() (providers.CredentialsProvider, error) { return environment{}, nil }
	return source{name: "the environment variables", open: open}, nil
}

func findOIDC() (source, error) {
	token, file, arn := os.Getenv(envOIDCToken), os.Getenv(envOIDCFile), os.Getenv(envOIDCARN)
	if token == "" && file == "" && arn == "" {
		return source{}, absent("%s is not set", envOIDCFile)
	}
	open := func() (providers.CredentialsProvider, error) {
		for _, name := range []string{envOIDCARN, envRoleARN} {
			if os.Getenv(name) == "" {
				return nil, problem("%s is not set", name)
			}
		}
		if os.Getenv(envOIDCToken) == "" && os.Getenv(envOIDCFile) == "" {
			return nil, problem("%s is set, but neither %s nor %s is", envOIDCARN, envOIDCFile, envOIDCToken)
		}
		return built(providers.NewOIDCCredentialsProviderBuilder().Build())
	}
	return source{name: "OIDC by the environment variables", open: open}, nil
}

// metadata is the metadata service of an ECS instance. Off ECS nobody answers at its
// address, and without a role it has none to tell: then there is no such source.
type metadata struct {
	providers.CredentialsProvider
	named bool // the role's name is given, so there is a role
}

func (m metadata) GetCredentials() (*providers.Credentials, error) {
	keys, err := m.CredentialsProvider.GetCredentials()
	if err != nil && !m.named && saysNoRole(err.Error()) {
		return nil, absent("%v", err)
	}
	return keys, err
}

// saysNoRole goes by credentials-go's texts: it gives a failed request as net/http
// does, and an answer by its status.
func saysNoRole(text string) bool {
	status, answered := strings.CutPrefix(text, "get role name failed: GET ")
	return answered && strings.HasSuffix(status, " 404") ||
		strings.HasPrefix(text, `get role name failed: Get "`) || strings.HasPrefix(text, `get metadata token failed: Put "`)
}

func findRAMRole() (source, error) {
	if isTrue(envNoMetadata) {
		return source{}, absent("%s is true", envNoMetadata)
	}
	open := func() (providers.CredentialsProvider, error) {
		provider, err := built(providers.NewECSRAMRoleCredentialsProviderBuilder().Build())
		return metadata{provider, os.Getenv(envRoleName) != ""}, err
	}
	return source{name: "the ECS RAM role", open: open}, nil
}

func findURI() (source, error) {
	if os.Getenv(envURI) == "" {
		return source{}, absent("%s is not set", envURI)
	}
	open := func() (providers.CredentialsProvider, error) {
		return built(providers.NewURLCredentialsProviderBuilder().Build())
	}
	return source{name: "the credentials URI", open: open}, nil
}
