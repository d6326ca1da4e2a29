// The program compares this project's client with the vendor's clients and with a
// hand-written one, and its waits with those that people write. It writes the results to
// RESULTS.md and to a table of docs/alternatives.md. See README.md.
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
	flags.IntVar(&m.seeds, "seeds", 1000, "how many restarts each way to wait takes; fewer if they are long")
	flags.BoolVar(&m.builds, "builds", true, "measure clean builds, which takes minutes")
	part := flags.String("part", "", "measure only this `part` and print it: "+strings.Join(partNames(), ", "))
	if err := flags.Parse(args); err != nil {
		return err
	}
	if m.rounds < 1 || m.calls < 1 || m.seeds < 1 || flags.NArg() > 0 {
		return errors.New("-rounds, -calls and -seeds must be positive, and no arguments are allowed after the flags")
	}
	var err error
	if m.dir, err = os.MkdirTemp("", "benchmarks-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(m.dir) }()
	if *part != "" {
		text, err := m.part(*part)
		fmt.Print(text)
		return err
	}
	text, summary, err := m.results()
	if err != nil {
		return err
	}
	if err := os.WriteFile("RESULTS.md", []byte(text), 0o644); err != nil { //nolint:gosec // to be read by all
		return err
	}
	return replaceSummary(filepath.Join("..", "..", "docs", "alternatives.md"), summary)
}

const summaryBegin, summaryEnd = "<!-- begin: go run . in internal/benchmarks -->\n", "<!-- end -->\n"

// replaceSummary replaces the text of a file between the two marks.
func replaceSummary(name, summary string) error {
	text, err := os.ReadFile(name) //nolint:gosec // a page of this repository
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(text), summaryBegin)
	_, after, ended := strings.Cut(rest, summaryEnd)
	if !found || !ended {
		return fmt.Errorf("%s has no marks for the summary", name)
	}
	return os.WriteFile(name, []byte(before+summaryBegin+"\n"+summary+"\n"+summaryEnd+after), 0o644) //nolint:gosec // to be read by all
}

// measurement is one run of everything.
type measurement struct {
	ctx       context.Context //nolint:containedctx // of the one call of compare
	args      []string
	rounds    int
	benchTime time.Duration
	calls     int
	seeds     int
	builds    bool
	dir       string // holds what is thrown away
}

// path names a temporary file.
func (m *measurement) path(name string) string { return filepath.Join(m.dir, name) }

// run runs a command and shows what it prints.
func (m *measurement) run(name string, args ...string) error {
	text, err := m.output(name, args...)
	fmt.Fprint(os.Stderr, text)
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
