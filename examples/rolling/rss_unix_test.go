//go:build unix

package main

import (
	"os"
	"runtime"
	"syscall"
)

func maxRSS(state *os.ProcessState) int64 {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return int64(usage.Maxrss) //nolint:unconvert // not on all platforms
	}
	return int64(usage.Maxrss) << 10 //nolint:unconvert // not on all platforms
}
