package fleet_test

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/driver"
)

// trail is a witness that finds after a delay what the service did. If refusal is set, the
// service refused with this code the calls that a fault hit and that did not act.
type trail struct {
	*service

	refusal ecsreboot.ErrorCode
	delay   time.Duration // from the request to its record; default 10 minutes
}

func (t trail) Testify(_ context.Context, request ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
	found := ecsreboot.Testimony{Witness: "Trail", AskAgain: cmp.Or(t.delay, 10*time.Minute) - time.Since(request.SentAt)}
	if found.AskAgain > 0 {
		return found, nil
	}
	found.AskAgain = 30 * time.Second
	for _, call := range t.Calls() {
		if call.Action != "RebootInstance" || !strings.HasSuffix(call.Header.Get("User-Agent"), " send/"+request.SendID) {
			continue
		}
		switch found.RequestID = call.RequestID; {
		case call.Acted:
			found.Finding = ecsreboot.FindingAccepted
		case call.Fault != "" && t.refusal != "":
			found.Finding, found.Code = ecsreboot.FindingRefused, t.refusal
		}
	}
	return found, nil
}

// without are the rules of a run that does not halt, however many responses are lost.
var without = fleet.Rules{MaxUnavailable: fleet.Count(60), AllowWide: true, MaxFailed: fleet.Percent(100), Canary: []int{}}

// In a run, every fourth response is lost. With a witness, the outcome of each request that
// arrived is resolved, and the outcome of each request that did not arrive stays unknown.
func TestFleetWithAWitness(t *testing.T) {
	for name, c := range map[string]struct {
		fault   ecstest.Fault
		witness bool
		unknown int
	}{
		"refused, without a witness":      {ecstest.Fault{Refuse: "OperationConflict"}, false, 3},
		"refused":                         {ecstest.Fault{Refuse: "OperationConflict"}, true, 0},
		"carried out late":                {ecstest.Fault{Late: 2 * time.Minute}, true, 0},
		"never arrived, without":          {ecstest.Fault{}, false, 3},
		"never arrived":                   {ecstest.Fault{}, true, 3},
		"carried out at once":             {ecstest.Fault{Act: true}, true, 0},
		"carried out later than the wait": {ecstest.Fault{Late: 6 * time.Minute}, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 12, ecstest.Options{}, func(t *testing.T, s *service) {
				lost := make(map[string]bool)
				for i := 0; i < len(s.ids); i += 4 {
					c.fault.Kind, c.fault.Action, c.fault.InstanceID = ecstest.FaultDrop, "RebootInstance", s.ids[i]
					s.Inject(c.fault)
					lost[s.ids[i]] = true
				}
				options := fleet.Options{Settings: fleet.Settings{Rules: without, MinReady: -1, WitnessTimeout: 8 * time.Minute}}
				if c.witness {
					options.Witness = trail{service: s, refusal: ecsreboot.ErrorCode(c.fault.Refuse), delay: 4 * time.Minute}
				}
				var seen trace
				options.OnEvent = collect(&seen)
				report, err := s.run(options)
				require.NoError(t, err)
				require.Equal(t, c.unknown, report.Count(fleet.StateUnknown))
				require.Zero(t, report.Count(fleet.StateFailed))
				for _, record := range report.Records {
					restarts := s.Reboots(record.ID)
					require.LessOrEqual(t, restarts, 1)
					if record.State == fleet.StateHealthy {
						require.Equal(t, 1, restarts)
					}
					if record.State == fleet.StateUnknown && c.witness {
						require.Contains(t, record.Error, "no trace of the request, which proves nothing: Trail")
					}
					require.True(t, strings.HasPrefix(record.SendID, report.ID+"."), "one search finds the run: %s", record.SendID)
				}
				if c.witness && !c.fault.Act {
					require.Len(t, seen.of(fleet.EventAwaiting), 3)
				}
			})
		})
	}
}

