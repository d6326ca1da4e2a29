package fleet

import "container/heap"

// queue keeps the queues after a target has changed: that of its group, and that of
// the groups that have room and somebody waiting.
func (p *Planner) queue(i int) {
	g := p.targets[i].group
	if p.targets[i].state == waiting && !p.queued[i] { // back to where it was in the plan
		p.queued[i] = true
		heap.Push(&g.waiting, i)
	}
	p.settle(g)
}

// settle puts a group among the ready ones, or takes it out.
func (p *Planner) settle(g *group) {
	for len(g.waiting) > 0 && p.targets[g.waiting[0]].state != waiting {
		p.queued[heap.Pop(&g.waiting).(int)] = false
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

// group is a group of targets.
type group struct {
	waiting indices // of targets; some that no longer wait may be among them
	size    int
	gone    int // of size
	width   int
	down    int
	at      int // in Planner.ready; -1 if it is not there
}

// indices is a heap of indices into the plan.
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
