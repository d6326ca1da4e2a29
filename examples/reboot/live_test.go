package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	"github.com/ecsreboot/ecsreboot/internal/cli/terminal"
)

// screen is a terminal: it keeps what it shows, and each state of the line that
// the cursor is in.
type screen struct {
	t      *testing.T
	width  int
	lines  []string // the last one has the cursor
	column int
	nowrap bool
	states []string
}

var sequence = regexp.MustCompile(`^\x1b\[[?0-9]*[A-Za-z]`)

func newScreen(t *testing.T, width int) *screen {
	t.Helper()
	return &screen{t: t, width: width, lines: []string{""}}
}

func (s *screen) Write(b []byte) (int, error) {
	for text := string(b); text != ""; {
		if found := sequence.FindString(text); found != "" {
			s.control(found)
			text = text[len(found):]
			continue
		}
		s.put(text[0])
		text = text[1:]
	}
	s.states = append(s.states, s.lines[len(s.lines)-1])
	return len(b), nil
}

func (s *screen) control(sequence string) {
	switch line := &s.lines[len(s.lines)-1]; sequence {
	case "\x1b[K":
		*line = (*line)[:min(s.column, len(*line))]
	case "\x1b[?7l", "\x1b[?7h":
		s.nowrap = sequence == "\x1b[?7l"
	case terminal.Green, terminal.Yellow, terminal.Red, terminal.Plain:
	default:
		s.t.Errorf("unknown sequence %q", sequence)
	}
}

func (s *screen) put(c byte) {
	switch {
	case c == '\r':
		s.column = 0
		return
	case c == '\n':
		s.lines, s.column = append(s.lines, ""), 0
		return
	case s.column == s.width && s.nowrap:
		s.column--
	case s.column == s.width:
		s.lines, s.column = append(s.lines, ""), 0
	}
	line := &s.lines[len(s.lines)-1]
	*line = (*line)[:s.column] + string(c) + (*line)[min(s.column+1, len(*line)):]
	s.column++
}

// shown are the states that one line took, times taken out, repetitions left out.
func (s *screen) shown() []string {
	var states []string
	for _, state := range s.states {
		state = regexp.MustCompile(` +[0-9.]+ s  `).ReplaceAllString(state, " T ")
		if state != "" && (len(states) == 0 || states[len(states)-1] != state) {
			states = append(states, state)
		}
	}
	return states
}

var watched = ecstest.Instance{Reboot: ecstest.RebootProfile{
	Path: []ecsreboot.Status{ecsreboot.StatusStopping, ecsreboot.StatusStarting}, Graceful: 20 * time.Second, Stale: 2 * time.Second,
}}

func TestLiveLine(t *testing.T) {
	inBubble(t, watched, nil, func(t *testing.T, b *bubble) {
		screen := newScreen(t, 80)
		b.showOn(screen)
		got := b.follow(t.Context())
		require.Equal(t, exitcode.Done, got.code)
		require.Equal(t, []string{
			id + "  ? T taking the baseline",
			id + "  Running T taking the baseline",
			id + "  Running T sending the restart",
			id + "  Running T accepted",
			id + "  Running T accepted; no sign of it yet",
			id + "  Stopping T accepted; seen Stopping",
			id + "  Starting T accepted; seen Stopping, Starting",
			id + "  Running T accepted; seen Stopping, Starting",
		}, screen.shown()[:8])
		require.Len(t, screen.lines, 3, "all in one line")
		require.Regexp(t, `^`+id+`  Running   +\d+\.\d s  restarted; seen Stopping, Starting$`, screen.lines[1])
		require.Empty(t, screen.lines[2])
		require.Greater(t, len(screen.states), 200, "the time runs")
		require.Contains(t, got.stdout, "by its status: Stopping, Starting, then Running")
	})
}

// On a narrow terminal the line stays one line.
func TestLiveLineNarrow(t *testing.T) {
	inBubble(t, watched, nil, func(t *testing.T, b *bubble) {
		screen := newScreen(t, 30)
		b.showOn(screen)
		require.Equal(t, exitcode.Done, b.follow(t.Context()).code)
		head := len("RebootAndWait "+id+" at http://127.0.0.1:1") / 30
		require.Len(t, screen.lines, head+3)
		require.True(t, strings.HasPrefix(screen.lines[head+1], id+"  Runni"), screen.lines)
	})
}

