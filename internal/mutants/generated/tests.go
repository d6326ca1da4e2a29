package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// suite is the tests of a package.
type suite struct {
	dir    string // in the module
	binary string // built without mutants, with coverage
	tests  []*test
}

// test is a top-level test, and which code it reaches.
type test struct {
	suite  *suite
	name   string
	took   time.Duration      // CPU time
	blocks map[string][]block // by the path of the file as in a coverage profile
}

// block is a part of a file, from line and column to line and column.
type block struct{ fromLine, fromColumn, toLine, toColumn int }

func (b block) holds(line, column int) bool {
	after := line > b.fromLine || line == b.fromLine && column >= b.fromColumn
	before := line < b.toLine || line == b.toLine && column < b.toColumn
	return after && before
}

// survey builds the tests of a package and runs each alone, to learn how long it takes
// and what it reaches of the packages that are covered. A test that fails is left out.
func (r *runner) survey(ctx context.Context, dir string, covered []string) (*suite, error) {
	s := &suite{dir: dir, binary: filepath.Join(r.scratch, strings.ReplaceAll("cover_"+dir, "/", "_"))}
	if _, err := goCommand(ctx, r.root, "test", "-c", "-vet=off", "-covermode=set", "-coverpkg="+strings.Join(covered, ","), "-o", s.binary, "./"+dir); err != nil {
		return nil, err
	}
	listed, err := r.execute(ctx, s.binary, dir, time.Minute, 0, "-test.list", "^(Test|Fuzz|Example)")
	if err != nil {
		return nil, err
	}
	for name := range strings.Lines(listed.output) {
		if name = strings.TrimSpace(name); regexp.MustCompile(`^(Test|Fuzz|Example)\w*$`).MatchString(name) {
			s.tests = append(s.tests, &test{suite: s, name: name})
		}
	}
	err = each(r.workers, s.tests, func(i int, t *test) error {
		if earlier, ok := r.kept.Reached[dir][t.name]; ok {
			t.took, t.blocks = earlier.Took, earlier.Blocks
			return nil
		}
		profile := fmt.Sprintf("%s.%d.profile", s.binary, i)
		ran, err := r.execute(ctx, s.binary, dir, testLimit, 0, "-test.run", "^"+t.name+"$", "-test.short", "-test.coverprofile", profile)
		if err != nil {
			return err
		}
		if t.took = ran.took; ran.failed {
			fmt.Fprintf(r.stdout, "left out: %s of %s fails without a mutant or takes more than %s\n", t.name, dir, testLimit)
			return nil
		}
		t.blocks, err = r.readProfile(profile)
		return errors.Join(err, os.Remove(profile))
	})
	r.kept.add(s, r.blocks)
	r.blocks = r.kept.All
	return s, err
}

// kept is what earlier runs have learned of the tests.
type kept struct {
	Code    string                        `json:"code"` // a hash of the code that is covered
	All     map[string]map[block]bool     `json:"all"`  // as in [runner]
	Reached map[string]map[string]reached `json:"reached"`
}

type reached struct {
	Took   time.Duration      `json:"took"`
	Blocks map[string][]block `json:"blocks"`
}

// readKept reads a file that write wrote, if there is one for the same code.
func readKept(ctx context.Context, file, root string, covered []string) (kept, error) {
	k := kept{All: map[string]map[block]bool{}, Reached: map[string]map[string]reached{}}
	out, err := goCommand(ctx, root, append([]string{"list", "-f", `{{$dir := .Dir}}{{range .GoFiles}}{{$dir}}/{{.}}{{"\n"}}{{end}}`}, covered...)...)
	if err != nil {
		return k, err
	}
	sum := sha256.New()
	for path := range strings.Lines(string(out)) {
		if path = strings.TrimSpace(path); path == "" {
			continue
		}
		text, err := os.ReadFile(path) //nolint:gosec // a file of the module
		if err != nil {
			return k, err
		}
		sum.Write(text)
	}
	k.Code = hex.EncodeToString(sum.Sum(nil))
	text, err := os.ReadFile(file) //nolint:gosec // the file that the user names
	if file == "" || errors.Is(err, os.ErrNotExist) {
		return k, nil
	}
	var earlier kept
	if err = errors.Join(err, json.Unmarshal(text, &earlier)); err == nil && earlier.Code == k.Code {
		return earlier, nil
	}
	return k, err
}

func (k kept) add(s *suite, blocks map[string]map[block]bool) {
	maps.Copy(k.All, blocks)
	if k.Reached[s.dir] == nil {
		k.Reached[s.dir] = map[string]reached{}
	}
	for _, t := range s.tests {
		k.Reached[s.dir][t.name] = reached{t.took, t.blocks} // no blocks: it is left out
	}
}

func (k kept) write(file string) error {
	if file == "" {
		return nil
	}
	return writeJSON(file, k)
}

// MarshalText makes a block the key of a JSON object.
func (b block) MarshalText() ([]byte, error) { //nolint:unparam // the interface of encoding wants an error
	return fmt.Appendf(nil, "%d.%d,%d.%d", b.fromLine, b.fromColumn, b.toLine, b.toColumn), nil
}

// UnmarshalText reads what MarshalText writes.
func (b *block) UnmarshalText(text []byte) error {
	_, err := fmt.Sscanf(string(text), "%d.%d,%d.%d", &b.fromLine, &b.fromColumn, &b.toLine, &b.toColumn)
	return err
}

