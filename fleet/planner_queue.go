package fleet

import "container/heap"

// queue keeps the queues after a target has changed: that of its group, and that of
// the groups that have room and somebody waiting.
func (p *Planner) queue(i int) {
	t := &p.targets[i]
	if t.state == waiting && t.queued != t.place {
		t.queued = t.place
		heap.Push(&t.group.waiting, t.place)
	}
	p.settle(t.group)
}

// settle puts a group among the ready ones, or takes it out.
func (p *Planner) settle(g *group) {
	for len(g.waiting) > 0 {
		place := g.waiting[0]
		t := &p.targets[p.at(place)]
		if t.state == waiting && t.place == place {
			break
		}
		heap.Pop(&g.waiting)
		if t.queued == place {
			t.queued = notQueued
		}
	}
	switch isReady := len(g.waiting) > 0 && g.down < g.width; {
	case isReady && g.at < 0:
		heap.Push(&p.ready, g)
	case isReady:
		heap.Fix(&p.ready, g.at)
	case g.at >= 0:
		heap.Remove(&p.ready, g.at)
	}
}

// A place is the order in which targets have their turns: at first their order in the
// plan. A target that gave its turn back gets a place behind all others.

// notQueued is of a target that is in no queue.
const notQueued = -1

// at returns the target that has a place.
func (p *Planner) at(place int) int { return place % len(p.targets) }

// putLast gives a target a place behind all others.
func (p *Planner) putLast(i int) {
	p.rounds++
	p.targets[i].place = p.rounds*len(p.targets) + i
}

// group is a group of targets.
type group struct {
	waiting indices // places of targets; some that no longer wait there may be among them
	size    int
	gone    int // of size
	width   int
	down    int
	at      int // in Planner.ready; -1 if it is not there
}

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
	last.at = -1
	*h = (*h)[:len(*h)-1]
	return last
}
