package pace

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/logvalue"
)

// State is what a pacer does at a moment.
type State struct {
	// RatePerMinute is how many requests a minute the pacer lets go; 0 means no limit.
	RatePerMinute float64 `json:"ratePerMinute"`
	// Seeking reports whether RatePerMinute is a guess, because the pacer does not know a number
	// near the rate limit. While calls wait, the pacer then raises RatePerMinute quickly, until
	// the service throttles again.
	Seeking bool `json:"seeking,omitzero"`
	// Closed reports whether the service throttles, so that the pacer lets only single
	// probes go.
	Closed bool `json:"closed"`
	// Until is when the pacer is expected to open; zero if it is not closed. If Asked is
	// false, a probe that is answered may open it sooner.
	Until time.Time `json:"until,omitzero"`
	// Asked reports whether Until is the time that the service asked for. Otherwise
	// the pacer has estimated it.
	Asked bool `json:"asked"`
	// Waiting is how many calls wait for their turn.
	Waiting int `json:"waiting"`
	// Answered and Throttled count the responses so far.
	Answered  uint64 `json:"answered"`
	Throttled uint64 `json:"throttled"`
}

// String describes the state in a line, such as "open, 297 requests a minute, 3 waiting".
func (s State) String() string {
	var text strings.Builder
	if s.Closed {
		text.WriteString("closed until " + s.Until.Format(time.RFC3339))
	} else {
		text.WriteString("open")
	}
	if s.RatePerMinute > 0 {
		fmt.Fprintf(&text, ", %.4g requests a minute", s.RatePerMinute)
	}
	fmt.Fprintf(&text, ", %d waiting, %d answered, %d throttled", s.Waiting, s.Answered, s.Throttled)
	return text.String()
}

// LogValue gives slog the fields of the JSON.
func (s State) LogValue() slog.Value { return logvalue.Of(s) }

// Refusal returns an [ErrThrottled] if the pacer is closed and not expected to open
// within maxWait and before the deadline of ctx, a [FieldError] if ctx is nil, and nil
// otherwise. Refusal does not consider the rate or the calls that wait, so a pacer may
// refuse a call although Refusal returned nil.
func (s State) Refusal(ctx context.Context, maxWait time.Duration) error {
	switch {
	case ctx == nil:
		return errNilContext
	case !s.Closed:
		return nil
	}
	var beyond string
	wait := max(0, time.Until(s.Until))
	if deadline, ok := ctx.Deadline(); ok && wait > time.Until(deadline) {
		beyond = "the context's deadline"
	} else if wait > maxWait {
		beyond = "MaxThrottleWait"
	} else {
		return nil
	}
	why := "the service throttles, presumably for another "
	if s.Asked {
		why = "the service asks to wait "
	}
	return &throttleError{why: why + roundUp(wait).String() + ", beyond " + beyond}
}

// roundUp makes a wait readable without making it shorter.
func roundUp(d time.Duration) time.Duration {
	const step = 100 * time.Millisecond
	return (d + step - 1).Truncate(step)
}
