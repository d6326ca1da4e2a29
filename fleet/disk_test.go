package fleet_test

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"sync"

	"github.com/ecsreboot/ecsreboot/fleet/journal"
)

// disk is a file system in memory that fails, and forgets what was not synced when
// the machine dies.
type disk struct {
	mu     sync.Mutex
	files  map[string]*content
	locked map[string]bool
	ops    int   // writes, syncs and the like so far
	failAt int   // the operation that fails, counted from 1; 0: none
	failAs error // how it fails
	short  bool  // a write that fails has written half of it
	dead   bool
}

type content struct {
	synced, written []byte
}

var errDead = errors.New("the machine is dead")

func newDisk() *disk { return &disk{files: make(map[string]*content), locked: make(map[string]bool)} }

// kill makes all operations fail from now on, and returns the disk as the next boot
// finds it: with what was synced, and some of what was not.
func (d *disk) kill(r *rand.Rand) *disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = true
	next := newDisk()
	for name, c := range d.files {
		kept := c.synced
		if more := len(c.written) - len(c.synced); more > 0 {
			kept = append([]byte(nil), c.written[:len(c.synced)+r.IntN(more+1)]...)
		}
		next.files[name] = &content{synced: kept, written: append([]byte(nil), kept...)}
	}
	return next
}

// operate counts an operation and says whether it fails; the mutex is held.
func (d *disk) operate() error {
	d.ops++
	switch {
	case d.dead:
		return errDead
	case d.ops == d.failAt:
		return d.failAs
	}
	return nil
}

func (d *disk) OpenFile(name string, flag int, _ fs.FileMode) (journal.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.operate(); err != nil {
		return nil, err
	}
	c := d.files[name]
	switch {
	case c == nil && flag&os.O_CREATE == 0:
		return nil, fs.ErrNotExist
	case c != nil && flag&os.O_EXCL != 0:
		return nil, fs.ErrExist
	case c == nil:
		c = new(content)
		d.files[name] = c
	}
	return &file{disk: d, content: c}, nil
}

func (d *disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.operate(); err != nil {
		return err
	}
	delete(d.files, name)
	return nil
}

func (d *disk) SyncDir(string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.operate()
}

func (d *disk) Lock(name string) (io.Closer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.operate(); err != nil {
		return nil, err
	}
	if d.locked[name] {
		return nil, journal.ErrLocked
	}
	d.locked[name] = true
	return unlock{d, name}, nil
}

type unlock struct {
	disk *disk
	name string
}

func (u unlock) Close() error {
	u.disk.mu.Lock()
	defer u.disk.mu.Unlock()
	delete(u.disk.locked, u.name)
	return nil
}

type file struct {
	disk    *disk
	content *content
	read    int
}

func (f *file) Read(p []byte) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.operate(); err != nil {
		return 0, err
	}
	if f.read >= len(f.content.written) {
		return 0, io.EOF
	}
	n := copy(p, f.content.written[f.read:])
	f.read += n
	return n, nil
}

func (f *file) WriteAt(p []byte, at int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.dead {
		return 0, errDead
	}
	n := len(p)
	err := f.disk.operate()
	if err != nil {
		n = 0
		if f.disk.short {
			n = len(p) / 2
		}
	}
	f.content.written = append(f.content.written[:at:at], p[:n]...)
	return n, err
}

func (f *file) Truncate(size int64) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.operate(); err != nil {
		return err
	}
	f.content.written = f.content.written[:size:size]
	return nil
}

func (f *file) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.operate(); err != nil {
		return err
	}
	f.content.synced = append([]byte(nil), f.content.written...)
	return nil
}

func (f *file) Close() error { return nil }
