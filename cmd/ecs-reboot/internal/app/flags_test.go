package app

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

// newTestProgram returns a program without a service, whose state is in a temporary
// directory.
func newTestProgram(t *testing.T) (p *program, stdout, stderr *buffer) {
	t.Helper()
	dir := t.TempDir()
	stdout, stderr = new(buffer), new(buffer)
	p = &program{
		stdin: strings.NewReader(""), stdout: stdout, stderr: stderr,
		getenv: func(name string) string { return map[string]string{"XDG_STATE_HOME": dir}[name] },
		ownID:  func(context.Context) (string, error) { return "", io.EOF },
	}
	p.connector.NewClient = func(string, ...ecsreboot.Option) (*ecsreboot.Client, error) {
		return nil, errors.New("no test here connects")
	}
	return p, stdout, stderr
}

func TestUsage(t *testing.T) {
	here := "run --region cn-hangzhou --journal j "
	durable := "run --region cn-hangzhou --all --yes --temporal 127.0.0.1:1 "
	for line, says := range map[string]string{
		"dance":                                       `unknown command "dance"`,
		"run":                                         "missing --region",
		"run --x":                                     "unknown flag: --x",
		"run --region cn-hangzhou --journal j":        "missing instances",
		"run --region  --all":                         "empty value of --region",
		here + "i-1 --all":                            "a list of instances and --all contradict",
		here + "i-1 --tag a=b":                        "a list of instances and --tag contradict",
		here + "--ids-file x --name web-*":            "a list of instances and --name contradict",
		here + "--ids-file x i-1":                     "instance IDs and --ids-file contradict",
		here + "web-*":                                "has a wildcard",
		here + "i-1 i-2 i-1":                          "instance ID i-1 is repeated",
		here + "--all --exclude i-*":                  "--exclude: instance ID \"i-*\" has a wildcard",
		here + "--tag =x":                             `invalid argument "=x" for "--tag"`,
		here + "--all --group-by moon":                `unknown --group-by "moon"`,
		here + "--all --group-by tag:":                `unknown --group-by "tag:"`,
		here + "--all --canary 1,0":                   "the sizes of the stages",
		here + "--all --max-unavailable many":         "max-unavailable",
		here + "--all --max-failed -1":                "max-failed",
		here + "--all --min-ready -1s":                "--min-ready -1s is negative",
		here + "--all --hook-timeout -1s":             "--hook-timeout -1s is negative",
		here + "--all --window 2-3":                   "02:00-05:00",
		here + "--all --progress loud":                `unknown --progress "loud"`,
		here + "--all --rate-hint 0":                  "--rate-hint 0",
		here + "--all --rate-hint NaN":                "--rate-hint NaN",
		here + "--all --dry-runs -1":                  "--dry-runs -1",
		here + "--all":                                "missing --yes",
		here + "--all --vpc --endpoint https://x":     "--vpc and --endpoint contradict",
		here + "--all --region cn-hangzhou":           "--region cn-hangzhou is repeated",
		here + "--all --region b --endpoint http://x": "--endpoint is given 1 times for 2 regions",
		here + "--all --drain-url ftp://x":            "--drain-url",
		here + "--all --undrain-url http://{x}/":      "--undrain-url",
		here + "--all --notify-url x":                 "--notify-url",
		here + "--all --page 0.0.0.0:0 --yes":         "--page",
		here + "--all --hook drain,moon":              `unknown --hook "moon"`,
		here + "--all --hook approve":                 `unknown --hook "approve"`,
		here + "--all --detach":                       "--detach is for durable runs; it needs --temporal",
		durable + "--drain-cmd x":                     "--drain-cmd and --temporal contradict",
		durable + "--journal j":                       "--journal and --temporal contradict",
		durable + "--detach --page 127.0.0.1:0":       "--detach contradicts --page and --report",
		durable + "--temporal-tls-cert x":             "--temporal-tls-cert and --temporal-tls-key belong together",
		"run --emulate 5 --region cn-hangzhou":        "--emulate and --region contradict",
		"run --emulate -1":                            "--emulate -1: want the number of instances",
		"run --emulate 1000000":                       "more than this process can serve",
		"run --plan p --journal j --all":              "--all and --plan contradict",
		"run --plan p --journal j i-1":                `argument "i-1" and --plan contradict`,
		"run --plan /no/such/plan --journal j --yes":  "--plan /no/such/plan: no such file",
		"plan --region cn-hangzhou":                   "missing instances",
		"plan --region cn-hangzhou --all --journal j": "--journal",
		"resume":                                     "missing JOURNAL",
		"resume j i-1":                               `unexpected argument "i-1"`,
		"resume j --region cn-hangzhou":              "--region",
		"resume j":                                   "missing --yes",
		"resolve j --window 02:00-03:00":             "--window",
		"resume j --no-health --health-cmd x":        "--health-cmd or --health-url and --no-health contradict",
		"resolve j --no-window":                      "--no-window",
		"report j":                                   "missing -o",
		"mark j":                                     "missing --gone, --restarted or --not-restarted",
		"mark j --gone i-1":                          "missing --reason",
		"mark j --gone i-* --reason x":               "has a wildcard",
		"approve --stage 0":                          "--stage 0",
		"pause a b":                                  "accepts at most 1 arg",
		"pause --temporal 127.0.0.1:1":               "missing RUN",
		"status --temporal 127.0.0.1:1":              "missing RUN",
		"worker --region cn-hangzhou":                "missing --temporal",
		"worker --temporal x --region cn-hangzhou a": "unknown command",
		"worker --temporal x --region b --rate -1":   "--rate -1",
		"worker --temporal x --region b --rate NaN":  "--rate NaN",
		"restart":                                    "missing instance ID",
		"restart i-1 --no-wait i-2 --region b --yes": "--no-wait and --resend-unknown are for one instance",
		"restart i-1 --journal j --region b --yes":   "--journal is for several instances",
		"check":      "missing instance ID",
		"check i-*":  "Run ecs-reboot check -h for help.",
		"emulator x": "unknown command",
		"run --region cn-hangzhou --journal j --all --json": "missing --yes",
	} {
		t.Run(line, func(t *testing.T) {
			t.Chdir(t.TempDir())
			for _, name := range []string{"ALIBABA_CLOUD_REGION_ID", "ALIBABACLOUD_REGION_ID", "ALICLOUD_REGION_ID"} {
				t.Setenv(name, "")
			}
			t.Setenv("HOME", t.TempDir())
			p, stdout, stderr := newTestProgram(t)
			require.Equal(t, exitcode.Usage, p.run(t.Context(), strings.Split(line, " ")), stderr.String())
			require.Contains(t, stderr.String(), says)
			require.Equal(t, strings.Contains(line, "--json"), strings.Contains(stdout.String(), `"exitCode":2`))
		})
	}
}

