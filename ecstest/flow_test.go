package ecstest

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFlowControl(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, Options{LimitPerMinute: 2, ThrottleHint: HintRetryAfter})
		defer s.Close()
		c := newCaller(s)
		// A bubble begins at midnight: 20 s before a minute of the server's clock.
		s.SetClockOffset(40 * time.Second)
		for range 2 {
			require.Equal(t, http.StatusOK, c.reboot(t).status)
		}
		time.Sleep(1500 * time.Millisecond)
		r := c.reboot(t)
		require.Equal(t, http.StatusBadRequest, r.status)
		require.Equal(t, "Throttling.User", r.code())
		require.Equal(t, "Request was denied due to user flow control.", r.field("Message"))
		require.Equal(t, "18500", r.header.Get("x-acs-retry-after"))
		require.Equal(t, "DryRunOperation", c.must(t, actionList, "RegionId", "cn-hangzhou", "DryRun", "true").code(), "each action has a limit of its own")

		time.Sleep(18499 * time.Millisecond)
		require.Equal(t, "Throttling.User", c.reboot(t).code())
		time.Sleep(time.Millisecond)
		for range 2 {
			require.Equal(t, http.StatusOK, c.reboot(t).status)
		}
		require.Equal(t, "Throttling.User", c.reboot(t).code())
		require.Equal(t, 4, s.Reboots(id))
	})
}

// A bucket lets a burst through, and then one call for each token that comes back,
// whatever the minute is.
func TestTokenBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, Options{LimitPerMinute: 30, LimitBurst: 3, ThrottleHint: HintRetryAfter})
		defer s.Close()
		c := newCaller(s)
		for range 3 {
			require.Equal(t, http.StatusOK, c.reboot(t).status)
		}
		r := c.reboot(t)
		require.Equal(t, "Throttling.User", r.code())
		require.Equal(t, "2000", r.header.Get("x-acs-retry-after"))
		time.Sleep(1999 * time.Millisecond)
		require.Equal(t, "1", c.reboot(t).header.Get("x-acs-retry-after"))
		time.Sleep(time.Millisecond)
		require.Equal(t, http.StatusOK, c.reboot(t).status)
		require.Equal(t, "Throttling.User", c.reboot(t).code())
		require.True(t, s.TakeLimit(actionList), "each action has a bucket of its own")

		s.SetClockOffset(-10 * time.Second)
		require.Equal(t, "Throttling.User", c.reboot(t).code())
		time.Sleep(time.Minute)
		for range 3 {
			require.Equal(t, http.StatusOK, c.reboot(t).status)
		}
		require.Equal(t, "Throttling.User", c.reboot(t).code(), "it holds no more than the burst")
	})
}

// The calls of others count against the limit, and are refused above it.
func TestTakeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, Options{LimitPerMinute: 2})
		defer s.Close()
		c := newCaller(s)
		require.True(t, s.TakeLimit("RebootInstance"))
		require.Equal(t, http.StatusOK, c.reboot(t).status)
		require.Equal(t, "Throttling.User", c.reboot(t).code())
		require.False(t, s.TakeLimit("RebootInstance"))
		require.True(t, s.TakeLimit(actionList))
		time.Sleep(time.Minute)
		require.True(t, s.TakeLimit("RebootInstance"))
		require.Len(t, s.Calls(), 2, "they are no calls of this server")
	})
	unlimited := inMemory(t, Options{})
	defer unlimited.Close()
	for range 100 {
		require.True(t, unlimited.TakeLimit("RebootInstance"))
	}
}

func TestLimitBurstNeedsALimit(t *testing.T) {
	_, err := NewInMemoryServer(Options{LimitBurst: 1})
	require.EqualError(t, err, "ecstest: LimitBurst needs LimitPerMinute")
}

// Who is not let in does not count.
func TestFlowControlCountsOnlyTheAuthenticated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, Options{LimitPerMinute: 1})
		defer s.Close()
		stranger := newCaller(s)
		stranger.secret = "wrong"
		for range 3 {
			require.Equal(t, "SignatureDoesNotMatch", stranger.reboot(t).code())
		}
		c := newCaller(s)
		require.Equal(t, http.StatusOK, c.reboot(t).status)
		r := c.reboot(t)
		require.Equal(t, "Throttling.User", r.code())
		for _, header := range hintHeaders[1:] {
			require.Empty(t, r.header.Get(string(header)))
		}
	})
}

func TestThrottleHints(t *testing.T) {
	for _, header := range []HintHeader{HintRateLimitAPI, HintRateLimitUser} {
		synctest.Test(t, func(t *testing.T) {
			s := inMemory(t, Options{LimitPerMinute: 1, ThrottleHint: header})
			defer s.Close()
			c := newCaller(s)
			c.reboot(t)
			require.Equal(t, "Limit:1,Remain:0,TimeLeft:60000,Reset:946684860", c.reboot(t).header.Get(string(header)))
		})
	}
}
