package fleet

import "github.com/ecsreboot/ecsreboot/fleet/journal"

// WithFiles puts the journal on another file system.
func (o Options) WithFiles(files journal.FS) Options {
	o.files = files
	return o
}

// LoadFrom is Load from another file system.
func LoadFrom(files journal.FS, path string) (*History, error) {
	return load(path, journal.Options{FS: files})
}
