package main

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// experiment finds out what the service does about one row of the table of behaviors.
type experiment struct {
	id       string
	restarts int               // at most so many requests for a restart
	commands int               // at most so many requests for a command in the guest
	skip     func(*lab) string // returns why the experiment can't be made, or ""; may be nil
	run      func(*lab) (facts, error)
}

// experiments are all experiments in their order: first those that only read or must be
// refused, then those that restart the instance, and last those that read the records of the
// restarts.
var experiments = []experiment{
	ask("auth.v3", func(l *lab) request { return l.list() }),
	ask("auth.v1", func(l *lab) request { r := l.list(); r.v1, r.method = true, http.MethodGet; return r }),
	{id: "auth.bearer", skip: needs(func(l *lab) bool { return l.wire.key.bearer != "" }, "no bearer token is set"), run: func(l *lab) (facts, error) {
		r := l.list()
		r.bearer = true
		return l.refused(r)
	}},
	{id: "auth.token", skip: needs(func(l *lab) bool { return l.wire.key.token != "" }, "the key has no security token"), run: func(l *lab) (facts, error) {
		r := l.list()
		r.key = &credentials{id: l.wire.key.id, secret: l.wire.key.secret}
		return l.refused(r)
	}},
	{id: "call.headers", run: func(l *lab) (facts, error) {
		a, err := l.do(l.list())
		if err != nil {
			return nil, err
		}
		names := maps.Clone(a.header)
		for _, ofConnection := range []string{"Connection", "Keep-Alive", "Content-Length", "Transfer-Encoding"} {
			delete(names, ofConnection)
		}
		return facts{"headers": l.redactor.names(slices.Collect(maps.Keys(names)))}, nil
	}},
	ask("call.xml", func(l *lab) request { r := l.list(); r.v1, r.format = true, "-"; return r }),
	ask("call.error", func(l *lab) request { return l.list().with("RegionId", "xx-nowhere") }),
	ask("call.error-xml", func(l *lab) request {
		r := l.list().with("RegionId", "xx-nowhere")
		r.v1, r.format = true, "XML"
		return r
	}),
	ask("call.action", func(*lab) request { return request{action: "NoSuchActionOfEcs"} }),
	ask("call.method", func(l *lab) request { r := l.list(); r.method = http.MethodPut; return r }),
	ask("call.format", func(l *lab) request { r := l.list(); r.v1, r.format = true, "YAML"; return r }),
	lists("call.ignored", func(l *lab) request { return l.list().with("NoSuchFilter", "1") }),

	ask("auth.secret", func(l *lab) request { return l.otherKey(false) }),
	ask("auth.secret-v1", func(l *lab) request { return l.otherKey(true) }),
	ask("auth.key", func(l *lab) request {
		r := l.list()
		r.key = &credentials{id: "LTAI0000none", secret: "none"}
		return r
	}),
	ask("auth.method", func(l *lab) request { r := l.list(); r.v1, r.hash = true, "HMAC-MD5"; return r }),
	ask("auth.clock-past", func(l *lab) request { return l.skewed(-16 * time.Minute) }),
	ask("auth.clock-future", func(l *lab) request { return l.skewed(16 * time.Minute) }),
	ask("auth.clock-window", func(l *lab) request { return l.skewed(-14 * time.Minute) }),
	ask("auth.clock-format", func(l *lab) request { r := l.list(); r.stamp = "yesterday"; return r }),
	ask("auth.missing", func(l *lab) request { r := l.list(); r.v1, r.without = true, "Timestamp"; return r }),
	{id: "auth.nonce", run: func(l *lab) (facts, error) { return l.twice(l.list()) }},
	{id: "auth.nonce-burnt", run: func(l *lab) (facts, error) { return l.twice(l.otherKey(false)) }},

	{id: "auth.order", run: (*lab).checks},
	ofDenied("auth.denied", (*lab).deniedRestart),
	ofDenied("auth.denied-list", func(l *lab) (facts, error) {
		return l.several(map[string]request{"list": l.asDenied(l.list())}, l.page)
	}),
	ofDenied("agent.denied", func(l *lab) (facts, error) {
		return l.several(map[string]request{"agents": l.asDenied(l.agents())}, l.someAgents)
	}),
	ofDenied("records.denied", (*lab).deniedRecords),

	{id: "list.fields", run: func(l *lab) (facts, error) {
		a, err := l.do(l.list())
		if err != nil {
			return nil, err
		}
		return facts{"fields": l.fields(a)}, nil
	}},
	{id: "list.minute", run: func(l *lab) (facts, error) {
		a, err := l.do(l.list())
		if err != nil {
			return nil, err
		}
		instance, err := l.only(a)
		f := facts{}
		for _, name := range []string{"StartTime", "CreationTime", "ExpiredTime"} {
			text, _ := at(instance, name).(string)
			f[name] = timeFormat(text)
		}
		return f, err
	}},
	{id: "list.region", run: func(l *lab) (facts, error) {
		return l.several(map[string]request{"missing": l.list().with("RegionId", ""), "unknown": l.list().with("RegionId", "xx-nowhere")}, l.brief)
	}},
	lists("list.ids-bad", func(l *lab) request { return l.list().with("InstanceIds", l.instance) }),
	lists("list.ids-empty", func(l *lab) request { return l.list().with("InstanceIds", "[]") }),
	lists("list.ids-many", func(l *lab) request {
		return l.list().with("InstanceIds", `["`+strings.Repeat(nobody+`","`, 100)+nobody+`"]`)
	}),
	lists("list.ids-unknown", func(l *lab) request { return l.list().with("InstanceIds", `["`+nobody+`"]`) }),
	{id: "list.filter", run: func(l *lab) (facts, error) {
		return l.several(map[string]request{"Running": l.list().with("Status", "Running"), "Stopped": l.list().with("Status", "Stopped")}, l.page)
	}},
	{id: "list.filter-bad", run: (*lab).badFilters},
	{id: "list.times", run: (*lab).times},
	{id: "list.order", skip: needs(func(l *lab) bool { return l.trace.Instances > 1 }, "the region has one instance"), run: (*lab).newest},
	{id: "list.no-tags", skip: needs(func(l *lab) bool { return len(l.tags()) == 0 }, "the instance has tags"), run: func(l *lab) (facts, error) {
		fields, _ := l.machine.(map[string]any)
		_, has := fields["Tags"]
		return facts{"Tags": yes(has)}, nil
	}},
	{id: "list.tags-one-key", skip: needs(func(l *lab) bool { return len(l.tags()) > 0 }, "the instance has no tags"), run: (*lab).twoValues},
	{id: "list.stopped-mode", run: func(l *lab) (facts, error) {
		mode, _ := at(l.machine, "StoppedMode").(string)
		return facts{"running": l.redactor.name(mode)}, nil
	}},
	lists("list.name", func(l *lab) request { return l.list().with("InstanceName", "*") }),
	lists("list.tags", func(l *lab) request { return l.list().with("Tag.1.Key", "ecsreboot-no-such-tag") }),
	ask("list.dry-run", func(l *lab) request { return l.list().with("DryRun", "true") }),
	lists("list.page-default", func(l *lab) request { return l.list().with("InstanceIds", "") }),
	{id: "list.page-token", run: func(l *lab) (facts, error) {
		all := l.list().with("InstanceIds", "")
		return l.several(map[string]request{"small": all.with("MaxResults", "1"), "large": all.with("MaxResults", "500")}, l.page)
	}},
	lists("list.page-number", func(l *lab) request { return l.list().with("InstanceIds", "", "PageNumber", "2", "PageSize", "1") }),
	lists("list.page-large", func(l *lab) request { return l.list().with("InstanceIds", "", "PageSize", "101") }),
	ask("status.list", func(l *lab) request {
		return request{action: "DescribeInstanceStatus", params: map[string]string{"RegionId": l.region, "InstanceId.1": l.instance}}
	}),
	{id: "attribute.fields", run: func(l *lab) (facts, error) {
		r := request{action: "DescribeInstanceAttribute", params: map[string]string{"InstanceId": l.instance}}
		known, err := l.do(r)
		if err != nil {
			return nil, err
		}
		unknown, err := l.do(r.with("InstanceId", nobody))
		if err != nil {
			return nil, err
		}
		f := facts{"fields": l.fields(known)}
		l.brief(f, "known", known)
		l.brief(f, "unknown", unknown)
		return f, nil
	}},
	{id: "attribute.seconds", run: func(l *lab) (facts, error) {
		a, err := l.do(request{action: "DescribeInstanceAttribute", params: map[string]string{"InstanceId": l.instance}})
		if err != nil {
			return nil, err
		}
		return facts{"CreationTime": timeFormat(a.text("CreationTime"))}, nil
	}},
	{id: "places.list", run: (*lab).places},
	{id: "events.list", run: (*lab).scheduled},
	{id: "events.selected", run: func(l *lab) (facts, error) {
		none := l.fullStatus().with("EventId.1", "e-00000000000000000000")
		return l.several(map[string]request{"all": l.fullStatus(), "selected": none}, l.fullStatuses)
	}},

	ask("reboot.dry-run", func(l *lab) request { return l.check() }),
	ask("reboot.unknown-id", func(l *lab) request { return l.check().with("InstanceId", nobody) }),
	ask("reboot.bad-id", func(l *lab) request { return l.check().with("InstanceId", "no instance") }),
	ask("reboot.missing-id", func(l *lab) request { return l.check().with("InstanceId", "") }),
	ask("reboot.bad-boolean", func(l *lab) request { return l.check().with("ForceStop", "maybe") }),
	{id: "reboots.batch", run: (*lab).batch},
	ofLimits("flow.throttle", (*lab).floods),
	ofLimits("flow.hint", (*lab).hint),
	ofLimits("flow.minute", (*lab).reopens),
	{id: "records.events-rate", skip: needs(func(l *lab) bool { return l.throttle && l.records }, "-throttle and -records are not given"), run: (*lab).floodEvents},
	ofRecords("flow.quotas", (*lab).quotas),
	ofRecords("flow.quota-names", (*lab).quotaNames),
	ofRecords("agent.status", (*lab).agent),
	inGuest("command.run", 10, (*lab).runCommands),
	inGuest("command.statuses", 1, (*lab).commandStatuses),

	{id: "reboot.accepted", restarts: 1, run: func(l *lab) (facts, error) {
		c, err := l.restart("reboot.accepted", l.check().with("DryRun", ""), false)
		if err != nil {
			return nil, err
		}
		return l.seen(c.accepted), nil
	}},
	{id: "reboot.path", run: func(l *lab) (facts, error) {
		var names []string
		for i, m := range l.course["reboot.accepted"].path {
			if i > 0 || m.Status != "Running" {
				names = append(names, m.Status)
			}
		}
		return facts{"path": strings.Join(names, " ")}, nil
	}},
	{id: "reboot.lag", run: func(l *lab) (facts, error) {
		return facts{"firstSeenMs": milliseconds(l.course["reboot.accepted"].firstSeen)}, nil
	}},
	{id: "reboot.graceful", run: func(l *lab) (facts, error) {
		return facts{"tookMs": milliseconds(l.course["reboot.accepted"].completed)}, nil
	}},
	{id: "reboot.start-time", run: func(l *lab) (facts, error) {
		c := l.course["reboot.accepted"]
		f := facts{"moved": "no", "format": timeFormat(c.after)}
		if c.after != c.before {
			f["moved"] = "yes"
		}
		// StartTime has whole minutes, so the fact may be off by one.
		if start, err := parseTime(c.after); err == nil {
			f["~minutesAfterAcceptance"] = strconv.Itoa(int(start.Sub(c.accepted.at.Add(l.wire.offset).Truncate(time.Minute)).Minutes()))
		}
		return f, nil
	}},
	inGuest("command.boot", 0, (*lab).commandBoot),
	{id: "reboot.accepted-xml", restarts: 2, run: func(l *lab) (facts, error) {
		r := l.check().with("DryRun", "")
		r.v1, r.format = true, "XML"
		c, err := l.restart("reboot.accepted-xml", r, true)
		if err != nil {
			return nil, err
		}
		return l.seen(c.accepted), nil
	}},
	{id: "reboot.busy", run: func(l *lab) (facts, error) {
		f := facts{}
		l.brief(f, "second", l.course["reboot.accepted-xml"].busy)
		return f, nil
	}},
	{id: "reboot.busy-dry-run", run: func(l *lab) (facts, error) { return l.seen(l.course["reboot.accepted-xml"].busyDryRun), nil }},
	inGuest("command.not-running", 1, (*lab).commandNotRunning),
	{id: "reboot.forced", restarts: 1, run: func(l *lab) (facts, error) {
		c, err := l.restart("reboot.forced", l.check().with("DryRun", "", "ForceStop", "true"), false)
		if err != nil {
			return nil, err
		}
		return facts{"tookMs": milliseconds(c.completed)}, nil
	}},
	inGuest("command.results", 0, (*lab).commandResults),
	// The first two need not wait for ActionTrail, which shows an event only after minutes.
	ofRecords("records.changes-delay", (*lab).changesDelay),
	ofRecords("agent.heartbeat", (*lab).heartbeat),
	ofRecords("records.actiontrail", (*lab).actionTrail),
	ofRecords("records.refused", (*lab).refusedCalls),
	ofRecords("records.turned-away", func(l *lab) (facts, error) {
		f := facts{}
		return f, l.event(f, "wrongSecret", l.turnedAway)
	}),
	ofRecords("records.events-query", (*lab).eventsQuery),
	ofRecords("records.events-ends", (*lab).eventsEnds),
	ofRecords("records.cloudmonitor", (*lab).cloudMonitor),
	ofRecords("records.changes-query", func(l *lab) (facts, error) {
		return l.several(map[string]request{
			"largePage": l.changes().with("PageSize", "101"), "badTime": l.changes().with("StartTime", "yesterday"), "badLevel": l.changes().with("Level", "SEVERE"),
			"andKeywords": l.changes().with("SearchKeywords", l.instance+" and Starting"), "orKeywords": l.changes().with("SearchKeywords", "ecsreboot-no-such or "+l.instance),
		}, l.someChanges)
	}),
	ofRecords("records.changes-order", (*lab).changesOrder),
	ofRecords("console.output", (*lab).console),
}

