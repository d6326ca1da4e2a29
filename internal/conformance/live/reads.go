package main

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// checks sends requests with two errors each. The code in the response shows which error the
// service checks first.
func (l *lab) checks() (facts, error) {
	used := l.list()
	used.nonce = newNonce()
	if _, err := l.do(used); err != nil {
		return nil, err
	}
	stale := l.skewed(-16 * time.Minute)
	staleAction := stale
	staleAction.action = "NoSuchActionOfEcs"
	staleKey := stale
	staleKey.key = &credentials{id: "LTAI0000none", secret: "none"}
	keyToken := l.list()
	keyToken.key = &credentials{id: "LTAI0000none", secret: "none", token: "none"}
	tokenSecret := l.list()
	tokenSecret.key = &credentials{id: l.wire.key.id, secret: "wrong", token: "none"}
	usedSecret := l.wrongKey(used)
	return l.several(map[string]request{
		"action or time": staleAction, "time or key": staleKey, "key or token": keyToken, "token or secret": tokenSecret, "secret or nonce": usedSecret,
	}, func(f facts, name string, a *reply) { f[name] = l.redactor.name(a.text("Code")) })
}

// badFilters sends filters whose values the service does not know.
func (l *lab) badFilters() (facts, error) {
	bad := map[string]request{
		"key":  l.list().with("Filter.1.Key", "NoSuchKey", "Filter.1.Value", "2026-01-01T00:00Z"),
		"time": l.list().with("Filter.1.Key", "CreationStartTime", "Filter.1.Value", "yesterday"),
	}
	for _, name := range []string{"Status", "InstanceChargeType", "InstanceNetworkType", "InternetChargeType", "LockReason"} {
		bad[name] = l.list().with(name, "NoSuchValue")
	}
	return l.several(bad, l.brief)
}

// times lists the instance by the minute in which it was created.
func (l *lab) times() (facts, error) {
	created, _ := at(l.machine, "CreationTime").(string)
	return l.several(map[string]request{
		"from":  l.list().with("Filter.1.Key", "CreationStartTime", "Filter.1.Value", created),
		"until": l.list().with("Filter.2.Key", "CreationEndTime", "Filter.2.Value", created),
	}, l.page)
}

// newest determines the order of a list.
func (l *lab) newest() (facts, error) {
	const maxPages = 3
	r := l.list().with("InstanceIds", "", "MaxResults", "100")
	f := facts{"order": "none"}
	var created []string // texts of one length
	for range maxPages {
		a, err := l.do(r)
		if err != nil {
			return nil, err
		}
		l.brief(f, "list", a)
		instances, _ := at(a.fields, "Instances", "Instance").([]any)
		for _, instance := range instances {
			text, _ := at(instance, "CreationTime").(string)
			created = append(created, text)
		}
		next := a.text("NextToken")
		if next == "" {
			break
		}
		r = r.with("NextToken", next)
	}
	newestFirst := slices.IsSortedFunc(created, func(a, b string) int { return strings.Compare(b, a) })
	switch oldestFirst := slices.IsSorted(created); {
	case newestFirst && oldestFirst:
		f["order"] = "all were created at the same time"
	case newestFirst:
		f["order"] = "newest first"
	case oldestFirst:
		f["order"] = "oldest first"
	}
	return f, nil
}

// tags returns the tags of the instance, except those that the vendor sets.
func (l *lab) tags() []any {
	tags, _ := at(l.machine, "Tags", "Tag").([]any)
	return slices.DeleteFunc(slices.Clone(tags), func(tag any) bool {
		key, _ := at(tag, "TagKey").(string)
		return key == "" || strings.HasPrefix(key, "acs:")
	})
}

// twoValues lists the instance by one of its tags, and by this tag and another value of it.
func (l *lab) twoValues() (facts, error) {
	key, _ := at(l.tags()[0], "TagKey").(string)
	value, _ := at(l.tags()[0], "TagValue").(string)
	one := l.list().with("Tag.1.Key", key, "Tag.1.Value", value)
	return l.several(map[string]request{"one": one, "two": one.with("Tag.2.Key", key, "Tag.2.Value", "ecsreboot-no-such-value")}, l.page)
}

