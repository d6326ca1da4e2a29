package credential

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aliyun/credentials-go/credentials/providers"
)

// profile is one of config.json, as Alibaba Cloud CLI writes it.
type profile struct {
	Name             string `json:"name"`
	Mode             string `json:"mode"`
	KeyID            string `json:"access_key_id"`
	KeySecret        string `json:"access_key_secret"`
	Token            string `json:"sts_token"`
	RoleARN          string `json:"ram_role_arn"`
	SessionName      string `json:"ram_session_name"`
	Seconds          int    `json:"expired_seconds"`
	STSRegion        string `json:"sts_region"`
	VPC              bool   `json:"enable_vpc"`
	SourceProfile    string `json:"source_profile"`
	RoleName         string `json:"ram_role_name"`
	OIDCFile         string `json:"oidc_token_file"`
	OIDCToken        string `json:"oidc_token"`
	OIDCProviderARN  string `json:"oidc_provider_arn"`
	Policy           string `json:"policy"`
	ExternalID       string `json:"external_id"`
	SSOSignInURL     string `json:"cloud_sso_sign_in_url"`
	SSOAccount       string `json:"cloud_sso_account_id"`
	SSOAccessConfig  string `json:"cloud_sso_access_config"`
	SSOToken         string `json:"access_token"`
	SSOTokenExpires  int64  `json:"cloud_sso_access_token_expire"`
	Region           string `json:"region_id"`
	OAuthSite        string `json:"oauth_site_type"`
	OAuthToken       string `json:"oauth_access_token"`
	OAuthTokenExpire int64  `json:"oauth_access_token_expire"`
	Command          string `json:"process_command"`
}

// config is a config.json.
type config struct {
	Current  string     `json:"current"`
	Profiles []*profile `json:"profiles"`
}

func profileOf(name, path string) string { return fmt.Sprintf("profile %q of %s", name, path) }

// findCLIProfile finds the profile that counts at first. From then on its name stays,
// whichever profile becomes the current one.
func findCLIProfile() (source, error) {
	if isTrue(envNoCLI) {
		return source{}, absent("%s is true", envNoCLI)
	}
	path, given := configFile()
	if err := lookFor(path, envConfigFile, given); err != nil {
		return source{}, err
	}
	conf, err := readConfig(path)
	if err != nil {
		return source{}, fmt.Errorf("%s: %w", path, err)
	}
	name := os.Getenv(envProfile)
	switch {
	case name != "" && conf.find(name) == nil:
		return source{}, problem("%s names profile %q, which %q does not have; %s=true ignores the file", envProfile, name, path, envNoCLI)
	case name == "":
		name = conf.Current
	}
	return cliProfile(name, path), nil
}

// cliProfile is a profile of a config.json.
func cliProfile(name, path string) source {
	open := func() (providers.CredentialsProvider, error) {
		conf, err := readConfig(path)
		if err != nil {
			return nil, err
		}
		return conf.provider(name, nil)
	}
	return source{name: profileOf(name, path), open: open}
}

func readConfig(path string) (*config, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	conf := new(config)
	err = json.Unmarshal(data, conf)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return nil, problem("its field %s is of another type", wrong.Field)
	}
	if err != nil { // what it says may quote the file
		return nil, unfinished("it is not valid JSON, or not whole")
	}
	return conf, nil
}

func (c *config) find(name string) *profile {
	i := slices.IndexFunc(c.Profiles, func(p *profile) bool { return p != nil && p.Name == name })
	if i < 0 {
		return nil
	}
	return c.Profiles[i]
}