// nobody is an ID that no instance has.
const nobody = "i-00000000000000000000"

// ask returns an experiment with a single request that must restart nothing.
func ask(id string, r func(*lab) request) experiment {
	return experiment{id: id, run: func(l *lab) (facts, error) { return l.refused(r(l)) }}
}

// lists returns an experiment with a single request for a list.
func lists(id string, r func(*lab) request) experiment {
	return experiment{id: id, run: func(l *lab) (facts, error) { return l.several(map[string]request{"list": r(l)}, l.page) }}
}

func needs(has func(*lab) bool, reason string) func(*lab) string {
	return func(l *lab) string {
		if has(l) {
			return ""
		}
		return reason
	}
}

// several sends requests that read, and collects the facts of each.
func (l *lab) several(requests map[string]request, describe func(facts, string, *reply)) (facts, error) {
	f := facts{}
	for _, name := range slices.Sorted(maps.Keys(requests)) {
		a, err := l.do(requests[name])
		if err != nil {
			return nil, err
		}
		describe(f, name, a)
	}
	return f, nil
}

// otherKey returns a list request that is signed with a wrong secret.
func (l *lab) otherKey(v1 bool) request {
	r := l.wrongKey(l.list())
	r.v1 = v1
	return r
}

func (l *lab) wrongKey(r request) request {
	r.key = &credentials{id: l.wire.key.id, secret: "wrong", token: l.wire.key.token}
	return r
}

func (l *lab) skewed(by time.Duration) request {
	r := l.list()
	r.skew = by
	return r
}

// twice sends the request, and then a correct one with the same nonce.
func (l *lab) twice(first request) (facts, error) {
	first.nonce = newNonce()
	second := l.list()
	second.nonce = first.nonce
	if _, err := l.do(first); err != nil {
		return nil, err
	}
	return l.refused(second)
}

// fields returns the names of all fields of a response.
func (l *lab) fields(a *reply) string {
	found := map[string]bool{}
	paths(a.fields, "", found)
	return l.redactor.names(slices.Collect(maps.Keys(found)))
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

func timeFormat(text string) string {
	for name, layout := range map[string]string{"minutes": "2006-01-02T15:04Z", "seconds": "2006-01-02T15:04:05Z"} {
		if _, err := time.Parse(layout, text); err == nil {
			return name
		}
	}
	if text == "" {
		return "missing"
	}
	return "other"
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
