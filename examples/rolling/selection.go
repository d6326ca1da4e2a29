package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
)

// selection is what the flags select.
func (p *program) selection(ctx context.Context, s *settings) (fleet.Selection, error) {
	selection := fleet.Selection{
		InstanceIDs: s.args, Tags: s.tags, Zone: s.zone, Status: ecsreboot.Status(s.status), All: s.all, Exclude: s.exclude, ForceStop: s.force,
	}
	if len(s.args) == 0 {
		selection.InstanceIDs = nil
	}
	if s.idsFile != "" {
		ids, err := p.readIDs(ctx, s.idsFile)
		if err != nil {
			return selection, err
		}
		selection.InstanceIDs = ids
	}
	var err error
	selection.GroupBy, err = groupBy(s.groupBy)
	return selection, err
}

// groupBy reads -group-by.
func groupBy(text string) (func(ecsreboot.Instance) string, error) {
	key, isTag := strings.CutPrefix(text, "tag:")
	switch {
	case text == "":
		return nil, nil //nolint:nilnil // no groups
	case text == "zone":
		return fleet.ByZone, nil
	case isTag && key != "":
		return fleet.ByTag(key), nil
	}
	return nil, cmdline.Errorf("-group-by %q is unknown; it is zone or tag:KEY", text)
}

// readIDs reads a file of instance ids, or stdin for "-": one or more a line, and
// comments from # on. The list is never nil.
func (p *program) readIDs(ctx context.Context, name string) ([]string, error) {
	if name == "-" {
		text, err := p.stdin.rest(ctx)
		if err != nil {
			return nil, err
		}
		return parseIDs(strings.NewReader(text))
	}
	file, err := os.Open(name) //nolint:gosec // it is the user's
	if err != nil {
		return nil, cmdline.Errorf("-ids-file: %v", err)
	}
	defer file.Close() //nolint:errcheck // only read
	return parseIDs(file)
}

func parseIDs(from io.Reader) ([]string, error) {
	ids := []string{}
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		for _, id := range strings.FieldsFunc(line, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\r' }) {
			if err := cmdline.CheckID(id); err != nil {
				return nil, err
			}
			ids = append(ids, id)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("rolling: -ids-file: %w", err)
	}
	if len(ids) == 0 {
		return nil, cmdline.Errorf("-ids-file holds no instance id")
	}
	return ids, nil
}
