package main

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ofLimits returns an experiment that uses up a rate limit of the account.
func ofLimits(id string, run func(*lab) (facts, error)) experiment {
	return experiment{id: id, skip: needs(func(l *lab) bool { return l.throttle }, "-throttle is not given"), run: run}
}

// flood returns the request whose rate limit the run uses up.
func (l *lab) flood() request {
	return request{action: "DescribeInstanceStatus", params: map[string]string{"RegionId": l.region, "InstanceId.1": l.instance}, floods: true}
}

// floods sends reads until one is throttled, for a minute at most.
func (l *lab) floods() (facts, error) {
	begin := time.Now()
	for n := 1; n <= 3000 && time.Since(begin) < time.Minute; n++ {
		a, err := l.do(l.flood())
		if err != nil {
			return nil, err
		}
		if a.status == http.StatusOK {
			continue
		}
		l.throttled = a
		f := l.seen(a)
		f["~calls"] = strconv.Itoa(n)
		return f, nil
	}
	return facts{"status": "not throttled"}, nil
}

// hint looks for headers that say how long to wait.
func (l *lab) hint() (facts, error) {
	if l.throttled == nil {
		return facts{"status": "not throttled"}, nil
	}
	f := facts{"hints": ""}
	for _, name := range []string{"Retry-After", "X-Acs-Retry-After", "X-Ratelimit-User", "X-Ratelimit-User-Api"} {
		if l.throttled.header.Get(name) != "" {
			f["hints"] += name + " "
		}
	}
	return f, nil
}

// reopens measures when the service accepts calls again, by the clock of the service.
func (l *lab) reopens() (facts, error) {
	const early, late = 2 * time.Second, 4 * time.Second // the clocks may differ so much
	if l.throttled == nil {
		return facts{"opened": "not throttled"}, nil
	}
	minute := l.throttled.at.Add(l.wire.offset).Truncate(time.Minute).Add(time.Minute)
	for {
		if err := l.sleep(time.Second); err != nil {
			return nil, err
		}
		a, err := l.do(l.flood())
		if err != nil {
			return nil, err
		}
		now := a.at.Add(l.wire.offset)
		switch {
		case a.status != http.StatusOK && now.Before(minute.Add(time.Minute)):
		case a.status != http.StatusOK:
			return facts{"opened": "not within a minute"}, nil
		case now.Before(minute.Add(-early)):
			return facts{"opened": "before the minute"}, nil
		case now.Before(minute.Add(late)):
			return facts{"opened": "with the minute"}, nil
		default:
			return facts{"opened": "later"}, nil
		}
	}
}

// floodEvents sends several requests for events at once. The service allows two a second.
func (l *lab) floodEvents() (facts, error) {
	const calls = 8
	r := request{
		endpoint: l.product("actiontrail." + l.region), version: "2020-07-06", action: "LookupEvents", floods: true,
		params: map[string]string{"LookupAttribute.1.Key": "ResourceName", "LookupAttribute.1.Value": l.instance, "MaxResults": "1"},
	}
	var replies [calls]*reply
	var errs [calls]error
	var sent sync.WaitGroup
	for n := range calls {
		sent.Go(func() { replies[n], errs[n] = l.wire.send(l.ctx, r) })
	}
	sent.Wait()
	f := facts{"status": "not throttled"}
	for n, a := range replies {
		if errs[n] != nil {
			return nil, unexpected("%w", errs[n])
		}
		if err := l.take(r, a); err != nil {
			return nil, err
		}
		if strings.Contains(a.text("Code"), "Throttling") {
			f = l.seen(a)
		}
	}
	return f, l.sleep(2 * time.Second) // until the service accepts such requests again
}
