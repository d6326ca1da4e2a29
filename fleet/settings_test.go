package fleet_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// everySetting differs from the defaults in every field.
func everySetting() fleet.Settings {
	return fleet.Settings{
		Rules: fleet.Rules{
			MaxUnavailable: fleet.Count(2), MaxUnavailablePerGroup: fleet.Count(2), AllowWide: true, MaxFailed: fleet.Count(3), Canary: []int{},
		},
		MinReady: time.Second, ReadyTimeout: time.Hour, StoppedTimeout: time.Minute, UnknownGrace: 2 * time.Minute, WitnessTimeout: time.Minute, BlockerInterval: time.Second,
		BlockerPatience: time.Hour, HookTimeout: time.Second, MinUptime: time.Minute,
		Window: &fleet.Window{End: 24 * time.Hour, Location: time.UTC}, SelfID: "i-00002",
	}
}

// TestSettingsOfThePlan: a run takes what the plan has and it was not given, and a resumed
// run what the last session had.
func TestSettingsOfThePlan(t *testing.T) {
	inBubble(t, 4, ecstest.Options{}, func(t *testing.T, s *service) {
		plan := s.plan()
		digest := plan.Digest()
		plan.Settings = everySetting()
		require.Equal(t, digest, plan.Digest())
		path := filepath.Join(t.TempDir(), "j")
		control := new(fleet.Control)
		control.Stop()
		report, err := fleet.Run(context.Background(), s.client, plan, fleet.Options{Journal: path, Control: control})
		require.NoError(t, err)
		require.Equal(t, plan.Settings, report.Settings)

		given := fleet.Settings{Rules: fleet.Rules{MaxFailed: fleet.Count(1)}, MinReady: -1, MinUptime: -1}
		report, err = fleet.Resume(context.Background(), s.client, plan, fleet.Options{Journal: path, Settings: given, Control: control})
		require.NoError(t, err)
		want := everySetting()
		want.MaxFailed, want.MinReady, want.MinUptime = given.MaxFailed, given.MinReady, given.MinUptime
		require.Equal(t, want, report.Settings)

		report, err = fleet.Resume(context.Background(), s.client, plan, fleet.Options{Journal: path, Without: []fleet.Hook{fleet.HookWindow}, Control: control})
		require.NoError(t, err)
		want.Window = nil
		require.Equal(t, want, report.Settings)
		report, err = fleet.Resume(context.Background(), s.client, plan, fleet.Options{Journal: path, Control: control})
		require.NoError(t, err)
		require.Nil(t, report.Settings.Window, "the window of the plan does not come back")

		history, err := fleet.Load(path)
		require.NoError(t, err)
		require.Equal(t, plan, history.Plan)
		forecast, err := fleet.Preflight(context.Background(), s.client, plan, fleet.Options{})
		require.NoError(t, err)
		require.Equal(t, plan.Settings.Rules, forecast.Rules)
	})
}

// TestHooksOfThePlan: a run does without a hook that its plan names only where that is said.
func TestHooksOfThePlan(t *testing.T) {
	inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
		plan := s.plan()
		plan.Hooks = []fleet.Hook{fleet.HookDrain}
		run := func(o fleet.Options) error {
			_, err := fleet.Run(context.Background(), s.client, plan, o)
			return err
		}
		for problem, options := range map[string]fleet.Options{
			`Drain is a hook of the plan, and is not given now; to go on without it, name "drain" in Without`: {Health: agree},
			`Without names the hook "drain", which is given`:                                                  {Drain: agree, Without: []fleet.Hook{fleet.HookDrain}},
			`Without names the hook "window", which is given`: {
				Settings: fleet.Settings{Window: &fleet.Window{End: time.Hour}}, Drain: agree, Without: []fleet.Hook{fleet.HookWindow},
			},
			`Without names the hook "nap", which does not exist`: {Drain: agree, Without: []fleet.Hook{"nap"}},
		} {
			err := run(options)
			require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
			require.ErrorContains(t, err, problem)
		}
		require.NoError(t, run(fleet.Options{Without: plan.Hooks}))
		plan.Hooks = []fleet.Hook{"nap"}
		require.ErrorContains(t, run(fleet.Options{Drain: agree}), `Plan names the hook "nap", which does not exist`)
		require.Equal(t, 1, s.TotalReboots())
	})
}

