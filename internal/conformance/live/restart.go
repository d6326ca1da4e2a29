package main

import (
	"net/http"
	"time"
)

// order sends a request for a restart. No other function sends such a request.
func (l *lab) order(r request) (*reply, error) {
	if l.trace.Restarts >= maxRestarts {
		return nil, unexpected("%d restarts were requested already", l.trace.Restarts)
	}
	l.trace.Restarts++
	return l.do(r)
}

// restart restarts the instance and follows it until it is Running again. If again is true,
// it requests a second restart at once, and a dry run while the instance is busy.
func (l *lab) restart(name string, r request, again bool) (*course, error) {
	const limit = 25 * time.Minute
	status, before, _, err := l.statusOf()
	if err != nil {
		return nil, err
	}
	if status != "Running" {
		return nil, unexpected("the instance is %q before a restart that this run did not request", status)
	}
	c := &course{before: before}
	if c.accepted, err = l.order(r); err != nil {
		return nil, err
	}
	if c.accepted.status != http.StatusOK {
		return nil, unexpected("the service refused a restart: status %d, code %q", c.accepted.status, c.accepted.text("Code"))
	}
	if again {
		if c.busy, err = l.order(l.check().with("DryRun", "")); err != nil {
			return nil, err
		}
	}
	left := false // a poll showed another status than Running
	for {
		status, start, poll, err := l.statusOf()
		if err != nil {
			return nil, err
		}
		elapsed := poll.at.Sub(c.accepted.at)
		if n := len(c.path); n == 0 || c.path[n-1].Status != status {
			c.path = append(c.path, moment{elapsed.Milliseconds(), l.redactor.name(status)})
		}
		if status != "Running" && !left {
			left, c.firstSeen = true, elapsed
			if again {
				if c.busyDryRun, err = l.do(l.check()); err != nil {
					return nil, err
				}
				if c.busyDryRun.status < http.StatusMultipleChoices {
					return nil, unexpected("the service accepted a dry run of a busy instance; it may restart once more")
				}
				if l.guest.ran {
					if c.command, err = l.command(l.script("Once", "busy")); err != nil {
						return nil, err
					}
				}
			}
		}
		if status == "Running" && left {
			c.after, c.completed = start, elapsed
			l.course[name] = c
			return c, nil
		}
		if status == "Stopped" && elapsed > 5*time.Minute || elapsed > limit {
			return nil, unexpected("the instance is %q %v after the restart was accepted", status, elapsed.Round(time.Second))
		}
		if err := l.sleep(interval(elapsed)); err != nil {
			return nil, err
		}
	}
}

// interval returns how long to wait until the next poll.
func interval(elapsed time.Duration) time.Duration {
	if elapsed < 20*time.Second {
		return 500 * time.Millisecond
	}
	return time.Second
}

func (l *lab) sleep(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-l.ctx.Done():
		return l.ctx.Err()
	}
}
