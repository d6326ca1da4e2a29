package acceptance_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// inRenewal runs a test in a bubble: a service that accepts the key of the chain's
// source, and a client that has used it once.
func inRenewal(t *testing.T, options ecstest.Options, prepare func(h home), test func(t *testing.T, h home, server *ecstest.Server, client *ecsreboot.Client)) {
	t.Helper()
	h := newHome(t)
	prepare(h)
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(30 * time.Second)
		server := newService(t, options)
		client := chainClient(t, server)
		_, err := list(t.Context(), client, id)
		require.NoError(t, err)
		test(t, h, server, client)
	})
}

// newToken makes the service refuse the token of before, and the file have the new one.
func newToken(t *testing.T, h home, server *ecstest.Server, token string) {
	t.Helper()
	require.NoError(t, server.RotateKey(chainKey, chainSecret, token))
	h.config(profiles(stsProfile("p", token)))
}

func chainProfile(h home) { h.config(profiles(stsProfile("p", chainToken))); h.somebodyElse() }

// Refused credentials are read anew and the call made once more, whatever it asks for.
func TestRefusedCredentialsAreReadAnew(t *testing.T) {
	for name, options := range map[string]ecstest.Options{
		"InvalidSecurityToken.Expired": chainOptions,
		"InvalidParameter":             {AccessKeyID: chainKey, AccessKeySecret: chainSecret, SecurityToken: chainToken, LegacyErrors: true},
	} {
		for what, call := range map[string]func(t *testing.T, client *ecsreboot.Client) error{
			"restart": func(t *testing.T, client *ecsreboot.Client) error {
				_, err := client.RebootInstance(t.Context(), request)
				return err
			},
			"dry run": func(t *testing.T, client *ecsreboot.Client) error {
				_, err := client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: true})
				return err
			},
			"read": func(t *testing.T, client *ecsreboot.Client) error {
				_, err := list(t.Context(), client, id)
				return err
			},
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				inRenewal(t, options, chainProfile, func(t *testing.T, h home, server *ecstest.Server, client *ecsreboot.Client) {
					newToken(t, h, server, "new-token")
					server.ForgetCalls()
					require.NoError(t, call(t, client))
					assert.Len(t, server.Calls(), 2)
					if what == "restart" {
						assert.Equal(t, 1, server.Reboots(id))
					}
				})
			})
		}
	}
	t.Run("InvalidAccessKeyId.Inactive", func(t *testing.T) {
		prepare := func(h home) { h.config(profiles(keyProfile("p", "LTAIfirst", "secret"))) }
		inRenewal(t, ecstest.Options{AccessKeyID: "LTAIfirst", AccessKeySecret: "secret"}, prepare, func(t *testing.T, h home, server *ecstest.Server, client *ecsreboot.Client) {
			require.NoError(t, server.RotateKey("LTAIsecond", "secret", ""))
			h.config(profiles(keyProfile("p", "LTAIsecond", "secret")))
			_, err := client.RebootInstance(t.Context(), request)
			require.NoError(t, err)
			assert.Equal(t, 1, server.Reboots(id))
		})
	})
	t.Run("credentials file", func(t *testing.T) {
		ini := func(id string) string {
			return "[default]\ntype=access_key\naccess_key_id=" + id + "\naccess_key_secret=secret\n"
		}
		prepare := func(h home) { h.ini(ini("LTAIfirst")) }
		inRenewal(t, ecstest.Options{AccessKeyID: "LTAIfirst", AccessKeySecret: "secret"}, prepare, func(t *testing.T, h home, server *ecstest.Server, client *ecsreboot.Client) {
			require.NoError(t, server.RotateKey("LTAIsecond", "secret", ""))
			h.ini(ini("LTAIsecond"))
			_, err := client.RebootInstance(t.Context(), request)
			require.NoError(t, err)
			assert.Equal(t, 1, server.Reboots(id))
		})
	})
}

// If the new ones are refused too, the call ends; and the file is read at most once a
// minute.
func TestRenewalIsLimited(t *testing.T) {
	inRenewal(t, chainOptions, chainProfile, func(t *testing.T, h home, server *ecstest.Server, client *ecsreboot.Client) {
		requests := func() int {
			server.ForgetCalls()
			_, err := client.RebootInstance(t.Context(), request)
			require.ErrorIs(t, err, ecsreboot.ErrInvalidSecurityTokenExpired)
			require.ErrorIs(t, err, ecsreboot.ErrRejected)
			return len(server.Calls())
		}
		newToken(t, h, server, "second")
		newToken(t, h, server, "third")
		h.config(profiles(stsProfile("p", "second")))
		assert.Equal(t, 2, requests(), "the file has a token that has expired as well")
		assert.Equal(t, 1, requests(), "within the minute")
		time.Sleep(59 * time.Second)
		assert.Equal(t, 1, requests(), "within the minute")
		time.Sleep(time.Second)
		assert.Equal(t, 1, requests(), "the file still has the same")
		h.config(profiles(stsProfile("p", "third")))
		assert.Equal(t, 1, requests(), "within the next minute")
		time.Sleep(time.Minute)
		_, err := client.RebootInstance(t.Context(), request)
		require.NoError(t, err)
		assert.Equal(t, 1, server.Reboots(id))
	})
}

