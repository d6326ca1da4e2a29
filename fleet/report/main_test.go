package report_test

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain lets the heap grow, because the tests build many short-lived reports of large
// fleets. This saves a third of their time.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}
