package app

import (
	"flag"

	"github.com/spf13/pflag"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/target"
)

// The groups of flags in the manual.
const (
	groupWhere   = "Where to act"
	groupWhich   = "Which instances"
	groupRules   = "How many at once"
	groupHealth  = "When an instance is healthy"
	groupWitness = "Records of the cloud"
	groupHooks   = "Hooks"
	groupSend    = "When restarts are sent"
	groupWaivers = "Continuing without a hook"
	groupWatch   = "Following the run"
	groupWrite   = "What to write"
)

// The texts of flags that several commands have.
const (
	rateHintUsage = "the account's rate limit for RebootInstance, in `calls` per minute, if you know it"
	dryRunsUsage  = "`number` of instances for which the preflight sends a dry run. Default: 5"
)

// byDefault is the end of the text of a flag that changes a setting. The session before has
// all settings, so a command that goes by a journal has no other default.
func (s *settings) byDefault(value string) string {
	if s.command == "resume" || s.command == "resolve" {
		return "Default: as before"
	}
	return "Default: " + value
}

// goTarget returns the flags of the target, for [settings.addGo].
func (s *settings) goTarget() *flag.FlagSet {
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	s.AddFlags(flags)
	return flags
}

// addTarget adds the flags of a command that finds the service by its region.
func (s *settings) addTarget() {
	s.add(groupWhere, func(flags *pflag.FlagSet) {
		flags.StringSliceVar(&s.regions, "region", nil, target.RegionUsage+". Repeatable: a plan can cover several regions")
		flags.StringArrayVar(&s.endpoints, "endpoint", nil, "use this `URL` instead of the region's endpoint. http:// is allowed for a loopback host only. "+
			"With several regions, give one endpoint for each, in the order of the regions")
	})
	s.addGo(groupWhere, s.goTarget(), "profile", "vpc", "signature", "debug")
}

// addIdentity adds the flags of a command that finds the service by a journal.
func (s *settings) addIdentity() { s.addGo(groupWhere, s.goTarget(), "profile", "signature", "debug") }

func (s *settings) addSelection() {
	s.addIDsFile()
	s.add(groupWhich, func(flags *pflag.FlagSet) {
		flags.Var(&s.names, "name", "select instances with one of these `names`, separated by commas; * stands for any text, ? for one character. Repeatable")
		flags.Var(&s.tags, "tag", "select instances whose tags satisfy the condition: role=web, role=web|api, env!=prod, role for any value, or !role. Repeatable: all conditions must hold")
		flags.StringVar(&s.zone, "zone", "", "select instances in this `zone`, such as cn-hangzhou-h")
		flags.StringVar(&s.vpcID, "vpc-id", "", "select instances in the VPC with this `ID`")
		flags.Var(&s.types, "instance-type", "select instances of one of these `types`, separated by commas. Repeatable")
		flags.StringVar(&s.resourceGroup, "resource-group", "", "select instances in the resource group with this `ID`")
		flags.StringVar(&s.status, "status", "", "select instances with this `status`, such as Running. "+
			"Without this flag, the run skips and reports instances that are not Running; they are unavailable")
		flags.Var(&s.maintenance, "maintenance", "select only instances for which the service has scheduled a system event of one of these `types`, separated by commas, that a restart avoids. "+
			"The plan has the earliest deadlines first. Combines with the other flags. Without a value, the type is "+ecsreboot.EventMaintenanceReboot)
		flags.Lookup("maintenance").NoOptDefVal = ecsreboot.EventMaintenanceReboot
		flags.Var(&s.before, "before", "with --maintenance: select only instances that the service may restart before this `time`, such as 2026-12-01T02:00:00Z, or 2026-12-01 or \"2026-12-01 02:00\" in the local time zone")
		flags.BoolVar(&s.all, "all", false, "select every instance of the regions")
		flags.Var(&s.exclude, "exclude", "leave out these `IDs`, separated by commas. Repeatable")
		flags.Var(&s.excludeNames, "exclude-name", "leave out instances with one of these `names`, with the wildcards of --name. Repeatable")
		flags.StringVar(&s.groupBy, "group-by", "", "`attribute` that defines the groups: zone, region or tag:KEY. The plan takes instances from all groups in turn")
		flags.BoolVar(&s.force, "force", false, "force the restart, like a power cut: a guest loses the data that it has not written to disk")
	})
}

