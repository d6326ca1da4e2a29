package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strconv"
	"strings"
)

// edit replaces a part of a file.
type edit struct {
	from, to int // offsets
	text     string
}

// mutant is one change of one declaration.
type mutant struct {
	key      string // stable for as long as the declaration has the same text
	at       string // file:line
	number   int    // in its package, from 1
	file     *file
	function *ast.FuncDecl // nil: a variable or constant at top level
	objects  []types.Object
	edits    []edit
	offset   int // where the change begins

	// Of a constant: what declares the changed one, and the edits that make functions
	// use that. Without, tests have to be built for this mutant alone.
	constant string
	users    map[*ast.FuncDecl][]edit
}

// isAlone reports whether tests have to be built for this mutant alone.
func (m *mutant) isAlone() bool { return m.function == nil && m.users == nil }

// finder collects the mutants of one declaration.
type finder struct {
	p        *pkg
	f        *file
	function *ast.FuncDecl
	objects  []types.Object
	name     string
	found    []*mutant
	ordinals map[string]int
	texts    map[string]bool
}

// find returns the mutants of a file, in the order of their places.
func (p *pkg) find(f *file) []*mutant {
	var all []*mutant
	for _, decl := range f.syntax.Decls {
		finder := &finder{p: p, f: f, ordinals: map[string]int{}, texts: map[string]bool{}}
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Body == nil {
				continue
			}
			finder.function, finder.name = decl, functionName(decl)
			finder.visit(decl.Body)
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				spec, ok := spec.(*ast.ValueSpec)
				if !ok || len(spec.Values) == 0 {
					continue
				}
				finder.name, finder.objects = spec.Names[0].Name, nil
				for _, name := range spec.Names {
					finder.objects = append(finder.objects, p.info.Defs[name])
				}
				for _, value := range spec.Values {
					if _, isCode := value.(*ast.FuncLit); !isCode {
						finder.literals(value)
					}
				}
				if decl.Tok == token.CONST && len(spec.Names) == 1 {
					for _, m := range finder.found {
						if m.objects[0] == finder.objects[0] {
							p.findUsers(m, spec)
						}
					}
				}
			}
		}
		slices.SortStableFunc(finder.found, func(a, b *mutant) int { return a.offset - b.offset })
		all = append(all, finder.found...)
	}
	return all
}

func functionName(decl *ast.FuncDecl) string {
	if decl.Recv == nil {
		return decl.Name.Name
	}
	return "(" + types.ExprString(decl.Recv.List[0].Type) + ")." + decl.Name.Name
}

func (f *finder) offset(pos token.Pos) int { return f.p.positions.Position(pos).Offset }

func (f *finder) text(node ast.Node) string {
	return f.f.text[f.offset(node.Pos()):f.offset(node.End())]
}

// add adds a mutant, unless another one has changed the declaration in the same way.
func (f *finder) add(operator string, node ast.Node, snippet string, edits ...edit) {
	from, to := 0, len(f.f.text)
	if f.function != nil {
		from, to = f.offset(f.function.Pos()), f.offset(f.function.End())
	}
	changed := strings.Join(strings.Fields(apply(f.f.text, from, to, edits)), "")
	if f.texts[changed] {
		return
	}
	f.texts[changed] = true
	snippet = strings.Join(strings.Fields(snippet), " ")
	if runes := []rune(snippet); len(runes) > 90 {
		snippet = string(runes[:87]) + "..."
	}
	key := fmt.Sprintf("%s %s: %s: %s", f.p.dir, f.name, operator, snippet)
	f.ordinals[key]++
	if n := f.ordinals[key]; n > 1 {
		key += fmt.Sprintf(" #%d", n)
	}
	position := f.p.positions.Position(node.Pos())
	f.found = append(f.found, &mutant{
		key: key, at: fmt.Sprintf("%s:%d", f.f.name, position.Line),
		file: f.f, function: f.function, objects: f.objects, edits: edits, offset: position.Offset,
	})
}

// replace adds a mutant that replaces a node.
func (f *finder) replace(operator string, node ast.Node, text string) {
	f.add(operator, node, f.text(node)+" -> "+text, edit{f.offset(node.Pos()), f.offset(node.End()), text})
}

