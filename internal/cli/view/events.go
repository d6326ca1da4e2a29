package view

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// Display shows the steps of one restart.
type Display interface {
	// Event shows a step.
	Event(e ecsreboot.Event)
	// End ends the display, before the result is printed.
	End(r Result)
}

// Silent returns a display that shows nothing.
func Silent() Display { return silent{} }

type silent struct{}

func (silent) Event(ecsreboot.Event) {}
func (silent) End(Result)            {}

// Lines returns a display that passes a line for each step to show.
func Lines(show func(format string, args ...any)) Display { return lines{show} }

type lines struct {
	show func(format string, args ...any)
}

func (d lines) Event(e ecsreboot.Event) { d.show("%s", Describe(e)) }
func (lines) End(Result)                {}

// JSON returns a display that writes a line of JSON for each step to w.
func JSON(w io.Writer, instanceID string) Display { return jsonLines{w, instanceID} }

type jsonLines struct {
	w          io.Writer
	instanceID string
}

// eventLine is the JSON of a step. Scripts read it: the keys do not change.
type eventLine struct {
	Type       string    `json:"type"` // "event"
	At         time.Time `json:"at"`
	InstanceID string    `json:"instanceId"`
	Event      string    `json:"event"`
	Status     string    `json:"status,omitempty"`
	StartTime  time.Time `json:"startTime,omitzero"`
	RequestID  string    `json:"requestId,omitempty"`
	SendID     string    `json:"sendId,omitempty"`
	Error      string    `json:"error,omitempty"`
	// Testimony is what the witness found.
	Testimony ecsreboot.Testimony `json:"testimony,omitzero"`
}

func (d jsonLines) Event(e ecsreboot.Event) {
	line := eventLine{
		Type:       "event",
		At:         e.At.UTC(),
		InstanceID: d.instanceID,
		Event:      string(e.Kind),
		Status:     string(e.Status),
		StartTime:  e.StartTime,
		RequestID:  e.RequestID,
		SendID:     e.SendID,
		Testimony:  e.Testimony,
	}
	if e.Err != nil {
		line.Error = e.Err.Error()
	}
	_, _ = fmt.Fprint(d.w, jsonLine(line)) // if nobody reads, the result, which is written last, reports it
}

func (jsonLines) End(Result) {} // the result is a line of its own

// Describe says in words what happened.
func Describe(e ecsreboot.Event) string {
	switch e.Kind {
	case ecsreboot.EventBaseline:
		return "before the restart: " + describeStatus(e)
	case ecsreboot.EventSending:
		return "sending the restart"
	case ecsreboot.EventAccepted:
		return "accepted (request " + e.RequestID + ")"
	case ecsreboot.EventOutcomeUnknown:
		return "response lost, the instance may restart: " + reason(e.Err)
	case ecsreboot.EventResendRefused:
		return resendRefused
	case ecsreboot.EventStatus:
		return describeStatus(e)
	case ecsreboot.EventPollFailed:
		return "poll failed: " + reason(e.Err)
	case ecsreboot.EventProbeFailed:
		return "probe failed: " + reason(e.Err)
	case ecsreboot.EventWitness:
		text := e.Testimony.String()
		if e.Testimony.Message != "" {
			text += ": " + e.Testimony.Message
		}
		return text
	case ecsreboot.EventWitnessFailed:
		return "witness failed: " + reason(e.Err)
	case ecsreboot.EventAwaitsWitness:
		return awaitsWitness
	}
	return string(e.Kind)
}

const awaitsWitness = "no sign of the restart, waiting for the witness"

const resendRefused = "resent and refused: the first request took effect"

func describeStatus(e ecsreboot.Event) string {
	if e.Status == "" {
		return "not listed"
	}
	text := string(e.Status)
	if !e.StartTime.IsZero() {
		text += ", started " + Minute(e.StartTime)
	}
	return text
}

func reason(err error) string { return strings.TrimPrefix(err.Error(), "ecsreboot: ") }

// Stopwatch returns a function that prints lines with the time since this call, such
// as for [Lines].
func Stopwatch(w io.Writer) func(format string, args ...any) {
	start := time.Now()
	return func(format string, args ...any) {
		fmt.Fprintf(w, "%6.2f s  %s\n", time.Since(start).Seconds(), fmt.Sprintf(format, args...))
	}
}
