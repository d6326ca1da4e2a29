package fleet

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// transition is that an event, or a turn, moves a target from a state to another.
type transition struct{ from, event, to string }

// TestStatesAreAsDocumented holds the package comment against the planner: the table
// has exactly its transitions, and the drawing has none that it has not.
func TestStatesAreAsDocumented(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	drawn, listed := make(map[transition]bool), make(map[transition]bool)
	arrow := regexp.MustCompile(`^-+([a-z]+)-+>$`)
	table := false
	for line := range strings.Lines(string(text)) {
		line, isFigure := strings.CutPrefix(line, "//\t")
		if !isFigure {
			table = false
			continue
		}
		words := strings.Fields(line)
		if table {
			to := slices.Index(words, "->")
			require.Positive(t, to, line)
			for _, from := range allEndings(words[1:to]) {
				for _, next := range allEndings(words[to+1:]) {
					if next == "same" {
						next = from
					}
					require.False(t, listed[transition{from, words[0], next}], "it is listed twice: %s", line)
					listed[transition{from, words[0], next}] = true
				}
			}
		}
		table = table || len(words) > 0 && words[0] == "event"
		for i, word := range words {
			if event := arrow.FindStringSubmatch(word); event != nil {
				drawn[transition{words[i-1], event[1], words[i+1]}] = true
			}
		}
	}
	require.Equal(t, sorted(plannerTransitions(t)), sorted(listed))
	require.Greater(t, len(drawn), 10)
	for d := range drawn {
		require.True(t, listed[d], "%v is drawn and cannot be", d)
	}
	for state := waiting; state < endOfStates; state++ {
		_, _, isVariant := variantOf(state)
		if !isVariant {
			require.Contains(t, strings.Join(sorted(drawn), " "), state.String(), "it is not drawn")
		}
	}
}

// allEndings returns states, with a star expanded into all endings of a state.
func allEndings(words []string) (states []string) {
	for _, word := range words {
		starred, isStarred := strings.CutSuffix(word, "*")
		if !isStarred {
			states = append(states, word)
			continue
		}
		for state := waiting; state < endOfStates; state++ {
			if broad, _, _ := variantOf(state); broad == starred {
				states = append(states, state.String())
			}
		}
	}
	return states
}

// variantOf splits a state that says what is known of the instance itself.
func variantOf(state targetState) (broad, ending string, ok bool) {
	for _, ending := range []string{"-down", "-up", "-gone"} {
		if broad, ok := strings.CutSuffix(state.String(), ending); ok {
			return broad, ending, true
		}
	}
	return state.String(), "", false
}

// plannerTransitions tries every event in every state that a planner reaches.
func plannerTransitions(t *testing.T) map[transition]bool {
	t.Helper()
	events := []Event{
		{Kind: EventHeld, Reason: ReasonThrottled},
		{Kind: EventSkipped, Reason: ReasonUptime},
		{Kind: EventSkipped, Reason: ReasonOthers, Unavailable: true},
		{Kind: EventSkipped, Reason: ReasonLocked},
		{Kind: EventSkipped, Reason: ReasonNotRunning, Unavailable: true},
		{Kind: EventHook, Hook: HookDrain},
		{Kind: EventHook, Hook: HookUndrain},
		{Kind: EventHook, Hook: HookFailed},
		{Kind: EventHooked, Hook: HookDrain},
		{Kind: EventMaintenance},
		{Kind: EventConsole, Console: "Kernel panic"},
		{Kind: EventFailed, Reason: ReasonNotUndrained},
		{Kind: EventFailed, Running: true},
		{Kind: EventFailed, Witness: "ActionTrail"},
		{Kind: EventFailed, Witness: "ActionTrail", Running: true},
		{Kind: EventFailed, Witness: "ActionTrail", Reason: ReasonNotUndrained},
		{Kind: EventFailed, Witness: "ActionTrail", Reason: ReasonGone},
		{Kind: EventAwaiting},
		{Kind: EventAwaiting, Running: true},
		{Kind: EventFailed, Reason: ReasonNotListed},
		{Kind: EventFailed, Reason: ReasonGone, Running: true},
		{Kind: EventResume},
	}
	for _, mark := range []Mark{MarkGone, MarkRestarted, MarkNotRestarted, "of a later version"} {
		events = append(events, Event{Kind: EventMarked, Mark: mark, Reason: mark.reason()})
	}
	for _, kind := range []EventKind{
		EventIntent, EventAccepted, EventDoubt, EventUnsent, EventDown, EventUp, EventHealthy, EventFailed, EventUnknown,
	} {
		events = append(events, Event{Kind: kind})
	}
	found := make(map[transition]bool)
	histories := map[targetState][]Event{waiting: nil}
	note := func(history []Event, event string, from, to targetState) {
		found[transition{from.String(), event, to.String()}] = true
		if _, known := histories[to]; !known {
			histories[to] = history
		}
	}
	for seen := make(map[targetState]bool); len(seen) < len(histories); {
		for from, history := range maps.Clone(histories) {
			if seen[from] {
				continue
			}
			seen[from] = true
			p := plannerAfter(t, from, history)
			_, err := p.Next(Event{Kind: EventRun})
			require.NoError(t, err)
			if to := p.targets[0].state; to != from {
				note([]Event{{Kind: EventRun}}, "turn", from, to)
			}
			for _, e := range events {
				p := plannerAfter(t, from, history)
				if e.Kind != EventResume {
					e.InstanceID = "a"
				}
				err := p.Replay(e)
				to := p.targets[0].state
				switch changed := to != from; {
				case err != nil:
					require.False(t, changed, "%s is an error in %s and changes it", e.Kind, from)
				case isNote(&e):
					require.False(t, changed, "%s changes %s", e.Kind, from)
				case e.Kind == EventResume && !changed:
				default:
					note(append(slices.Clone(history), e), string(e.Kind), from, to)
				}
			}
		}
	}
	require.Len(t, histories, int(endOfStates-waiting), "states that a planner never reaches")
	return found
}

// plannerAfter is a planner of one target whose history ends in a state.
func plannerAfter(t *testing.T, state targetState, history []Event) *Planner {
	t.Helper()
	p, err := NewPlanner(Plan{Targets: []Target{{ID: "a"}}}, Rules{Canary: []int{}})
	require.NoError(t, err)
	for _, e := range history {
		if e.Kind == EventRun {
			_, err = p.Next(e)
		} else {
			err = p.Replay(e)
		}
		require.NoError(t, err)
	}
	require.Equal(t, state, p.targets[0].state)
	return p
}

func sorted(transitions map[transition]bool) []string {
	var lines []string
	for tr := range transitions {
		lines = append(lines, tr.from+" --"+tr.event+"--> "+tr.to)
	}
	slices.Sort(lines)
	return lines
}
