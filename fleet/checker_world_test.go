package fleet_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ecsreboot/ecsreboot/fleet"
)

const (
	mostMachines = 3
	mostDrivers  = 2
)

// world is one state of the checked worlds: the service with its machines, the disk with
// the journal, and the drivers. Worlds do not change; a step makes another world.
type world struct {
	machines [mostMachines]checkedMachine
	drivers  [mostDrivers]checkedDriver

	// The journal: what is durable, its replay, and what a crash may still lose.
	durable  *entry
	replayed *planning
	pending  []note
	torn     note // of this record, half a line follows what is durable; its kind is empty if none does
	lock     int8 // the driver that has it, or unlocked

	stop      bool // the caller of the drivers has called Control.Stop; a resumed run is a Resolve
	stopsLeft int8

	faultsLeft int8 // of all machines

	broken string // the property that does not hold
	why    string
}

const unlocked = -1

// entry is a durable record, or the remains of one, and what comes before it.
type entry struct {
	before *entry
	note   note
	torn   bool
	group  bool // it begins a group
	n      int  // of the records up to this one
	held   bool // the real replay of this journal was compared with the world
}

// checkedMachine is an instance, and the only request for it that may be on its way.
type checkedMachine struct {
	request  request
	known    bool // a driver knows that the request did nothing
	twice    bool // the intent was made and has been sent
	down     bool
	downSeen bool // the durable journal has an EventDown since the last intent
	restarts int8
	faults   int8 // that may yet happen to it
}

type request uint8

const (
	noRequest request = iota
	departing         // Departure.Leave has agreed, and it is still with the driver
	flying            // the service has not seen it
	dropped           // it will never arrive
	executed
	refusedRequest
	throttled
)

func (r request) String() string {
	return [...]string{"none", "departing", "flying", "dropped", "executed", "refused", "throttled"}[r]
}

// checkedDriver is a process that runs, resumes or resolves the run: fleet.session.
type checkedDriver struct {
	phase   sessionPhase
	resumed bool
	ended   bool // its context has ended
	over    bool // session.over: it has noticed that
	batch   int8 // of the mailbox, what session.hear has taken out before the context ended
	missed  bool // session.hear has called session.held, and the stop came before session.take
	loaded  int  // records of the journal before it was locked
	plan    *planning
	mailbox []note
	workers [mostMachines]worker
}

type sessionPhase uint8

const (
	off      sessionPhase = iota
	creating              // in recorder.create: the journal exists, and is not durable
	loaded                // resume has read the journal, and has not locked it
	running               // session.run
	leaving               // session.run has left its loop
	closing               // the end is recorded, and the journal is not closed
)

func (p sessionPhase) String() string {
	return [...]string{"off", "creating", "loaded", "running", "leaving", "closing"}[p]
}

// worker is the goroutine that restarts one instance, or follows its restart.
type worker struct {
	phase   workerPhase
	attempt uint8
	recent  bool // the baseline shows that the instance has started since the run began
	left    bool // Departure.Leave has agreed once
	excused bool // it passed its last check before the stop
	down    bool // follower.down
	up      bool // follower.up
	earlier bool // follower.earlier: takeUp of a request of an earlier session
}

type workerPhase uint8

const (
	idle      workerPhase = iota
	started               // sender.restart, at its beginning
	looked                // the baseline is taken; sender.beforeSend comes next
	recording             // sender.beforeSend has called recorder.intend, which has not returned
	recorded              // recorder.intend has returned
	cleared               // the last mayLeave has passed; Departure.Leave comes next
	sent                  // the request has left
	following             // the service accepted it
	resolving             // its outcome is unknown
	awaiting              // likewise, and the witness is waited for
	watching              // follower.tellEnd, after the end
)

func (p workerPhase) String() string {
	return [...]string{"idle", "started", "looked", "recording", "recorded", "cleared", "sent", "following", "resolving", "awaiting", "watching"}[p]
}

