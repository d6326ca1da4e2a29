package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// scenario is a run drawn at random: machines that restart well or badly, a service
// that loses answers, a driver that is called off and resumed.
type scenario struct {
	rand *rand.Rand
	n    int
}

func (sc scenario) chance(p float64) bool { return sc.rand.Float64() < p }

func (sc scenario) upTo(d time.Duration) time.Duration {
	return time.Duration(sc.rand.Int64N(int64(d)))
}

func (sc scenario) server() ecstest.Options {
	var options ecstest.Options
	if sc.chance(0.2) {
		options.LimitPerMinute = 10 + sc.rand.IntN(60)
	}
	if sc.chance(0.3) {
		options.MaxPage = 1 + sc.rand.IntN(30)
	}
	return options
}

func (sc scenario) profile() ecstest.RebootProfile {
	profile := ecstest.RebootProfile{Graceful: time.Second + sc.upTo(time.Minute), KeepStartTime: sc.chance(0.2)}
	if sc.chance(0.5) {
		profile.Path = []ecsreboot.Status{ecsreboot.StatusStopping, ecsreboot.StatusStarting}
	}
	if sc.chance(0.1) {
		profile.Stale = sc.upTo(20 * time.Second)
	}
	profile.Hang = sc.chance(0.02)
	return profile
}

func (sc scenario) faults(ids []string) []ecstest.Fault {
	kinds := []ecstest.FaultKind{ecstest.FaultDrop, ecstest.FaultFIN, ecstest.FaultHalfStatusLine, ecstest.FaultHang, ecstest.FaultError, ecstest.FaultRefuse}
	var faults []ecstest.Fault
	for range sc.rand.IntN(8) {
		f := ecstest.Fault{Kind: kinds[sc.rand.IntN(len(kinds))], Act: sc.chance(0.7), Skip: sc.rand.IntN(20), Times: 1 + sc.rand.IntN(3)}
		switch {
		case f.Kind == ecstest.FaultRefuse:
		case sc.chance(0.3):
			f.Action = "DescribeInstances"
		default:
			f.Action = "RebootInstance"
			if sc.chance(0.3) {
				f.InstanceID = ids[sc.rand.IntN(len(ids))]
			}
		}
		if f.Kind == ecstest.FaultError {
			f.Status, f.Code = 500, "InternalError"
		}
		faults = append(faults, f)
	}
	return faults
}

func (sc scenario) rules() fleet.Rules {
	rules := fleet.Rules{MaxUnavailable: fleet.Count(1 + sc.rand.IntN(sc.n)), AllowWide: true, MaxFailed: fleet.Count(sc.rand.IntN(sc.n))}
	if sc.chance(0.5) {
		rules.MaxUnavailablePerGroup = fleet.Count(1 + sc.rand.IntN(sc.n))
	}
	if sc.chance(0.7) {
		rules.Canary = []int{}
	}
	return rules
}

// truth is what really happened to the instances, by the service's own account, and by
// that of the balancer that the hooks speak to.
type truth struct {
	mu    sync.Mutex
	down  map[string]bool // not Running, or out of service
	out   map[string]bool // of service
	hooks bool
	wrong []string // went down while in service
	most  int
}

func (tr *truth) status(id string, status ecsreboot.Status) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	switch {
	case status != ecsreboot.StatusRunning:
		if tr.hooks && !tr.out[id] {
			tr.wrong = append(tr.wrong, id)
		}
		tr.down[id] = true
	case !tr.out[id]:
		delete(tr.down, id)
	}
	tr.most = max(tr.most, len(tr.down))
}

func (tr *truth) service(id string, out bool) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if out {
		tr.out[id], tr.down[id] = true, true
	} else {
		delete(tr.out, id)
		delete(tr.down, id)
	}
	tr.most = max(tr.most, len(tr.down))
}

// hook is one that takes its time, may fail, and has its effect first or last.
func (tr *truth) hook(random *rand.Rand, out bool) func(context.Context, fleet.Target) error {
	draw := func() (time.Duration, float64) {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		return time.Duration(random.Int64N(int64(20 * time.Second))), random.Float64()
	}
	return func(ctx context.Context, target fleet.Target) error {
		delay, luck := draw()
		if out {
			tr.service(target.ID, true)
		}
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return ctx.Err()
		}
		if luck < 0.03 {
			return errors.New("the balancer is busy")
		}
		if !out {
			tr.service(target.ID, false)
		}
		return nil
	}
}

// TestScenarios checks, for runs drawn at random, what holds for every run: no
// instance restarts twice, what did not restart is named, what is called healthy
// has restarted, and never are more instances down than allowed.
func TestScenarios(t *testing.T) {
	seeds, largest := 40, 10
	if longTests {
		seeds, largest = 200, 40
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) { playScenario(t, uint64(seed), largest) })
	}
}

