package app

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// supervisor handles signals. The first one stops the run, so that everything in flight
// reaches its end; the second one ends the command at once. While there is no run, the
// first one ends the command.
type supervisor struct {
	cancel  context.CancelCauseFunc
	release func()
	done    chan struct{} // closed by end
	gone    chan struct{} // closed when its goroutine has ended

	mu      sync.Mutex
	control *fleet.Control // of the run, once it has begun
	note    func(format string, args ...any)
	signals int
	last    time.Time // when the last of these signals came
	why     string    // why the run was stopped; empty if it was not
}

// supervise watches the signals until end is called.
func (p *program) supervise(ctx context.Context) (context.Context, *supervisor) {
	ctx, cancel := context.WithCancelCause(ctx)
	s := &supervisor{cancel: cancel, release: p.release, done: make(chan struct{}), gone: make(chan struct{})}
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

// begin hands over the run.
func (s *supervisor) begin(control *fleet.Control, note func(format string, args ...any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.control, s.note = control, note
}

// samePress is the time after a signal in which another one is ignored: timeout(1)
// signals the program, and then its process group, which includes the program.
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
			s.note("%v again: ending at once; the restarts in flight are in the journal, and resume follows them", sig)
		}
		s.cancel(fmt.Errorf("%v: %w", sig, context.Canceled))
		if s.release != nil { // the next one ends the process
			time.AfterFunc(samePress, s.release)
		}
	default:
		s.why = sig.String()
		s.note("%v: nothing more is sent; waiting until everything in flight has reached its end. A second signal ends the program at once", sig)
		s.control.Stop()
	}
}

func (s *supervisor) pause(paused bool) {
	switch {
	case s.control == nil:
	case paused:
		s.note("paused: nothing is sent until SIGUSR2; the run follows restarts in flight")
		s.control.Pause()
	default:
		s.note("unpaused")
		s.control.Unpause()
	}
}

// stop stops the run, for a reason other than a signal.
func (s *supervisor) stop(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why == "" {
		s.why = why
		s.note("%s: nothing more is sent; waiting until everything in flight has reached its end", why)
	}
	s.control.Stop()
}

// stopped returns why the run was stopped, if it was.
func (s *supervisor) stopped() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why
}
