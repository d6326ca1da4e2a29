// Command ecs-reboot restarts Alibaba Cloud ECS instances: one, several, or a whole
// fleet a few at a time, with proof and never twice by accident. Its help pages are its
// manual; they are collected in docs/cli.md.
package main

import (
	"context"
	"os"

	_ "time/tzdata" // --window must know its time zone wherever the program runs

	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/app"
	"github.com/ecsreboot/ecsreboot/internal/cli/process"
)

func main() {
	process.Serve(app.Name, app.PauseSignals(), func(signals <-chan os.Signal, release func()) int {
		return app.Main(context.Background(), os.Args[1:], signals, release)
	})
}