// playScenario plays a run of at most largest instances.
func playScenario(t *testing.T, seed uint64, largest int) {
	time.Sleep(30 * time.Second)
	sc := scenario{rand: rand.New(rand.NewPCG(seed, 1))}
	sc.n = 1 + sc.rand.IntN(largest)
	actual := &truth{down: make(map[string]bool), out: make(map[string]bool)}
	random := rand.New(rand.NewPCG(seed, 2)) // of the hooks, so that they change nothing else of a scenario
	options := sc.server()
	options.OnStatus = actual.status
	s := newService(t, sc.n, options, func(i *ecstest.Instance) { i.Reboot = sc.profile() })
	plan, err := fleet.NewPlan(context.Background(), s.client, fleet.Selection{Tags: fleet.HasTags(map[string]string{"role": "web"}), GroupBy: fleet.ByZone})
	require.NoError(t, err)
	s.Inject(sc.faults(s.ids)...)
	rules := sc.rules()
	run := fleet.Options{Settings: fleet.Settings{Rules: rules, MinReady: -1, ReadyTimeout: 3 * time.Minute, UnknownGrace: time.Minute}, Journal: "run.journal"}
	if sc.chance(0.5) {
		run.MinReady = sc.upTo(20 * time.Second)
	}
	if actual.hooks = random.IntN(2) == 1; actual.hooks {
		run.Drain, run.Undrain = actual.hook(random, true), actual.hook(random, false)
		run.Failed = func(context.Context, fleet.Target, fleet.Event) error { return nil }
	}
	storage := newDisk()
	begin := fleet.Run
	var report *fleet.Report
	for crashes := sc.rand.IntN(6); ; crashes-- {
		machine := s.machine()
		ctx, cancel := context.WithCancel(context.Background())
		next := storage
		dies := func() {
			next = machine.kill(storage, sc)
			time.AfterFunc(time.Second, cancel) // later, so that the request at which it dies leaves
		}
		switch {
		case crashes > 0 && sc.chance(0.5):
			time.AfterFunc(sc.upTo(2*time.Minute), dies)
		case crashes > 0:
			machine.lastRestart, machine.dies = 1+sc.rand.Int64N(4), dies
		}
		report, err = begin(ctx, machine.client, plan, run.WithFiles(storage))
		synctest.Wait()
		killed := machine.dead.Load()
		cancel()
		if !killed {
			break
		}
		storage = next
		if len(storage.files["run.journal"].synced) > 0 {
			begin = fleet.Resume
		} else {
			delete(storage.files, "run.journal") // killed before it began
		}
	}
	require.NoError(t, err, "seed %d", seed)
	require.NotEqual(t, fleet.ReasonInterrupted, report.Reason)
	for _, record := range report.Records {
		restarts := s.Reboots(record.ID)
		about := fmt.Sprintf("seed %d: %s", seed, mustJSON(t, record))
		require.LessOrEqual(t, restarts, 1, about)
		if record.State == fleet.StateHealthy {
			require.Equal(t, 1, restarts, about)
		}
		if restarts == 0 {
			require.False(t, record.Restarted(), about)
		}
		require.NotEqual(t, fleet.StateRestarting, record.State, about)
		if actual.out[record.ID] {
			require.True(t, record.Drained(), about)
			require.Contains(t, []fleet.State{fleet.StateFailed, fleet.StateUnknown}, record.State, about)
		}
	}
	require.Empty(t, actual.wrong, "seed %d: it went down while in service", seed)
	arrived := make(map[string]int)
	for _, call := range s.Calls() {
		if call.Action == "RebootInstance" {
			arrived[call.InstanceID]++
		}
	}
	width := rules.MaxUnavailable.Of(sc.n)
	require.LessOrEqual(t, actual.most, width, "seed %d", seed)
	history, err := fleet.LoadFrom(storage, run.Journal)
	require.NoError(t, err)
	intents := make(map[string]int)
	for _, e := range trace(history.Events).of(fleet.EventIntent) {
		intents[e.InstanceID]++
		require.Equal(t, intents[e.InstanceID], e.Attempt, "seed %d", seed)
	}
	for id, n := range arrived {
		require.LessOrEqual(t, n, intents[id], "seed %d: more requests for %s than durable intents", seed, id)
	}
	require.LessOrEqual(t, trace(history.Events).unavailable(t, plan, rules), width, "seed %d", seed)
	require.Equal(t, mustJSON(t, report), mustJSON(t, history.Report()), "seed %d: the journal gives the same report", seed)
}

// machine is what a run runs on.
type machine struct {
	client *ecsreboot.Client
	dead   atomic.Bool

	restarts    atomic.Int64 // restart requests that left
	lastRestart int64        // the restart request at which it dies, from 1; 0: none
	dies        func()
}

func (s *service) machine() *machine {
	s.t.Helper()
	m := new(machine)
	var err error
	m.client, err = s.NewClient(ecsreboot.WithTransportWrapper(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if m.dead.Load() {
				return nil, errDead
			}
			if r.Header.Get("X-Acs-Action") == "RebootInstance" && m.restarts.Add(1) == m.lastRestart {
				m.dies()
			}
			return next.RoundTrip(r)
		})
	}))
	require.NoError(s.t, err)
	s.t.Cleanup(m.client.CloseIdleConnections)
	return m
}

// kill is a power cut: nothing more is sent or written. What is on its way goes on.
func (m *machine) kill(storage *disk, sc scenario) *disk {
	m.dead.Store(true)
	return storage.kill(sc.rand)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
