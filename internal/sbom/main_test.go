package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDescribe(t *testing.T) {
	b, err := describe(&debug.BuildInfo{
		GoVersion: "go1.26.8",
		Path:      "example.test/a/cmd/a",
		Main:      debug.Module{Path: "example.test/a", Version: "v0.1.0"},
		Deps: []*debug.Module{
			{Path: "example.test/b", Version: "v2.0.0+incompatible", Sum: "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},
		},
		Settings: []debug.BuildSetting{{Key: "GOOS", Value: "linux"}, {Key: "CGO_CFLAGS"}, {Key: "vcs.time", Value: "2026-11-29T03:00:45Z"}},
	})
	require.NoError(t, err)
	got, err := json.MarshalIndent(b, "", "  ")
	require.NoError(t, err)
	assert.JSONEq(t, `{
		"$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
		"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
		"metadata": {"component": {
			"bom-ref": "pkg:golang/example.test/a@v0.1.0?type=module", "type": "application",
			"name": "example.test/a", "version": "v0.1.0", "purl": "pkg:golang/example.test/a@v0.1.0?type=module",
			"properties": [
				{"name": "package", "value": "example.test/a/cmd/a"},
				{"name": "go", "value": "go1.26.8"},
				{"name": "build:GOOS", "value": "linux"}
			]
		}},
		"components": [
			{"bom-ref": "pkg:golang/std@1.26.8?type=module", "type": "library", "name": "std", "version": "1.26.8",
				"scope": "required", "purl": "pkg:golang/std@1.26.8?type=module"},
			{"bom-ref": "pkg:golang/example.test/b@v2.0.0%2Bincompatible?type=module", "type": "library",
				"name": "example.test/b", "version": "v2.0.0+incompatible", "scope": "required",
				"purl": "pkg:golang/example.test/b@v2.0.0%2Bincompatible?type=module",
				"hashes": [{"alg": "SHA-256", "content": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}]}
		],
		"dependencies": [{"ref": "pkg:golang/example.test/a@v0.1.0?type=module", "dependsOn": [
			"pkg:golang/std@1.26.8?type=module", "pkg:golang/example.test/b@v2.0.0%2Bincompatible?type=module"
		]}]
	}`, string(got))
}

func TestDescribeRejects(t *testing.T) {
	for want, module := range map[string]*debug.Module{
		"module example.test/b is replaced by ../..: not a release": {Path: "example.test/b", Replace: &debug.Module{Path: "../.."}},
		`checksum "h1:?" of module example.test/b`:                  {Path: "example.test/b", Sum: "h1:?"},
	} {
		_, err := describe(&debug.BuildInfo{Deps: []*debug.Module{module}})
		require.ErrorContains(t, err, want)
	}
}

// The test itself is a binary with a module.
func TestRun(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	var first, second bytes.Buffer
	require.NoError(t, run([]string{self}, &first))
	require.NoError(t, run([]string{self}, &second))
	assert.Equal(t, first.String(), second.String())
	assert.Contains(t, first.String(), `"name": "github.com/ecsreboot/ecsreboot"`)
	for _, word := range []string{"serialNumber", "timestamp", "vcs.time"} {
		assert.NotContains(t, first.String(), word)
	}
}

func TestRunRejects(t *testing.T) {
	require.EqualError(t, run(nil, nil), "usage: sbom BINARY")
	file := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(file, []byte(strings.Repeat("text", 100)), 0o600))
	require.Error(t, run([]string{file}, nil))
}
