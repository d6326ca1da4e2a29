package fleet_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

func TestComplete(t *testing.T) {
	options, err := fleet.Options{}.Complete(planOf(30))
	require.NoError(t, err)
	require.NotNil(t, options.Control)
	options.Control = nil
	require.Equal(t, fleet.Options{
		Settings: fleet.Settings{
			Rules:           fleet.Rules{MaxUnavailable: fleet.Percent(2), MaxFailed: fleet.Count(1), Canary: []int{1, 5}},
			MinReady:        30 * time.Second,
			ReadyTimeout:    25 * time.Minute,
			UnknownGrace:    time.Minute,
			WitnessTimeout:  15 * time.Minute,
			StoppedTimeout:  3 * time.Minute,
			BlockerInterval: 10 * time.Second,
			BlockerPatience: 5 * time.Minute,
			HookTimeout:     5 * time.Minute,
		},
		DryRuns: 5,
	}, options)
}

// TestCompleteKeepsWhatIsGiven among it what is negative, which means none; and
// nothing changes that is complete.
func TestCompleteKeepsWhatIsGiven(t *testing.T) {
	given := fleet.Options{
		Settings: fleet.Settings{
			Rules:    fleet.Rules{MaxUnavailable: fleet.Count(3), MaxUnavailablePerGroup: fleet.Count(2), AllowWide: true, MaxFailed: fleet.Count(0), Canary: []int{}},
			MinReady: -1, ReadyTimeout: -1, UnknownGrace: -1, WitnessTimeout: -1, StoppedTimeout: -1, BlockerInterval: time.Minute, BlockerPatience: -1, HookTimeout: -1,
			Window: &fleet.Window{End: time.Hour}, SelfID: "a", MinUptime: time.Hour,
		},
		DryRuns: -1,
		Control: new(fleet.Control), Journal: "x",
	}
	options, err := given.Complete(planOf(4))
	require.NoError(t, err)
	require.Equal(t, given, options)

	once, err := fleet.Options{}.Complete(planOf(300))
	require.NoError(t, err)
	twice, err := once.Complete(planOf(300))
	require.NoError(t, err)
	require.Equal(t, once, twice)
}

// TestCompleteNamesTheField that is invalid.
func TestCompleteNamesTheField(t *testing.T) {
	for field, options := range map[string]fleet.Options{
		"MinReady":               {Settings: fleet.Settings{MinReady: time.Hour}},
		"Window":                 {Settings: fleet.Settings{Window: &fleet.Window{}}},
		"Canary":                 {Settings: fleet.Settings{Rules: fleet.Rules{Canary: []int{0}}}},
		"MaxFailed":              {Settings: fleet.Settings{Rules: fleet.Rules{MaxFailed: fleet.Count(-1)}}},
		"MaxUnavailable":         {Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(0)}}},
		"MaxUnavailablePerGroup": {Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailablePerGroup: fleet.Percent(101)}}},
	} {
		_, err := options.Complete(planOf(4))
		bad, ok := errors.AsType[*ecsreboot.InputError](err)
		require.True(t, ok, "%s: %v", field, err)
		require.Equal(t, field, bad.Field)
	}
	_, err := fleet.Options{}.Complete(fleet.Plan{})
	bad, ok := errors.AsType[*ecsreboot.InputError](err)
	require.True(t, ok, err)
	require.Equal(t, "Plan", bad.Field)
}
