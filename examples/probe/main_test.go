package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/command"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	"github.com/ecsreboot/ecsreboot/internal/cli/service"
)

const id = "i-bp67acfmxazb4ph0001"

func invoke(ctx context.Context, connector service.Connector, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(ctx, command.New("probe", usage, args, connector, &out, &errs))
	return code, out.String(), errs.String()
}

func TestEmulate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		code, stdout, stderr := invoke(t.Context(), service.Connector{NewServer: ecstest.NewInMemoryServer}, "-emulate", id)
		require.Equal(t, exitcode.Done, code, stderr)
		require.Equal(t, id+": restarted, proven by its probe\n", stdout)
	})
}

// A real command asks a guest over HTTP.
func TestCommand(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("needs curl")
	}
	// The guest is outside the bubble: one that waits for a connection would stop its clock.
	var fake atomic.Pointer[ecstest.Server]
	guest := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "boot", fake.Load().Reboots(id))
	}))
	t.Cleanup(guest.Close)
	synctest.Test(t, func(t *testing.T) {
		server, err := ecstest.NewInMemoryServer(ecstest.Options{})
		require.NoError(t, err)
		defer server.Close()
		fake.Store(server)
		hidden := ecstest.RebootProfile{Graceful: -1, KeepStartTime: true}
		require.NoError(t, server.AddInstance(ecstest.Instance{ID: id, Reboot: hidden}))
		connector := service.Connector{NewClient: func(_ string, options ...ecsreboot.Option) (*ecsreboot.Client, error) {
			return server.NewClient(options...)
		}}
		bootID := "curl -sf --noproxy '*' " + guest.URL
		code, stdout, stderr := invoke(t.Context(), connector, "-region", "cn-hangzhou", "-boot-id", bootID, id)
		require.Equal(t, exitcode.Done, code, stderr)
		require.Equal(t, id+": restarted, proven by its probe\n", stdout)
		require.Equal(t, 1, server.Reboots(id))

		for _, broken := range []string{"exit 1", "true"} {
			code, _, stderr = invoke(t.Context(), connector, "-region", "cn-hangzhou", "-boot-id", broken, id)
			require.Equal(t, exitcode.Failed, code, stderr)
			require.Contains(t, stderr, "nothing was sent: failed to read the boot id")
		}
		require.Equal(t, 1, server.Reboots(id))
	})
}

// A guest that keeps its boot id has not restarted: nothing is proven.
func TestSameBootID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, err := ecstest.NewInMemoryServer(ecstest.Options{})
		require.NoError(t, err)
		defer server.Close()
		require.NoError(t, server.AddInstance(ecstest.Instance{ID: id, Reboot: ecstest.RebootProfile{Graceful: -1, KeepStartTime: true}}))
		client, err := server.NewClient()
		require.NoError(t, err)
		defer client.CloseIdleConnections()
		same := func(context.Context) (string, error) { return "the same", nil }
		_, err = restart(t.Context(), client, id, same, ecsreboot.WaitOptions{Timeout: time.Minute})
		require.ErrorIs(t, err, ecsreboot.ErrNotProven)
		require.Equal(t, exitcode.Unknown, exitcode.Of(err))
	})
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"-region", "cn-hangzhou", id}, {"-emulate"}, {"-emulate", "-boot-id", "", id}} {
		code, _, stderr := invoke(t.Context(), service.Connector{}, args...)
		require.Equal(t, exitcode.Usage, code, stderr)
	}
}
