package fleet_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/journal"
)

// schedule is what happens to a real run: faults, and something at one of the points that
// are seen from outside.
type schedule struct {
	bounds
	inject []ecstest.Fault
	at     int // so much is seen before it; 0: nothing happens
	what   string
}

// What happens at a point.
const (
	crashes     = "the driver crashes"
	isStopped   = "Control.Stop is called"
	interrupted = "the context of the driver ends"
)

// watcher notes what is seen of real drivers: what becomes durable, what leaves and what is
// told, in order.
type watcher struct {
	mu     sync.Mutex
	seen   []string
	points int
	at     map[int]func(what string) // what is done when so much was seen
	dead   bool                      // the process has crashed: nothing of it is seen, and nothing leaves
}

// sees notes what is seen, and lets happen what comes after it.
func (o *watcher) sees(what string) {
	if happens := o.enters(what); happens != nil {
		happens()
	}
}

// enters notes what is seen, and returns what comes after it; nil if the driver has crashed.
func (o *watcher) enters(what string) (happens func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.dead {
		return nil
	}
	o.seen = append(o.seen, what)
	o.points++
	if do := o.at[o.points]; do != nil {
		return func() { do(what) }
	}
	return func() {}
}

// stops calls Control.Stop after what was seen. Nothing is seen between the call and its
// note. An intent that has just become durable has not passed its last check by then:
// recorder.intend returns after the stop.
func (o *watcher) stops(control *fleet.Control, after string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	control.Stop()
	what := "stop"
	if strings.HasPrefix(after, "durable ") {
		what += " at " + after
	}
	o.seen = append(o.seen, what)
}

func (o *watcher) isDead() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.dead
}

func (o *watcher) dies() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.dead = true
}

// tells is Options.OnEvent. What no decision depends on is left out.
func (o *watcher) tells(e fleet.Event) {
	switch e.Kind {
	case fleet.EventPace, fleet.EventMaintenance, fleet.EventHeld:
		return
	default:
	}
	n := note{kind: e.Kind, of: ofRun, running: e.Running, witness: e.Witness != "", reason: e.Reason}
	if e.Kind == fleet.EventStage {
		n.attempt = uint8(e.Stage)
	}
	if e.InstanceID != "" {
		fmt.Sscanf(e.InstanceID, "i-%05d", &n.of)
		n.of--
	}
	o.sees("told " + n.String())
}

// dialing makes connections of which the watcher sees the restarts leave.
func (o *watcher) dialing(dial func(ctx context.Context, network, address string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &watchedConn{conn, o}, nil
	}
}

type watchedConn struct {
	net.Conn
	watcher *watcher
}

var restartRequest = regexp.MustCompile(`(?s)InstanceId=(i-\d+).*RebootInstance`)

func (c *watchedConn) Write(p []byte) (int, error) {
	found := restartRequest.FindSubmatch(p)
	switch {
	case c.watcher.isDead():
		return 0, errDead
	case found == nil:
		return c.Conn.Write(p)
	}
	happens := c.watcher.enters("sent " + string(found[1]))
	if happens == nil { // the crash was faster
		return 0, errDead
	}
	n, err := c.Conn.Write(p)
	happens()
	return n, err
}

// watchedDisk sees which intents become durable.
type watchedDisk struct {
	*disk
	*watcher
}

func (d watchedDisk) OpenFile(name string, flag int, perm fs.FileMode) (journal.File, error) {
	f, err := d.disk.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	w := &watchedFile{file: f.(*file), watcher: d.watcher}
	w.known = len(w.text(func(c *content) []byte { return c.written }))
	return w, nil
}

type watchedFile struct {
	*file
	watcher *watcher
	known   int // bytes of which the intents were seen
}

func (f *watchedFile) text(of func(*content) []byte) []byte {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return bytes.Clone(of(f.content))
}

func (f *watchedFile) Truncate(size int64) error {
	f.known = min(f.known, int(size))
	return f.file.Truncate(size)
}

func (f *watchedFile) Sync() error {
	if err := f.file.Sync(); err != nil {
		return err
	}
	text := f.text(func(c *content) []byte { return c.synced })
	for line := range bytes.Lines(text[min(f.known, len(text)):]) {
		var l struct{ Record fleet.Event }
		if json.Unmarshal(line, &l) == nil && l.Record.Kind == fleet.EventIntent {
			f.watcher.sees("durable " + l.Record.InstanceID)
		}
	}
	f.known = len(text)
	return nil
}

