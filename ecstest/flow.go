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
	minute time.Time // with one-minute windows: the one that calls counts
	calls  int
	tokens float64 // with a token bucket: what was in it at the time
	at     time.Time
}

// admit lets the call through or returns the answer of flow control.
func (s *Server) admit(req *request) *answer {
	now := s.now()
	free, ok := s.take(req.action, now)
	if ok {
		return nil
	}
	refusal := documented("Throttling.User")
	refusal.header = hint(s.options.ThrottleHint, s.options.LimitPerMinute, free, now)
	return refusal
}

// TakeLimit takes one call of an action from the limit, as another caller of the
// account would, and reports whether the limit allows that call.
func (s *Server) TakeLimit(action string) bool {
	_, ok := s.take(action, s.now())
	return ok
}

// take counts a call of an action. If it is above the limit it returns when calls
// are let through again.
func (s *Server) take(action string, now time.Time) (free time.Time, ok bool) {
	limit := s.options.LimitPerMinute
	if limit <= 0 {
		return time.Time{}, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, known := s.quotas[action]
	if !known {
		q.tokens, q.at = float64(s.options.LimitBurst), now
	}
	if s.options.LimitBurst > 0 {
		free, ok = q.takeToken(now, float64(limit)/time.Minute.Seconds(), float64(s.options.LimitBurst))
	} else {
		free, ok = q.takeCall(now.Truncate(time.Minute), limit)
	}
	s.quotas[action] = q
	return free, ok
}

func (q *quota) takeCall(minute time.Time, limit int) (free time.Time, ok bool) {
	if !q.minute.Equal(minute) {
		q.minute, q.calls = minute, 0
	}
	if q.calls >= limit {
		return minute.Add(time.Minute), false
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
