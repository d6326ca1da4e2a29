package fleet

import "cmp"

// Planner decides what a run does next: which instance to restart when, when to ask
// for approval, when to halt. A Planner has no clock and does no I/O. Its state changes
// only by the events that it is given, and its actions depend only on the plan, the rules
// and these events, so a run, a resumed run and a durable workflow decide alike. A
// Planner is not safe for concurrent use.
//
// A new run begins with [EventRun]. To resume a run, give its earlier events to
// [Planner.Replay], and then [EventResume] to [Planner.Next].
type Planner struct {
	plan       Plan
	rules      Rules
	targets    []target
	index      map[string]int // by id
	groups     []group
	fresh      int         // the place in the plan that Planner.first has reached
	ready      readyGroups // those that have room and a target in their queue
	rounds     int         // how often a target gave its turn back
	width      int
	down       int              // taken from the width
	gone       int              // targets that do not exist any more
	counts     [endOfStates]int // of targets
	restarting int              // targets in any of the states of StateRestarting
	spent      int              // of MaxFailed
	denied     int              // in a row, without an accepted restart since, and not known to be alone
	looking    int              // targets that are looked at once more
	stage      stage
	paused     map[Reason]bool
	stopping   Reason // why nothing more is asked for; empty if that is not so
	live       bool
	ended      bool
}

// stage is the canary stage under way.
type stage struct {
	passed  int  // stages before it
	started int  // targets, without those skipped or not sent
	healthy int  // of these
	broken  int  // of these: failed or unknown
	asked   bool // for approval
}

// target is a target of the plan. It takes half a cache line.
type target struct {
	place    int // see putLast
	attempts int
	stage    int   // in which it was started, from 1; 0 if it was in none
	group    int32 // in Planner.groups
	state    targetState
	queued   bool // its place is in the queue of its group
	failed   bool // at any time
	looking  bool // failed or unknown, and looked at once more
}

// NewPlanner returns a Planner for the plan, and fills in the defaults of the rules. The
// error of NewPlanner is an [ecsreboot.InputError].
func NewPlanner(plan Plan, rules Rules) (*Planner, error) {
	if err := plan.check(); err != nil {
		return nil, err
	}
	rules, err := rules.forPlan(plan)
	if err != nil {
		return nil, err
	}
	p := &Planner{
		plan:    plan,
		rules:   rules,
		targets: make([]target, len(plan.Targets)),
		index:   make(map[string]int, len(plan.Targets)),
		width:   width(rules.MaxUnavailable, len(plan.Targets)),
		paused:  make(map[Reason]bool),
	}
	p.counts[waiting] = len(plan.Targets)
	groups := make(map[string]int32)
	var next int32
	for i, t := range plan.Targets {
		g, ok := groups[t.Group]
		if !ok {
			g = next
			groups[t.Group] = g
			next++
		}
		p.targets[i] = target{group: g, state: waiting, place: i}
		p.index[t.ID] = i
	}
	p.groups = make([]group, next)
	for i := range p.targets {
		p.groups[p.targets[i].group].size++
	}
	for i := range p.groups {
		g := &p.groups[i]
		g.width, g.at = rules.groupWidth(g.size), notReady
	}
	return p, nil
}

// Rules returns the rules, with their defaults filled in.
func (p *Planner) Rules() Rules { return p.rules }

// Width returns how many instances may be unavailable at once. If MaxUnavailable is a
// percentage, it refers to the instances that are not gone.
func (p *Planner) Width() int { return p.width }

// Unavailable returns how many instances are unavailable now.
func (p *Planner) Unavailable() int { return p.down }

// Count returns the number of instances in a state.
func (p *Planner) Count(s State) int {
	n := 0
	for state := range p.counts {
		if factsOf[state].public == s {
			n += p.counts[state]
		}
	}
	return n
}

// Failed returns how much of MaxFailed is used: the number of instances that failed at
// any time, or are unknown now, without those that an operator has marked since, and
// without those that certainly were not restarted and wait again.
func (p *Planner) Failed() int { return p.spent }

// StateOf returns the state of an instance, or "" if it is not in the plan.
func (p *Planner) StateOf(id string) State {
	i, ok := p.index[id]
	if !ok {
		return ""
	}
	return p.targets[i].state.public()
}

// Attempts returns the number of intents that were recorded for an instance.
func (p *Planner) Attempts(id string) int {
	i, ok := p.index[id]
	if !ok {
		return 0
	}
	return p.targets[i].attempts
}

// Next applies events and returns what to do after all of them. Next stops at the
// first invalid event, with an error; earlier events have been applied.
func (p *Planner) Next(events ...Event) ([]Action, error) {
	var actions []Action
	for i := range events {
		if err := p.replay(&events[i]); err != nil {
			return nil, err
		}
		switch events[i].Kind {
		case EventRun:
			p.live = true
		case EventResume:
			p.live = true
			actions = p.unfinished()
		default:
		}
	}
	return p.decide(actions), nil
}

