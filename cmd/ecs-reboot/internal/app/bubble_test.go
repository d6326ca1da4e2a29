package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// buffer may be written by several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// bubble is a region in virtual time.
type bubble struct {
	*testing.T

	server  *ecstest.Server
	dir     string // of the state
	journal string
}

// inBubble runs a test in virtual time, with n instances i-0 and on whose restarts
// take half a minute.
func inBubble(t *testing.T, n int, test func(b *bubble)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		server, err := ecstest.NewInMemoryServer(ecstest.Options{})
		require.NoError(t, err)
		t.Cleanup(server.Close)
		for i := range n {
			zone := fmt.Sprintf("cn-hangzhou-%c", 'a'+i%2)
			require.NoError(t, server.AddInstance(ecstest.Instance{ID: fmt.Sprintf("i-%d", i), ZoneID: zone, Tags: map[string]string{"role": "web"}}))
		}
		test(&bubble{T: t, server: server, dir: dir, journal: filepath.Join(dir, "run.journal")})
	})
}

// execution is one run of the program.
type execution struct {
	*program

	t              *testing.T
	args           []string
	signals        chan os.Signal
	stdout, stderr buffer
}

func (b *bubble) process(stdin string, args ...string) *execution {
	p := &execution{t: b.T, args: args, signals: make(chan os.Signal, 4)}
	p.program = &program{
		stdin: strings.NewReader(stdin), stdout: &p.stdout, stderr: &p.stderr, signals: p.signals,
		getenv: func(name string) string { return map[string]string{"XDG_STATE_HOME": b.dir}[name] },
		ownID:  func(context.Context) (string, error) { return "", io.EOF },
	}
	p.recordsClient = b.server.HTTPClient()
	p.connector.NewServer = func(ecstest.Options) (*ecstest.Server, error) { return ecstest.NewInMemoryServer(ecstest.Options{}) }
	p.connector.NewClient = func(_ string, options ...ecsreboot.Option) (*ecsreboot.Client, error) {
		return b.server.NewClient(options...)
	}
	return p
}

// first is the beginning of a run of everything without canaries, whom nobody asks.
func (b *bubble) first(args ...string) []string {
	return append([]string{
		"run", "--region", "cn-hangzhou", "--journal", b.journal, "--yes", "--json", "--all", "--canary", "none", "--min-ready", "0",
		"--dry-runs", "0", // which faults would hit
	}, args...)
}

// later is a command that goes by the journal.
func (b *bubble) later(command string, args ...string) []string {
	return append([]string{command, b.journal, "--json"}, args...)
}

// do runs the program, and returns what it says in the end.
func (b *bubble) do(args ...string) (int, summary, string) {
	b.Helper()
	p := b.process("", args...)
	code := p.run()
	return code, p.summary(), p.stderr.String()
}

func (p *execution) run() int { return p.program.run(p.t.Context(), p.args) }

func (p *execution) summary() summary {
	p.t.Helper()
	var m summary
	require.NoError(p.t, json.Unmarshal([]byte(p.stdout.String()), &m), "%s\n%s", p.stdout.String(), p.stderr.String())
	return m
}

// interrupt sends a signal after a while.
func (p *execution) interrupt(after time.Duration) {
	time.AfterFunc(after, func() { p.signals <- os.Interrupt })
}

func (b *bubble) reboots(n int) (counts []int) {
	for i := range n {
		counts = append(counts, b.server.Reboots(fmt.Sprintf("i-%d", i)))
	}
	return counts
}

// refuse has the service refuse to restart an instance.
func (b *bubble) refuse(ids ...string) {
	for _, id := range ids {
		b.server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Code: "DiskError", Action: "RebootInstance", InstanceID: id, Times: -1})
	}
}

// stopAndRefuse has instances stop while their restart is on its way to be refused.
func (b *bubble) stopAndRefuse(ids ...string) {
	for _, id := range ids {
		b.server.Inject(ecstest.Fault{
			Kind: ecstest.FaultError, Code: "DiskError", Action: "RebootInstance", InstanceID: id, Times: -1, Delay: 2 * time.Second,
		})
		time.AfterFunc(time.Second, func() { _ = b.server.SetStatus(id, ecsreboot.StatusStopped) })
	}
}
