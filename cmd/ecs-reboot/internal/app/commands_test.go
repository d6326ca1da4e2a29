package app

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

// without leaves a flag out.
func without(args []string, flag string) []string {
	var rest []string
	for _, arg := range args {
		if arg != flag {
			rest = append(rest, arg)
		}
	}
	return rest
}

func TestConfirm(t *testing.T) {
	tests := map[string]struct {
		stdin    string
		terminal bool
		args     []string
		code     int
		says     string
	}{
		"nobody there":         {"y\n", false, nil, exitcode.Usage, "missing --yes: without a terminal"},
		"stdin has the ids":    {"i-0\n", true, []string{"--ids-file", "-"}, exitcode.Usage, "missing --yes"},
		"declined":             {"n\n", true, nil, exitcode.Failed, "not confirmed; nothing was sent"},
		"end of the input":     {"", true, nil, exitcode.Failed, "not confirmed; nothing was sent"},
		"confirmed":            {"y\n", true, nil, exitcode.Done, "Restart them at http://127.0.0.1:1? Type y to proceed: "},
		"stdin has ids, --yes": {"i-0\n# none\ni-1 i-2\n", false, []string{"--yes", "--ids-file", "-"}, exitcode.Done, "restart 3 of 3"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 3, func(b *bubble) {
				args := append(without(b.first(), "--yes"), test.args...)
				if strings.HasPrefix(test.stdin, "i-") {
					args = without(args, "--all")
				}
				p := b.process(test.stdin, args...)
				p.interactive = test.terminal
				require.Equal(b, test.code, p.run(), p.stderr.String())
				require.Contains(b, p.stderr.String(), test.says)
				require.Equal(b, test.code == exitcode.Done, b.server.TotalReboots() == 3)
				if test.code == exitcode.Usage {
					require.Empty(b, b.server.Calls())
				}
			})
		})
	}
}

func TestApprove(t *testing.T) {
	for answer, code := range map[string]int{"y\nyes\n": exitcode.Done, "y\nn\n": exitcode.Halted} {
		inBubble(t, 4, func(b *bubble) {
			p := b.process(answer, append(b.first(), "--canary", "1,2", "--approve")...)
			p.interactive = true
			require.Equal(b, code, p.run(), p.stderr.String())
			require.Contains(b, p.stderr.String(), "canary stage 1 is healthy and waits for approval")
			if code == exitcode.Halted {
				require.Equal(b, fleet.ReasonDisapproved, p.summary().Reason)
				require.Equal(b, []int{1, 1, 1, 0}, b.reboots(4))
			}
		})
	}
}

func TestProblems(t *testing.T) {
	inBubble(t, 3, func(b *bubble) {
		require.NoError(b, b.server.SetStatus("i-2", ecsreboot.StatusStopped))
		code, _, stderr := b.do(append(without(b.first(), "--all"), "i-0", "i-1", "i-2")...)
		require.Equal(b, exitcode.Failed, code)
		require.Contains(b, stderr, "i-2 is skipped: not running, it is Stopped")
		require.Contains(b, stderr, "PROBLEM: ")
		require.NoFileExists(b, b.journal)
		require.Zero(b, b.server.TotalReboots())
		code, m, stderr := b.do(append(without(b.first("--despite-problems", "--max-unavailable", "2", "--allow-wide"), "--all"), "i-0", "i-1", "i-2")...)
		require.Equal(b, exitcode.Failed, code, stderr)
		require.Contains(b, m.NotRestarted[0].Next, "start it, which has the effect of a restart; then: ecs-reboot resume "+b.journal)
		require.Equal(b, []int{1, 1, 0}, b.reboots(3))
	})
}

func TestPlan(t *testing.T) {
	inBubble(t, 4, func(b *bubble) {
		file := filepath.Join(filepath.Dir(b.journal), "plan.json")
		p := b.process("", "plan", "--region", "cn-hangzhou", "--all", "--exclude", "i-3", "--canary", "none", "--max-failed", "2", "-o", file)
		require.Equal(b, exitcode.Done, p.run(), p.stderr.String())
		require.Contains(b, p.stdout.String(), "restart 3 of 3 instances of cn-hangzhou")
		require.Contains(b, p.stdout.String(), "dry runs passed: 3")
		require.Contains(b, p.stdout.String(), "plan: "+file)
		require.Zero(b, b.server.TotalReboots())

		text, err := os.ReadFile(file)
		require.NoError(b, err)
		changed := filepath.Join(filepath.Dir(b.journal), "changed.json")
		require.NoError(b, os.WriteFile(changed, []byte(strings.Replace(string(text), "i-2", "i-3", 1)), 0o600))
		run := []string{"run", "--journal", b.journal, "--yes", "--json", "--min-ready", "0", "--plan"}
		code, _, stderr := b.do(append(run, changed)...)
		require.Equal(b, exitcode.Usage, code)
		require.Contains(b, stderr, "was changed: its checksum is ")
		require.Zero(b, b.server.TotalReboots())

		code, m, stderr := b.do(append(run, file)...)
		require.Equal(b, exitcode.Done, code, stderr)
		require.Contains(b, stderr, "halt when more than 2 failed", "the rules are of the plan")
		require.Equal(b, []int{1, 1, 1, 0}, b.reboots(4))
		var written planFile
		require.NoError(b, json.Unmarshal(text, &written))
		require.Equal(b, written.Plan.Digest(), m.Digest)
	})
}

