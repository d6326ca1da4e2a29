package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/journal"
)

// TestEachOperationOfTheDiskFails makes the k-th operation on the journal fail, for
// every k there is, and goes on from what is left after a power cut.
func TestEachOperationOfTheDiskFails(t *testing.T) {
	for _, failure := range []error{syscall.ENOSPC, syscall.EIO} {
		for k := 1; ; k++ {
			reached := false
			inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
				storage := newDisk()
				storage.failAt, storage.failAs, storage.short = k, failure, errors.Is(failure, syscall.ENOSPC)
				rules := fleet.Rules{MaxUnavailable: fleet.Count(2), AllowWide: true, Canary: []int{}, MaxFailed: fleet.Count(3)}
				options := fleet.Options{Settings: fleet.Settings{Rules: rules, MinReady: -1}, Journal: "run.journal"}.WithFiles(storage)
				plan := s.plan()
				var seen trace
				options.OnEvent = collect(&seen)
				report, err := fleet.Run(context.Background(), s.client, plan, options)
				reached = storage.ops >= k
				failed := err != nil
				if failed {
					require.ErrorIs(t, err, fleet.ErrJournal)
					require.ErrorIs(t, err, failure)
				}
				if report == nil {
					s.restartedOnce() // it did not begin
					return
				}
				if failed {
					// What was sent when it failed is followed to its end all the same.
					require.Zero(t, report.Count(fleet.StateRestarting))
					require.Equal(t, s.TotalReboots(), report.Count(fleet.StateHealthy))
				}
				storage = storage.kill(rand.New(rand.NewPCG(1, uint64(k))))
				history, err := fleet.LoadFrom(storage, "run.journal")
				require.NoError(t, err)
				intended := trace(history.Events).of(fleet.EventIntent).ids()
				for _, id := range s.ids {
					require.LessOrEqual(t, s.Reboots(id), len(slices.DeleteFunc(slices.Clone(intended), func(other string) bool { return other != id })),
						"%v at operation %d: a restart without an intent on the disk", failure, k)
				}
				report, err = fleet.Resume(context.Background(), s.client, plan, options.WithFiles(storage))
				if s.TotalReboots() < len(s.ids) || !errors.Is(err, fleet.ErrFinished) {
					require.NoError(t, err)
				}
				for _, id := range s.ids {
					require.LessOrEqual(t, s.Reboots(id), 1, "%v at operation %d", failure, k)
					record, _ := report.Record(id)
					require.Equal(t, record.Restarted(), s.Reboots(id) == 1, "%v at operation %d: %s", failure, k, mustJSON(t, record))
				}
			}, quick)
			if !reached {
				require.Greater(t, k, 25, "it has more operations than that")
				break
			}
		}
	}
}

// TestNothingIsSentWithoutIntent counts the restarts while the disk takes its time.
func TestNothingIsSentWithoutIntent(t *testing.T) {
	inBubble(t, 6, ecstest.Options{}, func(t *testing.T, s *service) {
		storage := &slowDisk{disk: newDisk(), sync: 5 * time.Second}
		var seen trace
		report, err := fleet.Run(context.Background(), s.client, s.plan(), fleet.Options{
			Settings: fleet.Settings{Rules: atOnce},
			Journal:  "run.journal", OnEvent: collect(&seen),
		}.WithFiles(storage))
		require.NoError(t, err)
		require.Equal(t, 6, report.Count(fleet.StateHealthy))
		for _, e := range seen.of(fleet.EventAccepted) {
			record, _ := report.Record(e.InstanceID)
			require.GreaterOrEqual(t, e.At.Sub(record.SentAt), 5*time.Second, "so long the intent took to be durable")
		}
	})
}

// TestDamagedJournal resumes from a journal with one byte damaged, or cut off there, for
// every seventh byte: the journal is refused, or nothing restarts twice.
func TestDamagedJournal(t *testing.T) {
	options := fleet.Options{Settings: fleet.Settings{Rules: atOnce, MinReady: -1}, Journal: "run.journal"}
	var whole []byte
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		storage := newDisk()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		_, err := fleet.Run(ctx, s.client, s.plan(), options.WithFiles(storage))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		whole = storage.files["run.journal"].written
	})
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		plan := s.plan()
		for _, id := range s.ids { // as the first session did
			require.NoError(t, s.Restart(id, false))
		}
		time.Sleep(10 * time.Minute)
		try := func(name string, damaged []byte) {
			storage := newDisk()
			storage.files["run.journal"] = &content{synced: damaged, written: damaged}
			report, err := fleet.Resume(context.Background(), s.client, plan, options.WithFiles(storage))
			s.restartedOnce(s.ids...)
			if err != nil {
				require.ErrorIs(t, err, fleet.ErrJournal, name)
				return
			}
			require.Len(t, report.Records, 3, name)
		}
		for i := 0; i < len(whole); i += 7 {
			damaged := append([]byte(nil), whole...)
			damaged[i] ^= 1 << (i % 8)
			try(fmt.Sprintf("byte %d damaged", i), damaged)
			try(fmt.Sprintf("cut off at %d", i), whole[:i])
		}
	})
}

// slowDisk takes its time to sync.
type slowDisk struct {
	*disk
	sync time.Duration
}

func (d *slowDisk) OpenFile(name string, flag int, perm fs.FileMode) (journal.File, error) {
	f, err := d.disk.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return slowFile{f, d.sync}, nil
}

type slowFile struct {
	journal.File
	sync time.Duration
}

func (f slowFile) Sync() error {
	time.Sleep(f.sync)
	return f.File.Sync()
}