// visit goes through a function's body.
func (f *finder) visit(body ast.Node) {
	ast.PreorderStack(body, nil, func(node ast.Node, stack []ast.Node) bool {
		switch node := node.(type) {
		case *ast.IfStmt:
			f.condition(node.Cond)
			f.empty("branch", node.Body, node.Cond)
			if block, ok := node.Else.(*ast.BlockStmt); ok {
				f.empty("else", block, node.Cond)
			}
		case *ast.ForStmt:
			if node.Cond != nil {
				f.condition(node.Cond)
			}
			f.empty("loop", node.Body, node)
		case *ast.RangeStmt:
			f.empty("loop", node.Body, node)
		case *ast.SwitchStmt:
			f.clauses(node.Body, node.Tag == nil)
		case *ast.TypeSwitchStmt:
			f.clauses(node.Body, false)
		case *ast.SelectStmt:
			f.clauses(node.Body, false)
		case *ast.BlockStmt:
			f.statements(node.List)
		case *ast.CaseClause:
			f.statements(node.Body)
		case *ast.CommClause:
			f.statements(node.Body)
		case *ast.ReturnStmt:
			f.results(node)
		case *ast.BranchStmt:
			f.jump(node, stack)
		case *ast.BinaryExpr:
			f.binary(node)
		case *ast.CallExpr:
			if name, ok := node.Fun.(*ast.Ident); ok {
				if _, builtin := f.p.info.Uses[name].(*types.Builtin); builtin && len(node.Args) > 1 && (name.Name == "min" || name.Name == "max") {
					other := map[string]string{"min": "max", "max": "min"}[name.Name]
					f.add("extreme", node, f.text(node)+" -> "+other, edit{f.offset(name.Pos()), f.offset(name.End()), other})
				}
			}
		case *ast.BasicLit:
			f.literal(node)
		}
		return true
	})
}

// condition negates each operand of a boolean expression.
func (f *finder) condition(e ast.Expr) {
	switch inner := e.(type) {
	case *ast.ParenExpr:
		f.condition(inner.X)
		return
	case *ast.BinaryExpr:
		if inner.Op == token.LAND || inner.Op == token.LOR {
			f.condition(inner.X)
			f.condition(inner.Y)
			return
		}
	case *ast.UnaryExpr:
		if inner.Op == token.NOT {
			f.replace("negate", e, f.text(inner.X))
			return
		}
	case *ast.Ident:
		if inner.Name == "true" || inner.Name == "false" {
			return
		}
	}
	f.replace("negate", e, "!("+f.text(e)+")")
}

func isBoolean(t types.Type) bool {
	basic, ok := t.Underlying().(*types.Basic)
	return ok && basic.Info()&types.IsBoolean != 0
}

func (f *finder) binary(e *ast.BinaryExpr) {
	swap := func(operator string, to token.Token) {
		f.add(operator, e, f.text(e)+" -> "+to.String(), edit{f.offset(e.OpPos), f.offset(e.OpPos) + len(e.Op.String()), to.String()})
	}
	switch e.Op {
	case token.LAND:
		swap("logic", token.LOR)
	case token.LOR:
		swap("logic", token.LAND)
	case token.LSS:
		swap("boundary", token.LEQ)
	case token.LEQ:
		swap("boundary", token.LSS)
	case token.GTR:
		swap("boundary", token.GEQ)
	case token.GEQ:
		swap("boundary", token.GTR)
	case token.ADD:
		if basic, ok := f.p.info.TypeOf(e).Underlying().(*types.Basic); ok && basic.Info()&types.IsNumeric != 0 {
			swap("arithmetic", token.SUB)
		}
	case token.SUB:
		swap("arithmetic", token.ADD)
	case token.MUL:
		swap("arithmetic", token.QUO)
	case token.QUO:
		swap("arithmetic", token.MUL)
	default:
	}
	if e.Op == token.LAND || e.Op == token.LOR {
		f.condition(e) // wherever it stands
	}
}

// empty deletes what a block holds.
func (f *finder) empty(operator string, block *ast.BlockStmt, of ast.Node) {
	if len(block.List) == 0 {
		return
	}
	snippet := f.text(of)
	if of, ok := of.(*ast.ForStmt); ok {
		snippet = f.f.text[f.offset(of.Pos()):f.offset(of.Body.Pos())]
	}
	if of, ok := of.(*ast.RangeStmt); ok {
		snippet = f.f.text[f.offset(of.Pos()):f.offset(of.Body.Pos())]
	}
	f.add(operator, block, snippet, edit{f.offset(block.Lbrace) + 1, f.offset(block.Rbrace), ""})
}

