package ecstemporal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// largeRun is a run over n instances, with ids that do not compress and all that a
// restart tells, and with calls of the hooks.
func largeRun(n int, hooks ...fleet.Hook) (fleet.Plan, []fleet.Event) {
	plan := fleet.Plan{Region: "cn-hangzhou", Endpoint: "https://ecs-cn-hangzhou.aliyuncs.com"}
	at := time.Date(2026, 11, 2, 1, 0, 0, 0, time.UTC)
	events := []fleet.Event{{Kind: fleet.EventRun, At: at, Settings: &fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Percent(2), Canary: []int{1, 5}}}, Program: "0.1.0"}}
	key := uuid([]byte(rand.Text())[:16])
	for i := range n {
		sum := sha256.Sum256(fmt.Append(nil, i))
		noise := hex.EncodeToString(sum[:])
		id := "i-bp" + strings.ToLower(rand.Text())[:17]
		plan.Targets = append(plan.Targets, fleet.Target{ID: id, Name: fmt.Sprintf("web-%05d", i), Zone: "cn-hangzhou-" + string("hij"[i%3]), Group: "cn-hangzhou-" + string("hij"[i%3]), PrivateIPs: []string{fmt.Sprintf("10.%d.%d.%d", i%7, sum[4], sum[5])}, HostName: "iZ" + id[2:] + "Z"})
		at = at.Add(time.Duration(sum[0]) * 10 * time.Millisecond)
		steps := 8 // into sum: no two events happen at related times
		step := func(d time.Duration) time.Time {
			steps++
			return at.Add(d + time.Duration(sum[steps])*time.Millisecond)
		}
		started := at.Add(-time.Duration(sum[2]) * time.Hour).Truncate(time.Minute)
		call := func(hook fleet.Hook, begin, end time.Duration) {
			if slices.Contains(hooks, hook) {
				events = append(events, fleet.Event{Kind: fleet.EventHook, At: step(begin), InstanceID: id, Hook: hook}, fleet.Event{Kind: fleet.EventHooked, At: step(end), InstanceID: id, Hook: hook})
			}
		}
		call(fleet.HookDrain, -time.Duration(sum[6])*time.Second, -time.Second)
		events = append(events,
			fleet.Event{Kind: fleet.EventIntent, At: at, InstanceID: id, Attempt: 1, SendID: fmt.Sprintf("%s-%d-1-1.", key, i), Before: &ecsreboot.Baseline{InstanceID: id, Status: ecsreboot.StatusRunning, StartTime: started, TakenAt: at.Add(-40 * time.Millisecond), ServiceTime: at.Add(75 * time.Second).Truncate(time.Second)}},
			fleet.Event{Kind: fleet.EventAccepted, At: step(100 * time.Millisecond), InstanceID: id, RequestID: strings.ToUpper(uuid(sum[:16]))},
			fleet.Event{Kind: fleet.EventDown, At: step(2 * time.Second), InstanceID: id},
			fleet.Event{Kind: fleet.EventUp, At: step(40 * time.Second), InstanceID: id},
		)
		if i%100 == 7 {
			events = append(events, fleet.Event{Kind: fleet.EventFailed, At: step(10 * time.Minute), InstanceID: id, Reason: fleet.ReasonNotHealthy, Error: "health: " + noise})
			call(fleet.HookFailed, 10*time.Minute, 10*time.Minute+time.Duration(sum[7])*time.Millisecond)
			continue
		}
		call(fleet.HookUndrain, 50*time.Second, 50*time.Second+time.Duration(sum[8])*20*time.Millisecond)
		events = append(events, fleet.Event{Kind: fleet.EventHealthy, At: step(70 * time.Second), InstanceID: id, Proof: ecsreboot.ProofStatus, RequestID: strings.ToUpper(uuid(sum[:16]))})
	}
	return plan, events
}

