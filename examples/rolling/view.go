package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
)

// view shows people, or programs, how a run goes, on stderr.
type view interface {
	event(e fleet.Event)
	note(format string, args ...any)
	close()
}

func checkProgress(mode string) error {
	switch mode {
	case "auto", "tty", "plain", "json", "none":
		return nil
	}
	return cmdline.Errorf("-progress %q is unknown; it is auto, tty, plain, json or none", mode)
}

// chooseProgress says what auto means. A terminal that cannot move its cursor, and
// what CI systems give to programs whose output only goes to a log, get plain lines.
func chooseProgress(mode string, screen bool, getenv func(string) string) string {
	if mode != "auto" {
		return mode
	}
	term, ci := getenv("TERM"), getenv("CI")
	if !screen || term == "" || term == "dumb" || ci != "" && ci != "0" && ci != "false" {
		return "plain"
	}
	return "tty"
}

// newView begins to show a run.
func (p *program) newView(s *settings, t *tracker) view {
	switch chooseProgress(s.progress, p.screen, p.getenv) {
	case "tty":
		return newScreen(p.stderr, t, p.getenv("NO_COLOR") == "")
	case "json":
		return &eventLines{w: p.stderr}
	case "none":
		return &eventLines{}
	default:
		return newPlain(p.stderr, t)
	}
}

// show has notes go to a view, and returns the one before.
func (p *program) show(v view) (before view) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before, p.shown = p.shown, v
	return before
}

// note is a line for people.
func (p *program) note(format string, args ...any) {
	p.mu.Lock()
	v := p.shown
	p.mu.Unlock()
	if v != nil {
		v.note(format, args...)
		return
	}
	fmt.Fprintln(p.stderr, clean(strings.TrimSuffix(fmt.Sprintf(format, args...), "\n")))
}

// eventLines writes the events as JSON, a line for each; without a writer nothing.
type eventLines struct {
	mu sync.Mutex
	w  io.Writer
}

func (v *eventLines) event(e fleet.Event) { v.write(e) }

func (v *eventLines) note(format string, args ...any) {
	v.write(struct {
		Kind string `json:"kind"`
		Text string `json:"text"`
	}{"note", strings.TrimSuffix(fmt.Sprintf(format, args...), "\n")})
}

func (v *eventLines) write(line any) {
	if v.w == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	_ = json.NewEncoder(v.w).Encode(line) //nolint:errchkjson // events encode; nothing can be done about stderr
}

func (v *eventLines) close() {}
