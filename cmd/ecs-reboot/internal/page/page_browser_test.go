package page_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/control"
	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/page"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/browsertest"
)

func TestBrowserNotesErrors(t *testing.T) {
	p := listen(t, page.Options{})
	b := browsertest.Start(t)
	b.Open(p.URL())
	b.Eval("setTimeout(() => nothing.at.all(), 0)")
	require.Eventually(t, func() bool { return b.Logged() != "" }, 5*time.Second, 20*time.Millisecond, "or else the other tests could not fail")
}

// TestBrowserFollowsARun follows a run of many instances from its first stage to its end,
// and uses the buttons.
func TestBrowserFollowsARun(t *testing.T) {
	b := browsertest.Start(t)
	service, err := ecstest.NewServer(ecstest.Options{})
	require.NoError(t, err)
	defer service.Close()
	selection := fleet.Selection{All: true, GroupBy: fleet.ByZone}
	for i := range 60 {
		require.NoError(t, service.AddInstance(ecstest.Instance{ID: fmt.Sprintf("i-bp67acfmxazb4ph%04d", i), Name: fmt.Sprintf("web-with-a-long-name-%04d", i), ZoneID: fmt.Sprintf("cn-hangzhou-%c", 'g'+i%3), Reboot: ecstest.RebootProfile{Graceful: 1500 * time.Millisecond}}))
	}
	client, err := service.NewClient()
	require.NoError(t, err)
	plan, err := fleet.NewPlan(t.Context(), client, selection)
	require.NoError(t, err)

	controls := new(fleet.Control)
	approvals := control.NewApprovals(nil, nil)
	local := control.NewLocal("run-1", "", controls, approvals)
	p, err := page.Listen("127.0.0.1:0", page.Options{Controls: local})
	require.NoError(t, err)
	defer p.Close()
	b.Size(1280, "light")
	b.Open(p.URL())
	b.Wait("document.getElementById('report').textContent.includes('not begun')")

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	done := make(chan *fleet.Report, 1)
	go func() {
		report, err := fleet.Run(ctx, client, plan, fleet.Options{
			Settings: fleet.Settings{
				Rules:    fleet.Rules{Canary: []int{1}, MaxUnavailable: fleet.Percent(100), AllowWide: true},
				MinReady: -1,
			},
			Control: controls, Approve: approvals.Approve,
			OnEvent: func(e fleet.Event) { local.OnEvent(e); p.OnEvent(e) },
		})
		if err != nil {
			t.Error(err)
		}
		done <- report
	}()

	b.Wait("document.getElementById('status').textContent === 'Canary stage 1 waits for approval'")
	b.Click("pause")
	b.Wait("document.querySelector('button[data-post=unpause]').checkVisibility()")
	b.Eval("document.querySelector('details.moments').open = true")
	b.Click("approve")
	b.Wait("document.getElementById('status').textContent === 'The run is paused: requested'")
	updates := b.Eval("Number(document.documentElement.dataset.updates)")
	for _, width := range []int{1280, 380} {
		for _, colors := range []string{"light", "dark"} {
			b.Size(width, colors)
			name := fmt.Sprintf("%d %s", width, colors)
			require.Equal(t, true, b.Eval("document.documentElement.scrollWidth <= window.innerWidth"), name)
			require.InDelta(t, width, b.Eval("window.innerWidth"), 0, name)
			bar := "document.getElementById('bar').getBoundingClientRect()"
			require.Equal(t, true, b.Eval(bar+".bottom <= window.innerHeight + 1 && "+bar+".right <= window.innerWidth"), name)
			background := b.Eval("getComputedStyle(document.body).backgroundColor")
			require.Equal(t, map[string]string{"light": "rgb(255, 255, 255)", "dark": "rgb(21, 24, 28)"}[colors], background, name)
			b.Picture(name)
		}
	}
	b.Eval("window.scrollTo(0, 300)")
	b.Click("unpause")
	report := <-done
	require.NoError(t, report.Err())
	b.Wait("document.querySelector('main').dataset.ending === 'done'")
	require.Greater(t, b.Eval("Number(document.documentElement.dataset.updates)"), updates)
	require.Greater(t, b.Eval("window.scrollY"), 200.0, "an update does not scroll; the browser makes up for lines that go above")
	require.Equal(t, true, b.Eval("document.querySelector('details.moments').open"))
	b.Wait("document.querySelectorAll('#buttons button:not([hidden])').length === 0")

	// The search box.
	b.Eval(`(() => { const i = document.querySelector(".filter input"); i.value = " WEB-WITH-A-LONG-NAME-0012 "; i.dispatchEvent(new Event("input")); })()`)
	require.InDelta(t, 1, b.Eval(`document.querySelectorAll(".rows tbody tr:not([hidden])").length`), 0)

	require.NoError(t, p.Close())
	b.Wait("document.getElementById('status').textContent === 'The run has ended: done. This page shows its last state'")
	require.Equal(t, "done", b.Eval("document.querySelector('main').dataset.ending"))
	require.InDelta(t, 60, b.Eval("Number(document.querySelector('[data-state=healthy]').dataset.count)"), 0)
	require.Empty(t, b.Logged())
}