// An instance that waits for a witness and was last seen Running makes room for others.
func TestAwaitingFreesTheWidth(t *testing.T) {
	inBubble(t, 4, ecstest.Options{}, func(t *testing.T, s *service) {
		s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", InstanceID: s.ids[0], Refuse: "InstanceLockedForSecurity"})
		begin := time.Now()
		var seen trace
		report, err := s.run(fleet.Options{
			Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(1), MaxFailed: fleet.Percent(100), Canary: []int{}}},
			Witness:  trail{service: s, refusal: ecsreboot.ErrInstanceLockedForSecurity}, OnEvent: collect(&seen),
		})
		require.NoError(t, err)
		for _, id := range s.ids[1:] {
			record, _ := report.Record(id)
			require.Equal(t, fleet.StateHealthy, record.State)
			require.Less(t, record.EndedAt.Sub(begin), 8*time.Minute, "nobody waits for the witness of another")
		}
		record, _ := report.Record(s.ids[0])
		require.Equal(t, fleet.StateSkipped, record.State, mustJSON(t, record))
		require.Equal(t, fleet.ReasonLocked, record.Reason)
		require.Zero(t, s.Reboots(s.ids[0]))
		awaiting := seen.of(fleet.EventAwaiting)
		require.Len(t, awaiting, 1)
		require.True(t, awaiting[0].Running)
	})
}

// If only the witness knows of a refusal, a resumed run may retry after a permanent refusal,
// and the run itself retries after a temporary one.
func TestWitnessOfARefusal(t *testing.T) {
	for code, state := range map[string]fleet.State{"InvalidParameter": fleet.StateFailed, "OperationConflict": fleet.StateHealthy} {
		inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
			s.Inject(ecstest.Fault{Kind: ecstest.FaultHang, Action: "RebootInstance", Refuse: code})
			journal := filepath.Join(t.TempDir(), "run.journal")
			options := fleet.Options{Settings: fleet.Settings{Rules: without, MinReady: -1}, Witness: trail{service: s, refusal: ecsreboot.ErrorCode(code), delay: 2 * time.Minute}, Journal: journal}
			report, err := s.run(options)
			require.NoError(t, err)
			record, _ := report.Record(s.ids[0])
			require.Equal(t, state, record.State, mustJSON(t, record))
			if state == fleet.StateHealthy {
				require.Equal(t, 2, record.Attempts)
				return
			}
			require.Equal(t, fleet.ReasonRefused, record.Reason)
			require.Equal(t, "Trail", record.Witness)
			require.EqualValues(t, code, record.Code)
			require.Zero(t, s.Reboots(s.ids[0]))
			report, err = fleet.Resume(context.Background(), s.client, s.plan(), options)
			require.NoError(t, err)
			record, _ = report.Record(s.ids[0])
			require.Equal(t, fleet.StateHealthy, record.State, mustJSON(t, record))
			require.Equal(t, 1, s.Reboots(s.ids[0]))
		})
	}
}

// A resumed run asks the witness about the requests that an earlier session left unknown, by
// the send ID in the journal.
func TestResumeAsksTheWitness(t *testing.T) {
	for name, c := range map[string]struct {
		fault ecstest.Fault
		state fleet.State
		next  fleet.State // in one more session
	}{
		"refused":       {ecstest.Fault{Refuse: "OperationConflict"}, fleet.StateFailed, fleet.StateHealthy},
		"restarted":     {ecstest.Fault{Act: true}, fleet.StateFailed, fleet.StateFailed},
		"never arrived": {ecstest.Fault{}, fleet.StateUnknown, fleet.StateUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
				c.fault.Kind, c.fault.Action = ecstest.FaultHang, "RebootInstance"
				s.Inject(c.fault)
				options := fleet.Options{
					Settings: fleet.Settings{Rules: without, MinReady: -1, ReadyTimeout: 5 * time.Minute},
					Journal:  filepath.Join(t.TempDir(), "run.journal"),
				}
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				_, err := fleet.Run(ctx, s.client, s.plan(), options)
				cancel()
				require.Error(t, err)
				options.Witness = trail{service: s, refusal: ecsreboot.ErrorCode(c.fault.Refuse), delay: 2 * time.Minute}
				for i, state := range []fleet.State{c.state, c.next} {
					report, err := fleet.Resume(context.Background(), s.client, s.plan(), options)
					require.NoError(t, err)
					record, _ := report.Record(s.ids[0])
					require.Equal(t, state, record.State, "%d: %s", i, mustJSON(t, record))
				}
				require.LessOrEqual(t, s.Reboots(s.ids[0]), 1)
			}, func(i *ecstest.Instance) {
				if c.fault.Act { // no poll shows it
					i.Reboot = ecstest.RebootProfile{Graceful: -1, KeepStartTime: true}
				}
			})
		})
	}
}

