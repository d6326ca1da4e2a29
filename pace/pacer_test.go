package pace_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/pace"
)

// A pacer that only counts needs no more than Acquire and a function.
type counter struct{ results []pace.Result }

func (c *counter) Acquire(context.Context, pace.Request) (pace.Reservation, error) {
	return pace.ReportFunc(func(r pace.Result) { c.results = append(c.results, r) }), nil
}

func TestReportFunc(t *testing.T) {
	var c counter
	var pacer pace.Pacer = &c
	reservation, err := pacer.Acquire(t.Context(), pace.Request{})
	require.NoError(t, err)
	reservation.Delay()
	reservation.Proceed()
	assert.Empty(t, c.results)
	reservation.Report(pace.Result{Response: pace.Answered})
	assert.Equal(t, []pace.Result{{Response: pace.Answered}}, c.results)
	pace.ReportFunc(nil).Report(pace.Result{})
}

// A probe that is delayed for two seconds loses its place to the next call; one that
// proceeds before keeps it.
func TestDelayedProbe(t *testing.T) {
	for proceeds, closed := range map[bool]bool{false: false, true: true} {
		synctest.Test(t, func(t *testing.T) {
			pacer := closedPacer(t)
			probe, err := pacer.Acquire(t.Context(), pace.Request{MaxWait: time.Hour})
			require.NoError(t, err)
			probe.Delay()
			time.Sleep(time.Second)
			if proceeds {
				probe.Proceed()
			}
			begin := time.Now()
			next, err := pacer.Acquire(t.Context(), pace.Request{MaxWait: 10 * time.Second})
			if closed {
				require.ErrorIs(t, err, pace.ErrThrottled)
				assert.Equal(t, 10*time.Second, time.Since(begin))
				return
			}
			require.NoError(t, err)
			assert.Equal(t, time.Second, time.Since(begin))
			probe.Proceed() // too late
			probe.Report(pace.Result{Response: pace.Answered})
			assert.True(t, pacer.State().Closed, "the other one is the probe")
			next.Report(pace.Result{Response: pace.Answered})
			next.Delay() // nothing is left to delay
			assert.False(t, pacer.State().Closed)
		})
	}
}

// oddContext ends with an error that cannot be compared, as a caller's context may.
type oddContext struct{ context.Context }

type oddError []string

func (oddError) Error() string { return "odd" }

func (oddContext) Err() error { return oddError{"odd"} }

// The error of an ended context is one of package context, and has the cause.
func TestContextEnd(t *testing.T) {
	pacer := new(pace.Adaptive)
	cause := errors.New("changed my mind")
	canceled, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	_, err := pacer.Acquire(canceled, pace.Request{})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, cause)
	expired, stop := context.WithDeadline(t.Context(), time.Now())
	defer stop()
	_, err = pacer.Acquire(expired, pace.Request{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.NotErrorIs(t, err, context.Canceled)
	_, err = pacer.Acquire(oddContext{t.Context()}, pace.Request{})
	require.ErrorIs(t, err, context.Canceled)
	_, ok := errors.AsType[oddError](err)
	assert.True(t, ok)
}

func TestRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := pace.State{Closed: true, Until: time.Now().Add(59950 * time.Millisecond), Asked: true}
		require.NoError(t, closed.Refusal(t.Context(), time.Minute))
		require.NoError(t, pace.State{}.Refusal(t.Context(), 0))
		require.NoError(t, pace.State{Closed: true, Until: time.Now().Add(-time.Hour)}.Refusal(t.Context(), 0))
		err := closed.Refusal(t.Context(), time.Second)
		require.ErrorIs(t, err, pace.ErrThrottled)
		require.EqualError(t, err, "held back: the service asks to wait 1m0s, beyond MaxThrottleWait")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.EqualError(t, closed.Refusal(ctx, time.Hour), "held back: the service asks to wait 1m0s, beyond the context's deadline")
		closed.Asked = false
		require.EqualError(t, closed.Refusal(t.Context(), 0), "held back: the service throttles, presumably for another 1m0s, beyond MaxThrottleWait")
	})
}

