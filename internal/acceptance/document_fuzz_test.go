package acceptance_test

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
)

// expected is what a restart must come to that is answered so, and whether it may be
// sent again.
func (m said) expected(status int, headerID string) (outcome ecsreboot.Outcome, again bool) {
	switch {
	case m.unreadable:
		return unknown, false
	case status/100 == 2:
		if m.requestID != "" && !m.failure {
			return accepted, false
		}
		return unknown, false
	case m.requestID == "" && headerID == "":
		return unknown, false
	}
	switch m.code {
	case "Throttling", "Throttling.User":
		if status/100 == 4 || status == 503 {
			return rejected, true
		}
	case "IllegalTimestamp":
		if status/100 == 4 {
			return rejected, true
		}
	case "IncorrectInstanceStatus", "THROTTLING", "Some.New.Code", "200":
		if status/100 == 4 {
			return rejected, false
		}
	}
	return unknown, false
}

// requireMeaning answers a restart with a document, and holds what comes of it against
// what the document means.
func requireMeaning(t *testing.T, s *script) {
	t.Helper()
	w := writeDocument(s)
	status := oneOf(s, 200, 400, 403, 503, 202, 404, 429, 500, 502, 301)
	header := http.Header{"Date": {"Fri, 02 Jan 2026 03:04:18 GMT"}}
	id := oneOf(s, "", headerID)
	if id != "" {
		header.Set("X-Acs-Request-Id", id)
	}
	want, again := w.expected(status, id)
	attempts := 0
	way := roundTripFunc(func(req *http.Request) (*http.Response, error) {
		attempts++
		if attempts > 1 { // it was taken for a refusal that allows it
			return answered(200, nil, `{"RequestId":"R"}`, -1).RoundTrip(req)
		}
		return answered(status, header, w.text, -1).RoundTrip(req)
	})
	policy := ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{MaxAttempts: 2, BaseDelay: -1, MaxThrottleWait: -1})
	response, err := fuzzClient(t, way, policy).RebootInstance(t.Context(), request)
	throttled := errors.Is(err, ecsreboot.ErrThrottled) // with the policy, it would have been sent again
	got := ecsreboot.OutcomeOf(err)
	if err == nil {
		got = accepted
	}
	if attempts > 1 {
		got, throttled = rejected, true
	}
	if w.unusual && got == unknown {
		return
	}
	require.Equal(t, want, got, "%d %q: %v", status, w.text, err)
	require.Equal(t, again, throttled, "%d %q: %v", status, w.text, err)
	if err == nil && attempts == 1 {
		require.Equal(t, w.requestID, response.RequestID, "%q", w.text)
	}
	if answer, ok := errors.AsType[*ecsreboot.APIError](err); ok && !w.unreadable && !w.unusual && w.code != "" {
		require.ErrorIs(t, err, ecsreboot.ErrorCode(w.code), "%q", w.text)
		require.Equal(t, strings.Fields(w.requestID + " " + id)[:min(1, len(w.requestID+id))], strings.Fields(answer.RequestID), "%q", w.text)
	}
}

// A document means what its writer meant, in whatever form it was written: thousands
// of them.
func TestDocumentsMeanWhatTheirWriterMeant(t *testing.T) {
	documents := 2000
	if longTests {
		documents = 10_000
	}
	random := rand.New(rand.NewPCG(20, 26))
	for range documents {
		text := make([]byte, 700)
		for i := range text {
			text[i] = byte(random.Uint32())
		}
		requireMeaning(t, &script{text})
	}
}

// FuzzDocument is the same, with a script that the fuzzer looks for.
func FuzzDocument(f *testing.F) {
	f.Add([]byte{})
	random := rand.New(rand.NewPCG(20, 27))
	for n := range 50 {
		text := make([]byte, 20+n*10)
		for i := range text {
			text[i] = byte(random.Uint32())
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) { requireMeaning(t, &script{text}) })
}
