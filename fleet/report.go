package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// Report is what is known of a run that has ended, has crashed, or is still in progress.
type Report struct {
	Plan     Plan      `json:"plan"`
	Digest   string    `json:"digest"`       // of the plan
	Settings Settings  `json:"settings"`     // of the last session, defaults filled in
	ID       string    `json:"id,omitempty"` // identifies the run: the Session of its [EventRun]
	Begun    time.Time `json:"begun"`
	Ended    time.Time `json:"ended,omitzero"` // zero while the last session is in progress, and if it crashed
	Sessions int       `json:"sessions"`       // 1, and one more for each [Resume] and [Resolve]
	// Reason is why the last session ended, and Error has details. Reason is [ReasonDone]
	// if no instance was waiting any more. It is empty until the run stops, halts or ends,
	// and stays empty if the session crashes before then.
	Reason Reason `json:"reason,omitempty"`
	Error  string `json:"error,omitempty"`
	// MaintenanceError says why the last session could not read the status of the
	// maintenance events of the plan; see [Report.Maintenance].
	MaintenanceError string   `json:"maintenanceError,omitempty"`
	Records          []Record `json:"records,omitzero"` // in the order of the plan
	// Bounds are lower bounds of the time from Begun to Ended; zero until Ended is set.
	Bounds Bounds `json:"bounds,omitzero"`

	index     map[string]int
	limits    limits
	hasHealth bool // the last session has Options.Health
}

// Record is what is known of one instance of a run. Fields that no event has set are
// zero.
type Record struct {
	Target

	State     State               `json:"state"`
	Reason    Reason              `json:"reason,omitempty"` // why it is in this state
	Code      ecsreboot.ErrorCode `json:"code,omitempty"`
	Error     string              `json:"error,omitempty"`
	Note      string              `json:"note,omitempty"`      // the operator's reason, if a mark led to this state
	RequestID string              `json:"requestId,omitempty"` // of the last response
	Proof     ecsreboot.Proof     `json:"proof,omitempty"`
	Attempts  int                 `json:"attempts,omitempty"` // requests that may have left
	Failed    bool                `json:"failed,omitempty"`   // it failed, even if it is healthy by now
	Before    *ecsreboot.Baseline `json:"before,omitempty"`
	SentAt    time.Time           `json:"sentAt,omitzero"`   // the last attempt
	SendID    string              `json:"sendId,omitempty"`  // of the last attempt; see [ecsreboot.SentRequest]
	Witness   string              `json:"witness,omitempty"` // the name of the witness that resolved the outcome
	Accepted  time.Time           `json:"acceptedAt,omitzero"`
	DownAt    time.Time           `json:"downAt,omitzero"`  // first seen in a status other than Running
	UpAt      time.Time           `json:"upAt,omitzero"`    // first seen Running after DownAt
	EndedAt   time.Time           `json:"endedAt,omitzero"` // when it entered its current state
	Hooks     []HookCall          `json:"hooks,omitempty"`  // the last call of each hook, in the last attempt
	// Console is the end of the console output, which the run read after the instance had
	// failed in the last attempt; see Options.Console. If the output could not be read,
	// ConsoleError is the reason.
	Console      string `json:"console,omitempty"`
	ConsoleError string `json:"consoleError,omitempty"`
}

func newReport(plan Plan) *Report {
	r := &Report{Plan: plan, Digest: plan.Digest(), Records: make([]Record, len(plan.Targets)), index: make(map[string]int, len(plan.Targets))}
	for i, t := range plan.Targets {
		r.Records[i] = Record{Target: t, State: StateWaiting}
		r.index[t.ID] = i
	}
	return r
}

// Record returns the record of an instance, and whether the instance is in the plan.
func (r *Report) Record(id string) (Record, bool) {
	i, ok := r.index[id]
	if r.index == nil { // decoded
		i = slices.IndexFunc(r.Records, func(record Record) bool { return record.ID == id })
		ok = i >= 0
	}
	if !ok {
		return Record{}, false
	}
	return r.Records[i], true
}

// Count returns the number of instances in a state.
func (r *Report) Count(s State) int {
	n := 0
	for i := range r.Records {
		n += b2i(r.Records[i].State == s)
	}
	return n
}

// NotRestarted returns the records for which [Record.Restarted] is false, without those
// that an operator marked as gone.
func (r *Report) NotRestarted() []Record {
	var left []Record
	for i := range r.Records {
		if !r.Records[i].Restarted() && !r.Records[i].isMarkedGone() {
			left = append(left, r.Records[i])
		}
	}
	return left
}

// Held returns the records of the instances that have not restarted because something
// holds the restart back for now. The Reason of each record says what holds it back: a
// blocker, a rate limit, a restart by others, or attempts that failed and are retried.
func (r *Report) Held() []Record {
	var held []Record
	for i := range r.Records {
		if r.Records[i].isHeld() {
			held = append(held, r.Records[i])
		}
	}
	return held
}

