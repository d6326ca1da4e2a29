package report_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/report"
)

func TestEscapes(t *testing.T) {
	const hostile = `</title><script>alert(1)</script>"'><img src=x onerror=alert(2)>&{{.}}`
	plan := fleet.Plan{Region: hostile, Endpoint: hostile}
	events := []fleet.Event{{Kind: fleet.EventPause, Reason: hostile}, {Kind: fleet.EventHalt, Reason: hostile, Error: hostile}}
	for i := range 6 {
		id := hostile + strconv.Itoa(i)
		plan.Targets = append(plan.Targets, fleet.Target{ID: id, Name: hostile, Zone: hostile, Group: hostile + strconv.Itoa(i%2)})
		events = append(events, fleet.Event{Kind: fleet.EventIntent, InstanceID: id, Attempt: 2})
	}
	for i, kind := range []fleet.EventKind{fleet.EventFailed, fleet.EventUnknown, fleet.EventSkipped, fleet.EventUnsent, fleet.EventHealthy} {
		events = append(events, fleet.Event{
			Kind: kind, InstanceID: plan.Targets[i].ID, Reason: hostile, Code: hostile, Error: hostile, RequestID: hostile, Proof: hostile,
		})
	}
	history := script(plan, events...)
	history.Events[0].Program = hostile
	text := write(t, history, report.Options{Program: hostile, Journal: hostile})
	requireAgrees(t, text, history)
	require.Equal(t, 1, strings.Count(text, "<script"), "the page's own")
	require.NotContains(t, text, "<img")
	require.Greater(t, strings.Count(text, "&lt;script&gt;alert(1)&lt;/script&gt;"), 40)
}

// The console output of an instance is folded and escaped, and an error takes its place.
func TestConsoleOutput(t *testing.T) {
	plan := fleet.Plan{Region: "cn-hangzhou", Targets: []fleet.Target{{ID: "i-1"}, {ID: "i-2"}, {ID: "i-3"}}}
	var events []fleet.Event
	for _, target := range plan.Targets {
		events = append(events, fleet.Event{Kind: fleet.EventIntent, InstanceID: target.ID, Attempt: 1},
			fleet.Event{Kind: fleet.EventAccepted, InstanceID: target.ID}, fleet.Event{Kind: fleet.EventFailed, InstanceID: target.ID, Reason: fleet.ReasonNotBack})
	}
	events = append(events, fleet.Event{Kind: fleet.EventConsole, InstanceID: "i-1", Console: "[ 1.0] </pre><script>alert(1)</script>\n  Kernel panic\n"},
		fleet.Event{Kind: fleet.EventConsole, InstanceID: "i-2", Error: "Forbidden.RAM <b>"})
	text := write(t, script(plan, events...), report.Options{})
	require.Equal(t, 1, strings.Count(text, `<details class="console">`))
	require.Contains(t, text, `<details class="console"><summary>console output</summary><pre>[ 1.0] &lt;/pre&gt;&lt;script&gt;alert(1)&lt;/script&gt;`+"\n  Kernel panic\n</pre></details>")
	require.Equal(t, 1, strings.Count(text, "<small>failed to read the console output: Forbidden.RAM &lt;b&gt;</small>"))
}

func TestNeedsNothingElse(t *testing.T) {
	text := write(t, simulate(t, samples["three hundred"]), options)
	require.NotRegexp(t, `(?i)https?://|\bsrc=|@import|<link|<iframe|<object`, text)
	require.NotRegexp(t, `url\([^#]`, text)
	_, code, found := strings.Cut(text, "<script>")
	require.True(t, found)
	code, _, found = strings.Cut(code, "</script>")
	require.True(t, found)
	sum := sha256.Sum256([]byte(code))
	require.Contains(t, text, "script-src 'sha256-"+html.EscapeString(base64.StdEncoding.EncodeToString(sum[:]))+"'")
}

// TestAdvice makes an instance of each state and reason.
func TestAdvice(t *testing.T) {
	for state, reasons := range map[fleet.EventKind][]fleet.Reason{
		fleet.EventFailed: {
			fleet.ReasonRefused, fleet.ReasonNotListed, fleet.ReasonNotSent, fleet.ReasonNotBack, fleet.ReasonNotHealthy,
			fleet.ReasonNotProven, fleet.ReasonNotWatched, fleet.ReasonGone, fleet.ReasonDenied, fleet.ReasonStopped, fleet.ReasonNotDrained,
			fleet.ReasonNotUndrained, "of a later version",
		},
		fleet.EventSkipped: {
			fleet.ReasonNotRunning, fleet.ReasonLocked, fleet.ReasonSelf, fleet.ReasonUptime, fleet.ReasonOthers, fleet.ReasonGone,
			fleet.ReasonMarkedRestarted, "of a later version",
		},
		fleet.EventUnsent: {
			fleet.ReasonBlocked, fleet.ReasonAccess, fleet.ReasonJournal, fleet.ReasonWindow,
			fleet.ReasonMarkedNotRestarted, "of a later version",
		},
	} {
		var plan fleet.Plan
		var events []fleet.Event
		for i, reason := range reasons {
			id := fmt.Sprintf("i-%d", i)
			plan.Targets = append(plan.Targets, fleet.Target{ID: id})
			events = append(
				events,
				fleet.Event{Kind: fleet.EventIntent, InstanceID: id, Attempt: 1},
				fleet.Event{Kind: state, InstanceID: id, Reason: reason},
			)
		}
		text := write(t, script(plan, events...), options)
		why := regexp.MustCompile(`<p class="why">(?:<b>(.*?)</b> )?<span class="n">1</span> (.+?)</p>`).FindAllStringSubmatch(text, -1)
		require.Len(t, why, len(reasons))
		said := make(map[string]bool)
		for _, w := range why {
			require.Contains(t, reasons, fleet.Reason(w[1]))
			require.False(t, said[w[2]], "the same is said of two reasons: %s", w[2])
			said[w[2]] = true
		}
	}
}

func TestCommandsAreQuoted(t *testing.T) {
	plan := fleet.Plan{Region: "cn-hangzhou", Targets: []fleet.Target{{ID: "i-1"}, {ID: "i-2"}}}
	history := script(
		plan,
		fleet.Event{Kind: fleet.EventIntent, InstanceID: "i-1", Attempt: 1},
		fleet.Event{Kind: fleet.EventFailed, InstanceID: "i-1", Reason: fleet.ReasonRefused},
		fleet.Event{Kind: fleet.EventIntent, InstanceID: "i-2", Attempt: 1},
	)
	text := html.UnescapeString(write(t, history, report.Options{Program: "./rolling", Journal: "it's mine; $(date).journal"}))
	require.Contains(t, text, `<code>./rolling resolve 'it'\''s mine; $(date).journal'</code>`)
	require.Contains(t, text, `<code>./rolling resume 'it'\''s mine; $(date).journal'</code>`)
	require.NotContains(t, write(t, history, report.Options{}), "<pre>", "nobody knows the program")
}
