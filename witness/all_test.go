package witness_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/witness"
)

// teller is a witness that returns what a test sets.
type teller func() (ecsreboot.Testimony, error)

func (f teller) Testify(context.Context, ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
	return f()
}

func says(testimony ecsreboot.Testimony) teller {
	return func() (ecsreboot.Testimony, error) { return testimony, nil }
}

func fails(err error) teller {
	return func() (ecsreboot.Testimony, error) { return ecsreboot.Testimony{}, err }
}

var errBroken = errors.New("broken")

func TestAll(t *testing.T) {
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	stopping, running := ecsreboot.Observation{At: at, Status: ecsreboot.StatusStopping}, ecsreboot.Observation{At: at.Add(time.Minute), Status: ecsreboot.StatusRunning}
	accepted := says(ecsreboot.Testimony{Witness: "A", Finding: ecsreboot.FindingAccepted, RequestID: "R"})
	refused := says(ecsreboot.Testimony{Witness: "B", Finding: ecsreboot.FindingRefused, Code: ecsreboot.ErrDiskError, Message: "bad disk"})
	none := says(ecsreboot.Testimony{Witness: "C", Finding: ecsreboot.FindingNoTrace, AskAgain: 10 * time.Minute, Message: "too early"})
	changes := says(ecsreboot.Testimony{Witness: "D", Changes: []ecsreboot.Observation{running, stopping}, AskAgain: 30 * time.Second})
	denied := fails(errors.Join(errors.New("grant x:Y"), ecsreboot.ErrAccessDenied))
	for name, c := range map[string]struct {
		witnesses []ecsreboot.Witness
		want      ecsreboot.Testimony
		problem   string
		is, isNot error
	}{
		"finding": {
			witnesses: []ecsreboot.Witness{none, accepted, changes, nil},
			want: ecsreboot.Testimony{
				Witness: "A", Finding: ecsreboot.FindingAccepted, RequestID: "R", Message: "C: too early",
				Changes: []ecsreboot.Observation{stopping, running}, AskAgain: 30 * time.Second,
			},
		},
		"no finding": {
			witnesses: []ecsreboot.Witness{none, changes},
			want: ecsreboot.Testimony{
				Witness: "C and D", Finding: ecsreboot.FindingNoTrace, Message: "C: too early",
				Changes: []ecsreboot.Observation{stopping, running}, AskAgain: 30 * time.Second,
			},
		},
		"agreement": {
			witnesses: []ecsreboot.Witness{refused, refused},
			want:      ecsreboot.Testimony{Witness: "B and B", Finding: ecsreboot.FindingRefused, Code: ecsreboot.ErrDiskError, Message: "bad disk; B: bad disk"},
		},
		"contradiction": {witnesses: []ecsreboot.Witness{accepted, refused}, problem: "the witnesses contradict each other: A: accepted (request R); B: refused with DiskError"},
		"one fails": {
			witnesses: []ecsreboot.Witness{fails(errBroken), accepted},
			want:      ecsreboot.Testimony{Witness: "A", Finding: ecsreboot.FindingAccepted, RequestID: "R", Message: "broken", AskAgain: 30 * time.Second},
		},
		"one panics": {
			witnesses: []ecsreboot.Witness{teller(func() (ecsreboot.Testimony, error) { panic(secret) }), accepted},
			want:      ecsreboot.Testimony{Witness: "A", Finding: ecsreboot.FindingAccepted, RequestID: "R", Message: "a witness panicked", AskAgain: 30 * time.Second},
		},
		"one is denied": {
			witnesses: []ecsreboot.Witness{denied, none},
			want:      ecsreboot.Testimony{Witness: "C", Finding: ecsreboot.FindingNoTrace, AskAgain: 10 * time.Minute, Message: "grant x:Y ecsreboot: access denied; C: too early"},
		},
		"all fail":       {witnesses: []ecsreboot.Witness{fails(errBroken), fails(errBroken)}, problem: "broken; broken", is: errBroken},
		"fail or denied": {witnesses: []ecsreboot.Witness{denied, fails(errBroken)}, problem: "grant x:Y", is: errBroken, isNot: ecsreboot.ErrAccessDenied},
		"all denied":     {witnesses: []ecsreboot.Witness{denied, denied}, problem: "grant x:Y", is: ecsreboot.ErrAccessDenied},
	} {
		t.Run(name, func(t *testing.T) {
			testimony, err := witness.All(c.witnesses...).Testify(t.Context(), ecsreboot.SentRequest{SendID: "abc"})
			if c.problem != "" {
				require.ErrorContains(t, err, c.problem)
				require.Equal(t, ecsreboot.Testimony{}, testimony)
				if c.is != nil {
					require.ErrorIs(t, err, c.is)
				}
				if c.isNot != nil {
					require.NotErrorIs(t, err, c.isNot)
				}
				return
			}
			require.NoError(t, err)
			c.want.SendID = "abc"
			require.InDelta(t, c.want.AskAgain, testimony.AskAgain, float64(6*time.Second))
			testimony.AskAgain = c.want.AskAgain
			require.Equal(t, c.want, testimony)
		})
	}
	require.Nil(t, witness.All())
	require.Nil(t, witness.All(nil))
}

// A witness without a permission is asked and reported once.
func TestAllDropsTheDenied(t *testing.T) {
	asked := 0
	denied := teller(func() (ecsreboot.Testimony, error) {
		asked++
		return ecsreboot.Testimony{}, errors.Join(errors.New("grant x:Y"), ecsreboot.ErrAccessDenied)
	})
	all := witness.All(denied, says(ecsreboot.Testimony{Witness: "C", AskAgain: time.Minute}))
	first, err := all.Testify(t.Context(), ecsreboot.SentRequest{})
	require.NoError(t, err)
	require.Contains(t, first.Message, "grant x:Y")
	second, err := all.Testify(t.Context(), ecsreboot.SentRequest{})
	require.NoError(t, err)
	require.Empty(t, second.Message)
	require.Equal(t, 1, asked)

	alone := witness.All(denied)
	for range 2 {
		_, err := alone.Testify(t.Context(), ecsreboot.SentRequest{})
		require.ErrorIs(t, err, ecsreboot.ErrAccessDenied)
	}
}

// A witness that does not answer does not hide what another one found.
func TestAllDoesNotHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		hangs := teller(func() (ecsreboot.Testimony, error) { <-release; return ecsreboot.Testimony{}, nil })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin := time.Now()
		testimony, err := witness.All(hangs, says(ecsreboot.Testimony{Witness: "A", Finding: ecsreboot.FindingAccepted})).Testify(ctx, ecsreboot.SentRequest{})
		require.NoError(t, err)
		require.Equal(t, ecsreboot.FindingAccepted, testimony.Finding)
		require.Equal(t, time.Minute, time.Since(begin))
		close(release)
	})
}
