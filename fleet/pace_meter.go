package fleet

import (
	"math"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/pace"
)

// paceMeter reads how the service takes the restarts of all clients of a session.
type paceMeter struct {
	clients []*ecsreboot.Client
	begin   []pace.State
	last    Event
}

func newPaceMeter(clients []*ecsreboot.Client) *paceMeter {
	m := &paceMeter{clients: clients}
	for _, client := range clients {
		m.begin = append(m.begin, client.Pace(pace.RebootInstance))
	}
	return m
}

// isRate reports whether a rate limits anything: the State of any Pacer may have it.
func isRate(rate float64) bool { return rate > 0 && !math.IsInf(rate, 0) }

// read returns an event of what there is since the session began, if anything has
// changed since the last time. Its Rate is what all clients are paced to; there is none
// while one of them is not paced. PollRate is the same for polls, without guesses.
func (m *paceMeter) read() []Event {
	e := Event{Kind: EventPace}
	paced, polled := 0, 0
	for i, client := range m.clients {
		now := client.Pace(pace.RebootInstance)
		if state := client.Pace(pace.DescribeInstances); !state.Seeking && isRate(state.RatePerMinute) {
			e.PollRate += state.RatePerMinute
			polled++
		}
		e.Accepted += int(now.Answered - m.begin[i].Answered)    //nolint:gosec // counts of calls
		e.Throttled += int(now.Throttled - m.begin[i].Throttled) //nolint:gosec // counts of calls
		if rate := now.RatePerMinute; isRate(rate) {
			e.Rate += rate
			paced++
		}
	}
	if paced < len(m.clients) {
		e.Rate = 0
	}
	if polled < len(m.clients) {
		e.PollRate = 0
	}
	if e.Accepted == m.last.Accepted && e.Throttled == m.last.Throttled && e.Rate == m.last.Rate && e.PollRate == m.last.PollRate {
		return nil
	}
	m.last = e
	return []Event{e}
}
