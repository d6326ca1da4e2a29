package fleet

// ActionKind says what there is to do.
type ActionKind string

// What a [Planner] asks for.
const (
	ActionRestart ActionKind = "restart" // write down the intent, send the restart, and follow it
	ActionFollow  ActionKind = "follow"  // an earlier session's, which was accepted: follow it, send nothing
	ActionResolve ActionKind = "resolve" // an earlier session's, of unknown outcome: look what became of it, send nothing
	ActionApprove ActionKind = "approve" // the canaries of Stage are healthy: ask whether to go on
	ActionHalt    ActionKind = "halt"    // nothing more will be asked for, for Reason
	ActionEnd     ActionKind = "end"     // nothing is under way, and nothing more will be asked for
)

// Action is something that a Planner asks for.
type Action struct {
	Kind       ActionKind `json:"kind"`
	InstanceID string     `json:"id,omitempty"`
	Stage      int        `json:"stage,omitempty"` // counts from 1
	Reason     Reason     `json:"reason,omitempty"`
}

// State is where an instance of a run is.
type State string

// The states of an instance.
const (
	StateWaiting    State = "waiting"    // nothing was sent, or nothing that happened
	StateRestarting State = "restarting" // its turn has come, and it is not yet healthy again
	StateHealthy    State = "healthy"    // restarted, with proof
	StateFailed     State = "failed"     // it was refused, or is not back
	StateUnknown    State = "unknown"    // it may have restarted
	StateSkipped    State = "skipped"    // left alone
)

func (s State) broken() bool { return s == StateFailed || s == StateUnknown }