func TestPlanWithProblems(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		b.server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Code: "Forbidden.RAM", Action: "RebootInstance", Times: -1})
		p := b.process("", "plan", "--region", "cn-hangzhou", "--all", "--json")
		require.Equal(b, exitcode.Failed, p.run())
		var told struct{ Forecast fleet.Forecast }
		require.NoError(b, json.Unmarshal([]byte(p.stdout.String()), &told))
		require.NotEmpty(b, told.Forecast.Problems)
		require.Contains(b, p.stderr.String(), "preflight found problems")
	})
}

func TestReport(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		code, _, stderr := b.do(b.first()...)
		require.Equal(b, exitcode.Done, code, stderr)
		html, data := b.journal+".html", b.journal+".json"
		p := b.process("", "report", b.journal, "-o", html, "--json-file", data)
		require.Equal(b, exitcode.Done, p.run(), p.stderr.String())
		text, err := os.ReadFile(data)
		require.NoError(b, err)
		require.True(b, json.Valid(text))
		text, err = os.ReadFile(html)
		require.NoError(b, err)
		require.Contains(b, string(text), "i-1")
		p = b.process("", "report", b.journal, "-o", filepath.Join(b.journal, "no", "directory"))
		require.Equal(b, exitcode.Usage, p.run())
		p = b.process("", "report", b.journal+".none", "-o", html)
		require.Equal(b, exitcode.Failed, p.run())
		require.Contains(b, p.stderr.String(), "no such file")
	})
}

func TestJournalWithoutRecords(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		require.NoError(b, os.WriteFile(b.journal, nil, 0o600))
		code, _, stderr := b.do(b.later("status")...)
		require.Equal(b, exitcode.Failed, code)
		require.Contains(b, stderr, "it has sent nothing: remove its journal and run again")
	})
}

func TestWindowOpensLater(t *testing.T) {
	inBubble(t, 2, func(b *bubble) { // whose clock begins at midnight, UTC, of a Saturday
		code, m, stderr := b.do(b.first("--window", "Sat 02:00-03:00")...)
		require.Equal(b, exitcode.Done, code, stderr)
		require.Contains(b, stderr, "the maintenance window opens at 2000-01-01T02:00:00Z")
		require.Greater(b, m.ElapsedSeconds, (2 * time.Hour).Seconds())
		require.Contains(b, stderr, "paused: outside --window")
	})
}

func TestSelfFromMetadata(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		p := b.process("", b.first()...)
		p.ownID = func(context.Context) (string, error) { return "i-1", nil }
		require.Equal(b, exitcode.Failed, p.run(), p.stderr.String())
		require.Equal(b, []int{1, 0}, b.reboots(2))
		p.getenv = func(name string) string {
			return map[string]string{"ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}[name]
		}
		require.Empty(b, p.self(b.Context(), &settings{}))
	})
}

// A restart whose first poll fails was not sent, and was no dry run. A dry run that got no
// response still is one.
func TestRestartUnread(t *testing.T) {
	for name, test := range map[string]struct {
		args         []string
		line, advice string
	}{
		"restart":            {nil, "i-0: not sent, the instance could not be read", "No restart was sent. "},
		"restart, --no-wait": {[]string{"--no-wait"}, "i-0: not sent, the instance could not be read", "No restart was sent. "},
		"dry run":            {[]string{"--dry-run"}, "i-0: dry run without a response, nothing restarted", "A dry run changes nothing; run it again."},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 1, func(b *bubble) {
				b.server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Times: -1})
				p := b.process("", append([]string{"restart", "--region", "cn-hangzhou", "--yes", "i-0"}, test.args...)...)
				require.Equal(b, exitcode.Failed, p.run())
				require.Equal(b, test.line+"\n", p.stdout.String())
				require.Contains(b, p.stderr.String(), "\n"+test.advice)
				require.Zero(b, b.server.TotalReboots())
			})
		})
	}
}

// A run says of a dry run that is retried that it is one: a restart whose response was lost
// is never retried.
func TestRetriedDryRun(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		b.lose("i-0", ecstest.Fault{})
		p := b.process("", "run", "--region", "cn-hangzhou", "--journal", b.journal, "--yes", "--all", "--min-ready", "0")
		require.Equal(b, exitcode.Done, p.run(), p.stderr.String())
		require.Equal(b, 1, b.server.TotalReboots())
		require.Contains(b, p.stderr.String(), "dry run, which restarts nothing: RebootInstance i-0: ")
		require.Contains(b, p.stderr.String(), "\nretrying the dry run in ")
		require.NotContains(b, p.stderr.String(), "\nRebootInstance i-0: ")
		require.NotContains(b, p.stderr.String(), "retrying in ")
	})
}
