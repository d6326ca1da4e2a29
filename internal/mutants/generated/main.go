// Generated changes the code of some packages in every way that its rules know, one
// change at a time, and runs the tests that reach the changed code. It prints each
// change that no test notices and, of each package, how many were noticed.
//
// equivalent.txt lists the changes that no test can notice, each with the reason.
// alive.txt lists those that a test should notice, each with the test that is missing.
// The program exits with 1 if another change is not noticed, if one in alive.txt is
// noticed, if an entry belongs to no change any more, or if less than 95 % of a package's
// changes that are not equivalent are noticed.
//
// Usage:
//
//	go run ./internal/mutants/generated [-run regexp] [-list] [-v] [-max n] [-j n] [-keep file] [package...]
//
// The rules: negate a condition, move a boundary, swap && and ||, + and -, * and /, min
// and max, two cases, break and continue; drop a statement, empty a branch, a loop or a
// case; return a zero value; change a number to 0 and to one more, or to twice as much.
// What does not compile is no mutant.
//
// Tests run with -short, those of the package first and of these those that take the
// least time, until one fails; it must fail twice. Tests are left out that would take more
// than 12 s of CPU time in all, or that have not begun after 30 s of CPU time. A mutant is
// killed as well if it makes tests run for 25 s and twenty times as long as they do
// without it.
package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/testindex"
)

const (
	testLimit    = 30 * time.Second // CPU time of the tests of a mutant, and time of one test without any
	suiteLimit   = 12 * time.Second // CPU time of a mutant's tests in one package, without it
	leastPercent = 95
	sampleSeed   = "1"
)

// target is a package, those of its files that are mutated, and where the tests are that
// must notice it.
type target struct {
	dir   string
	files []string
	tests []string
}

var targets = []target{
	{"internal/once", []string{"*.go"}, []string{"internal/once", "internal/acceptance"}},
	{"pace", []string{"*.go"}, []string{"pace", "internal/acceptance"}},
	{"fleet/journal", []string{"*.go"}, []string{"fleet/journal", "fleet"}},
	{".", []string{"retry.go", "proof*.go", "watch*.go"}, []string{".", "internal/acceptance"}},
	{"fleet", []string{"planner*.go"}, []string{"fleet"}},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, ".", os.Args[1:], os.Stdout, targets, 5*time.Second)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // nothing is left to stop
	}
}

type runner struct {
	root     string
	scratch  string
	workers  int
	slack    time.Duration
	keep     string
	kept     kept
	verbose  bool
	stdout   io.Writer
	suites   map[string]*suite
	covered  []string
	blocksMu sync.Mutex
	blocks   map[string]map[block]bool // all of the code that is covered, by import path and file
	cpu      atomic.Int64              // of test binaries

	killersMu sync.Mutex
	killers   map[*ast.FuncDecl]map[string]bool
	passed    map[[2]string]bool // by binary and test

	equivalent, alive *list
	problems          []error
}

