package hook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/hook"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

var target = fleet.Target{ID: "i-1", Name: "web 1", Zone: "cn-hangzhou-h", Group: "blue"}

// serve serves on the loopback address.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func hooks(t *testing.T, config hook.Config) hook.Hooks {
	t.Helper()
	made, err := config.Hooks()
	require.NoError(t, err)
	return made
}

func unixOnly(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the commands are of a Unix shell")
	}
}

func TestNoHooks(t *testing.T) {
	made := hooks(t, hook.Config{})
	var options fleet.Options
	made.Set(&options)
	require.Nil(t, options.Health)
	require.Nil(t, options.Blocker)
	require.Nil(t, options.Drain)
	require.Nil(t, options.Undrain)
	require.Nil(t, options.Failed)
}

func TestMethodsAndBodies(t *testing.T) {
	type call struct {
		method, path, agent, kind string
		body                      string
	}
	var calls []call
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		calls = append(calls, call{r.Method, r.URL.EscapedPath(), r.UserAgent(), r.Header.Get("Content-Type"), string(body)})
	})
	source := hook.Source{URL: url + "/{id}/{name}"}
	made := hooks(t, hook.Config{Health: source, Blocker: source, Drain: source, Undrain: source, Failed: source, Region: "cn-hangzhou"})
	require.NoError(t, made.Health(t.Context(), target))
	require.NoError(t, made.Blocker(t.Context(), target))
	require.NoError(t, made.Drain(t.Context(), target))
	require.NoError(t, made.Undrain(t.Context(), target))
	require.NoError(t, made.Failed(t.Context(), target, fleet.Event{Kind: fleet.EventUnknown, Reason: fleet.ReasonNotProven, Code: "C", Error: "no sign", RequestID: "R"}))
	require.Len(t, calls, 5)
	for i, method := range []string{"GET", "GET", "POST", "POST", "POST"} {
		require.Equal(t, method, calls[i].method)
		require.Equal(t, "/i-1/web%201", calls[i].path)
		require.Equal(t, hook.UserAgent, calls[i].agent)
	}
	require.Empty(t, calls[0].body)
	require.JSONEq(t, `{"hook":"drain","instance":{"id":"i-1","name":"web 1","zone":"cn-hangzhou-h","group":"blue","region":"cn-hangzhou"}}`, calls[2].body)
	require.Equal(t, "application/json", calls[2].kind)
	var failed hook.Payload
	require.NoError(t, json.Unmarshal([]byte(calls[4].body), &failed))
	require.Equal(t, &hook.Failure{State: fleet.StateUnknown, Reason: fleet.ReasonNotProven, Code: "C", Error: "no sign", RequestID: "R"}, failed.Failure)
}

// TestAddresses: hooks get the addresses, the host name and the region of a target.
func TestAddresses(t *testing.T) {
	unixOnly(t)
	for want, target := range map[string]fleet.Target{
		"10.0.0.1,10.0.0.1,192.0.2.1,web-1,cn-beijing": {
			PrivateIPs: []string{"10.0.0.1", "10.0.0.2"}, PublicIPs: []string{"192.0.2.1", "192.0.2.2"}, HostName: "web-1", Region: "cn-beijing",
		},
		"2001:db8::1,,2001:db8::1,,cn-hangzhou": {PublicIPs: []string{"2001:db8::1"}},
		",,,,cn-hangzhou":                       {},
	} {
		target.ID = "i-1"
		command := `echo "got $ECS_INSTANCE_IP,$ECS_INSTANCE_PRIVATE_IP,$ECS_INSTANCE_PUBLIC_IP,$ECS_INSTANCE_HOSTNAME,$ECS_INSTANCE_REGION"; exit 1`
		health := hooks(t, hook.Config{Health: hook.Source{Command: command}, Region: "cn-hangzhou"}).Health
		require.EqualError(t, health(t.Context(), target), "exit code 1: got "+want)
	}
	path, body := "", ""
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		path, body = r.URL.RequestURI(), string(text)
	})
	drain := hooks(t, hook.Config{Drain: hook.Source{URL: url + "/{ip}/{private_ip}/{public_ip}/{hostname}?r={region}"}, Region: "cn-hangzhou"}).Drain
	full := fleet.Target{ID: "i-1", PrivateIPs: []string{"10.0.0.1"}, PublicIPs: []string{"2001:db8::1"}, HostName: "web-1", Region: "cn-beijing"}
	require.NoError(t, drain(t.Context(), full))
	require.Equal(t, "/10.0.0.1/10.0.0.1/2001:db8::1/web-1?r=cn-beijing", path)
	require.JSONEq(t, `{"hook":"drain","instance":{"id":"i-1","ip":"10.0.0.1","privateIp":"10.0.0.1","publicIp":"2001:db8::1","hostName":"web-1","region":"cn-beijing"}}`, body)
}

