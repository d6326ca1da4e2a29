package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Why a journal takes no more records.
var (
	// ErrFailed means that writing failed, now or before; the error also wraps the
	// cause. The journal never retries: after a failed sync, the system may have
	// dropped the data. Records that were not acknowledged may or may not be in the
	// file; reopen the journal with [Open] to see which are.
	ErrFailed = errors.New(prefix + "failed")
	// ErrClosed means that the journal was closed.
	ErrClosed = errors.New(prefix + "closed")
)

// writeDelay is how long a record of [Journal.Write] waits for others to become
// durable with.
const writeDelay = 50 * time.Millisecond

// Journal is a journal that is open for appending. Its methods are safe for
// concurrent use.
type Journal struct {
	file File
	lock io.Closer
	turn chan struct{} // holds an element while a group is written
	size int64         // of the file; of whoever has the turn

	mu     sync.Mutex // never held across a wait or a write
	next   uint64     // the seq of the next line
	latest *group     // the one that was queued last
	failed error
	closed bool
}

// group is lines that become durable at once.
type group struct {
	seq   uint64 // of its first line
	lines []byte
	taken bool          // is being written: no line may join
	timed bool          // will be written without being waited for
	done  chan struct{} // closed when it is durable or err is set
	err   error
}

func newJournal(file File, lock io.Closer, next uint64, size int64) *Journal {
	return &Journal{file: file, lock: lock, turn: make(chan struct{}, 1), next: next, size: size}
}

// Append adds a record, which is anything that encodes as JSON, and returns once
// the record is durable. Calls at the same time share the cost. If Append fails, the
// record may or may not be in the journal. Unless the error comes from encoding the
// record, all later calls fail too.
func (j *Journal) Append(record any) error {
	encoded, err := encodeRecord(record)
	if err != nil {
		return err
	}
	j.mu.Lock()
	if err := j.refuse(); err != nil {
		j.mu.Unlock()
		return err
	}
	g := j.queue(encoded)
	j.mu.Unlock()
	return j.commit(g)
}

// Write adds a record and does not wait for the disk. The record becomes durable with
// the next Append, Sync or Close, or else after a moment. If writing the record fails,
// the next call returns the error. Pending records are kept in memory, without a
// limit.
func (j *Journal) Write(record any) error {
	encoded, err := encodeRecord(record)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.refuse(); err != nil {
		return err
	}
	g := j.queue(encoded)
	if !g.timed {
		g.timed = true
		// The group keeps the error, and the journal too.
		time.AfterFunc(writeDelay, func() { _ = j.commit(g) })
	}
	return nil
}

// Sync returns once all records added before the call are durable.
func (j *Journal) Sync() error {
	j.mu.Lock()
	g, err := j.latest, j.refuse()
	j.mu.Unlock()
	if err != nil || g == nil {
		return err
	}
	return j.commit(g)
}

// Close makes all added records durable, closes the file and releases the lock. If
// the journal failed at any time, Close returns that error.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return ErrClosed
	}
	j.closed = true
	g, err := j.latest, j.failed
	j.mu.Unlock()
	if g != nil {
		err = j.commit(g)
	}
	j.turn <- struct{}{} // for good: nobody uses the file any more
	return errors.Join(err, wrap(j.file.Close()), wrap(j.lock.Close()))
}

// Err returns why the journal failed, or nil if it has not failed.
func (j *Journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failed
}

// refuse returns why the journal takes no record, or nil; the caller holds the mutex.
func (j *Journal) refuse() error {
	if j.closed {
		return ErrClosed
	}
	return j.failed
}

// queue gives a record its place; the caller holds the mutex.
func (j *Journal) queue(record json.RawMessage) *group {
	g := j.latest
	if g == nil || g.taken {
		g = &group{seq: j.next, done: make(chan struct{})}
		j.latest = g
	}
	g.lines = line{seq: j.next, group: g.seq, record: record}.appendTo(g.lines)
	j.next++
	return g
}

// commit returns once the group is durable. The first waiting goroutine that gets the
// turn writes the group; during that write, new records join the next group.
func (j *Journal) commit(g *group) error {
	select {
	case <-g.done:
		return g.err
	case j.turn <- struct{}{}:
	}
	defer func() { <-j.turn }()
	select {
	case <-g.done:
		return g.err
	default:
	}
	// The groups before are done, as they were waited for or not: none is queued
	// until the one before is taken, and who takes one has the turn until it is done.
	j.mu.Lock()
	g.taken = true
	err := j.failed
	j.mu.Unlock()
	if err == nil {
		err = j.write(g.lines)
	}
	g.lines = nil
	if err != nil {
		j.mu.Lock()
		if j.failed == nil {
			j.failed = fmt.Errorf("%w: %w", ErrFailed, err)
		}
		err = j.failed
		j.mu.Unlock()
	}
	g.err = err
	close(g.done)
	return err
}

// write makes lines durable; the caller has the turn.
func (j *Journal) write(lines []byte) error {
	if err := writeSynced(j.file, lines, j.size); err != nil {
		return err
	}
	j.size += int64(len(lines))
	return nil
}

// writeSynced returns once all that it writes is durable.
func writeSynced(file File, data []byte, at int64) error {
	n, err := file.WriteAt(data, at)
	if err != nil {
		return err
	}
	if n < len(data) {
		return io.ErrShortWrite
	}
	return file.Sync()
}
