package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	ecstemporal "github.com/ecsreboot/ecsreboot/temporal"
)

// try runs the program, with nobody at a terminal.
func try(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	p := &program{stdin: bufio.NewReader(strings.NewReader("")), stdout: &out, stderr: &errs}
	code = p.run(t.Context(), args)
	return code, out.String(), errs.String()
}

func TestUsage(t *testing.T) {
	for _, line := range []string{
		"", "reboot", "run", "run -region cn-hangzhou", "run -region cn-hangzhou -all -yes extra -dry-runs 1", "run -region cn-hangzhou -all i-1",
		"run -region cn-hangzhou -tag =x", "run -region cn-hangzhou -all -group-by colour", "run -region cn-hangzhou -all -canary 0",
		"run -region cn-hangzhou -all -min-ready -1s", "run -region cn-hangzhou -all -send-timeout 0s", "run -region cn-hangzhou -all -dry-runs -1",
		"run -region cn-hangzhou -all", // nobody is there to confirm
		"run -emulate -1", "run -emulate 1000000", "run -emulate 5 -region cn-hangzhou", "run -emulate 5 -all -tag a=b", "run -emulate 5 -health",
		"run -emulate 5 -task-queue x", "run -emulate 5 i-1", "run -emulate 5 -max-unavailable lots", "run -emulate 5 -tls=false -tls-ca x",
		"status", "status -run", "status -run x y", "pause", "unpause -run x extra", "abort -stage 1 -run x", "approve -run x -stage 0",
		"report -run x extra", "status -run x -api-key y",
	} {
		code, stdout, stderr := try(t, strings.Fields(line)...)
		require.Equal(t, exitcode.Usage, code, "%s: %s", line, stderr)
		require.Empty(t, stdout, line)
		require.NotEmpty(t, stderr, line)
	}
}

func TestHelp(t *testing.T) {
	const widest = 100
	args := [][]string{{"-h"}}
	for name := range commands {
		args = append(args, []string{name, "-h"})
	}
	for _, a := range args {
		code, stdout, _ := try(t, a...)
		require.Equal(t, exitcode.Done, code)
		for line := range strings.Lines(stdout) {
			require.LessOrEqual(t, len(line)-1, widest, line)
		}
	}
}

// A failure asked for as JSON is JSON.
func TestFailureAsJSON(t *testing.T) {
	t.Setenv("TEMPORAL_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	code, stdout, _ := try(t, "status", "-json", "-run", "x", "-address", "127.0.0.1:1")
	require.Equal(t, exitcode.Failed, code)
	var s summary
	require.NoError(t, json.Unmarshal([]byte(stdout), &s))
	require.Equal(t, exitcode.Failed, s.ExitCode)
	require.Contains(t, s.Error, "127.0.0.1:1")
	_, stdout, _ = try(t, "status", "-nonsense", "-json")
	require.NoError(t, json.Unmarshal([]byte(stdout), &s))
	require.Equal(t, exitcode.Usage, s.ExitCode)
}

// reportOf is of a run over instances that were begun in order, and came to states.
func reportOf(reason fleet.Reason, records ...fleet.Record) *fleet.Report {
	begun := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	is := &fleet.Report{Begun: begun, Ended: begun.Add(time.Minute), Reason: reason}
	for i, record := range records {
		record.ID = string(rune('a' + i))
		is.Records = append(is.Records, record)
	}
	return is
}

func TestExitCodes(t *testing.T) {
	healthy, waiting := fleet.Record{State: fleet.StateHealthy}, fleet.Record{State: fleet.StateWaiting}
	for _, c := range []struct {
		is   *fleet.Report
		want int
	}{
		{reportOf(fleet.ReasonDone, healthy), exitcode.Done},
		{reportOf(fleet.ReasonDone, healthy, fleet.Record{State: fleet.StateSkipped, Reason: fleet.ReasonOthers}), exitcode.Done},
		{reportOf(fleet.ReasonDone, healthy, fleet.Record{State: fleet.StateFailed, Reason: fleet.ReasonRefused}), exitcode.Failed},
		{reportOf(fleet.ReasonDone, healthy, fleet.Record{State: fleet.StateSkipped, Reason: fleet.ReasonLocked}), exitcode.Failed},
		{reportOf(fleet.ReasonDone, fleet.Record{State: fleet.StateUnknown}), exitcode.Unknown},
		{reportOf(fleet.ReasonUser, waiting, fleet.Record{State: fleet.StateUnknown}), exitcode.Unknown},
		{reportOf(fleet.ReasonUser, healthy, waiting), exitcode.Interrupted},
		{reportOf(fleet.ReasonBudget, healthy, waiting), exitcode.Halted},
		{reportOf(fleet.ReasonCanary, waiting), exitcode.Halted},
		{reportOf(fleet.ReasonAccess, waiting), exitcode.Halted},
	} {
		require.Equal(t, c.want, codeOf(c.is), "%+v", c.is)
	}
	goingOn := reportOf("", waiting, fleet.Record{State: fleet.StateRestarting})
	goingOn.Ended = time.Time{}
	require.Equal(t, exitcode.Done, codeOf(goingOn))
}

// Names and messages come from elsewhere: they do nothing to a terminal.
func TestText(t *testing.T) {
	var out bytes.Buffer
	p := &program{stdout: &out, stderr: &out}
	p.print(&settings{workflow: "a-run"}, reportOf(fleet.ReasonBudget,
		fleet.Record{State: fleet.StateHealthy},
		fleet.Record{Target: fleet.Target{Name: "\x1b[31mred"}, State: fleet.StateFailed, Reason: fleet.ReasonRefused, Error: "no\a", RequestID: "R-1"},
		fleet.Record{State: fleet.StateWaiting}, fleet.Record{State: fleet.StateRestarting}, fleet.Record{State: fleet.StateRestarting, Accepted: time.Now()}))
	require.Equal(t, `a-run: 1 of 5 instances restarted, with proof; HALTED: failure budget (-max-failed)
  b (?[31mred) failed: refused: no? (request R-1)
  d restarting, the restart may have been sent
  e restarting
  waiting, nothing was sent to them: 1
    c
`, out.String())
}

func TestStanding(t *testing.T) {
	require.Equal(t, "3 of 10 done: 2 healthy, 2 restarting, 5 waiting, 1 failed; unavailable 3 of 4 at most; failures 1 of 2 at most; "+
		"canary stage 2; stage 2 waits for approval; throttled 7 times; PAUSED; stops: as asked",
		standing(ecstemporal.Progress{
			Targets: 10, Width: 4, Unavailable: 3, Failed: 1, MaxFailed: 2, Stage: 2, Awaiting: 2, Throttled: 7, Paused: true, Reason: fleet.ReasonUser,
			Counts: map[fleet.State]int{fleet.StateHealthy: 2, fleet.StateRestarting: 2, fleet.StateWaiting: 5, fleet.StateFailed: 1},
		}))
}

func TestIDs(t *testing.T) {
	ids, err := parseIDs(strings.NewReader("i-1, i-2 # two\n\n# none\ni-3\n"))
	require.NoError(t, err)
	require.Equal(t, []string{"i-1", "i-2", "i-3"}, ids)
	_, err = parseIDs(strings.NewReader("# none\n"))
	require.Equal(t, exitcode.Usage, exitcode.Of(err))
}
