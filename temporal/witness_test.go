package ecstemporal

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// trail is a witness that knows after ten minutes what the service knows. Of a send ID that
// ends in a dot, only the beginning must match. The calls that a fault hits and that do not
// act, the service refuses with a code, if there is one.
type trail struct {
	server  *ecstest.Server
	refusal ecsreboot.ErrorCode
}

func (t trail) Testify(_ context.Context, request ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
	found := ecsreboot.Testimony{Witness: "Trail", AskAgain: 10*time.Minute - time.Since(request.SentAt)}
	if found.AskAgain > 0 {
		return found, nil
	}
	found.AskAgain = 30 * time.Second
	for _, call := range t.server.Calls() {
		_, sendID, _ := strings.Cut(call.Header.Get("User-Agent"), " send/")
		if call.Action != "RebootInstance" || sendID != request.SendID && (!strings.HasSuffix(request.SendID, ".") || !strings.HasPrefix(sendID, request.SendID)) {
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

// without has a run go on however many are lost.
var without = fleet.Rules{MaxUnavailable: fleet.Count(60), AllowWide: true, MaxFailed: fleet.Percent(100), Canary: []int{}}

// outcome is what a run says of an instance in the end.
type outcome struct {
	State    fleet.State
	Reason   fleet.Reason
	Code     ecsreboot.ErrorCode
	Proof    ecsreboot.Proof
	Witness  string
	Attempts int
}

func outcomeOf(r fleet.Record) outcome {
	return outcome{r.State, r.Reason, r.Code, r.Proof, r.Witness, r.Attempts}
}

// TestAlikeWithAWitness: of a response that is lost, a run of workflows knows in the end
// what a run of package fleet knows, with a witness and without.
func TestAlikeWithAWitness(t *testing.T) {
	invisible := func(i *ecstest.Instance) { i.Reboot = ecstest.RebootProfile{Graceful: -1, KeepStartTime: true} }
	for name, c := range map[string]struct {
		fault   ecstest.Fault
		profile func(*ecstest.Instance)
		with    outcome // what matters most of it; the rest is compared with fleet's
		reboots int
	}{
		"refused for good":         {fault: ecstest.Fault{Refuse: "InvalidParameter"}, with: outcome{State: fleet.StateFailed, Reason: fleet.ReasonRefused, Witness: "Trail"}},
		"refused for a moment":     {fault: ecstest.Fault{Refuse: "OperationConflict"}, with: outcome{State: fleet.StateHealthy}, reboots: 1},
		"throttled":                {fault: ecstest.Fault{Refuse: "Throttling.User"}, with: outcome{State: fleet.StateHealthy}, reboots: 1},
		"locked":                   {fault: ecstest.Fault{Refuse: "InstanceLockedForSecurity"}, with: outcome{State: fleet.StateSkipped, Reason: fleet.ReasonLocked, Witness: "Trail"}},
		"denied":                   {fault: ecstest.Fault{Refuse: "Forbidden.RAM"}, with: outcome{State: fleet.StateFailed, Reason: fleet.ReasonDenied, Witness: "Trail"}},
		"not running for a moment": {fault: ecstest.Fault{Refuse: "IncorrectInstanceStatus"}, with: outcome{State: fleet.StateHealthy}, reboots: 1},
		"restarted":                {fault: ecstest.Fault{Act: true}, with: outcome{State: fleet.StateHealthy}, reboots: 1},
		"restarted late":           {fault: ecstest.Fault{Late: 5 * time.Minute}, with: outcome{State: fleet.StateHealthy}, reboots: 1},
		"restarted, invisible":     {fault: ecstest.Fault{Act: true}, profile: invisible, with: outcome{State: fleet.StateFailed, Witness: "Trail"}, reboots: 1},
		"never arrived":            {with: outcome{State: fleet.StateUnknown, Reason: fleet.ReasonNotProven}},
	} {
		c.fault.Kind, c.fault.Action, c.fault.InstanceID = ecstest.FaultDrop, "RebootInstance", "i-00002"
		profile := []func(*ecstest.Instance){func(i *ecstest.Instance) {
			if c.profile != nil && i.ID == c.fault.InstanceID {
				c.profile(i)
			}
		}}
		settings := fleet.Settings{Rules: without}
		for _, asked := range []bool{true, false} {
			t.Run(name+map[bool]string{true: "", false: ", without a witness"}[asked], func(t *testing.T) {
				var of [2]outcome
				inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
					s.Inject(c.fault)
					options := fleet.Options{Settings: settings}
					if asked {
						options.Witness = trail{s.Server, ecsreboot.ErrorCode(c.fault.Refuse)}
					}
					client, err := s.NewClient()
					require.NoError(t, err)
					defer client.CloseIdleConnections()
					report, err := fleet.Run(context.Background(), client, s.plan, options)
					require.NoError(t, err)
					record, _ := report.Record(c.fault.InstanceID)
					of[0] = outcomeOf(record)
				}, profile...)
				inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
					s.Inject(c.fault)
					if asked {
						s.hooks.Witness = trail{s.Server, ecsreboot.ErrorCode(c.fault.Refuse)}
					}
					report, seen := s.run(Settings{Settings: settings})
					require.Equal(t, fleet.ReasonDone, report.Reason)
					record, _ := report.Record(c.fault.InstanceID)
					of[1] = outcomeOf(record)
					require.Equal(t, of[0], of[1])
					ids := make(map[string]bool)
					for _, intent := range seen.of(fleet.EventIntent) {
						operation, random, _ := strings.Cut(intent.SendID, ".")
						if asked && intent.InstanceID == c.fault.InstanceID && len(ids) == 0 {
							require.Len(t, random, 26)
						}
						require.True(t, strings.HasPrefix(operation, report.ID+"-"), "one search finds the run: %s", intent.SendID)
						require.False(t, ids[operation], "each Send has another")
						ids[operation] = true
					}
					if !asked {
						require.Equal(t, c.with.State == fleet.StateHealthy && c.fault.Act, record.State == fleet.StateHealthy)
						return
					}
					require.Equal(t, c.with.State, record.State)
					require.Equal(t, c.with.Witness, record.Witness)
					if c.with.Reason != "" {
						require.Equal(t, c.with.Reason, record.Reason)
					}
					require.Equal(t, c.reboots, s.Reboots(c.fault.InstanceID))
				}, profile...)
			})
		}
	}
}

