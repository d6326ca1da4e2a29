package ecstemporal

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// unpacker reads what packer has written. After an error it reads nothing more.
type unpacker struct {
	b     []byte
	plan  fleet.Plan
	words []string
	ids   map[string]string
	last  int64
	err   error
}

func (u *unpacker) event(e *fleet.Event) {
	kind, flags := u.uvarint(), u.uvarint()
	if kind >= uint64(len(packedKinds)) {
		u.fail(errors.New("its kind is not known"))
		return
	}
	e.Kind = packedKinds[kind]
	u.last += u.varint()
	e.At = milli(u.last)
	e.Unavailable = flags&isUnavailable != 0
	if flags&hasID != 0 {
		e.InstanceID = u.instanceID()
	}
	if flags&hasRequestID != 0 {
		e.RequestID = u.requestID(e.InstanceID)
		u.ids[e.InstanceID] = e.RequestID
	}
	if flags&hasAttempt != 0 {
		e.Attempt = int(min(u.uvarint(), math.MaxInt32))
	}
	if flags&hasBefore != 0 {
		e.Before = u.baseline(e.InstanceID)
		if flags&hasServiceTime != 0 {
			e.Before.ServiceTime = time.Unix(u.last/1000-u.varint(), 0).UTC()
		}
	}
	text := func(flag uint64) string {
		if flags&flag == 0 {
			return ""
		}
		return u.word()
	}
	e.Proof, e.Reason, e.Code, e.Error = ecsreboot.Proof(text(hasProof)), fleet.Reason(text(hasReason)), ecsreboot.ErrorCode(text(hasCode)), text(hasError)
	if flags&hasRest != 0 {
		u.rest(e)
	}
}

func (u *unpacker) rest(e *fleet.Event) {
	var rest fleet.Event
	if err := json.Unmarshal([]byte(u.word()), &rest); err != nil {
		u.fail(err)
		return
	}
	e.Stage, e.Accepted, e.Throttled, e.Rate, e.Rules, e.Hooks, e.Program =
		rest.Stage, rest.Accepted, rest.Throttled, rest.Rate, rest.Rules, rest.Hooks, rest.Program
}

func (u *unpacker) instanceID() string {
	i := u.uvarint()
	if i >= uint64(len(u.plan.Targets)) {
		u.fail(errors.New("it is of no instance of the plan"))
		return ""
	}
	return u.plan.Targets[i].ID
}

func (u *unpacker) baseline(id string) *ecsreboot.Baseline {
	b := &ecsreboot.Baseline{InstanceID: id, Status: ecsreboot.Status(u.word())}
	if minute := u.varint(); minute != 0 {
		b.StartTime = time.Unix(minute*60, 0).UTC()
	}
	b.TakenAt = milli(u.last - u.varint())
	for range min(u.uvarint(), uint64(len(u.b))) {
		b.Locks = append(b.Locks, u.word())
	}
	return b
}

func (u *unpacker) requestID(instance string) string {
	switch form := u.take(1); {
	case u.err != nil:
		return ""
	case form[0] == idText:
		return u.word()
	case form[0] == idLower:
		return uuid(u.take(16))
	case form[0] == idSame:
		return u.ids[instance]
	default:
		return strings.ToUpper(uuid(u.take(16)))
	}
}

func (u *unpacker) word() string {
	n := u.uvarint()
	switch {
	case n < uint64(len(u.words)):
		return u.words[n]
	case n > uint64(len(u.words)):
		u.fail(errors.New("a text is missing"))
		return ""
	}
	size := u.uvarint()
	if size > uint64(len(u.b)) {
		u.fail(errShort)
		return ""
	}
	text := string(u.take(int(size))) //nolint:gosec // bounded
	u.words = append(u.words, text)
	return text
}

// take returns the next n bytes; zeros if there are fewer.
func (u *unpacker) take(n int) []byte {
	if n > len(u.b) {
		u.fail(errShort)
		return make([]byte, n)
	}
	taken := u.b[:n]
	u.b = u.b[n:]
	return taken
}

func (u *unpacker) uvarint() uint64 {
	v, n := binary.Uvarint(u.b)
	if n <= 0 {
		u.fail(errShort)
		return 0
	}
	u.b = u.b[n:]
	return v
}

func (u *unpacker) varint() int64 {
	v, n := binary.Varint(u.b)
	if n <= 0 {
		u.fail(errShort)
		return 0
	}
	u.b = u.b[n:]
	return v
}

func (u *unpacker) fail(err error) {
	if u.err == nil {
		u.err, u.b = err, nil
	}
}

// milli is a time that was told in milliseconds.
func milli(n int64) time.Time { return time.UnixMilli(n).UTC() }
