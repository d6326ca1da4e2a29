package app

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

// The defaults are the short form, and with LONG_TESTS=1 the long one.
var (
	killMachines = flag.Int("kill.machines", longOr(2000, 480), "restart so many instances in the kill test, in all its fleets")
	killKills    = flag.Int("kill.kills", longOr(100, 24), "kill the program so often")
	killSeed     = flag.Uint64("kill.seed", 0, "0 draws one; the course of a run does not follow from it alone")
)

func longOr(long, short int) int {
	if os.Getenv("LONG_TESTS") != "" {
		return long
	}
	return short
}

// mostMemory is what a process may take, also for the fleets of the long form.
const mostMemory = 200 << 20

// killFleets is how many fleets are restarted at once, each by a process of its own.
const killFleets = 8

// leastReboot is how long a restart takes at least. A StartTime has no seconds, and the client knows the
// service's clock to a second: of a restart in the last second of a minute it could only prove
// what takes longer than that.
const leastReboot = 1500 * time.Millisecond

// mishaps are what may go wrong with the restart of an instance: what widens the
// moments in which a kill hurts, and what leaves the program in doubt.
func mishaps(random *rand.Rand, id string) []ecstest.Fault {
	f := ecstest.Fault{Action: "RebootInstance", InstanceID: id}
	some := time.Duration(1 + random.Int64N(int64(100*time.Millisecond)))
	switch random.IntN(20) {
	case 0, 1, 2, 3: // on its way for long; who is killed meanwhile restarts nothing
		f.Kind, f.Delay = ecstest.FaultDelay, some
	case 4, 5, 6: // carried out, but the answer takes long
		f.Kind, f.Delay, f.Act = ecstest.FaultDelay, some, true
	case 7: // carried out, and the answer is lost
		f.Kind, f.Act = ecstest.FaultDrop, true
	case 8: // the same, but carried out only later, whatever has become of the sender
		f.Kind, f.Late = ecstest.FaultDrop, some
	case 9: // lost on the way
		f.Kind = ecstest.FaultDrop
	default:
		return nil
	}
	return []ecstest.Fault{f}
}

// killedFleet is a fleet whose driver is killed again and again.
type killedFleet struct {
	*testing.T

	url       string
	journal   string
	machines  int
	kills     int
	restarted func() int // how many restarts there were
	random    *rand.Rand

	sessions, killed, idle int   // idle: killed before the session had restarted anything
	memory                 int64 // the most that a session had, in bytes
	tail                   summary
}

// args are those of the first session, and of those that go on.
func (k *killedFleet) args() []string {
	common := []string{
		"--yes", "--json", "--progress", "none", "--min-ready", "0", "--unknown-grace", "1s", "--ready-timeout", "2m",
		"--max-unavailable", "60%", "--allow-wide", "--max-failed", "100%", "--canary", "none",
	}
	if _, err := fleet.Load(k.journal); err == nil {
		return append([]string{"resume", k.journal}, common...)
	}
	// Killed before the journal was: nothing was sent, and what is there may go.
	_ = os.Remove(k.journal)
	require.Zero(k, k.restarted())
	return append(append([]string{"run", "--region", "cn-hangzhou", "--endpoint", k.url, "--journal", k.journal, "--dry-runs", "0"}, common...), "--all")
}

// run restarts the fleet, whatever happens to those who do it.
func (k *killedFleet) run() {
	for k.killed < k.kills {
		before := k.restarted()
		d := drive(k.T, k.args()...)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = d.Wait()
		}()
		k.awaitDoom(before, ended)
		k.memory = max(k.memory, peakMemory(d))
		_ = d.Process.Kill()
		<-ended
		k.sessions++
		require.Less(k, k.memory, int64(mostMemory))
		if d.ProcessState.Exited() {
			require.Contains(k, []int{exitcode.Done, exitcode.Unknown, exitcode.Finished}, d.ProcessState.ExitCode(), d.stderr.String())
			if k.idle++; k.idle > k.kills {
				break // nothing is left to do
			}
			continue
		}
		k.killed++
	}
	d := drive(k.T, k.args()...)
	code := d.code(k.T)
	k.tail = d.summary(k.T)
	require.Contains(k, []int{exitcode.Done, exitcode.Unknown, exitcode.Finished}, code, "%+v %s", k.tail.NotRestarted, d.stderr.String())
}

