package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
)

// pkg is a package whose files are mutated.
type pkg struct {
	dir       string // in the module, with slashes
	path      string // import path
	folder    string // absolute
	positions *token.FileSet
	files     []*file
	types     *types.Package
	info      *types.Info
	importer  types.Importer
	constants int                       // how many have been declared by findUsers
	blocks    map[string]map[block]bool // of the coverage, by import path and file
}

type file struct {
	name   string // without the directory
	path   string
	text   string
	syntax *ast.File
}

// listing is what go list prints of a package.
type listing struct {
	Dir        string   `json:"Dir"`
	ImportPath string   `json:"ImportPath"`
	Export     string   `json:"Export"`
	GoFiles    []string `json:"GoFiles"`
}

// load parses and type-checks the packages of targets in the module at root.
func load(ctx context.Context, root string, targets []target) ([]*pkg, error) {
	// Os and strconv are what the chooser imports.
	args := []string{"list", "-export", "-deps", "-json=Dir,ImportPath,Export,GoFiles", "os", "strconv"}
	for _, t := range targets {
		args = append(args, "./"+t.dir)
	}
	out, err := goCommand(ctx, root, args...)
	if err != nil {
		return nil, err
	}
	listed := map[string]listing{} // by directory
	exports := map[string]string{}
	for stream := json.NewDecoder(bytes.NewReader(out)); ; {
		var next listing
		if err := stream.Decode(&next); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		exports[next.ImportPath] = next.Export
		listed[next.Dir] = next
	}
	var packages []*pkg
	for _, t := range targets {
		p, err := check(t.dir, listed[filepath.Join(root, t.dir)], exports)
		if err != nil {
			return nil, err
		}
		packages = append(packages, p)
	}
	return packages, nil
}

// check parses and type-checks a package, whose imports are in the files of exports.
func check(dir string, listed listing, exports map[string]string) (*pkg, error) {
	p := &pkg{dir: filepath.ToSlash(dir), path: listed.ImportPath, folder: listed.Dir, positions: token.NewFileSet()}
	p.importer = importer.ForCompiler(p.positions, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	var syntax []*ast.File
	for _, name := range listed.GoFiles {
		f := &file{name: name, path: filepath.Join(p.folder, name)}
		text, err := os.ReadFile(f.path)
		if err != nil {
			return nil, err
		}
		f.text = string(text)
		if f.syntax, err = parser.ParseFile(p.positions, f.path, text, parser.SkipObjectResolution|parser.ParseComments); err != nil {
			return nil, err
		}
		p.files = append(p.files, f)
		syntax = append(syntax, f.syntax)
	}
	p.info = &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{},
	}
	var err error
	p.types, err = (&types.Config{Importer: p.importer}).Check(p.path, p.positions, syntax, p.info)
	return p, err
}

// buildTime is the CPU time of all go commands.
var buildTime atomic.Int64

// goCommand runs the go command and returns what it prints.
func goCommand(ctx context.Context, dir string, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the arguments are those of this program
	command.Dir = dir
	out, err := command.Output()
	if state := command.ProcessState; state != nil {
		buildTime.Add(int64(state.UserTime() + state.SystemTime()))
	}
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil, fmt.Errorf("go %s: %w: %s", args[0], err, failed.Stderr)
	}
	return out, err
}

// mutants returns the mutants of the files that match the patterns.
func (p *pkg) mutants(patterns []string) ([]*mutant, error) {
	var all []*mutant
	for _, f := range p.files {
		if slices.ContainsFunc(patterns, func(pattern string) bool {
			matched, err := filepath.Match(pattern, f.name)
			return err == nil && matched
		}) {
			all = append(all, p.find(f)...)
		}
	}
	for i, m := range all {
		m.number = i + 1
	}
	return p.compilable(all)
}