func TestCheck(t *testing.T) {
	targets := []fleet.Target{{ID: "i-1", Name: "web-1", PrivateIPs: []string{"10.0.0.1"}}, {ID: "i-2", Name: "web 2"}, {ID: "i-3"}}
	for url, want := range map[string]string{
		"http://u:hunter2@{ip}/?k=v": `"http://…@{ip}/?…" cannot be requested for 2 of 3 instances, such as i-2: the instance has no value for {ip}`,
		"http://{name}/":             `"http://{name}/" cannot be requested for 2 of 3 instances, such as i-2: "web 2" is not a valid host`,
		"http://lb/?zone={zone}":     `"http://lb/?…" cannot be requested for 3 of 3 instances, such as i-1: the instance has no value for {zone}`,
		"http://lb/{id}/{region}":    "",
	} {
		source := hook.Source{URL: url}
		for flag, config := range map[string]hook.Config{
			"--health-url": {Health: source}, "--blocker-url": {Blocker: source}, "--drain-url": {Drain: source}, "--undrain-url": {Undrain: source},
			"--failed-url": {Failed: source},
		} {
			config.Region = "cn-hangzhou"
			err := config.Check(targets)
			if want == "" {
				require.NoError(t, err)
				continue
			}
			require.EqualError(t, err, flag+" "+want)
			require.Equal(t, exitcode.Usage, exitcode.Of(err))
		}
	}
	require.NoError(t, hook.Config{Drain: hook.Source{Command: "true"}, Alerts: "http://prometheus:9090"}.Check(targets))
}

func TestOnlyStatus2xxPasses(t *testing.T) {
	status, followed := 0, false
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			followed = true
			return
		}
		w.Header().Set("Location", "/elsewhere?token=abcdefabcdef")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "\n  not \x1b[31m ready\n"+strings.Repeat("word ", 50_000))
	})
	health := hooks(t, hook.Config{Health: hook.Source{URL: url + "/healthz"}}).Health
	for _, status = range []int{200, 201, 299} {
		require.NoError(t, health(t.Context(), target))
	}
	for _, status = range []int{302, 307, 404, 503} {
		err := health(t.Context(), target)
		require.ErrorContains(t, err, fmt.Sprintf("GET %s/healthz: %d %s: ", url, status, http.StatusText(status)))
		require.ErrorContains(t, err, "not [31m ready word")
		require.NotContains(t, err.Error(), "\n")
		require.Less(t, len(err.Error()), 400)
	}
	require.False(t, followed)
}

func TestErrorsShowNoSecret(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != "lb" || password != "hunter2" || r.URL.Query().Get("key") != "sesame" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		w.WriteHeader(http.StatusBadGateway)
	})
	with := strings.Replace(url, "http://", "http://lb:hunter2@", 1) + "/drain?key=sesame"
	drain := hooks(t, hook.Config{Drain: hook.Source{URL: with}}).Drain
	require.EqualError(t, drain(t.Context(), target), "POST "+strings.Replace(url, "http://", "http://…@", 1)+"/drain?…: 502 Bad Gateway")
	drain = hooks(t, hook.Config{Drain: hook.Source{URL: "http://lb:hunter2@127.0.0.1:1/drain?key=sesame"}}).Drain
	err := drain(t.Context(), target)
	require.ErrorContains(t, err, "connection refused")
	require.NotContains(t, err.Error(), "hunter2")
	require.NotContains(t, err.Error(), "sesame")
}

