package fleet

import (
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// EventKind is the kind of an [Event].
type EventKind string

// The events of a run as a whole, with the fields that they set.
const (
	EventRun      EventKind = "run"      // the run begins: Plan, Settings, Hooks, Session, Path, Host. It is the first event of a journal
	EventResume   EventKind = "resume"   // the run resumes after an end or a crash: Settings, Hooks, Session, Chain, Path, Host; Note, if the journal was moved
	EventStage    EventKind = "stage"    // a canary stage has passed and was approved: Stage
	EventPause    EventKind = "pause"    // nothing more is sent until the pause ends: Reason
	EventContinue EventKind = "continue" // the pause for this reason has ended: Reason
	EventStop     EventKind = "stop"     // the caller stopped the run, and nothing more is sent: Reason
	EventHalt     EventKind = "halt"     // a failure halted the run, and nothing more is sent: Reason, Error
	EventPace     EventKind = "pace"     // counts of restart requests since the session began, and the rate limits: Accepted, Throttled, Rate, PollRate
	EventEnd      EventKind = "end"      // the session has ended: Reason
	// EventMaintenance is emitted at the end of a session. With an instance, it has the
	// current status of the instance's maintenance events: Maintenance. Without an instance,
	// it means that the status could not be read: Error.
	EventMaintenance EventKind = "maintenance"
)

// The events of an instance, with the fields that they set.
const (
	EventIntent   EventKind = "intent"   // the restart is about to be sent: Attempt, Before, SendID. The journal has this event before the request leaves
	EventAccepted EventKind = "accepted" // the service accepted the restart: RequestID; and Witness, if the response was lost and the witness found this
	EventDoubt    EventKind = "doubt"    // the response was lost, so the restart may happen: Error
	EventAwaiting EventKind = "awaiting" // polls have not shown whether the request whose response was lost took effect, and the run waits for Options.Witness: Running
	EventHeld     EventKind = "held"     // the restart is not sent for now: Reason, Error
	EventUnsent   EventKind = "unsent"   // the restart did not happen, and the instance waits again: Reason, Error; and Witness, as for failed
	EventDown     EventKind = "down"     // a poll showed it Stopping, Stopped or Starting
	EventUp       EventKind = "up"       // a later poll showed it Running; Health is called from now on
	EventHealthy  EventKind = "healthy"  // the restart is proven, and the instance was healthy for MinReady: Proof
	EventFailed   EventKind = "failed"   // the restart was refused, or the instance was not healthy in time: Reason, Code, Error, RequestID, Running, Alone; and Witness, if the response was lost and the witness found that the service refused the request
	EventUnknown  EventKind = "unknown"  // polls did not show whether it restarted: Reason, Error
	EventSkipped  EventKind = "skipped"  // the run leaves it alone: Reason, Code, Unavailable
	EventHook     EventKind = "hook"     // a hook is about to be called: Hook. The journal has this event before the hook runs
	EventHooked   EventKind = "hooked"   // a hook has returned: Hook, Error
	EventConsole  EventKind = "console"  // the console of an instance that did not come back was read, or could not be read: Console or Error
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
	SendID      string              `json:"sendId,omitempty"`  // of an intent; see [ecsreboot.SentRequest]
	RequestID   string              `json:"requestId,omitempty"`
	Witness     string              `json:"witness,omitempty"` // the name of the witness that found this
	Proof       ecsreboot.Proof     `json:"proof,omitempty"`
	Reason      Reason              `json:"reason,omitempty"`
	Code        ecsreboot.ErrorCode `json:"code,omitempty"`
	Error       string              `json:"error,omitempty"`
	Unavailable bool                `json:"unavailable,omitempty"` // of a skipped instance: it is not Running
	Running     bool                `json:"running,omitempty"`     // of an instance that awaits a witness, or that failed and certainly was not restarted: the last poll showed it Running, and it is not drained, so it is not unavailable
	Alone       bool                `json:"alone,omitempty"`       // of an instance that was denied: a dry run for another instance passed
	Hook        Hook                `json:"hook,omitempty"`
	Console     string              `json:"console,omitempty"` // the end of the console output, at most 16 KiB; see Options.Console
	Mark        Mark                `json:"mark,omitempty"`
	Note        string              `json:"note,omitempty"`  // the operator's reason for a mark, or what is remarkable about a session
	Stage       int                 `json:"stage,omitempty"` // the canary stage, from 1
	Accepted    int                 `json:"accepted,omitempty"`
	Throttled   int                 `json:"throttled,omitempty"`
	Rate        float64             `json:"rate,omitempty"`     // requests a minute that the pace allows; 0 if it sets no limit
	PollRate    float64             `json:"pollRate,omitempty"` // the same for polls; 0 also while the limit is a guess
	Plan        *Plan               `json:"plan,omitempty"`
	Settings    *Settings           `json:"settings,omitempty"`    // complete
	Hooks       []Hook              `json:"hooks,omitempty"`       // those that the session has
	Maintenance []MaintenanceEvent  `json:"maintenance,omitempty"` // the events of the instance with their current status
	Session     string              `json:"session,omitempty"`     // random, for each session another
	Chain       string              `json:"chain,omitempty"`       // a hash of all records before this one
	Path        string              `json:"path,omitempty"`        // of the journal, absolute, without symbolic links
	Host        string              `json:"host,omitempty"`        // on which the session runs
	Program     string              `json:"program,omitempty"`     // version of this package
}

// Reason says in a few words why an instance or a run is in its state.
type Reason string

// Why an instance was skipped.
const (
	ReasonNotRunning Reason = "not running"         // so it cannot be restarted
	ReasonLocked     Reason = "locked"              // the service has locked it: Code
	ReasonSelf       Reason = "self"                // this program runs on it
	ReasonExcluded   Reason = "excluded"            // it is in Settings.Exclude
	ReasonUptime     Reason = "restarted recently"  // its uptime is below Options.MinUptime, or it started since the run began, to the minute
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
