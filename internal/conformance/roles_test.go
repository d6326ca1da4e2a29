package conformance_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	openapiutil "github.com/alibabacloud-go/darabonba-openapi/v2/utils"
	"github.com/aliyun/credentials-go/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// roles hands out temporary keys, each time another, and lets only the last one
// into the service.
type roles struct {
	t      *testing.T
	server *ecstest.Server
	lives  time.Duration // a key
	given  atomic.Int64
}

func newRoles(t *testing.T, lives time.Duration) *roles {
	t.Helper()
	return &roles{t: t, server: newService(t, ecstest.Options{}), lives: lives}
}

func (r *roles) current() key {
	n := r.given.Load()
	return key{id: fmt.Sprintf("STS.role%d", n), secret: fmt.Sprintf("secret/+%d", n), token: fmt.Sprintf("CAIS+/=%d", n)}
}

// next is a new key in the fields that all the sources of temporary keys have.
func (r *roles) next() map[string]any {
	r.given.Add(1)
	k := r.current()
	assert.NoError(r.t, r.server.RotateKey(k.id, k.secret, k.token))
	return map[string]any{
		"Code": "Success", "AccessKeyId": k.id, "AccessKeySecret": k.secret, "SecurityToken": k.token,
		"Expiration": time.Now().Add(r.lives).UTC().Format("2006-01-02T15:04:05Z"),
	}
}

func (r *roles) reply(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	assert.NoError(r.t, json.NewEncoder(w).Encode(value))
}

// atOnce is how long a key lives that credentials-go replaces before each use.
const atOnce = 170 * time.Second

// forEachLife runs a test with keys that last and with keys that do not.
func forEachLife(t *testing.T, test func(t *testing.T, r *roles)) {
	t.Helper()
	for name, lives := range map[string]time.Duration{"lasting": time.Hour, "renewed": atOnce} {
		t.Run(name, func(t *testing.T) { test(t, newRoles(t, lives)) })
	}
}

// assertUsed checks that each call comes with the key of the moment, and that the
// source is asked as often as it has to be.
func (r *roles) assertUsed(client *ecsreboot.Client) {
	r.t.Helper()
	for n := range int64(3) {
		_, err := client.RebootInstance(r.t.Context(), dryRun)
		require.NoError(r.t, err)
		k := r.current()
		calls := r.server.Calls()
		require.Len(r.t, calls, int(n)+1)
		assert.Equal(r.t, key{id: k.id, token: k.token}, inUse(calls[n]))
		want := int64(1)
		if r.lives == atOnce {
			want = n + 1
		}
		assert.Equal(r.t, want, r.given.Load())
	}
	_, err := client.RebootInstance(r.t.Context(), restart)
	require.NoError(r.t, err)
	assert.Equal(r.t, 1, r.server.Reboots(id))
}

