package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// eventLine is what -wait -json prints for an event.
type eventLine struct {
	Type       string    `json:"type"`
	At         time.Time `json:"at"`
	InstanceID string    `json:"instanceId"`
	Event      string    `json:"event"`
	Status     string    `json:"status,omitempty"`
	StartTime  time.Time `json:"startTime,omitzero"`
	RequestID  string    `json:"requestId,omitempty"`
	Error      string    `json:"error,omitempty"`
}

// jsonDisplay prints a line of JSON for each event.
type jsonDisplay struct {
	stdout     io.Writer
	instanceID string
}

func (w jsonDisplay) event(e ecsreboot.Event) {
	line := eventLine{
		Type:       "event",
		At:         e.At.UTC(),
		InstanceID: w.instanceID,
		Event:      string(e.Kind),
		Status:     string(e.Status),
		StartTime:  e.StartTime,
		RequestID:  e.RequestID,
	}
	if e.Err != nil {
		line.Error = e.Err.Error()
	}
	_, _ = fmt.Fprint(w.stdout, jsonText(line)) // the result, which comes last, tells if nobody reads
}

func (w jsonDisplay) end(result) {} // the result has a line of its own

// jsonText is a line of JSON.
func jsonText(line any) string {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(line)
	return text.String()
}

// lineDisplay prints a line for each event.
type lineDisplay struct {
	show func(format string, args ...any)
}

func (w lineDisplay) event(e ecsreboot.Event) { w.show("%s", describeEvent(e)) }
func (w lineDisplay) end(result)              {}

// describeEvent says what happened.
func describeEvent(e ecsreboot.Event) string {
	switch e.Kind {
	case ecsreboot.EventBaseline:
		return "before the restart: " + describeReading(e)
	case ecsreboot.EventSending:
		return "sending the restart"
	case ecsreboot.EventAccepted:
		return "accepted (request " + e.RequestID + ")"
	case ecsreboot.EventOutcomeUnknown:
		return "the answer was lost, it may restart: " + reason(e.Err)
	case ecsreboot.EventResendRefused:
		return "sent once more, and refused: the first send took effect"
	case ecsreboot.EventStatus:
		return describeReading(e)
	case ecsreboot.EventPollFailed:
		return "reading failed: " + reason(e.Err)
	case ecsreboot.EventProbeFailed: // this program has no probe
	}
	return string(e.Kind)
}

func describeReading(e ecsreboot.Event) string {
	if e.Status == "" {
		return "not listed"
	}
	text := string(e.Status)
	if !e.StartTime.IsZero() {
		text += ", started " + minute(e.StartTime)
	}
	return text
}

// minute is how the service tells times.
func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func reason(err error) string { return strings.TrimPrefix(err.Error(), "ecsreboot: ") }
