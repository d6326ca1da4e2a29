package app

import (
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

// A command is printed up to the end of its line, or of its JSON string; only the one for
// help stands within a sentence.
var (
	printedCommand = regexp.MustCompile(`\becs-reboot ([a-z]+)\b(.*)`)
	helpCommand    = regexp.MustCompile(`Run (ecs-reboot [a-z ]+ -h) for help\.`)
)

// commandsIn returns the commands that a text for people holds, each once.
func commandsIn(texts ...string) (found []string) {
	for line := range strings.Lines(strings.Join(texts, "\n")) {
		line = strings.TrimSuffix(line, "\n")
		command := printedCommand.FindString(line)
		if help := helpCommand.FindStringSubmatch(line); help != nil {
			command = help[1]
		}
		if command != "" && !slices.Contains(found, command) {
			found = append(found, command)
		}
	}
	return found
}

// shellWords are the arguments that a shell makes of a command, without its name.
func shellWords(t *testing.T, command string) []string {
	t.Helper()
	arguments, ok := strings.CutPrefix(command, Name+" ")
	require.True(t, ok, command)
	output, err := exec.CommandContext(t.Context(), "sh", "-c", `printf '%s\0' `+arguments).Output()
	require.NoError(t, err, command)
	return strings.Split(strings.TrimSuffix(string(output), "\x00"), "\x00")
}

// endState is a state in which a run may end, or be found.
type endState struct {
	instances int
	regions   map[string]string // their endpoints; by default one, whose endpoint is that of the server
	journal   string            // its name
	prepare   func(w *world)
	command   func(w *world) []string // by default a run of everything
	stop      time.Duration           // interrupts the command
	twice     bool                    // so that it ends at once
	after     func(w *world)          // happens before anybody asks for the status
	mend      func(w *world)          // removes the cause
	values    map[string]string       // in place of AS-BEFORE, for each flag
	code      int                     // of the command
	says      string                  // a command that is printed begins with it, if there is one
	reboots   map[string]int          // in the end; 1 unless it says otherwise
}

// either is a number of restarts that does not matter.
const either = -1

// more begins the run of a state with more flags.
func more(args ...string) func(w *world) []string {
	return func(w *world) []string { return w.first(append(args, "--unknown-grace", "10s")...) }
}

// drop loses the next restart of an instance on the way.
func drop(id string) func(w *world) {
	return func(w *world) {
		w.server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", InstanceID: id})
	}
}

func refuse(ids ...string) func(w *world) { return func(w *world) { w.refuse(ids...) } }

func (w *world) clearFaults() {
	for _, server := range w.servers {
		server.ClearFaults()
	}
}

// endStates has a fleet in each state in which a run may end, or be found.
func endStates() map[string]endState {
	planFile := func(w *world) string { return filepath.Join(w.dir, "it's a plan.json") }
	plan := func(args ...string) func(w *world) []string {
		return func(w *world) []string {
			return append([]string{"plan", "--region", "cn-hangzhou", "--all", "--canary", "none", "--json", "-o", planFile(w)}, args...)
		}
	}
	inState := func(w *world) { // the journal of restart, whose name has the time
		found, err := filepath.Glob(filepath.Join(w.dir, Name, "*.journal"))
		require.NoError(w, err)
		require.Len(w, found, 1)
		w.journal = found[0]
	}
	restart := func(args ...string) func(w *world) []string {
		return func(*world) []string {
			return append([]string{"restart", "i-0", "i-1", "i-2", "--region", "cn-hangzhou", "--yes", "--json", "--unknown-grace", "10s"}, args...)
		}
	}
	return map[string]endState{
		"planned": {instances: 3, command: plan(), says: "run --plan", reboots: nil},
		"planned with hooks": {
			instances: 3, command: plan("--health-cmd", "true", "--approve", "--drain-url", "http://127.0.0.1:1/?token=0123456789abcdef0123456789abcdef"),
			says: "run --plan", values: map[string]string{"--drain-url": "http://127.0.0.1:1/"},
			reboots: map[string]int{"i-0": 0, "i-1": 0, "i-2": 0},
		},
		"all healthy":         {instances: 3},
		"a journal that ends": {instances: 3, after: func(w *world) { w.do(w.first()...) }},
		"a journal that exists": {
			instances: 3, stop: 10 * time.Second, code: exitcode.Usage, says: "resume",
			prepare: func(w *world) {
				p := w.process(w.first()...)
				p.interrupt(10 * time.Second)
				require.Equal(w, exitcode.Interrupted, p.run())
			},
		},
		"refused": {instances: 3, prepare: refuse("i-1"), mend: (*world).clearFaults, code: exitcode.Failed, says: "resume"},
		"denied": {
			instances: 3, code: exitcode.Halted, says: "resume", mend: (*world).clearFaults,
			prepare: func(w *world) {
				w.server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Code: "Forbidden.RAM", Action: "RebootInstance", Times: -1})
			},
		},
		"locked": {
			instances: 3, command: more("--despite-problems", "--max-unavailable", "2", "--allow-wide"), code: exitcode.Failed, says: "resume",
			prepare: func(w *world) { require.NoError(w, w.server.SetLocks("i-1", "security")) },
			mend:    func(w *world) { require.NoError(w, w.server.SetLocks("i-1")) },
		},
		"not running": {
			instances: 3, command: more("--despite-problems", "--max-unavailable", "2", "--allow-wide"), code: exitcode.Failed, says: "resume",
			prepare: func(w *world) { require.NoError(w, w.server.SetStatus("i-1", ecsreboot.StatusStopped)) },
			mend:    func(w *world) { require.NoError(w, w.server.SetStatus("i-1", ecsreboot.StatusRunning)) },
			reboots: map[string]int{"i-1": 0},
		},
		"unknown": {
			instances: 3, prepare: drop("i-1"), code: exitcode.Unknown, says: "resolve",
			mend: func(w *world) { require.NoError(w, w.server.Restart("i-1", false)) },
		},
		"failure budget": {
			instances: 6, command: more("--max-failed", "1", "--max-unavailable", "3", "--allow-wide"), prepare: refuse("i-0", "i-1"), mend: (*world).clearFaults,
			code: exitcode.Halted, says: "resume",
		},
		"canary": {
			instances: 3, command: more("--canary", "1"), code: exitcode.Halted, says: "resume",
			prepare: func(w *world) { w.stopAndRefuse("i-0") },
			mend: func(w *world) {
				w.clearFaults()
				require.NoError(w, w.server.SetStatus("i-0", ecsreboot.StatusRunning))
			},
			reboots: map[string]int{"i-0": 0}, // that was a start, which is as good
		},
		"interrupted":       {instances: 3, stop: 10 * time.Second, code: exitcode.Interrupted, says: "resume"},
		"interrupted twice": {instances: 3, stop: 10 * time.Second, twice: true, code: exitcode.Unknown, says: "resolve"},
		"crashed": {
			instances: 3, stop: 10 * time.Second, code: exitcode.Interrupted, says: "resume",
			after: func(w *world) { // the journal has a restart, and no more
				text, err := os.ReadFile(w.journal)
				require.NoError(w, err)
				lines := strings.SplitAfter(string(text), "\n")
				require.NoError(w, os.WriteFile(w.journal, []byte(strings.Join(lines[:3], "")+"{"), 0o600))
			},
		},
		"not healthy": {
			instances: 2, command: more("--health-cmd", "test -e healthy", "--ready-timeout", "2m"), code: exitcode.Halted, says: "resolve",
			values: map[string]string{"--health-cmd": "true"},
		},
		"not proven": {
			instances: 2, code: exitcode.Unknown, says: "resolve",
			command: more("--ready-timeout", "2m"),
			prepare: func(w *world) {
				require.NoError(w, w.server.AddInstance(ecstest.Instance{ID: "i-2", Reboot: ecstest.RebootProfile{Graceful: -1, KeepStartTime: true}}))
			},
		},
		"not listed": {
			instances: 3, code: exitcode.Failed, says: "resume",
			prepare: func(w *world) { time.AfterFunc(20*time.Second, func() { w.server.RemoveInstance("i-1") }) },
			mend:    func(w *world) { require.NoError(w, w.server.AddInstance(ecstest.Instance{ID: "i-1"})) },
			reboots: map[string]int{"i-1": either}, // the report would rather mark it
		},
		"gone": {
			instances: 3, code: exitcode.Failed, says: "mark",
			prepare: func(w *world) { time.AfterFunc(40*time.Second, func() { w.server.RemoveInstance("i-1") }) },
			reboots: map[string]int{"i-1": either},
		},
		"self": {instances: 3, command: more("--self", "i-1"), code: exitcode.Failed, says: "restart i-1"},
		"uptime": { // which is restarted already
			instances: 3, command: more("--min-uptime", "10m", "--max-unavailable", "1"), reboots: map[string]int{"i-3": 0},
			prepare: func(w *world) {
				require.NoError(w, w.server.AddInstance(ecstest.Instance{ID: "i-3", StartTime: time.Now().Add(-time.Minute)}))
			},
		},
		"excluded at resume": {
			instances: 3, code: exitcode.Failed, says: "restart i-2",
			command: func(w *world) []string {
				p := w.process(w.first()...)
				p.interrupt(10 * time.Second)
				require.Equal(w, exitcode.Interrupted, p.run())
				return w.later("resume", "--yes", "--exclude", "i-2")
			},
		},
		"several regions": {
			instances: 4, regions: map[string]string{"cn-hangzhou": "http://127.0.0.1:3", "cn-beijing": "http://127.0.0.1:4"},
			command: more("--region", "cn-beijing", "--endpoint", "http://127.0.0.1:3", "--endpoint", "http://127.0.0.1:4", "--self", "i-0"),
			stop:    40 * time.Second, code: exitcode.Interrupted, says: "restart i-0",
		},
		"hooks": {
			instances: 3, stop: 10 * time.Second, code: exitcode.Interrupted, says: "resume",
			command: more("--health-cmd", "true # it's", "--drain-cmd", "echo \"$ID\"", "--undrain-cmd", "true", "--failed-cmd", "true", "--blocker-cmd", "true"),
			values: map[string]string{
				"--health-cmd": "true", "--drain-cmd": "true", "--undrain-cmd": "true", "--failed-cmd": "true", "--blocker-cmd": "true",
			},
		},
		"hooks that are waived": {
			instances: 3, stop: 10 * time.Second, code: exitcode.Interrupted, says: "resume",
			command: func(w *world) []string {
				p := w.process(w.first("--health-cmd", "true", "--window", "00:00-24:00")...)
				p.interrupt(10 * time.Second)
				require.Equal(w, exitcode.Interrupted, p.run())
				return w.later("resume", "--yes", "--no-health", "--no-window")
			},
			values: map[string]string{"--health-cmd": "true"},
		},
		"an endpoint": {
			instances: 3, regions: map[string]string{"cn-hangzhou": "http://127.0.0.1:9"}, command: more("--endpoint", "http://127.0.0.1:9", "--self", "i-2"),
			code: exitcode.Failed, says: "restart i-2",
		},
		"a path": {instances: 3, journal: "it's a \"dir\"; $HOME/~run 世.journal", stop: 10 * time.Second, code: exitcode.Interrupted, says: "resume '"},
		"by a profile": {
			instances: 3, command: more("--profile", "web", "--signature", "v1", "--rate-hint", "90", "--self", "i-0"), code: exitcode.Failed, says: "restart i-0",
			prepare: func(w *world) { require.NoError(w, w.server.RotateKey("webid", "websecret", "")) },
		},
		"witnesses": {
			instances: 3, command: more("--witness", "actiontrail,states,heartbeat"), stop: 10 * time.Second, code: exitcode.Interrupted, says: "resume",
		},
		"unknown to a witness": {
			instances: 3, command: more("--witness", "actiontrail", "--witness-timeout", "2m", "--max-failed", "1"), prepare: drop("i-1"),
			code: exitcode.Unknown, says: "resolve", mend: func(w *world) { require.NoError(w, w.server.Restart("i-1", false)) },
		},
		"one with witnesses": {
			instances: 3, command: more("--witness", "states", "--self", "i-0"), code: exitcode.Failed, says: "restart i-0 --region cn-hangzhou --endpoint http://127.0.0.1:1 --witness states",
		},
		"by force": {
			instances: 3, command: more("--force", "--self", "i-0"), code: exitcode.Failed, says: "restart i-0",
		},
		"restart": {instances: 3, command: restart(), after: inState, stop: 10 * time.Second, code: exitcode.Interrupted, says: "resume"},
		"restart, unknown": {
			instances: 3, command: restart(), prepare: drop("i-1"), after: inState, code: exitcode.Unknown, says: "resolve",
			mend: func(w *world) { require.NoError(w, w.server.Restart("i-1", false)) },
		},
		"restart, all healthy": {instances: 3, command: restart(), after: inState},
		"invalid usage":        {command: more("--max-failed", "many"), code: exitcode.Usage, says: "run -h"},
		"no journal":           {command: func(*world) []string { return []string{"resume"} }, code: exitcode.Usage, says: "status"},
	}
}

