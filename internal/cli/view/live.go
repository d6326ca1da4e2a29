package view

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	"github.com/ecsreboot/ecsreboot/internal/cli/terminal"
)

// redrawInterval makes the time run to the eye.
const redrawInterval = 100 * time.Millisecond

// Live returns a display that redraws one line of the console: instance, status,
// elapsed time and the evidence so far. It draws until End is called.
func Live(console *terminal.Console, color bool, instanceID string) Display {
	d := &live{
		console:    console,
		color:      color,
		instanceID: instanceID,
		begin:      time.Now(),
		stop:       make(chan struct{}),
		done:       make(chan struct{}),
	}
	d.redraw()
	go func() {
		defer close(d.done)
		ticker := time.NewTicker(redrawInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				d.redraw()
			case <-d.stop:
				return
			}
		}
	}()
	return d
}

type live struct {
	console    *terminal.Console
	color      bool
	instanceID string
	begin      time.Time
	stop, done chan struct{} // of the goroutine that redraws

	mu       sync.Mutex
	progress progress
}

func (d *live) Event(e ecsreboot.Event) {
	d.mu.Lock()
	d.progress.add(e)
	d.mu.Unlock()
	d.redraw()
}

func (d *live) redraw() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.console.Draw(d.line(d.progress.String()))
}

// End leaves a last line, with the verdict.
func (d *live) End(r Result) {
	close(d.stop)
	<-d.done
	verdict, color := "restarted", terminal.Green
	switch r.ExitCode {
	case exitcode.Done:
	case exitcode.Unknown:
		verdict, color = r.failure(), terminal.Yellow
	default:
		verdict, color = r.failure(), terminal.Red
	}
	if d.color {
		verdict = color + verdict + terminal.Plain
	}
	if evidence := d.progress.evidence(); evidence != "" {
		verdict += "; " + evidence
	}
	d.console.Finish(d.line(verdict))
}

// line puts first what matters most: a narrow terminal cuts off the end.
func (d *live) line(text string) string {
	status := string(d.progress.status)
	if status == "" {
		status = "?"
	}
	return fmt.Sprintf("%s  %-8s  %6s  %s", d.instanceID, status, elapsed(time.Since(d.begin)), text)
}

// progress sums up the events in few words.
type progress struct {
	status   ecsreboot.Status
	requests int
	doing    string // the state of the request
	before   time.Time
	polled   bool               // since the request
	passed   []ecsreboot.Status // other than Running, since the request, without repetitions
	moved    bool               // the start time
	failure  string             // of the last poll
}

func (p *progress) add(e ecsreboot.Event) {
	switch e.Kind {
	case ecsreboot.EventBaseline:
		p.status, p.before = e.Status, e.StartTime
	case ecsreboot.EventSending:
		p.requests++
		p.doing = "sending the restart"
		if p.requests > 1 {
			p.doing = "resending the restart"
		}
	case ecsreboot.EventAccepted:
		p.doing = "accepted"
	case ecsreboot.EventOutcomeUnknown:
		p.doing = "response lost"
	case ecsreboot.EventResendRefused:
		p.doing = resendRefused
	case ecsreboot.EventAwaitsWitness:
		p.doing = "response lost, waiting for the witness"
	case ecsreboot.EventWitness:
		p.doing = Describe(e)
	case ecsreboot.EventStatus:
		p.failure = ""
		p.observe(e)
	case ecsreboot.EventPollFailed, ecsreboot.EventProbeFailed, ecsreboot.EventWitnessFailed:
		p.failure = Describe(e)
	}
}

// observe takes in a poll.
func (p *progress) observe(e ecsreboot.Event) {
	if e.Status == "" {
		p.failure = "not listed"
		return
	}
	p.polled, p.status = true, e.Status
	p.moved = p.moved || !p.before.IsZero() && e.StartTime.After(p.before)
	last := len(p.passed) - 1
	if e.Status != ecsreboot.StatusRunning && (last < 0 || p.passed[last] != e.Status) {
		p.passed = append(p.passed, e.Status)
	}
}

// String says what is known. Running alone means nothing.
func (p *progress) String() string {
	if p.doing == "" {
		return "taking the baseline"
	}
	parts := []string{p.doing}
	switch evidence := p.evidence(); {
	case evidence != "":
		parts = append(parts, evidence)
	case p.polled:
		parts = append(parts, "no sign of it yet")
	}
	if p.failure != "" {
		parts = append(parts, p.failure)
	}
	return strings.Join(parts, "; ")
}

// evidence is the statuses passed, or else a moved start time.
func (p *progress) evidence() string {
	switch {
	case len(p.passed) > 0:
		return "seen " + joinStatuses(p.passed)
	case p.moved:
		return "start time moved"
	}
	return ""
}

func joinStatuses(statuses []ecsreboot.Status) string {
	words := make([]string, len(statuses))
	for i, status := range statuses {
		words[i] = string(status)
	}
	return strings.Join(words, ", ")
}
