package acceptance_test

import (
	"net/http"
	"net/http/httptrace"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// A lost answer is unknown under a caller's own trace, and a failed dial is not sent,
// wherever the trace comes in; the caller's hooks are called once.
func TestLostAnswerUnderATrace(t *testing.T) {
	for _, hook := range []bool{true, false} {
		got := 0
		trace := func() *httptrace.ClientTrace { // a new one each time: WithClientTrace changes it
			trace := &httptrace.ClientTrace{GetConn: func(string) {}}
			if hook {
				trace.GotConn = func(httptrace.GotConnInfo) { got++ }
			}
			return trace
		}
		wrapper := ecsreboot.WithTransportWrapper(func(next http.RoundTripper) http.RoundTripper {
			return tripper(func(req *http.Request) (*http.Response, error) {
				return next.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace())))
			})
		})
		for name, options := range map[string][]ecsreboot.Option{"context": nil, "wrapper": {wrapper}} {
			got = 0
			server := newSocketService(t, ecstest.Options{})
			client := newClient(t, server, append(options, quick())...)
			ctx := t.Context()
			if options == nil {
				ctx = httptrace.WithClientTrace(ctx, trace())
			}
			server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Act: true})
			_, err := client.RebootInstance(ctx, request)
			require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown, name)
			assert.Equal(t, 1, server.Reboots(id), name)
			if hook {
				assert.Equal(t, 1, got, name)
			}
			server.Close()
			_, err = client.RebootInstance(ctx, request)
			require.ErrorIs(t, err, ecsreboot.ErrNotSent, name)
		}
	}
}