// run is the program, for the module at or above dir. A mutant is killed by time if tests
// run for five times slack and twenty times as long as without it.
func run(ctx context.Context, dir string, args []string, stdout io.Writer, targets []target, slack time.Duration) error {
	flags := flag.NewFlagSet("generated", flag.ContinueOnError)
	only := flags.String("run", "", "try only the mutants whose key matches this `regexp`, those that are listed as equivalent included")
	listOnly := flags.Bool("list", false, "print the keys of the mutants")
	verbose := flags.Bool("v", false, "print each mutant, with the test that killed it")
	most := flags.Int("max", 150, "try that many mutants of each package, chosen by a fixed seed; 0: all")
	keep := flags.String("keep", "", "read from this `file` what the tests reach, if it is of the same code, and write it there")
	workers := flags.Int("j", max(1, runtime.NumCPU()/2), "number of mutants tried at once")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("invalid -run: %w", err)
	}
	switch {
	case *workers < 1:
		return fmt.Errorf("invalid -j %d", *workers)
	case *most < 0:
		return fmt.Errorf("invalid -max %d", *most)
	}
	root, module, err := testindex.Root(dir)
	if err != nil {
		return err
	}
	r := &runner{root: root, workers: *workers, slack: slack, keep: *keep, verbose: *verbose, stdout: stdout, suites: map[string]*suite{}, killers: map[*ast.FuncDecl]map[string]bool{}, passed: map[[2]string]bool{}, blocks: map[string]map[block]bool{}}
	for _, t := range targets {
		r.covered = append(r.covered, strings.TrimSuffix(module+"/"+t.dir, "/."))
	}
	if flags.NArg() > 0 {
		for _, name := range flags.Args() {
			if !slices.ContainsFunc(targets, func(t target) bool { return t.dir == name }) {
				return fmt.Errorf("no mutants are generated for %q", name)
			}
		}
		targets = slices.DeleteFunc(slices.Clone(targets), func(t target) bool { return !slices.Contains(flags.Args(), t.dir) })
	}
	lists := filepath.Join(root, "internal", "mutants", "generated")
	r.equivalent, err = readList(filepath.Join(lists, "equivalent.txt"))
	if err != nil {
		return err
	}
	if r.alive, err = readList(filepath.Join(lists, "alive.txt")); err != nil {
		return err
	}
	if r.scratch, err = os.MkdirTemp("", "mutants"); err != nil {
		return err
	}
	defer os.RemoveAll(r.scratch) //nolint:errcheck // it is temporary
	if r.kept, err = readKept(ctx, r.keep, root, r.covered); err != nil {
		return err
	}
	packages, err := load(ctx, root, targets)
	if err != nil {
		return err
	}
	var scores []score
	for i, t := range targets {
		p := packages[i]
		mutants, err := p.mutants(t.files)
		if err != nil {
			return err
		}
		all := len(mutants)
		r.findStale(mutants, t.dir)
		mutants = sample(slices.DeleteFunc(mutants, func(m *mutant) bool { return !chosen.MatchString(m.key) }), *most)
		if *listOnly {
			for _, m := range mutants {
				fmt.Fprintf(stdout, "%s (%s)\n", m.key, m.at)
			}
			continue
		}
		tried := slices.DeleteFunc(slices.Clone(mutants), func(m *mutant) bool { return *only == "" && r.equivalent.has(m.key) })
		s, err := r.try(ctx, p, t, tried)
		if err != nil {
			return err
		}
		s.all, s.sample = all, len(mutants)
		for _, m := range mutants {
			if r.equivalent.has(m.key) {
				s.equivalent++
			}
		}
		fmt.Fprintln(stdout, s.line())
		scores = append(scores, s)
	}
	if *listOnly {
		return errors.Join(r.problems...)
	}
	fmt.Fprintln(stdout)
	for _, s := range scores {
		fmt.Fprintln(stdout, s.line())
		if s.percent() < leastPercent {
			r.problems = append(r.problems, fmt.Errorf("%s: less than %d %% were noticed", s.name, leastPercent))
		}
	}
	fmt.Fprintf(stdout, "CPU time: builds %s, tests %s\n", time.Duration(buildTime.Load()).Round(time.Second), time.Duration(r.cpu.Load()).Round(time.Second))
	return errors.Join(r.problems...)
}

// sample chooses n mutants, or all if n is 0. The choice of each depends on its key alone,
// so a change of the code does not replace those that are elsewhere.
func sample(mutants []*mutant, n int) []*mutant {
	if n == 0 || len(mutants) <= n {
		return mutants
	}
	order := func(m *mutant) string {
		sum := sha256.Sum256([]byte(sampleSeed + m.key))
		return string(sum[:])
	}
	mutants = slices.SortedFunc(slices.Values(mutants), func(a, b *mutant) int { return strings.Compare(order(a), order(b)) })[:n]
	slices.SortFunc(mutants, func(a, b *mutant) int { return a.number - b.number })
	return mutants
}

func (r *runner) findStale(mutants []*mutant, dir string) {
	for _, l := range []*list{r.equivalent, r.alive} {
		for _, key := range l.stale(mutants, dir) {
			r.problems = append(r.problems, fmt.Errorf("%s: no mutant is %q any more", filepath.Base(l.file), key))
		}
	}
}

// score is what became of the mutants of a package.
type score struct {
	name       string
	all        int
	sample     int
	equivalent int
	tried      int
	killed     int // timeouts included
	timeouts   int
	alive      int
}

func (s score) percent() float64 {
	if s.tried == 0 {
		return 100
	}
	return 100 * float64(s.killed) / float64(s.tried)
}

