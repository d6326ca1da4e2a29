package fleet_test

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/fleet"
)

func TestParseLimit(t *testing.T) {
	for text, want := range map[string]fleet.Limit{
		"":      {},
		"0":     fleet.Count(0),
		"3":     fleet.Count(3),
		"0%":    fleet.Count(0),
		"2%":    fleet.Percent(2),
		"2.5%":  fleet.Percent(2.5),
		"0.01%": fleet.Percent(0.01),
		"100%":  fleet.Percent(100),
	} {
		t.Run(text, func(t *testing.T) {
			limit, err := fleet.ParseLimit(text)
			require.NoError(t, err)
			assert.Equal(t, want, limit)
			assert.Equal(t, text == "", limit.IsZero())
		})
	}
	for _, text := range []string{"x", "-1", "1.5", " 3", "3 ", "%", "-1%", "101%", "100.1%", "NaN%", "Inf%", "2 %", "2%%", "99999999999999999999"} {
		t.Run(text, func(t *testing.T) {
			limit, err := fleet.ParseLimit(text)
			require.ErrorContains(t, err, "fleet: ")
			require.ErrorContains(t, err, text)
			assert.True(t, limit.IsZero())
		})
	}
}

func TestLimitText(t *testing.T) {
	limits := []fleet.Limit{{}, fleet.Count(0), fleet.Percent(100), fleet.Percent(1.0 / 3), fleet.Percent(1e-7)}
	for p := range 1000 {
		limits = append(limits, fleet.Percent(float64(p+1)/10), fleet.Count(p))
	}
	for _, limit := range limits {
		again, err := fleet.ParseLimit(limit.String())
		require.NoError(t, err)
		require.Equal(t, limit, again, limit)

		text, err := json.Marshal(limit)
		require.NoError(t, err)
		require.JSONEq(t, `"`+limit.String()+`"`, string(text))
		again = fleet.Count(99)
		require.NoError(t, json.Unmarshal(text, &again))
		require.Equal(t, limit, again, limit)
	}
	var limit fleet.Limit
	require.Error(t, json.Unmarshal([]byte(`"101%"`), &limit))
}

func TestLimitOf(t *testing.T) {
	for _, test := range []struct {
		limit   fleet.Limit
		n, want int
	}{
		{fleet.Limit{}, 100, 0},
		{fleet.Count(0), 100, 0},
		{fleet.Count(7), 100, 7},
		{fleet.Count(7), 3, 7},
		{fleet.Percent(2), 99, 1},
		{fleet.Percent(2), 100, 2},
		{fleet.Percent(2), 149, 2},
		{fleet.Percent(2), 49, 0},
		{fleet.Percent(0.5), 1000, 5},
		{fleet.Percent(0.5), 999, 4},
		{fleet.Percent(100), 17, 17},
		{fleet.Percent(1.0 / 3), 300, 1},
	} {
		assert.Equal(t, test.want, test.limit.Of(test.n), "%v of %d", test.limit, test.n)
	}
	// A share in tenths of a per cent is exact, however it is stored.
	for tenths := 1; tenths <= 1000; tenths++ {
		limit, err := fleet.ParseLimit(fmt.Sprintf("%d.%d%%", tenths/10, tenths%10))
		require.NoError(t, err)
		for _, n := range []int{1, 3, 7, 10, 99, 100, 200, 999, 1000, 10_000, 100_000} {
			require.Equal(t, n*tenths/1000, limit.Of(n), "%v of %d", limit, n)
		}
	}
}

// TestLimitZero distinguishes an unset limit from a limit of zero.
func TestLimitZero(t *testing.T) {
	assert.True(t, fleet.Limit{}.IsZero())
	assert.False(t, fleet.Count(0).IsZero())
	assert.False(t, fleet.Percent(0).IsZero())
	assert.False(t, fleet.Percent(math.NaN()).IsZero())
}
