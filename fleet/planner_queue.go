package fleet

import "container/heap"

// A place is the order in which targets have their turns: at first their order in the
// plan. A target that gave its turn back gets a place behind all others.
//
// Most targets have their turn in the order of the plan, so Planner.fresh goes through
// the plan once. The targets that it reaches while their group has no room, and those
// that wait again, are in the queue of their group.

// first returns the target whose turn it is: of all that wait in a group with room, the
// one with the first place.
func (p *Planner) first() (i int, ok bool) {
	for ; p.fresh < len(p.targets); p.fresh++ {
		if len(p.ready) > 0 && p.ready[0].waiting[0] < p.fresh {
			break
		}
		t := &p.targets[p.fresh]
		if t.state != waiting || t.queued {
			continue
		}
		if g := &p.groups[t.group]; g.down < g.width {
			return p.fresh, true
		}
		p.queue(p.fresh)
	}
	if len(p.ready) == 0 {
		return 0, false
	}
	return p.at(p.ready[0].waiting[0]), true
}

// queue puts a target that waits into the queue of its group, and updates the groups
// that are ready.
func (p *Planner) queue(i int) {
	t := &p.targets[i]
	g := &p.groups[t.group]
	if t.state == waiting && !t.queued {
		t.queued = true
		heap.Push(&g.waiting, t.place)
	}
	p.settle(g)
}

// settle removes the places at the head of a group's queue that no target waits at, and
// puts the group among the ready ones or takes it out.
func (p *Planner) settle(g *group) {
	for len(g.waiting) > 0 {
		place := g.waiting[0]
		t := &p.targets[p.at(place)]
		if t.state == waiting && t.place == place {
			break
		}
		heap.Pop(&g.waiting)
		if t.place == place {
			t.queued = false
		}
	}
	switch isReady := len(g.waiting) > 0 && g.down < g.width; {
	case isReady && g.at == notReady:
		heap.Push(&p.ready, g)
	case isReady:
		heap.Fix(&p.ready, g.at)
	case g.at != notReady:
		heap.Remove(&p.ready, g.at)
	}
}

// at returns the target that has a place.
func (p *Planner) at(place int) int { return place % len(p.targets) }

// putLast gives a target a place behind all others.
func (p *Planner) putLast(i int) {
	p.rounds++
	p.targets[i].place = p.rounds*len(p.targets) + i
	p.targets[i].queued = false
}

// group is a group of targets.
type group struct {
	waiting indices // places of targets; some that no longer wait there may be among them
	size    int
	gone    int // of size
	width   int
	down    int
	at      int // in Planner.ready, or notReady
}

// notReady is group.at of a group that is not ready.
const notReady = -1

// indices is a heap of places.
type indices []int

func (h *indices) Len() int           { return len(*h) }
func (h *indices) Less(i, j int) bool { return (*h)[i] < (*h)[j] }
func (h *indices) Swap(i, j int)      { (*h)[i], (*h)[j] = (*h)[j], (*h)[i] }
func (h *indices) Push(x any)         { *h = append(*h, x.(int)) }
func (h *indices) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// readyGroups is a heap of groups, the one whose turn comes first in the plan on
// top.
type readyGroups []*group

func (h *readyGroups) Len() int           { return len(*h) }
func (h *readyGroups) Less(i, j int) bool { return (*h)[i].waiting[0] < (*h)[j].waiting[0] }
func (h *readyGroups) Swap(i, j int) {
	(*h)[i], (*h)[j] = (*h)[j], (*h)[i]
	(*h)[i].at, (*h)[j].at = i, j
}

func (h *readyGroups) Push(x any) {
	g := x.(*group)
	g.at = len(*h)
	*h = append(*h, g)
}

func (h *readyGroups) Pop() any {
	last := (*h)[len(*h)-1]
	last.at = notReady
	*h = (*h)[:len(*h)-1]
	return last
}
