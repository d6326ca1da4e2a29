package report_test

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain lets the heap grow, which saves a third of the tests' time: the reports of large
// fleets are many and short-lived.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}
