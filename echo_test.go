package ecsreboot_test

import (
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
	for seed := range uint64(1000) {
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
	for seed := range uint64(100) {
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
				"message":    {Kind: ecstest.FaultError, Code: "IncorrectInstanceStatus", Message: "The value " + e.text + " is wrong."},
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