// A client that never retries reads anew for the next call.
func TestRenewalWithoutRetries(t *testing.T) {
	h := newHome(t)
	chainProfile(h)
	server := newSocketService(t, chainOptions)
	client := chainClient(t, server, ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{MaxAttempts: -1}))
	_, err := list(t.Context(), client, id)
	require.NoError(t, err)
	newToken(t, h, server, "second")
	server.ForgetCalls()
	_, err = client.RebootInstance(t.Context(), request)
	require.ErrorIs(t, err, ecsreboot.ErrInvalidSecurityTokenExpired)
	assert.Len(t, server.Calls(), 1)
	_, err = client.RebootInstance(t.Context(), request)
	require.NoError(t, err)
	assert.Equal(t, 1, server.Reboots(id))
}

// What is read anew is the source of before, by the same name, and nothing else.
func TestRenewalKeepsTheSource(t *testing.T) {
	accepted := ecstest.Options{AccessKeyID: otherKey, AccessKeySecret: otherSecret}
	other := keyProfile("other", otherKey, otherSecret)
	for name, c := range map[string]struct {
		prepare func(h home)
		change  func(h home)
		says    string // empty: it is the refusal that returns
	}{
		"the file is gone": {chainProfile, func(h home) { require.NoError(h.t, os.Remove(filepath.Join(h.path, ".aliyun/config.json"))) }, "config.json"},
		"another profile is current": {
			chainProfile, func(h home) { h.config(profiles(other, stsProfile("p", chainToken))) }, "",
		},
		"the profile is gone": {chainProfile, func(h home) { h.config(profiles(other)) }, `profile "p"`},
		"a key in the environment": {chainProfile, func(h home) {
			h.t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", otherKey)
			h.t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", otherSecret)
		}, ""},
		"the environment is empty": {
			func(h home) {
				h.somebodyElse()
				h.t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", chainKey)
				h.t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", chainSecret)
				h.t.Setenv("ALIBABA_CLOUD_SECURITY_TOKEN", chainToken)
			},
			func(home) {
				for _, name := range []string{"ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SECURITY_TOKEN"} {
					os.Unsetenv("ALIBABA_CLOUD_" + name)
				}
			}, "the environment variables",
		},
		"another credentials file": {
			func(h home) {
				h.ini(fmt.Sprintf("[default]\ntype=access_key\naccess_key_id=%s\naccess_key_secret=%s\n", chainKey, chainSecret))
			},
			func(h home) {
				h.t.Setenv("ALIBABA_CLOUD_CREDENTIALS_FILE", h.write("other", fmt.Sprintf("[default]\ntype=access_key\naccess_key_id=%s\naccess_key_secret=%s\n", otherKey, otherSecret)))
			}, "names another file now",
		},
	} {
		t.Run(name, func(t *testing.T) {
			options := chainOptions
			if name == "another credentials file" {
				options.SecurityToken = ""
			}
			inRenewal(t, options, c.prepare, func(t *testing.T, h home, server *ecstest.Server, client *ecsreboot.Client) {
				require.NoError(t, server.RotateKey(accepted.AccessKeyID, accepted.AccessKeySecret, ""))
				c.change(h)
				for range 2 {
					_, err := client.RebootInstance(t.Context(), request)
					if c.says == "" {
						require.ErrorIs(t, err, ecsreboot.ErrUnauthenticated)
					} else {
						require.ErrorIs(t, err, ecsreboot.ErrCredentials)
						require.ErrorContains(t, err, c.says)
					}
					time.Sleep(2 * time.Minute)
				}
				assert.Zero(t, server.Reboots(id))
			})
		})
	}
}

