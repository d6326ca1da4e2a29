package simulation

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/hostile"
)

// design is a world before it begins. It is plain data, which the seed alone decides.
// Everything refers to machines by their IDs, so that a machine can be taken away.
type design struct {
	Seed      uint64
	Offset    time.Duration // into the minute at which the world begins
	Service   serviceDesign
	Fleets    []fleetDesign
	Callers   []callerDesign
	Faults    []faultDesign
	Acts      []act
	Jumps     []jump
	Rotations []time.Duration
}

type serviceDesign struct {
	PerMinute, MaxPage int
	Idle               time.Duration
	Hint               ecstest.HintHeader
	Legacy             bool
}

// faultDesign is a fault that is armed at a time.
type faultDesign struct {
	At    time.Duration
	Fault ecstest.Fault
}

// act is what another operator does to a machine.
type act struct {
	At      time.Duration
	Machine string
	Kind    actKind
}

type actKind string

const (
	actRestart actKind = "restart"
	actStop    actKind = "stop"
	actStart   actKind = "start"
	actLock    actKind = "lock"
	actUnlock  actKind = "unlock"
	actRelease actKind = "release"
)

// jump sets the clock of the service.
type jump struct{ At, Offset time.Duration }

type fleetDesign struct {
	Begin    time.Duration
	Machines []ecstest.Instance
	Settings fleet.Settings
	Force    bool
	Hooks    bool // a load balancer
	Sessions []sessionDesign
	Witness  *witnessDesign
	Partial  float64 // of a write that fails, this share takes place
}

// sessionDesign is one driver of a fleet. The next one begins when it has ended or
// crashed, and Wait after that.
type sessionDesign struct {
	Wait     time.Duration
	Client   clientDesign
	Crash    *crash
	Disk     []diskFault
	Rival    time.Duration // when another driver tries to resume the run; 0: none does
	Controls []controlAct
	Resolve  bool // it only resolves
}

type crash struct {
	At    time.Duration // since the session began
	Power bool          // the disk loses what was not synced, not only the process
	Lag   time.Duration // for so long the dead driver goes on
	Seed  uint64
}

// diskFault makes the operations from From on fail, Times of them.
type diskFault struct {
	From, Times int
	Full        bool
}

type controlAct struct {
	At   time.Duration
	What string // pause, unpause or stop
}

type witnessDesign struct {
	Delay, Takes time.Duration // until records are visible, and how long a question takes
	Fails        int           // of ten questions
	Denied       bool
}

// clientDesign is a client and the network below it.
type clientDesign struct {
	V1          bool
	Seed        uint64
	Hostile     []string      // kinds of package hostile
	KeyLate     time.Duration // for how long it has the old key after a rotation
	KeyFails    int           // of a hundred fetches
	AttemptTime time.Duration // 0: the default
}

type callerDesign struct {
	Machine ecstest.Instance
	Client  clientDesign
	Calls   []callDesign
}

type callDesign struct {
	At                     time.Duration
	Wait                   bool // RebootAndWait, otherwise RebootInstance
	Force, Resend, Resolve bool
	Timeout, Grace         time.Duration
	Leaves                 time.Duration // its context ends; 0: it does not
	Intents                bool          // it has a BeforeSend, so it shares nothing …
	Refuses                bool          // … and which calls the request off
	Witness                *witnessDesign
	Absent                 bool // a reduced design is without it
}

// draw is a source of decisions.
type draw struct{ *rand.Rand }

func (r draw) chance(percent int) bool { return r.IntN(100) < percent }

// upTo is a time below d, to the microsecond: nothing else happens just then.
func (r draw) upTo(d time.Duration) time.Duration {
	return time.Duration(r.Int64N(int64(d/time.Microsecond)))*time.Microsecond + 7*time.Nanosecond
}

func oneOf[T any](r draw, choices ...T) T { return choices[r.IntN(len(choices))] }

// horizon is the time in which most of what a design has takes place.
const horizon = 30 * time.Minute

