package report

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// An instance whose response was lost stays in doubt while the run waits for a witness, and
// is failed still after its console was read.
func TestLaneAwaitsWitness(t *testing.T) {
	var l lane
	at := time.Date(2026, 3, 14, 1, 0, 0, 0, time.UTC)
	for i, kind := range []fleet.EventKind{fleet.EventIntent, fleet.EventDoubt, fleet.EventAwaiting, fleet.EventFailed, fleet.EventConsole} {
		l.add(fleet.Event{Kind: kind}, at.Add(time.Duration(i)*time.Minute))
	}
	l.close(at.Add(time.Hour))
	require.Equal(t, []span{
		{interval{at, at.Add(time.Minute)}, phaseAsking},
		{interval{at.Add(time.Minute), at.Add(3 * time.Minute)}, phaseDoubt},
		{interval{at.Add(3 * time.Minute), at.Add(time.Hour)}, phaseFailed},
	}, l.spans)
}
