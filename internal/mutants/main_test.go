package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/internal/testindex"
)

// module writes a module of two packages, and a file of mutants for it.
func module(t *testing.T, mutants string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.com/m\n\ngo 1.26\n",
		"m.go": `package m

type number int

// Both adds; "return a + b" here is a comment.
func Both(a, b int) int {
	if a < 0 {
		a = -a
	}
	return a + b
}

func (n *number) up() { *n++ }

func twice() int { return 1 + 1 }
`,
		"m_not.go":                  "//go:build !" + runtime.GOOS + "\n\npackage m\n\nfunc here() {}\n\nfunc onlyThere() {}\n",
		"m_" + runtime.GOOS + ".go": "package m\n\nfunc here() {}\n",
		"m_test.go": `package m

import "testing"

func TestBoth(t *testing.T) {
	t.Run("plain sum", func(t *testing.T) {
		if Both(1, 2) != 3 {
			t.Error("no sum")
		}
	})
	t.Run("negative", func(t *testing.T) {
		if Both(-1, 2) != 3 {
			t.Error("no sum")
		}
	})
}

func TestWeak(t *testing.T) { Both(0, 0) }

func TestBroken(t *testing.T) { t.Run("always", func(t *testing.T) { t.Error("fails anyway") }) }
`,
		"sub/sub.go":                    "package sub\n\nfunc twice() int { return 2 }\n\nconst limit = 3\n",
		"sub/sub_test.go":               "package sub\n\nimport \"testing\"\n\nfunc TestLimit(t *testing.T) {\n\tif twice() > limit {\n\t\tt.Error(limit)\n\t}\n}\n",
		"internal/mutants/rules.mutant": mutants,
	} {
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	return dir
}

func entry(name, function, old, replacement, tests string) string {
	return "mutant: " + name + "\nfunc: " + function + "\nold: " + old + "\nnew: " + replacement + "\ntests: " + tests + "\n\n"
}

// Mutants die, survive and grow stale; the files stay as they are.
func TestFates(t *testing.T) {
	dir := module(t, entry("dies", "Both", "return a + b", "return a - b", "TestBoth")+
		entry("dies-elsewhere", "sub.limit", "3", "1", "TestLimit|TestWeak")+
		`mutant: one-row-dies
func: example.com/m.Both
old: |
    if a < 0 {
    a = -a
new: |
    if a < 0 {
    	a = +a
tests: TestBoth/negative

`+
		entry("lives", "Both", "return a + b", "return a - b", "TestWeak")+
		entry("another-row-lives", "Both", "a = -a", "a = +a", "TestBoth/plain sum")+
		entry("no-code", "Both", "return a + b", "return nonsense", "TestBoth")+
		entry("fails-anyway", "Both", "return a + b", "return a - b", "TestBroken|TestWeak"))
	before, err := os.ReadFile(filepath.Join(dir, "m.go"))
	require.NoError(t, err)
	var out bytes.Buffer
	require.ErrorIs(t, run(t.Context(), dir, nil, &out), errNotAllKilled)
	after, err := os.ReadFile(filepath.Join(dir, "m.go"))
	require.NoError(t, err)
	assert.Equal(t, string(before), string(after))
	assert.Contains(t, out.String(), "\n3 killed, 2 survived, 2 stale\n")
	for _, line := range []string{
		`(?m)^killed   rules/dies \([0-9.]+s\)$`,
		`(?m)^killed   rules/dies-elsewhere \(`,
		`(?m)^killed   rules/one-row-dies \(`,
		`(?m)^SURVIVED rules/lives \([0-9.]+s\): TestWeak$`,
		`(?m)^SURVIVED rules/another-row-lives \(`,
		`(?m)^STALE    rules/no-code \([0-9.]+s\): does not compile: `,
		`undefined: nonsense`,
		`(?m)^STALE    rules/fails-anyway \([0-9.]+s\): TestBroken/always fails without the mutant$`,
	} {
		assert.Regexp(t, line, out.String())
	}
}

