package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// changes returns a request for the changes of status since the run began.
func (l *lab) changes() request {
	stamp := func(t time.Time) string { return strconv.FormatInt(t.Add(l.wire.offset).UnixMilli(), 10) }
	return request{
		endpoint: l.product("metrics." + l.region), version: "2019-01-01", action: "DescribeSystemEventAttribute",
		params: map[string]string{
			"Product": "ECS", "Name": "Instance:StateChange", "SearchKeywords": l.instance, "PageSize": "100",
			"StartTime": stamp(l.began), "EndTime": stamp(time.Now()),
		},
	}
}

// someChanges determines whether a response has changes.
func (l *lab) someChanges(f facts, prefix string, a *reply) {
	l.brief(f, prefix, a)
	if a.status == http.StatusOK {
		f[prefix+".changes"] = "no"
		if len(changesIn(a)) > 0 {
			f[prefix+".changes"] = "yes"
		}
	}
}

// change is a change of status that CloudMonitor recorded.
type change struct {
	at    int64
	state string
}

// changesIn returns the changes in a response, in the order of the response.
func changesIn(a *reply) []change {
	var all []change
	events, _ := at(a.fields, "SystemEvents", "SystemEvent").([]any)
	for _, event := range events {
		ms, _ := at(event, "Time").(float64)
		text, _ := at(event, "Content").(string)
		var content struct {
			State string `json:"state"`
		}
		_ = json.Unmarshal([]byte(text), &content) // a missing state shows as a difference
		all = append(all, change{int64(ms), content.State})
	}
	return all
}

func newestFirst(all []change) bool { return len(all) > 0 && all[0].at > all[len(all)-1].at }

// cloudMonitor reads the changes of status during the first restart.
func (l *lab) cloudMonitor() (facts, error) {
	a, err := l.do(l.changes())
	if err != nil {
		return nil, err
	}
	f := facts{}
	l.brief(f, "lookup", a)
	first := l.course["reboot.accepted"]
	from := first.accepted.sent.Add(l.wire.offset - 2*time.Second).UnixMilli() // the clocks may differ so much
	all := changesIn(a)
	if newestFirst(all) {
		slices.Reverse(all)
	}
	slices.SortStableFunc(all, func(a, b change) int { return int(a.at - b.at) })
	var states []string
	for _, c := range all {
		if c.at < from {
			continue
		}
		states = append(states, l.redactor.name(c.state))
		if c.state == "Running" {
			break // the next restart follows at once
		}
	}
	f["states"], f["~changes"] = strings.Join(states, " "), strconv.Itoa(len(all))
	return f, nil
}

// changesDelay measures how late the end of the last restart becomes visible.
func (l *lab) changesDelay() (facts, error) {
	const limit = 5 * time.Minute
	last := l.course["reboot.forced"]
	// A change in the second half of the restart is not one of the restart before.
	from := last.accepted.at.Add(l.wire.offset + last.completed/2).UnixMilli()
	for {
		a, err := l.do(l.changes())
		if err != nil {
			return nil, err
		}
		f := facts{}
		l.brief(f, "lookup", a)
		for _, c := range changesIn(a) {
			if c.at >= from && c.state == "Running" {
				f["visible"], f["delayMs"] = "yes", milliseconds(a.at.Add(l.wire.offset).Sub(time.UnixMilli(c.at)))
				return f, nil
			}
		}
		if a.status != http.StatusOK || a.at.Sub(last.accepted.at) > last.completed+limit {
			f["visible"] = "no"
			return f, nil
		}
		if err := l.sleep(2 * time.Second); err != nil {
			return nil, err
		}
	}
}

func (l *lab) changesOrder() (facts, error) {
	a, err := l.do(l.changes())
	if err != nil {
		return nil, err
	}
	f := facts{"first": "oldest"}
	if newestFirst(changesIn(a)) {
		f["first"] = "newest"
	}
	if a, err = l.do(l.changes().with("Product", "ecs")); err != nil {
		return nil, err
	}
	l.someChanges(f, "lowerCase", a)
	return f, nil
}
