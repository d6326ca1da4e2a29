package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	ecstemporal "github.com/ecsreboot/ecsreboot/temporal"
)

// isolate keeps the system's credentials and configuration out of a test.
func isolate(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"HOME": t.TempDir(), "ALIBABA_CLOUD_ACCESS_KEY_ID": "testid", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret",
		"ALIBABA_CLOUD_SECURITY_TOKEN": "", "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true", "TEMPORAL_CONFIG_FILE": filepath.Join(t.TempDir(), "none"),
		"TEMPORAL_ADDRESS": "", "TEMPORAL_API_KEY": "", "TEMPORAL_NAMESPACE": "",
	} {
		t.Setenv(name, value)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		{},
		{"-region", ""},
		{"-region", "cn-hangzhou", "more"},
		{"-region", "cn-hangzhou", "-rate", "-1"},
		{"-region", "cn-hangzhou", "-rate", "NaN"},
		{"-region", "cn-hangzhou", "-rate-hint", "-1"},
		{"-region", "cn-hangzhou", "-health-url", "ftp://{id}"},
		{"-region", "cn-hangzhou", "-health-url", "http://{ip}/"},
		{"-region", "cn-hangzhou", "-health-cmd", ""},
		{"-region", "cn-hangzhou", "-tls=false", "-tls-server-name", "x"},
		{"-region", "cn-hangzhou", "-api-key", "secret"},
		{"-region", "cn-hangzhou", "-vpc", "-endpoint", "http://127.0.0.1:1"},
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitcode.Usage, run(t.Context(), args, &stdout, &stderr), "%v: %s", args, stderr.String())
		require.Empty(t, stdout.String())
		require.NotEmpty(t, stderr.String())
		require.NotContains(t, stderr.String(), "secret")
	}
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitcode.Done, run(t.Context(), []string{"-h"}, &stdout, &stderr))
	require.Contains(t, stdout.String(), "Usage: worker")
}

// A worker whose credentials are no good does not begin.
func TestCredentials(t *testing.T) {
	isolate(t)
	server, err := ecstest.NewServer(ecstest.Options{})
	require.NoError(t, err)
	t.Cleanup(server.Close)
	args := []string{"-region", "cn-hangzhou", "-endpoint", server.URL, "-address", "127.0.0.1:1"}
	begin := func() (code int, stderr string) {
		var b bytes.Buffer
		code = run(t.Context(), args, &bytes.Buffer{}, &b)
		return code, b.String()
	}
	code, stderr := begin()
	require.Equal(t, exitcode.Failed, code)
	require.Contains(t, stderr, "no Temporal server answers at 127.0.0.1:1", "with good ones it gets further")

	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "wrong")
	code, stderr = begin()
	require.Equal(t, exitcode.Failed, code)
	require.Contains(t, stderr, "SignatureDoesNotMatch")

	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "")
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "")
	t.Setenv("ALIBABA_CLOUD_CLI_PROFILE_DISABLED", "true")
	code, _ = begin()
	require.Equal(t, exitcode.NoCredentials, code)
}

func TestHealth(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/i-good/healthz" {
			http.Redirect(w, r, "/login", http.StatusFound)
		}
	}))
	t.Cleanup(web.Close)
	s := &settings{healthURL: web.URL + "/{id}/healthz", healthCmd: `test "$INSTANCE_NAME" = well || { echo not well; exit 1; }`}
	health := s.health()
	require.NoError(t, health(t.Context(), fleet.Target{ID: "i-good", Name: "well"}))
	require.ErrorContains(t, health(t.Context(), fleet.Target{ID: "i-bad", Name: "well"}), "302")
	require.ErrorContains(t, health(t.Context(), fleet.Target{ID: "i-good", Name: "ill"}), "not well")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, health(ctx, fleet.Target{ID: "i-good", Name: "well"}), context.Canceled)
	require.Nil(t, (&settings{}).health())
}

func TestNotify(t *testing.T) {
	file := filepath.Join(t.TempDir(), "notices")
	s := &settings{notifyCmd: `cat >>"` + file + `"; test "$INSTANCE_ID" != i-bad`}
	notify := s.notify()
	require.NoError(t, notify(t.Context(), ecstemporal.Notice{WorkflowID: "a-run", Event: fleet.Event{Kind: fleet.EventPause}}))
	require.Error(t, notify(t.Context(), ecstemporal.Notice{Event: fleet.Event{Kind: fleet.EventFailed, InstanceID: "i-bad"}}))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(text), `"workflowId":"a-run"`)
	require.Equal(t, 2, bytes.Count(text, []byte("\n")))
	require.Nil(t, (&settings{}).notify())
}
