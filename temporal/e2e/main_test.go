// Package e2e holds the durable fleets of package ecstemporal against the real
// Temporal server, with workers as processes of their own that are killed. It is a
// module of its own, as the server is heavy:
//
//	go -C temporal/e2e test ./...
package e2e

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/ecsreboot/ecsreboot/temporal/e2e/embedded"
)

// The form for CI; a long one is -e2e.machines 9000 -e2e.kills 200.
var (
	machines = flag.Int("e2e.machines", 900, "restart so many instances in the crash test, in all its fleets")
	kills    = flag.Int("e2e.kills", 18, "kill workers so often in it")
	seed     = flag.Uint64("e2e.seed", 0, "0 draws one; the course of a run does not follow from it alone")
)

// serverFile makes the test binary a Temporal server that keeps its state in the
// file, at the address of serverAddress: one that can be killed.
const (
	serverFile    = "ECSREBOOT_E2E_SERVER_FILE"
	serverAddress = "ECSREBOOT_E2E_SERVER_ADDRESS"
)

func TestMain(m *testing.M) {
	if file := os.Getenv(serverFile); file != "" {
		os.Exit(serve(os.Getenv(serverAddress), file))
	}
	if queue := os.Getenv(workerQueue); queue != "" {
		os.Exit(work(queue))
	}
	code := m.Run()
	if shared.server != nil {
		_ = shared.server.Stop()
	}
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// serve serves until stdin ends, with the process that has started this one.
func serve(address, file string) int {
	server, err := embedded.Start(embedded.Options{Address: address, File: file})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(server.Address)
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// shared is the server of all tests but those that kill it.
var shared struct {
	once   sync.Once
	server *embedded.Server
	err    error
}

// temporalServer returns the address of a server.
func temporalServer(t *testing.T) string {
	t.Helper()
	shared.once.Do(func() { shared.server, shared.err = embedded.Start(embedded.Options{}) })
	require.NoError(t, shared.err)
	return shared.server.Address
}

// dial connects to a server.
func dial(t *testing.T, address string) client.Client {
	t.Helper()
	c, err := client.DialContext(t.Context(), client.Options{
		HostPort: address, Namespace: embedded.Namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// built are the programs, built once.
var built struct {
	once sync.Once
	dir  string
	err  error
}

// programOf returns the path of the tool ecs-reboot.
func programOf(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "ecsreboot-e2e-"); built.err != nil { //nolint:usetesting // shared by tests
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
		defer cancel()
		output, err := exec.CommandContext(ctx, "go", "-C", "../../cmd/ecs-reboot", "build", "-o", built.dir+"/", ".").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("%w: %s", err, output)
		}
	})
	require.NoError(t, built.err)
	return filepath.Join(built.dir, "ecs-reboot")
}
