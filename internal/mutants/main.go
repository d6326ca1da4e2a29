// Mutants makes the changes of internal/mutants/*.mutant, one at a time, and runs
// the tests that must notice each. It exits with 1 if a change is not noticed
// (survived), or cannot be tried any more (stale): its function or snippet is not
// found or found twice, the code does not compile, the tests are gone or fail
// without it. The files of the module are left as they are.
//
// Usage:
//
//	go run ./internal/mutants [-run regexp] [-list] [-j n]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/testindex"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, ".", os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // nothing is left to stop
	}
}

var errNotAllKilled = errors.New("not every mutant was killed")

// run is the program, for the module at or above dir.
func run(ctx context.Context, dir string, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	only := flags.String("run", "", "try only the mutants whose file/name matches this `regexp`")
	list := flags.Bool("list", false, "print the names of the mutants")
	workers := flags.Int("j", max(1, runtime.NumCPU()/2), "number of mutants tried at once")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen, err := regexp.Compile(*only)
	switch {
	case err != nil:
		return fmt.Errorf("invalid -run: %w", err)
	case flags.NArg() > 0:
		return fmt.Errorf("unknown argument %q", flags.Arg(0))
	case *workers < 1:
		return fmt.Errorf("invalid -j %d", *workers)
	}
	root, module, err := testindex.Root(dir)
	if err != nil {
		return err
	}
	mutants, err := readMutants(filepath.Join(root, "internal", "mutants"))
	if err != nil {
		return err
	}
	mutants = slices.DeleteFunc(mutants, func(m mutant) bool { return !chosen.MatchString(m.name) })
	switch {
	case len(mutants) == 0:
		return errors.New("no mutants found")
	case *list:
		_, err = fmt.Fprintln(stdout, strings.Join(names(mutants), "\n"))
		return err
	}
	s, err := readSource(root, module)
	if err != nil {
		return err
	}
	return s.try(ctx, mutants, *workers, stdout)
}

// try tries mutants, several at once, and prints what becomes of each.
func (s *source) try(ctx context.Context, mutants []mutant, workers int, stdout io.Writer) error {
	scratch, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch) //nolint:errcheck // it is temporary
	var trials []*trial
	for i, m := range mutants {
		trials = append(trials, s.prepare(m, filepath.Join(scratch, fmt.Sprint(i))))
	}
	if err := s.runUnchanged(ctx, trials); err != nil {
		return err
	}
	var mu sync.Mutex
	count := map[fate]int{}
	queue := make(chan *trial)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for t := range queue {
				begin := time.Now()
				s.attempt(ctx, t)
				mu.Lock()
				count[t.fate]++
				fmt.Fprintf(stdout, "%-8s %s (%.1fs)%s\n", t.fate, t.name, time.Since(begin).Seconds(), t.reason())
				mu.Unlock()
			}
		})
	}
	for _, t := range trials {
		queue <- t
	}
	close(queue)
	group.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(stdout, "%d killed, %d survived, %d stale\n", count[killed], count[survived], count[stale]); err != nil {
		return err
	}
	if count[killed] < len(mutants) {
		return errNotAllKilled
	}
	return nil
}