func TestPackKeepsEverything(t *testing.T) {
	plan, events := largeRun(300)
	rest := plan.Targets[3].ID
	at := events[len(events)-1].At
	events = append(events,
		fleet.Event{Kind: fleet.EventStage, At: at, Stage: 2},
		fleet.Event{Kind: fleet.EventPace, At: at, Accepted: 7, Throttled: 3, Rate: 12.5},
		fleet.Event{Kind: fleet.EventSkipped, At: at.Add(-time.Hour), InstanceID: rest, Reason: fleet.ReasonLocked, Code: ecsreboot.ErrInstanceLockedForSecurity, Unavailable: true},
		fleet.Event{Kind: fleet.EventAccepted, At: at, InstanceID: rest, RequestID: "no-uuid"},
		fleet.Event{Kind: fleet.EventAccepted, At: at, InstanceID: rest, RequestID: uuid(make([]byte, 16))},
		fleet.Event{Kind: fleet.EventIntent, At: at, InstanceID: rest, Attempt: 2, Before: &ecsreboot.Baseline{InstanceID: rest, Status: ecsreboot.StatusStopped, Locks: []string{"financial", "x"}, TakenAt: at}},
		fleet.Event{Kind: fleet.EventEnd, At: at, Reason: fleet.ReasonDone},
	)
	empty, err := packPlan(plan, Settings{})
	require.NoError(t, err)
	packed := packEvents(empty, events)
	history, err := unpackHistory(packed)
	require.NoError(t, err)
	require.Equal(t, plan, history.Plan)
	require.Equal(t, events, history.Events)
	require.Equal(t, packed, packEvents(empty, history.Events), "it is not packed the same twice")
	half := packEvents(empty, events[:200])
	history, err = unpackHistory(packEvents(half, events[200:]))
	require.NoError(t, err)
	require.Equal(t, events, history.Events, "appending changes something")
}

// TestPackedSize is what decides how many instances a run may have.
func TestPackedSize(t *testing.T) {
	if raceEnabled {
		t.Skip("compresses in one goroutine, which the race detector only slows down")
	}
	for _, test := range []struct {
		settings Settings
		most     int // instances that the README promises
	}{
		{Settings{}, 13_000},
		{Settings{Drain: true, Undrain: true, Failed: true}, 10_000},
	} {
		plan, events := largeRun(test.most, test.settings.Hooks()...)
		empty, err := packPlan(plan, test.settings)
		require.NoError(t, err)
		packed := empty
		var longest time.Duration
		for part := range slices.Chunk(events, 240*5) { // as many as an execution has
			begin := time.Now()
			packed = packEvents(packed, part)
			longest = max(longest, time.Since(begin))
		}
		begin := time.Now()
		_, err = unpackHistory(packed)
		require.NoError(t, err)
		n := float64(test.most)
		t.Logf("%d instances, %d hooks: plan %d kB, %.1f bytes an instance; history %d kB, %.1f bytes an instance; longest append %v, unpacked in %v", test.most, len(test.settings.Hooks()),
			len(empty)/1000, float64(len(empty))/n, len(packed)/1000, float64(len(packed)-len(empty))/n, longest, time.Since(begin))
		require.Less(t, len(packed), maxPacked)
		require.Less(t, len(packed)-len(empty), test.settings.eventRoom()*test.most)
	}
}

func TestPlanTooLarge(t *testing.T) {
	if raceEnabled {
		t.Skip("compresses in one goroutine, which the race detector only slows down")
	}
	plan, _ := largeRun(60_000)
	_, err := packPlan(plan, Settings{})
	require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
	require.ErrorContains(t, err, "Plan")
	require.ErrorContains(t, err, "60000 targets")
}

func FuzzUnpack(f *testing.F) {
	plan, events := largeRun(3)
	empty, err := packPlan(plan, Settings{})
	require.NoError(f, err)
	f.Add(empty)
	f.Add(packEvents(empty, events))
	f.Add(empty[:9])
	f.Fuzz(func(t *testing.T, packed []byte) {
		history, err := unpackHistory(packed)
		if err != nil {
			return
		}
		again, err := unpackHistory(packEvents(appendLines(nil, history.Plan), history.Events))
		require.NoError(t, err)
		require.Equal(t, history.Events, again.Events)
	})
}

func uuid(raw []byte) string {
	h := hex.EncodeToString(raw)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
