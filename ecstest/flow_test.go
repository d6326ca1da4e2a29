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
