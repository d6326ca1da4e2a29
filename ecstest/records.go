package ecstest

import (
	"cmp"
	"slices"
	"time"
)

// The server keeps a record for recordMemory, and at least the last maxRecords records of a
// kind. The limits bound the memory of a server that runs for a long time.
const (
	recordMemory = 90 * 24 * time.Hour
	maxRecords   = 20_000
)

// recorded is a record of one event. Its times are those of the server's clock.
type recorded[T any] struct {
	at, visible time.Time
	sequence    int
	of          T
}

// compare orders records by time, and records of the same time by their arrival.
func (r recorded[T]) compare(other recorded[T]) int {
	return cmp.Or(r.at.Compare(other.at), r.sequence-other.sequence)
}

// recordStore keeps the records of one kind.
type recordStore[T any] struct {
	all   []recorded[T]
	added int
}

// add adds a record and returns the records that it drops.
func (s *recordStore[T]) add(at, visible time.Time, of T) (dropped []recorded[T]) {
	s.added++
	if len(s.all) >= maxRecords+maxRecords/4 {
		last := len(s.all) - maxRecords + 1
		dropped = slices.Clone(s.all[:last])
		s.all = slices.Delete(s.all, 0, last)
	}
	s.all = append(s.all, recorded[T]{at, visible, s.added, of})
	return dropped
}

// shown returns the records that are visible at now, the oldest first.
func (s *recordStore[T]) shown(now time.Time) []recorded[T] {
	var shown []recorded[T]
	for _, r := range s.all {
		if !r.visible.After(now) && now.Sub(r.at) <= recordMemory {
			shown = append(shown, r)
		}
	}
	slices.SortFunc(shown, recorded[T].compare)
	return shown
}

// orDefault returns a delay of Options: 0 means the default, negative means none.
func orDefault(delay, otherwise time.Duration) time.Duration {
	if delay == 0 {
		return otherwise
	}
	return max(delay, 0)
}

// recordOf returns the additional delay of the records of these instances, and whether the
// records are missing. The lock is held.
func (s *Server) recordOf(ids ...string) (late time.Duration, missing bool) {
	for _, id := range ids {
		if m := s.machines[id]; m != nil {
			late, missing = max(late, m.RecordsLate), missing || m.RecordsMissing
		}
	}
	return late, missing
}
