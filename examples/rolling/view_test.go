package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

func TestChooseProgress(t *testing.T) {
	tests := map[string]struct {
		mode   string
		screen bool
		env    map[string]string
		want   string
	}{
		"a terminal":          {"auto", true, map[string]string{"TERM": "xterm"}, "tty"},
		"CI=false":            {"auto", true, map[string]string{"TERM": "xterm", "CI": "false"}, "tty"},
		"no terminal":         {"auto", false, map[string]string{"TERM": "xterm"}, "plain"},
		"a dumb one":          {"auto", true, map[string]string{"TERM": "dumb"}, "plain"},
		"an unknown one":      {"auto", true, nil, "plain"},
		"a CI system's":       {"auto", true, map[string]string{"TERM": "xterm", "CI": "true"}, "plain"},
		"asked for":           {"tty", false, map[string]string{"CI": "true"}, "tty"},
		"something else":      {"json", true, map[string]string{"TERM": "xterm"}, "json"},
		"nothing at all":      {"none", true, map[string]string{"TERM": "xterm"}, "none"},
		"plain on a terminal": {"plain", true, map[string]string{"TERM": "xterm"}, "plain"},
	}
	for name, test := range tests {
		require.Equal(t, test.want, chooseProgress(test.mode, test.screen, func(name string) string { return test.env[name] }), name)
	}
}

func TestPlain(t *testing.T) {
	inBubble(t, 3, func(b *bubble) {
		b.server.Inject(ecstest.Fault{
			Kind: ecstest.FaultError, Code: "DiskError", Message: "a \x1b[2Jtrap", Action: "RebootInstance", InstanceID: "i-2", Times: -1,
		})
		code, _, stderr := b.do(b.first("-max-unavailable", "2", "-allow-wide")...)
		require.Equal(b, exitcode.Failed, code)
		for _, line := range []string{"00:00:00  i-0 restarting\n", "i-0 healthy\n", "i-2 failed: refused: DiskError: ", "end: done\n"} {
			require.Contains(b, stderr, line)
		}
		require.Regexp(b, `00:00:30  [0-9] of 3 done: .*; unavailable [12] of 2; [0-9]+ restarts/min`, stderr)
		require.NotContains(b, stderr, "\x1b", "what the service says must not move the cursor")
	})
}

func TestJSONLines(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		p := b.process("", b.first("-progress", "json")...)
		p.interrupt(10 * time.Second)
		require.Equal(b, exitcode.Interrupted, p.run())
		kinds := map[string]int{}
		for line := range strings.Lines(p.stderr.String()) {
			var e struct{ Kind string }
			require.NoError(b, json.Unmarshal([]byte(line), &e), line)
			kinds[e.Kind]++
		}
		require.Equal(b, map[string]int{"note": 2, "run": 1, "intent": 1, "accepted": 1, "down": 1, "up": 1, "healthy": 1, "stop": 1, "end": 1, "pace": kinds["pace"]}, kinds)
	})
}

func TestNone(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		code, _, stderr := b.do(b.first("-progress", "none")...)
		require.Equal(b, exitcode.Done, code)
		require.NotContains(b, stderr, "i-0")
		require.Contains(b, stderr, "restart 2 of 2 instances", "what is about to happen is told in any case")
	})
}

func TestScreen(t *testing.T) {
	for _, noColor := range []string{"", "1"} {
		inBubble(t, 3, func(b *bubble) {
			b.refuse("i-0")
			p := b.process("", b.first("-progress", "tty", "-max-unavailable", "2", "-allow-wide")...)
			p.getenv = func(name string) string { return map[string]string{"NO_COLOR": noColor}[name] }
			p.interrupt(20 * time.Second) // the last ones are under way
			require.Equal(b, exitcode.Failed, p.run(), p.stderr.String())
			drawn := p.stderr.String()
			for _, text := range []string{
				"[==", "3/3", "2 healthy, 1 failed", "unavailable 2 of 2", "! i-0 failed: refused: DiskError", "interrupt: nothing more is sent",
			} {
				require.Contains(b, drawn, text)
			}
			require.Equal(b, noColor == "", strings.Contains(drawn, red))
			for _, mode := range []string{"\x1b[?25l", "\x1b[?1049h"} {
				require.NotContains(b, drawn, mode, "there would be something to restore")
			}
		})
	}
}

func TestTracker(t *testing.T) {
	inBubble(t, 4, func(b *bubble) {
		client, err := b.server.NewClient()
		require.NoError(b, err)
		plan, err := fleet.NewPlan(b.Context(), client, fleet.Selection{All: true})
		require.NoError(b, err)
		tr, err := newTracker(session{client: client, plan: plan, options: fleet.Options{Rules: fleet.Rules{Canary: []int{}}}})
		require.NoError(b, err)
		at := func(kind fleet.EventKind, id string, reason fleet.Reason) fleet.Event {
			return fleet.Event{Kind: kind, At: time.Now(), InstanceID: id, Reason: reason, Attempt: 1}
		}
		for _, e := range []fleet.Event{
			at(fleet.EventIntent, "i-0", ""), at(fleet.EventAccepted, "i-0", ""), at(fleet.EventPause, "", fleet.ReasonWindow),
		} {
			tr.add(e)
		}
		time.Sleep(10 * time.Second)
		s := tr.now()
		require.Equal(b, "1 restarting, 3 waiting", s.states)
		require.Equal(b, "unavailable 1 of 1", s.unavailable)
		require.Equal(b, "paused: outside -window", s.gate)
		require.Equal(b, "6 restarts/min", s.rate)
		tr.add(at(fleet.EventContinue, "", fleet.ReasonWindow))
		require.Equal(b, "limit used up for now (-max-unavailable)", tr.now().gate)
		tr.add(at(fleet.EventHealthy, "i-0", ""))
		s = tr.now()
		require.Equal(b, 30*time.Second, s.left, "three more, of 10 s each")
		require.Empty(b, s.gate)
		blocked := at(fleet.EventHeld, "i-1", fleet.ReasonBlocked)
		blocked.Error = "not\ndrained"
		tr.add(blocked)
		require.Equal(b, "waiting: blocked: not\ndrained", tr.now().gate)
		tr.add(at(fleet.EventHalt, "", fleet.ReasonBudget))
		s = tr.now()
		require.Equal(b, "settling: failure budget (-max-failed)", s.gate)
		require.Zero(b, s.left)
		time.Sleep(2 * time.Minute)
		require.Equal(b, "no restart in the last minute", tr.now().rate)
	})
}
