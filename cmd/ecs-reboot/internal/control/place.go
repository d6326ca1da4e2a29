package control

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// maxPath is the longest path of a socket in bytes: macOS allows 104 with the zero byte at
// the end, Linux and Windows 108.
const maxPath = 103

// suffix ends the names of sockets.
const suffix = ".sock"

// validID is the form of the ID of a run, which is a part of the name of its socket.
var validID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$`)

// NewID returns a random ID for a run.
func NewID() string { return strings.ToLower(rand.Text()[:8]) }

// Places returns the directories that may hold sockets of this user's runs, in the order
// in which a server tries them:
//
//   - $XDG_RUNTIME_DIR/ecs-reboot
//   - /run/user/UID/ecs-reboot, if there is such a directory above: a program that cron
//     starts has no XDG_RUNTIME_DIR
//   - a directory of the user below that for temporary files, and on Unix below /tmp
//
// A client looks into all of them.
func Places(getenv func(string) string) []string {
	const name = "ecs-reboot"
	var places []string
	add := func(dir, name string) {
		if filepath.IsAbs(dir) {
			places = append(places, filepath.Join(dir, name))
		}
	}
	add(getenv("XDG_RUNTIME_DIR"), name)
	if runtime.GOOS == "windows" {
		add(os.TempDir(), name) // which is a directory of the user
		return places
	}
	uid := strconv.Itoa(os.Geteuid())
	if session := "/run/user/" + uid; isOwnDirectory(session) == nil && session != filepath.Clean(getenv("XDG_RUNTIME_DIR")) {
		add(session, name)
	}
	add(getenv("TMPDIR"), name+"-"+uid)
	if filepath.Clean(getenv("TMPDIR")) != "/tmp" {
		add("/tmp", name+"-"+uid)
	}
	return places
}

// isPlace returns an error unless the path is a directory of this user as isOwnDirectory
// checks it, in which nobody but root can put another one in its place: with sudo, the
// environment may name a directory of another user.
func isPlace(dir string) error {
	if err := isOwnDirectory(dir); err != nil {
		return err
	}
	parent := filepath.Dir(dir)
	info, err := os.Stat(parent)
	switch {
	case err != nil:
		return err
	case !isOwn(info) && !isOfRoot(info):
		return fmt.Errorf("%s belongs to another user", parent)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0:
		return fmt.Errorf("other users may replace what is in %s: its mode is %#o", parent, info.Mode().Perm())
	}
	return nil
}

// isOwnDirectory returns an error unless the path is a directory, and no link to one, of
// this user, that nobody else may enter.
func isOwnDirectory(dir string) error {
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	case !isOwn(info):
		return fmt.Errorf("%s belongs to another user", dir)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("other users may enter %s: its mode is %#o, want 0700", dir, info.Mode().Perm())
	}
	return nil
}

// listen listens in the first of the places that can hold the socket of a run.
func listen(places []string, id string) (net.Listener, error) {
	if !validID.MatchString(id) {
		return nil, fmt.Errorf("invalid ID of a run %q", id)
	}
	var errs []error
	for _, dir := range places {
		listener, err := listenIn(dir, id)
		if err == nil {
			return listener, nil
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		errs = append(errs, errors.New("no directory can hold it"))
	}
	return nil, fmt.Errorf("failed to make the control socket of run %s: %w", id, errors.Join(errs...))
}

func listenIn(dir, id string) (net.Listener, error) {
	path := filepath.Join(dir, id+suffix)
	if len(path) > maxPath {
		return nil, fmt.Errorf("the path %s has %d bytes, and a socket's has at most %d", path, len(path), maxPath)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := isPlace(dir); err != nil {
		return nil, err
	}
	clean(dir)
	listener, err := net.Listen("unix", path) //nolint:noctx // it does not block
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// minStale is the age from which on a socket that refuses connections is that of a run
// that has crashed. A younger one may be about to listen.
const minStale = 10 * time.Second

// clean removes the sockets of runs that have crashed from a directory of this user.
func clean(dir string) {
	for _, path := range sockets(dir) {
		info, err := os.Lstat(path)
		if err != nil || time.Since(info.ModTime()) < minStale {
			continue
		}
		connection, err := net.DialTimeout("unix", path, time.Second) //nolint:noctx // has a limit
		if err == nil {
			_ = connection.Close()
		} else if isRefused(err) {
			_ = os.Remove(path)
		}
	}
}

// sockets returns the paths of the sockets in a directory, or nothing unless the
// directory is this user's.
func sockets(dir string) []string {
	if isPlace(dir) != nil {
		return nil
	}
	entries, err := fs.ReadDir(os.DirFS(dir), ".")
	if err != nil {
		return nil
	}
	var paths []string
	for _, entry := range entries {
		if id, found := strings.CutSuffix(entry.Name(), suffix); found && validID.MatchString(id) {
			paths = append(paths, filepath.Join(dir, entry.Name()))
		}
	}
	return paths
}
