package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/journal"
	"github.com/ecsreboot/ecsreboot/fleet/report"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	"github.com/ecsreboot/ecsreboot/internal/cli/process"
)

// result is what came of a command.
type result struct {
	report   *fleet.Report // nil if no run began
	err      error
	took     time.Duration
	stopped  string         // why the run was stopped, if it was
	hooks    []string       // what must be given again to go on
	running  string         // who drives the run, if somebody does
	crashed  bool           // nobody does, although it has no end
	held     []fleet.Reason // why nothing is sent for now
	restarts func() int     // of the emulated service
}

// summary is the result as JSON.
type summary struct {
	Command        string              `json:"command"`
	ExitCode       int                 `json:"exitCode"`
	Error          string              `json:"error,omitempty"`
	Instances      int                 `json:"instances,omitempty"`
	States         map[fleet.State]int `json:"states,omitempty"`
	Restarted      int                 `json:"restarted"`
	Reason         fleet.Reason        `json:"reason,omitempty"` // of the end
	Digest         string              `json:"digest,omitempty"`
	Begun          *time.Time          `json:"begun,omitempty"`
	Ended          *time.Time          `json:"ended,omitempty"`
	Sessions       int                 `json:"sessions,omitempty"`
	ElapsedSeconds float64             `json:"elapsedSeconds,omitempty"`
	Running        string              `json:"running,omitempty"` // who drives the run
	Held           []fleet.Reason      `json:"held,omitempty"`    // why nothing is sent for now
	Hooks          []string            `json:"hooks,omitempty"`   // what must be given again to go on
	Journal        string              `json:"journal,omitempty"`
	Report         string              `json:"report,omitempty"`
	NotRestarted   []left              `json:"notRestarted"`
}

// left is an instance that was not restarted, or not with proof.
type left struct {
	fleet.Record

	Advice string `json:"advice,omitempty"`
	Next   string `json:"next"`
}

// end writes the report, prints the result, and returns the exit code.
func (p *program) end(s *settings, r *result) int {
	code := codeOf(r)
	if r.report != nil && s.htmlFile != "" {
		if err := writeHTML(s.htmlFile, s.journal); err != nil {
			p.note("the report could not be written: %v", err)
			s.htmlFile = ""
		}
	}
	if r.err != nil {
		p.note("%s", errorLine(r.err))
	}
	if r.restarts != nil {
		p.note("the emulated service carried out %s", plural(r.restarts(), "restart"))
	}
	switch {
	case s.json:
		p.printJSON(summarize(s, r, code))
	case r.report != nil:
		process.PrintResult(p.stdout, p.stderr, programName, text(s, r))
	}
	return code
}

// codeOf is the exit code for a result: what cannot be known weighs most.
func codeOf(r *result) int {
	if r.report == nil {
		return codeOfError(r.err)
	}
	waiting, open, rest := 0, 0, 0
	for _, record := range r.report.NotRestarted() {
		switch {
		case uncertain(record):
			open++
		case record.State == fleet.StateWaiting:
			waiting++
		default:
			rest++
		}
	}
	switch {
	case open > 0:
		return exitcode.Unknown
	case r.err != nil && r.report.Reason == fleet.ReasonAccess && !errors.Is(r.err, ecsreboot.ErrCredentials):
		return exitcode.Halted // the credentials were good, the permissions were not
	case r.err != nil:
		return codeOfError(r.err)
	case waiting > 0:
		return codeOfEnd(r.report.Reason)
	case rest > 0:
		return exitcode.Failed
	}
	return exitcode.Done
}

// codeBusy means that another process drives the run, so that nothing was done.
const codeBusy = 7

// codeOfError is the exit code of a command that ended by an error.
func codeOfError(err error) int {
	if errors.Is(err, journal.ErrLocked) {
		return codeBusy
	}
	return exitcode.Of(err)
}

// uncertain reports whether an instance may have restarted, without proof of it.
func uncertain(r fleet.Record) bool {
	switch r.State {
	case fleet.StateUnknown, fleet.StateRestarting:
		return true
	case fleet.StateFailed:
		return r.Reason == fleet.ReasonNotProven || r.Reason == fleet.ReasonNotWatched
	default:
		return false
	}
}

// codeOfEnd is the exit code of a run that ended while instances were waiting.
func codeOfEnd(reason fleet.Reason) int {
	switch reason {
	case fleet.ReasonBudget, fleet.ReasonCanary, fleet.ReasonWidth, fleet.ReasonDisapproved, fleet.ReasonAccess:
		return exitcode.Halted
	case fleet.ReasonUser, fleet.ReasonInterrupted, "": // or it has crashed
		return exitcode.Interrupted
	default:
		return exitcode.Failed
	}
}

func summarize(s *settings, r *result, code int) summary {
	m := summary{Command: s.command, ExitCode: code, Journal: s.journal, NotRestarted: []left{}}
	if r.err != nil {
		m.Error = r.err.Error()
	}
	if r.report == nil {
		return m
	}
	m.Instances, m.Digest, m.Sessions = len(r.report.Records), r.report.Digest, r.report.Sessions
	m.Reason, m.Report, m.ElapsedSeconds = r.report.Reason, s.htmlFile, r.took.Seconds()
	m.Begun = &r.report.Begun
	if !r.report.Ended.IsZero() {
		m.Ended = &r.report.Ended
	}
	m.Running, m.Held, m.Hooks = r.running, r.held, r.hooks
	m.States = make(map[fleet.State]int)
	for _, record := range r.report.Records {
		m.States[record.State]++
		if record.Restarted() {
			m.Restarted++
			continue
		}
		m.NotRestarted = append(m.NotRestarted, left{Record: record, Advice: record.Code.Advice(), Next: next(s, r, record)})
	}
	return m
}

func (p *program) printJSON(v any) {
	var line strings.Builder
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		p.note("%v", err)
		return
	}
	process.PrintResult(p.stdout, p.stderr, programName, line.String())
}

func writeHTML(name, from string) error {
	return writeFile(name, func(w io.Writer) error {
		history, err := fleet.Load(from)
		if err != nil {
			return err
		}
		return report.HTML(w, history, report.Options{Program: programName, Journal: from, Location: time.Local})
	})
}

// writeFile replaces a file as a whole: who looks at the old one meanwhile sees all
// of it.
func writeFile(name string, write func(io.Writer) error) error {
	file, err := os.CreateTemp(filepath.Dir(name), ".rolling-*")
	if err != nil {
		return err
	}
	err = errors.Join(write(file), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), name) //nolint:gosec // it is the user's
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name())) //nolint:gosec // it was made here
	}
	return nil
}
