package journal_test

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/ecsreboot/ecsreboot/fleet/journal"
)

// disk is a file system that fails on demand, and forgets in a crash what was not
// synced: wholly, in part, or not at all.
type disk struct {
	// before is asked before each operation, without the mutex: an error is what
	// the operation comes to.
	before  func(operation, name string) error
	closing func(name string) error // after a file is closed; nil: it succeeds
	// partial is how much of a failing write takes place: 0 to 1.
	partial float64

	mu      sync.Mutex
	files   map[string]*inode // as processes see them
	durable map[string]*inode // what of the directories was synced
	locks   map[string]bool
	boot    int // of which what is open is: a crash ends it
	syncs   int
	writes  int
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

// resize returns a copy, filled up with zeros.
func resize(content []byte, size int) []byte {
	resized := make([]byte, size)
	copy(resized, content)
	return resized
}

func newDisk() *disk {
	return &disk{files: map[string]*inode{}, durable: map[string]*inode{}, locks: map[string]bool{}}
}

var (
	errIO   = errors.New("input/output error")
	errFull = errors.New("no space left on device")
)

// errShort makes a write stop short without an error, against its contract.
var errShort = errors.New("short write")

func (d *disk) ask(operation, name string) error {
	if d.before == nil {
		return nil
	}
	return d.before(operation, name)
}

func (d *disk) OpenFile(name string, flag int, _ fs.FileMode) (journal.File, error) {
	if err := d.ask("open", name); err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	node := d.files[name]
	switch {
	case node == nil && flag&os.O_CREATE == 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case node != nil && flag&os.O_EXCL != 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrExist}
	case node == nil:
		node = &inode{}
		d.files[name] = node
	}
	return &handle{disk: d, inode: node, name: name, boot: d.boot, writable: flag&os.O_RDWR != 0}, nil
}

func (d *disk) Remove(name string) error {
	if err := d.ask("remove", name); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.files, name)
	return nil
}

func (d *disk) SyncDir(name string) error {
	if err := d.ask("sync dir", name); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for file, node := range d.files {
		if filepath.Dir(file) == name {
			d.durable[file] = node
		}
	}
	for file := range d.durable {
		if filepath.Dir(file) == name && d.files[file] == nil {
			delete(d.durable, file)
		}
	}
	return nil
}

func (d *disk) Lock(name string) (io.Closer, error) {
	if err := d.ask("lock", name); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.locks[name] {
		return nil, journal.ErrLocked
	}
	d.locks[name] = true
	return heldLock{d, name, d.boot}, nil
}

type heldLock struct {
	disk *disk
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

// crash ends all that is open, and leaves what happened to reach the disk.
func (d *disk) crash(random *rand.Rand) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.boot++
	clear(d.locks)
	files := make(map[string]*inode)
	for name, node := range d.files {
		if d.durable[name] == node || random.IntN(2) == 0 {
			files[name] = node
		}
	}
	for name, node := range d.durable { // removed, or so it seemed
		if d.files[name] == nil && random.IntN(2) == 0 {
			files[name] = node
		}
	}
	for _, node := range files {
		node.crash(random)
	}
	d.files, d.durable = files, maps.Clone(files)
}

// kill ends all that is open; the system keeps what was written.
func (d *disk) kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.boot++
	clear(d.locks)
}

func (n *inode) crash(random *rand.Rand) {
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

// put makes a file that is durable.
func (d *disk) put(name string, content []byte) {
	node := &inode{content: slices.Clone(content), durable: slices.Clone(content)}
	d.files[name], d.durable[name] = node, node
}

func (d *disk) content(name string) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if node := d.files[name]; node != nil {
		return append([]byte{}, node.content...)
	}
	return nil
}
