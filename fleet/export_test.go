package fleet

import (
	"fmt"
	"time"

	"github.com/ecsreboot/ecsreboot/fleet/journal"
)

// WithFiles puts the journal on another file system.
func (o Options) WithFiles(files journal.FS) Options {
	o.files = files
	return o
}

// MarkInstancesOn is MarkInstances on another file system.
func MarkInstancesOn(files journal.FS, path string, markings ...Marking) (*Report, error) {
	return markInstances(path, journal.Options{FS: files}, markings)
}

// LoadFrom is Load from another file system.
func LoadFrom(files journal.FS, path string) (*History, error) {
	return load(path, journal.Options{FS: files})
}

// Ideal is how long the run of a plan would take if each restart took its place for as long
// as given, and nothing but the planner delayed it.
func Ideal(plan Plan, rules Rules, place func(id string) time.Duration) time.Duration {
	planner, err := NewPlanner(plan, rules)
	if err != nil {
		panic(err)
	}
	return lineUp(planner, queue{}, func(id string) (time.Duration, bool, Event) { return place(id), true, Event{} })
}

// Facts returns all that decides what a planner does next: for each target, and for the
// run. Two planners with equal facts behave alike. Of the number of attempts, only whether
// there is one is a fact: a planner passes the number on and decides nothing by it.
func (p *Planner) Facts() (targets []string, run string) {
	for i := range p.targets {
		t := &p.targets[i]
		targets = append(targets, fmt.Sprint(t.state, t.stage, t.attempts > 0, t.place != i, t.failed, t.looking))
	}
	down := make([]int, 0, len(p.groups))
	for _, g := range p.groups {
		down = append(down, g.down, g.width, g.gone)
	}
	return targets, fmt.Sprint(p.rounds, p.width, p.down, p.gone, p.spent, p.denied, p.stage, p.paused, p.stopping, p.live, p.ended, down)
}

// Again, IsFinished, IsOver and Stopped are what a session asks its planner.
func (p *Planner) Again() []string  { return p.again() }
func (p *Planner) IsFinished() bool { return p.isFinished() }
func (p *Planner) IsOver() bool     { return p.isOver() }
func (p *Planner) Stopped() Reason  { return p.stopped() }
func (p *Planner) Ending() Reason   { return p.ending() }

// Reopen opens a journal and replays it, as [Resume] does before it decides anything.
func Reopen(files journal.FS, path string, plan Plan, rules Rules, loaded int) (*Planner, *Report, error) {
	planner, err := NewPlanner(plan, rules)
	if err != nil {
		return nil, nil, err
	}
	s := newBareSession(clients{}, Options{Journal: path, files: files})
	s.plan, s.planner, s.report, s.loaded = plan, planner, newReport(plan), loaded
	if err := s.reopen(); err != nil {
		return nil, nil, err
	}
	return planner, s.report, s.record.close()
}

// NeverSent reports whether a resumed run polls the instance for restarts that the journal
// lacks.
func (r Record) NeverSent() bool { return r.neverSent() }
