package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// notifySignals has the signals sent to the program. SIGHUP is left alone where it
// is ignored, as under nohup.
func (p *program) notifySignals() {
	signals := append([]os.Signal{os.Interrupt, syscall.SIGTERM}, pauseSignals()...)
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	signal.Notify(p.signals, signals...)
	p.letGo = func() { signal.Reset(signals...) }
}

// supervisor turns signals into what they mean for a run: the first one lets it
// settle, the second one leaves it at once. Before the run begins, the first one
// ends everything.
type supervisor struct {
	cancel context.CancelCauseFunc
	letGo  func()
	done   chan struct{} // closed by end
	gone   chan struct{} // closed when it watches no more

	mu      sync.Mutex
	control *fleet.Control // of the run, once it has begun
	note    func(format string, args ...any)
	signals int
	last    time.Time // the last one that counted
	why     string    // the run was stopped
}

// supervise watches the signals until end is called.
func (p *program) supervise(ctx context.Context) (context.Context, *supervisor) {
	ctx, cancel := context.WithCancelCause(ctx)
	s := &supervisor{cancel: cancel, letGo: p.letGo, done: make(chan struct{}), gone: make(chan struct{})}
	go func() {
		defer close(s.gone)
		for {
			select {
			case sig := <-p.signals:
				s.take(sig)
			case <-s.done:
				return
			}
		}
	}()
	return ctx, s
}

func (s *supervisor) end() {
	close(s.done)
	<-s.gone
	s.cancel(nil)
}

// begin hands the run over.
func (s *supervisor) begin(control *fleet.Control, note func(format string, args ...any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.control, s.note = control, note
}

// samePress is how long after a signal another one is taken for the same: timeout(1)
// signals the program, and then its group, which the program is in.
const samePress = time.Second

func (s *supervisor) take(sig os.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if paused, ok := pauses(sig); ok {
		s.pause(paused)
		return
	}
	if s.signals > 0 && time.Since(s.last) < samePress {
		return
	}
	s.signals, s.last = s.signals+1, time.Now()
	switch {
	case s.control == nil || s.signals > 1:
		if s.note != nil {
			s.note("%v again: leaving at once; what was sent goes on unwatched, the journal knows of it", sig)
		}
		s.cancel(fmt.Errorf("%v: %w", sig, context.Canceled))
		if s.letGo != nil { // the next one is the default's: the program should have ended by now
			time.AfterFunc(samePress, s.letGo)
		}
	default:
		s.why = sig.String()
		s.note("%v: nothing more is sent; waiting until what was sent has settled. A second one leaves at once", sig)
		s.control.Stop()
	}
}

func (s *supervisor) pause(paused bool) {
	switch {
	case s.control == nil:
	case paused:
		s.note("paused: nothing is sent until SIGUSR2; what was sent is followed")
		s.control.Pause()
	default:
		s.note("going on")
		s.control.Unpause()
	}
}

// stop lets the run settle, for a reason other than a signal.
func (s *supervisor) stop(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why == "" {
		s.why = why
		s.note("%s: nothing more is sent; waiting until what was sent has settled", why)
	}
	s.control.Stop()
}

// stopped returns why the run was stopped, if it was.
func (s *supervisor) stopped() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why
}