// copyName returns the name of the copy of a function in which the mutant is.
func (m *mutant) copyName(function *ast.FuncDecl) string {
	return fmt.Sprintf("mutant%d_%s", m.number, function.Name.Name)
}

// functions returns the functions of which the mutant has copies, each with what is
// changed in it.
func (m *mutant) functions() map[*ast.FuncDecl][]edit {
	if m.function != nil {
		return map[*ast.FuncDecl][]edit{m.function: m.edits}
	}
	return m.users
}

// chooser is the file that says which mutant runs.
const chooser = `

import (
	"os"
	"strconv"
)

var mutantChosen = func() int {
	n, _ := strconv.Atoi(os.Getenv("` + chosenVariable + `"))
	return n
}()
`

const chosenVariable = "MUTANT_CHOSEN"

// span is a part of a file.
type span struct {
	path     string
	from, to int
}

// combined returns the package's files with all mutants in them, and where each is. Each
// function that has mutants begins with a switch to the copy that is chosen when the
// program starts, so that the tests are built once.
func (p *pkg) combined(mutants []*mutant) (texts map[string]string, where map[*mutant][]span) {
	texts, where = map[string]string{}, map[*mutant][]span{}
	of := map[*ast.FuncDecl][]*mutant{}
	constants := map[*file][]*mutant{}
	for _, m := range mutants {
		for function := range m.functions() {
			of[function] = append(of[function], m)
		}
		if m.constant != "" {
			constants[m.file] = append(constants[m.file], m)
		}
	}
	for _, f := range p.files {
		var edits []edit
		for _, decl := range f.syntax.Decls {
			if function, ok := decl.(*ast.FuncDecl); ok && len(of[function]) > 0 {
				edits = append(edits, p.dispatch(function, of[function])...)
			}
		}
		if len(edits)+len(constants[f]) == 0 {
			continue
		}
		var b strings.Builder
		b.WriteString(apply(f.text, 0, len(f.text), edits))
		write := func(m *mutant, text string) {
			b.WriteString("\n\n")
			from := b.Len()
			b.WriteString(text)
			where[m] = append(where[m], span{f.path, from, b.Len()})
		}
		for _, decl := range f.syntax.Decls {
			if function, ok := decl.(*ast.FuncDecl); ok {
				for _, m := range of[function] {
					write(m, p.copyOf(f, m, function))
				}
			}
		}
		for _, m := range constants[f] {
			write(m, m.constant)
		}
		texts[f.path] = b.String()
	}
	texts[filepath.Join(p.folder, "mutant_chosen.go")] = "package " + p.types.Name() + chooser
	return texts, where
}

func (p *pkg) offset(pos token.Pos) int { return p.positions.Position(pos).Offset }

// copyOf returns a function with the mutant's change and another name.
func (p *pkg) copyOf(f *file, m *mutant, function *ast.FuncDecl) string {
	name := function.Name
	rename := edit{p.offset(name.Pos()), p.offset(name.End()), m.copyName(function)}
	return apply(f.text, p.offset(function.Type.Func), p.offset(function.End()), append(slices.Clone(m.functions()[function]), rename))
}

