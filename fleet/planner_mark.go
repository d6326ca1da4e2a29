package fleet

import (
	"fmt"
	"strconv"
	"time"
)

// Marks returns an [EventMarked] for each marking, without its time, and changes
// nothing. The report must be of the events that the planner was given. Marks is for
// engines other than [Run], and refuses what [MarkInstances] refuses. An engine must not
// record a mark for an instance whose restart may still be sent.
func (p *Planner) Marks(report *Report, markings ...Marking) ([]Event, error) {
	events := make([]Event, 0, len(markings))
	states := make(map[string]targetState, len(markings)) // after the markings so far
	for _, m := range markings {
		if err := m.check(); err != nil {
			return nil, err
		}
		i, ok := p.index[m.InstanceID]
		record, known := report.Record(m.InstanceID)
		switch {
		case !ok || !known:
			return nil, input("InstanceID", strconv.Quote(m.InstanceID)+" is not in the plan of the run")
		case m.Mark == MarkNotRestarted && !record.Accepted.IsZero():
			return nil, refusedMark(m, "the service accepted its restart at "+record.Accepted.Format(time.RFC3339))
		case m.Mark == MarkNotRestarted && !record.DownAt.IsZero():
			return nil, refusedMark(m, "a poll showed it restarting at "+record.DownAt.Format(time.RFC3339))
		}
		state, again := states[m.InstanceID]
		if !again {
			state = p.targets[i].state
		}
		if states[m.InstanceID], ok = state.marked(m.Mark); !ok {
			return nil, refusedMark(m, "it is "+string(record.State))
		}
		events = append(events, Event{Kind: EventMarked, InstanceID: m.InstanceID, Mark: m.Mark, Reason: m.Mark.reason(), Note: m.Note})
	}
	return events, nil
}

func refusedMark(m Marking, why string) error {
	return input("Mark", fmt.Sprintf("%q is refused for %s: %s", m.Mark, m.InstanceID, why))
}
