// Package testindex finds the tests of a module by their names, and reads the list
// of promises that the tests hold. It parses; it runs nothing.
package testindex

import (
	"bufio"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Test is a top-level test, fuzz target or example.
type Test struct {
	Name    string
	Package string // import path
	File    string // absolute
}

// Root returns the directory at or above dir that holds a go.mod, and the path of
// its module.
func Root(dir string) (root, module string, err error) {
	if root, err = filepath.Abs(dir); err != nil {
		return "", "", err
	}
	for {
		text, err := os.ReadFile(filepath.Join(root, "go.mod")) //nolint:gosec // the module that it runs in
		if err == nil {
			for line := range strings.Lines(string(text)) {
				if name, ok := strings.CutPrefix(line, "module "); ok {
					return root, strings.TrimSpace(name), nil
				}
			}
			return "", "", fmt.Errorf("%s/go.mod names no module", root)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", "", err
		}
		if filepath.Dir(root) == root {
			return "", "", fmt.Errorf("no go.mod at or above %s", dir)
		}
		root = filepath.Dir(root)
	}
}

// Files calls visit for each Go file of the module at root, in order, with the
// import path of its directory. Modules within it, testdata and directories that
// the go command ignores are left out.
func Files(root, module string, visit func(file, importPath string) error) error {
	return filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			_, inner := os.Stat(filepath.Join(file, "go.mod"))
			if file != root && (inner == nil || name == "testdata" || name == "vendor" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")) {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".go" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
			return nil
		}
		dir, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		return visit(file, path.Join(module, filepath.ToSlash(dir)))
	})
}

// Tests returns all tests of the module at root.
func Tests(root, module string) ([]Test, error) {
	var list []Test
	err := Files(root, module, func(file, importPath string) error {
		if !strings.HasSuffix(file, "_test.go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range parsed.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && isTest(f.Name.Name) {
				list = append(list, Test{f.Name.Name, importPath, file})
			}
		}
		return nil
	})
	return list, err
}

var testName = regexp.MustCompile(`^(Test|Fuzz|Example)($|[^a-z])`)

func isTest(name string) bool { return name != "TestMain" && testName.MatchString(name) }

// Promise is a line of the list: a sentence and the test that fails without it.
type Promise struct {
	Sentence string
	Test     string // a top-level test …
	Subtest  string // … and the rest of the name as the go command prints it, or empty
	Line     int
}

// FullName is the test's name as the go command prints it.
func (p Promise) FullName() string {
	if p.Subtest == "" {
		return p.Test
	}
	return p.Test + "/" + p.Subtest
}

// ReadPromises reads the list: lines of the form "sentence | TestName[/subtest]".
// Empty lines and lines that begin with # are left out. The error names every line
// that is malformed or occurs twice.
func ReadPromises(file string) ([]Promise, error) {
	f, err := os.Open(file) //nolint:gosec // the caller names the file
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	var list []Promise
	var problems []error
	seen := map[string]int{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		sentence, name, ok := cutLast(line, "|")
		test, subtest, _ := strings.Cut(name, "/")
		key := sentence + "|" + name
		switch {
		case !ok || sentence == "" || !isTest(test):
			problems = append(problems, fmt.Errorf("%s:%d: %q is not of the form \"sentence | TestName[/subtest]\"", file, n, line))
			continue
		case seen[key] > 0:
			problems = append(problems, fmt.Errorf("%s:%d: repeats line %d", file, n, seen[key]))
			continue
		}
		seen[key] = n
		list = append(list, Promise{sentence, test, strings.ReplaceAll(subtest, " ", "_"), n})
	}
	return list, errors.Join(append(problems, lines.Err())...)
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return strings.TrimSpace(s[:i]), strings.TrimSpace(s[i+len(sep):]), true
}

// PackagesOf returns the packages that hold a test of this name, sorted.
func PackagesOf(tests []Test, name string) []string {
	var packages []string
	for _, t := range tests {
		if t.Name == name {
			packages = append(packages, t.Package)
		}
	}
	slices.Sort(packages)
	return slices.Compact(packages)
}