// Notes of the client stand above the line.
func TestLiveLineAndNotes(t *testing.T) {
	faults := []ecstest.Fault{
		{Kind: ecstest.FaultThrottle, Hint: 5 * time.Second, Action: "RebootInstance"},
		{Kind: ecstest.FaultFIN, Action: "DescribeInstances", Skip: 3},
	}
	inBubble(t, ecstest.Instance{}, faults, func(t *testing.T, b *bubble) {
		screen := newScreen(t, 400)
		b.showOn(screen)
		require.Equal(t, exitcode.Done, b.follow(t.Context()).code)
		require.Len(t, screen.lines, 5, screen.lines)
		require.Contains(t, screen.lines[1], "RebootInstance "+id+": 400 Throttling.User")
		require.Equal(t, "retrying in 5s", screen.lines[2])
		require.Contains(t, screen.lines[3], "restarted; seen Starting")
		require.Contains(t, strings.Join(screen.shown(), "\n"), "accepted; seen Starting; poll failed: ")
	})
}

func TestLiveLineVerdicts(t *testing.T) {
	tests := map[string]struct {
		instance ecstest.Instance
		fault    ecstest.Fault
		verdict  string
		color    string
	}{
		"proven":   {verdict: "restarted", color: terminal.Green},
		"hangs":    {instance: ecstest.Instance{Reboot: ecstest.RebootProfile{Hang: true}}, verdict: "restart accepted, not proven", color: terminal.Yellow},
		"lost":     {fault: ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance"}, verdict: "unknown, it may have restarted", color: terminal.Yellow},
		"refused":  {instance: ecstest.Instance{Status: ecsreboot.StatusStopped}, verdict: "not sent", color: terminal.Red},
		"rejected": {fault: ecstest.Fault{Kind: ecstest.FaultError, Code: "DiskError", Action: "RebootInstance"}, verdict: "rejected", color: terminal.Red},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var faults []ecstest.Fault
			if test.fault.Kind != "" {
				faults = append(faults, test.fault)
			}
			for _, color := range []bool{true, false} {
				inBubble(t, test.instance, faults, func(t *testing.T, b *bubble) {
					b.Live, b.Color = true, color
					got := b.follow(t.Context())
					if color {
						require.Contains(t, got.stderr, "  "+test.color+test.verdict+terminal.Plain)
						return
					}
					require.Contains(t, got.stderr, "  "+test.verdict)
					require.NotContains(t, got.stderr, "\x1b[3")
				})
			}
		})
	}
}

// The screen of an emulated restart, and the lines of one that is piped.
func TestEmulateWait(t *testing.T) {
	isolate(t)
	for _, live := range []bool{true, false} {
		inBubble(t, ecstest.Instance{}, nil, func(t *testing.T, b *bubble) {
			begin := time.Now()
			screen := newScreen(t, 200)
			b.showOn(screen)
			b.Live = live
			code := b.run(t.Context(), []string{"--emulate", "--wait", id})
			require.Equal(t, exitcode.Done, code)
			require.LessOrEqual(t, time.Since(begin), 5*time.Second)
			require.Regexp(t, `^`+id+`: restarted, proven after 4\.\d s by its status: Stopping, (Starting, )?then Running \(request [0-9A-F-]{36}\)\n$`, b.stdout.String())
			lines := screen.lines
			require.Contains(t, lines[0], "emulated service at ")
			require.Equal(t, []string{"the service restarted the instance once", ""}, lines[len(lines)-2:])
			if live {
				require.Len(t, lines, 4)
				return
			}
			require.Regexp(t, `^  0\.00 s  before the restart: Running, started `, lines[1])
			require.Equal(t, "  0.00 s  sending the restart", lines[2])
			require.Regexp(t, `^  0\.00 s  accepted \(request [0-9A-F-]{36}\)$`, lines[3])
			require.Regexp(t, `^  1\.00 s  Stopping, started `, lines[4])
		})
	}
	inBubble(t, ecstest.Instance{}, nil, func(t *testing.T, b *bubble) {
		code := b.run(t.Context(), []string{"--emulate", "--wait", "--force", "--json", id})
		require.Equal(t, exitcode.Done, code)
		require.NotContains(t, b.stderr.String(), " s  ", "the events are on stdout")
	})
}

// A file is no terminal, whatever TERM says.
func TestNoLiveLineInAFile(t *testing.T) {
	isolate(t)
	t.Setenv("TERM", "xterm")
	t.Setenv("CI", "")
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	defer file.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout bytes.Buffer
	newProgram(strings.NewReader(""), &stdout, file).run(ctx, []string{"--emulate", "--wait", id})
	written, err := os.ReadFile(file.Name())
	require.NoError(t, err)
	require.NotContains(t, string(written), "\x1b")
	require.Contains(t, string(written), "emulated service at ")
}

// showOn makes a terminal of stderr.
func (b *bubble) showOn(screen *screen) {
	b.Stderr = terminal.NewConsole(screen)
	b.Live = true
}
