package fleet

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPlannerFieldsAreItsOwn allows only the planner's files to touch its fields: all
// others give it events, and call its methods.
func TestPlannerFieldsAreItsOwn(t *testing.T) {
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	files := token.NewFileSet()
	fields := make(map[string]bool)
	var others []*ast.File
	for _, name := range names {
		file, err := parser.ParseFile(files, name, nil, 0)
		require.NoError(t, err)
		switch {
		case strings.HasSuffix(name, "_test.go"):
			continue
		case !strings.HasPrefix(name, "planner"):
			others = append(others, file)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.Name == "Planner" {
				for _, field := range spec.Type.(*ast.StructType).Fields.List {
					for _, name := range field.Names {
						require.False(t, name.IsExported(), name.Name)
						fields[name.Name] = true
					}
				}
			}
			return true
		})
	}
	require.Greater(t, len(fields), 10)
	for _, file := range others {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr: // such as s.planner.ended
				of := n.X
				if inner, ok := of.(*ast.SelectorExpr); ok {
					of = inner.Sel
				}
				name, ok := of.(*ast.Ident)
				require.False(t, ok && name.Name == "planner" && fields[n.Sel.Name], "%s: planner.%s", files.Position(n.Pos()), n.Sel.Name)
			case *ast.FuncDecl: // a method that is hidden elsewhere
				if n.Recv == nil {
					return true
				}
				if star, ok := n.Recv.List[0].Type.(*ast.StarExpr); ok {
					of, ok := star.X.(*ast.Ident)
					require.False(t, ok && of.Name == "Planner", "%s: %s is a method of Planner", files.Position(n.Pos()), n.Name.Name)
				}
			}
			return true
		})
	}
}
