package fleet

import "time"

// Progress estimates when a run will be done, from its events. The zero value is not
// usable; see [NewProgress]. A Progress is not safe for concurrent use.
type Progress struct {
	report *Report
	stages int       // canary stages passed
	from   time.Time // since when the run goes as it will go on
	paused map[Reason]bool
}

// NewProgress returns the Progress of a run of a plan. Give it each event of the run, in
// order: those of [History.Events] first if the run is resumed, then those of
// Options.OnEvent.
func NewProgress(plan Plan) *Progress {
	return &Progress{report: newReport(plan), paused: make(map[Reason]bool)}
}

// Add takes an event in.
func (p *Progress) Add(e Event) {
	p.report.Add(e)
	switch e.Kind {
	case EventRun, EventResume:
		p.from = e.At
		clear(p.paused)
	case EventStage:
		p.from, p.stages = e.At, e.Stage // canaries say nothing of the pace of the others
	case EventPause:
		p.paused[e.Reason] = true
	case EventContinue:
		p.from = e.At
		delete(p.paused, e.Reason)
	default:
	}
}

// leastHealthy is how many restarts an estimate is made of at least.
const leastHealthy = 5

// Remaining estimates how long the run still takes at a time: the instances that are not
// done yet, at the rate at which instances have become healthy. An instance in progress
// is half done.
//
// There is no estimate, and ok is false, while an estimate would mean nothing: before the
// canary stages have passed, before five instances have become healthy since then, since
// the session began or since the last pause; while the run is paused; and once it is
// stopped, halted or done.
func (p *Progress) Remaining(now time.Time) (left time.Duration, ok bool) {
	healthy, waiting, restarting := 0, 0, 0
	for i := range p.report.Records {
		switch r := &p.report.Records[i]; {
		case r.State == StateWaiting:
			waiting++
		case r.State == StateRestarting:
			restarting++
		case r.State == StateHealthy && !r.SentAt.Before(p.from):
			healthy++
		}
	}
	elapsed := now.Sub(p.from)
	switch {
	case p.report.Reason != "", !p.report.Ended.IsZero(), len(p.paused) > 0, p.stages < len(p.report.Settings.Canary):
		return 0, false
	case healthy < leastHealthy, elapsed <= 0, waiting+restarting == 0:
		return 0, false
	}
	half := float64(restarting) / 2
	done := float64(healthy) + half
	return time.Duration(float64(elapsed) / done * (float64(waiting) + half)), true
}
