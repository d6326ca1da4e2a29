package report

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ecsreboot/ecsreboot/fleet"
)

const (
	// maxLanes is up to how many instances each has a lane. With more of them,
	// groups have a band each, and only those have lanes that are out of the
	// ordinary.
	maxLanes   = 300
	maxBroken  = 150
	maxSlowest = 20
	maxBands   = 12
)

// lanesView is a chart with a row for each instance.
type lanesView struct {
	Title   string
	Note    string
	Row     int // height of a row
	Class   string
	Blocks  []blockView
	Markers []string // that are among them
}

// blockView is some of the rows: small enough not to leave printed pages half empty.
type blockView struct {
	First  int // counts the rows from 1
	Height int
	Lanes  []laneView
}

const maxBlock = 25 // rows

type laneView struct {
	Record *fleet.Record
	Y      int
	Title  string
	Spans  []bar
	Marker string // the state that is drawn, at X
	X      string
	MarkY  int
}

// phaseNames are for people.
var phaseNames = [phases]string{
	phaseFailed: "failed", phaseUnknown: "unknown", phaseDown: "down", phaseDoubt: "answer lost",
	phaseAccepted: "accepted, still up", phaseAsking: "asking", phaseSettling: "up, not proven healthy",
}

// phaseClasses are those of the style sheet.
var phaseClasses = [phases]string{
	phaseFailed: "p-failed", phaseUnknown: "p-unknown", phaseDown: "p-down", phaseDoubt: "p-doubt",
	phaseAccepted: "p-accepted", phaseAsking: "p-asking", phaseSettling: "p-settling",
}

// phaseHeights are shares of the row, so that phases differ not by colour alone.
var phaseHeights = [phases]float64{
	phaseFailed: 0.2, phaseUnknown: 0.2, phaseDown: 1, phaseDoubt: 0.4, phaseAccepted: 0.5, phaseAsking: 0.3, phaseSettling: 0.7,
}

// lanesOf draws the instances with the given places in the plan, those first whose
// turn came first. Without any spans there is nothing to draw.
func (s *story) lanesOf(a *axis, title string, places []int) lanesView {
	drawn := slices.DeleteFunc(slices.Clone(places), func(i int) bool { return len(s.lanes[i].spans) == 0 })
	slices.SortStableFunc(drawn, func(i, j int) int { return s.lanes[i].spans[0].from.Compare(s.lanes[j].spans[0].from) })
	v := lanesView{Title: title, Row: 11, Class: "tight"}
	if len(drawn) <= 60 {
		v.Row, v.Class = 18, "wide"
	}
	if left := len(places) - len(drawn); left > 0 && len(drawn) > 0 {
		v.Note = count(left, "instance for which nothing was sent is", "instances for which nothing was sent are") + " not drawn."
	}
	for n, i := range drawn {
		place := n % maxBlock
		if place == 0 {
			v.Blocks = append(v.Blocks, blockView{First: n + 1})
		}
		block := &v.Blocks[len(v.Blocks)-1]
		one := s.laneView(a, i, place*v.Row, v.Row)
		block.Lanes = append(block.Lanes, one)
		block.Height += v.Row
		if !slices.Contains(v.Markers, one.Marker) {
			v.Markers = append(v.Markers, one.Marker)
		}
	}
	return v
}

func (s *story) laneView(a *axis, i, y, row int) laneView {
	r := &s.report.Records[i]
	l := laneView{Record: r, Y: y, Title: r.ID + ": " + string(r.State), MarkY: y + row/2}
	if r.Name != "" {
		l.Title = r.ID + " (" + r.Name + "): " + string(r.State)
	}
	if r.Reason != "" {
		l.Title += ", " + string(r.Reason)
	}
	if d, ok := s.timeToHealthy(r); ok {
		l.Title += " after " + seconds(d.Seconds())
	}
	const between = 3 // pixels between rows
	for _, one := range s.lanes[i].spans {
		x0, x1 := a.x(one.from), a.x(one.to)
		height := max(2, int(phaseHeights[one.phase]*float64(row-between)+0.5))
		l.Spans = append(l.Spans, bar{
			Class: phaseClasses[one.phase], X: percent(x0), Width: percent(max(x1-x0, 0.0012)), Y: y + (row-height)/2, H: height,
			Title: fmt.Sprintf("%s, %s", phaseNames[one.phase], seconds(one.to.Sub(one.from).Seconds())),
		})
	}
	end := s.lanes[i].spans[len(s.lanes[i].spans)-1]
	l.Marker, l.X = string(r.State), percent(a.x(end.to))
	if r.State == fleet.StateFailed || r.State == fleet.StateUnknown { // where it became so, not where the drawing ends
		l.X = percent(a.x(end.from))
	}
	return l
}