func TestCredentialsOfURI(t *testing.T) {
	uri := func(r *roles) string {
		source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { r.reply(w, r.next()) }))
		r.t.Cleanup(source.Close)
		return source.URL
	}
	t.Run("config", func(t *testing.T) {
		forEachLife(t, func(t *testing.T, r *roles) {
			intercept(t, nil, nil)
			r.assertUsed(ofConfig(t, r.server, new(credentials.Config).SetType("credentials_uri").SetURLCredential(uri(r))))
		})
	})
	t.Run("environment", func(t *testing.T) {
		forEachLife(t, func(t *testing.T, r *roles) {
			intercept(t, nil, nil)
			t.Setenv("ALIBABA_CLOUD_CREDENTIALS_URI", uri(r))
			r.assertUsed(ofChain(t, r.server))
		})
	})
	t.Run("refuses", func(t *testing.T) {
		intercept(t, nil, nil)
		source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"AccessKeySecret":"leaked"}`, http.StatusForbidden)
		}))
		defer source.Close()
		server := newService(t, ecstest.Options{})
		_, err := ofConfig(t, server, new(credentials.Config).SetType("credentials_uri").SetURLCredential(source.URL)).RebootInstance(t.Context(), restart)
		require.ErrorIs(t, err, ecsreboot.ErrCredentials)
		require.ErrorIs(t, err, ecsreboot.ErrNotSent)
		assert.NotContains(t, err.Error(), "leaked")
		assert.Empty(t, server.Calls())
	})
}

// metadata is the metadata service of an instance with a role. It is reached as a
// proxy, for its address cannot be changed.
func metadata(r *roles) (proxy string) {
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		const token, secrets = "metadata-token", "/latest/meta-data/ram/security-credentials/"
		assert.Equal(r.t, "100.100.100.200", req.Host)
		switch {
		case req.Method == http.MethodPut && req.URL.Path == "/latest/api/token":
			assert.NotEmpty(r.t, req.Header.Get("X-aliyun-ecs-metadata-token-ttl-seconds"))
			_, _ = io.WriteString(w, token)
		case req.Header.Get("X-aliyun-ecs-metadata-token") != token:
			http.Error(w, "no token", http.StatusForbidden)
		case req.URL.Path == secrets:
			_, _ = io.WriteString(w, "operator")
		case req.URL.Path == secrets+"operator":
			r.reply(w, r.next())
		default:
			http.NotFound(w, req)
		}
	}))
	r.t.Cleanup(source.Close)
	return source.URL
}

func TestCredentialsOfInstanceRole(t *testing.T) {
	t.Run("config", func(t *testing.T) {
		// This source alone renews its keys with an hour to go.
		r := newRoles(t, 6*time.Hour)
		intercept(t, map[string]string{"100.100.100.200": metadata(r)}, nil)
		t.Setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "false")
		r.assertUsed(ofConfig(t, r.server, new(credentials.Config).SetType("ecs_ram_role").SetRoleName("operator").SetDisableIMDSv1(true)))
	})
	t.Run("chain", func(t *testing.T) {
		r := newRoles(t, 6*time.Hour)
		intercept(t, map[string]string{"100.100.100.200": metadata(r)}, nil)
		t.Setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "false")
		r.assertUsed(ofChain(t, r.server))
	})
	t.Run("CLI profile", func(t *testing.T) {
		r := newRoles(t, 6*time.Hour)
		intercept(t, map[string]string{"100.100.100.200": metadata(r)}, nil)
		t.Setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "false")
		t.Setenv("ALIBABA_CLOUD_CONFIG_FILE", writeFile(t, "config.json", cliProfiles(t,
			map[string]any{"name": "default", "mode": "EcsRamRole", "ram_role_name": "operator"})))
		r.assertUsed(ofChain(t, r.server))
	})
}

const (
	roleARN     = "acs:ram::1234567890123456:role/operator"
	providerARN = "acs:ram::1234567890123456:oidc-provider/cluster"
	idToken     = "eyJhbGciOiJub25lIn0.e30."
)

// sts is the Security Token Service: AssumeRole for those who hold the key, and
// AssumeRoleWithOIDC for those who hold the id token. It returns its address, and
// a proxy through which it passes for the real one.
func sts(r *roles, ca *authority, source key) (endpoint, proxy string) {
	service := ca.serve(r.t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		assert.NoError(r.t, req.ParseForm())
		signed := make(map[string]*string)
		for name, values := range req.Form {
			signed[name] = &values[0]
		}
		delete(signed, "Signature")
		refuse := func(code string) {
			w.WriteHeader(http.StatusForbidden)
			r.reply(w, map[string]string{"Code": code, "RequestId": "5"})
		}
		switch {
		case req.Form.Get("RoleArn") != roleARN:
			refuse("NoPermission")
		case req.Form.Get("Action") == "AssumeRoleWithOIDC":
			if req.Form.Get("OIDCToken") != idToken || req.Form.Get("OIDCProviderArn") != providerARN {
				refuse("AuthenticationFail.OIDCToken.Invalid")
				return
			}
			r.reply(w, map[string]any{"RequestId": "6", "Credentials": r.next()})
		case req.Form.Get("Action") == "AssumeRole":
			if req.Form.Get("AccessKeyId") != source.id || req.Form.Get("SecurityToken") != source.token ||
				req.Form.Get("Signature") != *openapiutil.GetRPCSignature(signed, new(req.Method), new(source.secret)) {
				refuse("SignatureDoesNotMatch")
				return
			}
			r.reply(w, map[string]any{"RequestId": "7", "Credentials": r.next()})
		default:
			refuse("InvalidAction.NotFound")
		}
	}), "sts.aliyuncs.com")
	endpoint = strings.TrimPrefix(service.URL, "https://")
	return endpoint, newConnectProxy(r.t, "", "", endpoint).URL
}

func TestCredentialsOfOIDC(t *testing.T) {
	ca := newAuthority(t)
	t.Run("config", func(t *testing.T) {
		forEachLife(t, func(t *testing.T, r *roles) {
			endpoint, _ := sts(r, ca, key{})
			intercept(t, nil, ca.pool)
			r.assertUsed(ofConfig(t, r.server, new(credentials.Config).SetType("oidc_role_arn").SetRoleArn(roleARN).
				SetOIDCProviderArn(providerARN).SetOIDCTokenFilePath(writeFile(t, "token", idToken)).SetRoleSessionName("test").SetSTSEndpoint(endpoint)))
		})
	})
	t.Run("environment", func(t *testing.T) {
		forEachLife(t, func(t *testing.T, r *roles) {
			_, proxy := sts(r, ca, key{})
			intercept(t, map[string]string{"sts.aliyuncs.com": proxy}, ca.pool)
			t.Setenv("ALIBABA_CLOUD_ROLE_ARN", roleARN)
			t.Setenv("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", providerARN)
			t.Setenv("ALIBABA_CLOUD_OIDC_TOKEN_FILE", writeFile(t, "token", idToken))
			r.assertUsed(ofChain(t, r.server))
		})
	})
	t.Run("wrong token", func(t *testing.T) {
		r := newRoles(t, time.Hour)
		endpoint, _ := sts(r, ca, key{})
		intercept(t, nil, ca.pool)
		_, err := ofConfig(t, r.server, new(credentials.Config).SetType("oidc_role_arn").SetRoleArn(roleARN).
			SetOIDCProviderArn(providerARN).SetOIDCTokenFilePath(writeFile(t, "token", "another")).SetSTSEndpoint(endpoint)).RebootInstance(t.Context(), restart)
		require.ErrorIs(t, err, ecsreboot.ErrCredentials)
		assert.ErrorContains(t, err, "AuthenticationFail.OIDCToken.Invalid")
		assert.Empty(t, r.server.Calls())
	})
}

func TestCredentialsOfAssumedRole(t *testing.T) {
	ca := newAuthority(t)
	for _, name := range []string{"access key", "STS token"} {
		source := keys[name]
		t.Run("config/"+name, func(t *testing.T) {
			forEachLife(t, func(t *testing.T, r *roles) {
				endpoint, _ := sts(r, ca, source)
				intercept(t, nil, ca.pool)
				r.assertUsed(ofConfig(t, r.server, new(credentials.Config).SetType("ram_role_arn").SetRoleArn(roleARN).SetRoleSessionName("test").
					SetAccessKeyId(source.id).SetAccessKeySecret(source.secret).SetSecurityToken(source.token).SetSTSEndpoint(endpoint)))
			})
		})
	}
	ak := keys["access key"]
	assuming := map[string]any{"mode": "RamRoleArn", "name": "default", "access_key_id": ak.id, "access_key_secret": ak.secret, "ram_role_arn": roleARN, "ram_session_name": "test", "expired_seconds": 900}
	chained := map[string]any{"mode": "ChainableRamRoleArn", "name": "default", "source_profile": "source", "ram_role_arn": roleARN, "ram_session_name": "test", "expired_seconds": 900}
	for name, profiles := range map[string][]map[string]any{
		"CLI profile":         {assuming},
		"chained CLI profile": {chained, {"mode": "AK", "name": "source", "access_key_id": ak.id, "access_key_secret": ak.secret}},
	} {
		t.Run(name, func(t *testing.T) {
			forEachLife(t, func(t *testing.T, r *roles) {
				_, proxy := sts(r, ca, ak)
				intercept(t, map[string]string{"sts.aliyuncs.com": proxy}, ca.pool)
				var copies []map[string]any
				for _, p := range profiles {
					copies = append(copies, maps.Clone(p))
				}
				t.Setenv("ALIBABA_CLOUD_CONFIG_FILE", writeFile(t, "config.json", cliProfiles(t, copies...)))
				r.assertUsed(ofChain(t, r.server))
			})
		})
	}
}
