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
	if err != nil {
		panic(err)
	}
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "ALIBABA_CLOUD_") || strings.HasSuffix(strings.ToUpper(name), "_PROXY") || name == "DEBUG" {
			os.Unsetenv(name)
		}
	}
	os.Setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
	os.Setenv("HOME", home)
	os.Setenv("USERPROFILE", home)
	code := m.Run()
	os.RemoveAll(home)
	os.Exit(code)
}

// ManyBubbles makes the many small worlds of a package's tests cheap. The heap grows,
// because they are short-lived. Their goroutines run on one core, because in a bubble
// nearly all of them wait for one another, and handing over to another core takes up to
// half as long again. The race detector and benchmarks have all cores; -cpu or GOMAXPROCS
// gives the tests more.
func ManyBubbles() {
	debug.SetGCPercent(400)
	flag.Parse()
	if !raceEnabled && flag.Lookup("test.bench").Value.String() == "" && os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
}
