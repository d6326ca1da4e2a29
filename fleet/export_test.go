package fleet

import "github.com/ecsreboot/ecsreboot/fleet/journal"

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
