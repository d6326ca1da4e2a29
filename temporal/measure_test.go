package ecstemporal

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

var measure = flag.String("measure", "", "numbers of instances, such as 100,1000, to measure the histories of with -record")

// TestMeasure prints how large the histories of runs are on a real server, which is
// the table of the README:
//
//	go test -run '^TestMeasure$' -v -record 127.0.0.1:7233 -measure 100,1000 -timeout 1h .
func TestMeasure(t *testing.T) {
	if *record == "" || *measure == "" {
		t.Skip("needs a server and numbers: -record, -measure")
	}
	c := dial(t)
	defer c.Close()
	for text := range strings.SplitSeq(*measure, ",") {
		n, err := strconv.Atoi(text)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		name := fmt.Sprintf("measure-%d-%d", n, time.Now().Unix())
		service, err := ecstest.NewServer(ecstest.Options{})
		require.NoError(t, err)
		defer service.Close()
		plan := fleet.Plan{Region: "cn-hangzhou", Endpoint: service.URL}
		for i := range n {
			instance := fmt.Sprintf("i-%s-%05d", name, i)
			require.NoError(t, service.AddInstance(ecstest.Instance{ID: instance, Reboot: ecstest.RebootProfile{Graceful: 3 * time.Second}}))
			plan.Targets = append(plan.Targets, fleet.Target{ID: instance, Name: fmt.Sprintf("web-%05d", i), Group: "cn-hangzhou-" + string("hij"[i%3])})
		}
		ecs, err := service.NewClient(ecsreboot.WithEndpoint(service.URL), ecsreboot.WithHTTPClient(new(http.Client)))
		require.NoError(t, err)
		w, err := NewWorker(c, ecs, WorkerOptions{TaskQueue: name})
		require.NoError(t, err)
		require.NoError(t, w.Start())
		settings := Settings{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Percent(10), MaxFailed: fleet.Percent(50), Canary: []int{1}}, MinReady: time.Second}}
		_, err = Start(ctx, c, plan, StartOptions{WorkflowID: name, TaskQueue: name, Settings: settings})
		require.NoError(t, err)
		begin := time.Now()
		require.NoError(t, c.GetWorkflow(ctx, name, "").Get(ctx, nil))
		took := time.Since(begin)
		report, err := GetReport(ctx, c, name)
		require.NoError(t, err)
		t.Logf("%d instances in %v: %d healthy", n, took.Round(time.Second), report.Count(fleet.StateHealthy))
		w.Stop()

		type sum struct{ executions, events, bytes, mostEvents, mostBytes int64 }
		sums := make(map[string]sum)
		require.Eventually(t, func() bool {
			clear(sums)
			var token []byte
			for {
				page, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
					Namespace: recordedNamespace, Query: "TaskQueue = '" + name + "' AND ExecutionStatus != 'Running'", PageSize: 500, NextPageToken: token,
				})
				require.NoError(t, err)
				for _, e := range page.GetExecutions() {
					s := sums[e.GetType().GetName()]
					s.executions++
					s.events += e.GetHistoryLength()
					s.bytes += e.GetHistorySizeBytes()
					s.mostEvents, s.mostBytes = max(s.mostEvents, e.GetHistoryLength()), max(s.mostBytes, e.GetHistorySizeBytes())
					sums[e.GetType().GetName()] = s
				}
				if token = page.GetNextPageToken(); len(token) == 0 {
					break
				}
			}
			return sums[oneWorkflow].executions >= int64(n)
		}, 2*time.Minute, time.Second)
		for _, kind := range slices.Sorted(maps.Keys(sums)) {
			s := sums[kind]
			t.Logf("%d | %s | %d executions | %.1f events, %.2f kB an instance | largest %d events, %d kB", n, kind, s.executions,
				float64(s.events)/float64(n), float64(s.bytes)/1000/float64(n), s.mostEvents, s.mostBytes/1000)
		}
	}
}
