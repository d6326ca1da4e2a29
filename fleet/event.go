package fleet

import (
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// EventKind is the kind of an [Event].
type EventKind string

// The events of a run as a whole, with the fields that they set.
const (
	EventRun      EventKind = "run"      // the run begins: Plan, Rules, Hooks. It is the first event of a journal
	EventResume   EventKind = "resume"   // the run resumes after an end or a crash: Rules, Hooks
	EventStage    EventKind = "stage"    // a canary stage has passed and was approved: Stage
	EventPause    EventKind = "pause"    // nothing more is sent until the pause ends: Reason
	EventContinue EventKind = "continue" // the pause for this reason has ended: Reason
	EventStop     EventKind = "stop"     // the caller stopped the run, and nothing more is sent: Reason
	EventHalt     EventKind = "halt"     // a failure halted the run, and nothing more is sent: Reason, Error
	EventPace     EventKind = "pace"     // counts of restart requests since the session began: Accepted, Throttled, Rate
	EventEnd      EventKind = "end"      // the session has ended: Reason
)

// The events of an instance, with the fields that they set.
const (
	EventIntent   EventKind = "intent"   // the restart is about to be sent: Attempt, Before. The journal has this event before the request leaves
	EventAccepted EventKind = "accepted" // the service accepted the restart: RequestID
	EventDoubt    EventKind = "doubt"    // the response was lost, so the restart may happen: Error
	EventHeld     EventKind = "held"     // the restart is not sent for now: Reason, Error
	EventUnsent   EventKind = "unsent"   // the restart did not happen, and the instance waits again: Reason, Error
	EventDown     EventKind = "down"     // a poll showed it Stopping, Stopped or Starting
	EventUp       EventKind = "up"       // a later poll showed it Running; Health is called from now on
	EventHealthy  EventKind = "healthy"  // the restart is proven, and the instance was healthy for MinReady: Proof
	EventFailed   EventKind = "failed"   // the restart was refused, or the instance was not healthy in time: Reason, Code, Error, RequestID, Running, Alone
	EventUnknown  EventKind = "unknown"  // polls did not show whether it restarted: Reason, Error
	EventSkipped  EventKind = "skipped"  // the run leaves it alone: Reason, Code, Unavailable
	EventHook     EventKind = "hook"     // a hook is about to be called: Hook. The journal has this event before the hook runs
	EventHooked   EventKind = "hooked"   // a hook has returned: Hook, Error
	EventMarked   EventKind = "marked"   // an operator marked it between two sessions: Mark, Reason, Note; see [MarkInstances]
)

// Event is one step of a run. A journal holds one event in each line, Options.OnEvent is
// called with each event, and a [Planner] and a [Report] know nothing but events. Which
// fields are set depends on the kind.
type Event struct {
	Kind        EventKind           `json:"kind"`
	At          time.Time           `json:"at"`
	InstanceID  string              `json:"id,omitempty"`
	Attempt     int                 `json:"attempt,omitempty"` // of an intent: the number of the request for this instance, from 1
	Before      *ecsreboot.Baseline `json:"before,omitempty"`  // of an intent: the baseline of this instance
	RequestID   string              `json:"requestId,omitempty"`
	Proof       ecsreboot.Proof     `json:"proof,omitempty"`
	Reason      Reason              `json:"reason,omitempty"`
	Code        ecsreboot.ErrorCode `json:"code,omitempty"`
	Error       string              `json:"error,omitempty"`
	Unavailable bool                `json:"unavailable,omitempty"` // of a skipped instance: it is not Running
	Running     bool                `json:"running,omitempty"`     // of a failed instance that certainly was not restarted: a poll after the failure showed it Running, so it is not unavailable
	Alone       bool                `json:"alone,omitempty"`       // of an instance that was denied: a dry run for another instance passed
	Hook        Hook                `json:"hook,omitempty"`
	Mark        Mark                `json:"mark,omitempty"`
	Note        string              `json:"note,omitempty"`  // the operator's reason for a mark
	Stage       int                 `json:"stage,omitempty"` // the canary stage, from 1
	Accepted    int                 `json:"accepted,omitempty"`
	Throttled   int                 `json:"throttled,omitempty"`
	Rate        float64             `json:"rate,omitempty"` // requests a minute that the pace allows; 0 if it sets no limit
	Plan        *Plan               `json:"plan,omitempty"`
	Rules       *Rules              `json:"rules,omitempty"`
	Hooks       string              `json:"hooks,omitempty"`   // which of the hooks and Window the session has set, separated by commas: "health", "blocker", "approve", "window", "drain", "undrain", "failed"
	Program     string              `json:"program,omitempty"` // version of this package
}

// Reason says in a few words why an instance or a run is in its state.
type Reason string

// Why an instance was skipped.
const (
	ReasonNotRunning Reason = "not running"         // so it cannot be restarted
	ReasonLocked     Reason = "locked"              // the service has locked it: Code
	ReasonSelf       Reason = "self"                // this program runs on it
	ReasonUptime     Reason = "restarted recently"  // its uptime is below Options.MinUptime, or it started since the run began
	ReasonOthers     Reason = "restarted by others" // it was already restarting when its turn came
)

// Why an instance failed, or is unknown.
const (
	ReasonRefused      Reason = "refused"       // the service refused the restart: Code
	ReasonDenied       Reason = "denied"        // the permission to restart it is missing: Code. Other instances may be permitted; see ReasonAccess
	ReasonNotDrained   Reason = "not drained"   // Options.Drain failed, so nothing was sent
	ReasonNotUndrained Reason = "not undrained" // Options.Undrain failed
	ReasonNotListed    Reason = "not listed"    // the service does not list it: it does not exist, or may not be read
	ReasonGone         Reason = "gone"          // the service listed it before its restart, and does not list it any more; or an operator marked it with [MarkGone]
	ReasonNotSent      Reason = "not sent"      // there was no connection to the service
	ReasonNotBack      Reason = "not back"      // it was not Running again in time
	ReasonStopped      Reason = "stopped"       // it was Stopped for Options.StoppedTimeout: something else has stopped it
	ReasonNotHealthy   Reason = "not healthy"   // it was Running again, but did not pass Health for MinReady in time
	ReasonNotProven    Reason = "not proven"    // it is Running, and nothing shows that it restarted
	ReasonNotWatched   Reason = "not watched"   // polls failed
)

// Why an instance is skipped or waits again after an operator's mark.
const (
	ReasonMarkedRestarted    Reason = "marked as restarted"     // by [MarkRestarted]; nothing proves it
	ReasonMarkedNotRestarted Reason = "marked as not restarted" // by [MarkNotRestarted]
)

// Why an instance waits again, and why a run is paused, stopped or halted.
const (
	ReasonBlocked     Reason = "blocked"        // Options.Blocker returned an error; an instance that waits again for this reason comes after all others
	ReasonResumed     Reason = "resumed"        // an earlier session gave it up, and it certainly was not restarted
	ReasonThrottled   Reason = "throttled"      // the service limits the rate
	ReasonUser        Reason = "requested"      // the caller used a [Control]
	ReasonWindow      Reason = "window"         // the maintenance window is closed
	ReasonCanary      Reason = "canary failed"  // a canary failed or is unknown; canaries have no failure budget
	ReasonBudget      Reason = "failure budget" // the number of failed and unknown instances exceeds MaxFailed
	ReasonWidth       Reason = "width"          // instances that failed, are unknown or not Running use up MaxUnavailable
	ReasonDisapproved Reason = "not approved"   // Options.Approve returned an error
	ReasonJournal     Reason = "journal"        // the journal can no longer be written
	// ReasonAccess means that credentials, signature or permissions are refused, as they
	// would be for every instance. A denied restart leads to ReasonAccess only if a dry run
	// for another instance is denied too, if no other instance is left, or after three
	// denials in a row.
	ReasonAccess      Reason = "access"
	ReasonInterrupted Reason = "interrupted" // the context ended
	ReasonDone        Reason = "done"        // the session ended with no instance waiting
)
