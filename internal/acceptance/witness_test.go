package acceptance_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// witnessFunc is a witness that notes when it is asked.
type witnessFunc struct {
	testify func(ctx context.Context, request ecsreboot.SentRequest) (ecsreboot.Testimony, error)

	mu    sync.Mutex
	asked []time.Time
}

func (w *witnessFunc) Testify(ctx context.Context, request ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
	w.mu.Lock()
	w.asked = append(w.asked, time.Now())
	w.mu.Unlock()
	return w.testify(ctx, request)
}

// questions returns when the witness was asked.
func (w *witnessFunc) questions() []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.asked)
}

// afterTenMinutes is a witness that is as late as ActionTrail, and then returns this testimony.
func afterTenMinutes(found ecsreboot.Testimony) *witnessFunc {
	return &witnessFunc{testify: func(_ context.Context, request ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
		if left := 10*time.Minute - time.Since(request.SentAt); left > 0 {
			return ecsreboot.Testimony{Witness: "Trail", AskAgain: left}, nil
		}
		found.Witness = "Trail"
		return found, nil
	}}
}

// invisible is a restart of which no poll shows a sign.
var invisible = ecstest.RebootProfile{Graceful: -1, KeepStartTime: true}

// loseAnswer makes the service carry the restart out, and loses its response.
func loseAnswer(server *ecstest.Server) {
	server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Act: true})
}

// neverArrives loses the request.
func neverArrives(server *ecstest.Server) {
	server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance"})
}

// Each request that may restart an instance has a different send ID, which hooks, events,
// errors and results have.
func TestSendID(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, _ *ecsreboot.Client) {
		client := newClient(t, server, ecsreboot.WithOperationID("patch-2026_11"), ecsreboot.WithUserAgent("myapp/1"), quick())
		server.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle, Action: "RebootInstance"})
		var intents, events []string
		result, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{
			BeforeSend: func(_ context.Context, intent ecsreboot.SendIntent) error {
				intents = append(intents, intent.SendID)
				return nil
			},
			OnEvent: func(e ecsreboot.Event) {
				if e.SendID != "" {
					events = append(events, string(e.Kind)+" "+e.SendID)
				}
			},
		})
		require.NoError(t, err)
		var sent []string
		for _, call := range server.Calls() {
			product, id, found := strings.Cut(call.Header.Get("User-Agent"), " send/")
			assert.Equal(t, call.Action == "RebootInstance", found)
			if found {
				assert.Regexp(t, `^ecsreboot/\S+ go/\S+ myapp/1$`, product)
				assert.Regexp(t, `^patch-2026_11\.[A-Z2-7]{26}$`, id)
				sent = append(sent, id)
			}
		}
		require.Len(t, sent, 2, "one was throttled")
		assert.NotEqual(t, sent[0], sent[1])
		assert.Equal(t, sent, intents)
		assert.Equal(t, []string{"sending " + sent[0], "sending " + sent[1], "accepted " + sent[1]}, events)
		require.Len(t, result.Sent, 1)
		assert.Equal(t, sent[1], result.Sent[0].SendID)
		assert.Equal(t, result.SentAt, result.Sent[0].SentAt)
		assert.Equal(t, id, result.Sent[0].InstanceID)
		assert.Equal(t, client.Region(), result.Sent[0].Region)
		assert.WithinDuration(t, result.SentAt, result.Sent[0].ServiceTime, time.Second)

		_, err = client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{OperationID: "a.b"})
		require.ErrorContains(t, err, "OperationID holds '.'")
		require.ErrorIs(t, err, ecsreboot.ErrNotSent)
		time.Sleep(time.Minute)
		result, err = client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{OperationID: "run-1"})
		require.NoError(t, err)
		assert.Regexp(t, `^run-1\.[A-Z2-7]{26}$`, result.Sent[0].SendID)

		neverArrives(server)
		_, err = client.RebootInstance(t.Context(), request)
		require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
		failed, _ := errors.AsType[*ecsreboot.OperationError](err)
		calls := server.Calls()
		assert.Contains(t, calls[len(calls)-1].Header.Get("User-Agent"), " send/"+failed.SendID)

		_, err = client.Check(t.Context(), request)
		require.NoError(t, err)
		calls = server.Calls()
		assert.NotContains(t, calls[len(calls)-1].Header.Get("User-Agent"), "send/", "a dry run restarts nothing")
	})
}

