package ecstemporal

import (
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// The names of workflows and activities are a part of histories. An activity is the
// method of activities that has its name.
const (
	rollingWorkflow = "RollingReboot"
	oneWorkflow     = "RebootOne"

	snapshotActivity = "Snapshot"
	sendActivity     = "Send"
	followActivity   = "Follow"
	notifyActivity   = "Notify"
	checkActivity    = "Check"
	askActivity      = "Ask"
	hookActivity     = "Hook"
	dryRunActivity   = "DryRun"
)

// The signals between a run and the RebootOne of an instance.
const (
	signalStatus    = "target-status" // RebootOne to a run: a targetStatus
	signalRevoke    = "revoke"        // a run to RebootOne: a revocation
	signalSubscribe = "subscribe"     // a run to RebootOne: the ID of a run that wants its status
)

// runHead is the readable part of a run's input. The other part is its packed history.
type runHead struct {
	Settings         Settings `json:"settings"`
	Digest           string   `json:"digest"`
	SearchAttributes bool     `json:"searchAttributes,omitempty"`
	// The other fields are what a run hands over when it continues as new.
	Key       string     `json:"key,omitempty"`       // distinguishes the run from others with its ID
	InFlight  []inFlight `json:"inFlight,omitempty"`  // the targets whose turn has come
	Throttled int        `json:"throttled,omitempty"` // see Progress
	Rate      float64    `json:"rate,omitempty"`
}

// inFlight is a target whose turn has come and whose RebootOne may report more.
type inFlight struct {
	Index     int       `json:"i"`                   // in the plan
	AskedAt   time.Time `json:"at"`                  // when its turn came
	Started   bool      `json:"started,omitempty"`   // its RebootOne was or is about to be started
	Events    int       `json:"events,omitempty"`    // how many of its RebootOne are known
	Throttled int       `json:"throttled,omitempty"` // how often it was
	More      bool      `json:"more,omitempty"`      // see targetStatus
}

var (
	digestKey = temporal.NewSearchAttributeKeyKeyword("EcsrebootPlanDigest")
	groupKey  = temporal.NewSearchAttributeKeyKeyword("EcsrebootGroup")
)

// searchAttributes are those of a workflow of the run. group is empty except for a
// RebootOne.
func (h runHead) searchAttributes(group string) temporal.SearchAttributes {
	switch {
	case !h.SearchAttributes:
		return temporal.NewSearchAttributes()
	case group == "":
		return temporal.NewSearchAttributes(digestKey.ValueSet(h.Digest))
	}
	return temporal.NewSearchAttributes(digestKey.ValueSet(h.Digest), groupKey.ValueSet(group))
}

// targetStatus is everything that RebootOne knows of its instance. It repeats what
// earlier ones said, so that one may be lost.
type targetStatus struct {
	Key       string        `json:"key"`
	ID        string        `json:"id"`
	Run       string        `json:"run,omitempty"` // the workflow ID of the run that it works for
	Number    int           `json:"n"`             // of oneInput
	Events    []fleet.Event `json:"events"`
	Throttled int           `json:"throttled,omitempty"`
	Rate      float64       `json:"rate,omitempty"`
	// More reports that a hook is being called after the end, so that the run must not end
	// before another status.
	More bool `json:"more,omitempty"`
}

// end returns the event that says what became of the instance; its kind is empty if
// there is none.
func (s targetStatus) end() fleet.Event {
	for _, e := range slices.Backward(s.Events) {
		if isEnd(e.Kind) {
			return e
		}
	}
	return fleet.Event{}
}

// revocation takes back what a run asked for. A RebootOne of another run, or of another
// turn, ignores it.
type revocation struct {
	Key    string       `json:"key"`
	Number int          `json:"n"`
	Reason fleet.Reason `json:"reason"`
	// Marked ends the follow of a restart that was sent as well: an operator has said what
	// became of the instance.
	Marked bool `json:"marked,omitempty"`
}

// isEnd reports whether an event says what became of an instance.
func isEnd(k fleet.EventKind) bool {
	switch k {
	case fleet.EventHealthy, fleet.EventFailed, fleet.EventUnknown, fleet.EventSkipped, fleet.EventUnsent:
		return true
	default:
		return false
	}
}

// maxText limits the text of an error in a history.
const maxText = 300

func shorten(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "") + "…"
}
