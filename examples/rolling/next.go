package main

import (
	"fmt"
	"strings"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// next says what to do about an instance that is not restarted, with the command
// for it.
func next(s *settings, of *result, r fleet.Record) string {
	if s.Emulate {
		return "it was an emulated instance, and is gone"
	}
	again := fmt.Sprintf("%s run -region %s -journal NEW %s%s", programName, of.report.Plan.Region, r.ID, asBefore("run", of.hooks))
	byJournal := func(command string) string {
		return fmt.Sprintf("%s %s -journal %s%s", programName, command, quote(s.journal), asBefore(command, of.hooks))
	}
	switch {
	case r.State == fleet.StateWaiting:
		return byJournal("resume")
	case r.State == fleet.StateRestarting:
		return "it may have restarted; this looks and sends nothing: " + byJournal("resolve")
	case r.State == fleet.StateUnknown:
		return "it may have restarted: do not send again before you have looked at it; " + byJournal("resolve")
	case r.State == fleet.StateFailed && r.Attempts > 0 && r.Reason != fleet.ReasonRefused && r.Reason != fleet.ReasonNotSent:
		return "it was sent: look at the instance; once it is back, " + byJournal("resolve")
	case r.Reason == fleet.ReasonNotListed:
		return "check the id, the region, and the permission ecs:DescribeInstances"
	case r.Reason == fleet.ReasonNotRunning:
		return "start it, which is as good as a restart"
	case r.Reason == fleet.ReasonSelf:
		return "this program runs on it; from elsewhere: " + again
	case r.Reason == fleet.ReasonLocked:
		return "lift the lock or renew it; then " + again
	default:
		return "it did not restart; once the reason is gone, " + again
	}
}

// quote makes a path one word of a shell's command line.
func quote(path string) string {
	if strings.IndexFunc(path, func(r rune) bool {
		return !strings.ContainsRune("/._-+:@%", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0 {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