// TestHelp reads all pages: in 80 columns, the manual has each flag, and the short page has
// a usage, some flags and three examples.
func TestHelp(t *testing.T) {
	page := func(args ...string) string {
		p, stdout, stderr := newTestProgram(t)
		require.Equal(t, exitcode.Done, p.run(t.Context(), args), "%v", args)
		require.Empty(t, stderr.String(), "%v", args)
		for line := range strings.Lines(stdout.String()) {
			require.LessOrEqual(t, len([]rune(strings.TrimSuffix(line, "\n"))), 80, "%v: %s", args, line)
		}
		return stdout.String()
	}
	p, _, _ := newTestProgram(t)
	for _, cmd := range p.root().Commands() {
		if cmd.IsAdditionalHelpTopicCommand() {
			require.NotEmpty(t, page("help", cmd.Name()))
			continue
		}
		if cmd.Name() == "help" || cmd.Name() == "completion" {
			continue
		}
		manual := page(cmd.Name(), "--help")
		require.Equal(t, manual, page("help", cmd.Name()))
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" {
				require.Contains(t, manual, "--"+f.Name, cmd.Name())
				require.NotEmpty(t, f.Usage, "%s --%s", cmd.Name(), f.Name)
			}
		})
		short := page(cmd.Name(), "-h")
		require.Contains(t, short, "Usage:\n  ecs-reboot "+cmd.Name())
		if cmd.Name() != "version" {
			require.GreaterOrEqual(t, strings.Count(short, "\n  ecs-reboot "), 4, "%s: three examples", cmd.Name())
		}
		for name := range strings.SplitSeq(cmd.Annotations[shortAnnotation], ",") {
			require.True(t, name == "" || cmd.Flags().Lookup(name) != nil || cmd.Name() != "approve" && (name == "stage" || name == "reject"), "%s --%s", cmd.Name(), name)
		}
	}
	for _, topic := range []string{"nothing", "run nothing"} {
		p, stdout, stderr := newTestProgram(t)
		require.Equal(t, exitcode.Usage, p.run(t.Context(), append([]string{"help"}, strings.Fields(topic)...)))
		require.Empty(t, stdout.String())
		require.Contains(t, stderr.String(), `unknown help topic "`+topic+`"`)
	}
	require.Equal(t, page("--help"), page("help"))
	require.Contains(t, page(), "Commands:")
	require.Contains(t, page("--help"), "ecs-reboot run --emulate 200")
	p, stdout, _ := newTestProgram(t)
	require.Equal(t, exitcode.Done, p.run(t.Context(), []string{"completion", "bash"}))
	require.Contains(t, stdout.String(), "complete -o default -F __start_ecs-reboot ecs-reboot")
}

