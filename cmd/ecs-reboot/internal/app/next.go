package app

import (
	"strings"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// advice says what to do about instances that are not restarted: in words, and as a
// command, which may be empty.
type advice struct {
	words   string
	command string
}

// String returns the advice as one line.
func (a advice) String() string {
	if a.command == "" || a.words == "" {
		return a.words + a.command
	}
	return a.words + ": " + a.command
}

// next returns the advice on an instance that is not restarted.
func next(s *settings, of *result, r fleet.Record) advice {
	switch {
	case s.Emulate:
		return advice{words: "it was an emulated instance, which is gone"}
	case of.running != "": // which another process drives
		return advice{words: "the run is in progress"}
	}
	if s.temporal.Given() {
		return s.nextDurable(of, r)
	}
	resume, resolve := s.byJournal("resume", of), s.byJournal("resolve", of)
	switch {
	case r.State == fleet.StateWaiting:
		return advice{"", resume}
	case r.State == fleet.StateRestarting:
		return advice{"it may have restarted; this command polls it and sends no restart", resolve}
	case r.State == fleet.StateUnknown:
		return advice{"it may have restarted: look at it before you send another restart; this command polls it and sends no restart", resolve}
	case r.Reason == fleet.ReasonNotUndrained:
		return advice{"it restarted; to undrain it again", resume}
	case r.Reason == fleet.ReasonGone:
		return advice{"if it was released on purpose", s.mark("--gone", r.ID)}
	case r.State == fleet.StateFailed && r.Attempts > 0 && r.Reason != fleet.ReasonRefused && r.Reason != fleet.ReasonNotSent && r.Reason != fleet.ReasonDenied:
		return advice{"a restart was sent: look at the instance; when it is back", resolve}
	case r.Reason == fleet.ReasonNotListed:
		return advice{"check the ID, the region, and the permission ecs:DescribeInstances; when it is listed", resume}
	case r.Reason == fleet.ReasonNotRunning:
		return advice{"start it, which has the effect of a restart; then", resume}
	case r.Reason == fleet.ReasonSelf:
		return advice{"this program runs on it; to restart it from another machine", s.restartCommand(of, r.ID)}
	case r.Reason == fleet.ReasonExcluded:
		return advice{"it was excluded; to restart it after all", s.restartCommand(of, r.ID)}
	case r.Reason == fleet.ReasonLocked:
		return advice{"remove the lock or renew the instance; then", resume}
	case r.Reason == fleet.ReasonDenied:
		return advice{"it did not restart; when the permission is granted", resume}
	default:
		return advice{"it did not restart; when the cause is gone", resume}
	}
}

// nextDurable is [next] for a durable run, which has ended.
func (s *settings) nextDurable(of *result, r fleet.Record) advice {
	again := s.againDurable(of, r.ID)
	switch {
	case r.State == fleet.StateWaiting:
		return advice{"no restart was sent; to restart it in a new run", again}
	case r.State == fleet.StateRestarting, r.State == fleet.StateUnknown, wasSent(r):
		return advice{
			"it may have restarted: look at the instance before you send another restart",
			commandLine(append([]string{"check", r.ID}, s.whereArgs(of.report, r.ID)...)...),
		}
	case r.State == fleet.StateSkipped && r.Reason != fleet.ReasonLocked && r.Reason != fleet.ReasonNotRunning:
		return advice{words: "the run did not restart it"}
	}
	return advice{"it did not restart; when the cause is gone, restart it in a new run", again}
}

// byJournal returns a command that continues the run of a journal. It leaves out the flags
// whose values are in the plan: those for the regions, the profile and the window.
func (s *settings) byJournal(command string, of *result) string {
	args := append([]string{command, asArgument(s.journal)}, s.hookArgs(command, s.mustGive(of.report.Plan, of.hooks))...)
	for _, name := range labeled {
		if value := s.labelOf(of.report.Plan, name); value != of.report.Plan.Labels[name] && (command == "resume" || name != "rate-hint") {
			args = append(args, "--"+name, value)
		}
	}
	if command == "resume" && s.yes {
		args = append(args, "--yes")
	}
	return commandLine(args...)
}

// mark returns the command that marks an instance.
func (s *settings) mark(mark, id string) string {
	return commandLine("mark", asArgument(s.journal), mark, id, "--reason", "REASON")
}

// restartCommand returns the command that restarts an instance in a new run.
func (s *settings) restartCommand(of *result, id string) string {
	args := append([]string{"restart", id}, s.whereArgs(of.report, id)...)
	if of.report.Plan.ForceStop {
		args = append(args, "--force")
	}
	if value := s.labelOf(of.report.Plan, "witness"); value != "" {
		args = append(args, "--witness", value)
	}
	if s.yes {
		args = append(args, "--yes")
	}
	return commandLine(args...)
}

// whereArgs are the arguments that say where an instance of a run is, and as whom to act.
func (s *settings) whereArgs(report *fleet.Report, id string) []string {
	region := regionOf(report, id)
	args := []string{"--region", region.Region, "--endpoint", region.Endpoint}
	for _, name := range []string{"profile", "signature"} {
		if value := s.labelOf(report.Plan, name); value != "" {
			args = append(args, "--"+name, value)
		}
	}
	return args
}

// asArgument makes a path an argument that is no flag.
func asArgument(path string) string {
	if strings.HasPrefix(path, "-") {
		return "./" + path
	}
	return path
}

// commandLine returns a command of this program, as a user types it in a shell.
func commandLine(args ...string) string {
	words := []string{Name}
	for _, arg := range args {
		words = append(words, quote(arg))
	}
	return strings.Join(words, " ")
}

// quote makes a text one word of a shell's command line.
func quote(text string) string {
	if text != "" && strings.IndexFunc(text, func(r rune) bool {
		return !strings.ContainsRune("/._-+:@%,=", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
