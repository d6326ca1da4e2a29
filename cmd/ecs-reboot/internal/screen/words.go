package screen

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// States are the states of instances, in the order in which texts list them.
var States = []fleet.State{
	fleet.StateHealthy, fleet.StateRestarting, fleet.StateWaiting, fleet.StateFailed, fleet.StateUnknown, fleet.StateSkipped,
}

// Counts lists how many instances are in which state, such as "2 healthy, 1 failed".
func Counts(count func(fleet.State) int) string {
	var parts []string
	for _, state := range States {
		if n := count(state); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	return strings.Join(parts, ", ")
}

// Plural returns a number of things, such as "2 instances".
func Plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// Reason returns a reason in the words of the command line.
func Reason(reason fleet.Reason) string {
	switch reason {
	case fleet.ReasonUser:
		return "as requested"
	case fleet.ReasonWidth:
		return "limit used up (--max-unavailable)"
	case fleet.ReasonBudget:
		return "failure budget exceeded (--max-failed)"
	case fleet.ReasonWindow:
		return "outside --window"
	default:
		return string(reason)
	}
}

// Paused says why nothing is sent for now.
func Paused(held []fleet.Reason) string {
	texts := make([]string, len(held))
	for i, reason := range held {
		texts[i] = Reason(reason)
	}
	return "paused: " + strings.Join(texts, ", ")
}

// Clean replaces control characters, which would make a terminal act: names and messages
// come from elsewhere.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\n' {
			return r
		}
		return '?'
	}, text)
}

func oneLine(text string) string { return strings.ReplaceAll(text, "\n", " ") }

// ConsoleEmpty is the error of package fleet for a console that was read and has no text.
const ConsoleEmpty = "the console output is empty"

// EventLine returns a line for an event that people want to see, and "" for others.
func EventLine(e fleet.Event) string {
	line := e.InstanceID
	switch e.Kind {
	case fleet.EventIntent:
		line += " restarting"
		if e.Attempt > 1 {
			line += fmt.Sprintf(", attempt %d", e.Attempt)
		}
	case fleet.EventDoubt:
		line += " may be restarting: the response was lost"
	case fleet.EventAwaiting:
		return line + " may have restarted: waiting for the witness"
	case fleet.EventAccepted:
		if e.Witness == "" {
			return ""
		}
		line += " was accepted, as " + e.Witness + " says"
	case fleet.EventHeld:
		line += " is held back"
	case fleet.EventUnsent:
		line += " waits again"
	case fleet.EventHealthy, fleet.EventFailed, fleet.EventUnknown, fleet.EventSkipped:
		line += " " + string(e.Kind)
	case fleet.EventMarked:
		line += " marked"
	case fleet.EventHook:
		return line + " " + string(e.Hook)
	case fleet.EventHooked:
		if e.Error == "" {
			return ""
		}
		return line + " " + string(e.Hook) + " failed: " + e.Error
	case fleet.EventConsole:
		switch e.Error {
		case "":
		case ConsoleEmpty:
			return line + " console output was read, and is empty"
		default:
			return line + " console output was not read: " + e.Error
		}
		return line + " console output was read"
	case fleet.EventStage:
		return fmt.Sprintf("canary stage %d passed", e.Stage)
	case fleet.EventRun, fleet.EventResume:
		return ""
	case fleet.EventMaintenance:
		if e.Error == "" {
			return ""
		}
		line = "failed to read what became of the maintenance events"
	case fleet.EventPause:
		line = "paused"
	case fleet.EventContinue:
		line = "pause ended"
	case fleet.EventStop, fleet.EventHalt, fleet.EventEnd:
		line = string(e.Kind)
	default:
		return ""
	}
	for _, why := range []string{Reason(e.Reason), string(e.Code), e.Error} {
		if why != "" {
			line += ": " + why
		}
	}
	if e.RequestID != "" && (e.Kind == fleet.EventFailed || e.Kind == fleet.EventUnknown || e.Kind == fleet.EventAccepted) {
		line += " (request " + e.RequestID + ")"
	}
	return line
}
