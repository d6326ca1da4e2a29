package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRatiosAreTakenRoundByRound(t *testing.T) {
	times := new(timings)
	for _, text := range []string{
		"BenchmarkCall/client=ours-2 1 1000 ns/op 10 allocs/op\nBenchmarkCall/client=classic-2 1 8000 ns/op 70 allocs/op\n",
		"BenchmarkCall/client=ours-2 1 5000 ns/op 10 allocs/op\nBenchmarkCall/client=classic-2 1 45000 ns/op 70 allocs/op\n",
		"BenchmarkCall/client=ours-2 1 2000 ns/op 10 allocs/op\nBenchmarkCall/client=classic-2 1 30000 ns/op 70 allocs/op\n",
	} {
		file := filepath.Join(t.TempDir(), "round.txt")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		values, err := readRound(file)
		require.NoError(t, err)
		times.rounds = append(times.rounds, values)
	}
	m := metric{benchmark: inMemoryCall, unit: timeUnit}
	require.InDelta(t, 2e-6, times.value(m, "ours"), 1e-9)
	require.InDelta(t, 9, times.ratio(2, m, "classic"), 1e-9)
	require.InDelta(t, 8.5, times.ratio(1, m, "classic"), 1e-9)
	require.InDelta(t, 7, times.ratio(2, metric{benchmark: inMemoryCall, unit: allocUnit}, "classic"), 1e-9)
}

func TestTargets(t *testing.T) {
	calls, inMemory := metric{benchmark: manyCallers, unit: rateUnit}, metric{benchmark: inMemoryCall, unit: timeUnit}
	f := &found{times: &timings{rounds: []map[string]map[string]float64{{
		calls.key():    {"ours": 900, "floor": 1200, "classic": 300, "openapi": 200, "typed": 100},
		inMemory.key(): {"ours": 2, "floor": 1, "typed": 16},
	}}}}
	text, holds := vendors(calls, 3)(f)
	require.Equal(t, "3.0 classic, 4.5 openapi, 9.0 typed", text)
	require.True(t, holds)
	_, holds = vendors(calls, 3.1)(f)
	require.False(t, holds)
	text, holds = against("typed", inMemory, 8)(f)
	require.Equal(t, "8.0 times", text)
	require.True(t, holds)
	text, holds = atMostFloor(f)
	require.Equal(t, "2.00 times the floor's", text)
	require.False(t, holds)
}

func TestWaitsThatAreAhead(t *testing.T) {
	ours := Way{Name: ourWay, MeanLag: 2, MeanRequests: 10}
	f := &found{waits: &Waits{Bands: []Band{{Ways: []Way{
		ours,
		{Name: "more requests", MeanLag: 1, MeanRequests: 11},
		{Name: "a longer lag", MeanLag: 3, MeanRequests: 5},
		{Name: "gives up", MeanLag: 1, MeanRequests: 5, GaveUp: 1},
		{Name: "wrong", MeanLag: 1, MeanRequests: 5, Wrong: 1},
	}}}}}
	_, holds := noneAhead(0)(f)
	require.True(t, holds)
	f.waits.Bands[0].Ways = append(f.waits.Bands[0].Ways, Way{Name: "ahead", MeanLag: 1, MeanRequests: 10})
	text, holds := noneAhead(0)(f)
	require.Equal(t, "ahead: 0.00 s, 10 requests; ours: 0.00 s, 10 requests", text)
	require.False(t, holds)
}
