package fleet

// ActionKind is the kind of an [Action].
type ActionKind string

// The actions of a [Planner].
const (
	ActionRestart ActionKind = "restart" // record the intent, send the restart, and follow it
	ActionFollow  ActionKind = "follow"  // send nothing; follow the accepted restart of an earlier session
	ActionResolve ActionKind = "resolve" // send nothing; resolve the unknown outcome of an earlier session's restart
	ActionUndrain ActionKind = "undrain" // send nothing; call Options.Undrain for an instance in the state failed-drained
	ActionApprove ActionKind = "approve" // the canaries of Stage are healthy: get approval for the next restarts
	ActionHalt    ActionKind = "halt"    // the planner asks for nothing more; Reason says why
	ActionEnd     ActionKind = "end"     // nothing is in progress, and the planner asks for nothing more
)

// Action is one thing that a [Planner] asks for.
type Action struct {
	Kind       ActionKind `json:"kind"`
	InstanceID string     `json:"id,omitempty"`
	Stage      int        `json:"stage,omitempty"` // numbered from 1
	Reason     Reason     `json:"reason,omitempty"`
}
