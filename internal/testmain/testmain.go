// Package testmain implements TestMain for the larger test packages of the module.
package testmain

import (
	"flag"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

// Run runs the tests of a package and exits. Before, it removes credentials, proxies and
// DEBUG from the environment, makes an empty directory the home and disables the metadata
// service.
func Run(m *testing.M) {
	home, err := os.MkdirTemp("", "ecsreboot-home")
	must(err)
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "ALIBABA_CLOUD_") || strings.HasSuffix(strings.ToUpper(name), "_PROXY") || strings.EqualFold(name, "DEBUG") {
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

// ManyBubbles reduces the CPU time of tests that make many short-lived bubbles. It must
// run first in TestMain, and parses the flags. It lets the heap grow, and sets GOMAXPROCS
// to 1: the goroutines of a bubble mostly wait for one another, and changing cores costs up
// to 60 % more CPU time. It leaves GOMAXPROCS alone with the race detector, in benchmarks,
// and if the environment sets it. The flag -cpu has precedence.
func ManyBubbles() {
	debug.SetGCPercent(400)
	flag.Parse()
	if !raceEnabled && flag.Lookup("test.bench").Value.String() == "" && os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
}