// drive runs real drivers by a schedule: Run, and after a crash or a stop Resume, until
// nothing is left to do. It returns what was seen, and how often each machine restarted.
func (sc schedule) drive(t *testing.T) (seen []string, restarts []int) {
	t.Helper()
	inBubble(t, sc.machines, ecstest.Options{}, func(t *testing.T, s *service) {
		s.Inject(sc.inject...)
		o := &watcher{at: make(map[int]func(string))}
		storage := newDisk()
		random := rand.New(rand.NewPCG(uint64(sc.at), 8))
		options := fleet.Options{
			Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(sc.width), MaxFailed: fleet.Count(sc.machines), AllowWide: true, Canary: []int{}}, MinReady: -1, UnknownGrace: 10 * time.Second},
			Journal:  "run.journal", OnEvent: o.tells, Control: new(fleet.Control),
		}
		control := options.Control
		plan := s.plan()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		next := storage
		o.at[sc.at] = func(what string) {
			switch sc.what {
			case isStopped:
				o.stops(control, what)
			case crashes:
				o.dies()
				next = storage.kill(random)
				cancel()
			case interrupted:
				cancel()
			}
		}
		dial := s.HTTPClient().Transport.(*http.Transport).DialContext
		client, err := s.NewClient(ecsreboot.WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: o.dialing(dial)}}))
		require.NoError(t, err)
		defer client.CloseIdleConnections()
		_, err = fleet.Run(ctx, client, plan, options.WithFiles(watchedDisk{storage, o}))
		if sc.what == isStopped { // a resumed run has another Control
			clear(o.at)
		}
		for range 2 { // what is unknown is looked at by each
			if o.isDead() {
				o.seen = append(o.seen, "crash")
				o.dead = false
				require.Error(t, err)
			} else if sc.what != interrupted {
				require.NoError(t, err)
			}
			if _, found := next.files["run.journal"]; !found || len(next.files["run.journal"].written) == 0 {
				break // the run has not begun
			}
			options.Control = nil
			after := watchedDisk{next, o}
			_, err = fleet.Resume(context.Background(), client, plan, options.WithFiles(after))
			if errors.Is(err, fleet.ErrFinished) || errors.Is(err, journal.ErrNoRecords) {
				break
			}
		}
		for _, id := range s.ids {
			restarts = append(restarts, s.Reboots(id))
		}
		seen = o.seen
	}, quick)
	return seen, restarts
}

// labels are what is seen of a step.
func (s checkedStep) labels() []string {
	var all []string
	switch {
	case s.durable:
		all = append(all, "durable "+machineID(int(s.machine)))
	case s.departs:
		all = append(all, "sent "+machineID(int(s.machine)))
	case s.n >= 0:
		all = append(all, "crash")
	case s.stops:
		all = append(all, "stop")
	}
	for _, n := range s.told {
		if n.kind == fleet.EventIntent { // see Planner.Facts
			n.attempt = 0
		}
		all = append(all, "told "+n.String())
	}
	return all
}

// stopsAt reports whether a stop that is seen right at an intent may come in a world.
func (w *world) stopsAt(what string) bool {
	for i, k := range w.drivers[0].workers {
		if what == "stop at durable "+machineID(i) {
			return k.phase == recorded
		}
	}
	return false
}

// modelAt is a world in which the model may be after what was seen, and what it has yet to
// tell of its last step.
type modelAt struct {
	world world
	tells []string
}

// follow lets the model take the steps that were seen, and any number of steps that cannot
// be seen. It returns the worlds that it may be in then, or how far it came.
func (c *checker) follow(seen []string) (worlds []world, came int) {
	level := []modelAt{{world: c.initAgain()}}
	for i, what := range seen {
		var next []modelAt
		known, reached := make(map[string]bool), make(map[string]bool)
		keep := func(list *[]modelAt, of map[string]bool, at modelAt) {
			key := string(c.encode(&at.world, false)) + strings.Join(at.tells, ",")
			if !of[key] {
				of[key] = true
				*list = append(*list, at)
			}
		}
		todo := level
		for _, at := range todo {
			known[string(c.encode(&at.world, false))+strings.Join(at.tells, ",")] = true
		}
		for len(todo) > 0 {
			at := todo[0]
			todo = todo[1:]
			if len(at.tells) > 0 && at.tells[0] == what {
				keep(&next, reached, modelAt{at.world, at.tells[1:]})
				continue
			}
			c.steps(&at.world, func(st checkedStep, after *world) {
				switch labels := st.labels(); {
				case len(labels) == 0:
					keep(&todo, known, modelAt{*after, at.tells})
				case st.n >= 0 && what == "crash": // what was about to be told is not
					keep(&next, reached, modelAt{world: *after})
				case strings.HasPrefix(labels[0], "told ") && len(at.tells) > 0: // after those of the step before
				case (labels[0] == what || st.stops && at.world.stopsAt(what)) && st.n < 0:
					keep(&next, reached, modelAt{*after, append(slices.Clone(at.tells), labels[1:]...)})
				}
			})
		}
		if len(next) == 0 {
			return nil, i
		}
		level = next
	}
	for _, at := range level {
		if len(at.tells) == 0 {
			worlds = append(worlds, at.world)
		}
	}
	return worlds, len(seen)
}

