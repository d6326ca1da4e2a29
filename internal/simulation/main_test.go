package simulation

import (
	"flag"
	"os"
	"runtime/debug"
	"testing"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/testmain"
)

var (
	simRestarts = flag.Int("sim.restarts", 0, "simulate worlds until we have restarted machines `n` times; 0: as few as fit into go test ./...")
	simSeed     = flag.Uint64("sim.seed", 1, "the `seed` of the first world; the following worlds have the following seeds")
	simTimes    = flag.Int("sim.times", 0, "simulate only the world of the seed, `n` times, and say how often it fails")
	simFor      = flag.Duration("sim.for", 0, "simulate worlds for so long, in real time, instead of sim.restarts")
	simWorkers  = flag.Int("sim.workers", 1, "number of worlds at once")
	simLogs     = flag.String("sim.logs", os.TempDir(), "`directory` for the logs of failures")
	simWithout  = flag.String("sim.without", "", "take these `parts` from the world of sim.times, as a failure names them")
	simShrink   = flag.Duration("sim.shrink", time.Minute, "for so long, make the world that fails smaller")
)

// TestMain lets the heap grow, because worlds are many and short-lived.
func TestMain(m *testing.M) {
	flag.Parse()
	debug.SetGCPercent(800)
	time.Local = time.UTC
	testmain.Run(m)
}
