package acceptance_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/pace"
)

const echoKeyID = "STS.NUechoKeyIdOfTests7"

// echoClient returns a client that acts by a secret and a token, and whose service
// answers what answer holds at the time.
func echoClient(tb testing.TB, secret, token string, answer *string) *ecsreboot.Client {
	tb.Helper()
	credential, err := credentials.NewCredential(new(credentials.Config).SetType("sts").
		SetAccessKeyId(echoKeyID).SetAccessKeySecret(secret).SetSecurityToken(token))
	require.NoError(tb, err)
	client, err := ecsreboot.NewClient("cn-hangzhou", ecsreboot.WithCredential(credential),
		ecsreboot.WithTransportWrapper(func(http.RoundTripper) http.RoundTripper {
			return roundTripFunc(func(req *http.Request) (*http.Response, error) {
				return &http.Response{
					StatusCode: http.StatusForbidden, Header: http.Header{}, Request: req,
					ContentLength: -1, Body: io.NopCloser(strings.NewReader(*answer)),
				}, nil
			})
		}))
	require.NoError(tb, err)
	return client
}

// checkEcho has the service echo a part of a secret, chosen by a seed.
func checkEcho(t *testing.T, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	secret, token := newSecret(r), newSecret(r)
	var answer string
	client := echoClient(t, secret, token, &answer)
	for _, value := range []string{secret, token} {
		e := newEcho(r, value)
		text, keeps := e.inMessage(r)
		answer = echoBody(text)
		_, err := client.RebootInstance(t.Context(), request)
		failed, ok := errors.AsType[*ecsreboot.APIError](err)
		require.True(t, ok, err)
		shown, marshalErr := json.Marshal(failed)
		require.NoError(t, marshalErr)
		for _, output := range []string{err.Error(), string(shown)} {
			if run := shownRun(output, secret, token); run != "" {
				t.Fatalf("seed %d: %q of\n%q is in\n%s\nechoed as %s", seed, run, value, output, e)
			}
		}
		if len(text) > 900 || len(e.text) < 12 { // it is shortened, or there is nothing to hide
			continue
		}
		for _, word := range keeps {
			assert.Contains(t, failed.Message, word, "seed %d: %q as %s", seed, text, e)
		}
	}
}

func TestEchoesOfSecrets(t *testing.T) {
	t.Parallel()
	seeds := uint64(200)
	if longTests {
		seeds = 1000
	}
	checkEcho(t, 673) // echoes a run of 12 characters, and no more
	checkEcho(t, 879) // echoes a part of a secret that begins with what looks like an escape
	for seed := range seeds {
		checkEcho(t, seed)
		if t.Failed() {
			return
		}
	}
}

func FuzzEchoesOfSecrets(f *testing.F) {
	for seed := range uint64(10) {
		f.Add(seed)
	}
	f.Fuzz(checkEcho)
}

// The oracle must find what nobody has scrubbed.
func TestEchoOracle(t *testing.T) {
	t.Parallel()
	missed, all := 0, 0
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		secret := newSecret(r)
		for _, e := range append(allSpellings(r, secret), newEcho(r, secret)) {
			text, _ := e.inMessage(r)
			all++
			if shownRun(text, secret) == "" {
				missed++
				if len(e.steps) < 2 && len(e.text) > 30 {
					t.Errorf("%s is not found", e)
				}
			}
		}
	}
	assert.Less(t, missed, all/20, "of %d", all)
	for _, text := range []string{"", "The specified instance does not exist.", "473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E"} {
		assert.Empty(t, shownRun(text, "abcdefghijklmnopqrstuvwxyz"))
	}
}

// A service that echoes the token in each spelling, over a socket, must not have it
// printed in any way.
func TestServiceEchoesTheToken(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for _, token := range []string{"CAISechoTokenOfTests/with+some=odd0123456789abcdefghijk==", "only+words/are/in/this+secret+of+the+tests=="} {
		credential, err := credentials.NewCredential(new(credentials.Config).SetType("sts").
			SetAccessKeyId(echoKeyID).SetAccessKeySecret(canarySecret).SetSecurityToken(token))
		require.NoError(t, err)
		server := newSocketService(t, ecstest.Options{AccessKeyID: echoKeyID, AccessKeySecret: canarySecret, SecurityToken: token})
		for _, e := range allSpellings(r, token) {
			for name, fault := range map[string]ecstest.Fault{
				"all fields": {Kind: ecstest.FaultAnswer, Status: http.StatusForbidden, Body: echoBody(e.text)},
				"page":       {Kind: ecstest.FaultAnswer, Status: http.StatusBadGateway, Body: "<html>" + e.text},
			} {
				c := new(canary)
				client := newClient(t, server, ecsreboot.WithCredential(credential), ecsreboot.WithLogger(c.logger()), quick())
				server.Inject(fault)
				_, err = client.RebootInstance(t.Context(), request)
				require.Error(t, err)
				c.show(t, err)
				if failed, ok := errors.AsType[*ecsreboot.APIError](err); ok {
					c.show(t, failed)
					c.show(t, *failed)
				}
				if run := shownRun(c.log.String(), token); run != "" {
					t.Fatalf("%s: %q is in\n%s\nechoed as %s", name, run, c.log.String(), e)
				}
			}
		}
	}
}