// clauses deletes the body of each case and swaps those of neighbours.
func (f *finder) clauses(body *ast.BlockStmt, conditions bool) {
	var previous []ast.Stmt
	for i, clause := range body.List {
		var list []ast.Stmt
		var head string
		switch clause := clause.(type) {
		case *ast.CaseClause:
			list = clause.Body
			head = f.f.text[f.offset(clause.Pos()) : f.offset(clause.Colon)+1]
			for _, e := range clause.List {
				if conditions {
					f.condition(e)
				}
			}
		case *ast.CommClause:
			list = clause.Body
			head = f.f.text[f.offset(clause.Pos()) : f.offset(clause.Colon)+1]
		}
		if len(list) > 0 {
			from, to := f.offset(list[0].Pos()), f.offset(list[len(list)-1].End())
			f.add("case", clause, head, edit{from, to, ""})
			if i > 0 && len(previous) > 0 {
				before, until := f.offset(previous[0].Pos()), f.offset(previous[len(previous)-1].End())
				f.add("swap", clause, head+" and the one before", edit{before, until, f.f.text[from:to]}, edit{from, to, f.f.text[before:until]})
			}
		}
		previous = list
	}
}

// statements drops each statement that can be dropped.
func (f *finder) statements(list []ast.Stmt) {
	for _, statement := range list {
		switch statement := statement.(type) {
		case *ast.AssignStmt:
			if statement.Tok == token.DEFINE {
				for _, value := range statement.Rhs {
					f.value(value)
				}
				continue
			}
			for _, value := range statement.Rhs {
				f.value(value)
			}
		case *ast.ExprStmt:
			if f.isLock(statement.X) {
				continue
			}
		case *ast.DeferStmt:
			if f.isLock(statement.Call) {
				continue
			}
		case *ast.IncDecStmt, *ast.SendStmt, *ast.GoStmt:
		default:
			continue
		}
		f.add("drop", statement, f.text(statement), edit{f.offset(statement.Pos()), f.offset(statement.End()), ""})
	}
}

// isLock reports a call of a mutex: without it, the next one of the mutex crashes or
// blocks for ever, which every test would notice.
func (f *finder) isLock(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	called, ok := f.p.info.Uses[method.Sel].(*types.Func)
	return ok && strings.HasPrefix(called.FullName(), "(*sync.") && strings.HasSuffix(called.FullName(), "ock")
}

// value negates a comparison that is assigned.
func (f *finder) value(e ast.Expr) {
	if binary, ok := e.(*ast.BinaryExpr); ok && isBoolean(f.p.info.TypeOf(e)) && binary.Op != token.LAND && binary.Op != token.LOR {
		f.condition(e)
	}
}

// results returns the zero value in the place of each result.
func (f *finder) results(statement *ast.ReturnStmt) {
	for i, result := range statement.Results {
		t := f.p.info.TypeOf(result)
		if _, several := t.(*types.Tuple); several {
			continue
		}
		if isBoolean(t) {
			f.condition(result)
			continue
		}
		if constant := f.p.info.Types[result].Value; constant != nil && (constant.ExactString() == "0" || constant.ExactString() == `""`) || f.p.info.Types[result].IsNil() {
			continue
		}
		if literal, ok := result.(*ast.CompositeLit); ok && len(literal.Elts) == 0 {
			continue
		}
		if zero := f.zero(t); zero != "" {
			f.add("return", result, f.text(statement)+" -> "+zero+" at "+strconv.Itoa(i), edit{f.offset(result.Pos()), f.offset(result.End()), zero})
		}
	}
}

func (f *finder) zero(t types.Type) string {
	switch under := t.Underlying().(type) {
	case *types.Basic:
		switch {
		case under.Info()&types.IsNumeric != 0:
			return "0"
		case under.Info()&types.IsString != 0:
			return `""`
		}
	case *types.Pointer, *types.Slice, *types.Map, *types.Chan, *types.Signature, *types.Interface:
		if _, parameter := t.(*types.TypeParam); !parameter {
			return "nil"
		}
	}
	return "*new(" + types.TypeString(t, func(other *types.Package) string {
		if other == f.p.types {
			return ""
		}
		return other.Name()
	}) + ")"
}

