package fleet

import "cmp"

// State is the state of an instance in a [Report].
type State string

// The states of an instance.
const (
	StateWaiting    State = "waiting"    // its turn has not come, or will come again; it was not restarted
	StateRestarting State = "restarting" // its turn has come, and it is not yet healthy again
	StateHealthy    State = "healthy"    // it restarted, with proof, and is healthy
	StateFailed     State = "failed"     // the restart was refused, or the instance did not become healthy in time
	StateUnknown    State = "unknown"    // it may have restarted
	StateSkipped    State = "skipped"    // the run leaves it alone
)

func (s State) broken() bool { return s == StateFailed || s == StateUnknown }

// targetState is where an instance is for the planner: its [State], and how far its
// request has come, which decides what may be done about it. The package comment
// draws the states, and a test compares the drawing with the planner.
type targetState uint8

const (
	noState targetState = iota // no state, in a stateTable
	waiting
	chosen   // its turn has come, and no intent is recorded
	drained  // likewise, and Options.Drain was called
	intended // the intent is recorded, and nothing shows that the request left
	sent     // the request may have been sent, with an unknown outcome
	sentUp   // likewise, but it was last seen Running, and the run waits for a witness
	accepted // the service accepted the restart
	healthy

	failedChosen
	failedIntended
	failedSent
	failedAccepted
	unknownSent
	unknownAccepted

	skipped
	skippedDown
	deferred     // skipped for what may pass: a resumed run may restart it
	deferredDown // likewise, and not Running

	failedDrained // certainly not restarted, and Options.Undrain failed
	// Nothing was sent, and the instance is Running as before.
	failedChosenUp
	failedIntendedUp
	// The service does not list the instance.
	failedChosenGone
	failedIntendedGone
	failedSentGone
	failedAcceptedGone
	gone // an operator says so

	endOfStates
)

// stateFacts are what the planner knows of an instance from its state alone.
type stateFacts struct {
	name   string
	public State
	down   bool       // unavailable: takes from the width
	gone   bool       // it does not exist: takes nothing from the width, and its group is smaller
	spares bool       // failed, and leaves its canary stage: nothing was sent, and it is not unavailable
	unsent bool       // given up with nothing sent: a resumed run may restart it
	look   ActionKind // what a resumed run does to see what became of the request; ActionRestart if there was none
}

var factsOf = [endOfStates]stateFacts{
	waiting:         {name: "waiting", public: StateWaiting},
	chosen:          {name: "chosen", public: StateRestarting, down: true},
	drained:         {name: "drained", public: StateRestarting, down: true, look: ActionRestart},
	intended:        {name: "intended", public: StateRestarting, down: true},
	sent:            {name: "sent", public: StateRestarting, down: true, look: ActionResolve},
	sentUp:          {name: "sent-up", public: StateRestarting, look: ActionResolve},
	accepted:        {name: "accepted", public: StateRestarting, down: true, look: ActionFollow},
	healthy:         {name: "healthy", public: StateHealthy},
	failedChosen:    {name: "failed-chosen", public: StateFailed, down: true, unsent: true},
	failedIntended:  {name: "failed-intended", public: StateFailed, down: true, unsent: true},
	failedSent:      {name: "failed-sent", public: StateFailed, down: true, look: ActionResolve},
	failedAccepted:  {name: "failed-accepted", public: StateFailed, down: true, look: ActionFollow},
	unknownSent:     {name: "unknown-sent", public: StateUnknown, down: true, look: ActionResolve},
	unknownAccepted: {name: "unknown-accepted", public: StateUnknown, down: true, look: ActionFollow},
	skipped:         {name: "skipped", public: StateSkipped},
	skippedDown:     {name: "skipped-down", public: StateSkipped, down: true},
	deferred:        {name: "deferred", public: StateSkipped, unsent: true},
	deferredDown:    {name: "deferred-down", public: StateSkipped, down: true, unsent: true},

	failedDrained:      {name: "failed-drained", public: StateFailed, down: true, look: ActionUndrain},
	failedChosenUp:     {name: "failed-chosen-up", public: StateFailed, spares: true, unsent: true},
	failedIntendedUp:   {name: "failed-intended-up", public: StateFailed, spares: true, unsent: true},
	failedChosenGone:   {name: "failed-chosen-gone", public: StateFailed, gone: true, spares: true, unsent: true},
	failedIntendedGone: {name: "failed-intended-gone", public: StateFailed, gone: true, spares: true, unsent: true},
	failedSentGone:     {name: "failed-sent-gone", public: StateFailed, gone: true, look: ActionResolve},
	failedAcceptedGone: {name: "failed-accepted-gone", public: StateFailed, gone: true, look: ActionFollow},
	gone:               {name: "gone", public: StateSkipped, gone: true},
}

// stateTable maps each state to a state, or to noState.
type stateTable [endOfStates]targetState

// goneFrom and upFrom hold the states of an instance that is not unavailable, although
// its restart is not proven.
var (
	goneFrom = stateTable{
		failedChosen: failedChosenGone, failedIntended: failedIntendedGone, failedSent: failedSentGone, failedAccepted: failedAcceptedGone,
	}
	upFrom = stateTable{sent: sentUp, failedChosen: failedChosenUp, failedIntended: failedIntendedUp}

	// broadOf holds the reverse of both.
	broadOf = reverse(goneFrom, upFrom)
)

func reverse(tables ...stateTable) (reversed stateTable) {
	for _, table := range tables {
		for from, to := range table {
			if to != noState {
				reversed[to] = targetState(from)
			}
		}
	}
	return reversed
}

