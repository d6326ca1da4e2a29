package main

import (
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ofRecords returns an experiment that needs -records.
func ofRecords(id string, run func(*lab) (facts, error)) experiment {
	return experiment{id: id, skip: needs(func(l *lab) bool { return l.records }, "-records is not given"), run: run}
}

// product returns the endpoint of a product of the cloud other than ECS.
func (l *lab) product(host string) string {
	if l.oneEndpoint {
		return ""
	}
	return "https://" + host + ".aliyuncs.com"
}

// agents returns a request for the status of the instance's agent.
func (l *lab) agents() request {
	return request{action: "DescribeCloudAssistantStatus", params: map[string]string{"RegionId": l.region, "InstanceId.1": l.instance}}
}

func agentOf(a *reply) any {
	agents, _ := at(a.fields, "InstanceCloudAssistantStatusSet", "InstanceCloudAssistantStatus").([]any)
	if len(agents) != 1 {
		return nil
	}
	return agents[0]
}

func (l *lab) agent() (facts, error) {
	a, err := l.do(l.agents())
	if err != nil {
		return nil, err
	}
	status, _ := at(agentOf(a), "CloudAssistantStatus").(string)
	f := facts{"fields": l.fields(a), "agent": l.redactor.name(status)}
	l.brief(f, "known", a)
	if a, err = l.do(l.agents().with("InstanceId.1", nobody)); err != nil {
		return nil, err
	}
	l.brief(f, "unknown", a)
	return f, nil
}

// heartbeat checks whether the agent sends heartbeats.
func (l *lab) heartbeat() (facts, error) {
	var beats []string
	for range 2 {
		a, err := l.do(l.agents())
		if err != nil {
			return nil, err
		}
		beat, _ := at(agentOf(a), "LastHeartbeatTime").(string)
		beats = append(beats, beat)
		if len(beats) == 1 {
			if err := l.sleep(66 * time.Second); err != nil { // the agent sends one every 55 to 65 s
				return nil, err
			}
		}
	}
	f := facts{"format": timeFormat(beats[1]), "moved": "no"}
	if beats[0] != beats[1] {
		f["moved"] = "yes"
	}
	return f, nil
}

// console reads the console output, and determines the time zone of LastUpdateTime.
func (l *lab) console() (facts, error) {
	r := request{action: "GetInstanceConsoleOutput", params: map[string]string{"RegionId": l.region, "InstanceId": l.instance}}
	a, err := l.do(r)
	if err != nil {
		return nil, err
	}
	output, err := base64.StdEncoding.DecodeString(a.text("ConsoleOutput"))
	f := facts{"fields": l.fields(a), "hours": "other format", "base64": yes(err == nil), "~outputBytes": strconv.Itoa(len(output))}
	l.brief(f, "known", a)
	if updated, err := time.Parse(time.DateTime, a.text("LastUpdateTime")); err == nil {
		f["hours"] = strconv.Itoa(int(math.Round(updated.Sub(a.at.Add(l.wire.offset)).Hours())))
	}
	if a, err = l.do(r.with("InstanceId", nobody)); err != nil {
		return nil, err
	}
	l.brief(f, "unknown", a)
	return f, nil
}

// quotas looks for the rate limit of RebootInstance.
func (l *lab) quotas() (facts, error) {
	r := request{
		endpoint: l.product("quotas"), version: "2020-05-10", action: "ListProductQuotas",
		params: map[string]string{"ProductCode": "ecs", "QuotaCategory": "FlowControl", "MaxResults": "100", "KeyWord": "RebootInstance"},
	}
	a, err := l.do(r)
	if err != nil {
		return nil, err
	}
	f := facts{"fields": l.fields(a), "found": "no"}
	l.brief(f, "list", a)
	quotas, _ := a.fields["Quotas"].([]any)
	for _, quota := range quotas {
		if name, _ := at(quota, "QuotaName").(string); name != "RebootInstance" {
			continue
		}
		f["found"] = "yes"
		unit, _ := at(quota, "Period", "PeriodUnit").(string)
		f["unit"] = l.redactor.name(unit)
		if total, ok := at(quota, "TotalQuota").(float64); ok {
			f["~total"] = strconv.Itoa(int(total))
		}
	}
	if a, err = l.do(r.with("MaxResults", "101")); err != nil {
		return nil, err
	}
	l.brief(f, "largePage", a)
	return f, nil
}

// quotaNames reads all rate limits, and looks for those that are named after an operation.
func (l *lab) quotaNames() (facts, error) {
	r := request{
		endpoint: l.product("quotas"), version: "2020-05-10", action: "ListProductQuotas",
		params: map[string]string{"ProductCode": "ecs", "QuotaCategory": "FlowControl", "MaxResults": "100"},
	}
	f := facts{}
	var alike []string // names and codes of the quotas whose texts contain RebootInstance
	const maxPages = 10
	for range maxPages {
		a, err := l.do(r)
		if err != nil {
			return nil, err
		}
		l.brief(f, "list", a)
		quotas, _ := a.fields["Quotas"].([]any)
		for _, quota := range quotas {
			text := func(name string) string { s, _ := at(quota, name).(string); return s }
			name, code := text("QuotaName"), text("QuotaActionCode")
			for _, action := range []string{"RebootInstance", "DescribeInstances"} {
				if name == action {
					f.count(action + ".names")
					f[action+".unit"] = l.redactor.name(text("QuotaUnit"))
				}
				if code == action {
					f.count(action + ".codes")
				}
			}
			if strings.Contains(name+code+text("QuotaDescription"), "RebootInstance") {
				alike = append(alike, name, code)
			}
		}
		if a.text("NextToken") == "" {
			break
		}
		r = r.with("NextToken", a.text("NextToken"))
	}
	f["~alike"] = l.redactor.names(alike)
	return f, nil
}

// count adds 1 to a fact that is a number.
func (f facts) count(name string) {
	n, _ := strconv.Atoi(f[name]) // 0 if the fact is missing
	f[name] = strconv.Itoa(n + 1)
}

// events looks up events in ActionTrail. It waits a second, because ActionTrail allows two
// such requests a second.
func (l *lab) events(params ...string) (*reply, error) {
	if err := l.sleep(time.Second); err != nil {
		return nil, err
	}
	return l.do(request{endpoint: l.product("actiontrail." + l.region), version: "2020-07-06", action: "LookupEvents", params: map[string]string{}}.with(params...))
}

// eventsOf looks up the newest events of the instance.
func (l *lab) eventsOf(more ...string) (*reply, []any, error) {
	a, err := l.events(append([]string{"LookupAttribute.1.Key", "ResourceName", "LookupAttribute.1.Value", l.instance, "MaxResults", "50"}, more...)...)
	if err != nil {
		return nil, nil, err
	}
	events, _ := a.fields["Events"].([]any)
	return a, events, nil
}

// eventOf returns the event of a request, or nil.
func eventOf(events []any, of *reply) any {
	n := slices.IndexFunc(events, func(event any) bool { return at(event, "requestId") == of.text("RequestId") })
	if n < 0 {
		return nil
	}
	return events[n]
}

// event determines whether the service recorded a request, and with which code.
func (l *lab) event(f facts, prefix string, of *reply) error {
	_, events, err := l.eventsOf()
	event := eventOf(events, of)
	f[prefix+".recorded"] = "no"
	if event != nil {
		f[prefix+".recorded"] = "yes"
		code, _ := at(event, "errorCode").(string)
		f[prefix+".code"] = l.redactor.name(code)
	}
	return err
}

// actionTrail reads the event of the first restart, after recordsDelay.
func (l *lab) actionTrail() (facts, error) {
	first := l.course["reboot.accepted"].accepted
	if err := l.sleep(time.Until(first.at.Add(l.recordsDelay))); err != nil {
		return nil, err
	}
	a, events, err := l.eventsOf()
	if err != nil {
		return nil, err
	}
	f := facts{"found": "no"}
	l.brief(f, "lookup", a)
	event := eventOf(events, first)
	if event == nil {
		return f, nil
	}
	f["found"], f["userAgent"] = "yes", "other"
	if agent, _ := at(event, "userAgent").(string); strings.Contains(agent, userAgent) {
		f["userAgent"] = "ours"
	}
	for _, name := range []string{"eventName", "eventRW", "serviceName"} {
		text, _ := at(event, name).(string)
		f[name] = l.redactor.name(text)
	}
	return f, nil
}

// refusedCalls looks for the events of requests that the service refused, after recordsDelay.
func (l *lab) refusedCalls() (facts, error) {
	f, c := facts{}, l.course["reboot.accepted-xml"]
	if err := l.sleep(time.Until(c.busyDryRun.at.Add(l.recordsDelay))); err != nil {
		return nil, err
	}
	if err := l.event(f, "busy", c.busy); err != nil {
		return nil, err
	}
	return f, l.event(f, "dryRun", c.busyDryRun)
}

func (l *lab) eventsQuery() (facts, error) {
	f := facts{}
	for name, params := range map[string][]string{
		"badStart": {"StartTime", "yesterday"}, "badEnd": {"EndTime", "yesterday"}, "endBeforeStart": {"StartTime", "2026-01-02T00:00:00Z", "EndTime", "2026-01-01T00:00:00Z"},
		"largePage": {"MaxResults", "51"}, "badDirection": {"Direction", "SIDEWAYS"}, "badKey": {"LookupAttribute.1.Key", "NoSuchKey", "LookupAttribute.1.Value", "x"},
	} {
		a, err := l.events(params...)
		if err != nil {
			return nil, err
		}
		l.brief(f, name, a)
	}
	return f, nil
}

// eventsEnds looks up the seconds around the first restart.
func (l *lab) eventsEnds() (facts, error) {
	first := l.course["reboot.accepted"].accepted
	_, events, err := l.eventsOf()
	if err != nil {
		return nil, err
	}
	text, _ := at(eventOf(events, first), "eventTime").(string)
	f := facts{"format": timeFormat(text)}
	when, err := parseTime(text)
	if err != nil {
		return f, nil //nolint:nilerr // the format is the result
	}
	stamp := func(after time.Duration) string { return when.Add(after).Format("2006-01-02T15:04:05Z") }
	for name, params := range map[string][]string{
		"atStart": {"StartTime", stamp(0), "EndTime", stamp(time.Second)}, "atEnd": {"StartTime", stamp(-time.Second), "EndTime", stamp(0)},
	} {
		_, events, err := l.eventsOf(params...)
		if err != nil {
			return nil, err
		}
		f[name] = "no"
		if eventOf(events, first) != nil {
			f[name] = "yes"
		}
	}
	return f, nil
}
