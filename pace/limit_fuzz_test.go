package pace

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzPace lets a pace meet any answers at any times, of a service with any clock and
// any hints. Its numbers stay numbers within their bounds, no wait is longer than it
// may be, and whoever waits comes to his turn.
func FuzzPace(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 2, 0, 3, 40, 0, 1, 2, 2, 5, 9, 0, 3}, uint16(0), int64(0))
	f.Add([]byte{0, 2, 3, 0, 2, 3, 0, 2, 5, 1, 4, 1, 1, 7, 200, 0, 1, 6, 0, 7, 255, 2, 255}, uint16(60), int64(1<<40))
	f.Add([]byte{0, 0, 0, 2, 0, 2, 0, 2, 9, 7, 30, 0, 4, 7, 1, 0, 6, 1, 7, 250, 0, 1}, uint16(65535), int64(-1<<62))
	f.Add([]byte{0, 0, 0, 0, 4, 5, 0, 0, 0}, uint16(0), int64(0))
	random := rand.New(rand.NewPCG(4, 2))
	for range 50 {
		text := make([]byte, 20+random.IntN(300))
		for i := range text {
			text[i] = byte(random.Uint32())
		}
		f.Add(text, uint16(random.IntN(600)), int64(random.Uint64()))
	}
	f.Fuzz(func(t *testing.T, script []byte, perMinute uint16, away int64) {
		script = script[:min(len(script), 400)]
		upTo := func(n int) int {
			if len(script) == 0 {
				return 0
			}
			b := script[0]
			script = script[1:]
			return int(b) % n
		}
		p := &pace{hint: float64(perMinute) / 60}
		p.rate = p.hint
		now := time.Date(2026, 1, 2, 3, 4, 10, 0, time.UTC)
		const farthest = 100 * 365 * 24 * time.Hour // of clocks that are believed
		offset := time.Duration(away % int64(farthest))
		var open []pass
		sound := func() {
			for _, n := range []float64{p.rate, p.limit, p.credit, p.step} {
				require.False(t, math.IsNaN(n) || math.IsInf(n, 0), "%+v", p)
			}
			require.True(t, p.rate == 0 || p.rate >= min(paceFloor, p.hint+paceFloor), "%v", p.rate)
			require.LessOrEqual(t, p.rate, paceCeil)
			if p.hint > 0 {
				require.LessOrEqual(t, p.rate, max(p.hint, paceFloor))
			}
			require.LessOrEqual(t, p.until.Sub(now), maxClosed)
		}
		for len(script) > 0 {
			var from pass
			if len(open) > 0 {
				from = open[0]
			}
			clock := now.Add(offset).Truncate(time.Second)
			if upTo(4) == 3 {
				clock = time.Time{}
			}
			switch what := upTo(8); {
			case what <= 2:
				throttled := upTo(2) == 1
				wait := p.ready(now, throttled)
				require.GreaterOrEqual(t, wait, time.Duration(0))
				if p.until.IsZero() && p.rate > 0 {
					require.LessOrEqual(t, p.credit, p.maxCredit()+1e-9)
				}
				if wait == never {
					require.NotEmpty(t, open, "nobody will ever change that")
				}
				if wait == 0 {
					open = append(open, p.take())
				}
			case what == 3 && len(open) > 0:
				p.accepted(now, from, clock)
				open = open[1:]
			case what == 4 && len(open) > 0:
				p.refused(now, from, clock, []time.Duration{0, 0, 1, time.Second, 90 * time.Second, time.Hour, 24 * time.Hour}[upTo(7)])
				open = open[1:]
			case what == 5 && len(open) > 0:
				p.prepare(now, open[len(open)-1])
			case what == 6 && len(open) > 0:
				p.prepared(open[len(open)-1])
			default:
				now = now.Add(time.Duration(1+upTo(256)) * []time.Duration{time.Millisecond, 50 * time.Millisecond, time.Second, time.Hour}[upTo(4)])
				offset += []time.Duration{0, 0, 0, time.Second, -time.Hour}[upTo(5)]
			}
			sound()
		}
		for _, from := range open { // what is under way comes to an end
			p.accepted(now, from, now.Add(offset).Truncate(time.Second))
		}
		begin := now
		for {
			wait := p.ready(now, true)
			if wait == 0 {
				break
			}
			require.Positive(t, wait)
			require.Less(t, wait, maxClosed+1)
			now = now.Add(wait)
			require.LessOrEqual(t, now.Sub(begin), maxClosed+2*time.Minute, "it never comes to its turn")
		}
	})
}
