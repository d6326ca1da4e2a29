package fleet_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// journals holds the worlds against the real journal and its replay.
type journals struct {
	all     *plannings
	records map[note][]byte // encoded
	most    int             // how many journals are compared
	read    int             // how many were
}

func newJournals(all *plannings) *journals {
	return &journals{all: all, records: make(map[note][]byte), most: 1 << 60}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// file is the journal that has the entries, and half a line of the torn note.
func (j *journals) file(e *entry, torn note) []byte {
	var out []byte
	hash := sha256.New()
	seq, group := 0, 0
	line := func(record []byte) []byte {
		text := fmt.Appendf(nil, `{"seq":%d,"group":%d,"record":%s`, seq, group, record)
		return fmt.Appendf(text, ",\"crc\":\"%08x\"}\n", crc32.Checksum(text, castagnoli))
	}
	record := func(n note) []byte {
		if n.kind == fleet.EventResume {
			return n.encoded(&j.all.plan, &j.all.settings, hex.EncodeToString(hash.Sum(nil)))
		}
		text := j.records[n]
		if text == nil {
			text = n.encoded(&j.all.plan, &j.all.settings, "")
			j.records[n] = text
		}
		return text
	}
	out = append(out, line([]byte(`{"format":"journal","version":1}`))...)
	for _, e := range e.since() {
		if e.torn {
			text := line(record(e.note))
			out = append(out, text[:len(text)/2]...)
			continue
		}
		seq++
		if e.group && seq > 1 {
			group = seq
		}
		text := record(e.note)
		out = append(out, line(text)...)
		hash.Write(text)
		hash.Write([]byte("\n"))
	}
	if torn.kind != "" {
		seq++
		text := line(record(torn))
		out = append(out, text[:len(text)/2]...)
	}
	return out
}

// compare opens the real journal of a world, replays it as Resume does, and compares what
// the planner and the report know then with the world.
func (j *journals) compare(w *world, torn note) {
	e := w.durable
	if e.held && torn.kind == "" || j.read >= j.most {
		return
	}
	e.held = e.held || torn.kind == ""
	j.read++
	d := newDisk()
	text := j.file(e, torn)
	d.files["run.journal"] = &content{synced: text, written: slices.Clone(text)}
	records := 0
	for _, e := range e.since() {
		records += toInt(!e.torn)
	}
	planner, report, err := fleet.Reopen(d, "run.journal", j.all.plan, j.all.rules, records)
	if err != nil {
		w.breaks(readable, "%v", err)
		return
	}
	if d.locked["run.journal"] {
		w.breaks(readable, "the lock is kept")
	}
	if kept := d.files["run.journal"].synced; torn.kind != "" && !bytes.HasPrefix(text, kept) {
		w.breaks(readable, "the torn line is not cut")
	}
	if is := j.all.keep(planner, nil); is != w.replayed {
		w.breaks(replaysAlike, "the real replay comes to another state: %v, not %v", is.states, w.replayed.states)
	}
	for i, t := range j.all.plan.Targets {
		record, _ := report.Record(t.ID)
		state := w.replayed.states[i]
		mayCome := state == fleet.StateWaiting || state == fleet.StateRestarting || state == fleet.StateFailed
		if record.DownAt.IsZero() == w.machines[i].downSeen || record.State != state || record.NeverSent() != (mayCome && w.replayed.attempts[i] == 0) {
			w.breaks(replaysAlike, "the report has %s as %s, down at %v", t.ID, record.State, record.DownAt)
		}
	}
}
