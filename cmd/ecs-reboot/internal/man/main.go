// Man writes the man pages of ecs-reboot into a gzipped tar archive. The time of the
// pages is SOURCE_DATE_EPOCH, in seconds since 1970, so the same commit always has the
// same archive.
//
// Usage:
//
//	SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) go run ./internal/man ecs-reboot-man.tar.gz
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra/doc"

	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/app"
)

func main() {
	if err := run(os.Args[1:], os.Getenv("SOURCE_DATE_EPOCH")); err != nil {
		fmt.Fprintln(os.Stderr, "man:", err)
		os.Exit(1)
	}
}

func run(args []string, epoch string) error {
	if len(args) != 1 {
		return errors.New("usage: man FILE.tar.gz")
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return fmt.Errorf("invalid SOURCE_DATE_EPOCH %q: %w", epoch, err)
	}
	var archive bytes.Buffer
	if err := write(&archive, time.Unix(seconds, 0).UTC()); err != nil {
		return err
	}
	return os.WriteFile(args[0], archive.Bytes(), 0o644) //nolint:gosec // it is published
}

// write writes the pages as man1/NAME.1, in the order of their names.
func write(w io.Writer, date time.Time) error {
	dir, err := os.MkdirTemp("", "man-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	header := &doc.GenManHeader{Section: "1", Date: &date, Source: app.Name, Manual: "Alibaba Cloud ECS"}
	root := app.Commands()
	root.DisableAutoGenTag = true
	if err := doc.GenManTree(root, header, dir); err != nil {
		return err
	}
	pages, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	zip := gzip.NewWriter(w)
	archive := tar.NewWriter(zip)
	for _, page := range pages {
		text, err := os.ReadFile(filepath.Join(dir, page.Name())) //nolint:gosec // a page that was just made
		if err != nil {
			return err
		}
		text = []byte(strings.TrimSpace(string(text)) + "\n")
		if err := archive.WriteHeader(&tar.Header{Name: "man1/" + page.Name(), Mode: 0o644, Size: int64(len(text)), ModTime: date}); err != nil {
			return err
		}
		if _, err := archive.Write(text); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), zip.Close())
}
