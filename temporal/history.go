package ecstemporal

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// A packed history is a plan and the events of a run: lines of JSON in gzip, the first
// line the plan. A run hands it over when it continues as new, and returns it at the
// end. To append events, more gzip is appended, so that continuing as new costs as much
// as the execution that ends has events, not as much as the whole run.

const (
	// maxPacked leaves some room below 2 MB, above which servers refuse a payload.
	maxPacked = 1_800_000
	// eventRoom is how many bytes of maxPacked an instance may take besides the plan:
	// TestPackedSize measures 69, and each time that it is held back takes 10 more.
	eventRoom = 85
	// maxUnpacked limits what a packed history may expand to.
	maxUnpacked = 256 << 20
)

// packedEvent is an event with a short time and instance ID, which hide those of the
// event itself.
type packedEvent struct {
	fleet.Event

	Milli int64 `json:"at"`           // since 1970
	Index int   `json:"id,omitempty"` // in the plan, from 1; 0 for an event of the run
}

// packPlan packs the history of a run that has not begun. It refuses a plan whose
// history would become too large.
func packPlan(plan fleet.Plan) ([]byte, error) {
	packed := appendLines(nil, plan)
	if size := len(packed) + eventRoom*len(plan.Targets); size > maxPacked {
		return nil, input("Plan", fmt.Sprintf("of %d targets is too large for one run: its history would take some %d kB of the %d kB that a Temporal server accepts; split it into several plans",
			len(plan.Targets), size/1000, maxPacked/1000))
	}
	return packed, nil
}

// packEvents appends events to a packed history. index says where in the plan an
// instance is. Without room for everything, the error texts of instances are left out:
// a server would end a run whose history is too large, and its report would be lost.
func packEvents(packed []byte, events []fleet.Event, index map[string]int) []byte {
	var lines []any
	for _, e := range events {
		if e.Before != nil { // which has the ID once more
			e.Before = new(*e.Before)
			e.Before.InstanceID = ""
		}
		short := packedEvent{Event: e, Milli: e.At.UnixMilli()}
		if e.InstanceID != "" {
			short.Index = index[e.InstanceID] + 1
		}
		lines = append(lines, &short)
	}
	all := appendLines(packed, lines...)
	if len(all) <= maxPacked {
		return all
	}
	for _, line := range lines {
		if short := line.(*packedEvent); short.Index > 0 { //nolint:forcetypeassert // from above
			short.Error = ""
		}
	}
	return appendLines(packed, lines...)
}

func appendLines(packed []byte, lines ...any) []byte {
	compressed := bytes.NewBuffer(bytes.Clone(packed))
	w := gzip.NewWriter(compressed)
	encoder := json.NewEncoder(w)
	for _, line := range lines {
		// A rate that is no number is all that JSON cannot hold.
		_ = encoder.Encode(line)
	}
	_ = w.Close() // writing to memory does not fail
	return compressed.Bytes()
}

// unpackHistory returns the history that was packed. It accepts any input.
func unpackHistory(packed []byte) (*fleet.History, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("not a packed history: %w", err)
	}
	decoder := json.NewDecoder(io.LimitReader(r, maxUnpacked))
	history := new(fleet.History)
	if err := decoder.Decode(&history.Plan); err != nil {
		return nil, fmt.Errorf("invalid plan: %w", err)
	}
	for {
		var short packedEvent
		if err := decoder.Decode(&short); errors.Is(err, io.EOF) {
			return history, nil
		} else if err != nil {
			return nil, fmt.Errorf("invalid event %d: %w", len(history.Events), err)
		}
		e := short.Event
		e.At = milli(short.Milli)
		switch {
		case short.Index < 0, short.Index > len(history.Plan.Targets):
			return nil, fmt.Errorf("event %d is of instance %d, and the plan has %d", len(history.Events), short.Index, len(history.Plan.Targets))
		case short.Index > 0:
			e.InstanceID = history.Plan.Targets[short.Index-1].ID
		}
		if e.Before != nil {
			e.Before.InstanceID = e.InstanceID
		}
		history.Events = append(history.Events, e)
	}
}
