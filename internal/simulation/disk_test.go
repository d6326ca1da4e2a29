package simulation

import (
	"math/rand/v2"
	"sync"

	"github.com/ecsreboot/ecsreboot/fleet/journal"
	"github.com/ecsreboot/ecsreboot/internal/simdisk"
)

const journalPath = "run.journal"

// disk is that of a fleet, which outlives its drivers.
type disk struct {
	*simdisk.Disk

	mu         sync.Mutex
	operations int
	faults     []diskFault
	note       func(format string, args ...any)
}

func newDisk(partial float64, note func(format string, args ...any)) *disk {
	d := &disk{Disk: simdisk.New(), note: note}
	d.Partial = partial
	d.Before = d.before
	return d
}

func (d *disk) before(operation, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.operations
	d.operations++
	if operation == "read" || operation == "open" {
		return nil
	}
	for _, f := range d.faults {
		if n >= f.From && n < f.From+f.Times {
			err := simdisk.ErrIO
			if f.Full {
				err = simdisk.ErrFull
			}
			d.note("disk: %s %s: %v", operation, name, err)
			return err
		}
	}
	if operation != "write" {
		d.note("disk: %s %s", operation, name)
	}
	return nil
}

// boot returns the disk for a new driver, with the faults of its session.
func (d *disk) boot(faults []diskFault) journal.FS {
	d.mu.Lock()
	d.faults, d.operations = faults, 0
	d.mu.Unlock()
	return d.Mount()
}

// crash ends all that is open.
func (d *disk) crash(c crash) {
	if c.Power {
		d.Crash(rand.New(rand.NewPCG(c.Seed, 1)))
	} else {
		d.Kill()
	}
}
