package simdisk

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ecsreboot/ecsreboot/fleet/journal"
)

// Mount returns the file system as one machine sees it. After the next crash or kill, all
// of its operations fail with ErrDead: what the machine still does is lost.
func (d *Disk) Mount() journal.FS {
	d.mu.Lock()
	defer d.mu.Unlock()
	return mount{d, d.boot}
}

// mount is the file system until the boot has ended.
type mount struct {
	disk *Disk
	boot int
}

// begin asks for the operation and takes the mutex, which is the caller's unless there is
// an error.
func (m mount) begin(operation, name string) error {
	if err := m.disk.ask(operation, name); err != nil {
		return err
	}
	m.disk.mu.Lock()
	if m.boot != anyBoot && m.boot != m.disk.boot {
		m.disk.mu.Unlock()
		return ErrDead
	}
	return nil
}

func (m mount) OpenFile(name string, flag int, _ fs.FileMode) (journal.File, error) {
	if err := m.begin("open", name); err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	d := m.disk
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

func (m mount) Remove(name string) error {
	if err := m.begin("remove", name); err != nil {
		return err
	}
	defer m.disk.mu.Unlock()
	delete(m.disk.files, name)
	return nil
}

func (m mount) SyncDir(name string) error {
	if err := m.begin("sync dir", name); err != nil {
		return err
	}
	d := m.disk
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

func (m mount) Lock(name string) (io.Closer, error) {
	if err := m.begin("lock", name); err != nil {
		return nil, err
	}
	d := m.disk
	defer d.mu.Unlock()
	if d.locks[name] {
		return nil, journal.ErrLocked
	}
	d.locks[name] = true
	return heldLock{d, name, d.boot}, nil
}
