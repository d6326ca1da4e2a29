// The program compares this project's client with the vendor's and with one made
// by hand, and writes what it finds to RESULTS.md. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	if err := compare(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
}

func compare(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	flags := flag.NewFlagSet("benchmarks", flag.ContinueOnError)
	m := &measurement{ctx: ctx, args: args}
	flags.IntVar(&m.rounds, "rounds", 10, "how often the clients take turns")
	flags.DurationVar(&m.benchTime, "benchtime", 500*time.Millisecond, "how long a client's turn takes in memory")
	flags.IntVar(&m.calls, "calls", 2000, "how many calls a client's turn takes over sockets")
	flags.BoolVar(&m.builds, "builds", true, "measure clean builds, which takes minutes")
	output := flags.String("o", "RESULTS.md", "write the results to this file")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if m.rounds < 1 || m.calls < 1 || flags.NArg() > 0 {
		return errors.New("-rounds and -calls are positive numbers, and nothing follows the flags")
	}
	var err error
	if m.dir, err = os.MkdirTemp("", "benchmarks-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(m.dir) }()
	text, err := m.results()
	if err != nil {
		return err
	}
	return os.WriteFile(*output, []byte(text), 0o644) //nolint:gosec // to be read by all
}

// measurement is one run of everything.
type measurement struct {
	ctx       context.Context //nolint:containedctx // of the one call of compare
	args      []string
	rounds    int
	benchTime time.Duration
	calls     int
	builds    bool
	dir       string // holds what is thrown away
}

// path names a temporary file.
func (m *measurement) path(name string) string { return filepath.Join(m.dir, name) }

// run runs a command and shows what it prints.
func (m *measurement) run(name string, args ...string) error {
	text, err := m.output(name, args...)
	fmt.Print(text)
	return err
}

// output runs a command and returns what it prints.
func (m *measurement) output(name string, args ...string) (string, error) {
	cmd := exec.CommandContext(m.ctx, name, args...) //nolint:gosec // ours
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return string(text), fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, text)
	}
	return string(text), nil
}