// Who waits for a witness and was last seen Running makes room for others, and is restarted
// only when there is room again.
func TestAwaitingFreesTheWidth(t *testing.T) {
	inBubble(t, 4, ecstest.Options{}, func(t *testing.T, s *service) {
		s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", InstanceID: "i-00001", Refuse: "OperationConflict"})
		s.hooks.Witness = trail{s.Server, ecsreboot.ErrOperationConflict}
		begin := time.Now()
		rules := fleet.Rules{MaxUnavailable: fleet.Count(1), MaxFailed: fleet.Percent(100), Canary: []int{}}
		report, seen := s.run(Settings{Settings: fleet.Settings{Rules: rules, MinReady: 4 * time.Minute}})
		require.Equal(t, fleet.ReasonDone, report.Reason)
		require.Equal(t, 4, report.Count(fleet.StateHealthy))
		require.Equal(t, 1, seen.unavailable(t, s.plan, rules), "more than the width")
		s.restartedOnce(s.ids...)
		awaiting := seen.of(fleet.EventAwaiting)
		require.Len(t, awaiting, 1)
		require.True(t, awaiting[0].Running)
		require.Less(t, awaiting[0].At.Sub(begin), 2*time.Minute)
		require.Less(t, seen.of(fleet.EventHealthy)[0].At.Sub(begin), 8*time.Minute, "somebody waits for the witness of another")
		unsent := seen.of(fleet.EventUnsent)
		require.Len(t, unsent, 1)
		require.Equal(t, fleet.ReasonRefused, unsent[0].Reason)
		require.Equal(t, "Trail", unsent[0].Witness)
		require.InDelta(t, 10, unsent[0].At.Sub(begin).Minutes(), 1)
	})
}

