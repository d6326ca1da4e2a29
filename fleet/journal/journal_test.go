package journal_test

import (
	"encoding/json"
	"io/fs"
	"math"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/fleet/journal"
	"github.com/ecsreboot/ecsreboot/internal/simdisk"
)

// slowJournal is on a disk that takes a second to sync once it was created.
func slowJournal(t *testing.T) (*journal.Journal, *simdisk.Disk) {
	t.Helper()
	d := simdisk.New()
	j, err := journal.Create(path, newNote(1), journal.Options{FS: d})
	require.NoError(t, err)
	d.Before = func(operation, _ string) error {
		if operation == "sync" {
			time.Sleep(time.Second)
		}
		return nil
	}
	d.Syncs, d.Writes = 0, 0
	return j, d
}

func durable(t *testing.T, d *simdisk.Disk) int {
	t.Helper()
	copied := simdisk.New()
	copied.Put(path, d.Durable(path))
	contents, err := journal.Read(path, journal.Options{FS: copied})
	require.NoError(t, err)
	return len(contents.Records)
}

func TestAppendersShareSyncs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, d := slowJournal(t)
		begin := time.Now()
		var wg sync.WaitGroup
		for n := range 64 {
			wg.Go(func() {
				if n > 0 {
					time.Sleep(time.Millisecond) // while the first is written
				}
				require.NoError(t, j.Append(newNote(n)))
			})
		}
		wg.Wait()
		require.Equal(t, 2*time.Second, time.Since(begin))
		require.Equal(t, 2, d.Syncs)
		require.Equal(t, 2, d.Writes)
		require.Equal(t, 65, durable(t, d))
		require.NoError(t, j.Close())
		require.Equal(t, 2, d.Syncs, "nothing was left to sync")
	})
}

func TestWriteBecomesDurableByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, d := slowJournal(t)
		begin := time.Now()
		for n := range 1000 {
			require.NoError(t, j.Write(newNote(n+2)))
		}
		require.Zero(t, time.Since(begin))
		require.Equal(t, 1, durable(t, d))
		time.Sleep(100 * time.Millisecond)
		for n := range 1000 { // while the first are on their way
			require.NoError(t, j.Write(newNote(n+1002)))
		}
		require.Equal(t, 100*time.Millisecond, time.Since(begin), "no waiting for the disk")
		time.Sleep(time.Second)
		require.Equal(t, 1001, durable(t, d))
		time.Sleep(time.Second)
		require.Equal(t, 2001, durable(t, d))
		require.Equal(t, 2, d.Syncs)
		require.NoError(t, j.Close())
	})
}

func TestSyncAndCloseWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, d := slowJournal(t)
		require.NoError(t, j.Sync())
		require.Zero(t, d.Syncs, "of nothing")
		require.NoError(t, j.Write(newNote(2)))
		require.NoError(t, j.Sync())
		require.Equal(t, 2, durable(t, d))
		require.NoError(t, j.Write(newNote(3)))
		require.NoError(t, j.Append(newNote(4)))
		require.Equal(t, 4, durable(t, d))
		require.NoError(t, j.Write(newNote(5)))
		time.Sleep(500 * time.Millisecond) // being synced
		require.NoError(t, j.Sync())
		require.Equal(t, 5, durable(t, d))
		require.NoError(t, j.Write(newNote(6)))
		time.Sleep(500 * time.Millisecond)
		require.NoError(t, j.Write(newNote(7)))
		require.NoError(t, j.Close())
		require.Equal(t, 7, durable(t, d))

		require.ErrorIs(t, j.Append(1), journal.ErrClosed)
		require.ErrorIs(t, j.Write(1), journal.ErrClosed)
		require.ErrorIs(t, j.Sync(), journal.ErrClosed)
		require.ErrorIs(t, j.Close(), journal.ErrClosed)
		require.NoError(t, j.Err())
	})
}

// TestFailureIsForAll: those who wait, those who come later, and what was written
// without waiting.
func TestFailureIsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, d := slowJournal(t)
		d.Before = func(operation, _ string) error {
			if operation == "sync" {
				time.Sleep(time.Second)
				return simdisk.ErrIO
			}
			return nil
		}
		var failed atomic.Int32
		var wg sync.WaitGroup
		for n := range 20 {
			wg.Go(func() {
				time.Sleep(time.Duration(n) * 100 * time.Millisecond)
				err := j.Append(newNote(n))
				require.ErrorIs(t, err, journal.ErrFailed)
				require.ErrorIs(t, err, simdisk.ErrIO)
				failed.Add(1)
			})
		}
		require.NoError(t, j.Write(newNote(100)))
		time.Sleep(500 * time.Millisecond)
		require.NoError(t, j.Err())
		wg.Wait()
		require.EqualValues(t, 20, failed.Load())
		require.Equal(t, 1, d.Syncs, "nothing is tried again")
		require.Equal(t, 1, d.Writes)
		require.ErrorIs(t, j.Write(newNote(101)), simdisk.ErrIO)
		require.ErrorIs(t, j.Err(), simdisk.ErrIO)
		require.ErrorIs(t, j.Close(), simdisk.ErrIO)
		require.Empty(t, d.Locks(), "a failed journal can be opened again")
	})
}

func TestWriteThatFailsIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, d := slowJournal(t)
		d.Before = func(string, string) error { return simdisk.ErrFull }
		require.NoError(t, j.Write(newNote(2)))
		require.ErrorIs(t, j.Close(), simdisk.ErrFull)
		require.ErrorIs(t, j.Err(), journal.ErrFailed)
	})
}

func TestRecordsThatCannotBe(t *testing.T) {
	d := simdisk.New()
	j, err := journal.Create(path, newNote(1), journal.Options{FS: d})
	require.NoError(t, err)
	for _, c := range []struct {
		record any
		why    string
	}{
		{math.NaN(), "journal: the record cannot be encoded: "},
		{func() {}, "journal: the record cannot be encoded: "},
		{json.RawMessage("{"), "journal: the record cannot be encoded: "},
		{json.RawMessage(""), "journal: the record cannot be encoded: "},
		{json.RawMessage("\"\xff\""), "journal: the record is not UTF-8"},
	} {
		require.ErrorContains(t, j.Append(c.record), c.why)
		require.ErrorContains(t, j.Write(c.record), c.why)
		_, err := journal.Create("dir/other", c.record, journal.Options{FS: d})
		require.ErrorContains(t, err, c.why)
		require.Nil(t, d.Content("dir/other"))
	}
	require.NoError(t, j.Err(), "nothing happened to the journal")
	require.NoError(t, j.Append(json.RawMessage("{\n\"a\" :\t[\"<\\n\", 1e400, {}]\n}")))
	require.NoError(t, j.Append(nil))
	require.NoError(t, j.Close())
	contents, err := journal.Read(path, journal.Options{FS: d})
	require.NoError(t, err)
	require.Equal(t, `{"a":["<\n",1e400,{}]}`, string(contents.Records[1]))
	require.Equal(t, "null", string(contents.Records[2]))
}

// TestCreateThatFails leaves nothing behind, and the lock free.
func TestCreateThatFails(t *testing.T) {
	for _, operation := range []string{"write", "sync", "sync dir"} {
		d := simdisk.New()
		d.Before = func(asked, _ string) error {
			if asked == operation {
				return simdisk.ErrFull
			}
			return nil
		}
		_, err := journal.Create(path, newNote(1), journal.Options{FS: d})
		require.ErrorIs(t, err, simdisk.ErrFull, operation)
		require.Nil(t, d.Content(path))
		d.Before = nil
		j, err := journal.Create(path, newNote(1), journal.Options{FS: d})
		require.NoError(t, err)
		require.NoError(t, j.Close())
	}
}

// TestCreateAmidACreation: the file is not there when looked for, and then is.
func TestCreateAmidACreation(t *testing.T) {
	d := simdisk.New()
	d.Before = func(operation, _ string) error {
		if operation == "lock" {
			d.Put(path, []byte("precious"))
		}
		return nil
	}
	_, err := journal.Create(path, newNote(1), journal.Options{FS: d})
	require.ErrorIs(t, err, fs.ErrExist)
	require.Equal(t, "precious", string(d.Content(path)))
	require.Empty(t, d.Locks())
}

// TestReadAmidACut: a torn tail is cut, and the file written on, while it is read.
func TestReadAmidACut(t *testing.T) {
	begin := newLine(0, 0, headerRecord) + newLine(1, 0, "1")
	d := simdisk.New()
	d.Put(path, []byte(begin+"{\"seq\":2,\"gr\n"+newLine(3, 3, "3"))) // what a reader may have got
	reads := 0
	d.Before = func(operation, _ string) error {
		if operation == "open" {
			if reads++; reads == 2 {
				d.Put(path, []byte(begin+newLine(2, 2, "2")+newLine(3, 3, "3")))
			}
		}
		return nil
	}
	contents, err := journal.Read(path, journal.Options{FS: d})
	require.NoError(t, err)
	require.Len(t, contents.Records, 3)
}

// TestConcurrently adds from all sides, on the real disk, while the journal is
// closed; readers see a prefix at all times.
func TestConcurrently(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j, err := journal.Create(path, newNote(0), journal.Options{})
	require.NoError(t, err)
	const writers, each = 8, 10_000
	acknowledged := make([]int, writers)
	var total atomic.Int32
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := 1; i < each; i++ {
				n := w*each + i
				var err error
				switch i % 4 {
				case 0:
					err = j.Write(newNote(n))
				case 1:
					if err = j.Write(newNote(n)); err == nil {
						err = j.Sync()
					}
				default:
					err = j.Append(newNote(n))
				}
				if err != nil {
					require.ErrorIs(t, err, journal.ErrClosed)
					return
				}
				if i%4 != 0 {
					acknowledged[w] = i
				}
				total.Add(1)
			}
		})
	}
	for last := 0; total.Load() < 500; {
		contents, err := journal.Read(path, journal.Options{})
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(contents.Records), last)
		last = len(contents.Records)
	}
	require.NoError(t, j.Close())
	wg.Wait()

	j, contents, err := journal.Open(path, journal.Options{})
	require.NoError(t, err)
	require.NoError(t, j.Close())
	require.Empty(t, contents.Torn)
	next := make([]int, writers)
	for _, n := range notes(t, contents.Records)[1:] {
		next[n/each]++
		require.Equal(t, next[n/each], n%each, "in the order of the calls of each")
	}
	for w := range writers {
		require.GreaterOrEqual(t, next[w], acknowledged[w])
	}
	checkLines(t, path)
}
