package page_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/control"
	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/page"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

// fake records what it is told.
type fake struct {
	mu    sync.Mutex
	state control.State
	calls []string
	err   error
}

func (f *fake) call(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, name)
	return f.err
}

func (f *fake) told() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

func (f *fake) Pause(context.Context) error            { return f.call("pause") }
func (f *fake) Unpause(context.Context) error          { return f.call("unpause") }
func (f *fake) Abort(context.Context) error            { return f.call("abort") }
func (f *fake) Approve(_ context.Context, n int) error { return f.call(fmt.Sprintf("approve %d", n)) }

func (f *fake) Disapprove(_ context.Context, n int) error {
	return f.call(fmt.Sprintf("disapprove %d", n))
}

func (f *fake) State(context.Context) (control.State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state, nil
}

func listen(t *testing.T, options page.Options) *page.Page {
	t.Helper()
	p, err := page.Listen("127.0.0.1:0", options)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// begin is the event with which a run of two instances begins.
func begin() fleet.Event {
	plan := fleet.Plan{Region: "cn-hangzhou", Targets: []fleet.Target{{ID: "i-1", Name: "web-<1>"}, {ID: "i-2"}}}
	return fleet.Event{Kind: fleet.EventRun, At: time.Now(), Plan: &plan, Settings: &fleet.Settings{}}
}

// request sends a request and returns the response and its body.
func request(t *testing.T, method, address string, header map[string]string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, http.NoBody)
	require.NoError(t, err)
	for name, value := range header {
		r.Header.Set(name, value)
		if name == "Host" {
			r.Host = value
		}
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(body)
}

func TestToken(t *testing.T) {
	controls := new(fake)
	p := listen(t, page.Options{Controls: controls})
	u, err := url.Parse(p.URL())
	require.NoError(t, err)
	require.Regexp(t, "^/[a-z2-7]{26}/$", u.Path)
	base, token := "http://"+u.Host, strings.Trim(u.Path, "/")
	other := listen(t, page.Options{})
	require.NotContains(t, other.URL(), token)
	for _, path := range []string{"", "/", "/report", "/events", "/state", "/favicon.ico", "/" + token[1:] + "/", "/" + token + "x/", "//" + token + "/", "/?token=" + token, "/" + strings.ToUpper(token) + "/"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			response, body := request(t, method, base+path, nil)
			require.Equal(t, http.StatusForbidden, response.StatusCode, path)
			require.NotContains(t, body, token)
		}
	}
	response, _ := request(t, http.MethodGet, base+"/"+token, nil)
	require.Equal(t, http.StatusSeeOther, response.StatusCode)
	require.Equal(t, "/"+token+"/", response.Header.Get("Location"))
	response, body := request(t, http.MethodGet, p.URL(), nil)
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.NotContains(t, body, token)
	require.NotRegexp(t, `(src|href)="(https?:)?//`, body, "no external file")
	for name, value := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"} {
		require.Equal(t, value, response.Header.Get(name))
	}
	require.Contains(t, response.Header.Get("Content-Security-Policy"), "default-src 'none'; ")
	require.Contains(t, response.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'")
	response, _ = request(t, http.MethodGet, p.URL()+"nothing", nil)
	require.Equal(t, http.StatusNotFound, response.StatusCode)
	require.Empty(t, controls.told())
}

// TestStrangersHoldNoConnection: without the token, a connection ends with the response, even
// if the body of the request never comes.
func TestStrangersHoldNoConnection(t *testing.T) {
	p := listen(t, page.Options{Controls: new(fake)})
	u, err := url.Parse(p.URL())
	require.NoError(t, err)
	for _, text := range []string{"GET / HTTP/1.1\r\nHost: %s\r\n\r\n", "POST /abort HTTP/1.1\r\nHost: %s\r\nContent-Length: 10\r\n\r\n"} {
		connection, err := new(net.Dialer).DialContext(t.Context(), "tcp", u.Host)
		require.NoError(t, err)
		defer connection.Close()
		require.NoError(t, connection.SetDeadline(time.Now().Add(4*time.Second)))
		_, err = fmt.Fprintf(connection, text, u.Host)
		require.NoError(t, err)
		answer, err := io.ReadAll(connection)
		require.NoError(t, err, "the connection was not closed")
		require.Contains(t, string(answer), "403 Forbidden")
	}
}

