package ecstest

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// HintHeader is a header in which a throttled answer tells how long to wait.
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

// window counts the calls of one action in one minute.
type window struct {
	minute time.Time
	calls  int
}

// admit lets the call through or returns the answer of flow control. Windows
// are the minutes of the server's clock: what is refused now is let through in
// the next minute.
func (s *Server) admit(req *request) *answer {
	limit := s.options.LimitPerMinute
	if limit <= 0 {
		return nil
	}
	now := s.now()
	minute := now.Truncate(time.Minute)
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.windows[req.action]
	if !w.minute.Equal(minute) {
		w = window{minute: minute}
	}
	if w.calls < limit {
		w.calls++
		s.windows[req.action] = w
		return nil
	}
	refusal := documented("Throttling.User")
	refusal.header = hint(s.options.ThrottleHint, limit, minute.Add(time.Minute), now)
	return refusal
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
