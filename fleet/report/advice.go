package report

import (
	"slices"
	"strings"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// advice is what to do about instances of a state and a reason.
type advice struct {
	Text    string
	Command string // empty if there is none
	Idle    bool   // nothing is to be done
}

// maxNamed is how many instances a command names at most.
const maxNamed = 20

// adviser proposes what to do next.
type adviser struct {
	options Options
	sendID  string // the beginning of the run's send IDs; empty if it is not known
	plan    fleet.Plan
	regions func(ids []string) []regional // of instances
	ending  Ending
	reason  fleet.Reason // of the ending
	hooks   []fleet.Hook // that a session must have to go on
}

// about is the advice on instances of the state for the reason.
func (a adviser) about(state fleet.State, reason fleet.Reason, ids []string) advice {
	var is advice
	switch state {
	case fleet.StateRestarting:
		is = a.aboutRestarting()
	case fleet.StateUnknown:
		is = advice{Text: "They may have restarted: do not restart them by hand before that is resolved. The next command polls them and sends nothing. If you know what happened, mark them.", Command: a.command("resolve")}
		if a.sendID != "" {
			is.Text += " ActionTrail shows which requests arrived: search its events for send/" + a.sendID + " in the User-Agent."
		}
	case fleet.StateWaiting:
		is = a.aboutWaiting(reason)
	case fleet.StateSkipped:
		is = a.aboutSkipped(reason, ids)
	case fleet.StateFailed:
		is = a.aboutFailed(reason, ids)
	default:
	}
	if a.ending == EndingRunning && is.Command != "" { // which would be refused now
		is.Text, is.Command = is.Text+" Wait for the end of the run first.", ""
	}
	return is
}

func (a adviser) aboutRestarting() advice {
	switch a.ending {
	case EndingRunning:
		return advice{Text: "Their restarts are in progress. Wait for the run.", Idle: true}
	case EndingOpen:
		return advice{Text: "No end of their restarts is recorded. If the run is in progress, wait for it. If it has crashed, poll them, which sends nothing.", Command: a.command("resolve")}
	default:
		return advice{Text: "The run ended before the end of their restarts was known. Poll them, which sends nothing.", Command: a.command("resolve")}
	}
}

func (a adviser) aboutFailed(reason fleet.Reason, ids []string) advice {
	resume, resolve := a.command("resume"), a.command("resolve")
	switch reason {
	case fleet.ReasonRefused:
		return advice{Text: "The service refused the restart, so they were not restarted: the code says why, and the request ID is for the vendor's support. Remove the cause, and resume the run.", Command: resume}
	case fleet.ReasonDenied:
		return advice{Text: "The permission to restart them is missing, while others may be restarted: see the conditions of the policy, such as tags. Then resume the run.", Command: resume}
	case fleet.ReasonNotDrained:
		return advice{Text: "The drain hook failed, so they were not restarted: the error says why. When the hook works, resume the run.", Command: resume}
	case fleet.ReasonNotUndrained:
		return advice{Text: "The hook that puts them into service again failed: the error says why. When it works, let the run call it once more.", Command: resolve}
	case fleet.ReasonNotListed:
		return advice{Text: "The service does not list them: see whether the ID and the region are right, and whether they may be read. If they are gone, mark them. Otherwise resume the run.", Command: a.gone(ids)}
	case fleet.ReasonGone:
		return advice{Text: "The service listed them before the restart and does not list them any more: they were released. Mark them as gone to take them out of the failure budget.", Command: a.gone(ids)}
	case fleet.ReasonNotSent:
		return advice{Text: "There was no connection to the service, so they were not restarted. Repair the network, and resume the run.", Command: resume}
	case fleet.ReasonNotBack:
		return advice{Text: "They went down and were not Running again in time: see their console and system events. When they are back, let the run poll them.", Command: resolve}
	case fleet.ReasonStopped:
		return advice{Text: "Others have stopped them after the restart was sent: see their system events. Start them if they should run, and let the run poll them.", Command: resolve}
	case fleet.ReasonNotHealthy:
		return advice{Text: "They are Running again, but the health check did not pass in time: see what runs on them. When they are healthy, let the run poll them.", Command: resolve}
	case fleet.ReasonNotProven:
		return advice{Text: "They are Running, but nothing shows that they have restarted: compare their uptime. Let the run poll them once more.", Command: resolve}
	case fleet.ReasonNotWatched:
		return advice{Text: "Polls failed after the restart: see to permissions and network, and let the run poll them once more.", Command: resolve}
	default:
		return advice{Text: "See the error. Let the run poll them once more.", Command: resolve}
	}
}

func (a adviser) aboutSkipped(reason fleet.Reason, ids []string) advice {
	switch reason {
	case fleet.ReasonNotRunning:
		return advice{Text: "They were not Running, so they were not restarted, and they are unavailable. Start them if they should run: that is a restart already."}
	case fleet.ReasonLocked:
		return advice{Text: "The service has locked them: the code says why. When they are free, resume the run.", Command: a.command("resume")}
	case fleet.ReasonSelf:
		return advice{Text: "The run's own program is on it. Restart it from another machine.", Command: a.again(ids)}
	case fleet.ReasonExcluded:
		return advice{Text: "They were excluded from the run. Nothing to do.", Idle: true}
	case fleet.ReasonUptime:
		return advice{Text: "They had started not long before. Nothing to do.", Idle: true}
	case fleet.ReasonGone:
		return advice{Text: "An operator has marked them as gone. Nothing to do.", Idle: true}
	case fleet.ReasonMarkedRestarted:
		return advice{Text: "An operator has marked them as restarted: there is no proof. Nothing to do.", Idle: true}
	case fleet.ReasonOthers:
		return advice{Text: "They were restarting already when their turn came. Nothing to do.", Idle: true}
	default:
		return advice{Text: "They were left alone. If they still need the restart, restart them in a run of their own.", Command: a.again(ids)}
	}
}

func (a adviser) aboutWaiting(reason fleet.Reason) advice {
	resume := a.command("resume")
	why := ""
	switch reason {
	case fleet.ReasonBlocked:
		why = "The check before the restart held them back. "
	case fleet.ReasonThrottled:
		why = "A rate limit held them back. "
	case fleet.ReasonAccess:
		why = "Credentials or permissions did not suffice: see to them first. "
	case fleet.ReasonJournal:
		why = "The journal could not be written: see to the disk first. "
	case fleet.ReasonMarkedNotRestarted:
		why = "An operator has marked them as not restarted. "
	case fleet.ReasonWindow:
		why = "The maintenance window was closed. "
	default:
	}
	switch {
	case a.ending == EndingRunning:
		return advice{Text: why + "They wait for their turn.", Idle: true}
	case a.ending == EndingOpen:
		return advice{Text: why + "They were not restarted. If the run is in progress, they wait for their turn. If it has crashed, resume it.", Command: resume}
	case a.ending == EndingHalted && (a.reason == fleet.ReasonBudget || a.reason == fleet.ReasonCanary || a.reason == fleet.ReasonWidth):
		return advice{Text: why + "They were not restarted, because the run halted: see to the failed and the unknown first. Then resume the run, with wider limits if the failures are understood.", Command: resume}
	}
	return advice{Text: why + "They were not restarted. Resume the run.", Command: resume}
}

// asBefore stands for the value of a hook, which is not in the journal. The program refuses
// it as a value.
const asBefore = "AS-BEFORE"

// command is one that takes the journal, and the hooks that the session before had.
func (a adviser) command(verb string) string {
	if a.options.Program == "" || a.options.Journal == "" {
		return ""
	}
	words := []string{a.options.Program, verb, shell(a.options.Journal)}
	for _, hook := range a.hooks {
		switch {
		case hook == fleet.HookHealth && a.hasHeartbeat():
		case verb == "resolve" && hook != fleet.HookHealth && hook != fleet.HookUndrain && hook != fleet.HookFailed: // which it does not call
		case hook == fleet.HookApprove:
			words = append(words, "--approve")
		default:
			words = append(words, "--"+shell(string(hook))+"-cmd", asBefore)
		}
	}
	return strings.Join(words, " ")
}

// sendIDBeginning returns the beginning of the send IDs of a run: the ID of the run and a dot.
func sendIDBeginning(records []fleet.Record) string {
	for i := range records {
		if at := strings.LastIndexByte(records[i].SendID, '.'); at >= 0 {
			return records[i].SendID[:at+1]
		}
	}
	return ""
}

// hasHeartbeat reports whether the heartbeat is the only health check. The next session gets
// it from the labels of the plan.
func (a adviser) hasHeartbeat() bool {
	return slices.Contains(strings.Split(a.plan.Labels["witness"], ","), "heartbeat") && !slices.Contains(a.plan.Hooks, fleet.HookHealth)
}

// again restarts instances in runs of their own, one for each region.
func (a adviser) again(ids []string) string {
	if a.options.Program == "" || len(ids) > maxNamed {
		return ""
	}
	var lines []string
	for _, in := range a.regions(ids) {
		words := []string{a.options.Program, "restart"}
		for _, flag := range [][2]string{
			{"region", in.Region}, {"endpoint", in.Endpoint}, {"profile", a.plan.Labels["profile"]}, {"signature", a.plan.Labels["signature"]}, {"witness", a.plan.Labels["witness"]},
		} {
			if flag[1] != "" {
				words = append(words, "--"+flag[0], shell(flag[1]))
			}
		}
		if a.plan.ForceStop {
			words = append(words, "--force")
		}
		for _, id := range in.ids {
			words = append(words, shell(id))
		}
		lines = append(lines, strings.Join(words, " "))
	}
	return strings.Join(lines, "\n")
}

// gone marks instances as gone.
func (a adviser) gone(ids []string) string {
	if a.options.Program == "" || a.options.Journal == "" || len(ids) > maxNamed {
		return ""
	}
	words := []string{a.options.Program, "mark", shell(a.options.Journal)}
	for _, id := range ids {
		words = append(words, "--gone", shell(id))
	}
	return strings.Join(append(words, "--reason", "released"), " ")
}