// An instance that waits for a witness and was not last seen Running keeps its place.
func TestAwaitingWhileDown(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", InstanceID: s.ids[0]})
		var seen trace
		options := fleet.Options{
			Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(1), MaxFailed: fleet.Percent(100), Canary: []int{}}},
			Witness:  trail{service: s},
		}
		options.OnEvent = func(e fleet.Event) {
			seen = append(seen, e)
			if e.Kind == fleet.EventDoubt { // from now on nobody may read it
				s.Inject(ecstest.Fault{Kind: ecstest.FaultError, Code: "InternalError", Action: "DescribeInstances", InstanceID: s.ids[0], Times: -1})
			}
			if e.Kind == fleet.EventIntent && e.InstanceID == s.ids[1] {
				require.NotEmpty(t, seen.of(fleet.EventUnknown), "its place is not free before")
			}
		}
		_, err := s.run(options)
		require.NoError(t, err)
		awaiting := seen.of(fleet.EventAwaiting)
		require.Len(t, awaiting, 1)
		require.False(t, awaiting[0].Running)
	})
}

// An instance that waits for a witness gives its place to others. If the witness finds a
// temporary refusal, the run restarts the instance when there is room again.
func TestRefusedWhileOthersTookItsPlace(t *testing.T) {
	inBubble(t, 4, ecstest.Options{}, func(t *testing.T, s *service) {
		s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", InstanceID: s.ids[0], Refuse: "OperationConflict"})
		var seen trace
		rules := fleet.Rules{MaxUnavailable: fleet.Count(1), MaxFailed: fleet.Percent(100), Canary: []int{}}
		report, err := s.run(fleet.Options{
			Settings: fleet.Settings{Rules: rules, MinReady: 2 * time.Minute},
			Witness:  trail{service: s, refusal: ecsreboot.ErrOperationConflict, delay: 4 * time.Minute}, OnEvent: collect(&seen),
		})
		require.NoError(t, err)
		require.Equal(t, 4, report.Count(fleet.StateHealthy))
		planner, err := fleet.NewPlanner(s.plan(), rules)
		require.NoError(t, err)
		for _, e := range seen {
			require.NoError(t, planner.Replay(e))
			require.LessOrEqual(t, planner.Unavailable(), 1)
		}
		unsent := seen.of(fleet.EventUnsent)
		require.Len(t, unsent, 1)
		require.Equal(t, fleet.ReasonRefused, unsent[0].Reason)
		require.Equal(t, "Trail", unsent[0].Witness)
	})
}