// newDesign draws the world of a seed.
func newDesign(seed uint64) design {
	r := draw{rand.New(rand.NewPCG(seed, 18))}
	d := design{Seed: seed, Offset: r.upTo(time.Minute)}
	d.Service = serviceDesign{Idle: oneOf(r, 0, 0, time.Second, 4*time.Second), Legacy: r.chance(10)}
	if r.chance(20) {
		d.Service.PerMinute, d.Service.Hint = 10+r.IntN(80), oneOf(r, ecstest.NoHint, ecstest.HintRetryAfter)
	}
	if r.chance(20) {
		d.Service.MaxPage = 1 + r.IntN(30)
	}
	calm := r.chance(10) // only crashes and others
	for n := range oneOf(r, 1, 1, 1, 2) {
		d.Fleets = append(d.Fleets, r.fleet(n, calm))
	}
	for n := range oneOf(r, 0, 0, 1, 2, 3) {
		d.Callers = append(d.Callers, r.caller(n, calm))
	}
	ids := d.machines()
	if !calm {
		for range r.IntN(10) {
			d.Faults = append(d.Faults, faultDesign{oneOf(r, 0, r.upTo(2*time.Minute), r.upTo(horizon)), r.fault(ids)})
		}
	}
	for _, c := range d.Callers {
		for _, call := range c.Calls {
			if !calm && r.chance(60) { // few would meet a call by chance
				f := r.fault(ids)
				f.Action, f.InstanceID, f.Skip = "RebootInstance", c.Machine.ID, 0
				d.Faults = append(d.Faults, faultDesign{max(0, call.At-time.Second), f})
			}
		}
	}
	d.Faults = withoutSurprises(d)
	if r.chance(50) {
		for range r.IntN(6) {
			d.Acts = append(d.Acts, act{
				oneOf(r, r.upTo(3*time.Minute), r.upTo(horizon)), oneOf(r, ids...),
				oneOf(r, actRestart, actRestart, actRestart, actStop, actStart, actLock, actUnlock, actRelease),
			})
		}
	}
	if r.chance(20) {
		for range 1 + r.IntN(2) {
			d.Jumps = append(d.Jumps, jump{r.upTo(horizon), oneOf(r, time.Second, -time.Second, 90*time.Second, -5*time.Minute, 20*time.Minute, -time.Hour)})
		}
	}
	if r.chance(25) {
		for range 1 + r.IntN(3) {
			d.Rotations = append(d.Rotations, r.upTo(horizon))
		}
	}
	return d
}

// machines are the IDs of all machines.
func (d design) machines() []string {
	var ids []string
	for _, f := range d.Fleets {
		for _, m := range f.Machines {
			ids = append(ids, m.ID)
		}
	}
	for _, c := range d.Callers {
		ids = append(ids, c.Machine.ID)
	}
	return ids
}

// withoutSurprises leaves out restarts that arrive late while a fleet waits for its
// witness: until then it takes a machine that is up for available, as documented.
func withoutSurprises(d design) []faultDesign {
	awaits := false
	for _, f := range d.Fleets {
		awaits = awaits || f.Witness != nil
	}
	for i := range d.Faults {
		if f := &d.Faults[i].Fault; awaits && f.Late > 0 {
			f.Late, f.Act = 0, true
		}
	}
	return d.Faults
}

func (r draw) machine(id string) ecstest.Instance {
	m := ecstest.Instance{ID: id, ZoneID: "cn-hangzhou-" + oneOf(r, "h", "i", "j")}
	m.Reboot = ecstest.RebootProfile{
		Graceful: oneOf(r, -1, time.Second+r.upTo(5*time.Second), time.Second+r.upTo(15*time.Second)), Forced: time.Second + r.upTo(5*time.Second),
		KeepStartTime: r.chance(4), Hang: r.IntN(500) == 0, // what never proves a restart takes long
		Path: oneOf(r, []ecsreboot.Status{ecsreboot.StatusStarting}, []ecsreboot.Status{ecsreboot.StatusStopping, ecsreboot.StatusStarting},
			[]ecsreboot.Status{ecsreboot.StatusStopping, ecsreboot.StatusStopped, ecsreboot.StatusStarting}, []ecsreboot.Status{ecsreboot.StatusPending, ecsreboot.StatusStarting}),
	}
	if r.chance(5) {
		m.Reboot.Graceful = r.upTo(3 * time.Minute)
	}
	if r.chance(10) {
		m.Reboot.Stale = r.upTo(20 * time.Second)
	}
	return m
}

