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

func TestMargins(t *testing.T) {
	calls := metric{benchmark: manyCallers, unit: rateUnit}
	times := &timings{rounds: []map[string]map[string]float64{{
		calls.key(): {"ours": 900, "floor": 1200, "classic": 300, "openapi": 200},
	}}}
	classic, openapi, floor := target{metric: calls, higher: true}.margins(times)
	require.InDelta(t, 3, classic, 1e-9)
	require.InDelta(t, 4.5, openapi, 1e-9)
	require.InDelta(t, 4, floor, 1e-9)
}