// places lists regions and zones.
func (l *lab) places() (facts, error) {
	regions := request{action: "DescribeRegions", params: map[string]string{}}
	zones := request{action: "DescribeZones", params: map[string]string{"RegionId": l.region}}
	f, err := l.several(map[string]request{
		"language": regions.with("AcceptLanguage", "xx"), "type": regions.with("ResourceType", "nothing"), "zonesLanguage": zones.with("AcceptLanguage", "xx"),
	}, l.brief)
	if err != nil {
		return nil, err
	}
	a, err := l.do(regions)
	if err != nil {
		return nil, err
	}
	l.brief(f, "regions", a)
	f["regions.fields"] = l.fields(a)
	all, _ := at(a.fields, "Regions", "Region").([]any)
	f["regions.own"] = yes(slices.ContainsFunc(all, func(r any) bool { return at(r, "RegionId") == l.region }))
	if a, err = l.do(zones); err != nil {
		return nil, err
	}
	l.brief(f, "zones", a)
	f["zones.fields"] = l.fields(a)
	all, _ = at(a.fields, "Zones", "Zone").([]any)
	f["zones.own"] = yes(slices.ContainsFunc(all, func(z any) bool { return at(z, "ZoneId") == at(l.machine, "ZoneId") }))
	return f, nil
}

// fullStatus returns a request for the scheduled events of the instance.
func (l *lab) fullStatus() request {
	return request{action: "DescribeInstancesFullStatus", params: map[string]string{"RegionId": l.region, "InstanceId.1": l.instance}}
}

func (l *lab) fullStatuses(f facts, prefix string, a *reply) {
	l.brief(f, prefix, a)
	if a.status == http.StatusOK {
		instances, _ := at(a.fields, "InstanceFullStatusSet", "InstanceFullStatusType").([]any)
		f[prefix+".count"] = strconv.Itoa(len(instances))
	}
}

// scheduled lists the system events of the instance, if there are any.
func (l *lab) scheduled() (facts, error) {
	history := request{action: "DescribeInstanceHistoryEvents", params: map[string]string{"RegionId": l.region, "InstanceId": l.instance}}
	f, err := l.several(map[string]request{
		"badTime":        l.fullStatus().with("NotBefore.Start", "yesterday"),
		"endBeforeStart": l.fullStatus().with("NotBefore.Start", "2026-01-02T00:00:00Z", "NotBefore.End", "2026-01-01T00:00:00Z"),
		"badStatus":      history.with("InstanceEventCycleStatus.1", "NoSuchStatus"),
		"history":        history.with("InstanceEventCycleStatus.1", "Avoided"),
	}, l.brief)
	if err != nil {
		return nil, err
	}
	a, err := l.do(l.fullStatus())
	if err != nil {
		return nil, err
	}
	l.fullStatuses(f, "scheduled", a)
	instances, _ := at(a.fields, "InstanceFullStatusSet", "InstanceFullStatusType").([]any)
	if len(instances) == 1 {
		for _, name := range []string{"Status", "HealthStatus"} {
			text, _ := at(instances[0], name, "Name").(string)
			f["scheduled."+name] = l.redactor.name(text)
		}
	}
	return f, nil
}

// batch sends dry runs of a restart of several instances.
func (l *lab) batch() (facts, error) {
	dryRun := request{action: "RebootInstances", params: map[string]string{"RegionId": l.region, "InstanceId.1": l.instance, "DryRun": "true"}}
	many := dryRun.with("InstanceId.1", nobody)
	for n := 2; n <= 101; n++ {
		many = many.with("InstanceId."+strconv.Itoa(n), "i-"+strconv.Itoa(n)+nobody[8:])
	}
	f := facts{}
	for name, r := range map[string]request{"passes": dryRun, "unknown": dryRun.with("InstanceId.2", nobody), "none": dryRun.with("InstanceId.1", ""), "many": many} {
		a, err := l.harmless(r)
		if err != nil {
			return nil, err
		}
		l.brief(f, name, a)
	}
	return f, nil
}
