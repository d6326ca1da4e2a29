// Command check checks whether ECS instances could be restarted now: their status,
// locks and expiry, and the service's response to a dry run. It restarts nothing.
// Package internal/cli/check does the work. Scripts build it, as go run turns every
// failure into 1:
//
//	go build -o ecs-check ./examples/check
package main

import (
	"context"
	"io"
	"os"

	"github.com/ecsreboot/ecsreboot/internal/cli/check"
	"github.com/ecsreboot/ecsreboot/internal/cli/process"
	"github.com/ecsreboot/ecsreboot/internal/cli/service"
)

func main() {
	process.Main(check.Program, func(ctx context.Context) int {
		return run(ctx, service.Connector{}, os.Args[1:], os.Stdout, os.Stderr)
	})
}

func run(ctx context.Context, connector service.Connector, args []string, stdout, stderr io.Writer) int {
	s, err := check.Parse(args)
	out := check.NewPrinter(s, stdout, stderr)
	if err != nil {
		return out.Failed(err)
	}
	if s.Page != "" { // -h, help or -version
		return out.Page()
	}
	connection, err := connector.Connect(s.Target, check.Program, s.Emulation(), out.Progress)
	if err != nil {
		return out.Failed(err)
	}
	defer connection.Close()
	return check.All(ctx, s, connection.Client, out)
}
