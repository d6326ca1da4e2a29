package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/journal"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

// text is the result for people.
func text(s *settings, r *result) string {
	var b strings.Builder
	rest := r.report.NotRestarted()
	fmt.Fprintf(&b, "%d of %s restarted, with proof", len(r.report.Records)-len(rest), plural(len(r.report.Records), "instance"))
	if r.took > 0 {
		fmt.Fprintf(&b, ", in %v", r.took.Round(time.Second/10))
	}
	fmt.Fprintf(&b, "%s\n", ending(r))
	if len(rest) > 0 {
		fmt.Fprintf(&b, "not restarted: %s\n", counts(rest))
	}
	var waiting []fleet.Record
	for _, record := range rest {
		if record.State == fleet.StateWaiting && record.Error == "" && record.Reason == "" {
			waiting = append(waiting, record)
			continue
		}
		fmt.Fprintf(&b, "  %s\n", clean(describe(record)))
		fmt.Fprintf(&b, "      %s\n", next(s, r, record))
	}
	if len(waiting) > 0 {
		fmt.Fprintf(&b, "  waiting, nothing was sent to them:\n")
		for line := range slices.Chunk(waiting[:min(len(waiting), idsShown)], idsInLine) {
			b.WriteString("     ")
			for _, record := range line {
				b.WriteString(" " + record.ID)
			}
			b.WriteString("\n")
		}
		if more := len(waiting) - idsShown; more > 0 {
			fmt.Fprintf(&b, "      ... and %d more (-json lists all)\n", more)
		}
		fmt.Fprintf(&b, "      %s\n", next(s, r, waiting[0]))
	}
	if s.journal != "" {
		fmt.Fprintf(&b, "journal: %s\n", s.journal)
	}
	if s.htmlFile != "" {
		fmt.Fprintf(&b, "report: %s\n", s.htmlFile)
	}
	return b.String()
}

// Of those that wait so many are shown.
const (
	idsInLine = 4
	idsShown  = 20
)

// ending says why the run ended before all were done.
func ending(r *result) string {
	switch reason := r.report.Reason; {
	case r.running != "" && reason != "":
		return "; settling: " + reasonText(reason) + "; running: " + r.running
	case r.running != "" && len(r.held) > 0:
		return "; " + holdsText(r.held) + "; running: " + r.running
	case r.running != "":
		return "; running: " + r.running
	case r.crashed:
		return "; the last session has no end, and no process has the journal: it has crashed"
	case r.report.Ended.IsZero() && len(r.held) > 0:
		return "; " + holdsText(r.held) + "; the last session has no end: it goes on, or has crashed"
	case r.report.Ended.IsZero():
		return "; the last session has no end: it goes on, or has crashed"
	case reason == fleet.ReasonDone:
		return ""
	case r.stopped != "":
		return "; stopped: " + r.stopped
	case reason == fleet.ReasonUser:
		return "; stopped as asked"
	case codeOfEnd(reason) == exitcode.Halted:
		return "; HALTED: " + reasonText(reason)
	default:
		return "; ended: " + reasonText(reason)
	}
}

// describe says where an instance is, and why.
func describe(r fleet.Record) string {
	words := r.ID
	if r.Name != "" && r.Name != r.ID {
		words += " (" + r.Name + ")"
	}
	words += " " + string(r.State)
	if r.Reason != "" {
		words += ": " + reasonText(r.Reason)
	}
	if r.Code != "" {
		words += ", " + string(r.Code)
	}
	if r.Error != "" {
		words += ": " + r.Error
	}
	if r.RequestID != "" && !strings.Contains(r.Error, r.RequestID) {
		words += " (request " + r.RequestID + ")"
	}
	return words
}

// holdsText says why nothing is sent for now.
func holdsText(held []fleet.Reason) string {
	var texts []string
	for _, reason := range held {
		texts = append(texts, reasonText(reason))
	}
	return "paused: " + strings.Join(texts, ", ")
}

// counts lists how many instances are in which state.
func counts(records []fleet.Record) string {
	in := map[fleet.State]int{}
	for _, record := range records {
		in[record.State]++
	}
	var parts []string
	for _, state := range states {
		if n := in[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	return strings.Join(parts, ", ")
}

var states = []fleet.State{
	fleet.StateHealthy, fleet.StateRestarting, fleet.StateWaiting, fleet.StateFailed, fleet.StateUnknown, fleet.StateSkipped,
}

// errorLine is an error for people.
func errorLine(err error) string {
	line := strings.TrimPrefix(err.Error(), "ecsreboot: ")
	if !strings.HasPrefix(line, programName+": ") {
		line = programName + ": " + line
	}
	if errors.Is(err, journal.ErrNoRecords) {
		line += "\nIf it is the journal of a run that was killed as it began: nothing was sent, remove it and run again."
	}
	if code, ok := errors.AsType[*ecsreboot.APIError](err); ok && code.Code.Advice() != "" {
		line += "\n" + code.Code.Advice()
	}
	return line
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
