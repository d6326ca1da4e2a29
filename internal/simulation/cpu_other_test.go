//go:build !unix

package simulation

import "time"

var began = time.Now()

// cpuTime is the time that has passed, as this system does not say how much was used.
func cpuTime() time.Duration { return time.Since(began) }
