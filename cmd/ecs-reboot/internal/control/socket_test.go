package control_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/control"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// fake records what it is told.
type fake struct {
	state control.State
	calls []string
	stage int
	err   error
}

func (f *fake) call(name string) error { f.calls = append(f.calls, name); return f.err }

func (f *fake) Pause(context.Context) error   { return f.call("pause") }
func (f *fake) Unpause(context.Context) error { return f.call("unpause") }
func (f *fake) Abort(context.Context) error   { return f.call("abort") }
func (f *fake) Approve(_ context.Context, stage int) error {
	f.stage = stage
	return f.call("approve")
}

func (f *fake) Disapprove(_ context.Context, stage int) error {
	f.stage = stage
	return f.call("disapprove")
}
func (f *fake) State(context.Context) (control.State, error) { return f.state, nil }

// place returns a directory whose path is short enough for sockets.
func place(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ctl") //nolint:usetesting // t.TempDir is too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "ecs-reboot")
}

func serve(t *testing.T, dir, id string, controls control.Controls) *control.Server {
	t.Helper()
	server, err := control.Serve([]string{dir}, id, controls)
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	return server
}

func TestSocket(t *testing.T) {
	dir := place(t)
	controls := &fake{state: control.State{Run: "run-1", Process: 7, Journal: "/j", Pauses: []fleet.Reason{fleet.ReasonUser}, Stage: 2}}
	server := serve(t, dir, "run-1", controls)
	if runtime.GOOS != "windows" {
		info, err := os.Stat(server.Path())
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
		info, err = os.Stat(dir)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	}
	client, err := control.Find(t.Context(), []string{"/nowhere", dir}, "run-1")
	require.NoError(t, err)
	require.Equal(t, controls.state, state(t, client))
	require.NoError(t, client.Pause(t.Context()))
	require.NoError(t, client.Unpause(t.Context()))
	require.NoError(t, client.Abort(t.Context()))
	require.NoError(t, client.Approve(t.Context(), 2))
	require.NoError(t, client.Disapprove(t.Context(), 3))
	require.Equal(t, []string{"pause", "unpause", "abort", "approve", "disapprove"}, controls.calls)
	require.Equal(t, 3, controls.stage)
	require.EqualError(t, client.Approve(t.Context(), 0), "invalid stage")

	controls.err = errors.New("of the run")
	require.EqualError(t, client.Pause(t.Context()), "of the run")
	controls.err = control.ErrNotPending
	require.ErrorIs(t, client.Approve(t.Context(), 1), control.ErrNotPending)

	require.NoError(t, server.Close())
	require.NoFileExists(t, server.Path())
	require.ErrorContains(t, client.Pause(t.Context()), "no response from "+server.Path())
	_, err = control.Find(t.Context(), []string{dir}, "run-1")
	require.EqualError(t, err, "run not found: this user has no run in progress on this machine")
}

func TestSocketOfARun(t *testing.T) {
	approvals := control.NewApprovals(nil, nil)
	local := control.NewLocal("run-1", "", new(fleet.Control), approvals)
	dir := place(t)
	serve(t, dir, "run-1", local)
	client, err := control.Find(t.Context(), []string{dir}, "")
	require.NoError(t, err)
	require.NoError(t, client.Pause(t.Context()))
	require.True(t, state(t, client).Paused(fleet.ReasonUser))
	err = client.Approve(t.Context(), 1)
	require.ErrorIs(t, err, control.ErrNotPending)
	require.EqualError(t, err, "not waiting for this approval: no stage waits for approval")
	local.OnEvent(fleet.Event{Kind: fleet.EventHalt, Reason: fleet.ReasonBudget})
	err = client.Unpause(t.Context())
	require.ErrorIs(t, err, control.ErrEnding)
	require.EqualError(t, err, "the run is ending already: failure budget")
}