func TestOperationIDs(t *testing.T) {
	for _, bad := range []string{"a b", "a.b", "a/b", "é", "a\r\n", strings.Repeat("a", 65)} {
		_, err := ecsreboot.NewClient("cn-hangzhou", ecsreboot.WithOperationID(bad))
		require.ErrorContains(t, err, "WithOperationID", bad)
	}
	_, err := ecsreboot.NewClient("cn-hangzhou", ecsreboot.WithOperationID(""), ecsreboot.WithOperationID(strings.Repeat("aZ9-", 16)))
	require.NoError(t, err)
}

// The testimony of a witness decides when a wait without a response ends, and with what outcome.
func TestWitness(t *testing.T) {
	refusal := ecsreboot.Testimony{Finding: ecsreboot.FindingRefused, Code: ecsreboot.ErrOperationConflict, RequestID: "R", Message: "busy"}
	accepted := ecsreboot.Testimony{Finding: ecsreboot.FindingAccepted, RequestID: "R"}
	noTrace := ecsreboot.Testimony{AskAgain: 45 * time.Second}
	failing := func(err error) *witnessFunc {
		return &witnessFunc{testify: func(context.Context, ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
			return ecsreboot.Testimony{}, err
		}}
	}
	denied := fmt.Errorf("no permission: %w", ecsreboot.ErrAccessDenied)
	for name, c := range map[string]struct {
		witness  *witnessFunc // nil: none
		options  ecsreboot.WaitOptions
		arrives  bool
		late     time.Duration // the restart is carried out so much later
		outcome  ecsreboot.Outcome
		proof    ecsreboot.Proof
		ends     time.Duration
		restarts int
		asked    int
		text     string
	}{
		"none":                          {arrives: true, outcome: ecsreboot.OutcomeUnknown, ends: time.Minute, restarts: 1},
		"accepted":                      {witness: afterTenMinutes(accepted), options: ecsreboot.WaitOptions{Timeout: 13 * time.Minute}, arrives: true, outcome: ecsreboot.OutcomeAccepted, ends: 13 * time.Minute, restarts: 1, asked: 2, text: "(request R)"},
		"accepted, and seen later":      {witness: afterTenMinutes(accepted), late: 12 * time.Minute, proof: ecsreboot.ProofStatus, ends: 12*time.Minute + 30*time.Second, restarts: 1, asked: 2},
		"seen before there is a record": {witness: afterTenMinutes(accepted), late: 5 * time.Minute, proof: ecsreboot.ProofStatus, ends: 5*time.Minute + 30*time.Second, restarts: 1, asked: 1},
		"refused": {
			witness: afterTenMinutes(refusal), outcome: ecsreboot.OutcomeRejected, ends: 10 * time.Minute, asked: 2,
			options: ecsreboot.WaitOptions{ResendUnknown: true}, text: "Trail recorded that the service refused the request: OperationConflict: busy (request R)",
		},
		"no trace": {witness: afterTenMinutes(noTrace), outcome: ecsreboot.OutcomeUnknown, ends: 15 * time.Minute, asked: 9, text: "no trace of the request, which proves nothing: Trail"},
		"no trace, and resent": {
			witness: afterTenMinutes(noTrace), options: ecsreboot.WaitOptions{ResendUnknown: true}, proof: ecsreboot.ProofStatus, ends: 15*time.Minute + 30*time.Second, restarts: 1, asked: 9,
		},
		"no trace, for good": {witness: afterTenMinutes(ecsreboot.Testimony{}), outcome: ecsreboot.OutcomeUnknown, ends: 10 * time.Minute, asked: 2, text: "no trace of the request, which proves nothing: Trail"},
		"less patience":      {witness: afterTenMinutes(noTrace), options: ecsreboot.WaitOptions{WitnessTimeout: 11 * time.Minute}, outcome: ecsreboot.OutcomeUnknown, ends: 11 * time.Minute, asked: 4},
		"no patience of its own": {
			witness: afterTenMinutes(noTrace), options: ecsreboot.WaitOptions{WitnessTimeout: -1}, outcome: ecsreboot.OutcomeUnknown, ends: 25 * time.Minute, asked: 22,
		},
		"the wait has less": {witness: afterTenMinutes(accepted), options: ecsreboot.WaitOptions{Timeout: 5 * time.Minute}, outcome: ecsreboot.OutcomeUnknown, ends: 5 * time.Minute, asked: 1},
		"fails":             {witness: failing(errors.New("no luck")), outcome: ecsreboot.OutcomeUnknown, ends: 15 * time.Minute, asked: 31},
		"denied":            {witness: failing(denied), outcome: ecsreboot.OutcomeUnknown, ends: time.Minute, asked: 1},
		"hangs": {
			witness: &witnessFunc{testify: func(ctx context.Context, _ ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
				<-ctx.Done()
				return ecsreboot.Testimony{}, ctx.Err()
			}},
			outcome: ecsreboot.OutcomeUnknown, ends: 16 * time.Minute, asked: 11,
		},
		"ignores its context": {
			witness: &witnessFunc{testify: func(context.Context, ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
				time.Sleep(time.Hour)
				return ecsreboot.Testimony{Finding: ecsreboot.FindingAccepted}, nil
			}},
			outcome: ecsreboot.OutcomeUnknown, ends: 66 * time.Second, asked: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			profile := ecstest.RebootProfile{}
			if c.arrives {
				profile = invisible
			}
			waitFor(t, profile, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
				server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Act: c.arrives, Late: c.late})
				var events []ecsreboot.Event
				options, begin := c.options, time.Now()
				options.OnEvent = func(e ecsreboot.Event) { events = append(events, e) }
				if c.witness != nil {
					options.Witness = c.witness
				}
				result, err := client.RebootAndWait(t.Context(), request, options)
				defer time.Sleep(2 * time.Hour) // until the last goroutine has ended
				assert.InDelta(t, c.ends.Seconds(), time.Since(begin).Seconds(), 13)
				assert.Equal(t, c.restarts, server.Reboots(id))
				assert.Equal(t, c.outcome, ecsreboot.OutcomeOf(err))
				if c.proof != "" {
					require.NoError(t, err)
					assert.Equal(t, c.proof, result.Proof)
				} else {
					assert.ErrorContains(t, err, c.text)
				}
				count := func(kind ecsreboot.EventKind) (n int) {
					for _, e := range events {
						if e.Kind == kind {
							n++
						}
					}
					return n
				}
				if c.witness == nil {
					assert.Zero(t, count(ecsreboot.EventAwaitsWitness)+count(ecsreboot.EventWitness)+count(ecsreboot.EventWitnessFailed))
					return
				}
				assert.InDelta(t, c.asked, len(c.witness.questions()), 1)
				assert.LessOrEqual(t, count(ecsreboot.EventWitnessFailed), 1, "each error is told once")
				assert.LessOrEqual(t, count(ecsreboot.EventWitness), 1)
				waited, _ := errors.AsType[*ecsreboot.WaitError](err)
				if c.ends > 2*time.Minute {
					assert.Equal(t, 1, count(ecsreboot.EventAwaitsWitness), "%v", events)
				}
				switch {
				case c.outcome == ecsreboot.OutcomeAccepted || c.outcome == ecsreboot.OutcomeRejected:
					require.Len(t, waited.Testimony, 1)
					assert.Equal(t, waited.Sent[0].SendID, waited.Testimony[0].SendID)
				case name == "accepted, and seen later":
					require.Len(t, result.Testimony, 1)
					assert.Equal(t, ecsreboot.FindingAccepted, result.Testimony[0].Finding)
					assert.Equal(t, "R", result.RequestID)
				}
			})
		})
	}
}