// world is where a command runs: regions in virtual time.
type world struct {
	*bubble

	is      endState
	servers map[string]*ecstest.Server
	clients int // made so far
}

func (w *world) process(args ...string) *execution {
	p := w.bubble.process("y\n", args...)
	p.interactive = true // the commands are for people; scripts add --yes
	p.connector.NewClient = w.newClient
	return p
}

// newClient refuses clients of another place than the one that the run began at.
func (w *world) newClient(region string, options ...ecsreboot.Option) (*ecsreboot.Client, error) {
	server := w.servers[region]
	if server == nil {
		return nil, fmt.Errorf("nobody asked for region %q", region)
	}
	client, err := server.NewClient(options...)
	if err != nil {
		return nil, err
	}
	if want := w.is.regions[region]; want != "" && client.Endpoint() != want {
		return nil, fmt.Errorf("nobody asked for endpoint %q of region %q", client.Endpoint(), region)
	}
	w.clients++
	return client, nil
}

// newWorld begins a world of the state.
func newWorld(t *testing.T, dir string, is endState) *world {
	w := &world{is: is, servers: map[string]*ecstest.Server{}}
	w.bubble = &bubble{T: t, dir: dir, journal: filepath.Join(dir, "run.journal")}
	if is.journal != "" {
		w.journal = filepath.Join(dir, is.journal)
		require.NoError(t, os.MkdirAll(filepath.Dir(w.journal), 0o700))
	}
	regions := slices.Sorted(maps.Keys(is.regions))
	if len(regions) == 0 {
		regions = []string{"cn-hangzhou"}
	}
	for i, region := range regions {
		server, err := ecstest.NewInMemoryServer(ecstest.Options{Region: region})
		require.NoError(t, err)
		t.Cleanup(server.Close)
		w.servers[region] = server
		if i == 0 {
			w.server = server
		}
	}
	for i := range is.instances {
		require.NoError(t, w.servers[regions[i%len(regions)]].AddInstance(ecstest.Instance{ID: fmt.Sprintf("i-%d", i)}))
	}
	if is.prepare != nil {
		is.prepare(w)
	}
	return w
}