// parse returns the settings of a command line, without running the command.
func parse(t *testing.T, add func(*settings), args ...string) *settings {
	t.Helper()
	cmd := &cobra.Command{Use: "run"}
	s := newSettings(cmd)
	add(s)
	require.NoError(t, cmd.Flags().Parse(args))
	s.args = cmd.Flags().Args()
	return s
}

func TestSettings(t *testing.T) {
	s := parse(t, func(s *settings) {
		s.addSelection()
		s.addRules()
		s.addHealth()
		s.addHooks()
		s.addSend()
	}, strings.Split("--max-unavailable 2.5% --max-unavailable-per-group 1 --max-failed 3 --canary none --tag a=b --tag c!=d|e "+
		"--exclude i-1,i-2 --exclude i-3 --min-ready 0 --hook-timeout 0 --ready-timeout 5m --allow-wide --drain-cmd x --hook undrain", " ")...)
	require.Len(t, s.tags.conditions, 2)
	require.Equal(t, listFlag{"i-1", "i-2", "i-3"}, s.exclude)
	is := s.runSettings()
	require.Equal(t, fleet.Rules{
		MaxUnavailable: fleet.Percent(2.5), MaxUnavailablePerGroup: fleet.Count(1), MaxFailed: fleet.Count(3), Canary: []int{}, AllowWide: true,
	}, is.Rules)
	require.Negative(t, is.MinReady, "0 means none")
	require.Negative(t, is.HookTimeout)
	require.Equal(t, 5*time.Minute, is.ReadyTimeout)
	require.Zero(t, is.UnknownGrace, "the default")
	require.Empty(t, is.Exclude, "the plan leaves them out")
	require.Equal(t, []fleet.Hook{fleet.HookDrain, fleet.HookUndrain}, s.hookNames())
}

func TestWindow(t *testing.T) {
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	require.NoError(t, err)
	for text, want := range map[string]fleet.Window{
		"02:00-05:00": {Start: 2 * time.Hour, End: 5 * time.Hour, Location: time.UTC},
		"Mon-Fri 02:00-05:30 Asia/Shanghai": {
			Days:  []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday},
			Start: 2 * time.Hour, End: 5*time.Hour + 30*time.Minute, Location: shanghai,
		},
		"fri-sun,tue 22:00-24:00 UTC": {
			Days:  []time.Weekday{time.Friday, time.Saturday, time.Sunday, time.Tuesday},
			Start: 22 * time.Hour, End: 24 * time.Hour, Location: time.UTC,
		},
	} {
		var w windowFlag
		require.NoError(t, w.Set(text))
		require.Equal(t, want, *w.window)
	}
	for _, text := range []string{"", "Mon", "Mon 2-3", "Mon-Moo 02:00-03:00", "02:00", "02:00-03:00 Moon/Base", "02:00-03:00 UTC x", "25:00-03:00"} {
		require.Error(t, new(windowFlag).Set(text), text)
	}
}

func TestIDsFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "ids")
	require.NoError(t, os.WriteFile(name, []byte("\ufeffi-1, i-2\r\n\n# all\n\ti-3 # the last\n"), 0o600))
	p, _, _ := newTestProgram(t)
	ids, err := p.readIDs(t.Context(), name)
	require.NoError(t, err)
	require.Equal(t, []string{"i-1", "i-2", "i-3"}, ids)
	for text, says := range map[string]string{"# none\n": "", "i-1\ni-2\ni-1\n": "i-1", "web-*\n": "web-*"} {
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		_, err = p.readIDs(t.Context(), name)
		require.Equal(t, exitcode.Usage, exitcode.Of(err), "%q", text)
		require.ErrorContains(t, err, says)
	}
	for _, name := range []string{name + ".none", "-"} {
		_, err = p.readIDs(t.Context(), name)
		require.Equal(t, exitcode.Usage, exitcode.Of(err), "a list that came out empty must not mean every instance")
	}
}