// checkedStep is what happens between two worlds.
type checkedStep struct {
	what     string
	driver   int8 // -1: none
	machine  int8 // -1: none
	n        int8 // of the records that a crash leaves; -1: it is no crash
	torn     bool
	told     []note // to OnEvent, in order
	durable  bool   // an intent has become durable: what beforeSend waits for
	departs  bool   // a request has left
	stops    bool   // Control.Stop has returned
	optional bool   // it need not happen: a crash, a stop, a beginning
}

func (s checkedStep) String() string {
	var text strings.Builder
	if s.driver >= 0 {
		fmt.Fprintf(&text, "driver %d: ", s.driver+1)
	}
	text.WriteString(s.what)
	if s.machine >= 0 {
		text.WriteString(" " + machineID(int(s.machine)))
	}
	if s.n >= 0 {
		fmt.Fprintf(&text, "; %d of the pending records survive", s.n)
	}
	if s.torn {
		text.WriteString(", and half of the next")
	}
	if len(s.told) > 0 {
		var told []string
		for _, n := range s.told {
			told = append(told, n.String())
		}
		text.WriteString(" [" + strings.Join(told, "; ") + "]")
	}
	return text.String()
}

// addNotes appends to a list that other worlds may share.
func addNotes(list []note, n ...note) []note { return append(slices.Clip(list), n...) }

// mayFail reports whether something may yet go wrong with a machine.
func (w *world) mayFail(i int) bool { return w.machines[i].faults > 0 && w.faultsLeft > 0 }

// fails is that something goes wrong with a machine.
func (w *world) fails(i int) {
	w.machines[i].faults--
	w.faultsLeft--
}

func (w *world) breaks(property, format string, args ...any) {
	if w.broken == "" {
		w.broken, w.why = property, fmt.Sprintf(format, args...)
	}
}

// The properties.
const (
	oneSend       = "at most one send per intent"
	noSecond      = "no request after one that may have acted"
	intentFirst   = "no request before its intent is durable"
	everyEnd      = "every intent ends"
	sessionEnds   = "every session ends"
	resumeTwice   = "resume twice is resume once"
	stopFinal     = "a stop is final"
	noClaim       = "no claim without a restart"
	answersKept   = "a recorded answer is kept"
	width         = "never more down than the width"
	readable      = "a crash leaves the journal readable"
	replaysAlike  = "the real journal replays to the state of the run"
	plannerAgrees = "the planner accepts every event of a driver"
)

// flush makes the first n pending records durable, as one group.
func (w *world) flush(n int) {
	for i, rec := range w.pending[:n] {
		w.durable = &entry{before: w.durable, note: rec, group: i == 0, n: w.records() + 1}
		if rec.of >= 0 {
			switch m := &w.machines[rec.of]; rec.kind {
			case fleet.EventIntent:
				m.downSeen = false
			case fleet.EventDown:
				m.downSeen = true
			default:
			}
		}
		after := w.replayed.after(true, rec)
		if after.err != nil {
			w.breaks(plannerAgrees, "the replay of the journal: %v", after.err)
			return
		}
		w.replayed = after.next
	}
	w.pending = w.pending[n:]
	for d := range w.drivers { // see resume: it will be refused, and that changes nothing
		if s := &w.drivers[d]; s.phase == loaded && s.loaded < w.records() {
			*s = checkedDriver{}
		}
	}
}

// records is how many records are durable.
func (w *world) records() int {
	if w.durable == nil {
		return 0
	}
	return w.durable.n
}

// since returns the durable records, in order.
func (e *entry) since() []*entry {
	var all []*entry
	for ; e != nil; e = e.before {
		all = append(all, e)
	}
	slices.Reverse(all)
	return all
}

// hasTorn reports whether remains of a record were not cut off.
func (e *entry) hasTorn() bool {
	for ; e != nil; e = e.before {
		if e.torn {
			return true
		}
	}
	return false
}