// isOver reports whether nothing is under way and nothing more will be asked for.
func (p *Planner) isOver() bool { return p.ended }

// stopped returns why nothing more will be asked for; empty if that is not so.
func (p *Planner) stopped() Reason { return p.stopping }

// IsPaused reports whether the run is paused for this reason.
func (p *Planner) IsPaused(reason Reason) bool { return p.paused[reason] }

// Held returns why no restart may be sent at present; empty if restarts may be sent.
func (p *Planner) Held() Reason {
	if p.stopping != "" {
		return p.stopping
	}
	for _, reason := range []Reason{ReasonUser, ReasonWindow} {
		if p.paused[reason] {
			return reason
		}
	}
	return p.overspent() // and it does not halt yet, as somebody is looked at
}

// ending returns why a session ends that was not interrupted. What made it stop does
// not matter if nobody was left.
func (p *Planner) ending() Reason {
	if p.counts[waiting] == 0 && p.stopping != ReasonAccess && p.stopping != ReasonJournal {
		return ReasonDone
	}
	return cmp.Or(p.stopping, ReasonDone)
}

// isFinished reports whether a resumed run would have nothing to do.
func (p *Planner) isFinished() bool {
	for i := range p.targets {
		switch facts := factsOf[p.targets[i].state]; {
		case facts.public == StateWaiting, facts.public == StateRestarting, facts.look != "", facts.unsent:
			return false
		}
	}
	return true
}

// again returns what an earlier session has given up on without having sent
// anything: what was not Running or was locked, what was refused.
func (p *Planner) again() []string {
	var ids []string
	for i := range p.targets {
		if factsOf[p.targets[i].state].unsent {
			ids = append(ids, p.plan.Targets[i].ID)
		}
	}
	return ids
}

// unfinished returns what an earlier session has left to look at, to put into service, or
// to go on with.
func (p *Planner) unfinished() []Action {
	var actions []Action
	for i := range p.targets {
		facts := factsOf[p.targets[i].state]
		if facts.look == "" {
			continue
		}
		if facts.public.broken() {
			p.look(i, true)
		}
		actions = append(actions, Action{Kind: facts.look, InstanceID: p.plan.Targets[i].ID})
	}
	return actions
}

// decide adds what is to be done to the actions.
func (p *Planner) decide(actions []Action) []Action {
	if !p.live || p.ended {
		return actions
	}
	if p.stopping == "" {
		actions = p.start(actions)
	}
	if p.restarting == 0 && p.looking == 0 && (p.stopping != "" || p.counts[waiting] == 0) {
		p.ended = true
		actions = append(actions, Action{Kind: ActionEnd, Reason: p.ending()})
	}
	return actions
}

// start asks for as many restarts as there is room for, or to halt.
func (p *Planner) start(actions []Action) []Action {
	reason := p.overspent()
	if reason == "" && len(p.paused) == 0 {
		for p.mayStart() {
			i, ok := p.first()
			if !ok {
				break
			}
			p.take(i)
			actions = append(actions, Action{Kind: ActionRestart, InstanceID: p.plan.Targets[i].ID})
		}
		// An earlier session may have started more than the rules of now would have.
		size, canary := p.canary()
		switch passed := canary && p.stage.started >= size && p.stage.healthy == p.stage.started; {
		case p.counts[waiting] == 0:
		case passed && !p.stage.asked:
			p.stage.asked = true
			actions = append(actions, Action{Kind: ActionApprove, Stage: p.stage.passed + 1})
		case !passed && p.restarting == 0:
			reason = ReasonWidth // nobody will ever make room
		}
	}
	if reason != "" && p.looking == 0 { // who is looked at may be well by now
		p.stopping = reason
		actions = append(actions, Action{Kind: ActionHalt, Reason: reason})
	}
	return actions
}

// overspent returns why the run must halt, or nothing.
func (p *Planner) overspent() Reason {
	switch _, canary := p.canary(); {
	case p.denied >= deniedInARow:
		return ReasonAccess
	case p.Failed() > p.rules.MaxFailed.Of(len(p.targets)):
		return ReasonBudget
	case canary && p.stage.broken > 0:
		return ReasonCanary
	}
	return ""
}

// canary returns the size of the canary stage under way, if there is one.
func (p *Planner) canary() (size int, ok bool) {
	if p.stage.passed >= len(p.rules.Canary) {
		return 0, false
	}
	return p.rules.Canary[p.stage.passed], true
}

// mayStart reports whether the width and the canary stage have room for one more.
func (p *Planner) mayStart() bool {
	if size, canary := p.canary(); canary && p.stage.started >= size {
		return false
	}
	return p.down < p.width
}