// TestWithoutHooks: a resumed run goes on without a hook, and so does the one after it.
func TestWithoutHooks(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		options := fleet.Options{Journal: filepath.Join(t.TempDir(), "j"), Control: new(fleet.Control)}
		options.Control.Stop()
		every := options
		every.Health, every.Blocker, every.Drain, every.Undrain = agree, agree, agree, agree
		every.Approve = func(context.Context, int) error { return nil }
		every.Failed = func(context.Context, fleet.Target, fleet.Event) error { return nil }
		hooks := []fleet.Hook{fleet.HookHealth, fleet.HookBlocker, fleet.HookApprove, fleet.HookDrain, fleet.HookUndrain, fleet.HookFailed}
		require.Equal(t, hooks, every.Hooks())
		_, err := s.run(every)
		require.NoError(t, err)
		for i, hook := range hooks {
			without := options
			for j := range hooks {
				if j != i {
					without.Without = append(without.Without, hooks[j])
				}
			}
			_, err := fleet.Resume(context.Background(), s.client, s.plan(), without)
			require.ErrorContains(t, err, string(hook))
			_, err = fleet.Resolve(context.Background(), s.client, s.plan(), without)
			require.Equal(t, hook == fleet.HookHealth || hook == fleet.HookUndrain || hook == fleet.HookFailed, err != nil, "%s: %v", hook, err)
		}
		options.Without = hooks
		_, err = fleet.Resume(context.Background(), s.client, s.plan(), options)
		require.NoError(t, err)
		options.Without, options.Control = nil, nil
		report, err := fleet.Resume(context.Background(), s.client, s.plan(), options)
		require.NoError(t, err)
		require.Empty(t, report.NotRestarted())
	})
}

func TestWindowJSON(t *testing.T) {
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	require.NoError(t, err)
	for text, window := range map[string]fleet.Window{
		`{"startSeconds":0,"endSeconds":3600,"location":"UTC"}`:                                                  {End: time.Hour, Location: time.UTC},
		`{"days":[0,6],"startSeconds":79200,"endSeconds":14400,"location":"Asia/Shanghai"}`:                      {Days: []time.Weekday{0, 6}, Start: 22 * time.Hour, End: 4 * time.Hour, Location: shanghai},
		`{"startSeconds":0,"endSeconds":3600,"location":"UTC+8","fixed":true,"offsetSeconds":28800}`:             {End: time.Hour, Location: time.FixedZone("UTC+8", 8*3600)},
		`{"startSeconds":0,"endSeconds":3600,"location":"nowhere","fixed":true}`:                                 {End: time.Hour, Location: time.FixedZone("nowhere", 0)},
		`{"days":[1],"startSeconds":1.5,"endSeconds":86400,"location":"west","fixed":true,"offsetSeconds":-120}`: {Days: []time.Weekday{1}, Start: 1500 * time.Millisecond, End: 24 * time.Hour, Location: time.FixedZone("west", -120)},
	} {
		written, err := json.Marshal(window)
		require.NoError(t, err)
		require.JSONEq(t, text, string(written))
		var again fleet.Window
		require.NoError(t, json.Unmarshal(written, &again))
		require.Equal(t, window, again)
	}
	require.Equal(t, "Sun Sat 22:00-04:30 Asia/Shanghai", fleet.Window{Days: []time.Weekday{0, 6}, Start: 22 * time.Hour, End: 4*time.Hour + 30*time.Minute, Location: shanghai}.String())
	require.Equal(t, "00:00-24:00 UTC", fleet.Window{End: 24 * time.Hour}.String())
	// A machine that does not know the location can read the journal, and sends nothing.
	const mars = `{"startSeconds":0,"endSeconds":86400,"location":"Mars/Olympus"}`
	var window fleet.Window
	require.NoError(t, json.Unmarshal([]byte(mars), &window))
	open, _ := window.At(time.Now())
	require.False(t, open)
	_, err = fleet.Options{Settings: fleet.Settings{Window: &window}}.Complete(planOf(1))
	require.ErrorContains(t, err, `Window has the location "Mars/Olympus", which this machine cannot look up`)
	written, err := json.Marshal(window)
	require.NoError(t, err)
	require.JSONEq(t, mars, string(written))
}
