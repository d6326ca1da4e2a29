package ecsotel_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// Secrets that are easy to find again.
const (
	canaryKeyID  = "LTAI5tCANARYkeyID7Qz"
	canarySecret = "cAnArY/sEcReT+0a1b2c3d4e="
	canaryToken  = "CAIS/cAnArY+tOkEn/Zz9y8x7w6v5u==+"
)

// canary records what was signed. If echo is set, it answers with what was signed.
type canary struct {
	t       *testing.T
	mu      sync.Mutex
	secrets []string
	echo    func(next http.RoundTripper, req *http.Request, all string) (*http.Response, error) // nil: as usual
}

func (c *canary) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripFunc(func(req *http.Request) (*http.Response, error) {
		c.mu.Lock()
		_, signature, _ := strings.Cut(req.Header.Get("Authorization"), "Signature=")
		signature += req.URL.Query().Get("Signature")
		assert.NotEmpty(c.t, signature)
		c.secrets = append(c.secrets, signature)
		all := fmt.Sprintf("%s %s %v", strings.Join(c.secrets[:3], " "), req.URL, req.Header)
		c.mu.Unlock()
		if c.echo != nil {
			return c.echo(next, req, all)
		}
		return next.RoundTrip(req)
	})
}

func echoing(status int, answer func(all string) (http.Header, string)) func(http.RoundTripper, *http.Request, string) (*http.Response, error) {
	return func(_ http.RoundTripper, req *http.Request, all string) (*http.Response, error) {
		header, body := answer(all)
		return &http.Response{StatusCode: status, Header: header, Request: req, ContentLength: -1, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

var canaryEchoes = map[string]func(http.RoundTripper, *http.Request, string) (*http.Response, error){
	"": nil,
	"error of the transport": func(_ http.RoundTripper, req *http.Request, all string) (*http.Response, error) {
		return nil, fmt.Errorf("again: %w", &url.Error{Op: "Post", URL: req.URL.String(), Err: errors.New(all)})
	},
	"error": echoing(403, func(all string) (http.Header, string) {
		text, _ := json.Marshal(all)
		return http.Header{"X-Acs-Request-Id": {all}}, fmt.Sprintf(`{"Code":"Forbidden.RAM","Message":%s,"RequestId":%s,"HostId":%s,"Recommend":%s}`, text, text, text, text)
	}),
	"key as the code": echoing(400, func(string) (http.Header, string) {
		return http.Header{"X-Acs-Request-Id": {canaryKeyID}}, `{"Code":"` + canaryKeyID + `","Message":"` + canarySecret + `","RequestId":"` + canaryToken + `"}`
	}),
	"page": echoing(502, func(all string) (http.Header, string) { return http.Header{}, all }),
	"success": echoing(200, func(all string) (http.Header, string) {
		text, _ := json.Marshal(all)
		return http.Header{}, fmt.Sprintf(`{"RequestId":%s}`, text)
	}),
}

func TestCanary(t *testing.T) {
	for name, echo := range canaryEchoes {
		for versionName, version := range map[string]ecsreboot.SignatureVersion{"V3": ecsreboot.SignatureV3, "V1": ecsreboot.SignatureV1} {
			t.Run(name+"/"+versionName, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testCanary(t, echo, version) })
			})
		}
	}
}

func testCanary(t *testing.T, echo func(http.RoundTripper, *http.Request, string) (*http.Response, error), version ecsreboot.SignatureVersion) {
	t.Helper()
	c := &canary{t: t, secrets: []string{canaryKeyID, canarySecret, canaryToken}, echo: echo}
	s := newStage(t, ecstest.Options{AccessKeyID: canaryKeyID, AccessKeySecret: canarySecret, SecurityToken: canaryToken},
		ecsreboot.WithSignatureVersion(version), ecsreboot.WithTransportWrapper(c.wrap),
		ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{MaxAttempts: 2, BaseDelay: -1}))
	client := s.telemetry.Wrap(s.client)
	ctx := context.Background()
	_, _ = client.RebootInstance(ctx, request)
	_, _ = client.RebootInstance(ctx, ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: true})
	_, _ = s.client.RebootInstance(ctx, request)
	_, _ = client.RebootAndWait(ctx, request, ecsreboot.WaitOptions{})
	runCtx, hook := s.telemetry.FleetEvents(ctx, nil)
	plan := fleet.Plan{Region: client.Region(), Endpoint: client.Endpoint(), Targets: []fleet.Target{{ID: id}}}
	runCtx, cancel := context.WithTimeout(runCtx, time.Hour)
	defer cancel()
	_, _ = fleet.Run(runCtx, s.client, plan, fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{Canary: []int{}, MaxUnavailable: fleet.Count(1), AllowWide: true}}, OnEvent: hook})

	require.GreaterOrEqual(t, len(s.exporter.GetSpans()), 8)
	c.mu.Lock()
	defer c.mu.Unlock()
	require.Greater(t, len(c.secrets), 6)
	spans, err := json.Marshal(s.exporter.GetSpans())
	require.NoError(t, err)
	metrics, err := json.Marshal(s.metrics())
	require.NoError(t, err)
	shown := string(spans) + string(metrics) + fmt.Sprintf("%+v", s.exporter.GetSpans())
	for _, secret := range c.secrets {
		for _, form := range []string{secret, url.QueryEscape(secret), secret[:len(secret)-4]} {
			if i := strings.Index(shown, form); i >= 0 {
				t.Fatalf("%q stands in: …%s…", form, shown[max(0, i-200):min(len(shown), i+len(form)+50)])
			}
		}
	}
	require.Contains(t, string(spans), id)
	require.NotContains(t, string(metrics), id)
	require.NotContains(t, string(metrics), "request_id")
}
