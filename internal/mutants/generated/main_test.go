package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/internal/testindex"
)

// TestMain lets the heap grow, because the tests check the types of whole packages repeatedly.
// This saves a third of their time.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// module writes a module with a package to mutate, and the lists.
func module(t *testing.T, equivalent, alive string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.com/m\n\ngo 1.26\n",
		"p/p.go": `package p

import "errors"

const limit = 3

type number int

func (n number) clamp() int {
	if n < limit {
		return int(n)
	}
	return limit
}

func forget(_ int, more ...string) {}

func Sum[T int | float64](_ string, list ...T) (sum T, err error) {
	for _, n := range list {
		if n < 0 {
			continue
		}
		sum += n
	}
	forget(1)
	if sum == 0 {
		return 0, errors.New("nothing")
	}
	return sum, nil
}

func Unreached(a, b bool) bool { return a && b }

func Endless(n int) int {
	for n > 0 {
		n--
	}
	return n
}
`,
		"p/other.go": "package p\n\nfunc other() int { return 7 }\n",
		"p/p_test.go": `package p

import "testing"

func TestClamp(t *testing.T) {
	if number(1).clamp() != 1 || number(4).clamp() != 3 || number(0).clamp() != 0 {
		t.Error("wrong")
	}
}

func TestSum(t *testing.T) {
	if sum, err := Sum("", 0.5, -1, 2.5); sum != 3 || err != nil {
		t.Error(sum)
	}
	if sum, err := Sum[int](""); sum != 0 || err == nil {
		t.Error("no error")
	}
}

func TestEndless(t *testing.T) {
	if Endless(3) != 0 {
		t.Error("wrong")
	}
}

func TestBroken(t *testing.T) { t.Error("fails anyway") }
`,
		"internal/mutants/generated/equivalent.txt": equivalent,
		"internal/mutants/generated/alive.txt":      alive,
	} {
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	return dir
}

var ofModule = []target{{"p", []string{"p*.go"}, []string{"p"}}}

// The rules find these mutants, and each has a key of its own.
func TestKeys(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), module(t, "", ""), []string{"-list"}, &out, ofModule, time.Second))
	assert.Equal(t, strings.TrimPrefix(`
p limit: number: const limit = 3 -> 0 (p.go:5)
p limit: number: const limit = 3 -> (3 + 1) (p.go:5)
p (number).clamp: negate: n < limit -> !(n < limit) (p.go:10)
p (number).clamp: boundary: n < limit -> <= (p.go:10)
p (number).clamp: branch: n < limit (p.go:10)
p (number).clamp: return: return int(n) -> 0 at 0 (p.go:11)
p (number).clamp: return: return limit -> 0 at 0 (p.go:13)
p Sum: negate: n < 0 -> !(n < 0) (p.go:20)
p Sum: boundary: n < 0 -> <= (p.go:20)
p Sum: number: if n < 0 { -> (0 + 1) (p.go:20)
p Sum: branch: n < 0 (p.go:20)
p Sum: jump: continue -> break (p.go:21)
p Sum: drop: sum += n (p.go:23)
p Sum: drop: forget(1) (p.go:25)
p Sum: number: forget(1) -> 0 (p.go:25)
p Sum: number: forget(1) -> (1 + 1) (p.go:25)
p Sum: negate: sum == 0 -> !(sum == 0) (p.go:26)
p Sum: number: if sum == 0 { -> (0 + 1) (p.go:26)
p Sum: branch: sum == 0 (p.go:26)
p Sum: number: return 0, errors.New("nothing") -> (0 + 1) (p.go:27)
p Sum: return: return 0, errors.New("nothing") -> nil at 1 (p.go:27)
p Sum: return: return sum, nil -> *new(T) at 0 (p.go:29)
p Unreached: negate: a -> !(a) (p.go:32)
p Unreached: logic: a && b -> || (p.go:32)
p Unreached: negate: b -> !(b) (p.go:32)
p Endless: negate: n > 0 -> !(n > 0) (p.go:35)
p Endless: boundary: n > 0 -> >= (p.go:35)
p Endless: number: for n > 0 { -> (0 + 1) (p.go:35)
p Endless: loop: for n > 0 (p.go:35)
p Endless: return: return n -> 0 at 0 (p.go:38)
`, "\n"), out.String())
}

const (
	noChange = `# what no test can notice
p (number).clamp: boundary: n < limit -> <=
p Sum: boundary: n < 0 -> <=
    At the boundary, both ways
    give the same.
p Sum: drop: forget(1)
p Sum: number: forget(1) -> 0
p Sum: number: forget(1) -> (1 + 1)
    forget does nothing.
p Endless: return: return n -> 0 at 0
    It is 0.
`
	unnoticed = `p Unreached: logic: a && b -> ||
p Unreached: negate: a -> !(a)
p Unreached: negate: b -> !(b)
    A test of Unreached.
`
)

