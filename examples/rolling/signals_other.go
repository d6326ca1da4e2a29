//go:build !unix

package main

import "os"

func pauseSignals() []os.Signal { return nil }

func pauses(os.Signal) (paused, ok bool) { return false, false }
