package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/internal/testindex"
)

// Each promise of the list names a test that exists, somewhere in the module.
// Whether it passes is for internal/promises to find out, which runs them.
func TestPromisesAreHeldByTests(t *testing.T) {
	root, module, err := testindex.Root(".")
	require.NoError(t, err)
	promises, err := testindex.ReadPromises(filepath.Join(root, "testdata", "promises.txt"))
	require.NoError(t, err)
	require.NotEmpty(t, promises)
	tests, err := testindex.Tests(root, module)
	require.NoError(t, err)
	for _, p := range promises {
		assert.NotEmpty(t, testindex.PackagesOf(tests, p.Test), "testdata/promises.txt:%d: no test has the name %s", p.Line, p.Test)
	}
}
