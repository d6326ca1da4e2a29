package app

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/screen"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/journal"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

// text is the result for people.
func text(s *settings, r *result) string {
	var b strings.Builder
	b.WriteString(headline(r))
	b.WriteString("\n")
	if bounds := r.report.Bounds; r.took > 0 && bounds.Width > 0 && len(r.report.Records) > 1 {
		fmt.Fprintf(&b, "  lower bounds of the time: %v\n", bounds)
	}
	writeMaintenance(&b, r.report.Maintenance(time.Now(), fleet.DeadlineMargin))
	var steps nextSteps
	var waiting []fleet.Record
	for _, record := range r.report.NotRestarted() {
		if record.State == fleet.StateWaiting && record.Error == "" && record.Reason == "" {
			waiting = append(waiting, record)
			continue
		}
		if r.running != "" && record.State == fleet.StateRestarting {
			continue
		}
		fmt.Fprintf(&b, "  %s\n", screen.Clean(describe(record)))
		writeConsole(&b, record)
		steps.add(record.ID, next(s, r, record))
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
			fmt.Fprintf(&b, "      ... and %d more (--json lists all)\n", more)
		}
		a := next(s, r, waiting[0])
		a.words = cmp.Or(a.words, "resume")
		steps.add("the waiting instances", a)
	}
	if beginning := sendIDBeginning(r.report.NotRestarted()); beginning != "" {
		fmt.Fprintf(&b, "  ActionTrail shows which requests arrived: search its events for send/%s in the User-Agent\n", beginning)
	}
	if r.running == "" {
		b.WriteString(steps.String())
	}
	if s.journal != "" {
		fmt.Fprintf(&b, "journal: %s\n", s.journal)
	}
	if s.htmlFile != "" {
		fmt.Fprintf(&b, "report: %s\n", s.htmlFile)
	}
	return b.String()
}

// consoleShown is how many lines of a console output the result shows for an instance.
const consoleShown = 12

// writeConsole shows the end of the console output of an instance that did not come back.
func writeConsole(b *strings.Builder, r fleet.Record) {
	lines := consoleLines(r.Console)
	switch n := len(lines); {
	case r.ConsoleError == screen.ConsoleEmpty:
		b.WriteString("    its console output is empty\n")
	case r.ConsoleError != "":
		fmt.Fprintf(b, "    failed to read its console output: %s\n", screen.Clean(r.ConsoleError))
	case n == 0:
	case n > consoleShown:
		fmt.Fprintf(b, "    its console output ends with (%d lines; --json and --report have all):\n%s", n, indented(lines[n-consoleShown:]))
	default:
		fmt.Fprintf(b, "    its console output ends with:\n%s", indented(lines))
	}
}

// consoleLines returns the lines of a console output that are not empty.
func consoleLines(output string) []string {
	return slices.DeleteFunc(strings.Split(output, "\n"), func(line string) bool { return strings.TrimSpace(line) == "" })
}

// indented sets lines apart from those of the program.
func indented(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		fmt.Fprintf(&b, "      | %s\n", screen.Clean(strings.TrimRight(line, " ")))
	}
	return b.String()
}

// sendIDBeginning returns what the send IDs of the unknown instances begin with: the ID of
// their run and a dot. It is empty if no instance is unknown.
func sendIDBeginning(records []fleet.Record) string {
	for _, record := range records {
		if i := strings.LastIndexByte(record.SendID, '.'); i >= 0 && record.State == fleet.StateUnknown {
			return record.SendID[:i+1]
		}
	}
	return ""
}

// writeMaintenance says what became of the events of the plan, and which deadlines are at
// risk.
func writeMaintenance(b *strings.Builder, m *fleet.MaintenanceSummary) {
	if m == nil {
		return
	}
	fmt.Fprintf(b, "  %s\n", screen.Clean(m.String()))
	for i, deadline := range m.AtRisk {
		if i == idsShown {
			fmt.Fprintf(b, "    ... and %d more (--json lists all)\n", len(m.AtRisk)-i)
			break
		}
		fmt.Fprintf(b, "    DEADLINE AT RISK: %s\n", screen.Clean(deadline.String()))
	}
}

// nextSteps are the pieces of advice on the instances that are not restarted, each once.
type nextSteps struct {
	order []advice
	ids   map[advice][]string
}

func (n *nextSteps) add(id string, a advice) {
	if n.ids == nil {
		n.ids = map[advice][]string{}
	}
	if n.ids[a] == nil {
		n.order = append(n.order, a)
	}
	n.ids[a] = append(n.ids[a], id)
}

// String returns the advice for people, each command on a line of its own, so that it can
// be copied.
func (n *nextSteps) String() string {
	var b strings.Builder
	for i, a := range n.order {
		if i == 0 {
			b.WriteString("next:\n")
		}
		ids := n.ids[a]
		shown := strings.Join(ids[:min(len(ids), idsInLine)], " ")
		if more := len(ids) - idsInLine; more > 0 {
			shown += fmt.Sprintf(" and %d more", more)
		}
		words := a.words
		if len(ids) > 1 {
			words = ofSeveral(words)
		}
		fmt.Fprintf(&b, "  %s\n", strings.TrimSuffix(shown+": "+words, ": "))
		if a.command != "" {
			fmt.Fprintf(&b, "      %s\n", a.command)
		}
	}
	if strings.Contains(b.String(), asBefore) {
		fmt.Fprintf(&b, "  Replace %s by the value of the session before.\n", asBefore)
	}
	return b.String()
}