func TestFind(t *testing.T) {
	dir := place(t)
	journal := filepath.Join(t.TempDir(), "web.journal")
	require.NoError(t, os.WriteFile(journal, nil, 0o600))
	serve(t, dir, "run-1", &fake{state: control.State{Run: "run-1", Journal: journal}})
	serve(t, dir, "run-2", &fake{state: control.State{Run: "run-2"}})
	find := func(name string) (string, error) {
		client, err := control.Find(t.Context(), []string{dir}, name)
		if err != nil {
			return "", err
		}
		return state(t, client).Run, nil
	}
	link := filepath.Join(t.TempDir(), "link.journal")
	require.NoError(t, os.Symlink(journal, link))
	t.Chdir(filepath.Dir(journal))
	for _, name := range []string{"run-1", journal, "web.journal", "./web.journal", link} {
		id, err := find(name)
		require.NoError(t, err, name)
		require.Equal(t, "run-1", id)
	}
	all := "run-1 (" + journal + "), run-2"
	_, err := find("run-3")
	require.ErrorIs(t, err, control.ErrNotFound)
	require.EqualError(t, err, `run not found: "run-3"; in progress: `+all)
	_, err = find("")
	require.EqualError(t, err, "run not found: several runs are in progress, choose one: "+all)
}

// TestCrashedRun leaves a socket behind, as a process does that is killed.
func TestCrashedRun(t *testing.T) {
	dir := place(t)
	old := serve(t, dir, "run-1", &fake{}).Path()
	abandoned := filepath.Join(dir, "run-2.sock")
	listener, err := net.Listen("unix", abandoned)
	require.NoError(t, err)
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	require.NoError(t, listener.Close())

	_, err = control.Serve([]string{dir}, "run-2", &fake{})
	require.ErrorContains(t, err, "address already in use", "a young socket may be about to listen")
	require.NoError(t, os.Chtimes(abandoned, time.Time{}, time.Now().Add(-time.Minute)))
	require.NoError(t, os.Chtimes(old, time.Time{}, time.Now().Add(-time.Minute)))
	unrelated := filepath.Join(dir, "notes.txt")
	require.NoError(t, os.WriteFile(unrelated, nil, 0o600))
	serve(t, dir, "run-2", &fake{})
	require.FileExists(t, unrelated)
	_, err = os.Lstat(old)
	require.NoError(t, err, "the run of this socket is alive")

	_, err = control.Serve([]string{dir}, "run-2", &fake{})
	require.ErrorContains(t, err, "failed to make the control socket of run run-2: ", "two runs do not share a socket")
}

func TestListRemovesStaleSockets(t *testing.T) {
	dir := place(t)
	require.NoError(t, os.MkdirAll(dir, 0o700))
	abandoned := filepath.Join(dir, "run-2.sock")
	listener, err := net.Listen("unix", abandoned)
	require.NoError(t, err)
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	require.NoError(t, listener.Close())
	require.NoError(t, os.Chtimes(abandoned, time.Time{}, time.Now().Add(-time.Minute)))
	runs, err := control.List(t.Context(), []string{dir})
	require.NoError(t, err)
	require.Empty(t, runs)
	require.NoFileExists(t, abandoned)
}

func TestPlacesThatAreRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes and links are of Unix")
	}
	open, link, file := place(t), place(t), place(t)
	require.NoError(t, os.MkdirAll(open, 0o700))
	require.NoError(t, os.Chmod(open, 0o755))
	require.NoError(t, os.Symlink(t.TempDir(), link))
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	long := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	_, err := control.Serve([]string{open, link, file, long}, "run-1", &fake{})
	require.ErrorContains(t, err, "failed to make the control socket of run run-1: other users may enter "+open+": its mode is 0755, want 0700")
	require.ErrorContains(t, err, link+" is not a directory")
	require.ErrorContains(t, err, "mkdir "+file)
	require.ErrorContains(t, err, "bytes, and a socket's has at most 103")
	require.NoDirExists(t, long)
	good := place(t)
	server, err := control.Serve([]string{open, good}, "run-1", &fake{})
	require.NoError(t, err)
	defer server.Close()
	require.Equal(t, good, filepath.Dir(server.Path()))

	_, err = control.Serve(nil, "run-1", &fake{})
	require.ErrorContains(t, err, "no directory can hold it")
	for _, id := range []string{"", "../x", "a/b", strings.Repeat("a", 41), "-a"} {
		_, err = control.Serve([]string{good}, id, &fake{})
		require.ErrorContains(t, err, "invalid ID of a run")
	}
}

