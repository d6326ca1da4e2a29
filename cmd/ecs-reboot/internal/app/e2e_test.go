package app

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/browsertest"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

// site is where an operator works: a directory, an environment that all commands share,
// and services on loopback.
type site struct {
	*testing.T

	dir         string
	environment []string
}

func newSite(t *testing.T) *site {
	t.Helper()
	binary(t, Name)
	return &site{T: t, dir: t.TempDir(), environment: environment(t)}
}

// path is that of a file of the site.
func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// script writes a shell script, and returns its path.
func (s *site) script(name, text string) string {
	s.Helper()
	require.NoError(s, os.WriteFile(s.path(name), []byte("#!/bin/sh\n"+text+"\n"), 0o700))
	return s.path(name)
}

// start starts a command.
func (s *site) start(args ...string) *driver {
	s.Helper()
	return driveTo(s.T, func(d *driver) { d.Env = s.environment }, args...)
}

// run runs a command that ends with an exit code, and returns its stdout.
func (s *site) run(code int, args ...string) string {
	s.Helper()
	d := s.start(args...)
	require.Equal(s, code, d.code(s.T), "%q\n%s\n%s", args, d.stdout.String(), d.stderr.String())
	return d.stdout.String()
}

// serve serves n instances of a region, i-REGION-0 and on.
func (s *site) serve(region string, n int, reboot time.Duration, options ecstest.Options) (*ecstest.Server, []string) {
	s.Helper()
	options.Region = region
	server := serve(s.T, options)
	var ids []string
	for i := range n {
		id := fmt.Sprintf("i-%s-%d", strings.TrimPrefix(region, "cn-"), i)
		require.NoError(s, server.AddInstance(ecstest.Instance{
			ID: id, Name: fmt.Sprintf("web-%d", i), ZoneID: fmt.Sprintf("%s-%c", region, 'a'+i%2), Reboot: ecstest.RebootProfile{Graceful: reboot},
		}))
		ids = append(ids, id)
	}
	return server, ids
}

// until waits until a condition holds.
func (s *site) until(holds func() bool, says ...any) {
	s.Helper()
	require.Eventually(s, holds, time.Minute, 5*time.Millisecond, says...)
}

// once requires that each instance was restarted once.
func (s *site) once(server *ecstest.Server, ids []string) {
	s.Helper()
	for _, id := range ids {
		require.Equal(s, 1, server.Reboots(id), id)
	}
}

// quick makes a fleet fast enough for a test.
var quick = []string{"--min-ready", "0", "--canary", "none", "--yes"}

func TestRestartThree(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	server, ids := s.serve("cn-hangzhou", 4, leastReboot, ecstest.Options{})
	d := s.start("restart", "--region", "cn-hangzhou", "--endpoint", server.URL, "--yes", "--min-ready", "0", ids[0], ids[1], ids[2])
	require.Equal(t, exitcode.Done, d.code(t), d.stderr.String())
	first, _, _ := strings.Cut(d.stderr.String(), "\n")
	journal := regexp.MustCompile(`^journal: (.+)$`).FindStringSubmatch(first)
	require.Len(t, journal, 2, "its path is printed first: %s", first)
	require.Contains(t, d.stderr.String(), "web-0")
	require.Contains(t, d.stdout.String(), "3 of 3 instances restarted with proof")
	s.once(server, ids[:3])
	require.Zero(t, server.Reboots(ids[3]))
	require.Contains(t, s.run(exitcode.Done, "status", journal[1]), "3 of 3 instances restarted with proof")
	require.Contains(t, s.run(exitcode.Done, "status"), strings.TrimSuffix(filepath.Base(journal[1]), ".journal"), "it is listed")
}

