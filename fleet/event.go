package fleet

import (
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// EventKind says what happened in a run.
type EventKind string

// What happens to a run as a whole.
const (
	EventRun      EventKind = "run"      // it begins: Plan, Rules, Hooks. Always the first of a journal
	EventResume   EventKind = "resume"   // it goes on after an end or a crash: Rules, Hooks
	EventStage    EventKind = "stage"    // a canary stage has passed and was approved: Stage
	EventPause    EventKind = "pause"    // nothing more is sent for now: Reason
	EventContinue EventKind = "continue" // that reason has passed: Reason
	EventStop     EventKind = "stop"     // nothing more is sent, as the caller asked: Reason
	EventHalt     EventKind = "halt"     // nothing more is sent, for a failure: Reason, Error
	EventPace     EventKind = "pace"     // counts of restarts asked for since the beginning of the session: Accepted, Throttled, Rate
	EventEnd      EventKind = "end"      // nothing is under way any more: Reason
)

// What happens to an instance in a run.
const (
	EventIntent   EventKind = "intent"   // the restart is about to be sent: Attempt, Before. Durable before it leaves
	EventAccepted EventKind = "accepted" // the service accepted it: RequestID
	EventDoubt    EventKind = "doubt"    // its answer was lost, so that it may happen: Error
	EventHeld     EventKind = "held"     // nothing of it is sent for now: Reason, Error
	EventUnsent   EventKind = "unsent"   // it did not happen, and the instance waits again: Reason, Error
	EventDown     EventKind = "down"     // seen in another status than Running
	EventUp       EventKind = "up"       // seen Running after that; its health is asked for now
	EventHealthy  EventKind = "healthy"  // restarted, with proof, and healthy for as long as asked: Proof
	EventFailed   EventKind = "failed"   // it was refused, or is not back: Reason, Code, Error, RequestID
	EventUnknown  EventKind = "unknown"  // whether it restarted could not be told: Reason, Error
	EventSkipped  EventKind = "skipped"  // left alone: Reason, Code, Unavailable
)

// Event is one step of a run: what a journal holds line by line, what
// Options.OnEvent is told, and all that a [Planner] and a [Report] know. Which
// fields are set depends on the kind.
type Event struct {
	Kind        EventKind           `json:"kind"`
	At          time.Time           `json:"at"`
	InstanceID  string              `json:"id,omitempty"`
	Attempt     int                 `json:"attempt,omitempty"` // of an intent: counts the requests for the instance that may have left
	Before      *ecsreboot.Baseline `json:"before,omitempty"`  // of an intent, and of the same instance
	RequestID   string              `json:"requestId,omitempty"`
	Proof       ecsreboot.Proof     `json:"proof,omitempty"`
	Reason      Reason              `json:"reason,omitempty"`
	Code        ecsreboot.ErrorCode `json:"code,omitempty"`
	Error       string              `json:"error,omitempty"`
	Unavailable bool                `json:"unavailable,omitempty"` // of a skipped instance: it is not Running
	Stage       int                 `json:"stage,omitempty"`       // counts the canary stages from 1
	Accepted    int                 `json:"accepted,omitempty"`
	Throttled   int                 `json:"throttled,omitempty"`
	Rate        float64             `json:"rate,omitempty"` // calls a minute that the pace allows; 0 if it does not limit
	Plan        *Plan               `json:"plan,omitempty"`
	Rules       *Rules              `json:"rules,omitempty"`
	Hooks       string              `json:"hooks,omitempty"`   // of a session: those of "health", "blocker", "approve" and "window" that it has, with commas between
	Program     string              `json:"program,omitempty"` // version of this package
}

// Reason says in a word why an instance or a run is where it is.
type Reason string

// Why an instance was skipped.
const (
	ReasonNotRunning Reason = "not running"         // and so it cannot be restarted
	ReasonLocked     Reason = "locked"              // by the service: Code
	ReasonSelf       Reason = "self"                // this program runs on it
	ReasonUptime     Reason = "restarted recently"  // its uptime is below Options.MinUptime, or it started since the run began
	ReasonOthers     Reason = "restarted by others" // it was restarting already when its turn came
)

// Why an instance failed, or is unknown.
const (
	ReasonRefused    Reason = "refused"     // by the service: Code
	ReasonNotListed  Reason = "not listed"  // by the service: it does not exist, or may not be read
	ReasonNotSent    Reason = "not sent"    // no connection could be had
	ReasonNotBack    Reason = "not back"    // not Running again in time
	ReasonNotHealthy Reason = "not healthy" // Running again, but the health check did not pass in time
	ReasonNotProven  Reason = "not proven"  // Running, but nothing shows that it restarted
	ReasonNotWatched Reason = "not watched" // it could not be read
)

// Why an instance waits again, and why a run is paused, stopped or halted.
const (
	ReasonBlocked     Reason = "blocked"        // by Options.Blocker
	ReasonResumed     Reason = "resumed"        // it was given up before, without anything being sent
	ReasonThrottled   Reason = "throttled"      // by the service
	ReasonUser        Reason = "asked for"      // by [Control]
	ReasonWindow      Reason = "window"         // the maintenance window is closed
	ReasonCanary      Reason = "canary failed"  // and canaries have no failure budget
	ReasonBudget      Reason = "failure budget" // more than MaxFailed failed or are unknown
	ReasonWidth       Reason = "width"          // the failed, the unknown and those not Running take all of MaxUnavailable
	ReasonDisapproved Reason = "not approved"   // by Options.Approve
	ReasonJournal     Reason = "journal"        // it can no longer be written
	ReasonAccess      Reason = "access"         // credentials, signature or permissions: it would fail for all
	ReasonInterrupted Reason = "interrupted"    // the context ended
	ReasonDone        Reason = "done"           // of an end: nobody waits any more
)