func (r Record) isHeld() bool {
	if r.State != StateWaiting && r.State != StateRestarting {
		return false
	}
	switch r.Reason {
	case ReasonBlocked, ReasonThrottled, ReasonOthers, ReasonRefused, ReasonNotSent:
		return true
	default:
		return false
	}
}

// Err returns nil if [Report.NotRestarted] returns no records. Otherwise it returns an
// error that says how many instances that is, and why the run ended. Err of a
// nil Report is nil.
func (r *Report) Err() error {
	if r == nil {
		return nil
	}
	left := r.NotRestarted()
	if len(left) == 0 {
		return nil
	}
	var states []string
	for _, s := range []State{StateFailed, StateUnknown, StateRestarting, StateSkipped, StateWaiting} {
		n := 0
		for i := range left {
			n += b2i(left[i].State == s)
		}
		if n > 0 {
			states = append(states, fmt.Sprintf("%d %s", n, s))
		}
	}
	err := fmt.Errorf("fleet: %d of %d instances have no proof of a restart: %s", len(left), len(r.Records), strings.Join(states, ", "))
	if r.Reason != ReasonDone && r.Reason != "" {
		err = fmt.Errorf("%w; the run ended early: %s", err, r.Reason)
	}
	return err
}

// Restarted reports whether it is proven that the instance restarted and is healthy.
// Restarted is true as well for an instance that was skipped because others had restarted
// it, or because an operator marked it as restarted.
func (r Record) Restarted() bool {
	return r.State == StateHealthy ||
		r.State == StateSkipped && (r.Reason == ReasonUptime || r.Reason == ReasonOthers || r.Reason == ReasonMarkedRestarted)
}

func (r Record) isMarkedGone() bool { return r.State == StateSkipped && r.Reason == ReasonGone }

// Add adds an event of the run to the report. An engine keeps its report up to date if it
// adds every event that its [Planner] has accepted.
func (r *Report) Add(e Event) {
	if e.InstanceID != "" {
		if i, ok := r.index[e.InstanceID]; ok {
			apply(&r.Records[i], e)
		}
		return
	}
	switch e.Kind {
	case EventRun, EventResume:
		if r.Sessions == 0 {
			r.Begun, r.ID = e.At, e.Session
		}
		r.Sessions++
		r.Ended, r.Reason, r.Error, r.MaintenanceError, r.Bounds = time.Time{}, "", "", "", Bounds{}
		r.hasHealth = slices.Contains(e.Hooks, HookHealth)
		r.limits.begin()
		if e.Settings != nil {
			r.Settings = *e.Settings
		}
	case EventStop, EventHalt:
		r.Reason, r.Error = cmp.Or(r.Reason, e.Reason), cmp.Or(r.Error, e.Error)
	case EventMaintenance:
		r.MaintenanceError = e.Error
	case EventEnd:
		r.Ended, r.Reason = e.At, e.Reason
		r.Bounds = r.bounds()
	case EventPace:
		r.limits.add(e)
	default: // pauses and stages leave nothing behind
	}
}

// apply takes an event of an instance in.
func apply(r *Record, e Event) {
	switch e.Kind {
	case EventIntent:
		*r = Record{Target: r.Target, State: StateRestarting, Failed: r.Failed, Attempts: e.Attempt, Before: e.Before, SentAt: e.At, SendID: e.SendID, Hooks: r.drainCalls()}
		return
	case EventHook, EventHooked:
		r.Hooks = r.callsAfter(e)
		if e.Kind == EventHook && e.Hook == HookDrain {
			r.State = StateRestarting
		}
		return
	case EventAccepted:
		r.Accepted, r.RequestID, r.Witness = e.At, e.RequestID, e.Witness
		return
	case EventDoubt:
		r.Error = e.Error
		return
	case EventDown:
		r.DownAt = e.At
		return
	case EventUp:
		r.UpAt = e.At
		return
	case EventAwaiting:
		return
	case EventConsole:
		r.Console, r.ConsoleError = e.Console, e.Error
		return
	case EventHeld:
		r.Reason, r.Error = e.Reason, e.Error
		return
	case EventMaintenance:
		r.Maintenance = e.Maintenance
		return
	case EventUnsent:
		r.Failed = r.Failed && r.State != StateFailed
		r.State = StateWaiting
	case EventHealthy:
		r.State = StateHealthy
	case EventFailed:
		r.State, r.Failed = StateFailed, true
	case EventUnknown:
		r.State = StateUnknown
	case EventSkipped:
		r.State = StateSkipped
	case EventMarked:
		r.State, r.Failed = StateSkipped, false
		if e.Mark == MarkNotRestarted {
			r.State = StateWaiting
		}
	default: // of runs
		return
	}
	r.EndedAt, r.Reason, r.Code, r.Error, r.Note, r.Proof = e.At, e.Reason, e.Code, e.Error, e.Note, e.Proof
	r.RequestID, r.Witness = cmp.Or(e.RequestID, r.RequestID), cmp.Or(e.Witness, r.Witness)
}