// awaitDoom waits for a moment that nobody can foresee: after some time, be the
// program only starting, or some time after its next restarts.
func (k *killedFleet) awaitDoom(before int, ended <-chan struct{}) {
	if k.random.IntN(3) > 0 {
		share := max(1, k.machines/(k.kills+1))
		want := min(before+1+k.random.IntN(share), k.machines)
		for deadline := time.Now().Add(4 * time.Second); k.restarted() < want && time.Now().Before(deadline); {
			select {
			case <-ended:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}
	select {
	case <-ended:
	case <-time.After(time.Duration(k.random.Int64N(int64(60 * time.Millisecond)))):
	}
}

// judge holds the server's counts against what the program says.
func (k *killedFleet) judge(reboots func(id string) int, ids []string) (restarted, named int) {
	status := drive(k.T, "status", k.journal, "--json")
	code := status.code(k.T)
	if k.tail.ExitCode != exitcode.Finished {
		require.Equal(k, k.tail.ExitCode, code, status.stderr.String())
	}
	told := map[string]fleet.State{}
	for _, left := range status.summary(k.T).NotRestarted {
		told[left.ID] = left.State
	}
	for _, left := range k.tail.NotRestarted {
		require.Equal(k, left.State, told[left.ID], "the last session and status agree about %s", left.ID)
	}
	require.Len(k, told, len(k.tail.NotRestarted))
	for _, id := range ids {
		n := reboots(id)
		require.LessOrEqual(k, n, 1, "%s was restarted more than once; journal %s", id, k.journal)
		if n == 0 {
			require.Contains(k, told, id, "it was not restarted, and nobody says so; journal %s", k.journal)
		}
		if _, left := told[id]; !left {
			require.Equal(k, 1, n, id)
		}
		restarted += n
	}
	return restarted, len(told)
}

// However often the program is killed, and whenever: no instance is restarted twice,
// and each one that was not restarted is named.
func TestKill(t *testing.T) { //nolint:tparallel // the group of fleets is waited for
	t.Parallel()
	binary(t, Name)
	seed := *killSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d", seed)
	begin := time.Now()
	var kills, sessions, restarted, named, unnamed atomic.Int64
	t.Run("fleets", func(t *testing.T) {
		for n := range killFleets {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				random := rand.New(rand.NewPCG(seed, uint64(n)))
				server := serve(t, ecstest.Options{})
				var ids []string
				for i := range (*killMachines + killFleets - 1) / killFleets {
					id := fmt.Sprintf("i-%08d", i)
					ids = append(ids, id)
					took := leastReboot + time.Duration(random.Int64N(int64(leastReboot/2)))
					require.NoError(t, server.AddInstance(ecstest.Instance{ID: id, Reboot: ecstest.RebootProfile{Graceful: took}}))
					server.Inject(mishaps(random, id)...)
				}
				k := &killedFleet{
					T: t, url: server.URL, journal: filepath.Join(t.TempDir(), "run.journal"), machines: len(ids),
					kills:     (*killKills*11/10 + killFleets - 1) / killFleets, // some may be done before the last
					restarted: server.TotalReboots, random: random,
				}
				k.run()
				r, left := k.judge(server.Reboots, ids)
				kills.Add(int64(k.killed))
				sessions.Add(int64(k.sessions + 1))
				restarted.Add(int64(r))
				named.Add(int64(left))
				unnamed.Add(int64(len(ids) - r))
				t.Logf("a session took %d MB at most", k.memory>>20)
			})
		}
	})
	t.Logf("%d kills in %d sessions, %d of %d instances restarted once, 0 twice, %d not restarted, %d named as not proven, in %v",
		kills.Load(), sessions.Load(), restarted.Load(), *killMachines, unnamed.Load(), named.Load(), time.Since(begin).Round(time.Second))
	require.GreaterOrEqual(t, kills.Load(), int64(*killKills), "the fleets were done too early")
	require.GreaterOrEqual(t, restarted.Load(), int64(*killMachines)*8/10, "who sends nothing restarts nothing twice")
}

// The same against the emulator, in a process of its own, which writes down what it
// restarted.
func TestKillWithEmulator(t *testing.T) {
	t.Parallel()
	const machines, kills = 200, 8
	log := filepath.Join(t.TempDir(), "restarts.log")
	emulator := exec.CommandContext(t.Context(), binary(t, Name), "emulator", "--quiet", "--count", fmt.Sprint(machines), "--zones", "a,b,c",
		"--reboot-time", leastReboot.String(), "--reboot-jitter", (leastReboot / 2).String(), "--restart-log", log)
	stdout, err := emulator.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, emulator.Start())
	t.Cleanup(func() {
		_ = emulator.Process.Kill()
		_ = emulator.Wait()
	})
	url, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	restarts := func() map[string]int {
		text, err := os.ReadFile(log)
		require.NoError(t, err)
		counts := map[string]int{}
		for line := range strings.Lines(string(text)) {
			_, id, _ := strings.Cut(strings.TrimSpace(line), " ")
			counts[id]++
		}
		return counts
	}
	k := &killedFleet{
		T: t, url: strings.TrimSpace(url), journal: filepath.Join(t.TempDir(), "run.journal"), machines: machines, kills: kills,
		restarted: func() int { return len(restarts()) }, random: rand.New(rand.NewPCG(rand.Uint64(), 0)),
	}
	k.run()
	counts := restarts()
	var ids []string
	for n := range machines {
		ids = append(ids, fmt.Sprintf("i-%08d", n+1))
	}
	restarted, named := k.judge(func(id string) int { return counts[id] }, ids)
	t.Logf("%d kills, %d of %d restarted, %d named", k.killed, restarted, machines, named)
	require.Equal(t, kills, k.killed)
}