// begin runs the command of the state, and returns all commands that are printed.
func (w *world) begin(asJSON bool) []string {
	args := w.first("--unknown-grace", "10s", "--max-unavailable", "1")
	if w.is.command != nil {
		args = w.is.command(w)
	}
	if !asJSON {
		args = without(args, "--json")
	}
	p := w.process(args...)
	if w.is.stop > 0 {
		p.interrupt(w.is.stop)
		if w.is.twice {
			p.interrupt(w.is.stop + 2*samePress)
		}
	}
	require.Equal(w, w.is.code, p.run(), "%s\n%s", p.stdout.String(), p.stderr.String())
	printed := w.printed(p)
	if w.is.after != nil {
		w.is.after(w)
	}
	for _, command := range w.status() {
		if !slices.Contains(printed, command) {
			printed = append(printed, command)
		}
	}
	return printed
}

// printed are the commands that a command has printed.
func (w *world) printed(p *execution) []string {
	stdout := p.stdout.String()
	if strings.HasPrefix(stdout, "{") {
		stdout = strings.Join(nextOf(w.T, stdout), "\n")
	}
	return commandsIn(stdout, p.stderr.String())
}

// nextOf are the next fields of a result.
func nextOf(t *testing.T, result string) (next []string) {
	t.Helper()
	for _, match := range regexp.MustCompile(`"next":("(?:[^"\\]|\\.)*")`).FindAllStringSubmatch(result, -1) {
		var text string
		require.NoError(t, json.Unmarshal([]byte(match[1]), &text))
		next = append(next, text)
	}
	return next
}

