package bootid_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/witness"
	"github.com/ecsreboot/ecsreboot/witness/bootid"
)

const (
	id     = "i-bp67acfmxazb4ph0001"
	region = "cn-hangzhou"
)

func options(t *testing.T, endpoint string, client *http.Client) witness.Options {
	t.Helper()
	credential, err := credentials.NewCredential(new(credentials.Config).SetType("access_key").SetAccessKeyId("testid").SetAccessKeySecret("testsecret"))
	require.NoError(t, err)
	return witness.Options{Credential: credential, Endpoint: endpoint, HTTPClient: client}
}

// bubble runs a test with fake time, a service and an instance.
func bubble(t *testing.T, o ecstest.Options, instance ecstest.Instance, f func(*testing.T, *ecstest.Server, *ecsreboot.Client, *bootid.Guest)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server, err := ecstest.NewInMemoryServer(o)
		require.NoError(t, err)
		t.Cleanup(server.Close)
		instance.ID = id
		require.NoError(t, server.AddInstance(instance))
		client, err := server.NewClient()
		require.NoError(t, err)
		guest, err := bootid.New(options(t, server.URL, server.HTTPClient()))
		require.NoError(t, err)
		time.Sleep(time.Hour)
		f(t, server, client, guest)
	})
}

var unseen = ecstest.Instance{Reboot: ecstest.RebootProfile{Graceful: 20 * time.Second, Stale: time.Minute, KeepStartTime: true}}

// The boot ID proves a restart that no poll shows and whose response is lost, and its
// absence proves nothing.
func TestProbe(t *testing.T) {
	for name, act := range map[string]bool{"restarted": true, "never arrived": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, ecstest.Options{}, unseen, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client, guest *bootid.Guest) {
				before, err := guest.Read(t.Context(), region, id)
				require.NoError(t, err)
				again, err := guest.Read(t.Context(), region, id)
				require.NoError(t, err)
				require.Equal(t, before, again)
				server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Act: act})
				result, err := client.RebootAndWait(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id}, ecsreboot.WaitOptions{Probe: guest.Probe(region, id, before)})
				if !act {
					require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
					return
				}
				require.NoError(t, err)
				require.Equal(t, ecsreboot.ProofProbe, result.Proof)
			})
		})
	}
}

// The number of boots is exact, and arming twice with the same token arms once.
func TestBoots(t *testing.T) {
	bubble(t, ecstest.Options{}, unseen, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client, guest *bootid.Guest) {
		server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RunCommand", Act: true})
		counter, err := guest.Arm(t.Context(), region, id, "token-1")
		require.NoError(t, err)
		again, err := guest.Arm(t.Context(), region, id, "token-1")
		require.NoError(t, err)
		require.Equal(t, counter, again)
		stored, err := json.Marshal(counter)
		require.NoError(t, err)
		counter = bootid.Counter{}
		require.NoError(t, json.Unmarshal(stored, &counter))
		for n := range 4 {
			boots, err := guest.Boots(t.Context(), counter)
			require.NoError(t, err)
			require.Equal(t, n, boots)
			_, err = client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id})
			require.NoError(t, err)
			time.Sleep(5 * time.Minute)
		}
		for range 2 {
			require.NoError(t, guest.Disarm(t.Context(), counter))
		}
		_, err = client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id})
		require.NoError(t, err)
		time.Sleep(5 * time.Minute)
		boots, err := guest.Boots(t.Context(), counter)
		require.NoError(t, err)
		require.Equal(t, 4, boots)
	})
}

func TestNothingToRead(t *testing.T) {
	bubble(t, ecstest.Options{}, ecstest.Instance{NoAgent: true}, func(t *testing.T, _ *ecstest.Server, _ *ecsreboot.Client, guest *bootid.Guest) {
		_, err := guest.Read(t.Context(), region, id)
		require.ErrorContains(t, err, "the command in the guest failed: Aborted, ClientNotRunning")
	})
	denied := ""
	bubble(t, ecstest.Options{Allow: func(action, _ string) bool { return action != denied }}, ecstest.Instance{}, func(t *testing.T, server *ecstest.Server, _ *ecsreboot.Client, guest *bootid.Guest) {
		for _, denied = range []string{"RunCommand", "DescribeInvocationResults"} {
			_, err := guest.Read(t.Context(), region, id)
			require.ErrorIs(t, err, ecsreboot.ErrAccessDenied)
			require.ErrorContains(t, err, "ecs:"+denied)
		}
		denied = "StopInvocation"
		counter, err := guest.Arm(t.Context(), region, id, "")
		require.NoError(t, err)
		require.ErrorIs(t, guest.Disarm(t.Context(), counter), ecsreboot.ErrAccessDenied)
		denied = ""
		server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RunCommand", Times: -1})
		_, err = guest.Read(t.Context(), region, id)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "://")
	})
}

