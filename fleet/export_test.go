package fleet

import (
	"time"

	"github.com/ecsreboot/ecsreboot/fleet/journal"
)

// WithFiles puts the journal on another file system.
func (o Options) WithFiles(files journal.FS) Options {
	o.files = files
	return o
}

// MarkInstancesOn is MarkInstances on another file system.
func MarkInstancesOn(files journal.FS, path string, markings ...Marking) (*Report, error) {
	return markInstances(path, journal.Options{FS: files}, markings)
}

// LoadFrom is Load from another file system.
func LoadFrom(files journal.FS, path string) (*History, error) {
	return load(path, journal.Options{FS: files})
}

// Ideal is how long the run of a plan would take if each restart took its place for as long
// as given, and nothing but the planner delayed it.
func Ideal(plan Plan, rules Rules, place func(id string) time.Duration) time.Duration {
	planner, err := NewPlanner(plan, rules)
	if err != nil {
		panic(err)
	}
	return lineUp(planner, queue{}, func(id string) (time.Duration, bool, Event) { return place(id), true, Event{} })
}