// A refusal that the witness reports ends the wait with its code.
func TestWitnessRefusal(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		neverArrives(server)
		_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{
			Witness: afterTenMinutes(ecsreboot.Testimony{Finding: ecsreboot.FindingRefused, Code: ecsreboot.ErrInstanceLockedForSecurity, RequestID: "R"}),
		})
		require.ErrorIs(t, err, ecsreboot.ErrRejected)
		require.NotErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
		require.ErrorIs(t, err, ecsreboot.ErrInstanceLockedForSecurity)
		answer, ok := errors.AsType[*ecsreboot.APIError](err)
		require.True(t, ok)
		assert.Equal(t, "R", answer.RequestID)
	})
}

// An accepted restart is not asked about.
func TestWitnessIsNotNeeded(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, _ *ecstest.Server, client *ecsreboot.Client) {
		witness := afterTenMinutes(ecsreboot.Testimony{})
		result, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{Witness: witness})
		require.NoError(t, err)
		assert.Empty(t, witness.questions())
		assert.Empty(t, result.Testimony)
		_, err = client.WaitUntilRestarted(t.Context(), result.Before, ecsreboot.WaitOptions{Witness: witness, Timeout: time.Minute})
		require.NoError(t, err)
		assert.Empty(t, witness.questions())
	})
}