// TestForeignDirectory looks for runs in a directory that others may write: nothing there
// is asked.
func TestForeignDirectory(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes are of Unix")
	}
	dir := place(t)
	serve(t, dir, "run-1", &fake{state: control.State{Run: "run-1"}})
	require.NoError(t, os.Chmod(dir, 0o777))
	_, err := control.Find(t.Context(), []string{dir}, "run-1")
	require.ErrorIs(t, err, control.ErrNotFound)
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chmod(dir, 0o700))
		require.NoError(t, os.Lchown(dir, 12345, 12345))
		_, err = control.Find(t.Context(), []string{dir}, "run-1")
		require.ErrorIs(t, err, control.ErrNotFound)
		_, err = control.Serve([]string{dir}, "run-2", &fake{})
		require.ErrorContains(t, err, dir+" belongs to another user")
	}
}

// TestPlaceInADirectoryOfOthers: the directory is this user's, but others may put another
// one in its place.
func TestPlaceInADirectoryOfOthers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes are of Unix")
	}
	refused := func(dir, why string) {
		t.Helper()
		_, err := control.Serve([]string{dir}, "run-2", &fake{})
		require.ErrorContains(t, err, why)
		_, err = control.Find(t.Context(), []string{dir}, "run-1")
		require.ErrorIs(t, err, control.ErrNotFound)
	}
	dir := place(t)
	serve(t, dir, "run-1", &fake{state: control.State{Run: "run-1"}})
	parent := filepath.Dir(dir)
	require.NoError(t, os.Chmod(parent, 0o777))
	refused(dir, "other users may replace what is in "+parent+": its mode is 0777")
	require.NoError(t, os.Chmod(parent, 0o777|os.ModeSticky))
	_, err := control.Find(t.Context(), []string{dir}, "run-1")
	require.NoError(t, err, "as in /tmp")
	if os.Geteuid() == 0 {
		require.NoError(t, os.Lchown(parent, 12345, 12345))
		refused(dir, parent+" belongs to another user")
	}
}

func TestPlaces(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("paths are of Unix")
	}
	env := map[string]string{"XDG_RUNTIME_DIR": "/run/user/77", "TMPDIR": "/scratch"}
	places := control.Places(func(name string) string { return env[name] })
	require.Equal(t, "/run/user/77/ecs-reboot", places[0])
	require.Contains(t, strings.Join(places, " "), " /scratch/ecs-reboot-")
	require.Contains(t, places[len(places)-1], "/tmp/ecs-reboot-")
	env = map[string]string{"XDG_RUNTIME_DIR": "relative"}
	for _, dir := range control.Places(func(name string) string { return env[name] }) {
		require.True(t, filepath.IsAbs(dir))
		require.NotContains(t, dir, "relative")
	}
}

func TestNewID(t *testing.T) {
	require.Regexp(t, "^[a-z2-7]{8}$", control.NewID())
	require.NotEqual(t, control.NewID(), control.NewID())
}

func TestHandlerRefusesMethods(t *testing.T) {
	controls := &fake{}
	handler := control.Handler(controls)
	for _, what := range []string{"pause", "unpause", "abort", "approve?stage=1", "disapprove?stage=1"} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/"+what, http.NoBody))
		require.Equal(t, http.StatusMethodNotAllowed, w.Code)
	}
	require.Empty(t, controls.calls)
}
