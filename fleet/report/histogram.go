package report

import "fmt"

// histogram is the chart of the settle times. Those far beyond the others share the
// last bar.
func (s *story) histogram(all Settle) (ch chart, ticks []tickView, lines []bar) {
	if all.Measured == 0 {
		return chart{}, nil, nil
	}
	most := min(all.Max, 3*all.P95)
	step := niceStep(most / 36)
	bins := make([]int, int(most/step)+1)
	beyond := false
	peak := 0
	for i := range s.report.Records {
		if d, ok := s.timeToHealthy(&s.report.Records[i]); ok {
			at := int(d.Seconds() / step)
			beyond = beyond || at >= len(bins)
			at = min(at, len(bins)-1)
			bins[at]++
			peak = max(peak, bins[at])
		}
	}
	y := scale{height: 110, most: float64(peak)}
	ch = chart{Height: y.height, Labels: y.labels()}
	wide := 1 / float64(len(bins))
	for i, n := range bins {
		to := " to " + seconds(float64(i+1)*step)
		if beyond && i+1 == len(bins) {
			to = " or more"
		}
		if n > 0 {
			top := y.y(float64(n))
			title := fmt.Sprintf("%s%s: %d", seconds(float64(i)*step), to, n)
			ch.Bars = append(ch.Bars, bar{"settled", percent((float64(i) + 0.04) * wide), percent(wide * 0.92), top, y.y(0) - top, title})
		}
	}
	each := max(1, (len(bins)+5)/6)
	for i := 0; i < len(bins); i += each {
		x := float64(i) * wide
		ticks = append(ticks, tickView{X: percent(x), Label: seconds(float64(i) * step), Anchor: anchor(x), Minor: len(ticks)%2 == 1})
	}
	lines = append(lines, quantileLine("p50", all.P50, all.P50/step*wide, 11), quantileLine("p95", all.P95, all.P95/step*wide, 25))
	return ch, ticks, lines
}

// quantileLine is labelled on its side that has more room.
func quantileLine(name string, value, x float64, y int) bar {
	x = min(x, 1)
	side := "start"
	if x > 0.7 {
		side = "end"
	}
	return bar{Class: side, X: percent(x), Y: y, Title: name + " " + seconds(value)}
}

// niceStep is a round number of seconds, not below the given one.
func niceStep(least float64) float64 {
	for step := 0.001; step < 1e9; step *= 10 {
		for _, times := range []float64{1, 2, 5} {
			if step*times >= least {
				return step * times
			}
		}
	}
	return least
}