// The errors of the caller's hooks are scrubbed of what looks like a secret or is
// named as one.
func TestHookErrorsAreScrubbed(t *testing.T) {
	t.Parallel()
	hook := errors.New("vault: secret Hn3kQ9pLw2 of user:pw1234@proxy:3128, pwd=hunter2&sig=abcd1234")
	server := newSocketService(t, ecstest.Options{})
	for name, call := range map[string]func() error{
		"BeforeSend": func() error {
			_, err := newClient(t, server).RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{
				BeforeSend: func(context.Context, ecsreboot.SendIntent) error { return hook },
			})
			return err
		},
		"Pacer": func() error {
			_, err := newClient(t, server, ecsreboot.WithPacer("RebootInstance", failingPacer{hook})).RebootInstance(t.Context(), request)
			return err
		},
		"cause": func() error {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(hook)
			_, err := newClient(t, server).RebootInstance(ctx, request)
			return err
		},
		"RoundTripper": func() error {
			fail := failingWith(func(*http.Request) error { return hook })
			_, err := newClient(t, server, ecsreboot.WithTransportWrapper(fail), quick()).RebootInstance(t.Context(), request)
			return err
		},
	} {
		err := call()
		require.Error(t, err, name)
		c := new(canary)
		c.logger().Info("failed", "error", err)
		text := err.Error() + c.log.String()
		assert.Contains(t, text, "vault: secret [redacted] of [redacted]@proxy:3128, pwd=[redacted]&sig=[redacted]", name)
		for _, secret := range []string{"Hn3kQ9pLw2", "pw1234", "hunter2", "abcd1234"} {
			assert.NotContains(t, text, secret, name)
		}
	}
}

type failingPacer struct{ err error }

func (p failingPacer) Acquire(context.Context, pace.Request) (pace.Reservation, error) {
	return nil, p.err
}

// What the service says of an instance is shown by errors and events, and scrubbed as
// well.
func TestEchoesInReadings(t *testing.T) {
	server := newService(t, ecstest.Options{})
	const secret = "testsecret" // of the client
	body := `{"RequestId":"` + requestID + `","Instances":{"Instance":[{"InstanceId":"` + id + `","Status":"Was ` + secret + `",` +
		`"OperationLocks":{"LockReason":[{"LockReason":"by ` + secret + `"}]}}]}}`
	client := newClient(t, server, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err == nil {
			resp.Body.Close()
			resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		}
		return resp, err
	}))
	_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{})
	require.ErrorIs(t, err, ecsreboot.ErrIncorrectInstanceStatus)
	assert.ErrorContains(t, err, "Was")
	assert.NotContains(t, err.Error(), secret)
	for instance, err := range client.DescribeInstances(t.Context(), ecsreboot.DescribeInstancesRequest{}) {
		require.NoError(t, err)
		assert.NotContains(t, instance.Status, secret)
		assert.NotContains(t, instance.Locks[0], secret)
	}
}

// rotatingCredential has other keys at each fetch.
type rotatingCredential struct {
	credentials.Credential

	models []*credentials.CredentialModel
}

func (c *rotatingCredential) GetType() *string { return new("sts") }

func (c *rotatingCredential) GetCredential() (*credentials.CredentialModel, error) {
	model := c.models[0]
	if len(c.models) > 1 {
		c.models = c.models[1:]
	}
	return model, nil
}

// The answer to an attempt may show the secrets of the attempt before it.
func TestEchoesOfAnEarlierAttempt(t *testing.T) {
	model := func(n string) *credentials.CredentialModel {
		return &credentials.CredentialModel{
			AccessKeyId: new("STS.earlier" + n), AccessKeySecret: new("Zk8Qw1eRt5YuI0pLmN4bVcXz7aSdF" + n),
			SecurityToken: new("CAIS" + strings.Repeat("p7Xw2kVn9Lq4Rz8T", 8) + n), Type: new("sts"),
		}
	}
	var echoes []string
	endpoint, arrived := naiveService(t, func(w http.ResponseWriter, req *http.Request) {
		authorization := req.Header.Get("Authorization")
		signature := authorization[strings.LastIndex(authorization, "=")+1:]
		code := "DiskError"
		if echoes == nil {
			code = "Throttling"
			w.Header().Set("X-Acs-Retry-After", "1")
			token := req.Header.Get("X-Acs-Security-Token")
			echoes = []string{token[16:48], signature[10:40]}
		}
		w.WriteHeader(http.StatusForbidden)
		message := echoes[0][:16] + " " + echoes[0][16:] + ", " + echoes[1][:15] + " " + echoes[1][15:]
		_, _ = io.WriteString(w, `{"RequestId":"`+requestID+`","Code":"`+code+`","Message":"seen: `+message+`"}`)
	})
	client := naiveClient(t, endpoint, ecsreboot.WithCredential(&rotatingCredential{models: []*credentials.CredentialModel{model("A"), model("B")}}))
	_, err := client.RebootInstance(t.Context(), request)
	require.ErrorIs(t, err, ecsreboot.ErrDiskError)
	assert.Equal(t, int64(2), arrived.Load())
	for _, echo := range echoes {
		for i := range len(echo) - 12 {
			assert.NotContains(t, strings.ReplaceAll(err.Error(), " ", ""), echo[i:i+12])
		}
	}
}
