package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// plotWidth is how many units a path is wide; they are stretched to the window.
const plotWidth = 1000

// label is text or a line at a height of a chart, in pixels from its top.
type label struct {
	Y    int
	Text string
}

// curve is a path of a chart.
type curve struct{ Class, Path string }

// chart is what there is to draw of one.
type chart struct {
	Height int
	Labels []label
	Curves []curve
	Bars   []bar
}

// bar is a rectangle, its horizontal extent in shares of the width.
type bar struct {
	Class    string
	X, Width string
	Y, H     int
	Title    string
}

func percent(share float64) string {
	return strconv.FormatFloat(share*100, 'f', 2, 64) + "%"
}

// scale maps 0 to most to a height from the bottom.
type scale struct {
	height int
	most   float64
}

// y is measured from the top, with a little room above the most.
func (s scale) y(value float64) int {
	const room = 6
	return s.height - 1 - int(value/max(s.most, 1)*float64(s.height-1-room)+0.5)
}

// niceNumbers returns about three round numbers up to the most.
func niceNumbers(most int) []int {
	step := 1
	for factor := 1; most/step > 3; {
		for _, times := range []int{1, 2, 5} {
			if step = times * factor; most/step <= 3 {
				break
			}
		}
		factor *= 10
	}
	var numbers []int
	for n := 0; n <= most; n += step {
		numbers = append(numbers, n)
	}
	return numbers
}

// labels are those of the scale, without ones too near to a number that is
// labelled already.
func (s scale) labels(taken ...int) []label {
	var all []label
	for _, n := range niceNumbers(int(s.most)) {
		y := s.y(float64(n))
		if !slices.ContainsFunc(taken, func(t int) bool { return max(t-y, y-t) < 14 }) {
			all = append(all, label{y, number(n)})
		}
	}
	return all
}

// stepPath draws a line of steps. Of those that fall on the same place it shows the
// highest and the last.
func stepPath(s scale, a *axis, n int, at func(i int) (time.Time, float64)) string {
	var b strings.Builder
	x, high, last := -1, 0.0, 0.0
	flush := func() {
		if high > last {
			fmt.Fprintf(&b, "V%d", s.y(high))
		}
		fmt.Fprintf(&b, "V%d", s.y(last))
	}
	for i := range n {
		t, value := at(i)
		switch here := int(a.x(t) * plotWidth); {
		case x < 0:
			fmt.Fprintf(&b, "M%d %d", here, s.y(value))
			x, high = here, value
		case here != x:
			flush()
			fmt.Fprintf(&b, "H%d", here)
			x, high = here, value
		}
		high, last = max(high, value), value
	}
	if x >= 0 {
		flush()
		fmt.Fprintf(&b, "H%d", plotWidth)
	}
	return b.String()
}

// columns is in how many places a stack is looked at.
const columns = 250

// stack returns the outlines of layers, the first one at the bottom.
func stack(s scale, layers [][]int, class func(layer int) string) []curve {
	below := make([]int, columns)
	var curves []curve
	for i, layer := range layers {
		if !slices.ContainsFunc(layer, func(n int) bool { return n > 0 }) {
			continue
		}
		above := slices.Clone(below)
		for c, n := range layer {
			above[c] += n
		}
		curves = append(curves, curve{class(i), outline(s, above, below)})
		below = above
	}
	return curves
}

// outline draws what is between two lines of steps: along the upper one, and back
// along the lower one.
func outline(s scale, above, below []int) string {
	var b strings.Builder
	y := s.y(float64(above[0]))
	fmt.Fprintf(&b, "M0 %d", y)
	for c, n := range above {
		if now := s.y(float64(n)); now != y {
			fmt.Fprintf(&b, "H%dV%d", c*plotWidth/columns, now)
			y = now
		}
	}
	y = s.y(float64(below[columns-1]))
	fmt.Fprintf(&b, "H%dV%d", plotWidth, y)
	for c, n := range slices.Backward(below) {
		if now := s.y(float64(n)); now != y {
			fmt.Fprintf(&b, "H%dV%d", (c+1)*plotWidth/columns, now)
			y = now
		}
	}
	b.WriteString("H0Z")
	return b.String()
}

// unavailable is the chart of the unavailable against their limit.
func (s *story) unavailable(a *axis) chart {
	most, limit := s.peak, s.levels[len(s.levels)-1].Max
	for _, l := range s.levels {
		most = max(most, l.Max)
	}
	y := scale{height: 150, most: float64(most)}
	area := stepPath(y, a, len(s.levels), func(i int) (time.Time, float64) { return s.levels[i].At, float64(s.levels[i].Unavailable) })
	budget := stepPath(y, a, len(s.levels), func(i int) (time.Time, float64) { return s.levels[i].At, float64(s.levels[i].Max) })
	at := y.y(float64(limit))
	return chart{
		Height: y.height,
		Labels: append(y.labels(at), label{at, "limit " + number(limit)}),
		Curves: []curve{
			{"area", area + fmt.Sprintf("V%dH0Z", y.y(0))},
			{"line", area},
			{"budget", budget},
		},
	}
}

// course is the chart of the states over time.
func (s *story) course(a *axis) chart {
	layers := make([][]int, len(states))
	for i := range layers {
		layers[i] = make([]int, columns)
	}
	next := 0
	for c := range columns {
		for next+1 < len(s.progress) && a.x(s.progress[next+1].at) <= float64(c+1)/columns {
			next++
		}
		for i, n := range s.progress[next].counts {
			layers[i][c] = n
		}
	}
	y := scale{height: 150, most: float64(len(s.lanes))}
	return chart{
		Height: y.height,
		Labels: y.labels(),
		Curves: stack(y, layers, func(i int) string { return "s-" + string(states[i]) }),
	}
}

// callBars is the chart of the calls, and how long each bar counts.
func (s *story) callBars(a *axis) (chart, time.Duration) {
	per := time.Minute
	const most = 200 // bars
	for _, longer := range []time.Duration{5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour} {
		if s.active()/per <= most {
			break
		}
		per = longer
	}
	var sums []Calls
	peak := 0
	for _, c := range s.calls {
		from := c.Minute.Truncate(per)
		if n := len(sums); n == 0 || !sums[n-1].Minute.Equal(from) {
			sums = append(sums, Calls{Minute: from})
		}
		sum := &sums[len(sums)-1]
		sum.Accepted += c.Accepted
		sum.Throttled += c.Throttled
		peak = max(peak, sum.Accepted+sum.Throttled)
	}
	y := scale{height: 110, most: float64(peak)}
	ch := chart{Height: y.height, Labels: y.labels()}
	for _, c := range sums {
		x0, x1 := a.x(c.Minute), a.x(c.Minute.Add(per))
		gap := (x1 - x0) * 0.08
		title := fmt.Sprintf("%s: %d accepted, %d throttled", clock(c.Minute.In(a.zone)), c.Accepted, c.Throttled)
		x, width := percent(x0+gap), percent(max(x1-x0-2*gap, 0.001))
		top := y.y(float64(c.Accepted))
		if c.Accepted > 0 {
			ch.Bars = append(ch.Bars, bar{"accepted", x, width, top, y.y(0) - top, title})
		}
		if c.Throttled > 0 {
			over := y.y(float64(c.Accepted + c.Throttled))
			ch.Bars = append(ch.Bars, bar{"throttled", x, width, over, top - over, title})
		}
	}
	return ch, per
}
