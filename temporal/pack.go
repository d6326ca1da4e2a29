package ecstemporal

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// A run is packed into one binary payload: its plan, compressed once for all, and
// its events. It is what a run hands over when it continues as new, what it returns
// in the end, and what a report is made of. Servers refuse payloads above 2 MB.
//
//	version, 1 byte
//	length of the plan, uvarint; the plan, JSON in gzip
//	in gzip: the number of events, uvarint; the events, as packer.event has them

const (
	packVersion = 1
	// maxPacked leaves some room below the server's limit.
	maxPacked = 1_900_000
	// eventRoom is how much of maxPacked the events of an instance may take: one that
	// restarts at the first try takes 40 bytes.
	eventRoom = 52
	// maxUnpacked bounds what a packed plan may become.
	maxUnpacked = 64 << 20
)

// packPlan packs a run that has not begun. It refuses a plan for whose run there
// would be no room later.
func packPlan(plan fleet.Plan) ([]byte, error) {
	text, err := json.Marshal(plan)
	if err != nil {
		return nil, err
	}
	compressed := compress(text, gzip.BestCompression)
	if size := len(compressed) + eventRoom*len(plan.Targets); size > maxPacked {
		return nil, input("Plan", fmt.Sprintf("of %d targets is too large for one run: it would grow to some %d kB, and the server takes %d kB; make several plans of it",
			len(plan.Targets), size/1000, maxPacked/1000))
	}
	return packRun(compressed, nil, nil), nil
}

// packRun packs a run. Index says where in the plan an instance is. If there is no room
// for all, the texts of errors are left out: a run whose size the server refuses would
// be ended, and its report lost.
func packRun(plan []byte, events []fleet.Event, index map[string]int) []byte {
	packed := packAll(plan, events, index)
	if len(packed) <= maxPacked {
		return packed
	}
	events = slices.Clone(events)
	for i := range events {
		if events[i].InstanceID != "" {
			events[i].Error = ""
		}
	}
	return packAll(plan, events, index)
}

func packAll(plan []byte, events []fleet.Event, index map[string]int) []byte {
	p := packer{
		b:     make([]byte, 0, 16*len(events)),
		index: index, words: make(map[string]uint64), ids: make(map[string]string),
	}
	p.count(len(events))
	for i := range events {
		p.event(&events[i])
	}
	packed := binary.AppendUvarint([]byte{packVersion}, uint64(len(plan)))
	packed = append(packed, plan...)
	return append(packed, compress(p.b, gzip.BestSpeed)...)
}

// unpackRun returns what packRun has packed. It takes anything for input.
func unpackRun(packed []byte) (*fleet.History, error) {
	plan, events, err := splitRun(packed)
	if err != nil {
		return nil, err
	}
	text, err := decompress(plan)
	if err != nil {
		return nil, fmt.Errorf("the plan cannot be read: %w", err)
	}
	history := new(fleet.History)
	if err := json.Unmarshal(text, &history.Plan); err != nil {
		return nil, fmt.Errorf("the plan is no plan: %w", err)
	}
	u := unpacker{plan: history.Plan, ids: make(map[string]string)}
	if u.b, err = decompress(events); err != nil {
		return nil, fmt.Errorf("the events cannot be read: %w", err)
	}
	n := u.uvarint()
	if u.err != nil || n > uint64(len(u.b)) {
		return nil, errShort
	}
	history.Events = make([]fleet.Event, n)
	for i := range history.Events {
		u.event(&history.Events[i])
		if u.err != nil {
			return nil, fmt.Errorf("event %d: %w", i, u.err)
		}
	}
	if len(u.b) > 0 {
		return nil, errors.New("there is something behind the events")
	}
	return history, nil
}

// compress puts bytes into gzip.
func compress(b []byte, level int) []byte {
	var compressed bytes.Buffer
	w, err := gzip.NewWriterLevel(&compressed, level)
	if err != nil {
		panic(err) // a level that there is not
	}
	// Nothing written to memory fails.
	_, _ = w.Write(b)
	_ = w.Close()
	return compressed.Bytes()
}

func decompress(b []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(r, maxUnpacked+1))
	if err == nil && len(text) > maxUnpacked {
		err = errors.New("it is too long")
	}
	return text, err
}

// splitRun returns the packed plan, and the packed events.
func splitRun(packed []byte) (plan, events []byte, err error) {
	if len(packed) == 0 || packed[0] != packVersion {
		return nil, nil, errors.New("it is not packed by this version")
	}
	size, n := binary.Uvarint(packed[1:])
	if n <= 0 || size > uint64(len(packed)-1-n) { //nolint:gosec // not negative: n bytes were read
		return nil, nil, errShort
	}
	rest := packed[1+n:]
	return rest[:size], rest[size:], nil
}

var errShort = errors.New("it is cut short")
