package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

func TestUsage(t *testing.T) {
	here := "run -region cn-hangzhou -journal j "
	for line, says := range map[string]string{
		"":                                         "what? plan, run, resume",
		"dance":                                    `"dance" is no command`,
		"run":                                      "missing -region",
		"run -x":                                   "-x; rolling run -h lists them",
		"run -region cn-hangzhou -journal j":       "which instances?",
		"run -region cn-hangzhou -all":             "where shall the run be remembered?",
		"run -region  -all":                        "empty value of -region",
		here + "i-1 -all":                          `flag "-all" after the instance id`,
		here + "-all i-1":                          "a list of instances contradicts",
		here + "-tag a=b -ids-file x":              "a list of instances contradicts",
		here + "-ids-file x i-1":                   "instance ids and -ids-file contradict",
		here + "-tag =x":                           "it is key=value",
		here + "-tag a=b -tag a=c":                 "the tag a is given twice",
		here + "-all -group-by moon":               `-group-by "moon" is unknown`,
		here + "-all -group-by tag:":               `-group-by "tag:" is unknown`,
		here + "-all -canary 1,0":                  "the sizes of the stages",
		here + "-all -max-unavailable many":        "max-unavailable",
		here + "-all -max-failed -1":               "max-failed",
		here + "-all -min-ready -1s":               "-min-ready -1s is negative",
		here + "-all -window 2-3":                  "02:00-05:00",
		here + "-all -progress loud":               `-progress "loud" is unknown`,
		here + "-all -rate-hint 0":                 "-rate-hint 0",
		here + "-all -rate-hint NaN":               "-rate-hint NaN",
		here + "-all -dry-runs -1":                 "-dry-runs -1",
		here + "-all -approve -yes":                "-approve asks on the terminal",
		here + "-all":                              "it needs -yes",
		here + "-all -vpc -endpoint https://x":     "-vpc and -endpoint contradict",
		"run -emulate 5 -region cn-hangzhou":       "-emulate and -region contradict",
		"run -emulate -1":                          "At least 1",
		"run -emulate 1000000":                     "too many",
		"run -plan p -journal j -all":              "-all and -plan contradict",
		"run -plan p -journal j i-1":               `"i-1" stands behind the flags`,
		"run -plan /no/such/plan -journal j -yes":  "-plan: open /no/such/plan",
		"plan -region cn-hangzhou":                 "which instances?",
		"plan -region cn-hangzhou -all -journal j": "-journal",
		"resume":                                            "which run? Give -journal",
		"resume -journal j i-1":                             `"i-1" stands behind the flags`,
		"resume -journal j -region cn-hangzhou":             "-region",
		"resume -journal j":                                 "it needs -yes",
		"resolve -journal j -window 02:00-03:00":            "-window",
		"resume -journal j -no-health -health-cmd x":        "-health-url or -health-cmd and -no-health contradict",
		"resolve -journal j -no-window":                     "-no-window",
		here + "-all -no-health":                            "-no-health",
		"status":                                            "which run?",
		"report -journal j":                                 "where to?",
		"run -region cn-hangzhou -journal j -all -json -no": "-no",
	} {
		t.Run(line, func(t *testing.T) {
			t.Chdir(t.TempDir())
			var stdout, stderr buffer
			p := newProgram(strings.NewReader(""), &stdout, &stderr)
			args := strings.Split(line, " ")
			if line == "" {
				args = nil
			}
			require.Equal(t, exitcode.Usage, p.run(t.Context(), args), stderr.String())
			require.Contains(t, stderr.String(), says)
			require.Equal(t, strings.Contains(line, "-json"), strings.Contains(stdout.String(), `"exitCode":2`))
		})
	}
}

func TestHelp(t *testing.T) {
	for command := range commands {
		var stdout, stderr buffer
		p := newProgram(strings.NewReader(""), &stdout, &stderr)
		require.Equal(t, exitcode.Done, p.run(t.Context(), []string{command, "-h"}))
		require.Empty(t, stderr.String())
		flags := flag.NewFlagSet("", flag.ContinueOnError)
		commands[command].flags(&settings{waivers: map[string]*bool{}}, flags)
		flags.VisitAll(func(f *flag.Flag) { require.Contains(t, stdout.String(), "-"+f.Name, "%s -h", command) })
		for line := range strings.Lines(stdout.String()) {
			require.LessOrEqual(t, len([]rune(line)), 101, line)
		}
	}
	for _, arg := range []string{"-h", "help", "-version"} {
		var stdout, stderr buffer
		require.Equal(t, exitcode.Done, newProgram(strings.NewReader(""), &stdout, &stderr).run(t.Context(), []string{arg}))
		require.Contains(t, stdout.String(), "rolling")
	}
}

func TestSettings(t *testing.T) {
	args := "-max-unavailable 2.5% -max-unavailable-per-group 1 -max-failed 3 -canary none -tag a=b -tag c -exclude i-1,i-2 -exclude i-3 " +
		"-min-ready 0 -ready-timeout 5m -allow-wide"
	s, err := parse("run", strings.Split(args, " "), flagsOfRun)
	require.NoError(t, err)
	require.Equal(t, tagFlag{"a": "b", "c": ""}, s.tags)
	require.Equal(t, listFlag{"i-1", "i-2", "i-3"}, s.exclude)
	p := newProgram(strings.NewReader(""), nil, nil)
	p.getenv = func(string) string { return "true" }
	options, err := p.options(t.Context(), s, fleet.Rules{Canary: []int{7}})
	require.NoError(t, err)
	require.Equal(t, fleet.Rules{
		MaxUnavailable: fleet.Percent(2.5), MaxUnavailablePerGroup: fleet.Count(1), MaxFailed: fleet.Count(3), Canary: []int{}, AllowWide: true,
	}, options.Rules)
	require.Negative(t, options.MinReady, "0 means none")
	require.Equal(t, 5*time.Minute, options.ReadyTimeout)
	require.Zero(t, options.UnknownGrace, "the default")

	s, err = parse("resume", nil, flagsOfResume)
	require.NoError(t, err)
	base := fleet.Rules{MaxUnavailable: fleet.Count(4), MaxFailed: fleet.Count(5), Canary: []int{7}, AllowWide: true}
	require.Equal(t, base, s.rulesOver(base), "of the journal")
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
	require.NoError(t, os.WriteFile(name, []byte("i-1, i-2\r\n\n# all\n\ti-3 # the last\n"), 0o600))
	p := newProgram(strings.NewReader(""), nil, nil)
	ids, err := p.readIDs(t.Context(), name)
	require.NoError(t, err)
	require.Equal(t, []string{"i-1", "i-2", "i-3"}, ids)
	require.NoError(t, os.WriteFile(name, []byte("# none\n"), 0o600))
	for _, name := range []string{name, name + ".none", "-"} {
		_, err = p.readIDs(t.Context(), name)
		require.Equal(t, exitcode.Usage, exitcode.Of(err), "a list that came out empty must not mean every instance")
	}
}