func TestPlanRunKillResume(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	server, ids := s.serve("cn-hangzhou", 8, leastReboot, ecstest.Options{})
	plan, journal, html := s.path("web.plan"), s.path("web.journal"), s.path("web.html")
	s.run(exitcode.Done, append([]string{
		"plan", "--region", "cn-hangzhou", "--endpoint", server.URL, "--name", "web-*",
		"--max-unavailable", "2", "--group-by", "zone", "-o", plan,
	}, quick[:len(quick)-1]...)...)
	require.Zero(t, server.TotalReboots())

	d := s.start("run", "--plan", plan, "--journal", journal, "--yes")
	s.until(func() bool { return server.TotalReboots() >= 3 })
	require.Contains(t, s.run(exitcode.Done, "status", journal), "; running: process ", "it runs, and nothing has failed")
	require.NoError(t, d.Process.Kill())
	d.code(t)
	require.Regexp(t, `crashed|nobody drives`, s.run(exitcode.Unknown, "status", journal))

	require.Contains(t, s.run(exitcode.Done, "resume", journal, "--yes"), "8 of 8 instances restarted with proof")
	s.once(server, ids)
	s.run(exitcode.Done, "report", journal, "-o", html)
	text, err := os.ReadFile(html)
	require.NoError(t, err)
	for _, id := range ids {
		require.Contains(t, string(text), id)
	}
	s.run(exitcode.Finished, "resume", journal, "--yes")
	s.once(server, ids)
}

// The log has what the hooks and the service write down, in the order in which it
// happened: drain, restart, undrain for each machine.
func TestHooksOfCommands(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	log := s.path("log")
	file, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, file.Close()) })
	server, ids := s.serve("cn-hangzhou", 5, leastReboot, ecstest.Options{OnCall: func(c ecstest.ReceivedCall) {
		if c.Acted {
			_, _ = fmt.Fprintln(file, c.InstanceID, "restart")
		}
	}})
	hook := s.script("hook", `echo "$ECS_INSTANCE_ID $1 $ECS_INSTANCE_NAME $ECS_INSTANCE_IP" >>`+log)
	server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Code: "DiskError", Action: "RebootInstance", InstanceID: ids[4], Times: -1})
	s.run(exitcode.Failed, append([]string{
		"run", "--region", "cn-hangzhou", "--endpoint", server.URL, "--all", "--dry-runs", "0", "--journal", s.path("web.journal"),
		"--max-unavailable", "2", "--allow-wide", "--max-failed", "1", "--report", s.path("web.html"),
		"--drain-cmd", hook + " drain", "--undrain-cmd", hook + " undrain", "--failed-cmd", hook + " failed",
	}, quick...)...)
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	steps := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		steps[words[0]] = append(steps[words[0]], words[1])
		if words[1] != "restart" {
			require.Regexp(t, `^web-\d \d+\.\d+\.\d+\.\d+$`, strings.Join(words[2:], " "))
		}
	}
	for _, id := range ids[:4] {
		require.Equal(t, []string{"drain", "restart", "undrain"}, steps[id], id)
	}
	require.Equal(t, []string{"drain", "undrain", "failed"}, steps[ids[4]], "it was not restarted, so it serves again")
}

// An instance that was released does not hold up the others once it is marked.
func TestGoneIsMarked(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	server, ids := s.serve("cn-hangzhou", 4, leastReboot, ecstest.Options{})
	journal := s.path("web.journal")
	server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", InstanceID: ids[1]})
	out := s.run(exitcode.Unknown, append([]string{
		"run", "--region", "cn-hangzhou", "--endpoint", server.URL, "--journal", journal, "--dry-runs", "0", "--unknown-grace", "1s", "--max-failed", "0",
	}, append(quick, ids...)...)...)
	require.Contains(t, out, ids[1]+" ")
	server.RemoveInstance(ids[1])

	out = s.run(exitcode.Done, "mark", journal, "--gone", ids[1], "--reason", "released, OPS-12")
	require.Contains(t, out, "resume")
	require.Contains(t, s.run(exitcode.Done, "resume", journal, "--yes", "--max-failed", "0"), "3 of 4 instances restarted with proof, 1 gone")
	s.once(server, []string{ids[0], ids[2], ids[3]})
	s.run(exitcode.Done, "report", journal, "-o", s.path("web.html"))
	text, err := os.ReadFile(s.path("web.html"))
	require.NoError(t, err)
	require.Contains(t, string(text), "released, OPS-12")
}

func TestTwoRegions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	hangzhou, ids := s.serve("cn-hangzhou", 3, leastReboot, ecstest.Options{})
	shanghai, others := s.serve("cn-shanghai", 3, leastReboot, ecstest.Options{})
	plan, journal := s.path("both.plan"), s.path("both.journal")
	s.run(exitcode.Done, append([]string{
		"plan", "--region", "cn-hangzhou", "--region", "cn-shanghai", "--endpoint", hangzhou.URL, "--endpoint", shanghai.URL,
		"--all", "--group-by", "region", "--max-unavailable", "2", "--max-unavailable-per-group", "1", "--allow-wide", "-o", plan,
	}, quick[:len(quick)-1]...)...)
	d := s.start("run", "--plan", plan, "--journal", journal, "--yes")
	s.until(func() bool { return hangzhou.TotalReboots() > 0 && shanghai.TotalReboots() > 0 })
	require.NoError(t, d.Process.Kill())
	d.code(t)
	require.Contains(t, s.run(exitcode.Done, "resume", journal, "--yes"), "6 of 6 instances restarted with proof")
	s.once(hangzhou, ids)
	s.once(shanghai, others)
}

