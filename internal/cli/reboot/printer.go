package reboot

import (
	"errors"
	"fmt"
	"io"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	"github.com/ecsreboot/ecsreboot/internal/cli/process"
	"github.com/ecsreboot/ecsreboot/internal/cli/terminal"
	"github.com/ecsreboot/ecsreboot/internal/cli/view"
)

// Printer prints what the program does: the result on stdout, everything else on
// stderr. With --wait --json the events go to stdout too.
type Printer struct {
	settings Settings
	streams  *terminal.Streams

	display view.Display
	refused bool // a resent request
}

// NewPrinter returns a printer for the settings.
func NewPrinter(settings Settings, streams *terminal.Streams) *Printer {
	return &Printer{settings: settings, streams: streams, display: view.Silent()}
}

// Page prints the page that the command line asks for.
func (p *Printer) Page() int {
	_, _ = io.WriteString(p.streams.Stdout, p.settings.Page)
	return exitcode.Done
}

// Progress prints what goes on, unless --quiet was given.
func (p *Printer) Progress(format string, args ...any) {
	if !p.settings.Quiet {
		fmt.Fprintf(p.streams.Stderr, format, args...)
	}
}

// stopwatch returns a Progress that prints lines with the elapsed time.
func (p *Printer) stopwatch() func(format string, args ...any) {
	if p.settings.Quiet {
		return func(string, ...any) {}
	}
	return view.Stopwatch(p.streams.Stderr)
}

// Follow begins to show the events of a wait: as JSON on stdout, or on stderr,
// redrawn on a terminal and line by line elsewhere. [Printer.Waited] ends it.
func (p *Printer) Follow() {
	id := p.settings.Request.InstanceID
	switch {
	case p.settings.Quiet:
	case p.settings.JSON:
		p.display = view.JSON(p.streams.Stdout, id)
	case p.streams.Live:
		p.display = view.Live(p.streams.Stderr, p.streams.Color, id)
	default:
		p.display = view.Lines(p.stopwatch())
	}
}

// Event shows an event of a wait.
func (p *Printer) Event(e ecsreboot.Event) {
	p.refused = p.refused || e.Kind == ecsreboot.EventResendRefused
	if !p.settings.JSON && isDenied(e) {
		return // the program has noted this
	}
	p.display.Event(e)
}

// isDenied reports whether a witness failed because a permission is missing.
func isDenied(e ecsreboot.Event) bool {
	failed, ok := errors.AsType[*ecsreboot.ForeignError](e.Err)
	return ok && e.Kind == ecsreboot.EventWitnessFailed && errors.Is(failed.Err, ecsreboot.ErrAccessDenied)
}

// Called prints the result of a command that did not wait.
func (p *Printer) Called(response *ecsreboot.RebootInstanceResponse, err error) view.Result {
	return p.print(view.NewResult(p.settings.Command, response, err))
}

// Waited prints the result of a command that waited.
func (p *Printer) Waited(restarted *ecsreboot.RestartResult, err error) view.Result {
	r := view.NewWaitResult(p.settings.Command, restarted, err, p.refused)
	p.display.End(r)
	return p.print(r)
}

// Failed prints an error that came before the call, and returns the exit code.
func (p *Printer) Failed(err error) int { return p.Called(nil, err).ExitCode }

// print prints a result on stdout, and its error and advice on stderr.
func (p *Printer) print(r view.Result) view.Result {
	if r.Error != "" {
		fmt.Fprintln(p.streams.Stderr, r.Error)
		if r.Advice != "" {
			fmt.Fprintln(p.streams.Stderr, r.Advice)
		}
	}
	switch {
	case p.settings.JSON:
		process.PrintResult(p.streams.Stdout, p.streams.Stderr, p.settings.name(), r.JSON())
	case r.ExitCode != exitcode.Usage: // an invalid command line has no result
		process.PrintResult(p.streams.Stdout, p.streams.Stderr, p.settings.name(), r.Line())
	}
	return r
}
