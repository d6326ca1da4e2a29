package fleet

import (
	"cmp"

	"github.com/ecsreboot/ecsreboot"
)

// clients are the clients of a run, by their regions. Nothing is sent to, or read from, a
// region by the client of another one.
type clients struct {
	home string // the region of targets that name none
	of   map[string]*ecsreboot.Client
	all  []*ecsreboot.Client // in the order of the plan's regions
}

// oneClient is for what has no plan: the client is of whatever region the targets are.
func oneClient(client *ecsreboot.Client) clients {
	return clients{home: client.Region(), of: map[string]*ecsreboot.Client{client.Region(): client}, all: []*ecsreboot.Client{client}}
}

// newClients checks that there is one client for each region of the plan, and no other.
func newClients(client *ecsreboot.Client, plan Plan, further []*ecsreboot.Client) (clients, error) {
	given, err := distinctClients(client, further)
	if err != nil {
		return clients{}, err
	}
	if plan.Region != client.Region() {
		return clients{}, input("Plan", "is of region "+plan.Region+", the client of "+client.Region())
	}
	c := oneClient(client)
	for _, other := range given[1:] {
		c.of[other.Region()] = other
	}
	for _, r := range plan.FurtherRegions {
		if c.of[r.Region] == nil {
			return clients{}, input("Clients", "has no client of region "+r.Region+", in which the plan has instances")
		}
		c.all = append(c.all, c.of[r.Region])
	}
	for _, other := range given {
		if !isOf(plan, other.Region()) {
			return clients{}, input("Clients", "has a client of region "+other.Region()+", which the plan does not have")
		}
	}
	return c, nil
}

func isOf(plan Plan, region string) bool {
	for _, r := range plan.Regions() {
		if r.Region == region {
			return true
		}
	}
	return false
}

// client returns the client of a target's region; nil if there is none.
func (c clients) client(t Target) *ecsreboot.Client { return c.of[cmp.Or(t.Region, c.home)] }
