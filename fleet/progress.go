package fleet

import (
	"slices"
	"time"
)

// Progress estimates when a run will be done, from its events. The zero value is not
// usable; see [NewProgress]. A Progress is not safe for concurrent use.
type Progress struct {
	report *Report
	stages int       // canary stages passed
	from   time.Time // since when the run goes as it will go on
	paused map[Reason]bool
	down   int // restarting, failed or unknown after a restart
	peak   int // the most of these at once since from
}

// NewProgress returns the Progress of a run of a plan. Give it each event of the run, in
// order: those of [History.Events] first if the run is resumed, then those of
// Options.OnEvent.
func NewProgress(plan Plan) *Progress {
	return &Progress{report: newReport(plan), paused: make(map[Reason]bool)}
}

// Add takes an event in.
func (p *Progress) Add(e Event) {
	p.down -= b2i(p.isDown(e.InstanceID))
	p.report.Add(e)
	p.down += b2i(p.isDown(e.InstanceID))
	p.peak = max(p.peak, p.down)
	switch e.Kind {
	case EventRun, EventResume:
		p.begin(e.At)
		clear(p.paused)
	case EventStage:
		p.begin(e.At) // canaries say nothing of the pace of the others
		p.stages = e.Stage
	case EventPause:
		p.paused[e.Reason] = true
	case EventContinue:
		p.begin(e.At)
		delete(p.paused, e.Reason)
	default:
	}
}

// begin forgets what a run showed before a time.
func (p *Progress) begin(at time.Time) { p.from, p.peak = at, p.down }

// isDown reports whether an instance takes a place of the width.
func (p *Progress) isDown(id string) bool {
	i, ok := p.report.index[id]
	if !ok {
		return false
	}
	switch r := &p.report.Records[i]; r.State {
	case StateRestarting:
		return true
	case StateFailed, StateUnknown:
		return r.Attempts > 0
	default:
		return false
	}
}

// leastHealthy is how many restarts an estimate is made of at least.
const leastHealthy = 5

// Remaining estimates how long the run still takes at a time. The instances that wait take
// their turns in rounds: in as many places as the run has used at once, each for as long as
// the restarts of the run took on average.
//
// There is no estimate, and ok is false, while an estimate would mean nothing: before the
// canary stages have passed, before five instances have become healthy since then, since
// the session began or since the last pause; while the run is paused; and once it is
// stopped, halted or done.
func (p *Progress) Remaining(now time.Time) (left time.Duration, ok bool) {
	healthy, waiting := 0, 0
	var restarting []time.Time // when they were sent
	var sum time.Duration
	var partly []time.Duration // how long the places were taken by others since p.from
	for i := range p.report.Records {
		switch r := &p.report.Records[i]; {
		case r.State == StateWaiting:
			waiting++
		case r.State == StateRestarting && r.SentAt.IsZero(): // its drain is under way
			restarting = append(restarting, now)
		case r.State == StateRestarting:
			restarting = append(restarting, r.SentAt)
		case r.State == StateHealthy && !r.SentAt.Before(p.from):
			healthy++
			sum += r.EndedAt.Sub(r.SentAt)
		case r.State == StateHealthy && r.EndedAt.After(p.from):
			partly = append(partly, r.EndedAt.Sub(p.from))
		}
	}
	elapsed := now.Sub(p.from)
	switch {
	case p.report.Reason != "", !p.report.Ended.IsZero(), len(p.paused) > 0, p.stages < len(p.report.Settings.Canary):
		return 0, false
	case healthy < leastHealthy, elapsed <= 0, waiting+len(restarting) == 0:
		return 0, false
	}
	each := sum / time.Duration(healthy)
	for _, sentAt := range restarting {
		partly = append(partly, min(now.Sub(sentAt), elapsed))
	}
	done := float64(healthy)
	for _, part := range partly {
		done += min(max(0, part.Seconds()/max(each, 1).Seconds()), 1)
	}
	places := max(1, p.peak-(p.down-len(restarting)), len(restarting))
	// A place is taken by one instance, and then free until the next one takes it.
	turn := max(each, time.Duration(elapsed.Seconds()*float64(places)/done*float64(time.Second)))
	return inRounds(now, each, turn, places, restarting, waiting), true
}

// inRounds returns how long restarts take of which some have been sent and the others wait
// for a place.
func inRounds(now time.Time, each, turn time.Duration, places int, restarting []time.Time, waiting int) time.Duration {
	free := make([]time.Duration, places) // when each place is free; some are now
	for i, sentAt := range restarting {
		free[i] = (each - now.Sub(sentAt)).Abs() // a late one is as late again
	}
	slices.Sort(free)
	if waiting == 0 {
		return free[places-1]
	}
	last := waiting - 1
	end := free[last%places] + turn*time.Duration(last/places) + each
	if len(restarting) > 0 {
		end += turn - each // the first to take a place that is free in a while
	}
	return max(end, free[places-1])
}
