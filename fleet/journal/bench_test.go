package journal_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/fleet/journal"
	"github.com/ecsreboot/ecsreboot/internal/simdisk"
)

// benchRecord makes a line of about 130 bytes.
type benchRecord struct {
	Kind    string `json:"kind"`
	ID      string `json:"id"`
	Attempt int    `json:"attempt"`
}

func newBenchJournal(b *testing.B) *journal.Journal {
	b.Helper()
	j, err := journal.Create(filepath.Join(b.TempDir(), "journal"), "run", journal.Options{})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, j.Close()) })
	return j
}

var intent = benchRecord{Kind: "intent", ID: "i-bp67acfmxazb4ph0001", Attempt: 1}

// BenchmarkAppend is on the disk of the temporary directory.
func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			j := newBenchJournal(b)
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					for i := w; i < b.N; i += writers {
						if err := j.Append(intent); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

func BenchmarkWrite(b *testing.B) {
	j := newBenchJournal(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := j.Write(intent); err != nil {
			b.Fatal(err)
		}
	}
	if err := j.Sync(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkRead(b *testing.B) {
	d := simdisk.New()
	j, err := journal.Create(path, "run", journal.Options{FS: d})
	require.NoError(b, err)
	for range 10_000 {
		require.NoError(b, j.Write(intent))
	}
	require.NoError(b, j.Close())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := journal.Read(path, journal.Options{FS: d}); err != nil {
			b.Fatal(err)
		}
	}
}