// each calls do for each of the list, several at once.
func each[T any](workers int, list []T, do func(i int, element T) error) error {
	var mu sync.Mutex
	var problems []error
	next := 0
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				stop := i >= len(list) || len(problems) > 0
				mu.Unlock()
				if stop {
					return
				}
				if err := do(i, list[i]); err != nil {
					mu.Lock()
					problems = append(problems, err)
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	return errors.Join(problems...)
}

var profileLine = regexp.MustCompile(`^(.+):(\d+)\.(\d+),(\d+)\.(\d+) \d+ (\d+)$`)

// readProfile returns the blocks that were reached.
func (r *runner) readProfile(path string) (map[string][]block, error) {
	text, err := os.ReadFile(path) //nolint:gosec // a file of this program
	if err != nil {
		return nil, err
	}
	blocks := map[string][]block{}
	r.blocksMu.Lock()
	defer r.blocksMu.Unlock()
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		parts := profileLine.FindStringSubmatch(lines.Text())
		if parts == nil {
			continue
		}
		var n [4]int
		for i := range n {
			n[i], _ = strconv.Atoi(parts[i+2]) // digits
		}
		b := block{n[0], n[1], n[2], n[3]}
		if parts[6] != "0" {
			blocks[parts[1]] = append(blocks[parts[1]], b)
		}
		if r.blocks[parts[1]] == nil {
			r.blocks[parts[1]] = map[block]bool{}
		}
		r.blocks[parts[1]][b] = true
	}
	return blocks, nil
}

// reaching returns the tests that run the code of a mutant, those of the first
// package first, and of each the quick ones.
func (p *pkg) reaching(m *mutant, tests []*test, dirs []string) []*test {
	reach := func(t *test) bool { return p.reachesUse(t, m) }
	if m.function != nil {
		reach = func(t *test) bool { return p.reaches(t, m.file, m.function, m.offset) }
	}
	var found []*test
	for _, t := range tests {
		if t.blocks != nil && reach(t) {
			found = append(found, t)
		}
	}
	slices.SortStableFunc(found, func(a, b *test) int {
		if a.suite != b.suite {
			return slices.Index(dirs, a.suite.dir) - slices.Index(dirs, b.suite.dir)
		}
		return int(a.took - b.took)
	})
	return found
}

// reaches reports whether a test runs the code at an offset in a function. Where the
// profile has no block, as for the expression of a case, it must run the function.
func (p *pkg) reaches(t *test, f *file, function *ast.FuncDecl, offset int) bool {
	blocks := t.blocks[p.path+"/"+f.name]
	line, column := lineAndColumn(f.text, offset)
	ran, has := p.blockAt(f, line, column)
	if has {
		return slices.Contains(blocks, ran)
	}
	from, to := p.positions.Position(function.Pos()), p.positions.Position(function.End())
	whole := block{from.Line, from.Column, to.Line, to.Column}
	return slices.ContainsFunc(blocks, func(b block) bool { return whole.holds(b.fromLine, b.fromColumn) })
}

// blockAt returns the block of the profile that holds a place.
func (p *pkg) blockAt(f *file, line, column int) (block, bool) {
	var found block
	for b := range p.blocks[p.path+"/"+f.name] {
		if b.holds(line, column) && (found == block{} || b.fromLine > found.fromLine || b.fromLine == found.fromLine && b.fromColumn > found.fromColumn) {
			found = b
		}
	}
	return found, found != block{}
}

func lineAndColumn(text string, offset int) (line, column int) {
	return strings.Count(text[:offset], "\n") + 1, offset - strings.LastIndex(text[:offset], "\n")
}

// reachesUse reports whether a test runs a function that uses what a mutant at top level
// declares.
func (p *pkg) reachesUse(t *test, m *mutant) bool {
	for _, f := range p.files {
		for _, decl := range f.syntax.Decls {
			function, ok := decl.(*ast.FuncDecl)
			if !ok || function.Body == nil {
				continue
			}
			uses := false
			ast.Inspect(function, func(node ast.Node) bool {
				if name, ok := node.(*ast.Ident); ok && slices.Contains(m.objects, p.info.Uses[name]) {
					uses = true
				}
				return true
			})
			if uses && p.reaches(t, f, function, p.offset(function.Body.Lbrace)+1) {
				return true
			}
		}
	}
	return false
}

// execution is what came of a run of a test binary.
type execution struct {
	failed  bool
	timeout bool
	by      string // the test that failed
	output  string
	took    time.Duration
}

var failedTest = regexp.MustCompile(`(?m)^--- FAIL: (\w+)`)

// execute runs a test binary with a mutant, or with none if that is 0.
func (r *runner) execute(ctx context.Context, binary, dir string, limit time.Duration, mutant int, args ...string) (execution, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	// A mutant may take all memory.
	args = append([]string{"-c", `ulimit -v 8000000 2>/dev/null; exec "$0" "$@"`, binary}, args...)
	command := exec.CommandContext(ctx, "sh", args...) //nolint:gosec // a program of this module
	command.Dir = filepath.Join(r.root, dir)
	command.Env = append(os.Environ(), fmt.Sprintf("%s=%d", chosenVariable, mutant), "TMPDIR="+r.scratch)
	command.WaitDelay = 2 * time.Second
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	ran := execution{failed: err != nil, output: out.String()}
	if state := command.ProcessState; state != nil {
		ran.took = state.UserTime() + state.SystemTime()
		r.cpu.Add(int64(ran.took))
	}
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		ran.timeout = true
		return ran, nil
	}
	if found := failedTest.FindStringSubmatch(ran.output); found != nil {
		ran.by = found[1]
	}
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		return ran, err
	}
	return ran, ctx.Err()
}
