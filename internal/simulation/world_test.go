package simulation

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/hostile"
	"github.com/ecsreboot/ecsreboot/internal/seam"
)

// world is a design that runs.
type world struct {
	design   design
	server   *ecstest.Server
	through  func(ctx context.Context, network, addr string) (net.Conn, error)
	account  *account
	keys     *keys
	texts    *texts
	random   io.Reader
	fleets   []*fleetDriver
	callers  []*caller
	drivers  sync.WaitGroup // which end by themselves
	behind   sync.WaitGroup // what goes on after them: dead drivers, and copies that a wrapper left
	done     chan struct{}
	networks []*network
	hostiles []*hostile.Run

	mu         sync.Mutex
	violations []violation
	crashes    int
	resent     int // calls that sent twice, as ResendUnknown allows
	closers    []func()
}

// result is what a world comes to.
type result struct {
	violations []violation
	log        string
	restarts   int // by us
	others     int
	crashes    int
	resent     int
	requests   int
	faults     map[ecstest.FaultKind]int
}

// source is a seeded source that goroutines share.
type source struct {
	mu     sync.Mutex
	random *rand.ChaCha8
}

func (s *source) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.Read(p)
}

// run runs a design in a bubble.
func run(t *testing.T, d design, keepLog bool) (r result) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { r = play(t, d.Seed, d, keepLog) })
	return r
}

// play has the seed as an argument for the stack of a panic.
//
//go:noinline
func play(t *testing.T, seed uint64, d design, keepLog bool) result {
	t.Helper()
	time.Sleep(d.Offset)
	w := &world{design: d, keys: new(keys), texts: new(texts), done: make(chan struct{})}
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	w.random = &source{random: rand.NewChaCha8(key)}
	w.setUp(t)
	// Nothing takes so long. Goroutines cannot be killed, so there is no way to go on.
	defer time.AfterFunc(60*24*time.Hour, func() { w.giveUp("the world does not end") }).Stop()
	for _, f := range w.fleets {
		w.drivers.Go(f.drive)
	}
	for _, c := range w.callers {
		w.drivers.Go(c.drive)
	}
	var others sync.WaitGroup
	w.happen(&others)
	w.drivers.Wait()
	close(w.done)
	others.Wait()
	return w.end(keepLog)
}

