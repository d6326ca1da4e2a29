package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/app"
)

func TestPages(t *testing.T) {
	file := filepath.Join(t.TempDir(), "man.tar.gz")
	require.NoError(t, run([]string{file}, "1700000000"))
	archive, err := os.ReadFile(file)
	require.NoError(t, err)
	zip, err := gzip.NewReader(bytes.NewReader(archive))
	require.NoError(t, err)
	pages := map[string]string{}
	for reader := tar.NewReader(zip); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		text, err := io.ReadAll(reader)
		require.NoError(t, err)
		pages[header.Name] = string(text)
	}
	require.Contains(t, pages, "man1/ecs-reboot.1")
	for _, cmd := range app.Commands().Commands() {
		if cmd.IsAvailableCommand() {
			require.Contains(t, pages, "man1/ecs-reboot-"+cmd.Name()+".1")
		}
	}
	require.Contains(t, pages["man1/ecs-reboot-resume.1"], "Nov 2023")
	require.Contains(t, pages["man1/ecs-reboot-resume.1"], "\\fB--no-drain\\fP")

	require.NoError(t, run([]string{file}, "1700000000"))
	again, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, archive, again)
}

func TestUsage(t *testing.T) {
	require.ErrorContains(t, run(nil, "1"), "usage")
	require.ErrorContains(t, run([]string{"x"}, ""), "invalid SOURCE_DATE_EPOCH")
}
