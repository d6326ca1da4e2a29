package testindex_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/internal/testindex"
)

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func TestTestsOfAModule(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "go.mod", "module example.com/m\n\ngo 1.26\n")
	top := write(t, dir, "a_test.go", "package m_test\nfunc TestA() {}\nfunc Testing() {}\nfunc (x X) TestMethod() {}\nfunc TestMain() {}\n")
	write(t, dir, "a.go", "package m\nfunc TestNone() {}\n")
	deep := write(t, dir, "internal/b/b_test.go", "package b\nfunc TestA() {}\nfunc FuzzB() {}\nfunc Example() {}\n")
	write(t, dir, "other/go.mod", "module example.com/other\n")
	write(t, dir, "other/a_test.go", "package other\nfunc TestOther() {}\n")
	write(t, dir, "testdata/a_test.go", "not Go")
	write(t, dir, ".hidden/a_test.go", "not Go")

	root, module, err := testindex.Root(filepath.Join(dir, "internal", "b"))
	require.NoError(t, err)
	assert.Equal(t, "example.com/m", module)
	tests, err := testindex.Tests(root, module)
	require.NoError(t, err)
	assert.Equal(t, []testindex.Test{
		{Name: "TestA", Package: "example.com/m", File: top},
		{Name: "TestA", Package: "example.com/m/internal/b", File: deep},
		{Name: "FuzzB", Package: "example.com/m/internal/b", File: deep},
		{Name: "Example", Package: "example.com/m/internal/b", File: deep},
	}, tests)
	assert.Equal(t, []string{"example.com/m", "example.com/m/internal/b"}, testindex.PackagesOf(tests, "TestA"))
	assert.Empty(t, testindex.PackagesOf(tests, "TestNone"))
	_, _, err = testindex.Root(t.TempDir())
	assert.ErrorContains(t, err, "no go.mod")
}

func TestReadPromises(t *testing.T) {
	dir := t.TempDir()
	good := write(t, dir, "good", "# a list\n\nIt holds, a | b | TestA\nIt holds too | TestA/a row/over a new\nIt holds too | FuzzB\n")
	list, err := testindex.ReadPromises(good)
	require.NoError(t, err)
	require.Equal(t, []testindex.Promise{
		{Sentence: "It holds, a | b", Test: "TestA", Line: 3},
		{Sentence: "It holds too", Test: "TestA", Subtest: "a_row/over_a_new", Line: 4},
		{Sentence: "It holds too", Test: "FuzzB", Line: 5},
	}, list)
	assert.Equal(t, "TestA/a_row/over_a_new", list[1].FullName())
	assert.Equal(t, "TestA", list[0].FullName())

	for text, problem := range map[string]string{
		"It holds\n":                             ":1: ",
		" | TestA\n":                             ":1: ",
		"It holds |\n":                           ":1: ",
		"It holds | helper\n":                    ":1: ",
		"It holds | TestMain\n":                  ":1: ",
		"It holds | TestA\n\nIt holds | TestA\n": ":3: repeats line 1",
	} {
		_, err := testindex.ReadPromises(write(t, dir, "bad", text))
		assert.ErrorContains(t, err, problem, text)
	}
	_, err = testindex.ReadPromises(filepath.Join(dir, "none"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}
