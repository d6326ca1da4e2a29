package fleet_test

import (
	"github.com/stretchr/testify/require"
	"testing"
	"time"
)

func TestEveryInterleaving(t *testing.T) {
	for _, c := range []*checker{
		{machines: 1, drivers: 2, width: 1, faults: 1, stops: 1, witness: true},
		{machines: 2, drivers: 2, width: 1, faults: 1, allFaults: 1, stops: 1},
		{machines: 2, drivers: 2, width: 2},
		{machines: 2, drivers: 1, width: 2, faults: 1, allFaults: 1},
	} {
		begin := time.Now()
		r := c.search()
		t.Logf("%+v: %d states, %d transitions, depth %d, %d finished, planners %d, calls %d, journals %d: %v", *c, r.states, r.transitions, r.depth, r.finished, len(c.all.byFacts), c.all.calls, c.disk.read, time.Since(begin))
		require.Empty(t, r.broken, r.String())
	}
}
