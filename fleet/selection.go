package fleet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/internal/wildcard"
)

// Selection selects the instances to restart, by their IDs or by a query, in the region of
// the client and in the regions of Clients.
//
// The query consists of Names, Tags, Zone, Status, VPCID, InstanceTypes and
// ResourceGroupID. An instance must match all of them. The query cannot be combined with
// InstanceIDs. A query that only leaves instances out, such as by a [TagCondition] with
// Not, is refused unless All is set.
type Selection struct {
	// InstanceIDs are the instances in the order of their restarts: the first are the
	// canaries. With GroupBy, this order applies within each group. If InstanceIDs is nil,
	// the query selects the instances, in the order of their IDs. With Clients, each
	// instance belongs to the region that lists it.
	InstanceIDs []string
	// Names are the names of the instances; one of them must match. "*" stands for any
	// text and "?" for one character. The case of letters matters.
	Names []string
	// Tags are conditions that must all hold; see [ParseTagCondition] and [HasTags].
	Tags []TagCondition
	Zone string
	// Status is the status of the instances. If Status is empty, the query finds instances
	// in any status: a run skips those that are not Running, and these are unavailable.
	Status        ecsreboot.Status
	VPCID         string
	InstanceTypes []string // such as "ecs.g7.large"; one of them must match
	// ResourceGroupID is the ID of a resource group, but not of the default one, by which
	// the service cannot filter.
	ResourceGroupID string
	// Maintenance selects only the instances that have a scheduled system event that a
	// restart avoids. It can be combined with InstanceIDs or a query; with neither, it
	// selects all such instances of the region. The plan begins with the instances that have
	// the earliest deadlines, whatever their groups are; instances with the same deadline
	// keep the usual order. If Maintenance is nil, events have no effect on the selection.
	//
	// Maintenance needs the RAM action ecs:DescribeInstancesFullStatus. [NewPlan] refuses an
	// instance that the service does not list, because its events are not known.
	Maintenance *Maintenance
	// All allows a selection of every instance. If All is false, an empty query is refused.
	All bool
	// Exclude holds the IDs of instances that the plan leaves out even if they are
	// selected. An ID that the service does not list is refused, because it may be a
	// mistyped one. ExcludeNames leaves out instances by name, with the wildcards of Names.
	Exclude, ExcludeNames []string
	// GroupBy is a function that returns the group of an instance. Use [ByZone], [ByRegion],
	// the result of [ByTag], or your own. The plan takes instances from all groups in turn,
	// in proportion to the sizes of the groups, and MaxUnavailablePerGroup limits each
	// group. If GroupBy is nil, there are no groups.
	//
	// Instances of several regions that have the same group form one group. Zones differ
	// from region to region, but tags may not: a function of your own can combine both.
	GroupBy func(ecsreboot.Instance) string
	// ForceStop restarts instances like a power cut; see
	// [ecsreboot.RebootInstanceRequest].
	ForceStop bool
	// Clients are the clients of further regions, one for each. The plan has all these
	// regions; see [Options.Clients].
	Clients []*ecsreboot.Client
}

// ByZone groups instances by their zone.
func ByZone(i ecsreboot.Instance) string { return i.Zone }

// ByRegion groups instances by their region.
func ByRegion(i ecsreboot.Instance) string { return i.Region }

// ByTag groups instances by the value of a tag. Instances without the tag form a group.
func ByTag(key string) func(ecsreboot.Instance) string {
	return func(i ecsreboot.Instance) string { return i.Tags[key] }
}