// provider returns what credentials-go has for a profile. Profiles that lead from one
// to the next by source_profile must come to an end: credentials-go itself would
// follow a loop until the stack overflows, which ends the process.
func (c *config) provider(name string, via []string) (providers.CredentialsProvider, error) {
	if slices.Contains(via, name) {
		quoted := make([]string, 0, len(via)+1)
		for _, step := range append(via, name) {
			quoted = append(quoted, fmt.Sprintf("%q", step))
		}
		return nil, problem("source_profile leads in a loop: %s", strings.Join(quoted, " -> "))
	}
	p := c.find(name)
	if p == nil {
		return nil, problem("there is no profile %q", name)
	}
	if missing := p.missing(); missing != "" {
		return nil, problem("profile %q has mode %s, but no %s", name, p.Mode, missing)
	}
	switch p.Mode {
	case "AK":
		return p.key()
	case "StsToken":
		return built(providers.NewStaticSTSCredentialsProviderBuilder().
			WithAccessKeyId(p.KeyID).WithAccessKeySecret(p.KeySecret).WithSecurityToken(p.Token).Build())
	case "RamRoleArn":
		key, err := p.key()
		if err != nil {
			return nil, err
		}
		return p.role(key)
	case "ChainableRamRoleArn":
		before, err := c.provider(p.SourceProfile, append(via, name))
		if err != nil {
			return nil, err
		}
		return p.role(before)
	case "EcsRamRole":
		return built(providers.NewECSRAMRoleCredentialsProviderBuilder().WithRoleName(p.RoleName).Build())
	case "OIDC":
		return built(providers.NewOIDCCredentialsProviderBuilder().
			WithOIDCToken(p.OIDCToken).WithOIDCTokenFilePath(p.OIDCFile).WithOIDCProviderARN(p.OIDCProviderARN).
			WithRoleArn(p.RoleARN).WithRoleSessionName(p.SessionName).WithDurationSeconds(p.Seconds).
			WithStsRegionId(p.STSRegion).WithEnableVpc(p.VPC).WithPolicy(p.Policy).Build())
	case "CloudSSO":
		return built(providers.NewCloudSSOCredentialsProviderBuilder().
			WithSignInUrl(p.SSOSignInURL).WithAccountId(p.SSOAccount).WithAccessConfig(p.SSOAccessConfig).
			WithAccessToken(p.SSOToken).WithAccessTokenExpire(p.SSOTokenExpires).Build())
	case "OAuth":
		return p.oauth(time.Now())
	case "External":
		return newExternal(p.Command)
	}
	return nil, problem("profile %q has the mode %q, which is not supported", name, p.Mode)
}

// missing names a field that the profile's mode needs and does not have. Builders of
// credentials-go would fill it from the environment, with a part of another identity.
func (p *profile) missing() string {
	type field struct{ name, value string }
	id, secret := field{"access_key_id", p.KeyID}, field{"access_key_secret", p.KeySecret}
	needed := map[string][]field{
		"AK":                  {id, secret},
		"StsToken":            {id, secret, {"sts_token", p.Token}},
		"RamRoleArn":          {id, secret, {"ram_role_arn", p.RoleARN}},
		"ChainableRamRoleArn": {{"source_profile", p.SourceProfile}, {"ram_role_arn", p.RoleARN}},
		"OIDC":                {{"oidc_token_file", p.OIDCFile + p.OIDCToken}, {"oidc_provider_arn", p.OIDCProviderARN}, {"ram_role_arn", p.RoleARN}},
		"External":            {{"process_command", p.Command}},
	}
	for _, f := range needed[p.Mode] {
		if f.value == "" {
			return f.name
		}
	}
	return ""
}

func (p *profile) key() (providers.CredentialsProvider, error) {
	return built(providers.NewStaticAKCredentialsProviderBuilder().WithAccessKeyId(p.KeyID).WithAccessKeySecret(p.KeySecret).Build())
}

func (p *profile) role(of providers.CredentialsProvider) (providers.CredentialsProvider, error) {
	return built(providers.NewRAMRoleARNCredentialsProviderBuilder().WithCredentialsProvider(of).
		WithRoleArn(p.RoleARN).WithRoleSessionName(p.SessionName).WithDurationSeconds(p.Seconds).
		WithStsRegionId(p.STSRegion).WithEnableVpc(p.VPC).WithPolicy(p.Policy).WithExternalId(p.ExternalID).Build())
}

// oauth uses the access token as it stands. Given the refresh token as well,
// credentials-go would spend it, rewrite config.json with fewer fields than it had,
// and report a failure of that on standard output.
func (p *profile) oauth(now time.Time) (providers.CredentialsProvider, error) {
	address := map[string]string{"CN": "https://oauth.aliyun.com", "INTL": "https://oauth.alibabacloud.com"}[strings.ToUpper(p.OAuthSite)]
	switch {
	case address == "":
		return nil, problem("its oauth_site_type is neither CN nor INTL")
	case p.OAuthToken == "" || p.OAuthTokenExpire <= now.Unix():
		return nil, problem("its OAuth access token has expired: any call of the aliyun command renews it")
	}
	return built(providers.NewOAuthCredentialsProviderBuilder().WithSignInUrl(address).
		WithClientId("unused"). // needed for a refresh only
		WithAccessToken(p.OAuthToken).WithAccessTokenExpire(p.OAuthTokenExpire).Build())
}