// status are the commands that status prints, for people and as JSON, and those of the
// report.
func (w *world) status() (printed []string) {
	if _, err := os.Stat(w.journal); err != nil {
		return nil
	}
	for _, args := range [][]string{{"status", w.journal}, {"status", w.journal, "--json"}} {
		p := w.process(args...)
		require.NotEqual(w, exitcode.Usage, p.run(), p.stderr.String())
		printed = append(printed, w.printed(p)...)
	}
	page := filepath.Join(w.dir, "report.html")
	p := w.process("report", w.journal, "-o", page)
	require.Equal(w, exitcode.Done, p.run(), p.stderr.String())
	text, err := os.ReadFile(page)
	require.NoError(w, err)
	for _, code := range regexp.MustCompile(`(?s)<pre><code>(.*?)</code>`).FindAllStringSubmatch(string(text), -1) {
		printed = append(printed, strings.Split(html.UnescapeString(code[1]), "\n")...)
	}
	slices.Sort(printed)
	return slices.Compact(printed)
}

// follow runs a printed command, which must be accepted.
func (w *world) follow(command string) {
	args := shellWords(w.T, command)
	for i, arg := range args {
		if arg != asBefore {
			continue
		}
		p := w.process(args...)
		require.Equal(w, exitcode.Usage, p.run(), "a placeholder is no value: %s", command)
		require.Contains(w, p.stderr.String(), args[i-1]+" "+asBefore)
		require.Contains(w, w.is.values, args[i-1], command)
		args[i] = w.is.values[args[i-1]]
	}
	p := w.process(args...)
	code := p.run()
	require.NotContains(w, []int{exitcode.Usage, exitcode.NoCredentials, exitcode.Busy, exitcode.Finished}, code, "%s\n%s", command, p.stderr.String())
	require.NotRegexp(w, `unknown flag|unknown command|missing -|nobody asked`, p.stderr.String(), command)
}

