package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
)

// journalSuffix ends the names of the journals in the state directory.
const journalSuffix = ".journal"

// stateDir returns the directory of the journals that no flag names. It follows the XDG
// base directory specification, except on macOS and Windows.
func (p *program) stateDir() (string, error) {
	if dir := p.getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) { // a relative one is invalid
		return filepath.Join(dir, Name), nil
	}
	switch runtime.GOOS {
	case "windows":
		if dir := p.getenv("LOCALAPPDATA"); dir != "" {
			return filepath.Join(dir, Name), nil
		}
	case "darwin":
		if home := p.getenv("HOME"); home != "" {
			return filepath.Join(home, "Library", "Application Support", Name), nil
		}
	default:
		if home := p.getenv("HOME"); home != "" {
			return filepath.Join(home, ".local", "state", Name), nil
		}
	}
	return "", cmdline.Errorf("no home directory for the journal: set XDG_STATE_HOME, or give --journal")
}

// newJournal returns the path of a journal in the state directory that does not exist
// yet.
func (p *program) newJournal(command string) (string, error) {
	dir, err := p.stateDir()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", cmdline.Errorf("failed to make the directory of the journal: %v; give --journal", err)
	}
	stem := filepath.Join(dir, time.Now().UTC().Format("20060102-150405")+"-"+command)
	for n := 1; ; n++ {
		path := stem + journalSuffix
		if n > 1 {
			path = fmt.Sprintf("%s-%d%s", stem, n, journalSuffix)
		}
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return path, nil
		}
	}
}

// findJournal returns the path of the journal that an argument names: the path itself, or
// the name of a run in the state directory.
func (p *program) findJournal(name string) string {
	if _, err := os.Stat(name); err == nil || strings.ContainsRune(name, filepath.Separator) {
		return name
	}
	dir, err := p.stateDir()
	if err != nil {
		return name
	}
	for _, path := range []string{filepath.Join(dir, name), filepath.Join(dir, name+journalSuffix)} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return name
}

// checkWritable rejects a file that cannot be written, before anything is sent.
func checkWritable(flag, file string) error {
	if file == "" {
		return nil
	}
	dir := filepath.Dir(file)
	switch info, err := os.Stat(file); {
	case err == nil && info.IsDir():
		return cmdline.Errorf("--%s %s is a directory", flag, file)
	case err == nil && !info.Mode().IsRegular(): // such as /dev/stdout
		return nil
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return cmdline.Errorf("--%s %s: no such directory: %s", flag, file, dir)
	}
	probe, err := os.CreateTemp(dir, ".ecs-reboot-*")
	if err != nil {
		return cmdline.Errorf("--%s %s: the directory %s is not writable: %v", flag, file, dir, reasonOf(err))
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// reasonOf returns the error of the system, without the path.
func reasonOf(err error) error {
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		return failed.Err
	}
	return err
}

// absolute returns the absolute path of a file, or the path itself if there is none.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
