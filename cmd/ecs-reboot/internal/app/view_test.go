package app

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

func TestPlain(t *testing.T) {
	inBubble(t, 3, func(b *bubble) {
		b.server.Inject(ecstest.Fault{
			Kind: ecstest.FaultError, Code: "DiskError", Message: "a \x1b[2Jtrap", Action: "RebootInstance", InstanceID: "i-2", Times: -1,
		})
		code, _, stderr := b.do(b.first("--max-unavailable", "2", "--allow-wide")...)
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
		p := b.process("", b.first("--progress", "json")...)
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
		code, _, stderr := b.do(b.first("--progress", "none")...)
		require.Equal(b, exitcode.Done, code)
		require.NotContains(b, stderr, "i-0")
		require.Contains(b, stderr, "restart 2 of 2 instances", "what is about to happen is told in any case")
	})
}

func TestScreen(t *testing.T) {
	for _, noColor := range []string{"", "1"} {
		inBubble(t, 3, func(b *bubble) {
			b.refuse("i-0")
			p := b.process("", b.first("--progress", "tty", "--max-unavailable", "2", "--allow-wide")...)
			p.getenv = func(name string) string { return map[string]string{"NO_COLOR": noColor, "XDG_STATE_HOME": b.dir}[name] }
			p.interrupt(20 * time.Second) // the last ones are under way
			require.Equal(b, exitcode.Failed, p.run(), p.stderr.String())
			drawn := p.stderr.String()
			for _, text := range []string{
				"[==", "3/3", "2 healthy, 1 failed", "unavailable 2 of 2", "! i-0 failed: refused: DiskError", "interrupt: nothing more is sent",
			} {
				require.Contains(b, drawn, text)
			}
			require.Equal(b, noColor == "", strings.Contains(drawn, "\x1b[31m"))
			for _, mode := range []string{"\x1b[?25l", "\x1b[?1049h"} {
				require.NotContains(b, drawn, mode, "there would be something to restore")
			}
		})
	}
}
