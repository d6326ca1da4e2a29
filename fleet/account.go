package fleet

// take makes it a waiting target's turn.
func (p *Planner) take(i int) {
	t := &p.targets[i]
	p.become(t, StateRestarting)
	p.occupy(t, true)
	if _, canary := p.canary(); canary {
		t.stage = p.stage.passed + 1
		p.stage.started++
	}
}

// release makes a target that was not restarted leave its canary stage.
func (p *Planner) release(t *target) {
	if p.inStage(t) {
		p.stage.started--
		p.stage.broken -= b2i(t.state.broken())
	}
	t.stage = 0
}

func (p *Planner) inStage(t *target) bool { return t.stage == p.stage.passed+1 }

func (p *Planner) become(t *target, s State) {
	p.counts[t.state]--
	p.counts[s]++
	if p.inStage(t) {
		p.stage.healthy += b2i(s == StateHealthy) - b2i(t.state == StateHealthy)
		p.stage.broken += b2i(s.broken()) - b2i(t.state.broken())
	}
	spent := t.spent()
	t.broken = t.broken || s == StateFailed
	t.state = s
	p.spent += b2i(t.spent()) - b2i(spent)
}

// spent reports whether a target counts against MaxFailed.
func (t *target) spent() bool { return t.broken || t.state == StateUnknown }

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// occupy makes a target take from the width, or give back.
func (p *Planner) occupy(t *target, down bool) {
	if t.down == down {
		return
	}
	t.down = down
	change := b2i(down) - b2i(!down)
	p.down += change
	t.group.down += change
	p.settle(t.group)
}
