//go:build unix

package app

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
	"golang.org/x/term"

	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

// slow are instances whose restarts take long enough to send a signal meanwhile.
func slow(n int) (instances []ecstest.Instance) {
	for i := range n {
		instances = append(instances, ecstest.Instance{ID: fmt.Sprintf("i-%d", i), Reboot: ecstest.RebootProfile{Graceful: leastReboot}})
	}
	return instances
}

func firstArgs(server *ecstest.Server, journal string) []string {
	return []string{
		"run", "--region", "cn-hangzhou", "--endpoint", server.URL, "--all", "--journal", journal, "--yes", "--json", "--canary", "none", "--min-ready", "0",
	}
}

func TestSignals(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			if signal.Ignored(sig) {
				t.Skip("the program inherits that it is ignored")
			}
			t.Parallel()
			server := serve(t, ecstest.Options{}, slow(2)...)
			journal := filepath.Join(t.TempDir(), "run.journal")
			d := drive(t, firstArgs(server, journal)...)
			require.Eventually(t, func() bool { return server.TotalReboots() == 1 }, patience, time.Millisecond)
			second := drive(t, "resume", journal, "--yes", "--json")
			require.Equal(t, exitcode.Busy, second.code(t))
			require.Contains(t, second.summary(t).Error, fmt.Sprintf("process %d on ", d.Process.Pid))
			require.NoError(t, d.Process.Signal(sig))
			require.Equal(t, exitcode.Interrupted, d.code(t), d.stderr.String())
			require.Equal(t, 1, d.summary(t).Restarted, "what was sent has settled")
			require.Contains(t, d.stderr.String(), sig.String()+": nothing more is sent")

			d = drive(t, "resume", journal, "--yes", "--json", "--min-ready", "0")
			require.Equal(t, exitcode.Done, d.code(t), d.stderr.String())
			require.Equal(t, 2, server.TotalReboots())
		})
	}
}

const patience = 30 * time.Second

func TestPause(t *testing.T) {
	t.Parallel()
	server := serve(t, ecstest.Options{}, slow(2)...)
	journal := filepath.Join(t.TempDir(), "run.journal")
	d := drive(t, firstArgs(server, journal)...)
	require.Eventually(t, func() bool { return server.TotalReboots() == 1 }, patience, time.Millisecond)
	require.NoError(t, d.Process.Signal(syscall.SIGUSR1))
	events := func() string {
		text, err := os.ReadFile(journal)
		require.NoError(t, err)
		return string(text)
	}
	require.Eventually(t, func() bool { return strings.Contains(events(), `"kind":"healthy"`) }, patience, 10*time.Millisecond)
	require.Contains(t, events(), `"kind":"pause"`)
	time.Sleep(300 * time.Millisecond) // in which the next one would have been sent
	require.Equal(t, 1, server.TotalReboots())
	require.NoError(t, d.Process.Signal(syscall.SIGUSR2))
	require.Equal(t, exitcode.Done, d.code(t), d.stderr.String())
	require.Equal(t, 2, server.TotalReboots())
}

// TestTerminalSize: what is redrawn is as wide as the terminal, and 80 columns wide on one
// that does not know its size.
func TestTerminalSize(t *testing.T) {
	t.Parallel()
	for columns, want := range map[uint16]int{0: 80, 20: 20, 100: 100} {
		terminal, tty, err := pty.Open()
		require.NoError(t, err)
		defer terminal.Close()
		require.NoError(t, pty.Setsize(terminal, &pty.Winsize{Rows: columns, Cols: columns}))
		var drawn buffer
		go io.Copy(&drawn, terminal)
		cmd := exec.CommandContext(t.Context(), binary(t, Name), "run", "--emulate", "1")
		cmd.Env = append(environment(t), "TERM=xterm", "CI=", "NO_COLOR=1", "TMPDIR="+t.TempDir())
		cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
		require.NoError(t, cmd.Start())
		bar := regexp.MustCompile(`\x1b\[J(\[[^\r]*)\r\n`)
		require.Eventually(t, func() bool { return bar.MatchString(drawn.String()) }, patience, time.Millisecond)
		require.NoError(t, cmd.Process.Kill())
		require.Error(t, cmd.Wait())
		require.Len(t, bar.FindStringSubmatch(drawn.String())[1], want, "%d columns", columns)
	}
}

// On a terminal the lines are redrawn, Ctrl-C is a signal as ever, and the terminal
// is left as it was.
func TestTerminal(t *testing.T) {
	t.Parallel()
	terminal, tty, err := pty.Open()
	require.NoError(t, err)
	defer terminal.Close()
	require.NoError(t, pty.Setsize(terminal, &pty.Winsize{Rows: 24, Cols: 60}))
	before, err := term.GetState(int(tty.Fd()))
	require.NoError(t, err)
	var drawn buffer
	go io.Copy(&drawn, terminal)

	cmd := exec.CommandContext(t.Context(), binary(t, Name), "run", "--emulate", "3")
	cmd.Env = append(environment(t), "TERM=xterm", "CI=", "NO_COLOR=", "TMPDIR="+t.TempDir())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	d := &driver{Cmd: cmd}
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool { return strings.Contains(drawn.String(), "1 restarting, 2 waiting") }, patience, time.Millisecond)
	_, err = terminal.WriteString("\x03")
	require.NoError(t, err)
	require.Equal(t, exitcode.Interrupted, d.code(t), drawn.String())
	require.Eventually(t, func() bool { return strings.Contains(drawn.String(), "report: ") }, patience, time.Millisecond)
	require.Regexp(t, `\x1b\[[0-9]+A\x1b\[J`, drawn.String(), "redrawn in place")
	require.Contains(t, drawn.String(), "interrupt: nothing more is sent")
	require.Contains(t, drawn.String(), "1 of 3 instances restarted with proof")
	after, err := term.GetState(int(tty.Fd()))
	require.NoError(t, err)
	require.Equal(t, before, after)
}
