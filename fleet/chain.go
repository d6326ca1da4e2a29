package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ecsreboot/ecsreboot/fleet/journal"
)

// A journal is a chain of sessions: the first event of each resumed session has a hash
// of all records before it. So nobody changes what an earlier session recorded and
// resumes the run from there without being noticed. What no chain can show is that
// another session has gone on from a copy of the journal; session_others.go looks for
// the traces of that.

// checkChain checks the hashes in a journal, and returns the hash of all its records.
func checkChain(records []json.RawMessage, events []Event) (string, error) {
	hash := sha256.New()
	for i, record := range records {
		e := events[i]
		if sum := hex.EncodeToString(hash.Sum(nil)); e.Kind == EventResume && e.Chain != sum {
			return "", fmt.Errorf("record %d resumes another journal than the one before it: its chain is %.12q, not %.12q", i, e.Chain, sum)
		}
		hash.Write(record)
		hash.Write([]byte("\n"))
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// place returns where a journal is: its path without symbolic links, and the host. A
// journal in another file system than the system's is nowhere.
func (o Options) place() (path, host string) {
	if o.Journal == "" || o.files != nil {
		return "", ""
	}
	path, err := filepath.Abs(o.Journal)
	if err != nil {
		path = o.Journal
	}
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	} else if folder, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil { // it does not exist yet
		path = filepath.Join(folder, filepath.Base(path))
	}
	host, err = os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return path, host
}

// moved compares where a journal is with where the last session had it. It returns a
// note if these differ, and an error if the file of the last session still exists: then
// one of the two is a copy.
func (o Options) moved(last Event) (note string, err error) {
	path, host := o.place()
	if last.Path == "" || path == "" || path == last.Path && host == last.Host {
		return "", nil
	}
	note = fmt.Sprintf("the last session had the journal at %s on %s", last.Path, last.Host)
	if host != last.Host || o.Moved {
		return note, nil
	}
	before, err := os.Stat(last.Path)
	if errors.Is(err, os.ErrNotExist) {
		return note, nil
	}
	now, nowErr := os.Stat(path)
	if err == nil && nowErr == nil && os.SameFile(before, now) {
		return "", nil
	}
	return "", input("Moved", fmt.Sprintf("is not set, and %s, where the last session had the journal, still exists; resume from there, as %s may be a copy", last.Path, path))
}

// checkDriven returns an error if a process still drives the run from the path where the
// last session had the journal. The lock stands beside that path: it guards neither a
// copy of the journal nor the journal itself once it has been moved to another directory
// or name.
func (o Options) checkDriven(history *History) error {
	path, host := o.place()
	last, _ := history.last()
	if last.Path == "" || path == "" || path == last.Path || host != last.Host {
		return nil
	}
	holder, _ := journal.Holder(last.Path)
	if holder == "" {
		return nil
	}
	if there, err := load(last.Path, journal.Options{}); err == nil && there.Events[0].Session != history.Events[0].Session {
		return nil // another run has its journal there now
	}
	return journalError(fmt.Errorf("%w: %s drives the run from %s", journal.ErrLocked, holder, last.Path))
}
