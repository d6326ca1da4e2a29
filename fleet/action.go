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
	Kind       ActionKind
	InstanceID string
	Stage      int // counts from 1
	Reason     Reason
}
