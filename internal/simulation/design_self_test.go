package simulation

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/ecstest"
)

// The tests of the simulation itself.

func TestDesignFollowsFromTheSeed(t *testing.T) {
	for seed := range uint64(50) {
		assert.Equal(t, newDesign(seed), newDesign(seed))
		assert.NotEqual(t, newDesign(seed), newDesign(seed+1))
	}
}

// quiet is a world with one caller and one call.
func quiet(fault ecstest.Fault) design {
	d := design{Seed: 7, Offset: time.Second, Callers: []callerDesign{{
		Machine: ecstest.Instance{ID: "i-caller0"},
		Calls:   []callDesign{{At: time.Second, Wait: true, Intents: true, Timeout: 5 * time.Minute}},
	}}}
	if fault.Kind != "" {
		d.Faults = []faultDesign{{0, fault}}
	}
	return d
}

// The seed decides the nonces, the IDs and the jitter of the client.
func TestOneSeedIsOneWorld(t *testing.T) {
	throttled := quiet(ecstest.Fault{Kind: ecstest.FaultThrottle, Times: 2})
	first, second := run(t, throttled, true), run(t, throttled, true)
	assert.Equal(t, first.log, second.log)
	assert.Empty(t, first.violations)
	assert.Equal(t, 1, first.restarts)
	throttled.Seed++
	assert.NotEqual(t, first.log, run(t, throttled, true).log, "other IDs")
}

// A service that lies breaks a rule. All that has nothing to do with it is taken away.
func TestShrink(t *testing.T) {
	lie := quiet(ecstest.Fault{Kind: ecstest.FaultError, Code: "DiskError", Act: true, InstanceID: "i-caller0", Action: "RebootInstance"})
	d := newDesign(3)
	require.NotEmpty(t, d.Faults)
	d.Callers = append(lie.Callers, d.Callers...)
	d.Callers[1].Machine.ID = "i-other"
	d.Faults = append(lie.Faults, d.Faults...)
	r := run(t, d, false)
	require.NotEmpty(t, r.violations, "the service says that it refused what it carried out")
	require.Equal(t, ruleOutcome, r.violations[0].rule)

	gone, smaller := shrink(t, d, r, time.Minute)
	require.NotEmpty(t, smaller.violations)
	require.Equal(t, ruleOutcome, smaller.violations[0].rule)
	for _, needed := range []string{"fault0", "caller0", "caller0.call0"} {
		assert.False(t, gone[needed], needed)
	}
	left := d.without(gone)
	assert.Equal(t, lie.Faults, left.Faults)
	assert.Empty(t, left.Acts)
	for _, f := range left.Fleets {
		assert.Empty(t, f.Machines)
	}
	assert.Equal(t, 1, smaller.restarts)
}