// Credentials of the caller's, and a signature that does not match, are left alone.
func TestWhatIsNotRenewed(t *testing.T) {
	t.Run("the caller's", func(t *testing.T) {
		h := newHome(t)
		credential, err := credentials.NewCredential(new(credentials.Config).SetType("sts").
			SetAccessKeyId(chainKey).SetAccessKeySecret(chainSecret).SetSecurityToken(chainToken))
		require.NoError(t, err)
		server := newSocketService(t, chainOptions)
		for _, given := range []credentials.Credential{credential, &countedCredential{Credential: credential}} {
			client := chainClient(t, server, ecsreboot.WithCredential(given))
			newToken(t, h, server, "second")
			server.ForgetCalls()
			_, err = client.RebootInstance(t.Context(), request)
			require.ErrorIs(t, err, ecsreboot.ErrUnauthenticated)
			assert.Len(t, server.Calls(), 1)
			if counted, ok := given.(*countedCredential); ok {
				assert.EqualValues(t, 1, counted.fetches.Load())
			}
		}
	})
	t.Run("signature", func(t *testing.T) {
		inRenewal(t, chainOptions, chainProfile, func(t *testing.T, h home, server *ecstest.Server, client *ecsreboot.Client) {
			inject(server, ecstest.Fault{Kind: ecstest.FaultError, Code: "SignatureDoesNotMatch"})
			h.config(profiles(stsProfile("p", "second")))
			server.ForgetCalls()
			_, err := client.RebootInstance(t.Context(), request)
			require.ErrorIs(t, err, ecsreboot.ErrSignatureDoesNotMatch)
			assert.Len(t, server.Calls(), 1)
		})
	})
}

type countedCredential struct {
	credentials.Credential
	fetches atomic.Int64
}

func (c *countedCredential) GetCredential() (*credentials.CredentialModel, error) {
	c.fetches.Add(1)
	return c.Credential.GetCredential()
}

// Many calls that are refused at once share one renewal.
func TestRenewalIsShared(t *testing.T) {
	const calls = 30
	h := newHome(t)
	var fetches, sent, refused atomic.Int64
	allSent, allRefused := make(chan struct{}), make(chan struct{})
	var token atomic.Value
	token.Store(chainToken)
	uri := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if fetches.Add(1) == 2 {
			<-allRefused
		}
		fmt.Fprintf(w, `{"AccessKeyId":%q,"AccessKeySecret":%q,"SecurityToken":%q,"Expiration":"2999-01-01T00:00:00Z"}`, chainKey, chainSecret, token.Load())
	}))
	t.Cleanup(uri.Close)
	h.t.Setenv("ALIBABA_CLOUD_CREDENTIALS_URI", uri.URL)
	server := newSocketService(t, chainOptions)
	// The calls are sent together, and the new credentials come when all are refused.
	client := chainClient(t, server, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
		if req.Header.Get("X-Acs-Action") != "RebootInstance" {
			return next.RoundTrip(req)
		}
		if n := sent.Add(1); n == calls {
			close(allSent)
		} else if n > calls {
			return next.RoundTrip(req) // with the new credentials
		}
		<-allSent
		resp, err := next.RoundTrip(req)
		if refused.Add(1) == calls {
			close(allRefused)
		}
		return resp, err
	}))
	_, err := list(t.Context(), client, id)
	require.NoError(t, err)
	token.Store("second")
	require.NoError(t, server.RotateKey(chainKey, chainSecret, "second"))
	var wg sync.WaitGroup
	for range calls {
		wg.Go(func() {
			_, err := client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: true})
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	assert.EqualValues(t, 2, fetches.Load())
	assert.EqualValues(t, 2*calls, sent.Load())
}

// A poll has one attempt, and one more for new credentials.
func TestRenewalInMidWait(t *testing.T) {
	inRenewal(t, chainOptions, chainProfile, func(t *testing.T, h home, server *ecstest.Server, client *ecsreboot.Client) {
		time.AfterFunc(12*time.Second, func() { newToken(t, h, server, "second") })
		failed := 0
		result, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{OnEvent: func(e ecsreboot.Event) {
			if e.Kind == ecsreboot.EventPollFailed {
				failed++
			}
		}})
		require.NoError(t, err)
		assert.Equal(t, ecsreboot.ProofStatus, result.Proof)
		assert.Zero(t, failed)
	})
}

// A token that stays dead ends the wait at the first poll that meets it.
func TestDeadTokenEndsTheWait(t *testing.T) {
	inRenewal(t, chainOptions, chainProfile, func(t *testing.T, _ home, server *ecstest.Server, client *ecsreboot.Client) {
		var died time.Time
		time.AfterFunc(12*time.Second, func() {
			died = time.Now()
			server.ForgetCalls()
			assert.NoError(t, server.RotateKey(chainKey, chainSecret, "second"))
		})
		_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{})
		require.ErrorIs(t, err, ecsreboot.ErrUnauthenticated)
		require.ErrorIs(t, err, ecsreboot.ErrAccepted)
		assert.Less(t, time.Since(died), 12*time.Second)
		assert.Len(t, server.Calls(), 1)
	})
}
