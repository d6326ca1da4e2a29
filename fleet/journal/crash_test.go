package journal_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/fleet/journal"
	"github.com/ecsreboot/ecsreboot/internal/simdisk"
)

// owner writes a journal through crashes and knows what must be in it.
type owner struct {
	t         *testing.T
	disk      *simdisk.Disk
	options   journal.Options
	journal   *journal.Journal
	began     bool  // Create returned without an error
	attempted []int // what was added, in order, or was there at the last Open
	durable   int   // how many of these were acknowledged
	noted     int   // the last note, of which none is used twice
	failed    error // of the last start that did
}

func newOwner(t *testing.T, d *simdisk.Disk) *owner {
	t.Helper()
	return &owner{t: t, disk: d, options: journal.Options{FS: d}}
}

func (o *owner) note() note {
	o.noted++
	o.attempted = append(o.attempted, o.noted)
	return newNote(o.noted)
}

// acknowledge judges the error of a call that makes everything durable.
func (o *owner) acknowledge(err error) {
	if err == nil {
		require.NoError(o.t, o.journal.Err())
		o.durable = len(o.attempted)
		return
	}
	o.refused(err)
}

// refused makes sure that a journal that failed stays so.
func (o *owner) refused(err error) {
	require.ErrorIs(o.t, err, journal.ErrFailed)
	require.Equal(o.t, err, o.journal.Err())
	writes, syncs := o.disk.Writes, o.disk.Syncs
	require.Equal(o.t, err, o.journal.Append(newNote(0)))
	require.Equal(o.t, err, o.journal.Write(newNote(0)))
	require.Equal(o.t, err, o.journal.Sync())
	require.Equal(o.t, []int{writes, syncs}, []int{o.disk.Writes, o.disk.Syncs}, "tried again")
}

func (o *owner) append() { o.acknowledge(o.journal.Append(o.note())) }
func (o *owner) sync()   { o.acknowledge(o.journal.Sync()) }

func (o *owner) write() {
	if err := o.journal.Write(o.note()); err != nil {
		o.refused(err)
	}
}

func (o *owner) close() {
	if err := o.journal.Close(); err == nil {
		o.durable = len(o.attempted)
	} else {
		require.ErrorIs(o.t, err, journal.ErrFailed)
	}
	require.ErrorIs(o.t, o.journal.Append(newNote(0)), journal.ErrClosed)
	o.journal = nil
}

// start creates the journal, or opens it, and reports whether that worked.
func (o *owner) start() bool {
	if !o.began && o.disk.Content(path) == nil {
		n := o.note()
		j, err := journal.Create(path, n, o.options)
		if err != nil {
			o.failed = err
			return false
		}
		o.journal, o.began, o.durable = j, true, len(o.attempted)
		return true
	}
	j, contents, err := journal.Open(path, o.options)
	if err != nil {
		o.failed = err
		return false
	}
	o.check(contents)
	o.journal = j
	o.began = true
	o.attempted = notes(o.t, contents.Records)
	o.durable = len(o.attempted) // Open makes durable what it returns
	return true
}

// check makes sure that nothing acknowledged is lost, changed or out of order, and
// that there is nothing else.
func (o *owner) check(contents *journal.Contents) {
	found := notes(o.t, contents.Records)
	require.LessOrEqual(o.t, len(found), len(o.attempted), "invented")
	if o.began {
		require.Equal(o.t, o.attempted[:len(found)], found)
	} else { // of the attempts to create it, any may be it
		require.Len(o.t, found, 1)
		require.Contains(o.t, o.attempted, found[0])
	}
	require.GreaterOrEqual(o.t, len(found), o.durable, "lost")
}

// recover opens the journal after a crash, on a disk that works again. It removes
// one that was not begun.
func (o *owner) recover() {
	o.disk.Before = nil
	o.journal = nil
	before, readErr := journal.Read(path, o.options)
	if !o.began && readErr != nil {
		if o.disk.Content(path) != nil {
			require.ErrorIs(o.t, readErr, journal.ErrNoRecords)
			require.NoError(o.t, o.disk.Remove(path))
		}
		o.attempted = nil
		require.True(o.t, o.start(), "%v", o.failed)
		return
	}
	require.NoError(o.t, readErr)
	torn := o.disk.Content(path + ".torn")
	require.True(o.t, o.start(), "%v", o.failed)
	require.Equal(o.t, notes(o.t, before.Records), o.attempted)
	if len(before.Torn) > 0 {
		torn = before.Torn
	}
	require.True(o.t, slices.Equal(torn, lastOf(o.disk.Content(path+".torn"), len(torn))), "what is cut is kept")
}