// A change of status that a witness has recorded proves the restart, once a later poll
// shows the instance Running.
func TestProofByRecord(t *testing.T) {
	change := func(status ecsreboot.Status, after time.Duration) *witnessFunc {
		return &witnessFunc{testify: func(_ context.Context, request ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
			found := ecsreboot.Testimony{Witness: "Changes", AskAgain: 30 * time.Second}
			if time.Since(request.SentAt) > 2*time.Minute {
				found.Changes = []ecsreboot.Observation{{At: request.SentAt.Add(after), Status: status}}
			}
			return found, nil
		}}
	}
	for name, c := range map[string]struct {
		witness *witnessFunc
		proven  bool
	}{
		"Stopping":                     {change(ecsreboot.StatusStopping, 3*time.Second), true},
		"Starting":                     {change(ecsreboot.StatusStarting, time.Minute), true},
		"Running":                      {change(ecsreboot.StatusRunning, time.Minute), false},
		"Pending":                      {change(ecsreboot.StatusPending, time.Minute), false},
		"no such status":               {change("stopping", time.Minute), false},
		"before the send":              {change(ecsreboot.StatusStopping, -time.Second), false},
		"perhaps before the send":      {change(ecsreboot.StatusStopping, 0), false},
		"a record from before history": {change(ecsreboot.StatusStopping, -time.Hour), false},
	} {
		t.Run(name, func(t *testing.T) {
			waitFor(t, invisible, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
				loseAnswer(server)
				begin := time.Now()
				result, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{Witness: c.witness, WitnessTimeout: 4 * time.Minute})
				if !c.proven {
					require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
					return
				}
				require.NoError(t, err)
				assert.Equal(t, ecsreboot.ProofRecord, result.Proof)
				assert.Len(t, result.Testimony, 1)
				assert.InDelta(t, 153, time.Since(begin).Seconds(), 8)
			})
		})
	}
}

// Without the service's clock, a recorded change proves nothing.
func TestNoProofByRecordWithoutServiceClock(t *testing.T) {
	waitFor(t, invisible, func(t *testing.T, server *ecstest.Server, _ *ecsreboot.Client) {
		client := newClient(t, server, dated(0, true))
		loseAnswer(server)
		_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{
			Witness: &witnessFunc{testify: func(_ context.Context, request ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
				assert.Zero(t, request.ServiceTime)
				return ecsreboot.Testimony{Witness: "w", Changes: []ecsreboot.Observation{{At: time.Now(), Status: ecsreboot.StatusStopping}}}, nil
			}},
		})
		require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
	})
}

// A witness that contradicts what was seen, or itself, makes nothing certain, and the
// error says both.
func TestWitnessContradicts(t *testing.T) {
	refusal := ecsreboot.Testimony{Finding: ecsreboot.FindingRefused, Code: ecsreboot.ErrOperationConflict, RequestID: "R"}
	waitFor(t, ecstest.RebootProfile{Graceful: 12 * time.Minute}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		loseAnswer(server)
		_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{Witness: afterTenMinutes(refusal)})
		require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
		require.ErrorIs(t, err, ecsreboot.ErrNotProven)
		require.ErrorContains(t, err, "there are signs of a restart")
		require.ErrorContains(t, err, "Trail recorded that the service refused the request: OperationConflict")
	})
}

