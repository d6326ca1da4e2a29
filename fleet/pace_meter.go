package fleet

import (
	"math"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/pace"
)

// paceMeter reads how the service takes a client's restarts.
type paceMeter struct {
	client *ecsreboot.Client
	begin  pace.State
	last   Event
}

func newPaceMeter(client *ecsreboot.Client) *paceMeter {
	return &paceMeter{client: client, begin: client.Pace(pace.RebootInstance)}
}

// read returns an event of what there is since the session began, if anything has
// changed since the last time.
func (m *paceMeter) read() []Event {
	now := m.client.Pace(pace.RebootInstance)
	e := Event{
		Kind:      EventPace,
		Accepted:  int(now.Answered - m.begin.Answered),   //nolint:gosec // counts of calls
		Throttled: int(now.Throttled - m.begin.Throttled), //nolint:gosec // counts of calls
	}
	if rate := now.RatePerMinute; rate > 0 && !math.IsInf(rate, 0) { // as any Pacer's State may have it
		e.Rate = rate
	}
	if e == m.last {
		return nil
	}
	m.last = e
	return []Event{e}
}