func lastOf(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

// work is what happens to a journal between two crashes.
func (o *owner) work() {
	if !o.start() {
		return
	}
	o.append()
	o.write()
	o.write()
	o.append()
	o.write()
	o.sync()
	o.append()
	o.write()
	o.close()
	if !o.start() {
		return
	}
	o.write()
	o.append()
	o.append()
}

// TestEveryFault lets each operation fail in turn, in each way, from a new journal
// and from one with a torn tail; then crashes, and goes on.
func TestEveryFault(t *testing.T) {
	faults := []struct {
		name    string
		err     error
		partial float64
		lasting bool
	}{
		{"nothing written", simdisk.ErrIO, 0, false},
		{"disk full", simdisk.ErrFull, 0.6, false},
		{"all but a byte", simdisk.ErrIO, 1, false},
		{"short without an error", simdisk.ErrShort, 0.3, false},
		{"and all that follow", simdisk.ErrIO, 0.5, true},
	}
	data := newJournal(t)
	tail := data[bytes.LastIndexByte(data[:len(data)-1], '\n')+1 : len(data)-3]
	for _, torn := range []bool{false, true} {
		for _, fault := range faults {
			t.Run(fmt.Sprintf("%s, torn %t", fault.name, torn), func(t *testing.T) {
				fired := true
				for k := 0; fired; k++ {
					for _, kills := range []bool{false, true} {
						random := seeded(uint64(k))
						d := simdisk.New()
						o := newOwner(t, d)
						if torn {
							d.Put(path, data[:len(data)-3])
							o.began, o.attempted, o.durable, o.noted = true, upTo(10), 9, 10
						}
						count := 0
						d.Partial = fault.partial
						d.Before = func(string, string) error {
							count++
							if count == k+1 || fault.lasting && count > k {
								return fault.err
							}
							return nil
						}
						o.work()
						fired = count > k
						if kills {
							d.Kill()
						} else {
							d.Crash(random)
						}
						o.recover()
						o.twice(random)
						if torn {
							require.Contains(t, string(d.Content(path+".torn")), string(tail), "cut, and not kept")
						}
					}
				}
			})
		}
	}
}

// twice makes sure that a crash right after Open changes nothing, and that the
// journal goes on.
func (o *owner) twice(random *rand.Rand) {
	found := slices.Clone(o.attempted)
	content, torn := o.disk.Content(path), o.disk.Content(path+".torn")
	o.disk.Crash(random)
	o.recover()
	require.Equal(o.t, found, o.attempted)
	require.Equal(o.t, string(content), string(o.disk.Content(path)))
	require.Equal(o.t, string(torn), string(o.disk.Content(path+".torn")))
	o.append()
	o.close()
	contents, err := journal.Read(path, o.options)
	require.NoError(o.t, err)
	require.Empty(o.t, contents.Torn)
	o.check(contents)
}

// TestManyCrashes crashes a journal again and again, at random operations.
func TestManyCrashes(t *testing.T) {
	for seed := range uint64(12) {
		random := seeded(seed)
		o := newOwner(t, simdisk.New())
		for range 12 {
			o.disk.Partial = random.Float64()
			left := random.IntN(60)
			cause := []error{simdisk.ErrIO, simdisk.ErrFull, simdisk.ErrShort}[random.IntN(3)]
			o.disk.Before = func(string, string) error {
				if left--; left < 0 { // from now on, nothing works
					return cause
				}
				return nil
			}
			o.work()
			if random.IntN(3) == 0 {
				o.disk.Kill()
			} else {
				o.disk.Crash(random)
			}
			o.recover()
			if random.IntN(2) == 0 {
				o.disk.Crash(random)
				o.recover()
			}
			o.disk.Kill()
		}
	}
}