// If an earlier session gave up a request as unknown, and the service had refused it, the
// instance fails and is put into service again. The next session restarts the instance.
func TestResumeOfARefusal(t *testing.T) {
	for code, reason := range map[ecsreboot.ErrorCode]fleet.Reason{
		ecsreboot.ErrInstanceLockedForSecurity: fleet.ReasonLocked,
		ecsreboot.ErrForbiddenRAM:              fleet.ReasonDenied,
		ecsreboot.ErrInvalidInstanceIDNotFound: fleet.ReasonNotListed,
		ecsreboot.ErrIncorrectInstanceStatus:   fleet.ReasonRefused,
		"Throttling.User":                      fleet.ReasonRefused,
	} {
		t.Run(string(code), func(t *testing.T) {
			inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
				s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Refuse: string(code)})
				var calls []fleet.Hook
				options := fleet.Options{
					Settings: fleet.Settings{Rules: without, MinReady: -1, UnknownGrace: time.Minute}, Journal: filepath.Join(t.TempDir(), "run.journal"),
					Drain:   func(context.Context, fleet.Target) error { calls = append(calls, fleet.HookDrain); return nil },
					Undrain: func(context.Context, fleet.Target) error { calls = append(calls, fleet.HookUndrain); return nil },
				}
				report, err := s.run(options)
				require.NoError(t, err)
				require.Equal(t, 1, report.Count(fleet.StateUnknown))
				options.Witness = trail{service: s, refusal: code, delay: 2 * time.Minute}
				report, err = fleet.Resume(context.Background(), s.client, s.plan(), options)
				require.Equal(t, reason == fleet.ReasonDenied, err != nil, "all would be denied: %v", err)
				record, _ := report.Record(s.ids[0])
				require.Equal(t, fleet.StateFailed, record.State)
				require.Equal(t, reason, record.Reason)
				require.Equal(t, "Trail", record.Witness)
				require.Equal(t, []fleet.Hook{fleet.HookDrain, fleet.HookUndrain}, calls)
				report, err = fleet.Resume(context.Background(), s.client, s.plan(), options)
				require.NoError(t, err)
				require.Equal(t, 1, report.Count(fleet.StateHealthy))
				require.Equal(t, 1, s.Reboots(s.ids[0]))
			})
		})
	}
}

// Follow returns the refusal that a witness found, for Judge. The grace period begins at
// Sent.At, and WitnessTimeout at Sent.SentAt.
func TestDriverWithAWitness(t *testing.T) {
	for code, retry := range map[ecsreboot.ErrorCode]fleet.Reason{ecsreboot.ErrOperationConflict: fleet.ReasonRefused, ecsreboot.ErrDiskError: ""} {
		inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
			s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Refuse: string(code)})
			begin := time.Now()
			before, err := s.client.TakeBaseline(context.Background(), s.ids[0])
			require.NoError(t, err)
			_, err = s.client.RebootInstance(context.Background(), ecsreboot.RebootInstanceRequest{InstanceID: s.ids[0]})
			lost, ok := errors.AsType[*ecsreboot.OperationError](err)
			require.True(t, ok)
			time.Sleep(2 * time.Minute)
			d := s.driver(fleet.Options{Witness: trail{service: s, refusal: code}})
			sent := driver.Sent{Target: fleet.Target{ID: s.ids[0]}, Before: before, At: time.Now(), SentAt: lost.SentAt, SendID: lost.SendID}
			var seen trace
			refusal := d.Follow(context.Background(), sent, func(e fleet.Event) { seen = append(seen, e) })
			require.Equal(t, ecsreboot.OutcomeRejected, ecsreboot.OutcomeOf(refusal))
			require.ErrorIs(t, refusal, code)
			require.Len(t, seen, 1)
			require.Equal(t, fleet.EventAwaiting, seen[0].Kind)
			require.True(t, seen[0].Running)
			require.InDelta(t, 3, seen[0].At.Sub(begin).Minutes(), 0.3)
			require.InDelta(t, 10, time.Since(begin).Minutes(), 0.3)
			j, err := d.Judge(context.Background(), sent.Target, refusal)
			require.NoError(t, err)
			require.Equal(t, retry, j.Retry)
			require.Equal(t, fleet.EventFailed, j.Event.Kind)
			require.Equal(t, "Trail", j.Event.Witness)
			require.Equal(t, code, j.Event.Code)
		})
	}
}
