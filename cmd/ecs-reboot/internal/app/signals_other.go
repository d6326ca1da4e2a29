//go:build !unix

package app

import "os"

func pauseSignals() []os.Signal { return nil }

func pauses(os.Signal) (paused, ok bool) { return false, false }