// TestBrowserAborts aborts a run, by two clicks.
func TestBrowserAborts(t *testing.T) {
	controls := new(fleet.Control)
	local := control.NewLocal("run-1", "", controls, nil)
	p := listen(t, page.Options{Controls: local})
	p.OnEvent(begin())
	b := browsertest.Start(t)
	b.Size(380, "light")
	b.Open(p.URL())
	b.Click("abort")
	b.Wait("document.querySelector('button[data-post=abort]').textContent === 'Abort: sure?'")
	state, err := local.State(t.Context())
	require.NoError(t, err)
	require.Empty(t, state.Ending, "one click is not enough")
	b.Click("abort")
	b.Wait("document.getElementById('status').textContent === 'The run sends nothing more: requested'")
	state, err = local.State(t.Context())
	require.NoError(t, err)
	require.Equal(t, fleet.ReasonUser, state.Ending)
	require.Empty(t, b.Logged())
}

// TestBrowserShowsRefusals approves a stage that somebody else has answered just now.
func TestBrowserShowsRefusals(t *testing.T) {
	controls := &fake{state: control.State{Stage: 1}, err: fmt.Errorf("%w: <b>stage 2</b> waits", control.ErrNotPending)}
	p := listen(t, page.Options{Controls: controls})
	p.OnEvent(begin())
	b := browsertest.Start(t)
	b.Open(p.URL())
	b.Click("approve")
	b.Wait("document.getElementById('error').textContent === 'not waiting for this approval: <b>stage 2</b> waits'")
	require.Equal(t, []string{"approve 1"}, controls.told())
}

// TestBrowserSeesALostRun ends the process without Close, as a crash does.
func TestBrowserSeesALostRun(t *testing.T) {
	p := listen(t, page.Options{Controls: &fake{}})
	p.OnEvent(begin())
	b := browsertest.Start(t)
	b.Open(p.URL())
	b.Wait("document.getElementById('status').textContent === 'The run is in progress'")
	require.Equal(t, "The run is in progress", b.Eval("document.querySelector('h1').textContent"))
	p.Crash()
	b.Wait("document.getElementById('status').textContent === 'Not connected. This page shows an earlier state'")
	require.Equal(t, true, b.Eval("document.querySelectorAll('#buttons button:not([hidden])').length === 0"))
	require.Equal(t, "open", b.Eval("document.querySelector('main').dataset.ending"))
	require.Contains(t, b.Eval("document.querySelector('h1').textContent"), "or it has crashed")
}

// TestBrowserWaitsForAPlace opens the page when too many browsers follow the run, until one
// leaves.
func TestBrowserWaitsForAPlace(t *testing.T) {
	p := listen(t, page.Options{})
	p.OnEvent(begin())
	first, leave := context.WithCancel(t.Context())
	for i := range 32 {
		ctx := t.Context()
		if i == 0 {
			ctx = first
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL()+"events", http.NoBody)
		require.NoError(t, err)
		response, err := http.DefaultTransport.RoundTrip(r)
		require.NoError(t, err)
		defer response.Body.Close()
	}
	b := browsertest.Start(t)
	b.Open(p.URL())
	b.Wait("document.getElementById('status').textContent.startsWith('Not connected')")
	leave()
	b.Wait("document.getElementById('status').textContent === 'The run is in progress'")
}
