package ecstest

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// HintHeader is the header in which a throttled response says how long to wait.
type HintHeader string

// The hint headers. HintRetryAfter carries milliseconds; the other two carry
// Limit, Remain, TimeLeft (milliseconds) and Reset (Unix seconds).
const (
	NoHint            HintHeader = ""
	HintRetryAfter    HintHeader = "x-acs-retry-after"
	HintRateLimitAPI  HintHeader = "x-ratelimit-user-api"
	HintRateLimitUser HintHeader = "x-ratelimit-user"
)

var hintHeaders = []HintHeader{NoHint, HintRetryAfter, HintRateLimitAPI, HintRateLimitUser}

// quota is what was let through of one action.
type quota struct {
	window time.Time // with windows of a second or a minute: the one that calls counts
	calls  int
	tokens float64 // with a token bucket: what was in it at the time
	at     time.Time
}

// admit lets the call through or returns the answer of flow control.
func (s *Server) admit(req *request) *answer {
	now := s.now()
	free, limit, ok := s.take(req.action, now)
	if ok {
		return nil
	}
	refusal := documented("Throttling.User")
	refusal.header = hint(s.options.ThrottleHint, limit, free, now)
	return refusal
}

// TakeLimit takes one call of an action from the limit, as another caller of the
// account would, and reports whether the limit allows that call.
func (s *Server) TakeLimit(action string) bool {
	_, _, ok := s.take(action, s.now())
	return ok
}

// take counts a call of an action. If the call is above a limit, take returns the limit and
// the time at which calls pass again.
func (s *Server) take(action string, now time.Time) (free time.Time, limit int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit = operations[action].perSecond; limit > 0 {
		q := s.seconds[action]
		free, ok = q.takeCall(now, time.Second, limit)
		s.seconds[action] = q
		if !ok {
			return free, limit, false
		}
	}
	if limit = s.options.LimitPerMinute; limit <= 0 {
		return time.Time{}, 0, true
	}
	q, known := s.quotas[action]
	if !known {
		q.tokens, q.at = float64(s.options.LimitBurst), now
	}
	if s.options.LimitBurst > 0 {
		free, ok = q.takeToken(now, float64(limit)/time.Minute.Seconds(), float64(s.options.LimitBurst))
	} else {
		free, ok = q.takeCall(now, time.Minute, limit)
	}
	s.quotas[action] = q
	return free, limit, ok
}

func (q *quota) takeCall(now time.Time, window time.Duration, limit int) (free time.Time, ok bool) {
	if start := now.Truncate(window); !q.window.Equal(start) {
		q.window, q.calls = start, 0
	}
	if q.calls >= limit {
		return q.window.Add(window), false
	}
	q.calls++
	return time.Time{}, true
}

func (q *quota) takeToken(now time.Time, perSecond, burst float64) (free time.Time, ok bool) {
	// The clock may have been set back; what was taken stays taken.
	q.tokens = min(burst, q.tokens+max(0, now.Sub(q.at).Seconds())*perSecond)
	q.at = now
	const whole = 1 - 1e-9 // for what is lost in rounding
	if q.tokens < whole {
		return now.Add(time.Duration((1 - q.tokens) / perSecond * float64(time.Second))), false
	}
	q.tokens--
	return time.Time{}, true
}

// hint says in the chosen header that calls are let through again at reset.
func hint(header HintHeader, limit int, reset, now time.Time) http.Header {
	left := reset.Sub(now)
	milliseconds := (left + time.Millisecond - 1) / time.Millisecond
	h := http.Header{}
	switch header {
	case NoHint:
	case HintRetryAfter:
		h.Set(string(header), strconv.FormatInt(int64(milliseconds), 10))
	default:
		h.Set(string(header), fmt.Sprintf("Limit:%d,Remain:0,TimeLeft:%d,Reset:%d", limit, milliseconds, reset.Unix()))
	}
	return h
}
