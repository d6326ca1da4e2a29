// The program restarts one instance. It is there to be weighed.
package main

import (
	"github.com/ecsreboot/ecsreboot/benchmarks/call"
	"github.com/ecsreboot/ecsreboot/benchmarks/clients/classic"
)

func main() { call.Main(classic.New) }
