package acceptance_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/pace"
)

// Of two requests of unknown outcome, the second is asked about also if the first was
// refused.
func TestWitnessOfBothRequests(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Times: 2})
		_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{ResendUnknown: true})
		require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
		begin := time.Now()
		_, err = client.Resolve(t.Context(), err, ecsreboot.WaitOptions{
			Witness: &witnessFunc{testify: func(context.Context, ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
				return ecsreboot.Testimony{Witness: "Trail", Finding: ecsreboot.FindingRefused, Code: ecsreboot.ErrOperationConflict}, nil
			}},
		})
		require.ErrorIs(t, err, ecsreboot.ErrRejected)
		waited, _ := errors.AsType[*ecsreboot.WaitError](err)
		assert.Len(t, waited.Testimony, 2)
		assert.Less(t, time.Since(begin), time.Minute)
	})
}

// Who leaves a shared restart does not know which requests the others still send. So a
// refusal of the one that it knows of decides nothing.
func TestResolveAfterLeavingOthers(t *testing.T) {
	for name, options := range map[string]ecsreboot.WaitOptions{
		"timeout":    {Timeout: 30 * time.Second},
		"not proven": {UnknownGrace: 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) { testResolveAfterLeavingOthers(t, options) })
	}
}

func testResolveAfterLeavingOthers(t *testing.T, options ecsreboot.WaitOptions) {
	t.Helper()
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		neverArrives(server)
		var left error
		var waits sync.WaitGroup
		waits.Go(func() {
			_, err := wait(t.Context(), client, ecsreboot.WaitOptions{ResendUnknown: true})
			assert.NoError(t, err)
		})
		waits.Go(func() { _, left = wait(t.Context(), client, options) })
		waits.Wait()
		require.ErrorIs(t, left, ecsreboot.ErrOutcomeUnknown)
		require.Equal(t, 1, server.Reboots(id))
		text, err := json.Marshal(left)
		require.NoError(t, err)
		stored := new(ecsreboot.OperationError)
		require.NoError(t, json.Unmarshal(text, stored))
		for _, unknown := range []error{left, stored} {
			_, err = client.Resolve(t.Context(), unknown, ecsreboot.WaitOptions{
				UnknownGrace: -1,
				Witness: &witnessFunc{testify: func(_ context.Context, request ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
					if request.SendID == "" {
						return ecsreboot.Testimony{Witness: "Trail"}, nil
					}
					return ecsreboot.Testimony{Witness: "Trail", Finding: ecsreboot.FindingRefused, Code: ecsreboot.ErrOperationConflict}, nil
				}},
			})
			require.NotErrorIs(t, err, ecsreboot.ErrRejected, "the restart was carried out")
		}
	})
}

// holdSecond is a pacer that holds the second restart.
type holdSecond struct {
	mu       sync.Mutex
	restarts int
	d        time.Duration
}

func (p *holdSecond) Acquire(ctx context.Context, _ pace.Request) (pace.Reservation, error) {
	p.mu.Lock()
	p.restarts++
	second := p.restarts == 2
	p.mu.Unlock()
	if second {
		select {
		case <-time.After(p.d):
		case <-ctx.Done():
		}
	}
	return nil, nil
}

// A resend that waits for the pacer does not leave once a witness has found the first
// request.
func TestTestimonyDuringResend(t *testing.T) {
	for _, found := range []ecsreboot.Testimony{
		{Finding: ecsreboot.FindingAccepted, RequestID: "R"},
		{Finding: ecsreboot.FindingRefused, Code: ecsreboot.ErrInstanceLockedForSecurity},
	} {
		t.Run(string(found.Finding), func(t *testing.T) {
			waitFor(t, invisible, func(t *testing.T, server *ecstest.Server, _ *ecsreboot.Client) {
				client := newClient(t, server, ecsreboot.WithPacer(pace.RebootInstance, &holdSecond{d: 20 * time.Second}))
				server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Act: found.Finding == ecsreboot.FindingAccepted})
				var waits sync.WaitGroup
				for _, options := range []ecsreboot.WaitOptions{
					{ResendUnknown: true, Timeout: 5 * time.Minute},
					{Timeout: 5 * time.Minute, Witness: &witnessFunc{testify: func(_ context.Context, request ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
						if left := 75*time.Second - time.Since(request.SentAt); left > 0 {
							return ecsreboot.Testimony{Witness: "Trail", AskAgain: left}, nil
						}
						return found, nil
					}}},
				} {
					waits.Go(func() {
						_, err := wait(t.Context(), client, options)
						want := ecsreboot.OutcomeAccepted
						if found.Finding == ecsreboot.FindingRefused {
							want = ecsreboot.OutcomeRejected
						}
						assert.Equal(t, want, ecsreboot.OutcomeOf(err), "%v", err)
					})
				}
				waits.Wait()
				sent := 0
				for _, call := range server.Calls() {
					if call.Action == "RebootInstance" {
						sent++
					}
				}
				assert.Equal(t, 1, sent)
			})
		})
	}
}

// A restart that a witness has found refused is over: who calls then wants another one.
func TestNobodyJoinsWhatIsRefused(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		neverArrives(server)
		var waits sync.WaitGroup
		waits.Go(func() {
			_, err := wait(t.Context(), client, ecsreboot.WaitOptions{
				Witness: &witnessFunc{testify: func(context.Context, ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
					return ecsreboot.Testimony{Finding: ecsreboot.FindingRefused, Code: ecsreboot.ErrOperationConflict}, nil
				}},
				OnEvent: func(e ecsreboot.Event) {
					if e.Kind == ecsreboot.EventWitness {
						time.Sleep(10 * time.Second)
					}
				},
			})
			assert.ErrorIs(t, err, ecsreboot.ErrRejected)
		})
		time.Sleep(5 * time.Second)
		_, err := wait(t.Context(), client, ecsreboot.WaitOptions{})
		require.NoError(t, err)
		waits.Wait()
		assert.Equal(t, 1, server.Reboots(id))
	})
}

// A witness that wants to be asked again at once is not asked without a pause.
func TestWitnessInAHurry(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		neverArrives(server)
		witness := &witnessFunc{testify: func(context.Context, ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
			return ecsreboot.Testimony{AskAgain: time.Millisecond}, nil
		}}
		_, err := wait(t.Context(), client, ecsreboot.WaitOptions{Witness: witness, WitnessTimeout: time.Minute})
		require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
		assert.LessOrEqual(t, len(witness.questions()), 62)
	})
}
