package report_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/report"
)

var keep = flag.String("report.keep", "", "directory for the reports that the tests make")

// samples are the runs that the tests look at.
var samples = map[string]course{
	"three": {instances: 3, seed: 3, rules: fleet.Rules{Canary: []int{1}}},
	"three hundred": {
		instances: 300, groups: 3, seed: 5, broken: 0.02, skipped: 0.02, perMinute: 20,
		rules:   fleet.Rules{MaxUnavailable: fleet.Percent(8), MaxFailed: fleet.Count(12), Canary: []int{1, 5}},
		crashAt: 14 * time.Minute, away: 47 * time.Minute, pauseAt: 5 * time.Minute, pauseFor: 4 * time.Minute,
	},
	"ten thousand": {
		instances: 10_000, groups: 5, seed: 7, broken: 0.004, skipped: 0.01, perMinute: 130,
		rules:   fleet.Rules{MaxUnavailable: fleet.Count(300), MaxFailed: fleet.Percent(1), Canary: []int{}},
		crashAt: 31 * time.Minute, away: 5 * time.Minute,
	},
	"crashed": {
		instances: 60, groups: 2, seed: 11, rules: fleet.Rules{MaxUnavailable: fleet.Percent(10)}, crashAt: 9 * time.Minute,
	},
	"halted": {
		instances: 400, groups: 2, seed: 13, broken: 0.2, rules: fleet.Rules{MaxUnavailable: fleet.Percent(5), Canary: []int{}, MaxFailed: fleet.Count(4)},
	},
}

// options are those of the samples.
var options = report.Options{Program: "rolling", Journal: "web.journal"}

// TestSamples writes the samples where they can be looked at, if asked to.
func TestSamples(t *testing.T) {
	if *keep == "" {
		t.Skip("writes files; ask by -report.keep DIR")
	}
	for name, c := range samples {
		file, err := os.Create(filepath.Join(*keep, name+".html"))
		require.NoError(t, err)
		require.NoError(t, report.HTML(file, simulate(t, c), options))
		require.NoError(t, file.Close())
	}
}
