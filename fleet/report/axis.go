package report

import (
	"time"
)

// axis maps times to shares of the width of a chart. Long times in which nothing
// was under way are drawn short, so that a run that waited for the next night can
// be read.
type axis struct {
	pieces []piece
	tick   time.Duration
	zone   *time.Location
}

type piece struct {
	interval
	x0, x1 float64
	short  bool
}

const (
	shortShare  = 0.03 // of the width, that a time drawn short takes
	shortShares = 0.3  // that all of them take at most
	shortLeast  = time.Minute
)

func newAxis(s *story, zone *time.Location) *axis {
	a := &axis{zone: zone}
	end := s.last
	if least := s.begun.Add(time.Second); end.Before(least) {
		end = least
	}
	active := end.Sub(s.begun)
	for _, idle := range s.idle {
		active -= idle.to.Sub(idle.from)
	}
	from := s.begun
	for _, idle := range s.idle {
		if length := idle.to.Sub(idle.from); length > max(shortLeast, active/5) {
			a.pieces = append(a.pieces, piece{interval: interval{from, idle.from}}, piece{interval: idle, short: true})
			from = idle.to
		}
	}
	a.pieces = append(a.pieces, piece{interval: interval{from, end}})
	a.place()
	return a
}

// place gives the pieces their shares.
func (a *axis) place() {
	var drawn time.Duration
	shorts := 0
	for _, p := range a.pieces {
		if p.short {
			shorts++
		} else {
			drawn = plus(drawn, p.to.Sub(p.from))
		}
	}
	drawn = max(drawn, 1)
	each := min(shortShare, shortShares/float64(max(shorts, 1)))
	x := 0.0
	for i := range a.pieces {
		p := &a.pieces[i]
		share := each
		if !p.short {
			share = (1 - each*float64(shorts)) * float64(p.to.Sub(p.from)) / float64(drawn)
		}
		p.x0, p.x1 = x, min(x+share, 1)
		x = p.x1
	}
	a.tick = niceTick(drawn)
}

// x is where a time is drawn, from 0 to 1.
func (a *axis) x(t time.Time) float64 {
	for _, p := range a.pieces {
		if t.Before(p.from) {
			return p.x0
		}
		if length := p.to.Sub(p.from); !t.After(p.to) && length > 0 {
			return p.x0 + (p.x1-p.x0)*float64(t.Sub(p.from))/float64(length)
		}
	}
	return 1
}

// niceTick is the time between two labels, of which there shall be about six.
func niceTick(drawn time.Duration) time.Duration {
	const day = 24 * time.Hour
	for _, d := range []time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, day, 2 * day, 7 * day, 30 * day, 365 * day,
	} {
		if drawn/d <= 7 {
			return d
		}
	}
	return drawn / 7
}

// tickView is a label of the axis.
type tickView struct {
	X, Label, Anchor string
	Minor            bool // to be left out where there is little room
}

const tickRoom = 0.09 // of the width, that a label takes

func (a *axis) ticks() []tickView {
	layout := "15:04"
	switch first, last := a.pieces[0].from, a.pieces[len(a.pieces)-1].to; {
	case a.tick < time.Minute:
		layout = "15:04:05"
	case last.Sub(first) > 24*time.Hour:
		layout = "Jan 2 15:04"
	}
	var ticks []tickView
	room := -1.0
	for _, p := range a.pieces {
		if p.short {
			continue
		}
		// Multiples of the tick by the clock on the wall.
		_, offset := p.from.In(a.zone).Zone()
		away := time.Duration(offset) * time.Second
		for t := p.from.Add(away).Truncate(a.tick).Add(-away); !t.After(p.to); t = t.Add(a.tick) {
			x := a.x(t)
			if t.Before(p.from) || x < room {
				continue
			}
			room = x + tickRoom
			ticks = append(ticks, tickView{
				X: percent(x), Label: t.In(a.zone).Format(layout), Anchor: anchor(x), Minor: len(ticks)%2 == 1,
			})
		}
	}
	return ticks
}

func anchor(x float64) string {
	switch {
	case x < 0.01:
		return "start"
	case x > 0.985:
		return "end"
	}
	return "middle"
}