// What no test notices, is in no list or is in the wrong one is a problem; the files stay
// as they are.
func TestEachFate(t *testing.T) {
	if os.Getenv("LONG_TESTS") == "" {
		t.Skip("takes long; LONG_TESTS is not set")
	}
	dir := module(t, strings.Replace(noChange, "    forget", "p gone: negate: a -> !(a)\n    forget", 1), "p Sum: drop: sum += n\n    It is there.\np Unreached: negate: a -> !(a)\n    One of Unreached.\n")
	before, err := os.ReadFile(filepath.Join(dir, "p", "p.go"))
	require.NoError(t, err)
	var out bytes.Buffer
	err = run(t.Context(), dir, []string{"-j", "2"}, &out, ofModule, time.Second)
	require.Error(t, err)
	after, readErr := os.ReadFile(filepath.Join(dir, "p", "p.go"))
	require.NoError(t, readErr)
	assert.Equal(t, string(before), string(after))
	lines := strings.Split(err.Error(), "\n")
	assert.ElementsMatch(t, []string{
		`equivalent.txt: no mutant is "p gone: negate: a -> !(a)" any more`,
		"listed, but noticed by TestSum: p Sum: drop: sum += n",
		"not noticed: p Unreached: logic: a && b -> || (p.go:32)",
		"not noticed: p Unreached: negate: b -> !(b) (p.go:32)",
		"p: less than 95 % were noticed",
	}, lines)
	assert.Contains(t, out.String(), "left out: TestBroken of p fails without a mutant")
	assert.Regexp(t, `(?m)^ALIVE +p Unreached: negate: b -> !\(b\) \(p\.go:32, [0-9.]+s\): no test reaches it$`, out.String())
	assert.Regexp(t, `(?m)^p +30 of +30 mutants, +6 equivalent, +24 tried, +21 killed \(1 by time\), +3 alive: 87\.5 %$`, out.String())
}

// What is chosen by -run is tried although it is listed as equivalent.
func TestListedIsTriedByName(t *testing.T) {
	if os.Getenv("LONG_TESTS") == "" {
		t.Skip("builds a program; LONG_TESTS is not set")
	}
	dir := module(t, noChange, unnoticed)
	var out bytes.Buffer
	require.ErrorContains(t, run(t.Context(), dir, []string{"-v", "-run", "boundary: n < limit|limit: number"}, &out, ofModule, time.Second), "less than 95 %")
	assert.Regexp(t, `(?m)^ALIVE +p \(number\)\.clamp: boundary: n < limit -> <=`, out.String())
	assert.Regexp(t, `(?m)^killed +p limit: number: const limit = 3 -> 0 \(p\.go:5, [0-9.]+s\): TestClamp$`, out.String())
}

// A sample is the same each time, and wrong arguments are refused.
func TestChoice(t *testing.T) {
	dir := module(t, noChange, unnoticed)
	var out, again bytes.Buffer
	require.NoError(t, run(t.Context(), dir, []string{"-list", "-max", "10", "p"}, &out, ofModule, time.Second))
	require.NoError(t, run(t.Context(), dir, []string{"-list", "-max", "10"}, &again, ofModule, time.Second))
	assert.Equal(t, out.String(), again.String())
	assert.Equal(t, 10, strings.Count(out.String(), "\n"))
	for problem, args := range map[string][]string{
		"invalid -run":                     {"-run", "("},
		"invalid -j 0":                     {"-j", "0"},
		"invalid -max -1":                  {"-max", "-1"},
		`no mutants are generated for "q"`: {"q"},
	} {
		assert.ErrorContains(t, run(t.Context(), dir, args, &out, ofModule, time.Second), problem)
	}
}

func TestReadList(t *testing.T) {
	file := filepath.Join(t.TempDir(), "list.txt")
	read := func(text string) (*list, error) {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		return readList(file)
	}
	l, err := read(noChange + "p x: drop: y()\n    Why.\n")
	require.NoError(t, err)
	assert.Len(t, l.keys, 7)
	assert.Equal(t, "At the boundary, both ways give the same.", l.note["p (number).clamp: boundary: n < limit -> <="])
	assert.Equal(t, "Why.", l.note["p x: drop: y()"])
	for text, problem := range map[string]string{
		"a\n":                  `no note for "a"`,
		"a\n    b\nc\n":        `no note for "c"`,
		"    b\n":              "stands before the first key",
		"a\n    b\na\n    b\n": `"a" occurs twice`,
	} {
		_, err := read(text)
		assert.ErrorContains(t, err, problem, text)
	}
	_, err = readList(file + "x")
	assert.Error(t, err)
}

// Tests that killed another mutant of the function go first, then the quick ones; what
// takes too long in all is left out.
func TestPortions(t *testing.T) {
	var tests []*test
	for _, took := range []time.Duration{0, 200, 400, 1000, 3000, 8000, 9001} {
		tests = append(tests, &test{name: took.String(), took: took * time.Millisecond})
	}
	var took [][]int
	for _, part := range portions(tests, map[string]bool{tests[3].name: true, tests[5].name: true}) {
		var of []int
		for _, t := range part {
			of = append(of, int(t.took.Milliseconds()))
		}
		took = append(took, of)
	}
	assert.Equal(t, [][]int{{1000}, {0, 200}, {400}, {3000}, {8000}}, took)
}

// Each entry of the lists of this module belongs to a mutant.
func TestNoEntryIsStale(t *testing.T) {
	root, _, err := testindex.Root(".")
	require.NoError(t, err)
	var lists []*list
	for _, name := range []string{"equivalent.txt", "alive.txt"} {
		l, err := readList(name)
		require.NoError(t, err)
		lists = append(lists, l)
	}
	known := map[string]bool{}
	packages, err := load(t.Context(), root, targets)
	require.NoError(t, err)
	for i, p := range packages {
		mutants, err := p.mutants(targets[i].files)
		require.NoError(t, err)
		require.NotEmpty(t, mutants)
		for _, m := range mutants {
			assert.False(t, known[m.key], "two mutants have the key %q", m.key)
			known[m.key] = true
		}
	}
	for _, l := range lists {
		for _, key := range l.keys {
			assert.True(t, known[key], "%s: no mutant is %q any more", l.file, key)
		}
	}
	for _, key := range lists[1].keys {
		assert.False(t, lists[0].has(key), "%q is in both lists", key)
	}
}