func TestStateIsShown(t *testing.T) {
	until := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		state             pace.State
		text, json, entry string
	}{
		{
			pace.State{},
			"open, 0 waiting, 0 answered, 0 throttled",
			`{"ratePerMinute":0,"closed":false,"asked":false,"waiting":0,"answered":0,"throttled":0}`,
			"state.rate_per_minute=0 state.closed=false state.asked=false state.waiting=0 state.answered=0 state.throttled=0\n",
		},
		{
			pace.State{RatePerMinute: 297, Closed: true, Until: until, Asked: true, Waiting: 3, Answered: 300, Throttled: 2},
			"closed until 2026-01-02T03:04:05Z, 297 requests a minute, 3 waiting, 300 answered, 2 throttled",
			`{"ratePerMinute":297,"closed":true,"until":"2026-01-02T03:04:05Z","asked":true,"waiting":3,"answered":300,"throttled":2}`,
			"state.rate_per_minute=297 state.closed=true state.until=2026-01-02T03:04:05.000Z state.asked=true state.waiting=3 state.answered=300 state.throttled=2\n",
		},
	} {
		assert.Equal(t, c.text, fmt.Sprint(c.state))
		text, err := json.Marshal(c.state)
		require.NoError(t, err)
		assert.JSONEq(t, c.json, string(text))
		var again pace.State
		require.NoError(t, json.Unmarshal(text, &again))
		assert.Equal(t, c.state, again)
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key != "state" {
				return slog.Attr{}
			}
			return a
		}})).Info("", "state", c.state)
		assert.Equal(t, c.entry, log.String())
	}
}

func TestResponseText(t *testing.T) {
	for response, text := range map[pace.Response]string{pace.Unanswered: "unanswered", pace.Answered: "answered", pace.Throttled: "throttled"} {
		assert.Equal(t, text, response.String())
		encoded, err := json.Marshal(response)
		require.NoError(t, err)
		again := pace.Response(42)
		require.NoError(t, json.Unmarshal(encoded, &again))
		assert.Equal(t, response, again)
	}
	assert.Equal(t, "Response(42)", pace.Response(42).String())
	var response pace.Response
	require.EqualError(t, response.UnmarshalText([]byte("Response(42)")), `invalid response "Response(42)"`)
}

// Requests and results are logged, and sent to a Pacer that several processes share.
func TestRequestAndResultText(t *testing.T) {
	request := pace.Request{MaxWait: 1500 * time.Millisecond, Throttled: 2}
	text, err := json.Marshal(request)
	require.NoError(t, err)
	assert.JSONEq(t, `{"maxWaitSeconds":1.5,"throttled":2}`, string(text))
	var again pace.Request
	require.NoError(t, json.Unmarshal(text, &again))
	assert.Equal(t, request, again)
	assert.Equal(t, "[throttled=2 max_wait=1.5s]", request.LogValue().String())
	require.Error(t, json.Unmarshal([]byte(`{"maxWaitSeconds":"1s"}`), &again))
	assert.Equal(t, request, again)

	for want, result := range map[string]pace.Result{
		`{"response":"unanswered"}`: {},
		`{"response":"throttled","serviceTime":"2026-01-02T03:04:05Z","retryAfterSeconds":7}`: {
			Response: pace.Throttled, RetryAfter: 7 * time.Second, ServiceTime: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		},
	} {
		text, err := json.Marshal(result)
		require.NoError(t, err)
		assert.JSONEq(t, want, string(text))
		var again pace.Result
		require.NoError(t, json.Unmarshal(text, &again))
		assert.Equal(t, result, again)
		require.Error(t, json.Unmarshal([]byte(`{"response":"lost"}`), &again))
		assert.Equal(t, result, again)
		assert.Contains(t, result.LogValue().String(), "response="+result.Response.String())
	}
}

func TestNilContext(t *testing.T) {
	var ctx context.Context
	pacer := new(pace.Adaptive)
	_, err := pacer.Acquire(ctx, pace.Request{})
	refused, ok := errors.AsType[*pace.FieldError](err)
	require.True(t, ok)
	require.EqualError(t, err, "ctx is nil")
	assert.Equal(t, "[field=ctx problem=is nil]", refused.LogValue().String())
	assert.Zero(t, (*pace.FieldError)(nil).LogValue())
	require.EqualError(t, pacer.State().Refusal(ctx, 0), "ctx is nil")
}

func TestFieldError(t *testing.T) {
	_, err := pace.NewAdaptive(-1)
	require.EqualError(t, err, "callsPerMinute is -1 calls a minute; it must be between 1 and 1,000,000")
}

// A reservation at an open pacer costs one allocation.
func TestAcquireAllocatesOnce(t *testing.T) {
	pacer, ctx := new(pace.Adaptive), t.Context()
	assert.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		reservation, err := pacer.Acquire(ctx, pace.Request{MaxWait: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		reservation.Report(pace.Result{Response: pace.Answered})
	}), 1.0)
}
