// Package simulation runs the client, the fleet and its journal in simulated worlds in
// which everything fails, and holds them to the promises of this module by the account
// of the fake service. The package has no code outside its tests.
//
// A world lives in a testing/synctest bubble. It has one fake service, fleets whose
// drivers crash and resume, callers, other operators, keys that are replaced, clocks that
// jump, disks that fill up and tear, and networks and wrappers that misbehave. A seed
// draws the design of a world, and with it the jitter and the IDs of the client. The
// order in which goroutines run is not seeded, so a seed that fails may fail only
// sometimes: the report says how to repeat it.
//
//   - design: what a seed draws; plain data, so that shrink can take parts away.
//
//   - world: builds a design and runs it.
//
//   - account: what the service and the disks saw, in order, and when machines restarted.
//
//   - fleet, caller, operators, witness, network, disk, secrets: who acts in a world.
//
//   - invariants: what must hold after each step and at the end.
//
//   - shrink: makes the design of a failure smaller.
//
//     go test ./internal/simulation -sim.restarts=20000 -sim.seed=1
package simulation
