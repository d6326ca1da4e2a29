package ecstemporal

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// The kinds by their numbers, which never change.
var packedKinds = []fleet.EventKind{
	"", fleet.EventRun, fleet.EventResume, fleet.EventStage, fleet.EventPause, fleet.EventContinue, fleet.EventStop, fleet.EventHalt,
	fleet.EventPace, fleet.EventEnd, fleet.EventIntent, fleet.EventAccepted, fleet.EventDoubt, fleet.EventHeld, fleet.EventUnsent,
	fleet.EventDown, fleet.EventUp, fleet.EventHealthy, fleet.EventFailed, fleet.EventUnknown, fleet.EventSkipped,
}

// What an event has beside its kind and time.
const (
	hasID = 1 << iota
	hasRequestID
	hasAttempt
	hasBefore
	hasProof
	hasReason
	hasCode
	hasError
	hasRest // of what is rare: JSON
	isUnavailable
	hasServiceTime // of the baseline
)

// packer appends events. Texts that come again are written once.
type packer struct {
	b     []byte
	index map[string]int
	words map[string]uint64
	ids   map[string]string // the last request id of an instance
	last  int64             // the time before, in milliseconds
}

func (p *packer) event(e *fleet.Event) {
	kind := slices.Index(packedKinds, e.Kind)
	rest := restOf(e)
	flags := flagIf(e.InstanceID != "", hasID) | flagIf(e.RequestID != "", hasRequestID) | flagIf(e.Attempt > 0, hasAttempt) |
		flagIf(e.Before != nil, hasBefore) | flagIf(e.Proof != "", hasProof) | flagIf(e.Reason != "", hasReason) |
		flagIf(e.Code != "", hasCode) | flagIf(e.Error != "", hasError) | flagIf(rest != nil, hasRest) | flagIf(e.Unavailable, isUnavailable) |
		flagIf(e.Before != nil && !e.Before.ServiceTime.IsZero(), hasServiceTime)
	p.count(max(kind, 0))
	p.uvarint(flags)
	at := e.At.UnixMilli()
	p.varint(at - p.last)
	p.last = at
	if e.InstanceID != "" {
		p.count(p.index[e.InstanceID])
	}
	if e.RequestID != "" {
		p.requestID(e.InstanceID, e.RequestID)
	}
	if e.Attempt > 0 {
		p.count(e.Attempt)
	}
	if e.Before != nil {
		p.baseline(e.Before, at)
	}
	for _, text := range []string{string(e.Proof), string(e.Reason), string(e.Code), e.Error} {
		if text != "" {
			p.word(text)
		}
	}
	if rest != nil {
		p.word(string(rest))
	}
}

func flagIf(set bool, value uint64) uint64 {
	if set {
		return value
	}
	return 0
}

// restOf is what events of instances do not have; nil if there is nothing.
func restOf(e *fleet.Event) []byte {
	rest := fleet.Event{Stage: e.Stage, Accepted: e.Accepted, Throttled: e.Throttled, Rate: e.Rate, Rules: e.Rules, Hooks: e.Hooks, Program: e.Program}
	if rest == (fleet.Event{}) {
		return nil
	}
	text, err := json.Marshal(rest)
	if err != nil {
		return nil // a rate that is no number
	}
	return text
}

func (p *packer) baseline(b *ecsreboot.Baseline, at int64) {
	p.word(string(b.Status))
	p.varint(startMinute(b.StartTime))
	p.varint(at - b.TakenAt.UnixMilli())
	p.count(len(b.Locks))
	for _, lock := range b.Locks {
		p.word(lock)
	}
	if !b.ServiceTime.IsZero() {
		p.varint(at/1000 - b.ServiceTime.Unix())
	}
}

// startMinute is a StartTime, which the service tells to the minute; 0 for none.
func startMinute(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix() / 60
}

func (p *packer) uvarint(n uint64) { p.b = binary.AppendUvarint(p.b, n) }
func (p *packer) count(n int)      { p.uvarint(uint64(n)) } //nolint:gosec // none is negative
func (p *packer) varint(n int64)   { p.b = binary.AppendVarint(p.b, n) }

// word writes a text: its number if it came before, and else the next number and
// the text.
func (p *packer) word(text string) {
	if n, ok := p.words[text]; ok {
		p.uvarint(n)
		return
	}
	n := uint64(len(p.words))
	p.words[text] = n
	p.uvarint(n)
	p.count(len(text))
	p.b = append(p.b, text...)
}

// The forms of a request id.
const (
	idText = iota
	idUpper
	idLower
	idSame // as that of the instance's event before
)

// requestID writes one: 16 bytes if it is the usual UUID.
func (p *packer) requestID(instance, id string) {
	if p.ids[instance] == id {
		p.b = append(p.b, idSame)
		return
	}
	p.ids[instance] = id
	raw, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	form := byte(idText)
	if err == nil && len(raw) == 16 {
		switch id {
		case uuid(raw):
			form = idLower
		case strings.ToUpper(uuid(raw)):
			form = idUpper
		}
	}
	p.b = append(p.b, form)
	if form == idText {
		p.word(id)
		return
	}
	p.b = append(p.b, raw...)
}

func uuid(raw []byte) string {
	h := hex.EncodeToString(raw)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
