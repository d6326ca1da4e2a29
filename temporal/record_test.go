package ecstemporal

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// The histories in testdata are those of a real server, such as "temporal server
// start-dev" starts. To record them anew:
//
//	go test -run '^TestRecord$' -record 127.0.0.1:7233 .
var record = flag.String("record", "", "address of a Temporal server to record histories of")

const recordedNamespace = "default"

func dial(t *testing.T) client.Client {
	t.Helper()
	namespace := recordedNamespace
	if name := os.Getenv("TEMPORAL_NAMESPACE"); name != "" {
		namespace = name
	}
	c, err := client.Dial(client.Options{HostPort: *record, Namespace: namespace, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	require.NoError(t, err)
	return c
}

// TestRecordWorker is the worker that TestRecord kills: a process of its own.
func TestRecordWorker(t *testing.T) {
	endpoint := os.Getenv("RECORD_ENDPOINT")
	if endpoint == "" {
		t.Skip("is a part of TestRecord")
	}
	c := dial(t)
	defer c.Close()
	server, err := ecstest.NewInMemoryServer(ecstest.Options{}) // only for its client's key
	require.NoError(t, err)
	defer server.Close()
	ecs, err := server.NewClient(ecsreboot.WithEndpoint(endpoint), ecsreboot.WithHTTPClient(new(http.Client)))
	require.NoError(t, err)
	w, err := NewWorker(c, ecs, recordedHooks(os.Getenv("RECORD_QUEUE")))
	require.NoError(t, err)
	require.NoError(t, w.Run(t.Context()))
}

// recordedHooks are a worker's. Drain fails for instance 3, and Blocker refuses each
// instance once.
func recordedHooks(queue string) WorkerOptions {
	var asked sync.Map
	return WorkerOptions{
		TaskQueue: queue,
		Health:    func(context.Context, fleet.Target) error { return nil },
		Blocker: func(_ context.Context, target fleet.Target) error {
			if _, again := asked.LoadOrStore(target.ID, true); !again {
				return errors.New("busy")
			}
			return nil
		},
		Drain: func(_ context.Context, target fleet.Target) error {
			if strings.HasSuffix(target.ID, "-3") {
				return errors.New("no such backend")
			}
			return nil
		},
		Undrain: func(context.Context, fleet.Target) error { return nil },
		Failed:  func(context.Context, fleet.Target, fleet.Event) error { return nil },
		Notify:  func(context.Context, Notice) error { return nil },
		Witness: recordedWitness{},
	}
}

// recordedWitness knows after a few seconds that the service refused the restart of
// instance 2, and accepted that of instance 4.
type recordedWitness struct{}

func (recordedWitness) Testify(_ context.Context, request ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
	t := ecsreboot.Testimony{Witness: "Recorded", AskAgain: 6*time.Second - time.Since(request.SentAt)}
	switch {
	case !strings.Contains(request.InstanceID, "-witness-") || t.AskAgain > 0:
	case strings.HasSuffix(request.InstanceID, "-2"):
		t.Finding, t.Code = ecsreboot.FindingRefused, ecsreboot.ErrOperationConflict
	case strings.HasSuffix(request.InstanceID, "-4"):
		t.Finding = ecsreboot.FindingAccepted
	}
	return t, nil
}

func TestRecord(t *testing.T) {
	if *record == "" {
		t.Skip("needs a server: -record")
	}
	c := dial(t)
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for name, settings := range map[string]Settings{
		"plain":    {},
		"continue": {ContinueAfter: 3},
		"killed":   {SendTimeout: 5 * time.Second, Settings: fleet.Settings{UnknownGrace: 5 * time.Second}},
		"witness":  {Settings: fleet.Settings{UnknownGrace: 2 * time.Second}},
		"hooks": {
			Health: true, Blocker: true, Drain: true, Undrain: true, Failed: true, Notify: true,
			Settings: fleet.Settings{BlockerInterval: time.Second},
		},
	} {
		id := fmt.Sprintf("%s-%d", name, time.Now().Unix())
		denied := ""
		service, err := ecstest.NewServer(ecstest.Options{Allow: func(action, instance string) bool {
			return action != "RebootInstance" || instance != denied
		}})
		require.NoError(t, err)
		defer service.Close()
		plan := fleet.Plan{Region: "cn-hangzhou", Endpoint: service.URL}
		for i := range 8 {
			instance := fmt.Sprintf("i-%s-%d", id, i)
			profile := ecstest.RebootProfile{Graceful: 3 * time.Second, Hang: name == "hooks" && i == 6}
			require.NoError(t, service.AddInstance(ecstest.Instance{ID: instance, Reboot: profile}))
			plan.Targets = append(plan.Targets, fleet.Target{ID: instance, Group: "zone-" + string("ab"[i%2])})
		}
		never := 0 // restarted
		if name == "hooks" {
			denied, never = plan.Targets[4].ID, 2
		}
		lost := ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", InstanceID: plan.Targets[2].ID, Act: true}
		if name == "witness" {
			lost.Act, lost.Refuse = false, "OperationConflict"
			service.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", InstanceID: plan.Targets[4].ID, Late: 10 * time.Second})
		}
		service.Inject(lost)
		work := func() (kill func()) {
			worker := exec.Command(os.Args[0], "-test.run=^TestRecordWorker$", "-record", *record)
			worker.Env = append(os.Environ(), "RECORD_ENDPOINT="+service.URL, "RECORD_QUEUE="+id)
			require.NoError(t, worker.Start())
			return func() {
				_ = worker.Process.Kill()
				_ = worker.Wait()
			}
		}
		kill := work()
		settings.Rules = fleet.Rules{MaxUnavailable: fleet.Count(2), MaxFailed: fleet.Count(7), Canary: []int{1}}
		settings.MinReady = time.Second
		if name == "killed" {
			service.Inject(ecstest.Fault{Kind: ecstest.FaultHang, Action: "RebootInstance", InstanceID: plan.Targets[4].ID, Act: true})
		}
		_, err = Start(ctx, c, plan, StartOptions{WorkflowID: id, TaskQueue: id, Settings: settings})
		require.NoError(t, err)
		if name == "killed" {
			require.Eventually(t, func() bool { return service.Reboots(plan.Targets[4].ID) > 0 }, time.Minute, 10*time.Millisecond)
			kill()
			kill = work()
		}
		if name == "hooks" { // an operator marks the instance that hangs
			word := fleet.Marking{InstanceID: plan.Targets[6].ID, Mark: fleet.MarkRestarted, Note: "by hand"}
			require.Eventually(t, func() bool { return service.Reboots(word.InstanceID) > 0 && Mark(ctx, c, id, word) == nil }, 2*time.Minute, 100*time.Millisecond)
		}
		require.NoError(t, c.GetWorkflow(ctx, id, "").Get(ctx, nil))
		report, err := GetReport(ctx, c, id)
		require.NoError(t, err)
		t.Log(name, report.Err())
		require.Equal(t, len(plan.Targets)-never, service.TotalReboots())
		for _, target := range plan.Targets {
			require.LessOrEqual(t, service.Reboots(target.ID), 1)
		}
		saveRun(t, c, name, id, plan)
		kill()
	}
}

// saveRun saves the histories of a run: the first and the last execution of
// RollingReboot, and those of some instances.
func saveRun(t *testing.T, c client.Client, name, id string, plan fleet.Plan) {
	t.Helper()
	last := historyOf(t, c, id, "")
	started := last.GetEvents()[0].GetWorkflowExecutionStartedEventAttributes()
	save(t, name+"-rolling-last", last)
	if first := started.GetFirstExecutionRunId(); first != started.GetOriginalExecutionRunId() {
		save(t, name+"-rolling-first", historyOf(t, c, id, first))
	}
	saved := []int{2, 4}
	if name == "hooks" {
		saved = append(saved, 3, 6)
	}
	for _, i := range saved {
		save(t, fmt.Sprintf("%s-one-%d", name, i), historyOf(t, c, "reboot/cn-hangzhou/"+plan.Targets[i].ID, ""))
	}
}

func historyOf(t *testing.T, c client.Client, id, runID string) *history.History {
	t.Helper()
	events := c.GetWorkflowHistory(context.Background(), id, runID, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	h := new(history.History)
	for events.HasNext() {
		e, err := events.Next()
		require.NoError(t, err)
		h.Events = append(h.Events, e)
	}
	return h
}

func save(t *testing.T, name string, h *history.History) {
	t.Helper()
	text, err := protojson.MarshalOptions{Indent: " "}.Marshal(h)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll("testdata", 0o755))
	require.NoError(t, os.WriteFile(filepath.Join("testdata", name+".json"), text, 0o644))
}