func (s *settings) addRules() {
	s.add(groupRules, func(flags *pflag.FlagSet) {
		flags.TextVar(&s.rules.MaxUnavailable, "max-unavailable", fleet.Limit{}, "how many instances may be unavailable at once: "+
			"a `limit` such as 3 or 2%. Failed and unknown instances are unavailable. "+s.byDefault("2%, at least 1"))
		flags.TextVar(&s.rules.MaxUnavailablePerGroup, "max-unavailable-per-group", fleet.Limit{}, "how many instances of each group may be unavailable at once: a `limit` as above. "+
			s.byDefault("--max-unavailable, at most 25% of the group"))
		flags.BoolVar(&s.rules.AllowWide, "allow-wide", false, "allow limits of more than 25% of the plan or of a group")
		flags.TextVar(&s.rules.MaxFailed, "max-failed", fleet.Limit{}, "halt when more instances than this `limit` have failed or are unknown. "+s.byDefault("1%, at least 1"))
		flags.Var(&s.canary, "canary", "`sizes` of the canary stages, which go first, such as 1,5; or none. "+s.byDefault("1,5"))
	})
}

func (s *settings) addHealth() {
	s.add(groupHealth, func(flags *pflag.FlagSet) {
		flags.DurationVar(&s.minReady, "min-ready", 0, "how long an instance must stay Running and healthy; 0 for no time. "+s.byDefault("30s"))
		flags.DurationVar(&s.readyTimeout, "ready-timeout", 0, "how long an instance may take from the request until it is healthy; "+
			"after that, it has failed; 0 for no limit. "+s.byDefault("25m"))
		flags.DurationVar(&s.stoppedTimeout, "stopped-timeout", 0, "how long an instance may be Stopped after the request; after that, it has failed; 0 for no limit. "+s.byDefault("3m"))
		flags.DurationVar(&s.unknownGrace, "unknown-grace", 0, "how long to look for signs of a restart whose response was lost; 0 for one poll. "+s.byDefault("1m"))
	})
}

func (s *settings) addSend() {
	s.add(groupSend, func(flags *pflag.FlagSet) {
		flags.Var(&s.window, "window", "send only in this `window`, such as \"Mon-Fri 02:00-05:00 Asia/Shanghai\". The days are optional, and so is the time zone; its default is UTC")
		flags.DurationVar(&s.minUptime, "min-uptime", 0, "skip instances that started less than this `duration` ago")
		flags.StringVar(&s.selfID, "self", "", "`ID` of the instance that this program runs on; the run skips it. Default: the ID that the metadata service returns within 200ms")
		flags.Float64Var(&s.rateHint, "rate-hint", 0, rateHintUsage)
	})
}

func (s *settings) addConfirm() {
	s.add(groupSend, func(flags *pflag.FlagSet) {
		flags.BoolVar(&s.yes, "yes", false, "do not ask before the first restart; scripts need it")
	})
}

func (s *settings) addPreflight() {
	s.add(groupSend, func(flags *pflag.FlagSet) {
		flags.IntVar(&s.dryRuns, "dry-runs", 0, dryRunsUsage)
		flags.BoolVar(&s.despite, "despite-problems", false, "begin even if the preflight found problems")
	})
}

// addNotify adds the flags of notifications.
func (s *settings) addNotify() {
	s.add(groupWatch, func(flags *pflag.FlagSet) {
		flags.StringVar(&s.notify.URL, "notify-url", "", "POST to this `URL` when the run begins, waits for approval, passes a stage, halts or ends. "+
			"The body is JSON, or Slack's form for hooks.slack.com and slack:URL")
		flags.StringVar(&s.notify.Command, "notify-cmd", "", "run this shell `command` at the same moments")
	})
}

// addMetrics adds the flag of the metrics.
func (s *settings) addMetrics() {
	s.add(groupWatch, func(flags *pflag.FlagSet) {
		flags.StringVar(&s.metricsAddress, "metrics", "", "serve metrics to Prometheus at this `address`, such as :9464, under /metrics")
	})
}

// addWatch adds the flags of what follows a run.
func (s *settings) addWatch() {
	s.addNotify()
	s.addMetrics()
	s.add(groupWatch, func(flags *pflag.FlagSet) {
		flags.StringVar(&s.pageAddress, "page", "", "serve the live page of the run at this `address`, such as 127.0.0.1:0; its URL is printed")
		flags.BoolVar(&s.pagePublic, "page-public", false, "allow an address that other machines can reach; the page has no TLS")
	})
}

// timeoutUsage is the text of --timeout: a run drains, and resolve ends at once.
func (s *settings) timeoutUsage() string {
	if s.command == "resolve" {
		return "end after this `duration`"
	}
	return "send nothing more after this `duration`, and end when everything in flight has reached its end"
}

func (s *settings) addWrite() {
	s.add(groupWrite, func(flags *pflag.FlagSet) {
		flags.StringVar(&s.htmlFile, "report", "", "write the report to an HTML `file` when the run ends")
		flags.StringVar(&s.progress, "progress", "auto", "`mode` of the progress on stderr: auto, tty, plain, json (a line for each event) or none. auto is tty on a terminal "+
			"unless TERM=dumb or CI is set, and plain otherwise. NO_COLOR disables colors")
		flags.BoolVar(&s.json, "json", false, "print the result as one JSON object")
		flags.DurationVar(&s.timeout, "timeout", 0, s.timeoutUsage()+". Default: no limit")
	})
}
