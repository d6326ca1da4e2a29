package witness_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/witness"
)

// question asks about a request, so that one call is made.
func question(ctx context.Context, options witness.Options) error {
	trail, err := witness.NewActionTrail(options)
	if err != nil {
		return err
	}
	_, err = trail.Testify(ctx, ecsreboot.SentRequest{SendID: "abc", InstanceID: id, Region: region})
	return err
}

// A call is one request, whatever fails.
func TestOneRequest(t *testing.T) {
	for _, kind := range ecstest.FaultKinds() {
		t.Run(string(kind), func(t *testing.T) {
			bubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
				s.Inject(ecstest.Fault{Kind: kind, Times: -1})
				begin := time.Now()
				err := question(t.Context(), s.options(t))
				require.Equal(t, kind == ecstest.FaultDelay, err == nil)
				require.Equal(t, kind != ecstest.FaultRefuse, s.calls("LookupEvents") == 1)
				require.LessOrEqual(t, time.Since(begin), 15*time.Second)
				if err != nil {
					require.NotContains(t, err.Error(), "://")
					require.NotContains(t, err.Error(), "Signature")
				}
			})
		})
	}
}

// hangingCredential never returns.
type hangingCredential struct {
	credentials.Credential

	release chan struct{}
}

func (c hangingCredential) GetCredential() (*credentials.CredentialModel, error) {
	<-c.release
	return c.Credential.GetCredential()
}

// A call ends with its context or its timeout, even if a provider or a transport does not.
func TestCallEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		hangs := roundTripper(func(*http.Request) (*http.Response, error) { <-release; return nil, errBroken })
		credential := static(t, secret)
		for _, options := range []witness.Options{
			{Credential: hangingCredential{credential, release}, Endpoint: "http://127.0.0.1:1"},
			{Credential: credential, Endpoint: "http://127.0.0.1:1", HTTPClient: &http.Client{Transport: hangs}},
		} {
			begin := time.Now()
			require.EqualError(t, question(t.Context(), options), "LookupEvents: no response within 15s")
			require.Equal(t, 15*time.Second, time.Since(begin))
			options.Timeout = time.Hour
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			require.ErrorIs(t, question(ctx, options), context.DeadlineExceeded)
			cancel()
			ctx, cancel = context.WithCancel(t.Context())
			cancel()
			require.ErrorIs(t, question(ctx, options), context.Canceled)
		}
		close(release)
		synctest.Wait()
	})
}

type failingCredential struct{ credentials.Credential }

func (failingCredential) GetCredential() (*credentials.CredentialModel, error) {
	return nil, errors.New("no key; the answer was {\"SecurityToken\":\"" + secret + "\"}")
}

type emptyCredential struct{ credentials.Credential }

func (emptyCredential) GetCredential() (*credentials.CredentialModel, error) { return nil, nil }

type panickingCredential struct{ credentials.Credential }

func (panickingCredential) GetCredential() (*credentials.CredentialModel, error) { panic(secret) }

// Providers and transports that misbehave cause an error without a secret.
func TestMisbehaviour(t *testing.T) {
	leak := func(message string) roundTripper {
		return func(r *http.Request) (*http.Response, error) { return nil, errors.New(message + r.URL.String()) }
	}
	for name, options := range map[string]witness.Options{
		"credential fails":  {Credential: failingCredential{}},
		"credential is nil": {Credential: emptyCredential{}},
		"credential panics": {Credential: panickingCredential{}},
		"transport panics":  {HTTPClient: &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { panic(secret) })}},
		"transport leaks":   {HTTPClient: &http.Client{Transport: leak("Authorization: " + secret + " Signature=x ")}},
		"nil response":      {HTTPClient: &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, nil })}},
		"endless body": {HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(endless{}), Request: r}, nil
		})}},
	} {
		t.Run(name, func(t *testing.T) {
			if options.Credential == nil {
				options.Credential = static(t, secret)
			}
			options.Endpoint = "http://127.0.0.1:1"
			err := question(t.Context(), options)
			require.Error(t, err)
			require.NotContains(t, err.Error(), secret)
			require.Equal(t, strings.HasPrefix(name, "credential") && !strings.HasSuffix(name, "panics"), errors.Is(err, ecsreboot.ErrCredentials), err)
			t.Log(err)
		})
	}
}

// endless is a body without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for n := range p {
		p[n] = '['
	}
	return len(p), nil
}

// Each part calls its service in the region, over TLS.
func TestHosts(t *testing.T) {
	var hosts, actions []string
	options := of(t, func(r *http.Request) (int, string) {
		require.Equal(t, "https", r.URL.Scheme)
		hosts, actions = append(hosts, r.URL.Host), append(actions, r.Header["x-acs-action"]...) //nolint:staticcheck // as the vendor's client writes it
		return 200, `{}`
	})
	options.Endpoint = ""
	const region = "cn-beijing"
	request := ecsreboot.SentRequest{SendID: "abc", InstanceID: id, Region: region, ServiceTime: time.Now()}
	trail, err := witness.NewActionTrail(options)
	require.NoError(t, err)
	_, err = trail.Testify(t.Context(), request)
	require.NoError(t, err)
	changes, err := witness.NewStateChanges(options)
	require.NoError(t, err)
	_, err = changes.Testify(t.Context(), request)
	require.NoError(t, err)
	_, err = witness.Quotas(t.Context(), region, options)
	require.NoError(t, err)
	for _, region := range []string{region, "cn-hangzhou", "cn-north-2-gov-1"} {
		_, err = witness.Console(t.Context(), region, id, options)
		require.NoError(t, err)
	}
	require.Equal(t, []string{
		"actiontrail.cn-beijing.aliyuncs.com", "metrics.cn-beijing.aliyuncs.com", "quotas.aliyuncs.com", "quotas.aliyuncs.com",
		"ecs.cn-beijing.aliyuncs.com", "ecs-cn-hangzhou.aliyuncs.com", "ecs.aliyuncs.com",
	}, hosts)
	require.Equal(t, []string{
		"LookupEvents", "DescribeSystemEventAttribute", "ListProductQuotas", "ListProductQuotas",
		"GetInstanceConsoleOutput", "GetInstanceConsoleOutput", "GetInstanceConsoleOutput",
	}, actions)
}

// The calls also work over a real connection and with a temporary key.
func TestSocket(t *testing.T) {
	server, err := ecstest.NewServer(ecstest.Options{AuditDelay: -1, AccessKeyID: "STS.id", AccessKeySecret: secret, SecurityToken: "token+/="})
	require.NoError(t, err)
	defer server.Close()
	require.NoError(t, server.AddInstance(ecstest.Instance{ID: id}))
	client, err := server.NewClient()
	require.NoError(t, err)
	defer client.CloseIdleConnections()
	s := &stage{server, client}
	request := s.lose(t, ecstest.Fault{Act: true})
	request.SentAt = request.SentAt.Add(-10 * time.Minute)
	credential, err := credentials.NewCredential(new(credentials.Config).SetType("sts").SetAccessKeyId("STS.id").SetAccessKeySecret(secret).SetSecurityToken("token+/="))
	require.NoError(t, err)
	trail, err := witness.NewActionTrail(witness.Options{Credential: credential, Endpoint: server.URL})
	require.NoError(t, err)
	testimony, err := trail.Testify(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, ecsreboot.FindingAccepted, testimony.Finding)
}