// TestNextCommands runs every command that a run prints for the next step. Each is
// accepted as it is, and whoever goes on doing what status says gets home.
func TestNextCommands(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no shell")
	}
	writeProfiles(t)
	t.Run("states", func(t *testing.T) { testEndStates(t, endStates()) })
}

// writeProfiles makes a home with the profiles ops, of the server's first key, and web.
func writeProfiles(t *testing.T) {
	t.Helper()
	home := t.TempDir()
	t.Setenv("HOME", home)
	require.NoError(t, os.Mkdir(filepath.Join(home, ".aliyun"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(home, ".aliyun", "config.json"), []byte(`{"current": "ops", "profiles": [
		{"name": "ops", "mode": "AK", "access_key_id": "testid", "access_key_secret": "testsecret"},
		{"name": "web", "mode": "AK", "access_key_id": "webid", "access_key_secret": "websecret"}
	]}`), 0o600))
}

func testEndStates(t *testing.T, states map[string]endState) {
	for name, is := range states {
		for _, asJSON := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/json=%v", name, asJSON), func(t *testing.T) {
				t.Parallel()
				for n, commands := 0, 1; n < commands; n++ { // each in a world of its own
					dir := t.TempDir()
					synctest.Test(t, func(t *testing.T) {
						w := newWorld(t, dir, is)
						printed := w.begin(asJSON)
						commands = len(printed)
						if is.says == "" {
							require.Empty(t, printed)
						} else {
							require.True(t, slices.ContainsFunc(printed, func(command string) bool {
								return strings.HasPrefix(command, Name+" "+is.says)
							}), "%q", printed)
						}
						if is.mend != nil {
							is.mend(w)
						}
						done := map[string]bool{}
						isDone := func(command string) bool { return done[what(t, command)] }
						for next := printed[min(n, commands):]; len(next) > 0; next = slices.DeleteFunc(w.status(), isDone) {
							done[what(t, next[0])] = true
							w.follow(next[0])
							require.Less(t, len(done), 8, "no end: %v", done)
						}
						w.judge()
					})
				}
			})
		}
	}
}

// what is what a command does, however it is written: nobody restarts an instance twice,
// although the journal knows of no restart by another run.
func what(t *testing.T, command string) string {
	words := shellWords(t, command)
	if words[0] != "restart" {
		return command
	}
	slices.Sort(words)
	return "restart " + strings.Join(slices.DeleteFunc(words, func(word string) bool { return !strings.HasPrefix(word, "i-") }), " ")
}

