package journal_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/fleet/journal"
)

const childEnv = "JOURNAL_TEST_CHILD"

// child runs in the other process: it opens the journal, prints a line, and appends
// records without end. It prints each record once it is acknowledged. With "hold", it
// appends no record.
func child(what string) error {
	what, path, _ := strings.Cut(what, ":")
	j, contents, err := journal.Open(path, journal.Options{})
	if errors.Is(err, fs.ErrNotExist) {
		contents = &journal.Contents{}
		j, err = journal.Create(path, newNote(1), journal.Options{})
	}
	if err != nil {
		return err
	}
	fmt.Println("opened")
	if what == "hold" {
		select {}
	}
	var mu sync.Mutex
	next := max(1, len(contents.Records))
	for range 4 {
		go func() {
			for {
				mu.Lock()
				next++
				n := next
				if err := j.Write(newNote(n)); err != nil { // takes its place
					panic(err)
				}
				mu.Unlock()
				if n%3 == 0 { // now and then, more wait to be written
					time.Sleep(time.Millisecond)
				}
				if err := j.Sync(); err != nil {
					panic(err)
				}
				fmt.Println(n)
			}
		}()
	}
	select {}
}

// startChild returns once the other process has the lock.
func startChild(t *testing.T, what, path string) (process *exec.Cmd, output *bufio.Scanner) {
	t.Helper()
	executable, err := os.Executable()
	require.NoError(t, err)
	process = exec.Command(executable)
	process.Env = append(os.Environ(), childEnv+"="+what+":"+path)
	stdout, err := process.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, process.Start())
	t.Cleanup(func() { _ = process.Process.Kill() })
	output = bufio.NewScanner(stdout)
	require.True(t, output.Scan())
	require.Equal(t, "opened", output.Text())
	return process, output
}

func TestLockOfAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	process, _ := startChild(t, "hold", path)

	_, _, err := journal.Open(path, journal.Options{})
	require.ErrorIs(t, err, journal.ErrLocked)
	require.ErrorContains(t, err, "process "+strconv.Itoa(process.Process.Pid)+" on ")
	_, err = journal.Create(path, 1, journal.Options{})
	require.ErrorIs(t, err, fs.ErrExist)
	contents, err := journal.Read(path, journal.Options{})
	require.NoError(t, err, "reading needs no lock")
	require.Equal(t, upTo(1), notes(t, contents.Records))

	who, known := journal.Holder(path)
	require.True(t, known)
	require.Contains(t, who, "process "+strconv.Itoa(process.Process.Pid)+" on ")

	require.NoError(t, process.Process.Kill())
	require.Error(t, process.Wait())
	who, known = journal.Holder(path)
	require.Equal(t, runtime.GOOS != "plan9", known)
	require.Empty(t, who, "the lock ends with its process")
	j, _, err := journal.Open(path, journal.Options{})
	require.NoError(t, err, "the lock ends with its process")
	require.NoError(t, j.Close())
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "journal")
	j, err := journal.Create(path, 1, journal.Options{})
	require.NoError(t, err)
	names := []string{path, filepath.Join(dir, ".", "journal")}
	if runtime.GOOS != "windows" {
		link := filepath.Join(t.TempDir(), "link")
		require.NoError(t, os.Symlink(path, link))
		names = append(names, link)
	}
	for _, name := range names {
		_, _, err = journal.Open(name, journal.Options{})
		require.ErrorIs(t, err, journal.ErrLocked)
		require.ErrorContains(t, err, "process "+strconv.Itoa(os.Getpid())+" on ")
	}
	if runtime.GOOS != "windows" { // which removes no file that is open
		require.NoError(t, os.Remove(path))
		_, err = journal.Create(path, 2, journal.Options{})
		require.ErrorIs(t, err, journal.ErrLocked, "its owner is still there")
	}
	require.NoError(t, j.Close())

	path = filepath.Join(dir, "second")
	j, err = journal.Create(path, 1, journal.Options{})
	require.NoError(t, err)
	require.NoError(t, j.Close())
	addTo(t, path, "{")
	j, _, err = journal.Open(path, journal.Options{})
	require.NoError(t, err)
	require.NoError(t, j.Close())
	for _, name := range []string{path, path + ".lock", path + ".torn"} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		if runtime.GOOS != "windows" {
			require.Equal(t, fs.FileMode(0o600), info.Mode())
		}
	}
}

