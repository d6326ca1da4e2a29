package report

import (
	"fmt"
	"time"

	"github.com/ecsreboot/ecsreboot/fleet"
)

const (
	maxFlags = 40
	flagRows = 3
	flagRoom = 0.035 // of the width
	flagStep = 16    // pixels from row to row
)

// mark draws what happened to the run as a whole: flags in the charts, and what
// they stand for in a list.
func (v *view) mark(s *story, a *axis) {
	var free [flagRows]float64 // from where on a row has room
	var paused map[fleet.Reason]Mark
	layout := "15:04:05"
	if s.last.Sub(s.begun) > 12*time.Hour {
		layout = "Jan 2 15:04:05"
	}
	for i, m := range s.marks {
		v.Moments = append(v.Moments, moment{Number: i + 1, At: m.At.In(a.zone).Format(layout), Text: m.text()})
		switch x := a.x(m.At); {
		case i >= maxFlags:
		default:
			row := 0
			for row < flagRows-1 && x < free[row] {
				row++
			}
			free[row] = x + flagRoom
			v.Flags = append(v.Flags, flag{Number: i + 1, X: percent(x), Row: row, Y: row*flagStep + 8, TextY: row*flagStep + 12, Kind: string(m.Kind)})
		}
		switch m.Kind {
		case fleet.EventPause:
			if paused == nil {
				paused = make(map[fleet.Reason]Mark)
			}
			paused[m.Reason] = m
		case fleet.EventContinue:
			v.pause(a, paused[m.Reason], m)
			delete(paused, m.Reason)
		case fleet.EventResume, fleet.EventEnd:
			for reason, from := range paused { // a new session judges anew
				v.pause(a, from, m)
				delete(paused, reason)
			}
		default:
		}
	}
	for _, from := range paused {
		v.pause(a, from, Mark{At: s.last})
	}
	for i, one := range s.sessions[1:] {
		v.shade(a, "away", interval{s.sessions[i].to, one.from}, "no session")
	}
	for _, p := range a.pieces {
		if p.short {
			v.shade(a, "short", p.interval, "drawn short")
		}
	}
}

func (v *view) pause(a *axis, from, to Mark) {
	if !from.At.IsZero() {
		v.shade(a, "pause", interval{from.At, to.At}, "paused: "+string(from.Reason))
	}
}

func (v *view) shade(a *axis, class string, during interval, title string) {
	x0, x1 := a.x(during.from), a.x(during.to)
	v.Shades = append(v.Shades, shade{
		Class: class, X: percent(x0), Width: percent(max(x1-x0, 0.001)),
		Title: fmt.Sprintf("%s, %s", title, seconds(during.to.Sub(during.from).Seconds())),
	})
}

// text is the mark in words.
func (m Mark) text() string {
	var text string
	switch m.Kind {
	case fleet.EventRun:
		return "The run begins"
	case fleet.EventResume:
		if m.Crashed {
			return "A new session goes on. The one before has no end: it had crashed"
		}
		return "A new session goes on"
	case fleet.EventStage:
		return fmt.Sprintf("Canary stage %d has passed", m.Stage)
	case fleet.EventPause:
		text = "Paused"
	case fleet.EventContinue:
		text = "Goes on, no longer held"
	case fleet.EventStop:
		text = "Stopped"
	case fleet.EventHalt:
		text = "Halted"
	case fleet.EventEnd:
		text = "The session ends"
	default:
		text = string(m.Kind)
	}
	if m.Reason != "" {
		text += ": " + string(m.Reason)
	}
	if m.Error != "" {
		text += " (" + m.Error + ")"
	}
	return text
}
