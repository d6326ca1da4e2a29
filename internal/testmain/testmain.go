// Package testmain is the beginning of the module's larger test binaries.
package testmain

import (
	"flag"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

// Run runs the tests of a package and ends the process. No test finds credentials, a proxy
// or a profile, or asks the metadata service.
func Run(m *testing.M) {
	home, err := os.MkdirTemp("", "ecsreboot-home")
	must(err)
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "ALIBABA_CLOUD_") || strings.HasSuffix(strings.ToUpper(name), "_PROXY") || name == "DEBUG" {
			must(os.Unsetenv(name))
		}
	}
	must(os.Setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true"))
	must(os.Setenv("HOME", home))
	must(os.Setenv("USERPROFILE", home))
	code := m.Run()
	_ = os.RemoveAll(home)
	os.Exit(code)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// ManyBubbles makes the many small worlds of a package's tests cheap. The heap grows,
// because the worlds are short-lived. The goroutines run on one core, because those of a
// bubble mostly wait for one another, and handing over to another core costs up to 60 %
// more CPU time. With the race detector and in benchmarks, all cores are used; GOMAXPROCS
// sets another number.
func ManyBubbles() {
	debug.SetGCPercent(400)
	flag.Parse()
	if !raceEnabled && flag.Lookup("test.bench").Value.String() == "" && os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
}
