package main

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/examples/exitcode"
)

// redrawInterval makes the time run to the eye.
const redrawInterval = 100 * time.Millisecond

// liveDisplay redraws one line: instance, status, time, evidence so far.
type liveDisplay struct {
	console    *console
	color      bool
	instanceID string
	begin      time.Time
	stop, done chan struct{} // of the redrawing

	mu   sync.Mutex
	seen evidenceSoFar
}

func (p *program) newLiveDisplay(instanceID string) *liveDisplay {
	w := &liveDisplay{
		console:    p.stderr,
		color:      p.color,
		instanceID: instanceID,
		begin:      time.Now(),
		stop:       make(chan struct{}),
		done:       make(chan struct{}),
	}
	w.redraw()
	go func() {
		defer close(w.done)
		ticker := time.NewTicker(redrawInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				w.redraw()
			case <-w.stop:
				return
			}
		}
	}()
	return w
}

func (w *liveDisplay) event(e ecsreboot.Event) {
	w.mu.Lock()
	w.seen.add(e)
	w.mu.Unlock()
	w.redraw()
}

func (w *liveDisplay) redraw() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.console.draw(w.line(w.seen.String()))
}

// end leaves a last line, with the verdict.
func (w *liveDisplay) end(r result) {
	close(w.stop)
	<-w.done
	verdict, color := "restarted", green
	switch r.ExitCode {
	case exitcode.Done:
	case exitcode.Unknown:
		verdict, color = r.outcomeInWords(), yellow
	default:
		verdict, color = r.outcomeInWords(), red
	}
	if w.color {
		verdict = color + verdict + plain
	}
	if path := w.seen.path(); path != "" {
		verdict += "; " + path
	}
	w.console.settle(w.line(verdict))
}

// line puts what matters most first: a narrow terminal cuts the end off.
func (w *liveDisplay) line(text string) string {
	status := string(w.seen.status)
	if status == "" {
		status = "?"
	}
	return fmt.Sprintf("%s  %-8s  %6s  %s", w.instanceID, status, elapsed(time.Since(w.begin)), text)
}

func elapsed(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Truncate(time.Second).String()
}

// evidenceSoFar is what the events amount to, in few words.
type evidenceSoFar struct {
	status ecsreboot.Status
	sends  int
	doing  string // where the send stands
	before time.Time
	read   bool               // since the send
	passed []ecsreboot.Status // since the send, but Running, without repetitions
	moved  bool               // the start time
	fault  string             // of the last reading
}

func (s *evidenceSoFar) add(e ecsreboot.Event) {
	switch e.Kind {
	case ecsreboot.EventBaseline:
		s.status, s.before = e.Status, e.StartTime
	case ecsreboot.EventSending:
		s.sends++
		s.doing = "sending the restart"
		if s.sends > 1 {
			s.doing = "sending it once more"
		}
	case ecsreboot.EventAccepted:
		s.doing = "accepted"
	case ecsreboot.EventOutcomeUnknown:
		s.doing = "answer lost"
	case ecsreboot.EventResendRefused:
		s.doing = "sent once more, and refused: the first send took effect"
	case ecsreboot.EventStatus:
		s.fault = ""
		s.take(e)
	case ecsreboot.EventPollFailed:
		s.fault = "reading failed: " + reason(e.Err)
	case ecsreboot.EventProbeFailed: // this program has no probe
	}
}

func (s *evidenceSoFar) take(e ecsreboot.Event) {
	if e.Status == "" {
		s.fault = "not listed"
		return
	}
	s.read, s.status = true, e.Status
	s.moved = s.moved || !s.before.IsZero() && e.StartTime.After(s.before)
	last := len(s.passed) - 1
	if e.Status != ecsreboot.StatusRunning && (last < 0 || s.passed[last] != e.Status) {
		s.passed = append(s.passed, e.Status)
	}
}

// String says what is known, and that Running alone means nothing.
func (s *evidenceSoFar) String() string {
	if s.doing == "" {
		return "looking at it before the restart"
	}
	parts := []string{s.doing}
	switch path := s.path(); {
	case path != "":
		parts = append(parts, path)
	case s.read:
		parts = append(parts, "no sign of it yet")
	}
	if s.fault != "" {
		parts = append(parts, s.fault)
	}
	return strings.Join(parts, "; ")
}

// path is the evidence itself: the statuses passed, or else a moved start time.
func (s *evidenceSoFar) path() string {
	switch {
	case len(s.passed) > 0:
		return "seen " + joinStatuses(s.passed)
	case s.moved:
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