// ofSeveral puts advice on one instance into the plural.
func ofSeveral(words string) string {
	for _, p := range plurals {
		words = p.one.ReplaceAllString(words, p.several)
	}
	return words
}

var plurals = []struct {
	one     *regexp.Regexp
	several string
}{
	{regexp.MustCompile(`\ban emulated instance, which is gone\b`), "emulated instances, which are gone"},
	{regexp.MustCompile(`\bit was\b`), "they were"},
	{regexp.MustCompile(`\bit is\b`), "they are"},
	{regexp.MustCompile(`\bit (may|did|restarted)\b`), "they $1"},
	{regexp.MustCompile(`\bit\b`), "them"},
	{regexp.MustCompile(`\ba restart was sent\b`), "restarts were sent"},
	{regexp.MustCompile(`\bno restart was sent\b`), "no restarts were sent"},
	{regexp.MustCompile(`\bthe instance\b`), "the instances"},
	{regexp.MustCompile(`\bthe ID\b`), "the IDs"},
	{regexp.MustCompile(`\bthe lock\b`), "the locks"},
}

// The number of waiting instances that are listed.
const (
	idsInLine = 4
	idsShown  = 20
)

// headline says how many instances restarted, and why the run ended before all did.
func headline(r *result) string {
	counts := map[string]map[fleet.State]int{}
	count := func(what string, state fleet.State) {
		if counts[what] == nil {
			counts[what] = map[fleet.State]int{}
		}
		counts[what][state]++
	}
	left := len(r.report.Records)
	for _, record := range r.report.Records {
		switch {
		case record.State == fleet.StateHealthy:
			count("proven", record.State)
			left--
		case record.Restarted():
			count("restarted otherwise", record.State)
			left--
		}
	}
	for _, record := range r.report.NotRestarted() {
		left--
		switch {
		case r.running != "" && record.State == fleet.StateRestarting:
			count("in flight", record.State)
		case r.running != "" && record.State == fleet.StateWaiting:
			count("waiting", record.State)
		case record.State == fleet.StateRestarting || uncertain(record) || wasSent(record):
			count("sent without proof", record.State)
		default:
			count("left alone", record.State)
		}
	}
	parts := []string{fmt.Sprintf("%d of %s restarted with proof", sum(counts["proven"]), screen.Plural(len(r.report.Records), "instance"))}
	for _, what := range []string{"restarted otherwise", "in flight", "waiting", "sent without proof", "left alone"} {
		n := sum(counts[what])
		switch {
		case n == 0:
		case what == "sent without proof", what == "left alone":
			parts = append(parts, fmt.Sprintf("%d %s (%s)", n, what, countsOf(counts[what])))
		default:
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	if left > 0 {
		parts = append(parts, fmt.Sprintf("%d gone", left))
	}
	line := strings.Join(parts, ", ")
	if r.took > 0 {
		line += fmt.Sprintf(", in %v", r.took.Round(time.Second/10))
	}
	return line + ending(r)
}

// wasSent reports whether a restart of the instance may have left in its last attempt.
func wasSent(r fleet.Record) bool {
	return r.State == fleet.StateFailed && r.Attempts > 0 &&
		r.Reason != fleet.ReasonRefused && r.Reason != fleet.ReasonNotSent && r.Reason != fleet.ReasonDenied
}

func sum(counts map[fleet.State]int) (n int) {
	for _, count := range counts {
		n += count
	}
	return n
}

func countsOf(counts map[fleet.State]int) string {
	return screen.Counts(func(state fleet.State) int { return counts[state] })
}

// ending says why the run ended before all were done.
func ending(r *result) string {
	switch reason := r.report.Reason; {
	case r.running != "" && reason != "":
		return "; sends nothing more: " + screen.Reason(reason) + "; running: " + r.running
	case r.running != "" && len(r.held) > 0:
		return "; " + screen.Paused(r.held) + "; running: " + r.running
	case r.running != "":
		return "; running: " + r.running
	case r.crashed:
		return "; the last session has crashed: it has no end, and no process holds the journal"
	case r.report.Ended.IsZero() && len(r.held) > 0:
		return "; " + screen.Paused(r.held) + "; the last session has no end: it is in progress, or has crashed"
	case r.report.Ended.IsZero():
		return "; the last session has no end: it is in progress, or has crashed"
	case reason == fleet.ReasonDone, r.resolved:
		return ""
	case r.stopped != "":
		return "; stopped: " + r.stopped
	case reason == fleet.ReasonUser:
		return "; stopped as requested"
	case codeOfEnd(reason) == exitcode.Halted:
		return "; HALTED: " + screen.Reason(reason)
	default:
		return "; ended: " + screen.Reason(reason)
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
		words += ": " + screen.Reason(r.Reason)
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
	if r.SendID != "" && r.State == fleet.StateUnknown {
		words += " (send ID " + r.SendID + ")"
	}
	return words
}

// countRecords lists how many instances are in which state.
func countRecords(records []fleet.Record) string {
	in := map[fleet.State]int{}
	for _, record := range records {
		in[record.State]++
	}
	return countsOf(in)
}

// errorLine is an error for people.
func errorLine(err error) string {
	line := strings.TrimPrefix(err.Error(), "ecsreboot: ")
	if !strings.HasPrefix(line, Name+": ") {
		line = Name + ": " + line
	}
	if errors.Is(err, journal.ErrNoRecords) {
		line += "\nIf a run was killed as it began, it has sent nothing: remove its journal and run again."
	}
	if code, ok := errors.AsType[*ecsreboot.APIError](err); ok && code.Code.Advice() != "" {
		line += "\n" + code.Code.Advice()
	}
	return line
}