// dispatch returns the edits that make a function call the copy that is chosen.
func (p *pkg) dispatch(function *ast.FuncDecl, mutants []*mutant) []edit {
	var edits []edit
	named := func(list *ast.FieldList) (names []string) {
		if list == nil {
			return nil
		}
		for _, field := range list.List {
			if len(field.Names) == 0 {
				name := fmt.Sprintf("mutantArgument%d", p.offset(field.Type.Pos()))
				names = append(names, name)
				edits = append(edits, edit{p.offset(field.Type.Pos()), p.offset(field.Type.Pos()), name + " "})
			}
			for _, ident := range field.Names {
				name := ident.Name
				if name == "_" {
					name = fmt.Sprintf("mutantArgument%d", p.offset(ident.Pos()))
					edits = append(edits, edit{p.offset(ident.Pos()), p.offset(ident.End()), name})
				}
				names = append(names, name)
			}
		}
		return names
	}
	receiver := ""
	if names := named(function.Recv); len(names) > 0 {
		receiver = names[0] + "."
	}
	arguments := strings.Join(named(function.Type.Params), ", ")
	if fields := function.Type.Params.List; len(fields) > 0 {
		if _, variadic := fields[len(fields)-1].Type.(*ast.Ellipsis); variadic {
			arguments += "..."
		}
	}
	parameters := ""
	if function.Type.TypeParams != nil {
		parameters = "[" + strings.Join(named(function.Type.TypeParams), ", ") + "]"
	}
	var b strings.Builder
	b.WriteString("\n\tswitch mutantChosen {\n")
	for _, m := range mutants {
		call := receiver + m.copyName(function) + parameters + "(" + arguments + ")"
		if function.Type.Results == nil {
			fmt.Fprintf(&b, "\tcase %d:\n\t\t%s\n\t\treturn\n", m.number, call)
		} else {
			fmt.Fprintf(&b, "\tcase %d:\n\t\treturn %s\n", m.number, call)
		}
	}
	b.WriteString("\t}\n")
	begin := p.offset(function.Body.Lbrace) + 1
	return append(edits, edit{begin, begin, b.String()})
}

// compilable returns those of the mutants that are valid Go.
func (p *pkg) compilable(mutants []*mutant) ([]*mutant, error) {
	invalid := map[*mutant]bool{}
	for _, m := range mutants {
		if m.isAlone() {
			invalid[m] = len(p.check(p.withOnly(m))) > 0
			continue
		}
		for function := range m.functions() {
			if m.function != nil {
				_, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+p.copyOf(m.file, m, function), parser.SkipObjectResolution)
				invalid[m] = err != nil
			}
		}
	}
	for {
		mutants = slices.DeleteFunc(mutants, func(m *mutant) bool { return invalid[m] })
		texts, where := p.combined(mutants)
		problems := p.check(texts)
		if len(problems) == 0 {
			return mutants, nil
		}
		found := false
		for _, problem := range problems {
			at := problem.Fset.Position(problem.Pos)
			for m, spans := range where {
				if slices.ContainsFunc(spans, func(s span) bool { return s.path == at.Filename && at.Offset >= s.from && at.Offset < s.to }) {
					invalid[m], found = true, true
				}
			}
		}
		if !found {
			return nil, fmt.Errorf("the mutants of %s do not compile: %w", p.dir, problems[0])
		}
	}
}

// withOnly returns the file of a mutant at top level with its change.
func (p *pkg) withOnly(m *mutant) map[string]string {
	return map[string]string{m.file.path: apply(m.file.text, 0, len(m.file.text), m.edits)}
}

// check type-checks the package with other texts for some of its files.
func (p *pkg) check(texts map[string]string) []types.Error {
	positions := token.NewFileSet()
	var syntax []*ast.File
	var problems []types.Error
	parse := func(path, text string) {
		parsed, err := parser.ParseFile(positions, path, text, parser.SkipObjectResolution)
		if err != nil {
			problems = append(problems, types.Error{Fset: positions, Msg: err.Error()})
			return
		}
		syntax = append(syntax, parsed)
	}
	known := map[string]bool{}
	for _, f := range p.files {
		known[f.path] = true
		if text, changed := texts[f.path]; changed {
			parse(f.path, text)
		} else {
			parse(f.path, f.text)
		}
	}
	for path, text := range texts {
		if !known[path] {
			parse(path, text)
		}
	}
	if len(problems) > 0 {
		return problems
	}
	config := types.Config{Importer: p.importer, Error: func(err error) {
		if problem, ok := errors.AsType[types.Error](err); ok {
			problems = append(problems, problem)
		}
	}}
	_, _ = config.Check(p.path, positions, syntax, nil) // the errors have been collected
	return problems
}

func writeJSON(path string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}
