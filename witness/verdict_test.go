package witness_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/witness"
)

// lossy is a way to lose a response.
type lossy struct {
	name string
	// fault hides what became of a request that arrived. nothing shows the same to the
	// client if the request did not arrive; it is fault if it has no Kind.
	fault, nothing ecstest.Fault
}

// gatewayError is an error response that something in front of the service sends.
func gatewayError(status int, code string) ecstest.Fault {
	return ecstest.Fault{
		Kind: ecstest.FaultAnswer, Status: status, Header: http.Header{"Content-Type": {"application/json"}},
		Body: `{"Code":"` + code + `","Message":"x","RequestId":"4C4B2A1E-0000-4000-8000-000000000001"}`,
	}
}

var lossies = []lossy{
	{name: "connection reset", fault: ecstest.Fault{Kind: ecstest.FaultDrop}},
	{name: "connection closed", fault: ecstest.Fault{Kind: ecstest.FaultFIN}},
	{name: "no response", fault: ecstest.Fault{Kind: ecstest.FaultHang}},
	{name: "half a status line", fault: ecstest.Fault{Kind: ecstest.FaultHalfStatusLine}},
	{name: "body cut off", fault: ecstest.Fault{Kind: ecstest.FaultTruncate}, nothing: ecstest.Fault{Kind: ecstest.FaultTruncate, Code: "Throttling"}},
	{name: "body stalls", fault: ecstest.Fault{Kind: ecstest.FaultStall}, nothing: ecstest.Fault{Kind: ecstest.FaultStall, Code: "Throttling"}},
	{name: "502 of a proxy", fault: ecstest.Fault{Kind: ecstest.FaultAnswer}},
	{
		name:  "503 ServiceUnavailable",
		fault: ecstest.Fault{Kind: ecstest.FaultError, Status: 503, Code: "ServiceUnavailable"}, nothing: gatewayError(503, "ServiceUnavailable"),
	},
	{name: "500 InternalError", fault: ecstest.Fault{Kind: ecstest.FaultError, Status: 500}, nothing: gatewayError(500, "InternalError")},
	{name: "200 without JSON", fault: ecstest.Fault{Kind: ecstest.FaultAnswer, Status: 200, Body: "OK"}},
	{name: "200 without request ID", fault: ecstest.Fault{Kind: ecstest.FaultAnswer, Status: 200, Body: "{}", Header: http.Header{"Content-Type": {"application/json"}}}},
	{name: "closed after the headers", fault: ecstest.Fault{Kind: ecstest.FaultAnswer, Status: 200, Header: http.Header{"Content-Length": {"100"}}}},
	{name: "redirect", fault: ecstest.Fault{Kind: ecstest.FaultAnswer, Status: 302, Header: http.Header{"Location": {"http://127.0.0.1:1/"}}}},
}

// fates are what can become of a request.
var fates = []struct {
	name     string
	restarts int
	reboot   ecstest.RebootProfile
	apply    func(l lossy) ecstest.Fault
}{
	{
		name: "restarted", restarts: 1, reboot: ecstest.RebootProfile{Graceful: 40 * time.Second},
		apply: func(l lossy) ecstest.Fault { l.fault.Act = true; return l.fault },
	},
	{ // no poll shows the restart
		name: "unseen", restarts: 1, reboot: ecstest.RebootProfile{
			Path:     []ecsreboot.Status{ecsreboot.StatusStopping, ecsreboot.StatusStarting},
			Graceful: 40 * time.Second, Stale: time.Minute, KeepStartTime: true,
		},
		apply: func(l lossy) ecstest.Fault { l.fault.Act = true; return l.fault },
	},
	{
		name: "refused", reboot: ecstest.RebootProfile{},
		apply: func(l lossy) ecstest.Fault { l.fault.Refuse = "DiskError"; return l.fault },
	},
	{
		name: "never arrived", reboot: ecstest.RebootProfile{},
		apply: func(l lossy) ecstest.Fault {
			if l.nothing.Kind != "" {
				return l.nothing
			}
			return l.fault
		},
	},
}

// However the response is lost, and whatever the service did, no verdict is wrong. With
// ActionTrail, the outcome of each request that arrived is resolved.
func TestVerdicts(t *testing.T) {
	trail := func(t *testing.T, s *stage) ecsreboot.Witness {
		w, err := witness.NewActionTrail(s.options(t))
		require.NoError(t, err)
		return w
	}
	changes := func(t *testing.T, s *stage) ecsreboot.Witness {
		w, err := witness.NewStateChanges(s.options(t))
		require.NoError(t, err)
		return w
	}
	witnesses := []struct {
		name string
		make func(*testing.T, *stage) ecsreboot.Witness
	}{
		{"none", func(*testing.T, *stage) ecsreboot.Witness { return nil }},
		{"ActionTrail", trail},
		{"StateChanges", changes},
		{"both", func(t *testing.T, s *stage) ecsreboot.Witness { return witness.All(trail(t, s), changes(t, s)) }},
	}
	var table strings.Builder
	fmt.Fprintf(&table, "\n%-26s%-15s", "the response", "the request")
	for _, w := range witnesses {
		fmt.Fprintf(&table, "%-24s", w.name)
	}
	ways := lossies
	if testing.Short() { // under the race detector, say
		ways = []lossy{lossies[0], lossies[5], lossies[8]}
	}
	for _, l := range ways {
		for _, fate := range fates {
			fmt.Fprintf(&table, "\n%-26s%-15s", l.name, fate.name)
			for _, w := range witnesses {
				t.Run(l.name+"/"+fate.name+"/"+w.name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := newStage(t, ecstest.Options{})
						s.RemoveInstance(id)
						require.NoError(t, s.AddInstance(ecstest.Instance{ID: id, Reboot: fate.reboot}))
						fault := fate.apply(l)
						fault.Action = "RebootInstance"
						s.Inject(fault)
						begin := time.Now()
						result, err := s.client.RebootAndWait(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id}, ecsreboot.WaitOptions{Witness: w.make(t, s)})
						require.Equal(t, fate.restarts, s.Reboots(id))
						var verdict string
						switch {
						case err == nil:
							require.NotZero(t, fate.restarts, "wrong")
							verdict = "proven by " + string(result.Proof)
						case errors.Is(err, ecsreboot.ErrRejected), errors.Is(err, ecsreboot.ErrNotSent):
							require.Zero(t, fate.restarts, "wrong")
							require.ErrorIs(t, err, ecsreboot.ErrDiskError)
							verdict = "refused"
						case errors.Is(err, ecsreboot.ErrAccepted):
							require.NotZero(t, fate.restarts, "wrong")
							verdict = "accepted"
						default:
							require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
							verdict = "unknown"
						}
						switch w.name {
						case "ActionTrail", "both":
							require.Equal(t, fate.name == "never arrived", verdict == "unknown", "%v", err)
						case "StateChanges":
							require.Equal(t, fate.restarts == 0, verdict == "unknown", "%v", err)
						}
						fmt.Fprintf(&table, "%-24s", verdict+" "+time.Since(begin).Round(time.Second).String())
					})
				})
			}
		}
	}
	t.Log(table.String())
}
