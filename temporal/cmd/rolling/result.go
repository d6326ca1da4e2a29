package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	"github.com/ecsreboot/ecsreboot/internal/cli/process"
)

// summary is the result as JSON.
type summary struct {
	Command      string              `json:"command"`
	ExitCode     int                 `json:"exitCode"`
	Error        string              `json:"error,omitempty"`
	WorkflowID   string              `json:"workflowId,omitempty"`
	RunID        string              `json:"runId,omitempty"`
	Instances    int                 `json:"instances,omitempty"`
	States       map[fleet.State]int `json:"states,omitempty"`
	Restarted    int                 `json:"restarted"`
	Reason       fleet.Reason        `json:"reason,omitempty"` // of the end
	Digest       string              `json:"digest,omitempty"`
	Begun        *time.Time          `json:"begun,omitempty"`
	Ended        *time.Time          `json:"ended,omitempty"`
	NotRestarted []left              `json:"notRestarted,omitempty"`
}

// left is an instance that was not restarted, or not with proof.
type left struct {
	fleet.Record

	Advice string `json:"advice,omitempty"`
}

func summarize(s *settings, is *fleet.Report, code int) summary {
	m := summary{
		Command: s.command, ExitCode: code, WorkflowID: s.workflow, Error: is.Error, Instances: len(is.Records), Digest: is.Digest,
		Reason: is.Reason, States: make(map[fleet.State]int), Begun: &is.Begun,
	}
	if !is.Ended.IsZero() {
		m.Ended = &is.Ended
	}
	for _, record := range is.Records {
		m.States[record.State]++
		if record.Restarted() {
			m.Restarted++
			continue
		}
		m.NotRestarted = append(m.NotRestarted, left{Record: record, Advice: record.Code.Advice()})
	}
	return m
}

// codeOf is the exit code for a report: what cannot be known weighs most.
func codeOf(is *fleet.Report) int {
	waiting, open, rest := 0, 0, 0
	for _, record := range is.NotRestarted() {
		switch {
		case uncertain(record) && !is.Ended.IsZero():
			open++
		case record.State == fleet.StateWaiting || record.State == fleet.StateRestarting:
			waiting++
		default:
			rest++
		}
	}
	switch {
	case is.Ended.IsZero():
		return exitcode.Done // it goes on
	case open > 0:
		return exitcode.Unknown
	case waiting > 0:
		return codeOfEnd(is.Reason)
	case rest > 0:
		return exitcode.Failed
	}
	return exitcode.Done
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
	case fleet.ReasonUser, fleet.ReasonInterrupted:
		return exitcode.Interrupted
	default:
		return exitcode.Failed
	}
}

var states = []fleet.State{
	fleet.StateHealthy, fleet.StateRestarting, fleet.StateWaiting, fleet.StateFailed, fleet.StateUnknown, fleet.StateSkipped,
}

// print prints what became of a run, as text.
func (p *program) print(s *settings, is *fleet.Report) {
	var b strings.Builder
	rest := is.NotRestarted()
	fmt.Fprintf(&b, "%s: %d of %d instances restarted, with proof%s\n", s.workflow, len(is.Records)-len(rest), len(is.Records), ending(is))
	var waiting []fleet.Record
	for _, record := range rest {
		if record.State == fleet.StateWaiting && record.Error == "" && record.Reason == "" {
			waiting = append(waiting, record)
			continue
		}
		fmt.Fprintf(&b, "  %s\n", clean(describe(record)))
		if advice := record.Code.Advice(); advice != "" {
			fmt.Fprintf(&b, "      %s\n", advice)
		}
	}
	if len(waiting) > 0 {
		fmt.Fprintf(&b, "  waiting, nothing was sent to them: %d\n", len(waiting))
		for _, record := range waiting[:min(len(waiting), idsShown)] {
			fmt.Fprintf(&b, "    %s\n", record.ID)
		}
		if more := len(waiting) - idsShown; more > 0 {
			fmt.Fprintf(&b, "    ... and %d more (-json lists all)\n", more)
		}
	}
	process.PrintResult(p.stdout, p.stderr, programName, b.String())
}

// idsShown is how many of those that wait are shown.
const idsShown = 20

func ending(is *fleet.Report) string {
	switch {
	case is.Ended.IsZero() && is.Reason != "":
		return "; settling: " + reasonText(is.Reason)
	case is.Ended.IsZero():
		return " so far; it goes on"
	case is.Reason == fleet.ReasonDone:
		return fmt.Sprintf(", in %v", is.Ended.Sub(is.Begun).Round(time.Second/10))
	case codeOfEnd(is.Reason) == exitcode.Halted:
		return "; HALTED: " + reasonText(is.Reason) + of(is.Error)
	default:
		return "; ended: " + reasonText(is.Reason) + of(is.Error)
	}
}

func of(problem string) string {
	if problem == "" {
		return ""
	}
	return ": " + clean(problem)
}

// describe says where an instance is, and why.
func describe(r fleet.Record) string {
	words := r.ID
	if r.Name != "" && r.Name != r.ID {
		words += " (" + r.Name + ")"
	}
	words += " " + string(r.State)
	if r.State == fleet.StateRestarting && r.Accepted.IsZero() {
		words += ", the restart may have been sent"
	}
	if r.Reason != "" {
		words += ": " + reasonText(r.Reason)
	}
	if r.Code != "" {
		words += ", " + string(r.Code)
	}
	words += of(r.Error)
	if r.RequestID != "" && !strings.Contains(r.Error, r.RequestID) {
		words += " (request " + r.RequestID + ")"
	}
	return words
}

// reasonText is a reason in the words of who gives flags.
func reasonText(reason fleet.Reason) string {
	switch reason {
	case fleet.ReasonUser:
		return "as asked"
	case fleet.ReasonWidth:
		return "limit used up (-max-unavailable)"
	case fleet.ReasonBudget:
		return "failure budget (-max-failed)"
	default:
		return string(reason)
	}
}

// clean replaces what would make a terminal do things: names and messages come from
// elsewhere.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\n' {
			return r
		}
		return '?'
	}, text)
}

func (p *program) printJSON(v summary) {
	var line strings.Builder
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		p.note("%v", err)
		return
	}
	process.PrintResult(p.stdout, p.stderr, programName, line.String())
}