// TestWitnessOfADeadWorker: of a worker that died in a Send, the beginning of the send ID is
// known, and no other Send has it.
func TestWitnessOfADeadWorker(t *testing.T) {
	for name, c := range map[string]struct {
		fault ecstest.Fault
		with  outcome
	}{
		"refused for good":     {ecstest.Fault{Refuse: "InvalidParameter"}, outcome{fleet.StateFailed, fleet.ReasonRefused, "InvalidParameter", "", "Trail", 1}},
		"refused for a moment": {ecstest.Fault{Refuse: "OperationConflict"}, outcome{State: fleet.StateHealthy, Proof: ecsreboot.ProofStatus, Attempts: 2}},
		"restarted":            {ecstest.Fault{Act: true}, outcome{State: fleet.StateHealthy, Proof: ecsreboot.ProofStatus, Attempts: 1}},
		"never arrived":        {ecstest.Fault{}, outcome{State: fleet.StateUnknown, Reason: fleet.ReasonNotProven, Attempts: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
				c.fault.Kind, c.fault.Action = ecstest.FaultDrop, "RebootInstance"
				s.Inject(c.fault)
				s.hooks.Witness = trail{s.Server, ecsreboot.ErrorCode(c.fault.Refuse)}
				dead := ""
				s.dies = func(in sendInput) bool {
					first := dead == ""
					if first {
						dead = in.OperationID
					}
					return first
				}
				report, seen := s.run(Settings{Settings: fleet.Settings{Rules: without}})
				record, _ := report.Record("i-00001")
				require.Equal(t, c.with, outcomeOf(record), record.Error)
				intents := seen.of(fleet.EventIntent)
				require.Equal(t, dead+".", intents[0].SendID)
				for _, later := range intents[1:] {
					require.False(t, strings.HasPrefix(later.SendID, intents[0].SendID), later.SendID)
				}
				require.Equal(t, b2i(c.with.State == fleet.StateHealthy), s.Reboots("i-00001"))
			})
		})
	}
}

// TestWitnessOfATerminatedWorkflow: a RebootOne that resolves what an earlier one has
// reported asks about the request of that one.
func TestWitnessOfATerminatedWorkflow(t *testing.T) {
	for refusal, state := range map[string]fleet.State{"InvalidParameter": fleet.StateFailed, "OperationConflict": fleet.StateWaiting, "": fleet.StateUnknown} {
		inBubble(t, 1, ecstest.Options{}, func(t *testing.T, s *service) {
			s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Refuse: refusal})
			s.hooks.Witness = trail{s.Server, ecsreboot.ErrorCode(refusal)}
			bench := &bench{Server: s.Server, t: t}
			client, err := s.NewClient()
			require.NoError(t, err)
			defer client.CloseIdleConnections()
			bench.activities = &activities{client: client}
			target := fleet.Target{ID: "i-00001"}
			send := sendInput{work: work{Region: "cn-hangzhou", Target: target}, Settings: defaults(t), OperationID: "run-0-1-1"}
			sent := bench.mustSend(send)
			require.True(t, strings.HasPrefix(sent.SendID, "run-0-1-1."), sent.SendID)
			time.Sleep(time.Hour) // without a worker
			end := s.one(oneInput{
				work: send.work, Settings: send.Settings, Look: true, Known: sent.Before, SentAt: sent.SentAt, SendID: sent.SendID, Attempts: 1,
			}).end()
			switch state {
			case fleet.StateWaiting:
				require.Equal(t, fleet.EventUnsent, end.Kind)
				require.Equal(t, fleet.ReasonRefused, end.Reason)
			case fleet.StateFailed:
				require.Equal(t, fleet.EventFailed, end.Kind)
				require.EqualValues(t, refusal, end.Code)
			default:
				require.Equal(t, fleet.EventUnknown, end.Kind)
				return
			}
			require.Equal(t, "Trail", end.Witness)
		})
	}
}

// TestFollowTellsAtOnce what changes whether an instance that waits for the witness is
// unavailable.
func TestFollowTellsAtOnce(t *testing.T) {
	onBench(t, ecstest.Options{}, func(b *bench) {
		b.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Late: 5 * time.Minute})
		b.hooks.Witness = trail{server: b.Server}
		begin := time.Now()
		sent := b.mustSend(b.input())
		in := b.following(*sent.Before)
		in.Accepted, in.SendID = false, sent.SendID
		result := b.run(b.Follow, in, nil)
		require.Equal(t, []fleet.EventKind{fleet.EventAwaiting}, kinds(result.Events))
		require.True(t, result.Events[0].Running)
		require.InDelta(t, 60, result.Followed.Seconds(), 10)

		again := b.run(b.Follow, in, result.Events) // the server did not get the result
		require.Equal(t, result.Events, again.Events)

		in = in.after(result)
		require.True(t, in.Awaiting)
		result = b.run(b.Follow, in, nil)
		require.Equal(t, []fleet.EventKind{fleet.EventDown}, kinds(result.Events))
		require.InDelta(t, 300, result.Followed.Seconds(), 20)
		require.InDelta(t, 5, time.Since(begin).Minutes(), 0.5)

		in = in.after(result)
		require.True(t, in.Down && !in.Awaiting)
		result = b.run(b.Follow, in, nil)
		require.Equal(t, []fleet.EventKind{fleet.EventUp, fleet.EventHealthy}, kinds(result.Events))
		require.False(t, result.isOpen())
		require.Equal(t, 1, b.Reboots(id))
	})
}

