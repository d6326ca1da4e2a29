package notify

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

var at = time.Date(2026, 3, 14, 1, 58, 12, 0, time.UTC)

// receiver keeps what is posted to it.
type receiver struct {
	mu     sync.Mutex
	bodies []string
	status int
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bodies = append(r.bodies, string(body))
	w.Header().Set("Location", "/elsewhere")
	w.WriteHeader(max(r.status, http.StatusOK))
	_, _ = io.WriteString(w, "cannot POST "+request.URL.Path)
}

func (r *receiver) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bodies
}

func sender(t *testing.T, config Config) *Sender {
	t.Helper()
	s, err := NewSender(config)
	require.NoError(t, err)
	return s
}

func TestMessages(t *testing.T) {
	plan := fleet.Plan{Region: "cn-hangzhou", Targets: []fleet.Target{{ID: "i-1"}, {ID: "i-2"}, {ID: "i-3"}}}
	track := newTracker("run-1", &fleet.History{Plan: plan})
	var texts []string
	for _, e := range []fleet.Event{
		{Kind: fleet.EventRun, Plan: &plan, Settings: &fleet.Settings{Rules: fleet.Rules{}}},
		{Kind: fleet.EventIntent, InstanceID: "i-1", Attempt: 1},
		{Kind: fleet.EventHealthy, InstanceID: "i-1"},
		{Kind: fleet.EventStage, Stage: 1},
		{Kind: fleet.EventPace},
		{Kind: fleet.EventPause, Reason: fleet.ReasonWindow},
		{Kind: fleet.EventFailed, InstanceID: "i-2", Reason: fleet.ReasonRefused},
		{Kind: fleet.EventHalt, Reason: fleet.ReasonCanary, Error: "i-2 failed."},
		{Kind: fleet.EventHalt, Reason: fleet.ReasonBudget},
		{Kind: fleet.EventEnd, Reason: fleet.ReasonCanary},
		{Kind: fleet.EventResume, Settings: &fleet.Settings{Rules: fleet.Rules{}}},
		{Kind: fleet.EventStop, Reason: fleet.ReasonUser},
		{Kind: fleet.EventEnd, Reason: fleet.ReasonUser},
		{Kind: fleet.EventResume, Settings: &fleet.Settings{Rules: fleet.Rules{}}},
		{Kind: fleet.EventEnd, Reason: fleet.ReasonDone},
	} {
		if m, ok := track.add(e); ok {
			require.Equal(t, 3, m.Instances)
			require.Len(t, m.Counts, 6)
			texts = append(texts, string(m.Kind)+": "+m.Text)
		}
	}
	require.Equal(t, []string{
		"start: Run run-1 in cn-hangzhou begins: 3 instances to restart.",
		"stage: Run run-1 in cn-hangzhou has passed canary stage 1; of 3: 1 healthy, 2 waiting.",
		"halt: Run run-1 in cn-hangzhou sends nothing more; of 3: 1 healthy, 1 failed, 1 waiting. Why: canary failed: i-2 failed.",
		"end: Run run-1 in cn-hangzhou has ended early (canary failed); of 3: 1 healthy, 1 failed, 1 waiting.",
		"start: Run run-1 in cn-hangzhou resumes: 3 instances to restart; of 3: 1 healthy, 1 failed, 1 waiting.",
		"halt: Run run-1 in cn-hangzhou sends nothing more; of 3: 1 healthy, 1 failed, 1 waiting. Why: requested.",
		"end: Run run-1 in cn-hangzhou has ended early (requested); of 3: 1 healthy, 1 failed, 1 waiting.",
		"start: Run run-1 in cn-hangzhou resumes: 3 instances to restart; of 3: 1 healthy, 1 failed, 1 waiting.",
		"end: Run run-1 in cn-hangzhou is done; of 3: 1 healthy, 1 failed, 1 waiting.",
	}, texts)
}

func TestAllRegionsAreNamed(t *testing.T) {
	plan := fleet.Plan{
		Region: "cn-shanghai", FurtherRegions: []fleet.PlanRegion{{Region: "cn-beijing"}, {Region: "eu-central-1"}},
		Targets: []fleet.Target{{ID: "i-1"}, {ID: "i-2", Region: "cn-beijing"}, {ID: "i-3", Region: "eu-central-1"}},
	}
	m, ok := newTracker("run-1", &fleet.History{Plan: plan}).add(fleet.Event{Kind: fleet.EventRun, Plan: &plan, Settings: &fleet.Settings{}})
	require.True(t, ok)
	require.Equal(t, []string{"cn-shanghai", "cn-beijing", "eu-central-1"}, m.Regions)
	require.Equal(t, "Run run-1 in cn-shanghai, cn-beijing, eu-central-1 begins: 3 instances to restart.", m.Text)
}

