package app

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/screen"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/journal"
	"github.com/ecsreboot/ecsreboot/fleet/report"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	"github.com/ecsreboot/ecsreboot/internal/cli/process"
)

// result is the outcome of a command for fleets.
type result struct {
	report   *fleet.Report // nil if no run began
	err      error
	took     time.Duration
	stopped  string         // why the run was stopped, if it was
	hooks    []fleet.Hook   // what must be given again to resume
	running  string         // the process that drives the run; empty if none does
	crashed  bool           // the last session has no end, and no process drives the run
	held     []fleet.Reason // why nothing is sent for now
	restarts func() int     // of the emulated service
	started  bool           // a durable run has begun, and nobody follows it
	resolved bool           // resolve ended by itself, as nothing more was to be found out
	left     bool           // a durable run continues, and nobody follows it any more
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
	Bounds         fleet.Bounds        `json:"bounds,omitzero"`   // lower bounds of the time of the run
	Running        string              `json:"running,omitempty"` // who drives the run
	Held           []fleet.Reason      `json:"held,omitempty"`    // why nothing is sent for now
	Hooks          []fleet.Hook        `json:"hooks,omitempty"`   // what must be given again to resume
	Journal        string              `json:"journal,omitempty"`
	Run            string              `json:"run,omitempty"` // the ID of a durable run
	Report         string              `json:"report,omitempty"`
	// Maintenance is set if the plan was made with --maintenance.
	Maintenance  *fleet.MaintenanceSummary `json:"maintenance,omitempty"`
	NotRestarted []left                    `json:"notRestarted"`
}

// left is an instance that was not restarted, or not with proof.
type left struct {
	fleet.Record

	Advice string `json:"advice,omitempty"`
	Next   string `json:"next"`
}

// end writes the report, prints the result, and returns the error that ends the command
// with its exit code.
func (p *program) end(s *settings, r *result) error {
	code := codeOf(r)
	if r.report != nil && s.htmlFile != "" && s.journal != "" {
		if err := writeHTML(s.htmlFile, s.journal); err != nil {
			p.note("failed to write the report: %v", err)
			s.htmlFile = ""
			code = max(code, exitcode.Failed)
		}
	}
	if r.err != nil {
		p.note("%s", errorLine(r.err))
	}
	if r.restarts != nil {
		p.note("the emulated service restarted instances %s", times(r.restarts()))
	}
	switch {
	case s.json:
		p.printJSON(summarize(s, r, code))
	case r.report != nil:
		p.print(text(s, r))
	case r.started:
		p.print(s.run + "\n")
	}
	return exit(code)
}

func (p *program) print(text string) {
	process.PrintResult(p.stdout, p.stderr, Name, text)
}

func (p *program) printJSON(v any) {
	var line strings.Builder
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		p.note("%v", err)
		return
	}
	p.print(line.String())
}

// codeOf returns the exit code for a result. An unknown restart takes precedence.
func codeOf(r *result) int {
	if r.left {
		return exitcode.Interrupted
	}
	if r.report == nil {
		return codeOfError(r.err)
	}
	waiting, open, rest := 0, 0, 0
	for _, record := range r.report.NotRestarted() {
		switch {
		case record.State == fleet.StateRestarting && r.running != "": // as it should
		case uncertain(record):
			open++
		case record.State == fleet.StateWaiting:
			waiting++
		default:
			rest++
		}
	}
	switch {
	case errors.Is(r.err, fleet.ErrFinished):
		return exitcode.Finished
	case open > 0:
		return exitcode.Unknown
	case r.err != nil && r.report.Reason == fleet.ReasonAccess && !errors.Is(r.err, ecsreboot.ErrCredentials):
		return exitcode.Halted // the credentials were good, the permissions were not
	case r.err != nil:
		return codeOfError(r.err)
	case r.resolved:
		return exitcode.Done // what is waiting or failed is known to be so
	case waiting > 0 && (r.running == "" || r.report.Reason != ""):
		return codeOfEnd(r.report.Reason)
	case rest > 0:
		return exitcode.Failed
	}
	return exitcode.Done
}

// codeOfError returns the exit code of a command that ended with an error.
func codeOfError(err error) int {
	switch {
	case errors.Is(err, journal.ErrLocked):
		return exitcode.Busy
	case errors.Is(err, fleet.ErrFinished):
		return exitcode.Finished
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

// codeOfEnd returns the exit code of a run that ended while instances were waiting.
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
	m := summary{Command: s.command, ExitCode: code, Journal: s.journal, Run: s.run, NotRestarted: []left{}}
	if r.err != nil {
		m.Error = r.err.Error()
	}
	if r.report == nil {
		return m
	}
	m.Instances, m.Digest, m.Sessions = len(r.report.Records), r.report.Digest, r.report.Sessions
	m.Reason, m.Report, m.ElapsedSeconds = r.report.Reason, s.htmlFile, r.took.Seconds()
	m.Bounds = r.report.Bounds
	m.Begun = &r.report.Begun
	if !r.report.Ended.IsZero() {
		m.Ended = &r.report.Ended
	}
	m.Running, m.Held, m.Hooks = r.running, r.held, r.hooks
	m.Maintenance = r.report.Maintenance(time.Now(), fleet.DeadlineMargin)
	m.States = make(map[fleet.State]int)
	for _, record := range r.report.Records {
		m.States[record.State]++
		if record.Restarted() {
			m.Restarted++
		}
	}
	for _, record := range r.report.NotRestarted() {
		m.NotRestarted = append(m.NotRestarted, left{Record: record, Advice: record.Code.Advice(), Next: next(s, r, record).String()})
	}
	return m
}

func writeHTML(name, from string) error {
	history, err := fleet.Load(from)
	if err != nil {
		return err
	}
	return writeHistory(name, from, history)
}

// writeHistory writes the report of a history as HTML. The journal may be empty.
func writeHistory(name, journal string, history *fleet.History) error {
	return writeFile(name, func(w io.Writer) error {
		return report.HTML(w, history, report.Options{Program: Name, Journal: journal, Location: time.Local})
	})
}

// writeFile replaces a file as a whole, so that a reader sees either the complete old file
// or the complete new one. It writes to a device directly.
func writeFile(name string, write func(io.Writer) error) error {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		file, err := os.OpenFile(name, os.O_WRONLY, 0) //nolint:gosec // it is the user's
		if err != nil {
			return err
		}
		return errors.Join(write(file), file.Close())
	}
	file, err := os.CreateTemp(filepath.Dir(name), ".ecs-reboot-*")
	if err != nil {
		return err
	}
	err = errors.Join(write(file), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return screen.Plural(n, "time")
}