// TestFollowAccepted: the run hears at once that the restart was accepted, and once.
func TestFollowAccepted(t *testing.T) {
	onBench(t, ecstest.Options{}, func(b *bench) {
		b.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Act: true})
		b.hooks.Witness = trail{server: b.Server}
		sent := b.mustSend(b.input())
		in := b.following(*sent.Before)
		in.Accepted, in.SendID, in.Settings.ReadyTimeout = false, sent.SendID, 15*time.Minute
		var all []fleet.EventKind
		for {
			result := b.run(b.Follow, in, nil)
			all = append(all, kinds(result.Events)...)
			if in = in.after(result); !result.isOpen() {
				require.InDelta(t, in.Settings.ReadyTimeout.Seconds(), result.Followed.Seconds(), 10, "ReadyTimeout begins anew")
				break
			}
		}
		require.Equal(t, []fleet.EventKind{fleet.EventAwaiting, fleet.EventAccepted, fleet.EventFailed}, all)
	}, func(i *ecstest.Instance) { i.Reboot = ecstest.RebootProfile{Graceful: -1, KeepStartTime: true} })
}

// TestRefusedAgainstWhatWasSeen: if polls of an earlier activity have shown a restart, no
// witness makes it a certain refusal, which could be retried.
func TestRefusedAgainstWhatWasSeen(t *testing.T) {
	for _, down := range []bool{true, false} {
		onBench(t, ecstest.Options{}, func(b *bench) {
			b.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Refuse: "OperationConflict"})
			b.hooks.Witness = trail{b.Server, ecsreboot.ErrOperationConflict}
			sent := b.mustSend(b.input())
			require.NoError(t, b.SetStatus(id, ecsreboot.StatusPending)) // so that nothing proves it
			time.Sleep(5 * time.Minute)
			in := b.following(*sent.Before)
			in.Accepted, in.SentAt, in.SendID, in.Down = false, sent.SentAt, sent.SendID, down
			result := b.run(b.Follow, in, nil)
			if !down {
				require.Equal(t, fleet.ReasonRefused, result.Refusal.Retry)
				return
			}
			require.Nil(t, result.Refusal)
			end := result.Events[len(result.Events)-1]
			require.Equal(t, fleet.EventFailed, end.Kind)
			require.Empty(t, end.Witness)
			require.Contains(t, end.Error, "earlier polls have shown a restart")
			require.Contains(t, end.Error, "OperationConflict")
		})
	}
}

// TestOperationIDs: no two Sends have the same operation ID, also within one turn.
func TestOperationIDs(t *testing.T) {
	inBubble(t, 2, ecstest.Options{}, func(t *testing.T, s *service) {
		s.Inject(ecstest.Fault{Kind: ecstest.FaultError, Action: "RebootInstance", Status: 409, Code: "OperationConflict", Times: -1})
		s.at(25*time.Second, s.ClearFaults)
		sends := make(map[string]string)
		s.dies = func(in sendInput) bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			require.NotContains(t, sends, in.OperationID)
			sends[in.OperationID] = in.Target.ID
			return false
		}
		report, _ := s.run(Settings{Settings: fleet.Settings{Rules: without}})
		require.Equal(t, 2, report.Count(fleet.StateHealthy))
		require.Greater(t, len(sends), 4)
		for _, call := range s.Calls() {
			if _, sendID, ok := strings.Cut(call.Header.Get("User-Agent"), " send/"); ok {
				operation, _, _ := strings.Cut(sendID, ".")
				require.Equal(t, call.Query.Get("InstanceId"), sends[operation])
			}
		}
	})
}