// NewPlan returns the plan of a selection. The same instances give the same plan,
// whatever the order in which the service lists them.
//
// The plan also contains the instances of InstanceIDs that the service does not list.
// [Preflight] reports such an instance, and a run reports it as failed.
//
// NewPlan filters what the service lists by the whole query once more. The vendor limits
// the filters by tag and by resource group to 1,000 instances; for longer lists, NewPlan
// lists the instances without these filters and filters them itself.
func NewPlan(ctx context.Context, client *ecsreboot.Client, selection Selection) (Plan, error) {
	if err := selection.check(); err != nil {
		return Plan{}, err
	}
	clients, err := distinctClients(client, selection.Clients)
	if err != nil {
		return Plan{}, err
	}
	plan := Plan{Region: client.Region(), Endpoint: client.Endpoint(), ForceStop: selection.ForceStop}
	found := make(map[string]ecsreboot.Instance)
	for i, c := range clients {
		if i > 0 {
			plan.FurtherRegions = append(plan.FurtherRegions, PlanRegion{c.Region(), c.Endpoint()})
		}
		here, err := selection.list(ctx, c)
		if err != nil {
			return Plan{}, err
		}
		for id, instance := range here {
			if other, ok := found[id]; ok && other.Listed() && instance.Listed() {
				return Plan{}, input("Clients", fmt.Sprintf("find %q in the regions %s and %s", id, other.Region, instance.Region))
			} else if ok && !instance.Listed() {
				continue
			}
			found[id] = instance
		}
	}
	if err := selection.exclude(ctx, clients, found); err != nil {
		return Plan{}, err
	}
	var events map[string][]MaintenanceEvent
	if selection.Maintenance != nil {
		if events, err = selection.Maintenance.only(ctx, clients, found); err != nil {
			return Plan{}, err
		}
	}
	ids := slices.Clone(selection.InstanceIDs)
	ids = slices.DeleteFunc(ids, func(id string) bool { _, ok := found[id]; return !ok })
	if selection.InstanceIDs == nil {
		ids = slices.Sorted(maps.Keys(found))
	}
	if len(ids) == 0 {
		if selection.Maintenance != nil {
			return Plan{}, input("Selection", "finds no instance with "+selection.Maintenance.String())
		}
		return Plan{}, input("Selection", "finds no instance")
	}
	for _, id := range ids {
		target := selection.target(found[id])
		target.Maintenance = events[id]
		plan.Targets = append(plan.Targets, target)
	}
	part := groupOf
	if selection.InstanceIDs == nil {
		part = groupInRegion
	}
	plan.Targets = interleave(plan.Targets, part)
	byDeadline(plan.Targets)
	return plan, nil
}

func (s Selection) target(i ecsreboot.Instance) Target {
	t := Target{ID: i.ID, Name: i.Name, Zone: i.Zone, PrivateIPs: i.PrivateIPs, PublicIPs: i.PublicIPs, HostName: i.HostName}
	if len(s.Clients) > 0 {
		t.Region = i.Region
	}
	if s.GroupBy != nil {
		t.Group = s.GroupBy(i)
	}
	return t
}

// distinctClients returns all clients, and refuses two of the same region.
func distinctClients(client *ecsreboot.Client, further []*ecsreboot.Client) ([]*ecsreboot.Client, error) {
	if client == nil {
		return nil, input("client", "is nil")
	}
	clients, seen := []*ecsreboot.Client{client}, map[string]bool{client.Region(): true}
	for _, c := range further {
		switch {
		case c == nil:
			return nil, input("Clients", "has a client that is nil")
		case seen[c.Region()]:
			return nil, input("Clients", "has a second client of region "+c.Region())
		}
		seen[c.Region()] = true
		clients = append(clients, c)
	}
	return clients, nil
}

// filterLimit is how many instances the service's filters by tag and by resource group
// may match.
const filterLimit = 1000

// list returns the instances of a client's region that are selected, exclusions aside.
func (s Selection) list(ctx context.Context, client *ecsreboot.Client) (map[string]ecsreboot.Instance, error) {
	request := s.request()
	found, err := describe(ctx, client, request)
	if err != nil || s.InstanceIDs != nil {
		return found, err
	}
	if len(found) >= filterLimit && (len(request.Tags) > 0 || request.ResourceGroupID != "") {
		request.Tags, request.ResourceGroupID = nil, ""
		more, err := describe(ctx, client, request)
		if err != nil {
			return nil, err
		}
		maps.Copy(found, more) // the permission to list may need the tags
	}
	maps.DeleteFunc(found, func(_ string, i ecsreboot.Instance) bool { return !s.matches(i) })
	return found, nil
}

func describe(ctx context.Context, client *ecsreboot.Client, request ecsreboot.DescribeInstancesRequest) (map[string]ecsreboot.Instance, error) {
	found := make(map[string]ecsreboot.Instance)
	for instance, err := range client.DescribeInstances(ctx, request) {
		if err != nil {
			return nil, err
		}
		instance.Region = client.Region() // also of one that is not listed
		found[instance.ID] = instance
	}
	return found, nil
}

// request returns what of the query the service filters by, for which its meaning is
// documented. The rest narrows the result in matches.
func (s Selection) request() ecsreboot.DescribeInstancesRequest {
	request := ecsreboot.DescribeInstancesRequest{
		InstanceIDs: s.InstanceIDs, Zone: s.Zone, Status: s.Status, VPCID: s.VPCID, ResourceGroupID: s.ResourceGroupID,
		Tags: requestTags(s.Tags),
	}
	if len(s.Names) == 1 && !strings.Contains(s.Names[0], "?") {
		request.Name = s.Names[0]
	}
	if len(s.InstanceTypes) == 1 {
		request.InstanceType = s.InstanceTypes[0]
	}
	return request
}

