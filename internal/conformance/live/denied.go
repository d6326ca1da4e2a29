package main

import (
	"net/http"
	"strconv"
)

// ofDenied returns an experiment with a key that has no permissions.
func ofDenied(id string, run func(*lab) (facts, error)) experiment {
	return experiment{id: id, skip: needs(func(l *lab) bool { return l.denied.id != "" }, "no key without permissions is set"), run: run}
}

// asDenied signs a request with the key without permissions.
func (l *lab) asDenied(r request) request {
	r.key = &l.denied
	return r
}

// deniedRestart sends a dry run without permission. If the dry run passes, the key has
// permissions after all, and the run ends.
func (l *lab) deniedRestart() (facts, error) {
	a, err := l.harmless(l.asDenied(l.check()))
	if err != nil {
		return nil, err
	}
	if a.text("Code") == "DryRunOperation" {
		return nil, unexpected("the key without permissions may restart the instance")
	}
	f := l.seen(a)
	f["fields"] = l.fields(a)
	return f, nil
}

// someAgents counts the agents in a response.
func (l *lab) someAgents(f facts, prefix string, a *reply) {
	l.brief(f, prefix, a)
	if a.status == http.StatusOK {
		agents, _ := at(a.fields, "InstanceCloudAssistantStatusSet", "InstanceCloudAssistantStatus").([]any)
		f[prefix+".count"] = strconv.Itoa(len(agents))
	}
}

// deniedRecords reads what other products recorded, without permission.
func (l *lab) deniedRecords() (facts, error) {
	changes := l.changes()
	quotas := request{
		endpoint: l.product("quotas"), version: "2020-05-10", action: "ListProductQuotas",
		params: map[string]string{"ProductCode": "ecs", "QuotaCategory": "FlowControl"},
	}
	events := request{
		endpoint: l.product("actiontrail." + l.region), version: "2020-07-06", action: "LookupEvents",
		params: map[string]string{"LookupAttribute.1.Key": "ResourceName", "LookupAttribute.1.Value": l.instance},
	}
	return l.several(map[string]request{"changes": l.asDenied(changes), "events": l.asDenied(events), "quotas": l.asDenied(quotas)}, l.brief)
}