// broad returns the state without what is known of the instance itself: what may
// happen to a failed instance does not depend on whether it is Running or gone.
func (s targetState) broad() targetState {
	return cmp.Or(broadOf[s], s)
}

// String returns the name of the state in the package comment.
func (s targetState) String() string { return factsOf[s].name }

func (s targetState) public() State { return factsOf[s].public }

// nextStates holds, for each event of an instance, the states that it may happen in
// and the states that it leads to. What is missing cannot happen. An event that is a note changes
// nothing in any state. Where EventSkipped and EventFailed lead depends on more of the event.
var nextStates = map[EventKind]stateTable{
	EventHook:     {waiting: drained, chosen: drained, drained: drained},
	EventIntent:   {waiting: intended, chosen: intended, drained: intended, intended: intended, sent: intended},
	EventAccepted: {intended: accepted, sent: accepted, accepted: accepted, failedSent: failedAccepted, unknownSent: unknownAccepted},
	EventDoubt:    {intended: sent, sent: sent, accepted: accepted},
	EventAwaiting: {sent: sent},
	EventUnsent: {
		waiting: waiting, chosen: waiting, drained: waiting, intended: waiting, sent: waiting,
		failedChosen: waiting, failedIntended: waiting, failedDrained: waiting, deferred: waiting, deferredDown: waiting,
	},
	EventDown: {
		intended: sent, sent: sent, accepted: accepted,
		failedIntended: failedSent, failedSent: failedSent, failedAccepted: failedAccepted,
		unknownSent: unknownSent, unknownAccepted: unknownAccepted,
	},
	EventUp: {
		intended: intended, sent: sent, accepted: accepted,
		failedIntended: failedIntended, failedSent: failedSent, failedAccepted: failedAccepted,
		unknownSent: unknownSent, unknownAccepted: unknownAccepted,
	},
	EventHealthy: {
		intended: healthy, sent: healthy, accepted: healthy,
		failedIntended: healthy, failedSent: healthy, failedAccepted: healthy,
		unknownSent: healthy, unknownAccepted: healthy,
	},
	EventFailed: {
		waiting: failedChosen, chosen: failedChosen, drained: failedChosen, intended: failedIntended, sent: failedSent, accepted: failedAccepted,
		failedChosen: failedChosen, failedIntended: failedIntended, failedSent: failedSent, failedAccepted: failedAccepted,
		failedDrained: failedChosen, unknownSent: failedSent, unknownAccepted: failedAccepted,
	},
	EventUnknown: {
		intended: unknownSent, sent: unknownSent, accepted: unknownAccepted,
		failedIntended: unknownSent, failedSent: unknownSent, failedAccepted: unknownAccepted,
		unknownSent: unknownSent, unknownAccepted: unknownAccepted,
	},
	EventSkipped: {waiting: skipped, chosen: skipped, drained: skipped, intended: skipped, sent: skipped},
}

// isNote reports whether the event says something of an instance that changes its state
// in no way. Of the hooks, only a drain does.
func isNote(e *Event) bool {
	switch e.Kind {
	case EventHeld, EventMaintenance, EventHooked, EventConsole:
		return true
	default:
		return e.Kind == EventHook && e.Hook != HookDrain
	}
}

// after returns the state after an event, and whether the event can happen in s.
func (s targetState) after(e *Event) (next targetState, ok bool) {
	if isNote(e) {
		return s, true
	}
	if e.Kind == EventMarked {
		return s.marked(e.Mark)
	}
	from := s.broad()
	switch resolvable := factsOf[s].look == ActionResolve; {
	case e.Kind == EventAwaiting && resolvable && from != sent:
		return s, true
	case e.Kind == EventFailed && resolvable && e.Witness != "": // the witness found that the request did nothing
		from = intended
	}
	next = nextStates[e.Kind][from]
	switch {
	case next == noState:
		return next, false
	case e.Kind == EventFailed && (e.Reason == ReasonNotListed || e.Reason == ReasonGone):
		return goneFrom[next], true
	case e.Kind == EventFailed && e.Reason == ReasonNotUndrained && (next == failedChosen || next == failedIntended):
		return failedDrained, true
	case (e.Kind == EventFailed || e.Kind == EventAwaiting) && e.Running && upFrom[next] != noState:
		return upFrom[next], true
	case e.Kind != EventSkipped:
		return next, true
	}
	switch passes := e.Reason == ReasonNotRunning || e.Reason == ReasonLocked; {
	case passes && e.Unavailable:
		return deferredDown, true
	case passes:
		return deferred, true
	case e.Unavailable:
		return skippedDown, true
	}
	return skipped, true
}

// marked returns the state after an operator's word, and whether it is possible in s.
// The word that an instance was not restarted is refused where the service had
// accepted the restart: the instance would be restarted a second time.
func (s targetState) marked(as Mark) (next targetState, ok bool) {
	switch as {
	case MarkGone:
		return gone, true
	case MarkRestarted:
		return skipped, s != healthy
	case MarkNotRestarted:
		switch s.broad() {
		case chosen, drained, intended, sent, failedChosen, failedIntended, failedDrained, failedSent, unknownSent:
			return waiting, true
		default:
		}
	}
	return s, false
}

// resumed returns the state in which a resumed run takes an instance up. If its turn
// had come, nobody saw whether the request left. If it was Running, nobody has polled it
// since.
func (s targetState) resumed() targetState {
	if s == chosen || s == intended || s == sentUp {
		return sent
	}
	return s
}
