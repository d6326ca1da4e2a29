package journal_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/fleet/journal"
	"github.com/ecsreboot/ecsreboot/internal/simdisk"
)

// TestMain lets the test binary be the other process of a test. It also lets
// the heap grow: the tests read thousands of journals, and this saves a third of their time.
func TestMain(m *testing.M) {
	if what := os.Getenv(childEnv); what != "" {
		if err := child(what); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

const path = "dir/journal"

type note struct {
	N    int    `json:"n"`
	Text string `json:"text"`
}

// newNote has a text of another length each time, with what JSON escapes.
func newNote(n int) note {
	return note{N: n, Text: fmt.Sprintf("%0*d <é\n\"\u2028>", 1+n*7%23, n)}
}

// notes decodes records, which must be unchanged.
func notes(tb testing.TB, records []json.RawMessage) []int {
	tb.Helper()
	numbers := make([]int, 0, len(records))
	for _, record := range records {
		var n note
		if err := json.Unmarshal(record, &n); err != nil || n != newNote(n.N) { // a call of require for each note would take most of the time
			require.NoError(tb, err)
			require.Equal(tb, newNote(n.N), n)
		}
		numbers = append(numbers, n.N)
	}
	return numbers
}

func upTo(n int) []int {
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i + 1
	}
	return numbers
}

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// newJournal makes a journal with the notes 1 to 10, in groups that end with 1, 5
// and 10.
func newJournal(t *testing.T) []byte {
	t.Helper()
	d := simdisk.New()
	// In a bubble no time passes, and no group is written early.
	synctest.Test(t, func(t *testing.T) {
		j, err := journal.Create(path, newNote(1), journal.Options{FS: d})
		require.NoError(t, err)
		for n := 2; n <= 10; n++ {
			if n == 5 || n == 10 {
				require.NoError(t, j.Append(newNote(n)))
			} else {
				require.NoError(t, j.Write(newNote(n)))
			}
		}
		require.NoError(t, j.Close())
	})
	return d.Content(path)
}
