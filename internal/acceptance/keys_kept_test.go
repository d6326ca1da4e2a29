package acceptance_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// keepers are the package-level variables that may hold what a program puts there
// while it runs, and why none of that is a key.
var keepers = map[string]string{
	"guards": "it holds its guards weakly: a credential lives no longer than the clients that use it",
}

// No variable of the package outlives the clients with a key in it: none is a pool,
// a map or a channel that is filled as the program runs, and none is assigned to.
func TestNoVariableKeepsKeys(t *testing.T) {
	t.Parallel()
	packages, err := filepath.Glob(filepath.Join(moduleRoot, "internal", "*"))
	require.NoError(t, err)
	for _, dir := range append(packages, filepath.Join(moduleRoot, "pace"), moduleRoot) {
		files := parsePackage(t, dir)
		variables := checkVariables(t, files)
		if dir == moduleRoot {
			require.Contains(t, variables, "ErrNotSent")
		}
	}
}

func checkVariables(t *testing.T, files []*ast.File) map[string]*ast.ValueSpec {
	t.Helper()
	types, variables := map[string]ast.Expr{}, map[string]*ast.ValueSpec{}
	for _, file := range files {
		for _, decl := range file.Decls {
			general, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range general.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					types[spec.Name.Name] = spec.Type
				case *ast.ValueSpec:
					if general.Tok == token.VAR {
						for _, name := range spec.Names {
							variables[name.Name] = spec
						}
					}
				}
			}
		}
	}
	for name, spec := range variables {
		if keepers[name] != "" || name == "_" {
			continue
		}
		seen := map[string]bool{}
		assert.Empty(t, fillable(spec.Type, types, seen), "the type of %s", name)
		for _, value := range spec.Values {
			assert.Empty(t, fillable(value, types, seen), "the value of %s", name)
		}
		if spec.Type != nil && len(spec.Values) == 0 {
			if _, isInterface := spec.Type.(*ast.InterfaceType); isInterface {
				t.Errorf("%s is set later", name)
			}
		}
	}
	for _, file := range files {
		ast.Inspect(file, func(node ast.Node) bool {
			var targets []ast.Expr
			switch node := node.(type) {
			case *ast.AssignStmt:
				if node.Tok != token.DEFINE {
					targets = node.Lhs
				}
			case *ast.UnaryExpr:
				if node.Op == token.AND {
					targets = []ast.Expr{node.X}
				}
			}
			for _, target := range targets {
				if name := rootOf(target); name != nil && isPackageLevel(name, variables) {
					t.Errorf("%s is written to", name.Name)
				}
			}
			return true
		})
	}
	return variables
}

func parsePackage(t *testing.T, dir string) (files []*ast.File) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	fset := token.NewFileSet()
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, 0)
		require.NoError(t, err)
		files = append(files, file)
	}
	return files
}

// fillable returns what in a type or a value can be filled as the program runs.
// Functions are not looked into, nor are maps that are written out: they are tables.
func fillable(expr ast.Node, types map[string]ast.Expr, seen map[string]bool) (found string) {
	if expr == nil {
		return ""
	}
	ast.Inspect(expr, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.FuncLit, *ast.FuncType:
			return false
		case *ast.SelectorExpr:
			if from, ok := node.X.(*ast.Ident); ok && (from.Name == "atomic" || from.Name == "sync" && (node.Sel.Name == "Pool" || node.Sel.Name == "Map")) {
				found = from.Name + "." + node.Sel.Name
			}
			return false
		case *ast.ChanType:
			found = "a channel"
		case *ast.CallExpr:
			if name, ok := node.Fun.(*ast.Ident); ok && (name.Name == "make" || name.Name == "new") {
				found = name.Name
			}
		case *ast.CompositeLit:
			if _, isMap := node.Type.(*ast.MapType); isMap && len(node.Elts) > 0 {
				return false
			}
		case *ast.MapType:
			found = "a map"
		case *ast.Ident:
			if of := types[node.Name]; of != nil && !seen[node.Name] {
				seen[node.Name] = true
				if inner := fillable(of, types, seen); inner != "" {
					found = inner + " in " + node.Name
				}
			}
		}
		return found == ""
	})
	return found
}

// rootOf returns the variable that x, x.y, x[y] or *x belongs to.
func rootOf(expr ast.Expr) *ast.Ident {
	for {
		switch e := expr.(type) {
		case *ast.Ident:
			return e
		case *ast.SelectorExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.StarExpr:
			expr = e.X
		case *ast.ParenExpr:
			expr = e.X
		default:
			return nil
		}
	}
}

// isPackageLevel reports whether name is a variable of the package, not of a function.
func isPackageLevel(name *ast.Ident, variables map[string]*ast.ValueSpec) bool {
	spec := variables[name.Name]
	return spec != nil && (name.Obj == nil || name.Obj.Decl == spec)
}
