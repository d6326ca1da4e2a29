// Package simdisk is a disk in memory for the tests of what writes journals. It fails on
// demand, and loses in a crash what was not synced.
package simdisk

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/ecsreboot/ecsreboot/fleet/journal"
)

// Disk is a file system that fails on demand. A crash loses what was not synced: all of
// it, a part, or nothing.
type Disk struct {
	// Before is called before each operation. If it returns an error, the operation
	// fails with that error. If it is nil, no operation fails.
	Before func(operation, name string) error
	// Closing is called after a file is closed. If nil, each close succeeds.
	Closing func(name string) error
	// Partial is the share of a failing write that takes place: 0 to 1.
	Partial float64
	// Syncs and Writes count the calls of the files' methods.
	Syncs, Writes int

	mu      sync.Mutex
	files   map[string]*inode // as processes see them
	durable map[string]*inode // what of the directories was synced
	locks   map[string]bool
	boot    int // counts the crashes: what was opened before a crash is dead
}

type inode struct {
	content []byte // as processes see it
	durable []byte
	dirty   []change // what is not durable, in order
}

// change is a write, or a truncation if data is nil.
type change struct {
	offset int
	data   []byte
}

func (c change) apply(content []byte) []byte {
	if c.data == nil {
		return resize(content, c.offset)
	}
	content = resize(content, max(len(content), c.offset+len(c.data)))
	copy(content[c.offset:], c.data)
	return content
}

// resize changes the size; new bytes are zeros. The content has one owner.
func resize(content []byte, size int) []byte {
	if size <= len(content) {
		return content[:size:size]
	}
	return append(content, make([]byte, size-len(content))...)
}

// New returns an empty disk.
func New() *Disk {
	return &Disk{files: map[string]*inode{}, durable: map[string]*inode{}, locks: map[string]bool{}}
}

// The errors of a disk that fails.
var (
	ErrIO   = errors.New("input/output error")
	ErrFull = errors.New("no space left on device")
)

// ErrDead is the error of whatever a machine does that a crash has ended.
var ErrDead = errors.New("the machine is dead")

// ErrShort makes a write stop short without an error, against its contract.
var ErrShort = errors.New("short write")

func (d *Disk) ask(operation, name string) error {
	if d.Before == nil {
		return nil
	}
	return d.Before(operation, name)
}

// anyBoot is of who outlives crashes: the test itself.
const anyBoot = -1

// OpenFile is that of [journal.FS]. This and the following methods are for the test itself,
// which outlives crashes.
func (d *Disk) OpenFile(name string, flag int, perm fs.FileMode) (journal.File, error) {
	return mount{d, anyBoot}.OpenFile(name, flag, perm)
}

// Remove is that of [journal.FS].
func (d *Disk) Remove(name string) error { return mount{d, anyBoot}.Remove(name) }

// SyncDir is that of [journal.FS].
func (d *Disk) SyncDir(name string) error { return mount{d, anyBoot}.SyncDir(name) }

// Lock is that of [journal.FS].
func (d *Disk) Lock(name string) (io.Closer, error) { return mount{d, anyBoot}.Lock(name) }

type heldLock struct {
	disk *Disk
	name string
	boot int
}

func (l heldLock) Close() error {
	l.disk.mu.Lock()
	defer l.disk.mu.Unlock()
	if l.boot == l.disk.boot {
		delete(l.disk.locks, l.name)
	}
	return nil
}

// Crash ends all that is open, and leaves what happened to reach the disk.
func (d *Disk) Crash(random *rand.Rand) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.boot++
	clear(d.locks)
	files := make(map[string]*inode)
	for _, name := range slices.Sorted(maps.Keys(d.files)) { // the same each time
		if node := d.files[name]; d.durable[name] == node || random.IntN(2) == 0 {
			files[name] = node
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.durable)) { // removed, or so it seemed
		if d.files[name] == nil && random.IntN(2) == 0 {
			files[name] = d.durable[name]
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		files[name].lose(random)
	}
	d.files, d.durable = files, maps.Clone(files)
}

// Kill ends all that is open; the system keeps what was written.
func (d *Disk) Kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.boot++
	clear(d.locks)
}

func (n *inode) lose(random *rand.Rand) {
	content := slices.Clone(n.durable)
	switch random.IntN(4) {
	case 0: // nothing more
	case 1: // all
		for _, c := range n.dirty {
			content = c.apply(content)
		}
	case 2: // the beginning
		for _, c := range n.dirty[:random.IntN(len(n.dirty)+1)] {
			if random.IntN(2) == 0 {
				c.data = c.data[:random.IntN(len(c.data)+1):len(c.data)]
			}
			content = c.apply(content)
		}
	case 3: // some pages, of bytes or blocks; the size may be known before them
		page := 1 << random.IntN(8)
		for _, c := range n.dirty {
			if c.data == nil {
				if random.IntN(2) == 0 {
					content = c.apply(content)
				}
				continue
			}
			if random.IntN(2) == 0 {
				content = resize(content, max(len(content), c.offset+len(c.data)))
			}
			offset := c.offset
			for piece := range slices.Chunk(c.data, page) {
				if random.IntN(2) == 0 {
					content = change{offset, piece}.apply(content)
				}
				offset += len(piece)
			}
		}
	}
	n.content, n.durable, n.dirty = content, slices.Clone(content), nil
}

// Put makes a file that is durable.
func (d *Disk) Put(name string, content []byte) {
	node := &inode{content: slices.Clone(content), durable: slices.Clone(content)}
	d.files[name], d.durable[name] = node, node
}

// Content returns a copy of what processes see of a file; nil if there is none.
func (d *Disk) Content(name string) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if node := d.files[name]; node != nil {
		return append([]byte{}, node.content...)
	}
	return nil
}

// Durable returns a copy of what of a file survives any crash.
func (d *Disk) Durable(name string) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.files[name].durable)
}

// Locks returns the names of the locks that are taken, sorted.
func (d *Disk) Locks() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.locks))
}

// IsDurable reports whether what of a file survives any crash holds text.
func (d *Disk) IsDurable(name string, text []byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	node := d.files[name]
	return node != nil && bytes.Contains(node.durable, text)
}
