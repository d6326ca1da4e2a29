package report

import (
	"strings"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// advice is what to do about instances of a state and a reason.
type advice struct {
	Text    string
	Command string // empty if there is none
}

// maxNamed is how many instances a command names at most.
const maxNamed = 20

// adviser proposes what to do next.
type adviser struct {
	options Options
	region  string
	ending  Ending
	reason  fleet.Reason // of the ending
	hooks   string       // that a session must have to go on
}

// about is the advice on instances of the state for the reason.
func (a adviser) about(state fleet.State, reason fleet.Reason, ids []string) advice {
	switch state {
	case fleet.StateRestarting:
		return advice{
			"Nobody has seen yet what became of them. If the run goes on, wait for it. If it has crashed or was interrupted: look, which sends nothing.",
			a.command("resolve"),
		}
	case fleet.StateUnknown:
		return advice{"They may have restarted: do not restart them by hand before that is settled. Look, which sends nothing:", a.command("resolve")}
	case fleet.StateWaiting:
		return a.aboutWaiting(reason)
	case fleet.StateSkipped:
		return a.aboutSkipped(reason, ids)
	case fleet.StateFailed:
		return a.aboutFailed(reason, ids)
	default:
		return advice{}
	}
}

func (a adviser) aboutFailed(reason fleet.Reason, ids []string) advice {
	switch reason {
	case fleet.ReasonRefused:
		return advice{"The service refused the restart, so that nothing happened: the code says why. The request id is for its support. Remove the cause, and restart them in a run of their own:", a.again(ids)}
	case fleet.ReasonDenied:
		return advice{"The permission to restart them is missing, and others may be restarted: see the conditions of the policy, such as tags. Then restart them in a run of their own:", a.again(ids)}
	case fleet.ReasonNotDrained:
		return advice{"The drain hook failed, so that nothing was sent: the error says why. When it works, go on with the run:", a.command("resume")}
	case fleet.ReasonNotUndrained:
		return advice{"They run, and the hook that puts them into service again failed: the error says why. When it works, have the run call it once more:", a.command("resolve")}
	case fleet.ReasonNotListed:
		return advice{"The service does not list them: see whether the id and the region are right, and whether they may be read. If they are gone, there is nothing to do. Else, in a run of their own:", a.again(ids)}
	case fleet.ReasonGone:
		return advice{"The service listed them before the restart and does not list them any more: they were released. There is nothing to do; mark them as gone to take them out of the failure budget.", ""}
	case fleet.ReasonNotSent:
		return advice{"No connection could be had, so that nothing happened. See to the network, and restart them in a run of their own:", a.again(ids)}
	case fleet.ReasonNotBack:
		return advice{"They went down and were not Running again in time: see their console and system events. When they are back, have the run take note:", a.command("resolve")}
	case fleet.ReasonStopped:
		return advice{"Others have stopped them after the restart was sent: see their system events. Start them if they should run, and have the run take note:", a.command("resolve")}
	case fleet.ReasonNotHealthy:
		return advice{"They run again, but the health check did not pass in time: see what runs on them. When they are healthy, have the run take note:", a.command("resolve")}
	case fleet.ReasonNotProven:
		return advice{"They run, but nothing shows that they have restarted: compare their uptime. Have the run look once more:", a.command("resolve")}
	case fleet.ReasonNotWatched:
		return advice{"They could not be read after the restart: see to permissions and network, and have the run look once more:", a.command("resolve")}
	default:
		return advice{"See the error. Have the run look once more:", a.command("resolve")}
	}
}

func (a adviser) aboutSkipped(reason fleet.Reason, ids []string) advice {
	switch reason {
	case fleet.ReasonNotRunning:
		return advice{"They were not Running, and so count as unavailable. Nothing was sent. If they should run, start them; that is a restart already.", ""}
	case fleet.ReasonLocked:
		return advice{"The service has locked them: the code says why. When they are free, restart them in a run of their own:", a.again(ids)}
	case fleet.ReasonSelf:
		return advice{"The run's own program is on it. Restart it from another machine:", a.again(ids)}
	case fleet.ReasonUptime:
		return advice{"They had started not long before. Nothing to do.", ""}
	case fleet.ReasonGone:
		return advice{"An operator has marked them as gone. Nothing to do.", ""}
	case fleet.ReasonMarkedRestarted:
		return advice{"An operator has marked them as restarted: there is no proof. Nothing to do.", ""}
	case fleet.ReasonOthers:
		return advice{"They were restarting already when their turn came. Nothing to do.", ""}
	default:
		return advice{"Nothing was sent. If they need the restart still, restart them in a run of their own:", a.again(ids)}
	}
}

func (a adviser) aboutWaiting(reason fleet.Reason) advice {
	resume := a.command("resume")
	why := ""
	switch reason {
	case fleet.ReasonBlocked:
		why = "The check before the restart held them back. "
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
	case a.ending == EndingOpen:
		return advice{why + "Nothing was sent for them. If the run goes on, they wait for their turn. If it has crashed, go on with it:", resume}
	case a.ending == EndingHalted && (a.reason == fleet.ReasonBudget || a.reason == fleet.ReasonCanary || a.reason == fleet.ReasonWidth):
		return advice{why + "Nothing was sent for them, as the run halted: see to the failed and the unknown first. Then go on, with wider limits if the failures are understood:", resume}
	}
	return advice{why + "Nothing was sent for them. Go on with the run:", resume}
}

// command is one that takes the journal.
func (a adviser) command(verb string) string {
	if a.options.Program == "" || a.options.Journal == "" {
		return ""
	}
	command := a.options.Program + " " + verb + " -journal " + shell(a.options.Journal)
	if a.hooks != "" {
		command += "  # with the hooks as before: " + strings.ReplaceAll(a.hooks, ",", ", ")
	}
	return command
}

// again restarts instances in a run of their own.
func (a adviser) again(ids []string) string {
	if a.options.Program == "" || len(ids) > maxNamed {
		return ""
	}
	words := []string{a.options.Program, "run"}
	if a.region != "" {
		words = append(words, "-region", shell(a.region))
	}
	words = append(words, "-journal", "NEW.journal")
	for _, id := range ids {
		words = append(words, shell(id))
	}
	return strings.Join(words, " ")
}
