package fleet

import "time"

// lookInterval is how often the pace is read.
const lookInterval = 10 * time.Second

// untilLook is when to look at the clock next.
func (s *session) untilLook() time.Duration {
	wait := lookInterval
	if s.options.Window != nil {
		now := time.Now()
		_, until := s.options.Window.At(now)
		wait = min(wait, until.Sub(now))
	}
	return wait
}

// isWindowClosed reports whether the maintenance window is closed now.
func (s *session) isWindowClosed() bool {
	if s.options.Window == nil {
		return false
	}
	open, _ := s.options.Window.At(time.Now())
	return !open
}

// held returns what changed of the reasons for which nothing may be sent: the
// caller's, and the window's.
func (s *session) held() []Event {
	paused, stopped := s.options.Control.state()
	var events []Event
	change := func(reason Reason, now bool) {
		switch before := s.planner.IsPaused(reason); {
		case now && !before:
			events = append(events, Event{Kind: EventPause, Reason: reason})
		case !now && before:
			events = append(events, Event{Kind: EventContinue, Reason: reason})
		}
	}
	change(ReasonUser, paused)
	change(ReasonWindow, s.isWindowClosed())
	if stopped && s.planner.stopped() == "" {
		events = append(events, Event{Kind: EventStop, Reason: ReasonUser})
	}
	return events
}

// withheld returns why nothing may be sent now, or nothing.
func (s *session) withheld() Reason {
	if reason, _ := s.brake.state(); reason != "" {
		return reason
	}
	switch paused, stopped := s.options.Control.state(); {
	case paused, stopped: // which the session may not have noticed yet
		return ReasonUser
	case s.isWindowClosed():
		return ReasonWindow
	}
	return ""
}