// While the witness is asked, failing and denied polls do not end the wait.
func TestWitnessWithoutPolls(t *testing.T) {
	for _, code := range []string{"Forbidden.RAM", "InternalError"} {
		waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
			neverArrives(server)
			server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Code: code, Action: "DescribeInstances", Skip: 1, Times: -1})
			begin := time.Now()
			_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{
				Witness: afterTenMinutes(ecsreboot.Testimony{Finding: ecsreboot.FindingRefused, Code: ecsreboot.ErrOperationConflict}),
			})
			require.ErrorIs(t, err, ecsreboot.ErrRejected)
			assert.InDelta(t, 600, time.Since(begin).Seconds(), 8)
		})
	}
}

// The testimony that one wait receives is also evidence for the others that share the
// restart. Each wait gives up its witness by itself.
func TestWitnessOfOthers(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		neverArrives(server)
		ends := make([]time.Duration, 3)
		outcomes := make([]ecsreboot.Outcome, 3)
		begin := time.Now()
		var waits sync.WaitGroup
		for i, options := range []ecsreboot.WaitOptions{
			{Witness: afterTenMinutes(ecsreboot.Testimony{Finding: ecsreboot.FindingRefused, Code: ecsreboot.ErrOperationConflict})},
			{UnknownGrace: 20 * time.Minute},
			{Witness: afterTenMinutes(ecsreboot.Testimony{}), WitnessTimeout: 2 * time.Minute},
		} {
			waits.Go(func() {
				_, err := wait(t.Context(), client, options)
				ends[i], outcomes[i] = time.Since(begin), ecsreboot.OutcomeOf(err)
			})
		}
		waits.Wait()
		assert.Equal(t, []ecsreboot.Outcome{ecsreboot.OutcomeRejected, ecsreboot.OutcomeRejected, ecsreboot.OutcomeUnknown}, outcomes)
		assert.InDelta(t, 600, ends[0].Seconds(), 8)
		assert.InDelta(t, 600, ends[1].Seconds(), 8)
		assert.InDelta(t, 120, ends[2].Seconds(), 8)
	})
}

// Another process can ask the witness about a stored error, however old it is.
func TestResolveByWitness(t *testing.T) {
	for _, age := range []time.Duration{0, time.Hour, 30 * 24 * time.Hour} {
		waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
			neverArrives(server)
			_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{})
			text, fault := json.Marshal(err)
			require.NoError(t, fault)
			time.Sleep(age)
			stored := new(ecsreboot.OperationError)
			require.NoError(t, json.Unmarshal(text, stored))
			var asked []ecsreboot.SentRequest
			begin := time.Now()
			_, err = newClient(t, server).Resolve(t.Context(), stored, ecsreboot.WaitOptions{
				Witness: &witnessFunc{testify: func(_ context.Context, request ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
					asked = append(asked, request)
					return ecsreboot.Testimony{Witness: "Trail", Finding: ecsreboot.FindingRefused, Code: ecsreboot.ErrOperationConflict}, nil
				}},
			})
			require.ErrorIs(t, err, ecsreboot.ErrRejected)
			assert.Less(t, time.Since(begin), time.Second)
			require.Len(t, asked, 1)
			assert.Equal(t, stored.SendID, asked[0].SendID)
			assert.NotEmpty(t, asked[0].SendID)
			assert.NotZero(t, asked[0].ServiceTime)
		})
	}
}

