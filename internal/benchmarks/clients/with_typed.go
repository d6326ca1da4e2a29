//go:build !race

package clients

import (
	"github.com/ecsreboot/ecsreboot/internal/benchmarks/clients/openapi"
	"github.com/ecsreboot/ecsreboot/internal/benchmarks/clients/typed"
)

// Typed reports whether All has the typed client.
const Typed = true

// typedClients returns the client of the vendor's typed SDK.
func typedClients() []Client {
	return []Client{{Name: "typed", New: typed.New, Retries: []string{openapi.Autoretry, openapi.RetryOptions}}}
}
