package main

import (
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/benchmarks/call"
	"github.com/ecsreboot/ecsreboot/internal/benchmarks/clients"
)

const instanceID = "i-bp67acfmxazb4ph0001"

// patience is how long a caller without a deadline is watched.
const patience = time.Hour

var faultsFile = flag.String("faults", "", "write the lost answers as JSON to this file")

// lostAnswers are the rows of the table. The service has carried out the restart
// before it shows the fault, except when it throttles. Times -1 shows it to each
// attempt of the call, otherwise it is shown to the first.
var lostAnswers = []struct {
	name  string
	fault ecstest.Fault
	want  [8]string // of the clients in order, each as it is and then with each of its switches; typed is as openapi
}{
	{
		name:  "connection reset",
		fault: ecstest.Fault{Kind: ecstest.FaultDrop, Act: true, Times: -1},
		want:  resent,
	},
	{
		name:  "connection reset once",
		fault: ecstest.Fault{Kind: ecstest.FaultDrop, Act: true},
		want:  [...]string{"1, an error", "1, outcome unknown", "1, outcome unknown", "1, an error", "2, success", "1, an error", "1, an error", "2, success"},
	},
	{
		name:  "connection closed in order",
		fault: ecstest.Fault{Kind: ecstest.FaultFIN, Act: true, Times: -1},
		want:  resent,
	},
	{
		name:  "half a status line",
		fault: ecstest.Fault{Kind: ecstest.FaultHalfStatusLine, Act: true, Times: -1},
		want:  resent,
	},
	{
		name:  "never an answer",
		fault: ecstest.Fault{Kind: ecstest.FaultHang, Act: true, Times: -1},
		want:  [...]string{"1, no end", "1, outcome unknown", "1, outcome unknown", "1, an error", "4, an error", "1, no end", "1, no end", "1, no end"},
	},
	{
		name:  "500 InternalError",
		fault: ecstest.Fault{Kind: ecstest.FaultError, Status: http.StatusInternalServerError, Act: true, Times: -1},
		want:  resent,
	},
	{
		name:  "503 ServiceUnavailable",
		fault: ecstest.Fault{Kind: ecstest.FaultError, Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable", Act: true, Times: -1},
		want:  resent,
	},
	{
		name:  "throttled once, nothing done",
		fault: ecstest.Fault{Kind: ecstest.FaultThrottle},
		want: [...]string{
			"0 by 1 request, an error", "1 by 2 requests, success", "1 by 2 requests, success",
			"0 by 1 request, an error", "0 by 1 request, an error",
			"0 by 1 request, an error", "0 by 1 request, an error", "1 by 2 requests, success",
		},
	},
}

// resent is what most lost answers come to: what repeats calls repeats the restart.
// openapi ignores the first of its switches.
var resent = [...]string{"1, an error", "1, outcome unknown", "1, outcome unknown", "1, an error", "4, an error", "1, an error", "1, an error", "3, an error"}

// restart makes one call of a client against a service with the faults, and returns the
// result. It needs a synctest bubble, where hours take no time.
func restart(t *testing.T, newClient call.New, retry string, faults ...ecstest.Fault) Restarts {
	t.Helper()
	server, err := ecstest.NewInMemoryServer(ecstest.Options{})
	require.NoError(t, err)
	defer server.Close()
	// It is Running again at once, so that a second restart is not refused.
	require.NoError(t, server.AddInstance(ecstest.Instance{ID: instanceID, Reboot: ecstest.RebootProfile{Graceful: -1}}))
	server.Inject(faults...)
	transport := server.HTTPClient().Transport.(*http.Transport)
	defer transport.CloseIdleConnections()
	do, err := newClient(call.Config{Endpoint: server.URL, Transport: transport, Retry: retry})
	require.NoError(t, err)

	done, start := make(chan error, 1), time.Now()
	go func() { done <- do(t.Context(), instanceID) }()
	var told string
	select {
	case err := <-done:
		switch {
		case err == nil:
			told = "success"
		case errors.Is(err, ecsreboot.ErrOutcomeUnknown):
			told = "outcome unknown"
		default:
			told = "an error"
		}
	case <-time.After(patience):
		told = neverEnded
	}
	result := Restarts{Restarts: server.Reboots(instanceID), Requests: len(server.Calls()), Told: told, Took: time.Since(start)}
	if told == neverEnded {
		server.Close()
		<-done
	}
	// A body that a client forgot to close holds its goroutine until its time limit.
	time.Sleep(time.Minute)
	return result
}

// settings are the client as it is, and then each of its switches.
func settings(client clients.Client) []string { return append([]string{""}, client.Retries...) }

func TestClientsRestartOnce(t *testing.T) {
	for _, client := range clients.All() {
		for _, retry := range settings(client) {
			synctest.Test(t, func(t *testing.T) {
				got := restart(t, client.New, retry)
				require.Equal(t, Restarts{Restarts: 1, Requests: 1, Told: "success"}, got, "%s %s", client.Name, retry)
			})
		}
	}
}

// loseAnswers makes the table.
func loseAnswers(t *testing.T) []LostAnswer {
	t.Helper()
	var table []LostAnswer
	for _, row := range lostAnswers {
		outcome := LostAnswer{Fault: row.name}
		for _, client := range clients.All() {
			for _, retry := range settings(client) {
				synctest.Test(t, func(t *testing.T) {
					got := restart(t, client.New, retry, row.fault)
					got.Client, got.Retry = client.Name, retry
					outcome.Results = append(outcome.Results, got)
				})
			}
		}
		table = append(table, outcome)
	}
	return table
}

func TestLostAnswers(t *testing.T) {
	if *faultsFile != "" {
		t.Skip("the file may be for other versions of the clients")
	}
	for i, got := range loseAnswers(t) {
		want := lostAnswers[i].want[:]
		if clients.Typed {
			want = append(want, want[5:]...)
		}
		require.Len(t, got.Results, len(want))
		for j, want := range want {
			result := got.Results[j]
			require.Equal(t, want, result.String(), "%s: %s %s", got.Fault, result.Client, result.Retry)
		}
	}
}

func TestWriteLostAnswers(t *testing.T) {
	if *faultsFile == "" {
		t.Skip("nothing asked for it")
	}
	text, err := json.Marshal(loseAnswers(t))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(*faultsFile, text, 0o600))
}