func TestOtherCommandsControlARun(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	server, ids := s.serve("cn-hangzhou", 6, leastReboot, ecstest.Options{})
	journal := s.path("web.journal")
	d := s.start(append([]string{
		"run", "--region", "cn-hangzhou", "--endpoint", server.URL, "--all", "--journal", journal, "--approve", "--max-unavailable", "1",
		"--progress", "plain",
	}, "--canary", "1", "--min-ready", "0", "--yes")...)
	s.until(func() bool {
		return strings.Contains(d.stderr.String(), "canary stage 1 is healthy and waits for approval")
	})
	s.run(exitcode.Done, "pause", journal)
	s.run(exitcode.Done, "approve", journal)
	s.until(func() bool { return strings.Contains(s.run(exitcode.Done, "status", journal), "paused") })
	require.Equal(t, 1, server.TotalReboots())
	s.run(exitcode.Done, "unpause", journal)
	s.until(func() bool { return server.TotalReboots() > 1 })
	s.run(exitcode.Done, "abort", journal)
	require.Equal(t, exitcode.Interrupted, d.code(t), d.stderr.String())
	n := server.TotalReboots()
	require.Less(t, n, len(ids))
	s.run(exitcode.Failed, "pause", journal) // there is no run any more
	s.run(exitcode.Done, "resume", journal, "--yes", "--no-approve")
	s.once(server, ids)
}

// The live page shows the instances, and its button lets the run go on.
func TestLivePage(t *testing.T) {
	browser := browsertest.Start(t)
	s := newSite(t)
	server, ids := s.serve("cn-hangzhou", 4, leastReboot, ecstest.Options{})
	d := s.start(append([]string{
		"run", "--region", "cn-hangzhou", "--endpoint", server.URL, "--all", "--journal", s.path("web.journal"), "--page", "127.0.0.1:0", "--approve",
	}, "--canary", "1", "--min-ready", "0", "--yes")...)
	var url string
	s.until(func() bool {
		for line := range strings.Lines(d.stderr.String()) {
			if _, rest, found := strings.Cut(line, "live page: "); found {
				url = strings.TrimSpace(rest)
			}
		}
		return url != "" && strings.Contains(d.stderr.String(), "waits for approval")
	})
	browser.Open(url)
	browser.Wait("document.getElementById('status').textContent === 'Canary stage 1 waits for approval'")
	for _, id := range ids {
		browser.Wait("document.body.textContent.includes('" + id + "')")
	}
	browser.Click("approve")
	require.Equal(t, exitcode.Done, d.code(t), d.stderr.String())
	s.once(server, ids)
}

// A witness decides what polls cannot: whether a request whose response was lost arrived.
func TestWitnessOfARun(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault  ecstest.Fault
		code   int
		says   string
		denied bool
	}{
		"refused":              {ecstest.Fault{Refuse: "DiskError"}, exitcode.Failed, "failed: refused, DiskError: .*the service refused the request", false},
		"never arrived":        {ecstest.Fault{}, exitcode.Unknown, "unknown: .*no trace of the request", false},
		"without a permission": {ecstest.Fault{Refuse: "DiskError"}, exitcode.Unknown, "unknown: ", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			server, ids := s.serve("cn-hangzhou", 2, leastReboot, ecstest.Options{AuditDelay: 2 * time.Second})
			test.fault.Kind, test.fault.Action, test.fault.InstanceID = ecstest.FaultDrop, "RebootInstance", ids[1]
			server.Inject(test.fault)
			if test.denied {
				server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Action: "LookupEvents", Code: "NoPermission", Status: 403, Times: -1})
			}
			journal := s.path("web.journal")
			d := s.start(append([]string{
				"run", "--region", "cn-hangzhou", "--endpoint", server.URL, "--all", "--journal", journal, "--dry-runs", "0",
				"--max-failed", "1", "--unknown-grace", "1s", "--witness", "actiontrail", "--witness-timeout", "8s",
			}, quick...)...)
			require.Equal(t, test.code, d.code(t), d.stderr.String())
			require.Regexp(t, ids[1]+` \(web-1\) `+test.says, d.stdout.String())
			require.Equal(t, test.denied, strings.Contains(d.stderr.String(), "actiontrail:LookupEvents"), d.stderr.String())
			if test.code == exitcode.Unknown {
				require.Regexp(t, `search its events for send/[A-Za-z0-9]+\. in the User-Agent`, d.stdout.String())
			}
			require.Equal(t, []int{1, 0}, []int{server.Reboots(ids[0]), server.Reboots(ids[1])})
		})
	}
}