// What cannot be applied any more is stale, for this reason.
func TestStale(t *testing.T) {
	dir := module(t, "")
	s, err := readSource(dir, "example.com/m")
	require.NoError(t, err)
	for _, c := range []struct{ function, old, tests, problem string }{
		{"Both", "return a + b", "TestBoth", ""},
		{"(*number).up", "*n++", "TestBoth/negative", ""},
		{"m.twice", "1 + 1", "Test(Both|Weak)", ""},
		{"here", "func here() {}", "TestBoth", ""},
		{"number", "int", "TestBoth", ""},
		{"both", "return a + b", "TestBoth", "nothing is declared as both"},
		{"number.up", "*n++", "TestBoth", "nothing is declared as number.up"},
		{"sub.Both", "return a + b", "TestBoth", "nothing is declared as sub.Both"},
		{"ub.limit", "3", "TestLimit", "nothing is declared as ub.limit"},
		{"onlyThere", "{}", "TestBoth", "nothing is declared as onlyThere"},
		{"TestWeak", "Both(0, 0)", "TestBoth", "nothing is declared as TestWeak"},
		{"twice", "return", "TestBoth", "twice is declared more than once: "},
		{"Both", "a comment", "TestBoth", `Both does not hold "a comment"`},
		{"Both", "a", "TestBoth", `Both holds "a" more than once`},
		{"Both", "return a + b", "TestBot", `no test has the name "TestBot"`},
		{"Both", "return a + b", "TestBoth|TestGone/x", `no test has the name "TestGone"`},
		{"Both", "return a + b", "(", "missing closing )"},
	} {
		trial := s.prepare(mutant{name: "m", function: c.function, old: c.old, tests: c.tests}, filepath.Join(t.TempDir(), "0"))
		if c.problem == "" {
			assert.Equal(t, untried, trial.fate, "%s: %s", c.function, trial.why)
			continue
		}
		assert.Equal(t, stale, trial.fate, c.function)
		assert.Contains(t, trial.why, c.problem)
	}
}

// Indentation does not matter, all else does.
func TestReplace(t *testing.T) {
	m := mutant{function: "f", old: "if x {\n        y()", new: "z() {"}
	changed, err := m.replace("func f() {\n\tif x {\n\t\ty()\n\t}\n}")
	require.NoError(t, err)
	assert.Equal(t, "func f() {\n\tz() {\n\t}\n}", changed)
	_, err = m.replace("func f() {\n\tif  x {\n\t\ty()\n\t}\n}")
	require.Error(t, err)
	m.old = "aa"
	_, err = m.replace("aaa")
	require.ErrorContains(t, err, "more than once", "they overlap")
}

func TestParse(t *testing.T) {
	list, err := parseMutants("x/once.mutant", strings.TrimPrefix(`
# a note
mutant: first
func: (*exchange).end
old: x.timer.Stop() // : here
new:
tests: TestA|TestB/row
mutant: second
func: f
old: |
    if a {

    	b
new: |
    c

tests: TestA
`, "\n"))
	require.NoError(t, err)
	assert.Equal(t, []mutant{
		{name: "once/first", function: "(*exchange).end", old: "x.timer.Stop() // : here", tests: "TestA|TestB/row", at: "x/once.mutant:2"},
		{name: "once/second", function: "f", old: "if a {\n\n    \tb", new: "c", tests: "TestA", at: "x/once.mutant:7"},
	}, list)

	whole := entry("m", "f", "a", "b", "TestA")
	for text, problem := range map[string]string{
		"func: f\n":                        "stands before the first mutant",
		whole + whole:                      `mutant "once/m" occurs twice`,
		whole + "func: g\n":                `second "func"`,
		whole + "unknown: g\n":             `unknown field "unknown"`,
		entry("", "f", "a", "b", "TestA"):  "has no name",
		entry("m", "", "a", "b", "TestA"):  "has no func",
		entry("m", "f", "", "b", "TestA"):  "has no old",
		entry("m", "f", "a", "a", "TestA"): "changes nothing",
		entry("m", "f", "a", "b", ""):      "has no tests",
	} {
		_, err := parseMutants("x/once.mutant", text)
		assert.ErrorContains(t, err, problem, text)
	}
}

func TestArguments(t *testing.T) {
	dir := module(t, entry("b", "Both", "a + b", "a", "TestBoth")+entry("a", "Both", "a + b", "b", "TestBoth"))
	for problem, args := range map[string][]string{
		"invalid -run":           {"-run", "("},
		"invalid -j 0":           {"-j", "0"},
		"unknown argument \"x\"": {"x"},
		"no mutants found":       {"-run", "none"},
	} {
		assert.ErrorContains(t, run(t.Context(), dir, args, nil), problem)
	}
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), filepath.Join(dir, "sub"), []string{"-list"}, &out))
	assert.Equal(t, "rules/a\nrules/b\n", out.String())
}

// The mutants of this module can be applied to it as it is. Whether they die is for
// the program to find out.
func TestNoMutantIsStale(t *testing.T) {
	root, module, err := testindex.Root(".")
	require.NoError(t, err)
	mutants, err := readMutants(".")
	require.NoError(t, err)
	require.NotEmpty(t, mutants)
	s, err := readSource(root, module)
	require.NoError(t, err)
	for _, m := range mutants {
		_, _, err := s.mutated(m)
		assert.NoError(t, err, m.at)
		_, _, err = s.testsOf(m)
		assert.NoError(t, err, m.at)
	}
}
