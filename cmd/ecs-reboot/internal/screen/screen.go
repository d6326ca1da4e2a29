package screen

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// screen redraws some lines in place, below all other output. It does not change the mode of
// the terminal, so Ctrl-C still sends a signal, and the terminal needs no reset when the
// program ends.
type screen struct {
	tracker  *Tracker
	color    bool
	progress *mpb.Progress
	bar      *mpb.Bar
	once     sync.Once
}

func newScreen(w io.Writer, t *Tracker, color bool) *screen {
	v := &screen{tracker: t, color: color}
	v.progress = mpb.New(mpb.WithOutput(w), mpb.WithAutoRefresh())
	v.bar = v.progress.MustAdd(0,
		mpb.BarFillerFunc(func(w io.Writer, s decor.Statistics) error { return v.fill(w, s.AvailableWidth) }),
		mpb.BarFillerTrim(),
		mpb.BarExtender(mpb.BarFillerFunc(func(w io.Writer, s decor.Statistics) error { return v.extend(w, s.AvailableWidth) }), false),
	)
	return v
}

func (v *screen) Event(e fleet.Event) {
	v.tracker.Add(e)
	switch e.Kind {
	case fleet.EventStage, fleet.EventPause, fleet.EventContinue, fleet.EventStop, fleet.EventHalt, fleet.EventFailed, fleet.EventUnknown, fleet.EventSkipped:
		v.Note("%s", EventLine(e))
	default: // is in the numbers
	}
}

func (v *screen) Note(format string, args ...any) {
	_, _ = io.WriteString(v.progress, Clean(strings.TrimSuffix(fmt.Sprintf(format, args...), "\n"))+"\n")
}

// Close leaves the last state on the screen.
func (v *screen) Close() {
	v.once.Do(func() {
		v.bar.Abort(false)
		v.progress.Wait()
	})
}

// fill draws the bar.
func (v *screen) fill(w io.Writer, width int) error {
	s := v.tracker.now()
	text := fmt.Sprintf(" %d/%d  %v", s.done, s.total, s.took.Truncate(time.Second))
	if s.left > 0 {
		text += fmt.Sprintf("  ETA %v", s.left.Round(time.Second))
	}
	size := max(0, width-len(text)-2)
	done := size * s.done / max(1, s.total)
	bar := "[" + strings.Repeat("=", done) + strings.Repeat("-", size-done) + "]"
	color := green
	if s.broken {
		color = red
	}
	_, err := io.WriteString(w, v.paint(color, cut(bar, width))+cut(text, max(0, width-len(bar))))
	return err
}

// extend draws the lines below it.
func (v *screen) extend(w io.Writer, width int) error {
	s := v.tracker.now()
	lines := []string{s.states, s.unavailable + "; " + s.rate}
	if s.gate != "" {
		lines = append(lines, s.gate)
	}
	for i, line := range lines {
		lines[i] = cut(line, width)
	}
	if s.gate != "" {
		lines[len(lines)-1] = v.paint(yellow, lines[len(lines)-1])
	}
	for _, line := range s.groups {
		lines = append(lines, cut("  "+line, width))
	}
	for _, line := range s.flight {
		lines = append(lines, cut("> "+line, width))
	}
	if s.health != "" {
		lines = append(lines, v.paint(yellow, cut(s.health, width)))
	}
	for _, failure := range s.failures {
		lines = append(lines, v.paint(red, cut("! "+failure, width)))
	}
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}

// cut makes a text one line that fits: one that is wrapped could not be redrawn in
// place.
func cut(text string, width int) string {
	return runewidth.Truncate(oneLine(text), width, "")
}

const (
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	red    = "\x1b[31m"
	reset  = "\x1b[0m"
)

func (v *screen) paint(color, text string) string {
	if !v.color || text == "" {
		return text
	}
	return color + text + reset
}