// After a resend, the witness is asked about both requests.
func TestWitnessOfTwoRequests(t *testing.T) {
	for name, c := range map[string]struct {
		second   ecsreboot.Testimony
		outcome  ecsreboot.Outcome
		restarts int
	}{
		"accepted": {ecsreboot.Testimony{Finding: ecsreboot.FindingAccepted, RequestID: "R2"}, ecsreboot.OutcomeAccepted, 0},
		"refused":  {ecsreboot.Testimony{Finding: ecsreboot.FindingRefused, Code: ecsreboot.ErrOperationConflict}, ecsreboot.OutcomeUnknown, 0},
		"no trace": {ecsreboot.Testimony{}, ecsreboot.OutcomeUnknown, 0},
	} {
		t.Run(name, func(t *testing.T) {
			waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
				server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Times: 2})
				var asked []string
				_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{
					ResendUnknown: true,
					Witness: &witnessFunc{testify: func(_ context.Context, request ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
						if !slices.Contains(asked, request.SendID) {
							asked = append(asked, request.SendID)
						}
						if len(asked) == 1 {
							return ecsreboot.Testimony{Witness: "Trail"}, nil
						}
						found := c.second
						found.Witness = "Trail"
						return found, nil
					}},
				})
				assert.Equal(t, c.outcome, ecsreboot.OutcomeOf(err), "%v", err)
				assert.Zero(t, server.Reboots(id))
				waited, ok := errors.AsType[*ecsreboot.WaitError](err)
				require.True(t, ok)
				require.Len(t, waited.Sent, 2)
				assert.Equal(t, []string{waited.Sent[0].SendID, waited.Sent[1].SendID}, asked)
				assert.Len(t, waited.Testimony, 2)
			})
		})
	}
}

// A resend that the service refused because the instance was not Running is the sign of a
// restart that it also is without a witness.
func TestWitnessOfRefusedResend(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Times: 2})
		questions := 0
		result, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{
			ResendUnknown: true,
			Witness: &witnessFunc{testify: func(context.Context, ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
				if questions++; questions == 1 {
					return ecsreboot.Testimony{Witness: "Trail"}, nil
				}
				return ecsreboot.Testimony{Witness: "Trail", Finding: ecsreboot.FindingRefused, Code: ecsreboot.ErrIncorrectInstanceStatus}, nil
			}},
		})
		require.NoError(t, err)
		assert.Equal(t, ecsreboot.ProofRefusal, result.Proof)
	})
}

// A witness that panics, or ends its goroutine, does so in the goroutine of the caller.
func TestWitnessPanics(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		neverArrives(server)
		witness := &witnessFunc{testify: func(context.Context, ecsreboot.SentRequest) (ecsreboot.Testimony, error) { panic("a bug") }}
		assert.PanicsWithValue(t, "a bug", func() {
			_, _ = client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{Witness: witness})
		})

		neverArrives(server)
		witness.testify = func(context.Context, ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
			runtime.Goexit()
			return ecsreboot.Testimony{}, nil
		}
		begin := time.Now()
		_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{Witness: witness})
		require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
		assert.LessOrEqual(t, time.Since(begin), 17*time.Minute)
	})
}

// Testimonies and errors of a witness show no secret, and the errors become foreign errors.
func TestWitnessIsScrubbed(t *testing.T) {
	const secret = "Signature=c2VjcmV0c2VjcmV0c2VjcmV0"
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		neverArrives(server)
		var events []ecsreboot.Event
		questions := 0
		_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{
			OnEvent: func(e ecsreboot.Event) { events = append(events, e) },
			Witness: &witnessFunc{testify: func(context.Context, ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
				if questions++; questions == 1 {
					return ecsreboot.Testimony{}, fmt.Errorf("%w: https://u:pw@host/?%s", ecsreboot.ErrAccepted, secret)
				}
				return ecsreboot.Testimony{
					Finding: ecsreboot.FindingRefused, Code: ecsreboot.ErrorCode(secret), Message: secret, RequestID: secret,
					Changes: []ecsreboot.Observation{{At: time.Now(), Status: secret}},
				}, nil
			}},
		})
		require.ErrorIs(t, err, ecsreboot.ErrRejected)
		require.NotErrorIs(t, err, ecsreboot.ErrAccepted)
		text, fault := json.Marshal([]any{err, events})
		require.NoError(t, fault)
		all := string(text) + fmt.Sprintf("%v %+v", err, events)
		assert.NotContains(t, all, "c2VjcmV0")
		assert.NotContains(t, all, "pw@")
	})
}
