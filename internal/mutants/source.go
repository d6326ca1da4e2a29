package main

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/ecsreboot/ecsreboot/internal/testindex"
)

// source is what a module declares and how it is tested.
type source struct {
	root         string
	declarations map[string][]declaration // by name
	tests        []testindex.Test
}

// declaration is a function, method, type, variable or constant at top level.
type declaration struct {
	importPath string
	file       string
	from, to   int // in the file
}

// readSource reads the module at root, as far as it is built for this platform.
func readSource(root, module string) (*source, error) {
	s := &source{root: root, declarations: map[string][]declaration{}}
	var err error
	if s.tests, err = testindex.Tests(root, module); err != nil {
		return nil, err
	}
	return s, testindex.Files(root, module, func(file, importPath string) error {
		if strings.HasSuffix(file, "_test.go") {
			return nil
		}
		if built, err := build.Default.MatchFile(filepath.Dir(file), filepath.Base(file)); err != nil || !built {
			return err
		}
		positions := token.NewFileSet()
		parsed, err := parser.ParseFile(positions, file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		add := func(name string, node ast.Node) {
			s.declarations[name] = append(s.declarations[name], declaration{
				importPath: importPath, file: file,
				from: positions.Position(node.Pos()).Offset, to: positions.Position(node.End()).Offset,
			})
		}
		for _, decl := range parsed.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				name := decl.Name.Name
				if decl.Recv != nil {
					name = "(" + types.ExprString(decl.Recv.List[0].Type) + ")." + name
				}
				decl.Doc = nil // which would belong to it
				add(name, decl)
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						add(spec.Name.Name, spec)
					case *ast.ValueSpec:
						for _, name := range spec.Names {
							add(name.Name, spec)
						}
					}
				}
			}
		}
		return nil
	})
}

// find returns the declaration of that name: decideRestart, (*exchange).end or, to
// tell several apart, the end of an import path before it:
// internal/once.(*exchange).end.
func (s *source) find(name string) (declaration, error) {
	found := s.declarations[name]
	if found == nil {
		path, rest := splitPath(name)
		found = slices.DeleteFunc(slices.Clone(s.declarations[rest]), func(d declaration) bool {
			return path == "" || !strings.HasSuffix("/"+d.importPath, "/"+path)
		})
	}
	switch len(found) {
	case 0:
		return declaration{}, fmt.Errorf("nothing is declared as %s", name)
	case 1:
		return found[0], nil
	}
	var files []string
	for _, d := range found {
		files = append(files, d.file)
	}
	return declaration{}, fmt.Errorf("%s is declared more than once: %s", name, strings.Join(files, ", "))
}

// splitPath splits internal/once.(*exchange).end and internal/once.start.
func splitPath(name string) (path, rest string) {
	if path, rest, ok := strings.Cut(name, ".("); ok {
		return path, "(" + rest
	}
	dot := strings.LastIndex(name, ".")
	if dot < 0 {
		return "", name
	}
	return name[:dot], name[dot+1:]
}

// mutated returns the text of the file with the mutant's change, and that file.
func (s *source) mutated(m mutant) (file, text string, err error) {
	d, err := s.find(m.function)
	if err != nil {
		return "", "", err
	}
	whole, err := os.ReadFile(d.file)
	if err != nil {
		return "", "", err
	}
	changed, err := m.replace(string(whole[d.from:d.to]))
	if err != nil {
		return "", "", err
	}
	return d.file, string(whole[:d.from]) + changed + string(whole[d.to:]), nil
}

// testsOf finds the tests that a mutant names. It returns the pattern for go test
// -run with each top-level name anchored, and the packages that hold a test of it.
func (s *source) testsOf(m mutant) (pattern string, packages []string, err error) {
	var patterns []string
	for _, alternative := range splitAlternatives(m.tests) {
		name, subtest, hasSubtest := strings.Cut(strings.TrimSpace(alternative), "/")
		anchored, err := regexp.Compile("^(?:" + name + ")$")
		if err != nil {
			return "", nil, fmt.Errorf("tests %q: %w", m.tests, err)
		}
		found := false
		for _, t := range s.tests {
			if anchored.MatchString(t.Name) {
				found = true
				packages = append(packages, t.Package)
			}
		}
		if !found {
			return "", nil, fmt.Errorf("no test has the name %q", name)
		}
		if name = anchored.String(); hasSubtest {
			name += "/" + strings.ReplaceAll(subtest, " ", "_")
		}
		patterns = append(patterns, name)
	}
	slices.Sort(packages)
	return strings.Join(patterns, "|"), slices.Compact(packages), nil
}

// splitAlternatives splits at each | outside of brackets, as go test does.
func splitAlternatives(pattern string) []string {
	var parts []string
	depth, begin := 0, 0
	for i, c := range pattern {
		switch c {
		case '(', '[':
			depth++
		case ')', ']':
			depth--
		case '|':
			if depth == 0 {
				parts = append(parts, pattern[begin:i])
				begin = i + 1
			}
		}
	}
	return append(parts, pattern[begin:])
}