// chosenLanes are the lanes to draw.
func (s *story) chosenLanes(a *axis) []lanesView {
	var all, broken, slow []int
	for i := range s.report.Records {
		r := &s.report.Records[i]
		all = append(all, i)
		if r.Failed || r.State == fleet.StateUnknown || r.State == fleet.StateRestarting {
			broken = append(broken, i)
		}
		if _, ok := s.timeToHealthy(r); ok {
			slow = append(slow, i)
		}
	}
	if len(all) <= maxLanes {
		return []lanesView{s.lanesOf(a, "Each instance", all)}
	}
	var views []lanesView
	if len(broken) > 0 {
		v := s.lanesOf(a, "Failed, unknown, and not yet back", broken[:min(len(broken), maxBroken)])
		if len(broken) > maxBroken {
			v.Note = fmt.Sprintf("The first %d of %s. The tables name all.", maxBroken, number(len(broken)))
		}
		views = append(views, v)
	}
	slices.SortStableFunc(slow, func(i, j int) int {
		di, _ := s.timeToHealthy(&s.report.Records[i])
		dj, _ := s.timeToHealthy(&s.report.Records[j])
		return cmp.Compare(dj, di)
	})
	if len(slow) > 0 {
		views = append(views, s.lanesOf(a, "The slowest that became healthy", slow[:min(len(slow), maxSlowest)]))
	}
	return slices.DeleteFunc(views, func(v lanesView) bool { return len(v.Blocks) == 0 })
}

// bandView is what a group goes through, one above the other.
type bandView struct {
	Name  string
	Total int
	Most  int // of all bands
	chart
}

// bands are the groups of a fleet that is too large for a lane each; the smallest
// share one if there are too many.
func (s *story) bands(a *axis) []bandView {
	if len(s.lanes) <= maxLanes {
		return nil
	}
	size := make(map[string]int)
	for _, t := range s.history.Plan.Targets {
		size[t.Group]++
	}
	names := make([]string, 0, len(size))
	for name := range size {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(size[b], size[a]), cmp.Compare(a, b)) })
	views := make([]bandView, 0, maxBands)
	place := make(map[string]int)
	for i, name := range names {
		at := min(i, maxBands-1)
		place[name] = at
		if at == len(views) {
			views = append(views, bandView{Name: name})
		}
		views[at].Total += size[name]
	}
	switch {
	case len(names) == 1 && names[0] == "":
		views[0].Name = "all"
	case len(names) > maxBands:
		views[maxBands-1].Name = fmt.Sprintf("%d other groups", len(names)-maxBands+1)
	}
	layers := make([][][]int, len(views))
	for i := range layers {
		layers[i] = make([][]int, phases)
		for p := range layers[i] {
			layers[i][p] = make([]int, columns)
		}
	}
	for i, l := range s.lanes {
		for _, one := range l.spans {
			// A column counts who is in the phase in the middle of it.
			from, to := int(a.x(one.from)*columns+0.5), int(a.x(one.to)*columns+0.5)
			for c := from; c < to; c++ {
				layers[place[s.history.Plan.Targets[i].Group]][one.phase][c]++
			}
		}
	}
	drawBands(views, layers)
	return views
}

// drawBands draws them to the same scale, so that they can be compared.
func drawBands(views []bandView, layers [][][]int) {
	most := 0
	for i := range layers {
		for c := range columns {
			sum := 0
			for p := range layers[i] {
				sum += layers[i][p][c]
			}
			most = max(most, sum)
		}
	}
	y := scale{height: 56, most: float64(most)}
	for i := range views {
		views[i].Most = most
		views[i].chart = chart{
			Height: y.height,
			Curves: stack(y, layers[i], func(p int) string { return phaseClasses[p] }),
		}
	}
}
