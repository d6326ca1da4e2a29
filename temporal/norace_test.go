//go:build !race

package ecstemporal

const raceEnabled = false
