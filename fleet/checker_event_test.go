package fleet_test

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// note is an event of the checked worlds: small, and comparable.
type note struct {
	kind    fleet.EventKind
	of      int8 // the machine; -1: the run
	attempt uint8
	running bool // Event.Running
	witness bool // a witness found it
	reason  fleet.Reason
}

const ofRun = -1

func (n note) String() string {
	text := string(n.kind)
	if n.of >= 0 {
		text += " " + machineID(int(n.of))
	}
	if n.attempt > 0 {
		text += fmt.Sprintf(" (%d)", n.attempt)
	}
	if n.reason != "" {
		text += ": " + string(n.reason)
	}
	if n.running {
		text += ", it is Running"
	}
	if n.witness {
		text += ", by the witness"
	}
	return text
}

func machineID(i int) string { return fmt.Sprintf("i-%05d", i+1) }

// begun is when all events of the checked worlds happen: no decision depends on it.
var begun = time.Date(2026, 3, 14, 2, 0, 0, 0, time.UTC)

func (n note) event(plan *fleet.Plan, settings *fleet.Settings, chain string) fleet.Event {
	e := fleet.Event{Kind: n.kind, At: begun, Reason: n.reason, Running: n.running}
	if n.of >= 0 {
		e.InstanceID = plan.Targets[n.of].ID
	}
	if n.witness {
		e.Witness = "witness"
	}
	switch n.kind {
	case fleet.EventRun:
		e.Plan, e.Settings = plan, settings
	case fleet.EventResume:
		e.Settings, e.Chain = settings, chain
	case fleet.EventIntent:
		e.Attempt, e.SendID = int(n.attempt), fmt.Sprintf("op-%s-%d", e.InstanceID, n.attempt)
		e.Before = &ecsreboot.Baseline{InstanceID: e.InstanceID, Status: ecsreboot.StatusRunning, TakenAt: begun}
	case fleet.EventStage:
		e.Stage = int(n.attempt)
	default: // the kind says it all
	}
	return e
}

// encoded is the event as a record of a journal.
func (n note) encoded(plan *fleet.Plan, settings *fleet.Settings, chain string) []byte {
	text, err := json.Marshal(n.event(plan, settings, chain))
	if err != nil {
		panic(err)
	}
	return text
}
