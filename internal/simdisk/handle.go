package simdisk

import (
	"errors"
	"io"
	"io/fs"
	"slices"
)

// handle is an open file of a disk.
type handle struct {
	disk     *Disk
	inode    *inode
	name     string
	boot     int
	writable bool
	offset   int
	closed   bool
}

// begin asks for the operation and takes the mutex, which is the caller's unless
// there is an error that is not of before.
func (h *handle) begin(operation string) (asked, err error) {
	asked = h.disk.ask(operation, h.name)
	h.disk.mu.Lock()
	if h.boot != h.disk.boot || h.closed {
		h.disk.mu.Unlock()
		return nil, fs.ErrClosed
	}
	if operation != "read" && !h.writable {
		h.disk.mu.Unlock()
		return nil, fs.ErrPermission
	}
	return asked, nil
}

func (h *handle) Read(p []byte) (int, error) {
	asked, err := h.begin("read")
	if err != nil {
		return 0, err
	}
	defer h.disk.mu.Unlock()
	if asked != nil {
		return 0, asked
	}
	if h.offset >= len(h.inode.content) {
		return 0, io.EOF
	}
	n := copy(p, h.inode.content[h.offset:])
	h.offset += n
	return n, nil
}

func (h *handle) WriteAt(p []byte, offset int64) (int, error) {
	asked, err := h.begin("write")
	if err != nil {
		return 0, err
	}
	defer h.disk.mu.Unlock()
	h.disk.Writes++
	if asked != nil {
		p = p[:min(int(float64(len(p))*h.disk.Partial), max(0, len(p)-1))]
	}
	if len(p) > 0 {
		c := change{int(offset), slices.Clone(p)}
		h.inode.content = c.apply(h.inode.content)
		h.inode.dirty = append(h.inode.dirty, c)
	}
	if errors.Is(asked, ErrShort) {
		asked = nil
	}
	return len(p), asked
}

func (h *handle) Truncate(size int64) error {
	asked, err := h.begin("truncate")
	if err != nil {
		return err
	}
	defer h.disk.mu.Unlock()
	if asked != nil {
		return asked
	}
	c := change{offset: int(size)}
	h.inode.content = c.apply(h.inode.content)
	h.inode.dirty = append(h.inode.dirty, c)
	return nil
}

// Sync that fails leaves what was written where processes see it, and takes it for
// clean: a later Sync does not try again. So does Linux.
func (h *handle) Sync() error {
	asked, err := h.begin("sync")
	if err != nil {
		return err
	}
	defer h.disk.mu.Unlock()
	h.disk.Syncs++
	if asked != nil {
		h.inode.dirty = slices.DeleteFunc(h.inode.dirty, func(c change) bool { return c.data != nil })
		return asked
	}
	for _, c := range h.inode.dirty {
		h.inode.durable = c.apply(h.inode.durable)
	}
	h.inode.dirty = nil
	return nil
}

func (h *handle) Close() error {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	h.closed = true
	if h.disk.Closing != nil {
		return h.disk.Closing(h.name)
	}
	return nil
}
