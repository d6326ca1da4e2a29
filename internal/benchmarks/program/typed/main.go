// The program restarts one instance. It is there to be weighed.
package main

import (
	"github.com/ecsreboot/ecsreboot/internal/benchmarks/call"
	"github.com/ecsreboot/ecsreboot/internal/benchmarks/clients/typed"
)

func main() { call.Main(typed.New) }