func TestUsageErrors(t *testing.T) {
	for want, config := range map[string]hook.Config{
		`invalid --health-url "ftp://x": a URL begins with http:// or https://`: {Health: hook.Source{URL: "ftp://x"}},
		"invalid --blocker-url":                      {Blocker: hook.Source{URL: "http://{x}"}},
		"invalid --drain-url":                        {Drain: hook.Source{URL: "http://{x}"}},
		"invalid --undrain-url":                      {Undrain: hook.Source{URL: "http://{x}"}},
		"invalid --failed-url":                       {Failed: hook.Source{URL: "http://{x}"}},
		`invalid --failed-cmd " "`:                   {Failed: hook.Source{Command: " "}},
		`invalid --drain-cmd "a\x00b"`:               {Drain: hook.Source{Command: "a\x00b"}},
		"invalid --block-on-alerts":                  {Alerts: "prometheus:9090"},
		"must have neither placeholders nor a query": {Alerts: "http://{ip}:9090"},
		"--alerts-query without --block-on-alerts":   {Query: "up == 0"},
	} {
		_, err := config.Hooks()
		require.ErrorContains(t, err, want)
		require.Equal(t, exitcode.Usage, exitcode.Of(err))
	}
}

func TestCommandAndURL(t *testing.T) {
	unixOnly(t)
	requests, status := 0, http.StatusOK
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { requests++; w.WriteHeader(status) })
	file := filepath.Join(t.TempDir(), "pass")
	drain := hooks(t, hook.Config{Drain: hook.Source{Command: "test -e '" + file + "'", URL: url}}).Drain
	require.EqualError(t, drain(t.Context(), target), "exit code 1")
	require.Zero(t, requests, "the command goes first, and has failed")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, drain(t.Context(), target))
	status = http.StatusConflict
	require.ErrorContains(t, drain(t.Context(), target), "409 Conflict")
	require.Equal(t, 2, requests)
}

func TestEnvironment(t *testing.T) {
	unixOnly(t)
	t.Setenv("ECS_FAILURE_REASON", "of an outer hook")
	file := filepath.Join(t.TempDir(), "env")
	command := `env | grep ^ECS_ | sort >'` + file + `'`
	made := hooks(t, hook.Config{Health: hook.Source{Command: command}, Failed: hook.Source{Command: command}, Region: "cn-hangzhou"})
	variables := func() string {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		return string(text)
	}
	require.NoError(t, made.Health(t.Context(), target))
	require.Contains(t, variables(), "ECS_HOOK=health\nECS_INSTANCE_GROUP=blue\nECS_INSTANCE_HOSTNAME=\nECS_INSTANCE_ID=i-1\nECS_INSTANCE_IP=\nECS_INSTANCE_NAME=web 1\n")
	require.Contains(t, variables(), "\nECS_INSTANCE_REGION=cn-hangzhou\nECS_INSTANCE_ZONE=cn-hangzhou-h\n")
	require.Contains(t, variables(), "\nECS_FAILURE_REASON=\n")
	require.NoError(t, made.Failed(t.Context(), target, fleet.Event{Kind: fleet.EventFailed, Reason: fleet.ReasonNotBack, Error: "20m0s\nare over"}))
	require.Contains(t, variables(), "ECS_FAILURE_ERROR=20m0sare over\nECS_FAILURE_REASON=not back\nECS_FAILURE_REQUEST_ID=\nECS_FAILURE_STATE=failed\nECS_HOOK=failed\n")
}

// TestLimits lets time pass: health has a limit of its own, the limit of drain is that of
// the context.
func TestLimits(t *testing.T) {
	release := make(chan struct{})
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-release:
		}
	})
	defer close(release)
	source := hook.Source{URL: url}
	made := hooks(t, hook.Config{Health: source, Drain: source})
	begun := time.Now()
	err := made.Health(t.Context(), target)
	require.EqualError(t, err, "GET "+url+": not done within 5s")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.InDelta(t, 5, time.Since(begun).Seconds(), 3)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, io.ErrUnexpectedEOF)
	defer cancel()
	require.ErrorIs(t, made.Drain(ctx, target), io.ErrUnexpectedEOF, "the cause is that of the run")
}

func TestAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		require.Nil(t, hook.All(nil, nil))
		var order []string
		one := func(name string, err error) hook.Func {
			return func(context.Context, fleet.Target) error { order = append(order, name); return err }
		}
		require.NoError(t, hook.All(one("a", nil), nil, one("b", nil))(t.Context(), target))
		require.ErrorIs(t, hook.All(one("c", io.EOF), one("d", nil))(t.Context(), target), io.EOF)
		require.Equal(t, []string{"a", "b", "c"}, order)
	})
}