func (r draw) fleet(n int, calm bool) fleetDesign {
	f := fleetDesign{Begin: r.upTo(time.Minute), Force: r.chance(20), Hooks: r.chance(20), Partial: r.Float64()}
	size := 1 + r.IntN(oneOf(r, 5, 40, 80, 80))
	for i := range size {
		f.Machines = append(f.Machines, r.machine(fmt.Sprintf("i-fleet%d%03d", n, i)))
	}
	f.Settings = fleet.Settings{
		Rules:    fleet.Rules{MaxUnavailable: fleet.Count(1 + r.IntN(oneOf(r, size, 2*size))), AllowWide: true, MaxFailed: fleet.Count(r.IntN(size + 1))},
		MinReady: oneOf(r, -1, -1, r.upTo(40*time.Second)), ReadyTimeout: oneOf(r, 2*time.Minute, 2*time.Minute, 5*time.Minute, 25*time.Minute),
		UnknownGrace: oneOf(r, 0, 0, 7*time.Second, 2*time.Minute),
	}
	if r.chance(30) {
		f.Settings.MaxUnavailablePerGroup = fleet.Count(1 + r.IntN(size))
	}
	if r.chance(70) {
		f.Settings.Canary = []int{}
	}
	if r.chance(30) {
		f.Witness = r.witness()
	}
	for range 1 + oneOf(r, 0, 0, 1, 1, 2, 4) {
		s := sessionDesign{Wait: r.upTo(oneOf(r, time.Second, 3*time.Minute)), Client: r.client(calm)}
		s.Crash = &crash{At: r.upTo(oneOf(r, 10*time.Second, 4*time.Minute)), Power: r.chance(70), Lag: oneOf(r, 0, r.upTo(2*time.Minute)), Seed: r.Uint64()}
		if !calm && r.chance(15) {
			s.Disk = append(s.Disk, diskFault{From: r.IntN(60), Times: 1 + r.IntN(5), Full: r.chance(50)})
		}
		if r.chance(15) {
			s.Rival = r.upTo(2 * time.Minute)
		}
		s.Resolve = len(f.Sessions) > 0 && r.chance(10)
		f.Sessions = append(f.Sessions, s)
	}
	last := &f.Sessions[len(f.Sessions)-1]
	if last.Crash = nil; r.chance(10) {
		last.Controls = oneOf(r, []controlAct{{r.upTo(time.Minute), "pause"}, {2*time.Minute + r.upTo(time.Minute), "unpause"}}, []controlAct{{r.upTo(2 * time.Minute), "stop"}})
	}
	for range oneOf(r, 1, 1, 2) { // on a machine that lives
		f.Sessions = append(f.Sessions, sessionDesign{Wait: r.upTo(10 * time.Minute), Client: clientDesign{Seed: r.Uint64()}, Resolve: r.chance(20)})
	}
	return f
}

func (r draw) client(calm bool) clientDesign {
	c := clientDesign{V1: r.chance(20), Seed: r.Uint64(), KeyLate: oneOf(r, 0, 0, r.upTo(time.Minute))}
	if !calm && r.chance(20) {
		c.KeyFails = 1 + r.IntN(20)
	}
	if !calm && r.chance(25) {
		c.Hostile = r.hostile()
	}
	if r.chance(10) {
		c.AttemptTime = oneOf(r, 5*time.Second, 90*time.Second)
	}
	return c
}

func (r draw) witness() *witnessDesign {
	return &witnessDesign{Delay: oneOf(r, 0, 30*time.Second, 10*time.Minute), Takes: r.upTo(5 * time.Second), Fails: oneOf(r, 0, 0, 3, 6), Denied: r.chance(15)}
}