// TestHolderIsInNobodysWay: while others look, the journal can be opened.
func TestHolderIsInNobodysWay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	_, known := journal.Holder(path)
	require.False(t, known, "there is no lock file")
	j, err := journal.Create(path, 1, journal.Options{})
	require.NoError(t, err)
	require.NoError(t, j.Close())
	done := make(chan struct{})
	var lookers sync.WaitGroup
	lookers.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				journal.Holder(path)
			}
		}
	})
	for range 50 {
		j, _, err := journal.Open(path, journal.Options{})
		require.NoError(t, err)
		who, known := journal.Holder(path)
		require.True(t, known)
		require.NotEmpty(t, who)
		require.NoError(t, j.Close())
	}
	close(done)
	lookers.Wait()
}

// TestNoLitter: what is refused at first sight leaves no lock file.
func TestNoLitter(t *testing.T) {
	dir := t.TempDir()
	_, _, err := journal.Open(filepath.Join(dir, "missing"), journal.Options{})
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = journal.Read(filepath.Join(dir, "missing"), journal.Options{})
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "letter"), []byte("Dear all,\n"), 0o600))
	_, err = journal.Create(filepath.Join(dir, "letter"), 1, journal.Options{})
	require.ErrorIs(t, err, fs.ErrExist)
	_, err = journal.Create(filepath.Join(dir, "missing", "journal"), 1, journal.Options{})
	require.ErrorIs(t, err, fs.ErrNotExist)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

func TestKills(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	random := seeded(uint64(os.Getpid()))
	var torn, before []byte
	most := 0 // of the acknowledged
	for round := range 20 {
		process, output := startChild(t, "append", path)
		timer := time.AfterFunc(time.Duration(random.IntN(60))*time.Millisecond, func() { _ = process.Process.Kill() })
		for output.Scan() {
			n, err := strconv.Atoi(output.Text())
			require.NoError(t, err, output.Text())
			most = max(most, n)
		}
		timer.Stop()
		require.Error(t, process.Wait())

		contents, err := journal.Read(path, journal.Options{})
		require.NoError(t, err)
		found := notes(t, contents.Records)
		require.Equal(t, upTo(len(found)), found)
		require.GreaterOrEqual(t, len(found), most, "acknowledged, and lost")
		if now := readFile(t, path); !bytes.Equal(now, before) { // otherwise the child was killed before it cut the tail off
			torn = append(torn, contents.Torn...)
		}
		if round%3 == 0 { // as of a write that was under way
			half := newLine(len(found)+1, len(found)+1, `{"n":1}`)[:5+random.IntN(40)]
			addTo(t, path, half)
			torn = append(torn, half...)
		}
		before = readFile(t, path)
	}
	j, contents, err := journal.Open(path, journal.Options{})
	require.NoError(t, err)
	require.NoError(t, j.Close())
	kept, err := os.ReadFile(path + ".torn")
	require.NoError(t, err)
	require.Equal(t, string(torn), string(kept))
	t.Logf("%d records, %d bytes torn", len(contents.Records), len(torn))
	checkLines(t, path)
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

func addTo(t *testing.T, path, text string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	_, err = file.WriteString(text)
	require.NoError(t, errors.Join(err, file.Close()))
}

// checkLines reads the file as a line tool does.
func checkLines(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	seq := 0
	for text := range bytes.Lines(data) {
		var line struct{ Seq int }
		require.NoError(t, json.Unmarshal(text, &line))
		require.Equal(t, seq, line.Seq)
		seq++
	}
}