// TestRunNotifies follows a run of package fleet.
func TestRunNotifies(t *testing.T) {
	received := new(receiver)
	hook := httptest.NewServer(received)
	defer hook.Close()
	service, err := ecstest.NewServer(ecstest.Options{})
	require.NoError(t, err)
	defer service.Close()
	require.NoError(t, service.AddInstance(ecstest.Instance{ID: "i-1"}))
	client, err := service.NewClient()
	require.NoError(t, err)
	plan, err := fleet.NewPlan(t.Context(), client, fleet.Selection{InstanceIDs: []string{"i-1"}})
	require.NoError(t, err)
	n := New(sender(t, Config{URL: hook.URL}), "run-1", &fleet.History{Plan: plan}, func(text string) { t.Error(text) })
	control := new(fleet.Control)
	control.Stop()
	_, err = fleet.Run(t.Context(), client, plan, fleet.Options{OnEvent: n.OnEvent, Control: control})
	require.NoError(t, err)
	n.Close()
	n.Close()
	var kinds []Kind
	for _, body := range received.got() {
		var m Message
		require.NoError(t, json.Unmarshal([]byte(body), &m))
		require.Equal(t, plan.Digest()[:12], m.Plan)
		require.Equal(t, []string{plan.Region}, m.Regions)
		require.False(t, m.At.IsZero())
		kinds = append(kinds, m.Kind)
	}
	require.Equal(t, []Kind{Start, Halt, End}, kinds)
}

func TestSlack(t *testing.T) {
	received := new(receiver)
	server := httptest.NewServer(received)
	defer server.Close()
	m := Message{Kind: Halt, Reason: fleet.ReasonJournal, Error: "<!channel> a & b"}.Complete()
	require.NoError(t, sender(t, Config{URL: "slack:" + server.URL}).Send(t.Context(), m))
	require.JSONEq(t, `{"text":"Run sends nothing more. Why: journal: &lt;!channel&gt; a &amp; b."}`, received.got()[0])
	require.True(t, sender(t, Config{URL: "https://hooks.slack.com/services/T0/B0/X"}).slack)
	require.False(t, sender(t, Config{URL: "https://hooks.slack.com.example.com/"}).slack)
}

func TestErrorsShowNoPath(t *testing.T) {
	received := &receiver{status: http.StatusNotFound}
	server := httptest.NewServer(received)
	defer server.Close()
	s := sender(t, Config{URL: server.URL + "/services/T0SECRET?key=hunter2"})
	for _, received.status = range []int{http.StatusFound, http.StatusNotFound} {
		require.EqualError(t, s.Send(t.Context(), Message{}), "POST "+server.URL+"/…: "+map[int]string{302: "302 Found", 404: "404 Not Found"}[received.status])
	}
	require.Len(t, received.got(), 2, "neither redirects nor refusals are worth a retry")
	server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := s.Send(ctx, Message{})
	require.ErrorContains(t, err, "connection refused")
	require.NotContains(t, err.Error(), "T0SECRET")
	require.NotContains(t, err.Error(), "hunter2")
	for _, bad := range []Config{
		{URL: "hooks.example.com/T0SECRET"},
		{URL: "ftp://h/T0SECRET"},
		{URL: "slack:/T0SECRET"},
		{URL: "https://"},
		{URL: "http://h/%zzT0SECRET"},
		{URL: "http://h/T0SECRET#x"},
		{Command: " "},
		{Command: "a\x00"},
	} {
		_, err := NewSender(bad)
		require.ErrorContains(t, err, "invalid --notify-")
		require.Equal(t, exitcode.Usage, exitcode.Of(err))
		require.NotContains(t, err.Error(), "SECRET")
	}
	none, err := NewSender(Config{})
	require.NoError(t, err)
	require.Nil(t, none)
}

func TestCommand(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the commands are of a Unix shell")
	}
	file := filepath.Join(t.TempDir(), "env")
	s := sender(t, Config{Command: `env | grep ^ECS_ | sort >'` + file + `'`})
	m := Message{Kind: Stage, Run: "run-1", Regions: []string{"a", "b"}, Instances: 3, Stage: 2, Counts: map[fleet.State]int{fleet.StateHealthy: 2}}.Complete()
	require.NoError(t, s.Send(t.Context(), m))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(text), "ECS_COUNT_FAILED=0\nECS_COUNT_HEALTHY=2\n")
	require.Contains(t, string(text), "ECS_ERROR=\nECS_EVENT=stage\nECS_INSTANCES=3\nECS_JSON={\"event\":\"stage\",\"run\":\"run-1\",")
	require.Contains(t, string(text), "ECS_REASON=\nECS_REGIONS=a,b\nECS_RUN=run-1\nECS_STAGE=2\nECS_TEXT=Run run-1 in a, b has passed canary stage 2; of 3: 2 healthy.\n")
	s = sender(t, Config{Command: "echo attempt >>'" + file + "'; echo out of order; exit 2"})
	require.EqualError(t, s.Send(t.Context(), m), "--notify-cmd: exit code 2: out of order")
	text, err = os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(text), "attempt"))
}

