package fleet_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// requireKeys checks the keys of decoded JSON, and that nothing in it is null.
func requireKeys(t *testing.T, value any) {
	t.Helper()
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			assert.Regexp(t, regexp.MustCompile(`^[a-z][a-z0-9]*([A-Z][a-z0-9]+)*$`), key)
			requireKeys(t, inner)
		}
	case []any:
		for _, inner := range value {
			requireKeys(t, inner)
		}
	default:
		assert.NotNil(t, value)
	}
}

// requireAttributes checks the keys of what slog gets.
func requireAttributes(t *testing.T, value slog.Value) {
	t.Helper()
	value = value.Resolve()
	if value.Kind() != slog.KindGroup {
		return
	}
	for _, attr := range value.Group() {
		assert.Regexp(t, `^[a-z]+(_[a-z]+)*$`, attr.Key)
		requireAttributes(t, attr.Value)
	}
}

// What is printed has LogValue and JSON with keys in lower camel case and without null,
// and is read back.
func TestPrintable(t *testing.T) {
	at := time.Date(2026, 3, 14, 1, 58, 12, 0, time.UTC)
	target := fleet.Target{ID: "i-1", Name: "web", Zone: "cn-hangzhou-h", Group: "h"}
	before := ecsreboot.Baseline{InstanceID: "i-1", Status: ecsreboot.StatusRunning, TakenAt: at}
	rules := fleet.Rules{MaxUnavailable: fleet.Percent(2), Canary: []int{}}
	settings := fleet.Settings{
		Rules: rules, MinReady: 1, ReadyTimeout: 2, StoppedTimeout: 3 * time.Second, UnknownGrace: 4, BlockerInterval: 5, BlockerPatience: 6, HookTimeout: 7, MinUptime: -time.Minute,
		Window: &fleet.Window{Days: []time.Weekday{time.Saturday}, Start: time.Hour, End: 90 * time.Minute, Location: time.FixedZone("here", 3600)}, SelfID: "i-9",
	}
	plan := fleet.Plan{
		Region: "cn-hangzhou", Endpoint: "https://ecs.example.com", Targets: []fleet.Target{target},
		Settings: fleet.Settings{MinReady: time.Minute}, Hooks: []fleet.Hook{fleet.HookDrain},
	}
	record := fleet.Record{
		Target: target, State: fleet.StateFailed, Reason: fleet.ReasonRefused, Code: ecsreboot.ErrForbiddenRAM, Error: "no", Note: "I looked", Attempts: 1,
		Before: &before, SentAt: at, Accepted: at, DownAt: at, UpAt: at, EndedAt: at,
		Hooks: []fleet.HookCall{{Hook: fleet.HookDrain, At: at, Ended: at, Error: "no"}}, Console: "0xc\n", ConsoleError: "no",
	}
	for _, values := range [][2]any{
		{fleet.Event{}, fleet.Event{
			Kind: fleet.EventRun, At: at, InstanceID: "i-1", Attempt: 1, Before: &before, RequestID: "R", Proof: ecsreboot.ProofStatus, Reason: fleet.ReasonRefused,
			Code: ecsreboot.ErrForbiddenRAM, Error: "no", Unavailable: true, Running: true, Alone: true, Hook: fleet.HookDrain, Console: "Kernel panic: 0xc\n", Mark: fleet.MarkGone, Note: "released", Stage: 1, Plan: &plan, Settings: &settings, Hooks: []fleet.Hook{fleet.HookHealth}, Program: "0.1.0",
		}},
		{fleet.Event{Kind: fleet.EventEnd}, fleet.Event{Kind: fleet.EventPace, Accepted: 1, Throttled: 2, Rate: 3}},
		{fleet.Action{}, fleet.Action{Kind: fleet.ActionApprove, InstanceID: "i-1", Stage: 1, Reason: fleet.ReasonUser}},
		{fleet.Target{}, target},
		{fleet.Plan{}, plan},
		{fleet.Rules{}, rules},
		{fleet.Settings{}, settings},
		{fleet.Window{Location: time.UTC}, *settings.Window},
		{fleet.Record{}, record},
		{&fleet.Report{}, &fleet.Report{Plan: plan, Digest: "d", Settings: settings, Begun: at, Ended: at, Sessions: 1, Reason: fleet.ReasonDone, Error: "no", Records: []fleet.Record{record}}},
		{fleet.Finding{}, fleet.Finding{Target: target, State: fleet.StateFailed, Reason: fleet.ReasonRefused, Status: ecsreboot.StatusStopped, Error: "no"}},
		{fleet.GroupForecast{}, fleet.GroupForecast{Name: "h", Size: 1, Width: 1}},
		{&fleet.Forecast{}, &fleet.Forecast{Plan: plan, Problems: []string{"p"}, OpensAt: at, AtLeast: 90 * time.Second}},
	} {
		for _, value := range values {
			typ := reflect.TypeOf(value)
			t.Run(typ.String(), func(t *testing.T) {
				text, err := json.Marshal(value)
				require.NoError(t, err)
				var decoded any
				require.NoError(t, json.Unmarshal(text, &decoded))
				requireKeys(t, decoded)
				again := reflect.New(typ)
				require.NoError(t, json.Unmarshal(text, again.Interface()))
				assert.Equal(t, value, again.Elem().Interface())
				requireAttributes(t, value.(slog.LogValuer).LogValue())
				assert.NotContains(t, fmt.Sprint(value), "0xc")
				if typ.Kind() == reflect.Pointer {
					nothing := reflect.Zero(typ).Interface()
					assert.Equal(t, slog.Value{}, nothing.(slog.LogValuer).LogValue())
				}
			})
		}
	}
	text, err := json.Marshal(fleet.Forecast{AtLeast: 90 * time.Second})
	require.NoError(t, err)
	assert.Contains(t, string(text), `"atLeastSeconds":90`)
	require.Error(t, json.Unmarshal([]byte(`{"atLeastSeconds":"90s"}`), new(fleet.Forecast)))

	for want, value := range map[string]any{
		"failed i-1: refused (Forbidden.RAM): no":                 fleet.Event{Kind: fleet.EventFailed, At: at, InstanceID: "i-1", Reason: fleet.ReasonRefused, Code: ecsreboot.ErrForbiddenRAM, Error: "no"},
		"marked i-1: gone: released":                              fleet.Event{Kind: fleet.EventMarked, InstanceID: "i-1", Mark: fleet.MarkGone, Reason: fleet.ReasonGone, Note: "released"},
		"pause: window":                                           fleet.Event{Kind: fleet.EventPause, At: at, Reason: fleet.ReasonWindow},
		"i-1 failed: refused (Forbidden.RAM): no":                 record,
		"0 instances":                                             &fleet.Report{},
		"1 instances: 1 failed: canary failed: more than allowed": &fleet.Report{Reason: fleet.ReasonCanary, Error: "more than allowed", Records: []fleet.Record{record}},
	} {
		assert.Equal(t, want, fmt.Sprint(value))
	}
}
