// The program restarts one instance. It is there to be weighed.
package main

import (
	"github.com/ecsreboot/ecsreboot/benchmarks/call"
	"github.com/ecsreboot/ecsreboot/benchmarks/clients/floor"
)

func main() { call.Main(floor.New) }