func TestHost(t *testing.T) {
	p := listen(t, page.Options{})
	for host, want := range map[string]int{
		"127.0.0.1": 200, "127.0.0.1:1": 200, "localhost:8080": 200, "[::1]:8080": 200, "[::1]": 200, "127.8.9.10": 200,
		"evil.example.com": 403, "127.0.0.1.evil.example.com:80": 403, "192.0.2.1": 403, "": 400, "localhost.evil.example.com": 403,
	} {
		if host == "" {
			continue // the client would fill it in
		}
		response, _ := request(t, http.MethodGet, p.URL(), map[string]string{"Host": host})
		require.Equal(t, want, response.StatusCode, host)
	}
	public, err := page.Listen("0.0.0.0:0", page.Options{Public: true})
	require.NoError(t, err)
	defer public.Close()
	u, err := url.Parse(public.URL())
	require.NoError(t, err)
	u.Host = "127.0.0.1:" + u.Port()
	for host, want := range map[string]int{"192.0.2.1:80": 200, "[2001:db8::1]": 200, "localhost": 200, "evil.example.com": 403, "0.0.0.0": 200} {
		response, _ := request(t, http.MethodGet, u.String(), map[string]string{"Host": host})
		require.Equal(t, want, response.StatusCode, host)
	}
}

func TestButtonsNeedTheOrigin(t *testing.T) {
	controls := new(fake)
	p := listen(t, page.Options{Controls: controls})
	u, err := url.Parse(p.URL())
	require.NoError(t, err)
	for _, header := range []map[string]string{
		{"Origin": "https://evil.example.com"},
		{"Origin": "null"},
		{"Origin": "http://127.0.0.1:1"},
		{"Sec-Fetch-Site": "cross-site"},
		{"Sec-Fetch-Site": "same-site", "Origin": "http://" + u.Host},
	} {
		response, _ := request(t, http.MethodPost, p.URL()+"abort", header)
		require.Equal(t, http.StatusForbidden, response.StatusCode, header)
	}
	for _, name := range []string{"pause", "unpause", "abort", "approve?stage=1"} {
		response, _ := request(t, http.MethodGet, p.URL()+name, nil)
		require.Equal(t, http.StatusMethodNotAllowed, response.StatusCode)
	}
	require.Empty(t, controls.told())
	for _, name := range []string{"pause", "unpause", "abort", "approve?stage=2", "disapprove?stage=3"} {
		response, body := request(t, http.MethodPost, p.URL()+name, map[string]string{"Origin": "http://" + u.Host, "Sec-Fetch-Site": "same-origin"})
		require.Equal(t, http.StatusOK, response.StatusCode, body)
	}
	require.Equal(t, []string{"pause", "unpause", "abort", "approve 2", "disapprove 3"}, controls.told())

	none := listen(t, page.Options{})
	response, _ := request(t, http.MethodPost, none.URL()+"abort", nil)
	require.Equal(t, http.StatusNotFound, response.StatusCode)
}

func TestReportAsAPage(t *testing.T) {
	p := listen(t, page.Options{})
	_, body := request(t, http.MethodGet, p.URL()+"report", nil)
	require.Contains(t, body, "The run has not begun")
	p.OnEvent(begin())
	response, body := request(t, http.MethodGet, p.URL()+"report", nil)
	require.Equal(t, "text/html; charset=utf-8", response.Header.Get("Content-Type"))
	require.Contains(t, body, `data-instances="2"`)
	require.Contains(t, body, "web-&lt;1&gt;")
	require.NotContains(t, body, "web-<1>")
}

// follow reads server-sent events.
func follow(t *testing.T, p *page.Page) *bufio.Scanner {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL()+"events", http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(t, err)
	t.Cleanup(func() { _ = response.Body.Close() })
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 16<<20)
	return lines
}

// event returns the name and the data of the next event.
func event(lines *bufio.Scanner) (name, data string) {
	for lines.Scan() {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "event: "):
			name = line[len("event: "):]
		case strings.HasPrefix(line, "data: "):
			data = line[len("data: "):]
		case line == "" && name != "":
			return name, data
		}
	}
	return "", ""
}