// TestDriversFollowTheModel runs real drivers against the fake service by schedules of the
// model, with a crash, a stop or the end of the context after each thing that is seen from
// outside, and holds what they do against the model: it must be able to do the same, in the
// same order.
func TestDriversFollowTheModel(t *testing.T) {
	on := func(id string, f ecstest.Fault) ecstest.Fault {
		f.Action, f.InstanceID = "RebootInstance", id
		return f
	}
	lost := ecstest.Fault{Kind: ecstest.FaultDrop, Act: true}
	never := ecstest.Fault{Kind: ecstest.FaultDrop}
	throttles := ecstest.Fault{Kind: ecstest.FaultThrottle}
	refusal := ecstest.Fault{Kind: ecstest.FaultError, Status: 403, Code: string(ecsreboot.ErrDiskError)}
	one, two := bounds{machines: 1, drivers: 1, width: 1, faults: 1}, bounds{machines: 2, drivers: 1, width: 1, faults: 1}
	wide := two
	wide.width = 2
	worse, bad := one, two // a crash may lose the second request as well
	worse.faults, bad.faults = 2, 2
	for _, sc := range []struct {
		name string
		schedule
		also string // what is tried beside crashes; with LONG_TESTS=1, all three are
		long bool
	}{
		{"all is well", schedule{bounds: one}, isStopped, false},
		{"the response is lost", schedule{bounds: one, inject: []ecstest.Fault{on("i-00001", lost)}}, interrupted, false},
		{"the request is lost", schedule{bounds: one, inject: []ecstest.Fault{on("i-00001", never)}}, isStopped, false},
		{"throttled", schedule{bounds: worse, inject: []ecstest.Fault{on("i-00001", throttles)}}, interrupted, false},
		{"refused", schedule{bounds: worse, inject: []ecstest.Fault{on("i-00001", refusal)}}, "", true},
		{"two, one is refused", schedule{bounds: bad, inject: []ecstest.Fault{on("i-00001", refusal)}}, "", true},
		{"two at once", schedule{bounds: wide, inject: []ecstest.Fault{on("i-00002", lost)}}, "", true},
	} {
		t.Run(sc.name, func(t *testing.T) {
			if sc.long && os.Getenv("LONG_TESTS") == "" {
				t.Skip("takes long; LONG_TESTS is not set")
			}
			whole, _ := sc.drive(t)
			refuses(t, sc.bounds, whole)
			t.Log("\n" + strings.Join(whole, "\n"))
			for _, sc.what = range []string{crashes, isStopped, interrupted} {
				if !longTests && sc.what != crashes && sc.what != sc.also {
					continue
				}
				sc.stops, sc.interrupts = toInt(sc.what == isStopped), sc.what == interrupted
				c := &checker{bounds: sc.bounds}
				c.init()
				for sc.at = range len(whole) + 1 {
					seen, restarts := sc.drive(t)
					worlds, came := c.follow(seen)
					require.Len(t, seen, came, "%s at %d: the model cannot follow:\n%s\n<- here", sc.what, sc.at, strings.Join(seen[:min(came+1, len(seen))], "\n"))
					require.True(t, slices.ContainsFunc(worlds, func(w world) bool {
						for i, n := range restarts {
							if int(w.machines[i].restarts) != n {
								return false
							}
						}
						return true
					}), "%s at %d: in no world of the model, machines restarted %v times after\n%s", sc.what, sc.at, restarts, strings.Join(seen, "\n"))
				}
			}
		})
	}
}

// refuses makes sure that the model cannot follow what must not be.
func refuses(t *testing.T, within bounds, seen []string) {
	t.Helper()
	at := slices.IndexFunc(seen, func(what string) bool { return strings.HasPrefix(what, "durable") })
	leaves := slices.IndexFunc(seen, func(what string) bool { return strings.HasPrefix(what, "sent") })
	swapped := slices.Clone(seen)
	swapped[at], swapped[leaves] = swapped[leaves], swapped[at]
	for what, wrong := range map[string][]string{
		"a request before its intent is durable": swapped,
		"a request without an intent":            slices.Delete(slices.Clone(seen), at, at+1),
		"a request that leaves twice":            slices.Insert(slices.Clone(seen), leaves, seen[leaves]),
		"an end that is told twice":              append(slices.Clone(seen), seen[len(seen)-1]),
		"an end that is told too early":          slices.Insert(slices.Clone(seen), leaves+1, "told end: done"),
	} {
		c := &checker{bounds: within}
		c.init()
		_, came := c.follow(wrong)
		require.Less(t, came, len(wrong), what)
	}
}
