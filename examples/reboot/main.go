// Command reboot restarts one ECS instance and, with -wait, follows the restart until
// it is proven. Package internal/cli/reboot does the work. Scripts build it, as go run
// turns every failure into 1:
//
//	go build -o reboot ./examples/reboot
package main

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/cli/process"
	"github.com/ecsreboot/ecsreboot/internal/cli/reboot"
	"github.com/ecsreboot/ecsreboot/internal/cli/service"
	"github.com/ecsreboot/ecsreboot/internal/cli/terminal"
)

func main() {
	process.Main(reboot.Program, func(ctx context.Context) int {
		return newProgram(os.Stdin, os.Stdout, os.Stderr).run(ctx, os.Args[1:])
	})
}

// program is what a run needs from outside. Tests replace it.
type program struct {
	*terminal.Streams
	connector   service.Connector
	restartTime time.Duration // of the emulated instance, without -wait; 0: default
}

func newProgram(stdin io.Reader, stdout, stderr io.Writer) *program {
	return &program{Streams: terminal.NewStreams(stdin, stdout, stderr)}
}

func (p *program) run(ctx context.Context, args []string) int {
	s, err := reboot.Parse(args)
	out := reboot.NewPrinter(s, p.Streams)
	if err != nil {
		return out.Failed(err)
	}
	if s.Page != "" { // -h, help or -version
		return out.Page()
	}
	if err := s.Confirm(ctx, p.Streams); err != nil {
		return out.Failed(err)
	}
	if s.Emulate {
		practice, err := reboot.Practise(s, out, p.connector, p.restartTime)
		if err != nil {
			return out.Failed(err)
		}
		defer practice.Close()
		result := reboot.Restart(ctx, s, practice.Client, out)
		practice.Finish(ctx, result)
		return result.ExitCode
	}
	connection, err := p.connector.Connect(s.Target, reboot.Program, service.Emulation{}, out.Progress)
	if err != nil {
		return out.Failed(err)
	}
	defer connection.Close()
	out.Progress("%s at %s\n", s.Command, connection.Endpoint())
	return reboot.Restart(ctx, s, connection.Client, out).ExitCode
}