func (s score) line() string {
	return fmt.Sprintf("%-14s %4d of %4d mutants, %3d equivalent, %4d tried, %4d killed (%d by time), %3d alive: %.1f %%",
		s.name, s.sample, s.all, s.equivalent, s.tried, s.killed, s.timeouts, s.alive, s.percent())
}

// try runs the tests of the mutants of a package.
func (r *runner) try(ctx context.Context, p *pkg, t target, mutants []*mutant) (score, error) {
	s := score{name: t.dir, tried: len(mutants)}
	var tests []*test
	for _, dir := range t.tests {
		if r.suites[dir] == nil {
			found, err := r.survey(ctx, dir, r.covered)
			if err != nil {
				return s, err
			}
			r.suites[dir] = found
		}
		tests = append(tests, r.suites[dir].tests...)
	}
	if err := r.kept.write(r.keep); err != nil {
		return s, err
	}
	p.blocks = r.blocks
	texts, _ := p.combined(mutants)
	built := map[string]string{} // by directory
	for _, dir := range t.tests {
		binary, err := r.build(ctx, p, texts, "all", dir)
		if err != nil {
			return s, err
		}
		built[dir] = binary
	}
	var mu sync.Mutex
	err := each(r.workers, mutants, func(_ int, m *mutant) error {
		begin := time.Now()
		f, why, err := r.attempt(ctx, m, built, p.reaching(m, tests, t.tests), func(dir string) (string, error) {
			if !m.isAlone() {
				return built[dir], nil
			}
			return r.build(ctx, p, p.withOnly(m), fmt.Sprint(m.number), dir)
		})
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		switch f {
		case killed:
			s.killed++
		case killedByTime:
			s.killed++
			s.timeouts++
		case survived:
			s.alive++
		}
		unlisted := f == survived && !r.alive.has(m.key) && !r.equivalent.has(m.key)
		revived := f != survived && (r.alive.has(m.key) || r.equivalent.has(m.key))
		if unlisted {
			r.problems = append(r.problems, fmt.Errorf("not noticed: %s (%s)", m.key, m.at))
		}
		if revived {
			r.problems = append(r.problems, fmt.Errorf("listed, but noticed by %s: %s", why, m.key))
		}
		if unlisted || revived || r.verbose {
			fmt.Fprintf(r.stdout, "%-8s %s (%s, %.1fs): %s\n", f, m.key, m.at, time.Since(begin).Seconds(), why)
		}
		return nil
	})
	return s, err
}