func (w *world) setUp(t *testing.T) {
	t.Helper()
	d := w.design
	var err error
	w.server, err = ecstest.NewInMemoryServer(ecstest.Options{
		AccessKeyID: keyOf(0), AccessKeySecret: secretOf(0), SecurityToken: tokenOf(0),
		LimitPerMinute: d.Service.PerMinute, ThrottleHint: d.Service.Hint, MaxPage: d.Service.MaxPage, IdleTimeout: d.Service.Idle, LegacyErrors: d.Service.Legacy,
		Allow: func(action, id string) bool {
			if action == "RebootInstance" {
				w.account.carriesOut(id)
			}
			return true
		},
		OnCall: w.received, OnStatus: w.status,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.through = w.server.HTTPClient().Transport.(*http.Transport).DialContext
	w.account = newAccount(w.server.Reboots)
	add := func(m ecstest.Instance) {
		if err := w.server.AddInstance(m); err != nil {
			t.Fatal(err)
		}
		w.account.machines[m.ID] = &machineAccount{profile: m.Reboot}
	}
	for n, f := range d.Fleets {
		for _, m := range f.Machines {
			add(m)
		}
		if len(f.Machines) > 0 {
			w.fleets = append(w.fleets, newFleetDriver(t, w, n, f))
		}
	}
	for n, c := range d.Callers {
		add(c.Machine)
		w.callers = append(w.callers, newCaller(w, n, c))
	}
}

// context is the root of what drivers do: it has what the seed decides of the client.
func (w *world) context() context.Context {
	return seam.WithRandom(context.Background(), w.random)
}

// client makes a client with a network of its own.
func (w *world) client(d clientDesign, options ...ecsreboot.Option) (*ecsreboot.Client, *network) {
	n := &network{through: w.through, conns: map[*wire]bool{}}
	h := w.hostile(d, n)
	transport := h.OwnTransport()
	all := []ecsreboot.Option{
		ecsreboot.WithEndpoint(w.server.URL),
		ecsreboot.WithCredential(&credential{keys: w.keys, late: d.KeyLate, fails: d.KeyFails, random: rand.New(rand.NewPCG(d.Seed, 3))}),
		ecsreboot.WithLogger(w.texts.logger()),
		ecsreboot.WithHTTPClient(&http.Client{Transport: transport}),
	}
	if d.V1 {
		all = append(all, ecsreboot.WithSignatureVersion(ecsreboot.SignatureV1))
	}
	if d.AttemptTime > 0 {
		all = append(all, ecsreboot.WithAttemptTimeout(d.AttemptTime))
	}
	client, err := ecsreboot.NewClient("cn-hangzhou", append(append(all, h.Options...), options...)...)
	if err != nil {
		panic(err) // a mistake of the simulation
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.networks = append(w.networks, n)
	w.closers = append(w.closers, client.CloseIdleConnections, h.CloseIdleConnections)
	w.hostiles = append(w.hostiles, h)
	return client, n
}

// hostile draws how the kinds of a client misbehave, each by a seed of its own.
func (w *world) hostile(d clientDesign, n *network) *hostile.Run {
	h := hostile.New(rand.New(rand.NewPCG(d.Seed, 7)), n.dial, w.otherError)
	for i, name := range d.Hostile {
		for _, kind := range hostile.Kinds() {
			if kind.Name == name {
				h.Reseed(rand.New(rand.NewPCG(d.Seed, uint64(20+i))))
				h.Apply(kind)
			}
		}
	}
	return h
}

// otherError is what a call for another instance came to.
func (w *world) otherError() error {
	client, _ := w.client(clientDesign{})
	_, err := client.RebootInstance(w.context(), ecsreboot.RebootInstanceRequest{InstanceID: "i-other"}) // which the service does not know
	return err
}

// after calls do at a time, unless the drivers have ended by then.
func (w *world) after(group *sync.WaitGroup, at time.Duration, do func()) {
	group.Go(func() {
		timer := time.NewTimer(at)
		defer timer.Stop()
		select {
		case <-timer.C:
			do()
		case <-w.done:
		}
	})
}

// end lets everything arrive that is on its way, and judges the world as a whole.
func (w *world) end(keepLog bool) result {
	time.Sleep(3 * time.Hour)
	w.server.ClearFaults()
	calls := w.server.Calls()
	w.judge(calls)
	for _, closeIdle := range w.closers {
		closeIdle()
	}
	for _, n := range w.networks {
		n.cut()
	}
	for _, h := range w.hostiles {
		if n := h.End(); n >= hostile.DialsWithoutEnd {
			w.violate(ruleGoroutines, "connections are made without end: %d", n)
		}
	}
	w.server.Close()
	for _, h := range w.hostiles {
		h.Behind.Wait()
	}
	w.behind.Wait()
	time.Sleep(48 * time.Hour)
	synctest.Wait()
	if left := goroutinesLeft(); left != "" {
		w.violate(ruleGoroutines, "goroutines are left:\n%s", left)
		w.giveUp("goroutines are left")
	}
	r := result{violations: w.violations, crashes: w.crashes, resent: w.resent, requests: len(calls), faults: map[ecstest.FaultKind]int{}}
	for _, c := range calls {
		if c.Acted {
			r.restarts++
		}
		if c.Fault != "" {
			r.faults[c.Fault]++
		}
	}
	r.others = w.server.TotalReboots() - r.restarts
	if keepLog || len(w.violations) > 0 {
		r.log = w.account.log(calls)
	}
	return r
}

// giveUp ends the test process, after it has reported the world.
func (w *world) giveUp(why string) {
	w.mu.Lock()
	r := result{violations: w.violations, log: w.account.log(w.server.Calls())}
	w.mu.Unlock()
	panic(fmt.Sprintf("%s: %s", why, describe(w.design, r, *simWithout)))
}

// goroutinesLeft returns the stacks of this bubble, except that of the caller.
func goroutinesLeft() string {
	buffer := make([]byte, 1<<16)
	for {
		n := runtime.Stack(buffer, true)
		if n < len(buffer) {
			buffer = buffer[:n]
			break
		}
		buffer = make([]byte, 2*len(buffer))
	}
	stacks := strings.Split(string(buffer), "\n\n")
	own, _, _ := strings.Cut(stacks[0], "\n") // the caller comes first
	_, bubble, _ := strings.Cut(own, "synctest bubble ")
	bubble = "synctest bubble " + bubble
	var left []string
	for _, stack := range stacks[1:] {
		header, _, _ := strings.Cut(stack, "\n")
		if strings.Contains(header, bubble) && !strings.Contains(stack, "internal/synctest.Run(") && !strings.Contains(stack, "testingSynctestTest(") {
			left = append(left, stack)
		}
	}
	return strings.Join(left, "\n\n")
}

// rule is an invariant.
type rule string

const (
	ruleOnce       rule = "no machine restarts twice by us"
	ruleIntent     rule = "no request leaves without a durable intent"
	ruleClaim      rule = "no claim without a restart in the claimed span"
	ruleOutcome    rule = "no outcome is wrong"
	ruleWidth      rule = "never more down than the width"
	ruleReport     rule = "nobody is missing from the report"
	ruleDeadline   rule = "every call ends by its deadline"
	ruleSecrets    rule = "no secret in any text"
	ruleGoroutines rule = "no goroutine is left"
	ruleExclusive  rule = "one driver at a time"
)

// violation is a rule that was broken.
type violation struct {
	rule rule
	text string
}

func (w *world) violate(broken rule, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.account.note("VIOLATION %s: %s", broken, text)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.violations = append(w.violations, violation{broken, text})
}
