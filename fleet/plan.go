package fleet

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/ecsreboot/ecsreboot"
)

// Plan is the list of instances to restart, in order. It is plain data and does not
// change during a run.
type Plan struct {
	Region    string `json:"region"`
	Endpoint  string `json:"endpoint"` // at which the plan was made
	ForceStop bool   `json:"forceStop,omitempty"`
	// FurtherRegions are the regions of a plan after the first one, which is Region. A
	// plan of one region has none.
	FurtherRegions []PlanRegion `json:"furtherRegions,omitempty"`
	Targets        []Target     `json:"targets,omitzero"`
	// Settings and Hooks are what a run of the plan needs, as far as whoever planned
	// knows it. [Run] takes every zero field of Options.Settings from Settings, and
	// refuses the plan if its options lack one of the Hooks. [NewPlan] sets neither.
	Settings Settings `json:"settings,omitzero"`
	Hooks    []Hook   `json:"hooks,omitempty"` // names only
	// Labels are for the program that made the plan, such as which profile of credentials
	// the next session needs. A run ignores them, and the journal keeps them.
	Labels map[string]string `json:"labels,omitempty"`
}

// PlanRegion is a region of a plan.
type PlanRegion struct {
	Region   string `json:"region"`
	Endpoint string `json:"endpoint"` // at which the plan was made
}

// Regions returns all regions of the plan, the first one included.
func (p Plan) Regions() []PlanRegion {
	return append([]PlanRegion{{p.Region, p.Endpoint}}, p.FurtherRegions...)
}

// regions returns the names of all regions as a text.
func (p Plan) regions() string {
	names := []string{p.Region}
	for _, r := range p.FurtherRegions {
		names = append(names, r.Region)
	}
	return strings.Join(names, ", ")
}

// RegionOf returns the region of a target of the plan.
func (p Plan) RegionOf(t Target) string { return cmp.Or(t.Region, p.Region) }

// Target is an instance of a plan.
type Target struct {
	ID    string `json:"id"`
	Name  string `json:"name,omitempty"`
	Zone  string `json:"zone,omitempty"`
	Group string `json:"group,omitempty"`
	// Region is empty in a plan of one region; see [Plan.RegionOf].
	Region string `json:"region,omitempty"`
	// The addresses and the host name are those of [ecsreboot.Instance] when the plan was
	// made. See [Target.IP].
	PrivateIPs []string `json:"privateIps,omitempty"`
	PublicIPs  []string `json:"publicIps,omitempty"`
	HostName   string   `json:"hostName,omitempty"`
	// Maintenance are the system events for which Selection.Maintenance selected the
	// instance.
	Maintenance []MaintenanceEvent `json:"maintenance,omitempty"`
}