// matches reports whether an instance matches the whole query.
func (s Selection) matches(i ecsreboot.Instance) bool {
	is := func(want, got string) bool { return want == "" || want == got }
	return (len(s.Names) == 0 || named(s.Names, i.Name)) &&
		!slices.ContainsFunc(s.Tags, func(c TagCondition) bool { return !c.Matches(i.Tags) }) &&
		is(s.Zone, i.Zone) && is(string(s.Status), string(i.Status)) && is(s.VPCID, i.VPCID) &&
		(len(s.InstanceTypes) == 0 || slices.Contains(s.InstanceTypes, i.InstanceType)) && is(s.ResourceGroupID, i.ResourceGroupID)
}

func named(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return wildcard.Match(pattern, name) })
}

// exclude removes what is to be left out. It refuses an ID that does not exist: the
// instance that was meant would be restarted.
func (s Selection) exclude(ctx context.Context, clients []*ecsreboot.Client, found map[string]ecsreboot.Instance) error {
	var elsewhere []string
	for _, id := range s.Exclude {
		if _, ok := found[id]; !ok {
			elsewhere = append(elsewhere, id)
		}
		delete(found, id)
	}
	maps.DeleteFunc(found, func(_ string, i ecsreboot.Instance) bool { return i.Listed() && named(s.ExcludeNames, i.Name) })
	for _, client := range clients {
		if len(elsewhere) == 0 {
			return nil
		}
		listed, err := describe(ctx, client, ecsreboot.DescribeInstancesRequest{InstanceIDs: elsewhere})
		if err != nil {
			return err
		}
		elsewhere = slices.DeleteFunc(elsewhere, func(id string) bool { return listed[id].Listed() })
	}
	if len(elsewhere) > 0 {
		return input("Exclude", fmt.Sprintf("holds %q, which the service does not list; the instance that is meant could be restarted", elsewhere[0]))
	}
	return nil
}

const wildcards = "*?"

func (s Selection) check() error {
	only := s.Maintenance != nil && s.InstanceIDs == nil || len(s.Names) > 0 || s.Zone != "" || s.Status != "" || s.VPCID != "" || len(s.InstanceTypes) > 0 || s.ResourceGroupID != "" ||
		slices.ContainsFunc(s.Tags, func(c TagCondition) bool { return !c.Not })
	switch {
	case s.InstanceIDs != nil && len(s.InstanceIDs) == 0:
		return input("InstanceIDs", "is empty, but not nil; a list that came out empty must not mean every instance")
	case s.InstanceIDs != nil && (only || len(s.Tags) > 0 || s.All):
		return input("InstanceIDs", "is given along with a query")
	case s.InstanceIDs == nil && !only && len(s.Tags) > 0 && !s.All:
		return input("Tags", "has only conditions that leave instances out; set All to restart everything else in the region")
	case s.InstanceIDs == nil && !only && !s.All:
		return input("Selection", "asks for nothing; set All to restart everything in the region")
	}
	if err := checkIDs("InstanceIDs", "Names", s.InstanceIDs); err != nil {
		return err
	}
	if err := checkIDs("Exclude", "ExcludeNames", s.Exclude); err != nil {
		return err
	}
	seen := make(map[string]bool, len(s.InstanceIDs))
	for _, id := range s.InstanceIDs {
		if seen[id] {
			return input("InstanceIDs", fmt.Sprintf("holds %q twice", id))
		}
		seen[id] = true
	}
	for _, name := range s.Names {
		if strings.Trim(name, "*") == "" && name != "" && !s.All {
			return input("Names", fmt.Sprintf("holds %q, which matches every instance; set All if that is meant", name))
		}
	}
	for _, f := range []struct {
		field string
		names []string
	}{{"Names", s.Names}, {"ExcludeNames", s.ExcludeNames}, {"InstanceTypes", s.InstanceTypes}} {
		for _, name := range f.names {
			if name == "" || !utf8.ValidString(name) {
				return input(f.field, fmt.Sprintf("holds %q, which is no name", name))
			}
		}
	}
	return checkTags(s.Tags)
}

// checkIDs refuses a name where an ID is expected; the client checks the rest.
func checkIDs(field, names string, ids []string) error {
	for _, id := range ids {
		if strings.ContainsAny(id, wildcards) {
			return input(field, fmt.Sprintf("holds %q, which looks like a name; names belong in %s", id, names))
		}
	}
	return nil
}
