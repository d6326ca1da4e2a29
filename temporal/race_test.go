//go:build race

package ecstemporal

const raceEnabled = true
