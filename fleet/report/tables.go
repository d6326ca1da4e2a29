package report

import (
	"cmp"
	"slices"
	"time"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// tableView names the instances of a state that are not restarted.
type tableView struct {
	State  fleet.State
	Name   string
	Count  int
	Folded bool // it is a long one
	Parts  []partView
}

// partView is those of a table that have the same reason.
type partView struct {
	Reason fleet.Reason
	Count  int
	advice
	Rows []rowView
}

type rowView struct {
	*fleet.Record
	Code string // without the prefix that codes have as errors
	At   string // when it came there
}

// manyRows is from how many rows on a table is folded.
const manyRows = 200

// tableStates are in the order in which they ask for attention.
var tableStates = []fleet.State{fleet.StateFailed, fleet.StateUnknown, fleet.StateRestarting, fleet.StateSkipped, fleet.StateWaiting}

// tables names every instance that is not healthy.
func (s *story) tables(a adviser, zone *time.Location) []tableView {
	var tables []tableView
	for _, state := range tableStates {
		byReason := make(map[fleet.Reason][]rowView)
		n := 0
		for i := range s.report.Records {
			r := &s.report.Records[i]
			if r.State != state {
				continue
			}
			n++
			byReason[r.Reason] = append(byReason[r.Reason], rowView{r, string(r.Code), when(r, zone)})
		}
		if n == 0 {
			continue
		}
		t := tableView{State: state, Name: string(state), Count: n, Folded: n > manyRows}
		for reason, rows := range byReason {
			ids := make([]string, len(rows))
			for i := range rows {
				ids[i] = rows[i].ID
			}
			t.Parts = append(t.Parts, partView{reason, len(rows), a.about(state, reason, ids), rows})
		}
		slices.SortFunc(t.Parts, func(a, b partView) int { return cmp.Or(b.Count-a.Count, cmp.Compare(a.Reason, b.Reason)) })
		tables = append(tables, t)
	}
	return tables
}

// when is since when an instance is where it is.
func when(r *fleet.Record, zone *time.Location) string {
	at := r.EndedAt
	if r.State == fleet.StateRestarting {
		at = r.SentAt
	}
	if at.IsZero() {
		return ""
	}
	return at.In(zone).Format("2006-01-02 15:04:05")
}
