package app

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

// What nobody checks any more would count as healthy, so a session that goes on must
// have the hooks of the one before, or say that it goes on without.
func TestHooksAgain(t *testing.T) {
	tests := map[string]struct {
		given []string
		again string
	}{
		"health":  {[]string{"--health-url", "http://127.0.0.1:1/{id}"}, "missing --health-cmd or --health-url, which the session before has: give the hook again, or --no-health"},
		"command": {[]string{"--health-cmd", "false"}, "missing --health-cmd or --health-url, which the session before has: give the hook again, or --no-health"},
		"blocker": {[]string{"--blocker-cmd", "false"}, "missing --blocker-cmd or --blocker-url or --block-on-alerts, which the session before has: give the hook again, or --no-blocker"},
		"approve": {[]string{"--approve"}, "missing --approve, which the session before has: give the hook again, or --no-approve"},
		"drain":   {[]string{"--drain-cmd", "true"}, "missing --drain-cmd or --drain-url, which the session before has: give the hook again, or --no-drain"},
		"undrain": {[]string{"--undrain-cmd", "true"}, "missing --undrain-cmd or --undrain-url, which the session before has: give the hook again, or --no-undrain"},
		"failed":  {[]string{"--failed-cmd", "true"}, "missing --failed-cmd or --failed-url, which the session before has: give the hook again, or --no-failed"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 3, func(b *bubble) {
				// The run stops at once, so that no hook has to pass.
				p := b.process("", b.first(append(test.given, "--timeout", "1ns")...)...)
				p.interactive = true
				require.Contains(b, []int{exitcode.Interrupted, exitcode.Unknown}, p.run(), p.stderr.String())
				require.Contains(b, p.summary().NotRestarted[0].Next, " "+test.given[0])

				reads := len(b.server.Calls())
				code, _, stderr := b.do(b.later("resume", "--yes", "--min-ready", "0")...)
				require.Equal(b, exitcode.Usage, code)
				require.Contains(b, stderr, test.again)
				require.Len(b, b.server.Calls(), reads, "refused before anything is asked")

				p = b.process("", "status", b.journal)
				p.run()
				if len(test.given) > 1 {
					flag, _, _ := strings.Cut(strings.TrimPrefix(test.again, "missing "), " or ")
					require.Contains(b, p.stdout.String(), strings.TrimSuffix(flag, ",")+" "+asBefore, "the journal has no values of hooks")
				}

				_, waiver, _ := strings.Cut(test.again, "again, or ")
				code, m, stderr := b.do(b.later("resume", "--yes", "--min-ready", "0", waiver)...)
				require.Equal(b, exitcode.Done, code, stderr)
				require.Equal(b, 3, m.Restarted)
			})
		})
	}
}

func TestResolveAsksForHealthOnly(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		b.server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", InstanceID: "i-0"})
		code, _, stderr := b.do(b.first("--window", "00:00-24:00", "--health-cmd", "true", "--unknown-grace", "10s")...)
		require.Equal(b, exitcode.Unknown, code, stderr)
		code, _, stderr = b.do(b.later("resolve", "--unknown-grace", "10s")...)
		require.Equal(b, exitcode.Usage, code)
		require.Contains(b, stderr, "give the hook again, or --no-health")
		code, m, stderr := b.do(b.later("resolve", "--unknown-grace", "10s", "--no-health")...)
		require.Equal(b, exitcode.Unknown, code, stderr)
		require.Contains(b, m.NotRestarted[0].Next, "resolve "+b.journal+" --no-health")
	})
}

func TestHealthReachesTheView(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		p := b.process("", b.first("--health-cmd", "echo db is down; exit 3", "--ready-timeout", "3m")...)
		require.Equal(b, exitcode.Halted, p.run(), p.stderr.String())
		require.Contains(b, p.stderr.String(), "1 not healthy, such as i-0: ")
	})
}

// A printed command repeats the value of a hook, but no secret of a URL.
func TestNextHidesSecrets(t *testing.T) {
	for value, shown := range map[string]bool{
		"http://127.0.0.1:1/pools/web/drain?server={ip}&zone={zone}": true,
		"http://127.0.0.1:1/{id}/drain":                              true,
		"http://lb:hunter2@127.0.0.1:1/drain":                        false,
		"http://127.0.0.1:1/drain?server={ip}&key=sesame":            false,
	} {
		inBubble(t, 2, func(b *bubble) {
			_, m, stderr := b.do(b.first("--drain-url", value, "--timeout", "1ns")...)
			require.NotEmpty(b, m.NotRestarted, stderr)
			require.Equal(b, shown, strings.Contains(m.NotRestarted[0].Next, value), m.NotRestarted[0].Next)
			require.Equal(b, !shown, strings.Contains(m.NotRestarted[0].Next, "--drain-url "+asBefore), m.NotRestarted[0].Next)
		})
	}
}
