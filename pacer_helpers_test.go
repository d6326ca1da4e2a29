package ecsreboot_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecsreboot/ecsreboot"
)

// The tests of pacers need these as well; internal/acceptance has the same.

const s = time.Second

func wrapped(roundTrip func(next http.RoundTripper, req *http.Request) (*http.Response, error)) ecsreboot.Option {
	return ecsreboot.WithTransportWrapper(func(next http.RoundTripper) http.RoundTripper {
		return roundTripFunc(func(req *http.Request) (*http.Response, error) { return roundTrip(next, req) })
	})
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

const (
	notSent  = ecsreboot.OutcomeNotSent
	rejected = ecsreboot.OutcomeRejected
	unknown  = ecsreboot.OutcomeUnknown
	accepted = ecsreboot.OutcomeAccepted
)

func assertOutcome(t *testing.T, want ecsreboot.Outcome, err error) {
	t.Helper()
	assert.Equal(t, want, ecsreboot.OutcomeOf(err))
	for outcome, sentinel := range map[ecsreboot.Outcome]error{
		notSent: ecsreboot.ErrNotSent, rejected: ecsreboot.ErrRejected, unknown: ecsreboot.ErrOutcomeUnknown, accepted: ecsreboot.ErrAccepted,
	} {
		assert.Equal(t, outcome == want, errors.Is(err, sentinel), "%v: %v", sentinel, err)
	}
}