// build builds the tests in a directory with other texts for files of the package, unless
// they have been built.
func (r *runner) build(ctx context.Context, p *pkg, texts map[string]string, name, dir string) (binary string, err error) {
	folder := filepath.Join(r.scratch, strings.ReplaceAll(p.dir, "/", "_")+"_"+name)
	binary = filepath.Join(folder, strings.ReplaceAll(dir, "/", "_")+".test")
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	replace := map[string]string{}
	for path, text := range texts {
		replace[path] = filepath.Join(folder, filepath.Base(path))
		if err := os.WriteFile(replace[path], []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	overlay := filepath.Join(folder, "overlay.json")
	if err := writeJSON(overlay, map[string]any{"Replace": replace}); err != nil {
		return "", err
	}
	_, err = goCommand(ctx, r.root, "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-o", binary, "./"+dir)
	return binary, err
}

type fate string

const (
	killed       fate = "killed"
	killedByTime fate = "timeout"
	survived     fate = "ALIVE"
)

// attempt runs the tests that reach a mutant, until one fails that passes with the plain
// binary.
func (r *runner) attempt(ctx context.Context, m *mutant, plain map[string]string, tests []*test, binaryOf func(dir string) (string, error)) (fate, string, error) {
	if len(tests) == 0 {
		return survived, "no test reaches it", nil
	}
	left := testLimit
	unlikely := map[string]bool{} // those that failed only once
	own := func(t *test) bool { return t.suite.dir == tests[0].suite.dir }
	parts := append(portions(filter(tests, own), r.killersOf(m)), portions(filter(tests, func(t *test) bool { return !own(t) }), r.killersOf(m))...)
	for _, part := range parts {
		for again := true; again; {
			again = false
			for _, dir := range dirsOf(part) {
				var run []string
				var unchanged time.Duration
				for _, t := range part {
					if t.suite.dir == dir && !unlikely[t.name] {
						run = append(run, t.name)
						unchanged += t.took
					}
				}
				if len(run) == 0 {
					continue
				}
				if left < 0 {
					return survived, "not all tests ran in time", nil
				}
				binary, err := binaryOf(dir)
				if err != nil {
					return "", "", err
				}
				args := []string{"-test.failfast", "-test.short", "-test.run", "^(" + strings.Join(run, "|") + ")$"}
				ran, err := r.execute(ctx, binary, dir, r.slack+6*unchanged, m.number, args...)
				if err == nil && ran.timeout { // a busy machine may be the reason
					ran, err = r.execute(ctx, binary, dir, 5*r.slack+20*unchanged, m.number, args...)
				}
				left -= ran.took
				switch {
				case err != nil:
					return "", "", err
				case ran.timeout:
					return killedByTime, fmt.Sprintf("%s (%s) of %s", strings.Join(run[:min(3, len(run))], ", "), unchanged.Round(time.Millisecond), dir), nil
				case ran.failed && ran.by == "":
					return killed, "a crash of " + strings.Join(run[:min(3, len(run))], ", "), nil
				case ran.failed:
					confirmed, err := r.execute(ctx, binary, dir, testLimit, m.number, "-test.short", "-test.run", "^"+ran.by+"$")
					if err != nil {
						return "", "", err
					}
					passes, err := r.passes(ctx, plain[dir], dir, ran.by)
					if err != nil {
						return "", "", err
					}
					if confirmed.failed && passes {
						r.remember(m, ran.by)
						return killed, ran.by, nil
					}
					unlikely[ran.by], again = true, true
				}
			}
		}
	}
	return survived, fmt.Sprintf("%d tests", len(tests)), nil
}

// passes reports whether a test passes if no mutant is chosen. A test that does not has
// noticed nothing.
func (r *runner) passes(ctx context.Context, binary, dir, test string) (bool, error) {
	key := [2]string{binary, test}
	r.killersMu.Lock()
	passes, known := r.passed[key]
	r.killersMu.Unlock()
	if known {
		return passes, nil
	}
	ran, err := r.execute(ctx, binary, dir, testLimit, 0, "-test.short", "-test.run", "^"+test+"$")
	if err != nil {
		return false, err
	}
	if ran.failed {
		fmt.Fprintf(r.stdout, "%s of %s fails with no mutant chosen\n", test, dir)
	}
	r.killersMu.Lock()
	defer r.killersMu.Unlock()
	r.passed[key] = !ran.failed
	return !ran.failed, nil
}

// remember keeps which tests have killed mutants of a function: they may kill others.
func (r *runner) remember(m *mutant, test string) {
	r.killersMu.Lock()
	defer r.killersMu.Unlock()
	if r.killers[m.function] == nil {
		r.killers[m.function] = map[string]bool{}
	}
	r.killers[m.function][test] = true
}

func (r *runner) killersOf(m *mutant) map[string]bool {
	r.killersMu.Lock()
	defer r.killersMu.Unlock()
	return maps.Clone(r.killers[m.function])
}

// portions divides tests so that those that likely fail, and quick ones, run before slow
// ones begin. Those that do not fit into the time are left out.
func portions(tests []*test, likely map[string]bool) (parts [][]*test) {
	var first, part []*test
	limits := []time.Duration{time.Second / 2, 2 * time.Second, 6 * time.Second, suiteLimit}
	var sum, sumFirst time.Duration
	for _, t := range tests {
		if likely[t.name] && sumFirst+t.took < 2*time.Second {
			first = append(first, t)
			sumFirst += t.took
			continue
		}
		if sum += t.took; sum > suiteLimit {
			break
		}
		for sum > limits[0] {
			limits = limits[1:]
			parts, part = append(parts, part), nil
		}
		part = append(part, t)
	}
	parts = append([][]*test{first}, append(parts, part)...)
	return slices.DeleteFunc(parts, func(part []*test) bool { return len(part) == 0 })
}

func filter(tests []*test, include func(*test) bool) (found []*test) {
	for _, t := range tests {
		if include(t) {
			found = append(found, t)
		}
	}
	return found
}

func dirsOf(tests []*test) (dirs []string) {
	for _, t := range tests {
		if !slices.Contains(dirs, t.suite.dir) {
			dirs = append(dirs, t.suite.dir)
		}
	}
	return dirs
}