func (r draw) caller(n int, calm bool) callerDesign {
	c := callerDesign{Machine: r.machine(fmt.Sprintf("i-caller%d", n)), Client: r.client(calm)}
	for range 1 + r.IntN(4) {
		call := callDesign{
			At: oneOf(r, r.upTo(5*time.Second), r.upTo(horizon)), Wait: r.chance(75), Force: r.chance(30), Resend: r.chance(40), Resolve: r.chance(70),
			Timeout: oneOf(r, 3*time.Minute, 45*time.Second, 15*time.Minute) + 3, Grace: oneOf(r, 0, 0, -1, 7*time.Second, 100*time.Second), Intents: r.chance(40), Refuses: r.chance(15),
		}
		if r.chance(15) {
			call.Leaves = 1 + r.upTo(2*time.Minute)
		}
		if r.chance(30) {
			call.Witness = r.witness()
		}
		c.Calls = append(c.Calls, call)
	}
	return c
}

// fault draws anything that a service and what lies before it may do, except a lie: no
// refusal of what was carried out, and no refusal for a status that is not so.
func (r draw) fault(ids []string) ecstest.Fault {
	f := oneOf(r,
		ecstest.Fault{Kind: ecstest.FaultDrop}, ecstest.Fault{Kind: ecstest.FaultDrop},
		ecstest.Fault{Kind: ecstest.FaultFIN},
		ecstest.Fault{Kind: ecstest.FaultHang},
		ecstest.Fault{Kind: ecstest.FaultHalfStatusLine},
		ecstest.Fault{Kind: ecstest.FaultError},
		ecstest.Fault{Kind: ecstest.FaultError, Code: "ServiceUnavailable"},
		ecstest.Fault{Kind: ecstest.FaultError, Code: "SignatureNonceUsed"},
		ecstest.Fault{Kind: ecstest.FaultAnswer},
		ecstest.Fault{Kind: ecstest.FaultAnswer, Body: "<html>Sign in"},
		ecstest.Fault{Kind: ecstest.FaultAnswer, Status: 403, Body: "<html>"},
		ecstest.Fault{Kind: ecstest.FaultAnswer, Status: 302},
		ecstest.Fault{Kind: ecstest.FaultDelay},
		ecstest.Fault{Kind: ecstest.FaultTruncate},
		ecstest.Fault{Kind: ecstest.FaultStall},
		ecstest.Fault{Kind: ecstest.FaultRefuse},
		ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: r.upTo(40 * time.Second)},
		ecstest.Fault{Kind: ecstest.FaultThrottle, Status: 503},
		ecstest.Fault{Kind: ecstest.FaultError, Code: "DiskError", Message: "The token " + secretOf(0) + " is malformed."},
		ecstest.Fault{Kind: ecstest.FaultError, Code: "Forbidden.RAM"},
		ecstest.Fault{Kind: ecstest.FaultError, Code: "IllegalTimestamp", Status: 400},
	)
	f.Skip, f.Times = r.IntN(oneOf(r, 3, 30)), 1+r.IntN(3)
	if r.chance(60) {
		f.Action = "RebootInstance"
	} else {
		f.Action = "DescribeInstances"
	}
	if r.chance(20) {
		f.InstanceID, f.Skip = oneOf(r, ids...), 0
	}
	if r.chance(20) {
		f.Delay = r.upTo(oneOf(r, time.Second, 2*time.Minute))
	}
	refuses := f.Kind == ecstest.FaultThrottle || f.Kind == ecstest.FaultError && (f.Code == "DiskError" || f.Code == "Forbidden.RAM" || f.Code == "IllegalTimestamp")
	if !refuses && f.Kind != ecstest.FaultRefuse {
		if f.Act = r.chance(60); !f.Act && r.chance(40) {
			f.Late = r.upTo(oneOf(r, 5*time.Second, 3*time.Minute))
		}
		if !f.Act && f.Late == 0 && r.chance(10) {
			f.Refuse = "DiskError"
		}
	}
	return f
}

// hostile draws up to two wrappers and a network that misbehave.
func (r draw) hostile() []string {
	var wrappers, dialers, names []string
	for _, kind := range hostile.Kinds() {
		if kind.Class == hostile.OfDialer {
			dialers = append(dialers, kind.Name)
		} else {
			wrappers = append(wrappers, kind.Name)
		}
	}
	for range r.IntN(3) {
		names = append(names, oneOf(r, wrappers...))
	}
	if r.chance(50) {
		names = append(names, oneOf(r, dialers...))
	}
	return names
}