// jump makes a break of a continue, and the other way round.
func (f *finder) jump(statement *ast.BranchStmt, stack []ast.Node) {
	other := map[token.Token]string{token.BREAK: "continue", token.CONTINUE: "break"}[statement.Tok]
	if other == "" || statement.Tok == token.BREAK && statement.Label == nil && !inLoop(stack) {
		return
	}
	f.add("jump", statement, f.text(statement)+" -> "+other, edit{f.offset(statement.Pos()), f.offset(statement.Pos()) + len(statement.Tok.String()), other})
}

func inLoop(stack []ast.Node) bool {
	return slices.ContainsFunc(stack, func(node ast.Node) bool {
		switch node.(type) {
		case *ast.ForStmt, *ast.RangeStmt:
			return true
		}
		return false
	})
}

func (f *finder) literals(e ast.Expr) {
	ast.Inspect(e, func(node ast.Node) bool {
		if literal, ok := node.(*ast.BasicLit); ok {
			f.literal(literal)
		}
		return true
	})
}

// literal changes a number to 0 and to one more or, from 10 on, to twice as much: the
// exact value of a large number is seldom a promise.
func (f *finder) literal(literal *ast.BasicLit) {
	if literal.Kind != token.INT && literal.Kind != token.FLOAT {
		return
	}
	n, err := strconv.ParseFloat(literal.Value, 64)
	if err != nil {
		return
	}
	more := "(" + literal.Value + " + 1)"
	if n >= 10 {
		more = "(" + literal.Value + " * 2)"
	}
	line := f.line(literal)
	for _, text := range []string{"0", more} {
		if n != 0 || text != "0" {
			f.add("number", literal, line+" -> "+text, edit{f.offset(literal.Pos()), f.offset(literal.End()), text})
		}
	}
}

// line returns the line in which a node begins, without a comment at its end.
func (f *finder) line(node ast.Node) string {
	from := f.offset(node.Pos())
	begin := strings.LastIndex(f.f.text[:from], "\n") + 1
	line, _, _ := strings.Cut(f.f.text[begin:], "\n")
	line, _, _ = strings.Cut(line, " // ")
	return line
}

// apply returns a part of the text with the edits made.
func apply(text string, from, to int, edits []edit) string {
	edits = slices.SortedStableFunc(slices.Values(edits), func(a, b edit) int { return a.from - b.from })
	var b strings.Builder
	for _, e := range edits {
		b.WriteString(text[from:e.from])
		b.WriteString(e.text)
		from = e.to
	}
	b.WriteString(text[from:to])
	return b.String()
}

// findUsers lets functions use a constant that is declared beside the one that the mutant
// changes, if only functions use that.
func (p *pkg) findUsers(m *mutant, spec *ast.ValueSpec) {
	users := map[*ast.FuncDecl][]edit{}
	p.constants++
	name := fmt.Sprintf("mutantConstant%d_%s", p.constants, spec.Names[0].Name)
	for _, f := range p.files {
		for _, decl := range f.syntax.Decls {
			function, _ := decl.(*ast.FuncDecl)
			elsewhere := false
			ast.Inspect(decl, func(node ast.Node) bool {
				ident, ok := node.(*ast.Ident)
				switch {
				case !ok:
				case p.info.Uses[ident] == m.objects[0] && function == nil, ident.Name == "iota" && decl.Pos() <= spec.Pos() && spec.End() <= decl.End():
					elsewhere = true
				case p.info.Uses[ident] == m.objects[0]:
					users[function] = append(users[function], edit{p.offset(ident.Pos()), p.offset(ident.End()), name})
				}
				return true
			})
			if elsewhere {
				return
			}
		}
	}
	if len(users) == 0 {
		return
	}
	m.users = users
	m.constant = "const " + apply(m.file.text, p.offset(spec.Pos()), p.offset(spec.End()), append(slices.Clone(m.edits), edit{p.offset(spec.Names[0].Pos()), p.offset(spec.Names[0].End()), name}))
}