// IP returns the address at which hooks find the instance: the first private address, or
// the first public address if there is no private one. IP returns "" if the instance has
// no address.
func (t Target) IP() string {
	for _, ips := range [][]string{t.PrivateIPs, t.PublicIPs} {
		if len(ips) > 0 {
			return ips[0]
		}
	}
	return ""
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
// every part that of names, such as a group: a fault that comes with the change that is
// rolled out then shows in all of them early, and no zone goes down as a whole.
func interleave(targets []Target, of func(Target) string) []Target {
	size := make(map[string]int)
	for _, t := range targets {
		size[of(t)]++
	}
	type place struct {
		Target

		part         string
		position, of int // the position-th of so many in its part
	}
	places := make([]place, len(targets))
	next := make(map[string]int)
	for i, t := range targets {
		part := of(t)
		places[i] = place{t, part, next[part], size[part]}
		next[part]++
	}
	slices.SortStableFunc(places, func(a, b place) int {
		// The middle of each one's share: (position + 1/2) / of.
		return cmp.Or(
			cmp.Compare((2*a.position+1)*b.of, (2*b.position+1)*a.of),
			cmp.Compare(a.part, b.part),
		)
	})
	ordered := make([]Target, len(targets))
	for i, at := range places {
		ordered[i] = at.Target
	}
	return ordered
}

func groupOf(t Target) string { return t.Group }

// groupInRegion tells the regions apart as well.
func groupInRegion(t Target) string { return t.Region + "\x00" + t.Group }

// JoinPlans returns the plan of all instances of several plans, each of other regions. It
// takes instances from all regions, and from all groups in them, in turn, and in
// proportion to their sizes, and keeps the order of each plan otherwise. Targets with the
// same group form one group, whatever their regions are.
//
// Targets with maintenance events come first, in the order of their deadlines.
//
// JoinPlans refuses plans with a region or an instance in common, and plans that differ in
// ForceStop, Settings or Hooks. See [Options.Clients].
func JoinPlans(plans ...Plan) (Plan, error) {
	if len(plans) == 0 {
		return Plan{}, input("plans", "are missing")
	}
	joined := Plan{Region: plans[0].Region, Endpoint: plans[0].Endpoint, ForceStop: plans[0].ForceStop, Settings: plans[0].Settings, Hooks: plans[0].Hooks}
	var regions []PlanRegion
	for _, p := range plans {
		if err := p.check(); err != nil {
			return Plan{}, err
		}
		if p.ForceStop != joined.ForceStop {
			return Plan{}, input("ForceStop", "of the plans of "+joined.Region+" and "+p.Region+" differs")
		}
		if !reflect.DeepEqual(p.Settings, joined.Settings) || !slices.Equal(p.Hooks, joined.Hooks) {
			return Plan{}, input("Settings", "or Hooks of the plans of "+joined.Region+" and "+p.Region+" differ")
		}
		regions = append(regions, p.Regions()...)
		for _, t := range p.Targets {
			t.Region = p.RegionOf(t)
			joined.Targets = append(joined.Targets, t)
		}
	}
	if len(regions) == 1 {
		return plans[0], nil
	}
	joined.FurtherRegions = regions[1:]
	joined.Targets = interleave(joined.Targets, groupInRegion)
	byDeadline(joined.Targets)
	if err := joined.check(); err != nil {
		return Plan{}, err
	}
	return joined, nil
}

// Digest returns a hash that identifies the plan: which instances are restarted,
// where, how, and in which order. The hash does not depend on endpoints, nor on the
// addresses, host names and maintenance events of the instances, nor on Settings, Hooks and
// Labels: two plans that restart the same instances must not run side by side only because
// their settings differ. The journal records the settings that applied.
func (p Plan) Digest() string {
	p.Endpoint, p.Settings, p.Hooks, p.Labels = "", Settings{}, nil, nil
	p.FurtherRegions = slices.Clone(p.FurtherRegions)
	for i := range p.FurtherRegions {
		p.FurtherRegions[i].Endpoint = ""
	}
	p.Targets = slices.Clone(p.Targets)
	for i := range p.Targets {
		p.Targets[i].PrivateIPs, p.Targets[i].PublicIPs, p.Targets[i].HostName, p.Targets[i].Maintenance = nil, nil, "", nil
	}
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
	regions := make(map[string]bool, 1+len(p.FurtherRegions))
	for _, r := range p.Regions() {
		switch {
		case r.Region == "" && len(p.FurtherRegions) > 0:
			return input("Plan", "has a region without a name")
		case regions[r.Region]:
			return input("Plan", fmt.Sprintf("has the region %q twice", r.Region))
		}
		regions[r.Region] = true
	}
	seen := make(map[string]bool, len(p.Targets))
	for _, t := range p.Targets {
		switch {
		case t.ID == "":
			return input("Plan", "has a target without an id")
		case seen[t.ID]:
			return input("Plan", fmt.Sprintf("holds %q twice", t.ID))
		case t.Region == "" && len(p.FurtherRegions) > 0:
			return input("Plan", fmt.Sprintf("has several regions, and %q names none of them", t.ID))
		case t.Region != "" && !regions[t.Region]:
			return input("Plan", fmt.Sprintf("has %q in the region %q, which is not one of its regions", t.ID, t.Region))
		}
		seen[t.ID] = true
	}
	return nil
}
