// Package clients lists the clients that are compared.
package clients

import (
	"github.com/ecsreboot/ecsreboot/internal/benchmarks/call"
	"github.com/ecsreboot/ecsreboot/internal/benchmarks/clients/classic"
	"github.com/ecsreboot/ecsreboot/internal/benchmarks/clients/floor"
	"github.com/ecsreboot/ecsreboot/internal/benchmarks/clients/openapi"
	"github.com/ecsreboot/ecsreboot/internal/benchmarks/clients/ours"
)

// Client is one of the compared clients. Its program is in the directory of that
// name in program.
type Client struct {
	Name    string
	New     call.New
	Retries []string // its switches for repeating calls
}

// All returns the clients in the order of the tables. Under the race detector, the typed
// client, which is the last one, is missing.
func All() []Client {
	return append([]Client{
		{Name: "floor", New: floor.New},
		{Name: "ours", New: ours.New, Retries: []string{ours.MaxAttempts}},
		{Name: "classic", New: classic.New, Retries: []string{classic.AutoRetry}},
		{Name: "openapi", New: openapi.New, Retries: []string{openapi.Autoretry, openapi.RetryOptions}},
	}, typedClients()...)
}