// The console output of an instance that did not come back is in the result of a run, and
// restart prints it for one instance.
func TestConsoleOfAHangingInstance(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	server, ids := s.serve("cn-hangzhou", 1, leastReboot, ecstest.Options{})
	for _, id := range []string{"i-hangs", "i-stuck"} {
		require.NoError(t, server.AddInstance(ecstest.Instance{
			ID: id, Name: "stuck", ConsoleOutput: "root password is: hunter2\nKernel panic\n", Reboot: ecstest.RebootProfile{Hang: true},
		}))
	}
	journal := s.path("web.journal")
	where := []string{"--region", "cn-hangzhou", "--endpoint", server.URL, "--witness", "console"}
	d := s.start(append(append([]string{"run", ids[0], "i-hangs", "--journal", journal, "--max-failed", "1", "--ready-timeout", "4s"}, quick...), where...)...)
	require.Equal(t, exitcode.Failed, d.code(t), d.stderr.String())
	require.Contains(t, d.stdout.String(), "    its console output ends with:\n      | root password is: ***\n      | Kernel panic\n")
	text, err := os.ReadFile(journal)
	require.NoError(t, err)
	require.Contains(t, string(text), `"console":"root password is: ***\nKernel panic\n"`)
	require.NotContains(t, string(text), "hunter2")
	require.Contains(t, s.run(exitcode.Failed, "status", journal, "--json"), `"console":"root password is: ***\nKernel panic\n"`)

	d = s.start(append([]string{"restart", "i-stuck", "--yes", "--wait-timeout", "2s"}, where...)...)
	require.Equal(t, exitcode.Unknown, d.code(t), d.stderr.String())
	require.Contains(t, d.stderr.String(), "the end of the console output of i-stuck:\n      | root password is: ***\n      | Kernel panic\n")

	d = s.start("restart", ids[0], "--region", "cn-hangzhou", "--yes", "--witness", "bogus")
	require.Equal(t, exitcode.Usage, d.code(t))
	require.Contains(t, d.stderr.String(), `--witness`)
	require.Contains(t, d.stderr.String(), `unknown witness "bogus", want actiontrail, states, heartbeat, console or none`)
}

// A run that is killed before the response arrives is resumed, and the send ID in the
// journal finds the request.
func TestWitnessAfterKill(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	server, ids := s.serve("cn-hangzhou", 2, leastReboot, ecstest.Options{AuditDelay: time.Second})
	journal := s.path("web.journal")
	// The service has refused the request, and its response is on the way when the program dies.
	server.Inject(ecstest.Fault{Kind: ecstest.FaultHang, Refuse: "DiskError", Action: "RebootInstance", InstanceID: ids[0]})
	d := s.start(append([]string{
		"run", "--region", "cn-hangzhou", "--endpoint", server.URL, "--journal", journal, "--dry-runs", "0", "--max-failed", "1",
		"--unknown-grace", "1s", "--witness", "actiontrail", "--witness-timeout", "10s",
	}, append(quick, ids...)...)...)
	s.until(func() bool {
		for _, call := range server.Calls() {
			if call.Action == "RebootInstance" && call.InstanceID == ids[0] {
				return true
			}
		}
		return false
	})
	require.NoError(t, d.Process.Kill())
	d.code(t)
	out := s.run(exitcode.Done, "resolve", journal) // the other one waits
	require.Regexp(t, ids[0]+` .*refused, DiskError`, out)
	out = s.run(exitcode.Done, "resume", journal, "--yes")
	require.Contains(t, out, "2 of 2 instances restarted with proof")
	s.once(server, ids)
}
