package report

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// timeToHealthy is how long a healthy instance took; false if nobody knows, as no
// session has seen both the restart and its end.
func (s *story) timeToHealthy(r *fleet.Record) (time.Duration, bool) {
	from := r.Accepted
	if from.IsZero() {
		from = r.SentAt
	}
	if r.State != fleet.StateHealthy || from.IsZero() || r.EndedAt.Before(from) {
		return 0, false
	}
	for _, resumed := range s.sessions[1:] {
		if from.Before(resumed.from) && !r.EndedAt.Before(resumed.from) {
			return 0, false
		}
	}
	return r.EndedAt.Sub(from), true
}

// settle returns the settle times of all instances, and by group if there are
// groups.
func (s *story) settle() (Settle, []Settle) {
	var all sample
	byName := make(map[string]*sample)
	for i := range s.report.Records {
		r := &s.report.Records[i]
		one := byName[r.Group]
		if one == nil {
			one = &sample{Settle: Settle{Group: r.Group}}
			byName[r.Group] = one
		}
		d, measured := s.timeToHealthy(r)
		all.add(r, d, measured)
		one.add(r, d, measured)
	}
	groups := make([]Settle, 0, len(byName))
	if len(byName) > 1 {
		for _, one := range byName {
			groups = append(groups, one.sum())
		}
	}
	slices.SortFunc(groups, func(a, b Settle) int { return cmp.Compare(a.Group, b.Group) })
	return all.sum(), groups
}

// sample gathers the settle times of a group.
type sample struct {
	Settle
	seconds []float64
}

func (s *sample) add(r *fleet.Record, d time.Duration, measured bool) {
	s.Instances++
	if r.State == fleet.StateHealthy {
		s.Healthy++
	}
	if r.Failed || r.State == fleet.StateUnknown {
		s.Failures++
	}
	if measured {
		s.Measured++
		s.seconds = append(s.seconds, d.Seconds())
	}
}

func (s *sample) sum() Settle {
	slices.Sort(s.seconds)
	s.P50, s.P95, s.Max = quantile(s.seconds, 0.5), quantile(s.seconds, 0.95), quantile(s.seconds, 1)
	return s.Settle
}

// quantile returns the least value that a share of the sorted ones do not exceed.
func quantile(sorted []float64, share float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(share * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}
