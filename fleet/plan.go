package fleet

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/ecsreboot/ecsreboot"
)

// Selection selects the instances to restart in the region of the client, by their
// IDs or by a query.
type Selection struct {
	// InstanceIDs are the instances in the order of their restarts: the first are the
	// canaries. With GroupBy, this order applies within each group. If InstanceIDs is nil,
	// the query selects the instances, in the order of their IDs.
	InstanceIDs []string
	// Tags, Zone and Status are the query, which cannot be combined with InstanceIDs.
	// An instance must have all the tags; an empty value matches any value. If
	// Status is empty, the query finds instances in any status: a run skips those that are
	// not Running, and these are unavailable.
	Tags   map[string]string
	Zone   string
	Status ecsreboot.Status
	// All selects every instance of the region. If All is false, an empty query is refused.
	All bool
	// Exclude holds the IDs of instances that the plan leaves out even if the query finds
	// them.
	Exclude []string
	// GroupBy is a function that returns the group of an instance. Use [ByZone], the
	// result of [ByTag], or your own. The plan takes instances from all groups in turn,
	// in proportion to the sizes of the groups, and MaxUnavailablePerGroup limits each
	// group. If GroupBy is nil, there are no groups.
	GroupBy func(ecsreboot.Instance) string
	// ForceStop restarts instances like a power cut; see
	// [ecsreboot.RebootInstanceRequest].
	ForceStop bool
}

// ByZone groups instances by their zone.
func ByZone(i ecsreboot.Instance) string { return i.Zone }

// ByTag groups instances by the value of a tag. Instances without the tag form a group.
func ByTag(key string) func(ecsreboot.Instance) string {
	return func(i ecsreboot.Instance) string { return i.Tags[key] }
}

// Plan is the list of instances to restart, in order. It is plain data and does not
// change during a run.
type Plan struct {
	Region    string   `json:"region"`
	Endpoint  string   `json:"endpoint"` // at which the plan was made
	ForceStop bool     `json:"forceStop,omitempty"`
	Targets   []Target `json:"targets,omitzero"`
}

// Target is an instance of a plan.
type Target struct {
	ID    string `json:"id"`
	Name  string `json:"name,omitempty"`
	Zone  string `json:"zone,omitempty"`
	Group string `json:"group,omitempty"`
}

// NewPlan returns the plan of a selection. The same instances give the same plan,
// whatever the order in which the service lists them.
//
// The plan also contains the instances of InstanceIDs that the service does not list.
// [Preflight] reports such an instance, and a run reports it as failed.
func NewPlan(ctx context.Context, client *ecsreboot.Client, selection Selection) (Plan, error) {
	plan := Plan{Region: client.Region(), Endpoint: client.Endpoint(), ForceStop: selection.ForceStop}
	if err := selection.check(); err != nil {
		return Plan{}, err
	}
	request := ecsreboot.DescribeInstancesRequest{
		InstanceIDs: selection.InstanceIDs, Tags: selection.Tags, Zone: selection.Zone, Status: selection.Status,
	}
	found := make(map[string]ecsreboot.Instance)
	for instance, err := range client.DescribeInstances(ctx, request) {
		if err != nil {
			return Plan{}, err
		}
		found[instance.ID] = instance
	}
	ids := selection.InstanceIDs
	if ids == nil {
		for _, id := range selection.Exclude {
			delete(found, id)
		}
		ids = slices.Sorted(maps.Keys(found))
	}
	if len(ids) == 0 {
		return Plan{}, input("Selection", "finds no instance")
	}
	for _, id := range ids {
		instance := found[id]
		target := Target{ID: id, Name: instance.Name, Zone: instance.Zone}
		if selection.GroupBy != nil {
			target.Group = selection.GroupBy(instance)
		}
		plan.Targets = append(plan.Targets, target)
	}
	plan.Targets = interleave(plan.Targets)
	return plan, nil
}

func (s Selection) check() error {
	query := len(s.Tags) > 0 || s.Zone != "" || s.Status != ""
	switch {
	case s.InstanceIDs != nil && len(s.InstanceIDs) == 0:
		return input("InstanceIDs", "is empty, but not nil; a list that came out empty must not mean every instance")
	case s.InstanceIDs != nil && (query || s.All || len(s.Exclude) > 0):
		return input("InstanceIDs", "is given along with a query")
	case s.InstanceIDs == nil && !query && !s.All:
		return input("Selection", "asks for nothing; set All to restart everything in the region")
	}
	seen := make(map[string]bool, len(s.InstanceIDs))
	for _, id := range s.InstanceIDs {
		if seen[id] {
			return input("InstanceIDs", fmt.Sprintf("holds %q twice", id))
		}
		seen[id] = true
	}
	return nil
}

func input(field, problem string) error {
	return &ecsreboot.InputError{Field: field, Problem: problem}
}

func checkContext(ctx context.Context) error {
	if ctx == nil {
		return input("ctx", "is nil")
	}
	return nil
}

// interleave orders the targets so that each part of the plan has its share of
// every group: a fault that comes with the change that is rolled out then shows in
// all of them early, and no zone goes down as a whole.
func interleave(targets []Target) []Target {
	size := make(map[string]int)
	for _, t := range targets {
		size[t.Group]++
	}
	type place struct {
		Target
		position, of int // the position-th of so many in its group
	}
	places := make([]place, len(targets))
	next := make(map[string]int)
	for i, t := range targets {
		places[i] = place{t, next[t.Group], size[t.Group]}
		next[t.Group]++
	}
	slices.SortStableFunc(places, func(a, b place) int {
		// The middle of each one's share: (position + 1/2) / of.
		return cmp.Or(
			cmp.Compare((2*a.position+1)*b.of, (2*b.position+1)*a.of),
			cmp.Compare(a.Group, b.Group),
		)
	})
	ordered := make([]Target, len(targets))
	for i, at := range places {
		ordered[i] = at.Target
	}
	return ordered
}

// Digest returns a hash that identifies the plan: which instances are restarted,
// where, how, and in which order. The hash does not depend on the endpoint.
func (p Plan) Digest() string {
	p.Endpoint = ""
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and bools
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// check refuses a plan that no [NewPlan] makes.
func (p Plan) check() error {
	if len(p.Targets) == 0 {
		return input("Plan", "has no targets")
	}
	seen := make(map[string]bool, len(p.Targets))
	for _, t := range p.Targets {
		switch {
		case t.ID == "":
			return input("Plan", "has a target without an id")
		case seen[t.ID]:
			return input("Plan", fmt.Sprintf("holds %q twice", t.ID))
		}
		seen[t.ID] = true
	}
	return nil
}
