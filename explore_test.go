package ecsreboot_test

import (
	"context"
	"testing"
	"time"
	"net/http"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

func TestExplore(t *testing.T) {
	t.Run("timeout in baseline", func(t *testing.T) {
		waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
			server.Inject(ecstest.Fault{Kind: ecstest.FaultHang, Times: -1})
			_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{Timeout: 5 * time.Second})
			t.Log(err)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			_, err = client.RebootAndWait(ctx, request, ecsreboot.WaitOptions{})
			t.Log(err)
		})
	})
	t.Run("timeout in gate", func(t *testing.T) {
		waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
			server.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle, Action: "RebootInstance", Times: -1, Hint: 90 * s})
			_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{Timeout: 5 * time.Second})
			t.Log(err)
		})
	})
	t.Run("leave before the send, not last", func(t *testing.T) {
		waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
			server.Inject(ecstest.Fault{Kind: ecstest.FaultDelay, Delay: 20 * time.Second})
			go client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{})
			time.Sleep(1)
			_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{Timeout: 5 * time.Second})
			t.Log(err, ecsreboot.OutcomeOf(err))
			time.Sleep(time.Hour)
		})
	})
	t.Run("join after it is over", func(t *testing.T) {
		waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
			go client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{Probe: func(context.Context, ecsreboot.Observation) (ecsreboot.ProbeResult, error) {
				return ecsreboot.ProbePending, nil
			}})
			time.Sleep(5*time.Minute)
			begin := time.Now()
			r, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{Timeout: 5 * time.Second})
			t.Log(err, r.SentAt.Sub(begin), time.Since(begin), server.Reboots(id))
			time.Sleep(time.Hour)
		})
	})
	t.Run("slow event and resend", func(t *testing.T) {
		waitFor(t, ecstest.RebootProfile{Graceful: 10*s}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
			server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Late: 62*s})
			begin := time.Now()
			r, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{ResendUnknown: true, OnEvent: func(e ecsreboot.Event) {
				if time.Since(begin) > 59*s { time.Sleep(30*s) }
			}})
			t.Log(err, r, server.Reboots(id))
			time.Sleep(time.Hour)
			t.Log(server.Reboots(id))
		})
	})
	t.Run("slow way back", func(t *testing.T) {
		waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, _ *ecsreboot.Client) {
			// 00:00:30 now. Somebody starts the instance at 00:01:01, we send at 00:01:05, in vain.
			client := newClient(t, server, ecsreboot.WithTransportWrapper(func(rt http.RoundTripper) http.RoundTripper { return slow{rt} }))
			time.Sleep(31*s)
			require.NoError(t, server.SetStatus(id, ecstest.Stopped))
			require.NoError(t, server.SetStatus(id, ecstest.Running))
			time.Sleep(4*s)
			server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance"})
			_, unknown := client.RebootInstance(t.Context(), request)
			r, err := client.Resolve(t.Context(), unknown, ecsreboot.WaitOptions{})
			t.Logf("%+v %v %d", r, err, server.Reboots(id))
		})
	})
	t.Run("rejected attempts", func(t *testing.T) {
		waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
			server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Action: "RebootInstance", Code: "DiskError"})
			_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{ResendUnknown: true})
			t.Logf("%#v", err)
			server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance"})
			server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Action: "RebootInstance", Code: "DiskError"})
			_, err = client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{ResendUnknown: true})
			t.Logf("%v %+v", err, err)
		})
	})
}

type slow struct{ http.RoundTripper }

func (s slow) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.RoundTripper.RoundTrip(r)
	time.Sleep(20*time.Second)
	return resp, err
}
