package ecstemporal

import (
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// The names of workflows and activities are a part of histories.
const (
	rollingWorkflow = "RollingReboot"
	chunkWorkflow   = "RebootChunk"
	oneWorkflow     = "RebootOne"

	snapshotActivity    = "Snapshot"
	sendActivity        = "Send"
	waitActivity        = "Wait"
	resolveActivity     = "Resolve"
	awaitOthersActivity = "AwaitOthers"
	notifyActivity      = "Notify"
)

// The signals between the workflows of a run.
const (
	signalCommand = "command" // from the run to a chunk: a command
	signalWord    = "word"    // from a chunk to the run: a word
	signalHold    = "hold"    // from a chunk to that of an instance: a hold
	signalWatch   = "watch"   // to that of an instance: the id of a chunk that wants to be told
	signalTold    = "told"    // from that of an instance to a chunk: an account
)

// runHead is the readable part of what a run is given; the other is the packed run.
type runHead struct {
	Settings         Settings `json:"settings"`
	Digest           string   `json:"digest"`
	SearchAttributes bool     `json:"searchAttributes,omitempty"`
	// What a run hands over when it continues as new.
	Key       string        `json:"key,omitempty"`       // tells the run from others of the same id
	Chunks    []int         `json:"chunks,omitempty"`    // how often each was started, -1 once it is over
	Asked     []askedTarget `json:"asked,omitempty"`     // those under way
	Throttled int           `json:"throttled,omitempty"` // sends
	Rate      float64       `json:"rate,omitempty"`
}

var (
	digestKey = temporal.NewSearchAttributeKeyKeyword("EcsrebootPlanDigest")
	groupKey  = temporal.NewSearchAttributeKeyKeyword("EcsrebootGroup")
)

// searchAttributes are those of a workflow of the run; group is empty but for that
// of an instance.
func (h runHead) searchAttributes(group string) temporal.SearchAttributes {
	return searchAttributes(h.SearchAttributes, h.Digest, group)
}

func searchAttributes(wanted bool, digest, group string) temporal.SearchAttributes {
	switch {
	case !wanted:
		return temporal.NewSearchAttributes()
	case group == "":
		return temporal.NewSearchAttributes(digestKey.ValueSet(digest))
	}
	return temporal.NewSearchAttributes(digestKey.ValueSet(digest), groupKey.ValueSet(group))
}

// askedTarget is when a target was asked for last.
type askedTarget struct {
	Index int   `json:"i"`
	Milli int64 `json:"at"`
	Told  bool  `json:"told,omitempty"` // its chunk has heard it
}

// ask asks a chunk to restart an instance. The number counts what is asked of it, so
// that nothing is done twice, and no answer is taken for another.
type ask struct {
	ID       string    `json:"id"`
	Number   int       `json:"n"`
	Attempts int       `json:"attempts,omitempty"` // that were before
	At       time.Time `json:"at"`
}

// command is what a run tells a chunk. It says what holds now, so that it may be
// given again.
type command struct {
	Key  string `json:"key"`
	Asks []ask  `json:"asks,omitempty"`
	// Hold is why nothing may be sent; what was not begun to be sent is taken back.
	Hold fleet.Reason `json:"hold,omitempty"`
	// Finish ends the chunk once nothing is under way.
	Finish bool `json:"finish,omitempty"`
	// Answer asks for a word in any case, and for all that is known of the asks that
	// are not under way: nothing was heard for long.
	Answer bool `json:"answer,omitempty"`
}

// hold takes back what a run has asked for. The workflow of an instance may be that of
// another run, which it is none of the business of.
type hold struct {
	Key    string       `json:"key"`
	Reason fleet.Reason `json:"reason"`
}

// word is what a chunk tells the run.
type word struct {
	Key     string   `json:"key"`
	Chunk   int      `json:"chunk"`
	From    string   `json:"from"` // the chunk's id
	Tidings []tiding `json:"tidings,omitempty"`
	// Throttled counts sends since the word before.
	Throttled int     `json:"throttled,omitempty"`
	Rate      float64 `json:"rate,omitempty"`
}

// tiding is an event of an instance, or of the run, and the number of the ask that it
// belongs to.
type tiding struct {
	fleet.Event

	Number int `json:"n,omitempty"`
}

// account is all that RebootOne knows of its instance so far.
type account struct {
	Key       string        `json:"key"`
	ID        string        `json:"id"`
	Number    int           `json:"n"`
	Events    []fleet.Event `json:"events"`
	Over      bool          `json:"over,omitempty"` // the last event is the end
	Throttled int           `json:"throttled,omitempty"`
	Rate      float64       `json:"rate,omitempty"`
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

// maxText bounds a text of an error in a history.
const maxText = 300

func shorten(text string) string {
	if len(text) <= maxText {
		return text
	}
	cut := maxText
	for cut > 0 && text[cut]&0xC0 == 0x80 { // in the middle of a character
		cut--
	}
	return text[:cut] + "…"
}
