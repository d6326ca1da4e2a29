package check

import (
	"fmt"
	"io"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	"github.com/ecsreboot/ecsreboot/internal/cli/process"
)

// Printer prints what the program does: the results on stdout, everything else on
// stderr.
type Printer struct {
	settings       Settings
	stdout, stderr io.Writer
}

// NewPrinter returns a printer for the settings.
func NewPrinter(settings Settings, stdout, stderr io.Writer) *Printer {
	return &Printer{settings, stdout, stderr}
}

// Page prints the page that the command line asks for.
func (p *Printer) Page() int {
	_, _ = io.WriteString(p.stdout, p.settings.Page)
	return exitcode.Done
}

// Progress prints what goes on, unless --quiet was given.
func (p *Printer) Progress(format string, args ...any) {
	if !p.settings.Quiet {
		fmt.Fprintf(p.stderr, format, args...)
	}
}

// Print prints a result on stdout, and its error and advice on stderr. It returns the
// exit code.
func (p *Printer) Print(r Result) int {
	p.printError(r)
	p.printResult(r)
	return r.ExitCode
}

// Failed prints an error that concerns all instances alike: once, but with a line of
// result for each instance. It returns the exit code.
func (p *Printer) Failed(err error) int {
	r := NewResult(p.settings.program(), ecsreboot.Instance{}, nil, err)
	p.printError(r)
	if len(p.settings.InstanceIDs) == 0 && p.settings.JSON {
		p.printResult(r)
	}
	if r.ExitCode == exitcode.Usage && !p.settings.JSON {
		return r.ExitCode // an invalid command line has no result
	}
	for _, id := range p.settings.InstanceIDs {
		r.InstanceID = id
		p.printResult(r)
	}
	return r.ExitCode
}

func (p *Printer) printError(r Result) {
	if r.Error == "" {
		return
	}
	fmt.Fprintln(p.stderr, r.Error)
	if r.Advice != "" {
		fmt.Fprintln(p.stderr, r.Advice)
	}
}

func (p *Printer) printResult(r Result) {
	text := r.Line()
	if p.settings.JSON {
		text = r.JSON()
	}
	process.PrintResult(p.stdout, p.stderr, p.settings.program(), text)
}
