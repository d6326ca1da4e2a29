package fleet

import (
	"fmt"
	"maps"
	"slices"
)

// Rules limit how much a run may make unavailable. They are plain data.
type Rules struct {
	// MaxUnavailable is how many instances of the plan may be unavailable at once. An
	// instance is unavailable while it is restarting, failed or unknown, and if it was
	// skipped because it is not Running. A failed instance is not unavailable if it was
	// not restarted and is Running, unless Options.Undrain failed for it, or if it is gone.
	// A percentage refers to the instances that are not gone, and allows at least 1.
	// Default: 2 %, which is 1 for plans of up to 99 instances.
	MaxUnavailable Limit `json:"maxUnavailable,omitzero"`
	// MaxUnavailablePerGroup limits each group as well. A percentage refers to the size of
	// the group without the instances that are gone, and allows at least 1. Default: the
	// same number or percentage as MaxUnavailable, but at most 25 % of the group unless
	// AllowWide is set, and at least 1.
	MaxUnavailablePerGroup Limit `json:"maxUnavailablePerGroup,omitzero"`
	// AllowWide must be set if MaxUnavailable exceeds 25 % of the plan, or
	// MaxUnavailablePerGroup exceeds 25 % of a group, and that limit is more than one
	// instance.
	AllowWide bool `json:"allowWide,omitempty"`
	// MaxFailed is the failure budget of the whole run: the run halts when the number of
	// failed and unknown instances exceeds MaxFailed. An instance that failed stays in the
	// count even if it is healthy later, unless it certainly was not restarted and a
	// resumed run gives it another turn. An unknown instance leaves the count when it is
	// resolved. An operator's mark removes either from the count. A percentage refers to
	// the whole plan. Default: 1 %, at least 1. If MaxUnavailable is 1, a failed instance
	// that is unavailable halts the run in any case.
	MaxFailed Limit `json:"maxFailed,omitzero"`
	// Canary holds the sizes of the stages that go first. A stage ends when all its
	// instances are healthy and Options.Approve agrees. If one of them fails or is
	// unknown, the run halts, whatever MaxFailed is. The exception is a failed instance
	// that was not restarted and is Running or gone: another instance takes its place.
	// Default: 1, then 5; empty but not nil means no canaries.
	Canary []int `json:"canary,omitzero"`
}

const (
	smallFleet   = 20
	defaultShare = 2
	widestShare  = 25
)

// width is how many of n may be unavailable at once.
func width(limit Limit, n int) int {
	return max(1, min(limit.Of(n), n))
}

// groupWidth is how many of a group of n may be unavailable at once.
func (r Rules) groupWidth(n int) int {
	if !r.MaxUnavailablePerGroup.IsZero() {
		return width(r.MaxUnavailablePerGroup, n)
	}
	w := width(r.MaxUnavailable, n)
	if !r.AllowWide {
		w = min(w, max(1, Percent(widestShare).Of(n)))
	}
	return w
}

// forPlan fills in the defaults and refuses invalid values.
func (r Rules) forPlan(plan Plan) (Rules, error) {
	if r.Canary == nil {
		r.Canary = []int{1, 5}
	}
	for _, size := range r.Canary {
		if size < 1 {
			return Rules{}, input("Canary", fmt.Sprintf("has a stage of %d instances", size))
		}
	}
	size := make(map[string]int)
	for _, t := range plan.Targets {
		size[t.Group]++
	}
	if r.MaxUnavailable.IsZero() {
		r.MaxUnavailable = Percent(defaultShare)
		if len(plan.Targets) < smallFleet {
			r.MaxUnavailable = Count(1)
		}
	}
	if r.MaxFailed.IsZero() {
		r.MaxFailed = Count(max(1, Percent(1).Of(len(plan.Targets))))
	}
	if problem := r.MaxFailed.problem(); problem != "" {
		return Rules{}, input("MaxFailed", problem)
	}
	if err := r.checkWidth("MaxUnavailable", r.MaxUnavailable, len(plan.Targets), "the plan"); err != nil {
		return Rules{}, err
	}
	for _, group := range slices.Sorted(maps.Keys(size)) { // the same error each time
		if err := r.checkWidth("MaxUnavailablePerGroup", r.MaxUnavailablePerGroup, size[group], fmt.Sprintf("group %q", group)); err != nil {
			return Rules{}, err
		}
	}
	return r, nil
}

func (r Rules) checkWidth(field string, limit Limit, n int, of string) error {
	if problem := limit.problem(); problem != "" {
		return input(field, problem)
	}
	if !limit.IsZero() && limit.percent == 0 && limit.count == 0 {
		return input(field, "is 0, so nothing could ever be restarted")
	}
	if w := width(limit, n); w > 1 && w*100 > n*widestShare && !r.AllowWide {
		return input(field, fmt.Sprintf("%v lets %d of the %d instances of %s be down at once, more than %d %%; set AllowWide if that is meant",
			limit, w, n, of, widestShare))
	}
	return nil
}
