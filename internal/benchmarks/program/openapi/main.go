// The program restarts one instance. It is there to be weighed.
package main

import (
	"github.com/ecsreboot/ecsreboot/internal/benchmarks/call"
	"github.com/ecsreboot/ecsreboot/internal/benchmarks/clients/openapi"
)

func main() { call.Main(openapi.New) }
