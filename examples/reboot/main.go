// Command reboot restarts one ECS instance and, with -wait, follows the restart until
// it is proven. The lesson is in restart; the packages of internal/cli parse the
// command line and print. Scripts build it, as go run turns every failure into 1:
//
//	go build -o ecs-reboot ./examples/reboot
package main

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/internal/cli/process"
	"github.com/ecsreboot/ecsreboot/internal/cli/reboot"
	"github.com/ecsreboot/ecsreboot/internal/cli/service"
	"github.com/ecsreboot/ecsreboot/internal/cli/terminal"
	"github.com/ecsreboot/ecsreboot/internal/cli/view"
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
		result := restart(ctx, s, practice.Client, out)
		practice.Finish(ctx, result)
		return result.ExitCode
	}
	connection, err := p.connector.Connect(s.Target, reboot.Program, service.Emulation{}, out.Progress)
	if err != nil {
		return out.Failed(err)
	}
	defer connection.Close()
	out.Progress("%s at %s\n", s.Command, connection.Endpoint())
	return restart(ctx, s, connection.Client, out).ExitCode
}

// restart sends the restart once. Without -wait, no error means that the service has
// accepted it; with -wait, that the restart is proven and the instance is Running.
func restart(ctx context.Context, s reboot.Settings, client *ecsreboot.Client, out *reboot.Printer) view.Result {
	if !s.Wait {
		ctx, cancel := s.Limit(ctx)
		defer cancel()
		response, err := client.RebootInstance(ctx, s.Request)
		return out.Called(response, err)
	}
	out.Follow()
	options := s.WaitOptions // the limits of the wait
	options.OnEvent = out.Event
	result, err := client.RebootAndWait(ctx, s.Request, options)
	return out.Waited(result, err)
}