// judge holds the server's counts against what was to become of the instances.
func (w *world) judge() {
	for i := range w.is.instances {
		id, reboots := fmt.Sprintf("i-%d", i), 0
		for _, server := range w.servers {
			reboots += server.Reboots(id)
		}
		want, ok := w.is.reboots[id]
		switch {
		case !ok:
			want = 1
		case want == either:
			continue
		}
		require.Equal(w, want, reboots, id)
	}
}

// TestNextWhileRunning: nothing is to be done, and a command would be refused.
func TestNextWhileRunning(t *testing.T) {
	if !lockShows || len(pauseSignals()) == 0 {
		t.Skip("nobody can see who has the journal, or pause it by a signal")
	}
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, dir, endState{instances: 3})
		p := w.process(w.first()...)
		done := make(chan int)
		go func() { done <- p.run() }()
		for _, paused := range []bool{false, true} {
			time.Sleep(10 * time.Second)
			if paused {
				p.signals <- pauseSignals()[0]
				time.Sleep(time.Minute)
			}
			status := w.process("status", w.journal)
			require.Equal(t, exitcode.Done, status.run(), status.stderr.String())
			require.Equal(t, paused, strings.Contains(status.stdout.String(), "; paused: "), status.stdout.String())
			require.Contains(t, status.stdout.String(), "running: process ")
			require.Empty(t, w.status())
		}
		p.signals <- pauseSignals()[1]
		require.Equal(t, exitcode.Done, <-done)
		require.Empty(t, w.status())
	})
}

// TestNextOfProfile: the plan has the profile that the run began with, and a session by
// another one hands that on.
func TestNextOfProfile(t *testing.T) {
	writeProfiles(t)
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, dir, endState{instances: 4})
		resumed := w.first("--profile", "ops")
		for range 2 {
			p := w.process(resumed...)
			p.interrupt(10 * time.Second)
			require.Equal(t, exitcode.Interrupted, p.run(), p.stderr.String())
			require.NoError(t, w.server.RotateKey("webid", "websecret", "")) // from here on, of profile web only
			next := p.summary().NotRestarted[0].Next
			require.Equal(t, slices.Contains(resumed, "web"), strings.HasSuffix(next, " --profile web --yes"), next)
			resumed = append(shellWords(t, commandsIn(next)[0]), "--profile", "web", "--json")
		}
		p := w.process(resumed...)
		require.Equal(t, exitcode.Done, p.run(), p.stderr.String())
		require.Equal(t, ones(4), w.reboots(4))
	})
}

// TestNextOfDurable checks the commands for a durable run up to the connection to Temporal,
// which nobody serves here.
func TestNextOfDurable(t *testing.T) {
	plan := fleet.Plan{
		Region: "cn-hangzhou", Endpoint: "http://127.0.0.1:9", Targets: []fleet.Target{{ID: "i-0"}}, ForceStop: true,
		Labels: map[string]string{"profile": "web", "signature": "v1"},
	}
	writeProfiles(t)
	for _, record := range []fleet.Record{
		{Target: plan.Targets[0], State: fleet.StateWaiting},
		{Target: plan.Targets[0], State: fleet.StateUnknown, Attempts: 1},
		{Target: plan.Targets[0], State: fleet.StateFailed, Reason: fleet.ReasonRefused},
	} {
		p, _, stderr := newTestProgram(t)
		p.interactive = true
		s := parse(t, func(s *settings) { s.addTemporal() }, "--temporal", "127.0.0.1:1", "--temporal-namespace", "it's ours")
		report := &fleet.Report{Plan: plan, Records: []fleet.Record{record}}
		next := s.nextDurable(&result{report: report, hooks: []fleet.Hook{fleet.HookHealth, fleet.HookApprove}}, record)
		args := shellWords(t, next.command)
		require.Subset(t, args, []string{"i-0", "--region", "cn-hangzhou", "--endpoint", "http://127.0.0.1:9", "--profile", "web", "--signature", "v1"})
		code := p.run(t.Context(), args)
		require.Equal(t, exitcode.Failed, code, "%s\n%s", next.command, stderr.String())
		require.Regexp(t, "no test here connects|connection refused", stderr.String())
	}
}
