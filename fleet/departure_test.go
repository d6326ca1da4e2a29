package fleet

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDeparture(t *testing.T) {
	t.Run("in time", func(t *testing.T) {
		d := NewDeparture(time.Minute)
		require.True(t, d.Leave())
		require.False(t, d.Revoke(), "it was revoked after it left")
		<-d.Left()
	})
	t.Run("revoked", func(t *testing.T) {
		d := NewDeparture(time.Minute)
		require.True(t, d.Revoke())
		require.True(t, d.Revoke())
		require.False(t, d.Leave())
		require.Empty(t, d.Left(), "it has left")
	})
	t.Run("too late", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := NewDeparture(time.Minute)
			time.Sleep(time.Minute + 1)
			require.False(t, d.Leave())
			require.True(t, d.Revoke())
		})
	})
	t.Run("no limit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := NewDeparture(0)
			time.Sleep(24 * time.Hour)
			require.True(t, d.Leave())
		})
	})
	t.Run("retry", func(t *testing.T) {
		// A client that retries after a refusal asks again, and may be too late then.
		synctest.Test(t, func(t *testing.T) {
			d := NewDeparture(time.Minute)
			require.True(t, d.Leave())
			require.True(t, d.Leave())
			time.Sleep(time.Hour)
			require.False(t, d.Leave())
		})
	})
	t.Run("wall clock set back", func(t *testing.T) {
		d := NewDeparture(time.Minute)
		d.begin, d.wall = d.begin.Add(-2*time.Minute), d.wall.Add(time.Hour)
		require.False(t, d.Leave())
	})
	t.Run("suspended", func(t *testing.T) {
		// The monotonic clock stood still: only the wall clock went on.
		d := NewDeparture(time.Minute)
		d.wall = d.wall.Add(-2 * time.Minute)
		require.False(t, d.Leave())
		require.True(t, d.Revoke())
	})
}