func TestEvents(t *testing.T) {
	controls := &fake{state: control.State{Stage: 1}}
	p := listen(t, page.Options{Controls: controls})
	p.OnEvent(begin())
	lines := follow(t, p)
	name, data := event(lines)
	require.Equal(t, "report", name)
	var html string
	require.NoError(t, json.Unmarshal([]byte(data), &html))
	require.Contains(t, html, `data-state="healthy" data-count="0"`)
	name, data = event(lines)
	require.Equal(t, "state", name)
	require.JSONEq(t, `{"run":"","stage":1,"controls":true}`, data)
	for _, kind := range []fleet.EventKind{fleet.EventIntent, fleet.EventAccepted, fleet.EventDown, fleet.EventUp, fleet.EventHealthy} {
		p.OnEvent(fleet.Event{Kind: kind, At: time.Now(), InstanceID: "i-1", Attempt: 1})
	}
	name, data = event(lines)
	require.Equal(t, "report", name)
	require.Contains(t, data, `data-state=\"healthy\" data-count=\"1\"`)
	p.OnEvent(fleet.Event{Kind: fleet.EventEnd, At: time.Now(), Reason: fleet.ReasonUser})
	begun := time.Now()
	require.NoError(t, p.Close())
	require.Less(t, time.Since(begun), 3*time.Second)
	name, data = event(lines)
	require.Equal(t, "report", name, "the last state is shown")
	require.Contains(t, data, `data-ending=\"stopped\"`)
	name, _ = event(lines)
	require.Equal(t, "end", name)
	require.False(t, lines.Scan())
	require.NoError(t, p.Close())
}

// TestUpdate replaces the history, as for a run that is resumed.
func TestUpdate(t *testing.T) {
	p := listen(t, page.Options{})
	first := begin()
	events := make([]fleet.Event, 0, 8)
	events = append(events, first, fleet.Event{Kind: fleet.EventEnd, At: time.Now(), Reason: fleet.ReasonUser})
	history := &fleet.History{Plan: *first.Plan, Events: events}
	p.Update(history)
	p.OnEvent(fleet.Event{Kind: fleet.EventResume, At: time.Now(), Settings: &fleet.Settings{}})
	require.Len(t, history.Events, 2)
	require.Empty(t, events[:3][2].Kind, "the array of the caller is not written to")
	_, body := request(t, http.MethodGet, p.URL()+"report", nil)
	require.Contains(t, body, `data-sessions="2"`)
}

// TestReaderThatDoesNotRead must not hold up the run, and Close not for long.
func TestReaderThatDoesNotRead(t *testing.T) {
	p := listen(t, page.Options{})
	plan := fleet.Plan{Region: "cn-hangzhou"}
	for i := range 2000 {
		plan.Targets = append(plan.Targets, fleet.Target{ID: fmt.Sprintf("i-%d", i)})
	}
	e := begin()
	e.Plan = &plan
	p.OnEvent(e)
	follow(t, p) // and read nothing
	begun := time.Now()
	for i := range 20_000 {
		p.OnEvent(fleet.Event{Kind: fleet.EventHeld, At: time.Now(), InstanceID: fmt.Sprintf("i-%d", i%2000), Reason: fleet.ReasonBlocked})
	}
	require.Less(t, time.Since(begun), 15*time.Second, "writing to a browser may take 30 s")
	begun = time.Now()
	_ = p.Close()
	require.Less(t, time.Since(begun), 10*time.Second)
}

func TestTooManyReaders(t *testing.T) {
	p := listen(t, page.Options{})
	for range 32 {
		follow(t, p)
	}
	response, _ := request(t, http.MethodGet, p.URL()+"events", nil)
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
}

func TestAddresses(t *testing.T) {
	taken := listen(t, page.Options{})
	u, err := url.Parse(taken.URL())
	require.NoError(t, err)
	for address, want := range map[string]string{
		"127.0.0.1":         `invalid --page "127.0.0.1": want HOST:PORT, such as 127.0.0.1:0`,
		":8080":             `invalid --page ":8080": other machines can reach it; use 127.0.0.1, or allow it by --page-public`,
		"0.0.0.0:0":         "other machines can reach it",
		"[::]:0":            "other machines can reach it",
		"192.0.2.1:80":      "other machines can reach it",
		"localhost.evil:80": "other machines can reach it",
		u.Host:              "address already in use",
		"127.0.0.1:99999":   "invalid port",
	} {
		_, err := page.Listen(address, page.Options{})
		require.ErrorContains(t, err, want)
		require.Equal(t, exitcode.Usage, exitcode.Of(err))
	}
	p, err := page.Listen("localhost:0", page.Options{})
	require.NoError(t, err)
	require.NoError(t, p.Close())
}
