package ecstemporal

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// A packed history is a plan and the events of a run: lines of JSON in gzip, the first
// line the plan. A run hands it over when it continues as new, and returns it at the
// end. To append events, more gzip is appended, so that continuing as new costs as much
// as the execution that ends has events, not as much as the whole run.

const (
	// maxPacked leaves some room below 2 MB, above which servers refuse a payload.
	maxPacked = 1_800_000
	// eventRoom is how many bytes of maxPacked the events of an instance may take:
	// TestPackedSize measures 101, and each time that it is held back takes some 10 more.
	eventRoom = 110
	// hookRoom is the same for each hook that is called for every instance:
	// TestPackedSize measures 17.
	hookRoom = 20
	// maxUnpacked limits what a packed history may expand to.
	maxUnpacked = 256 << 20
)

// packPlan packs the history of a run that has not begun. It refuses a plan whose
// history would become too large.
func packPlan(plan fleet.Plan, s Settings) ([]byte, error) {
	packed := appendLines(nil, plan)
	if size := len(packed) + s.eventRoom()*len(plan.Targets); size > maxPacked {
		return nil, input("Plan", fmt.Sprintf("of %d targets is too large for one run: its history would take some %d kB of the %d kB that a Temporal server accepts; split it into several plans",
			len(plan.Targets), size/1000, maxPacked/1000))
	}
	return packed, nil
}

// eventRoom is how many bytes of maxPacked the events of an instance may take.
func (s Settings) eventRoom() int {
	room := eventRoom
	for _, called := range []bool{s.Drain, s.Undrain} {
		if called {
			room += hookRoom
		}
	}
	return room
}

// packEvents appends events to a packed history. Without room for everything, the error
// texts of instances are left out: a server would end a run whose history is too large,
// and its report would be lost.
func packEvents(packed []byte, events []fleet.Event) []byte {
	if all := appendLines(packed, events...); len(all) <= maxPacked {
		return all
	}
	short := slices.Clone(events)
	for i := range short {
		if short[i].InstanceID != "" {
			short[i].Error = ""
		}
	}
	return appendLines(packed, short...)
}

func appendLines[T any](packed []byte, lines ...T) []byte {
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
		var e fleet.Event
		if err := decoder.Decode(&e); errors.Is(err, io.EOF) {
			return history, nil
		} else if err != nil {
			return nil, fmt.Errorf("invalid event %d: %w", len(history.Events), err)
		}
		history.Events = append(history.Events, e)
	}
}