// transport answers requests in a bubble of synctest.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int) (*http.Response, error) {
	return &http.Response{StatusCode: status, Body: http.NoBody, Header: http.Header{}}, nil
}

// faked returns a sender whose requests f answers.
func faked(t *testing.T, f transport) *Sender {
	t.Helper()
	s := sender(t, Config{URL: "http://chat.example.com/T0SECRET"})
	s.requester.Client.Transport = f
	return s
}

func TestRetriesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, first := range []int{0, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable} {
			for _, second := range []int{http.StatusNoContent, http.StatusServiceUnavailable} {
				calls := 0
				begun := time.Now()
				err := faked(t, func(*http.Request) (*http.Response, error) {
					calls++
					switch {
					case calls == 2:
						return answer(second)
					case first == 0:
						return nil, errors.New("connection reset")
					}
					return answer(first)
				}).Send(t.Context(), Message{})
				require.Equal(t, second == http.StatusNoContent, err == nil)
				require.Equal(t, 2, calls)
				require.Equal(t, time.Second, time.Since(begun))
			}
		}
	})
}

// hang never answers.
func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		require.EqualError(t, faked(t, hang).Send(t.Context(), Message{}), "POST http://chat.example.com/…: not done within 10s")
		require.Equal(t, 21*time.Second, time.Since(begun))
	})
}

// TestNeverDelaysTheRun gives many events while the receiver hangs.
func TestNeverDelaysTheRun(t *testing.T) {
	for _, before := range []time.Duration{0, 3 * time.Second, 21 * time.Second, time.Minute} {
		t.Run(before.String(), func(t *testing.T) { neverDelaysTheRun(t, before) })
	}
}

func neverDelaysTheRun(t *testing.T, before time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		var notes []string
		var mu sync.Mutex
		plan := fleet.Plan{Region: "r", Targets: []fleet.Target{{ID: "i-1"}}}
		var last string
		n := New(faked(t, func(r *http.Request) (*http.Response, error) {
			body, _ := io.ReadAll(r.Body)
			mu.Lock()
			last = string(body)
			mu.Unlock()
			return hang(r)
		}), "run-1", &fleet.History{Plan: plan}, func(text string) { mu.Lock(); defer mu.Unlock(); notes = append(notes, text) })
		begun := time.Now()
		for stage := range 1000 {
			n.OnEvent(fleet.Event{Kind: fleet.EventStage, Stage: stage + 1, At: at})
		}
		n.AwaitApproval(1001)
		n.OnEvent(fleet.Event{Kind: fleet.EventEnd, Reason: fleet.ReasonDone})
		require.Equal(t, begun, time.Now())
		time.Sleep(before)
		begun = time.Now()
		n.Close()
		require.LessOrEqual(t, time.Since(begun), 15*time.Second)
		n.OnEvent(fleet.Event{Kind: fleet.EventEnd}) // comes late
		require.Contains(t, last, `"event":"end"`, "the last one is tried in any case")
		require.Len(t, notes, 2, "one note for the first, and one at the end")
		require.Contains(t, notes[0], "a notification was not delivered: POST http://chat.example.com/…: ")
		require.Equal(t, "1002 notifications were not delivered", notes[1])
	})
}

func TestCloseDeliversWhatIsQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		n := New(faked(t, func(*http.Request) (*http.Response, error) {
			time.Sleep(2 * time.Second)
			calls++
			return answer(200)
		}), "run-1", &fleet.History{Plan: fleet.Plan{Targets: []fleet.Target{{ID: "i-1"}}}}, nil)
		for stage := range 5 {
			n.OnEvent(fleet.Event{Kind: fleet.EventStage, Stage: stage + 1, At: at})
		}
		begun := time.Now()
		n.Close()
		require.Equal(t, 5, calls)
		require.Equal(t, 10*time.Second, time.Since(begun))
	})
}

func TestNobodyToNotify(*testing.T) {
	n := New(nil, "", &fleet.History{Plan: fleet.Plan{Targets: []fleet.Target{{ID: "i-1"}}}}, nil)
	n.OnEvent(fleet.Event{Kind: fleet.EventEnd})
	n.AwaitApproval(1)
	n.Close()
}
