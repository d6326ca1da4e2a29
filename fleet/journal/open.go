package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	prefix     = "journal: "
	lockSuffix = ".lock"
	tornSuffix = ".torn"
	filePerm   = 0o600
)

// Why a journal cannot be opened or read.
var (
	// ErrLocked means that another process, or another Journal, writes the journal.
	ErrLocked = errors.New(prefix + "in use")
	// ErrCorrupt means that records were changed, lost or inserted, other than by a
	// crash. The text of the error says where.
	ErrCorrupt = errors.New(prefix + "corrupt")
	// ErrVersion means that the journal has another version of the format.
	ErrVersion = errors.New(prefix + "unknown version of the format")
	// ErrNoRecords means that the file does not even hold the first record: its
	// creation was cut short, or the file is no journal. If its creation was cut
	// short, the file may be removed.
	ErrNoRecords = errors.New(prefix + "holds no record")
)

// Options configures a journal. Programs use the zero value; only tests set fields.
type Options struct {
	// FS is the file system of the journal; nil selects that of the operating system.
	FS FS
}

func (o Options) fs() FS {
	if o.FS == nil {
		return osFS{}
	}
	return o.FS
}

// Create begins a journal with its first record, which is durable when Create
// returns. If the file exists, the error is [fs.ErrExist]; if the journal is in use,
// the error is [ErrLocked]. If Create fails, it leaves no new file, unless removing
// the file fails as well.
func Create(path string, first any, options Options) (*Journal, error) {
	record, err := encodeRecord(first)
	if err != nil {
		return nil, err
	}
	fsys := options.fs()
	// Looked at first, so that no lock file is left beside what is no journal.
	if file, err := fsys.OpenFile(path, os.O_RDONLY, 0); err == nil {
		return nil, errors.Join(wrap(&fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}), file.Close())
	}
	lock, err := takeLock(fsys, path)
	if err != nil {
		return nil, err
	}
	file, err := fsys.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, filePerm)
	if err != nil {
		return nil, errors.Join(wrap(err), lock.Close())
	}
	j := newJournal(file, lock, 0, 0)
	j.queue(json.RawMessage(header))
	j.queue(record)
	err = j.Sync()
	if err == nil {
		err = wrap(fsys.SyncDir(filepath.Dir(path)))
	}
	if err != nil {
		// The lock goes last: until then nobody else begins a file of that name.
		return nil, errors.Join(err, file.Close(), fsys.Remove(path), lock.Close())
	}
	return j, nil
}

// Open opens an existing journal for appending: it takes the lock, checks the journal,
// makes its records durable and returns them. Open appends a torn tail to a
// second file, which has the name of the journal with ".torn" at its end, and then cuts
// the tail off the journal.
//
// The error is [ErrLocked], [ErrCorrupt], [ErrVersion], [ErrNoRecords] or that of the
// file system. If Open fails, it leaves the records unchanged; a later Open still finds
// them.
func Open(path string, options Options) (*Journal, *Contents, error) {
	fsys := options.fs()
	// As in Create.
	if file, err := fsys.OpenFile(path, os.O_RDONLY, 0); err != nil {
		return nil, nil, wrap(err)
	} else if err := file.Close(); err != nil {
		return nil, nil, wrap(err)
	}
	lock, err := takeLock(fsys, path)
	if err != nil {
		return nil, nil, err
	}
	file, err := fsys.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, errors.Join(wrap(err), lock.Close())
	}
	found, contents, err := restore(fsys, file, path)
	if err != nil {
		return nil, nil, errors.Join(err, file.Close(), lock.Close())
	}
	return newJournal(file, lock, found.next, int64(found.size)), contents, nil
}

// restore checks the file and leaves it durable without its torn tail.
func restore(fsys FS, file File, path string) (*scan, *Contents, error) {
	data, err := io.ReadAll(file)
	if err != nil {
		return nil, nil, wrap(err)
	}
	found, contents, err := check(data)
	if err != nil {
		return nil, nil, fmt.Errorf("%w (%s)", err, path)
	}
	if len(contents.Torn) > 0 {
		if err := keepTorn(fsys, path+tornSuffix, contents.Torn); err != nil {
			return nil, nil, wrap(err)
		}
		if err := file.Truncate(int64(found.size)); err != nil {
			return nil, nil, wrap(err)
		}
	}
	// What was read may be in memory only. If a sync of it failed, the system may
	// even take it for written; so the last group is written again. Those before
	// were durable when it was begun.
	if err := writeSynced(file, data[found.begin:found.size], int64(found.begin)); err != nil {
		return nil, nil, wrap(err)
	}
	return found, contents, wrap(fsys.SyncDir(filepath.Dir(path)))
}

// keepTorn appends what is to be cut to the file with what was cut before.
func keepTorn(fsys FS, path string, torn []byte) (err error) {
	file, err := fsys.OpenFile(path, os.O_RDWR|os.O_CREATE, filePerm)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	kept, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	end := len(kept)
	if bytes.HasSuffix(kept, torn) { // of an Open that got no further, not even to a sync perhaps
		end -= len(torn)
	}
	if err := writeSynced(file, torn, int64(end)); err != nil {
		return err
	}
	return fsys.SyncDir(filepath.Dir(path))
}

// Read reads a journal without taking its lock, and changes nothing. It works while
// another process writes; a line that is still being written appears in Torn. The
// records may not be durable yet. If the error is [ErrCorrupt] or [ErrNoRecords], Read
// also returns Contents: the records before the damage (none for ErrNoRecords), and
// everything from the damage on in Torn.
func Read(path string, options Options) (*Contents, error) {
	data, err := readAll(options.fs(), path)
	if err != nil {
		return nil, err
	}
	for {
		_, contents, err := check(data)
		if err == nil {
			return contents, nil
		}
		// A torn tail may have been cut, and the file written on, amid the reading.
		again, readErr := readAll(options.fs(), path)
		if readErr != nil || bytes.HasPrefix(again, data) {
			return contents, fmt.Errorf("%w (%s)", err, path)
		}
		data = again
	}
}

func readAll(fsys FS, path string) ([]byte, error) {
	file, err := fsys.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, wrap(err)
	}
	data, err := io.ReadAll(file)
	return data, wrap(errors.Join(err, file.Close()))
}

func takeLock(fsys FS, path string) (io.Closer, error) {
	lock, err := fsys.Lock(path)
	if err != nil && !errors.Is(err, ErrLocked) {
		err = wrap(err)
	}
	return lock, err
}

func wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(prefix+"%w", err)
}