func TestInput(t *testing.T) {
	guest, err := bootid.New(options(t, "http://127.0.0.1:1", &http.Client{Transport: responder(func() string { panic("a call") })}))
	require.NoError(t, err)
	for field, f := range map[string]func() error{
		"InstanceID": func() error { _, err := guest.Read(t.Context(), region, "i/1"); return err },
		"Region":     func() error { _, err := guest.Read(t.Context(), "x", id); return err },
		"token":      func() error { _, err := guest.Arm(t.Context(), region, id, strings.Repeat("x", 65)); return err },
		"InvokeID": func() error {
			_, err := guest.Boots(t.Context(), bootid.Counter{Region: region, InstanceID: id})
			return err
		},
		"before": func() error { _, err := guest.Probe(region, id, "")(t.Context(), ecsreboot.Observation{}); return err },
	} {
		refused, ok := errors.AsType[*ecsreboot.InputError](f())
		require.True(t, ok, field)
		require.Equal(t, field, refused.Field)
	}
	_, err = bootid.New(witness.Options{Timeout: -1})
	require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
}

// responder responds to each request with a body.
type responder func() string

func (f responder) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(f())), Request: r}, nil
}

// An invalid response leads to an error and no boot ID.
func TestUnreadable(t *testing.T) {
	encode := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	good := encode("c6a1a5a0-7c34-4a6c-9f0e-0123456789ab\n")
	for name, c := range map[string]struct{ result, problem string }{
		"good":           {result: `{"InvokeId":"t-1","InstanceId":"` + id + `","InvocationStatus":"Success","Output":"` + good + `"}`},
		"other instance": {result: `{"InvokeId":"t-1","InstanceId":"i-2","InvocationStatus":"Success","Output":"` + good + `"}`, problem: "no result within 1m0s"},
		"other command":  {result: `{"InvokeId":"t-2","InstanceId":"` + id + `","InvocationStatus":"Success","Output":"` + good + `"}`, problem: "no result within 1m0s"},
		"null":           {result: `null`, problem: "no result within 1m0s"},
		"pending":        {result: `{"InvokeId":"t-1","InstanceId":"` + id + `","InvocationStatus":"Pending"}`, problem: "no result within 1m0s"},
		"no boot ID":     {result: `{"InvokeId":"t-1","InstanceId":"` + id + `","InvocationStatus":"Success","Output":"` + encode("Last login") + `"}`, problem: "is not a boot ID"},
		"empty":          {result: `{"InvokeId":"t-1","InstanceId":"` + id + `","InvocationStatus":"Success","Output":""}`, problem: "is not a boot ID"},
		"no base64":      {result: `{"InvokeId":"t-1","InstanceId":"` + id + `","InvocationStatus":"Success","Output":"%"}`, problem: "is not a boot ID"},
		"failed":         {result: `{"InvokeId":"t-1","InstanceId":"` + id + `","InvocationStatus":"Failed","ErrorCode":"ExitCodeNonzero","ExitCode":127,"Output":"` + good + `"}`, problem: "Failed, ExitCodeNonzero, exit code 127"},
		"wrong type":     {result: `{"InvokeId":7}`, problem: "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first := true
				guest, err := bootid.New(options(t, "http://127.0.0.1:1", &http.Client{Transport: responder(func() string {
					if first {
						first = false
						return `{"InvokeId":"t-1"}`
					}
					return `{"Invocation":{"InvocationResults":{"InvocationResult":[` + c.result + `]}}}`
				})}))
				require.NoError(t, err)
				bootID, err := guest.Read(t.Context(), region, id)
				if c.problem != "" {
					require.ErrorContains(t, err, c.problem)
					require.Empty(t, bootID)
					return
				}
				require.NoError(t, err)
				require.Equal(t, "c6a1a5a0-7c34-4a6c-9f0e-0123456789ab", bootID)
			})
		})
	}
}
