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

// makePlan makes the plan of what the flags select.
func (p *program) makePlan(ctx context.Context, s *settings, client *ecsreboot.Client) (fleet.Plan, error) {
	selection := fleet.Selection{
		Tags: s.tags, Zone: s.zone, Status: ecsreboot.Status(s.status), All: s.all, Exclude: s.exclude, ForceStop: s.force,
	}
	if len(s.args) > 0 {
		selection.InstanceIDs = s.args
	}
	var err error
	if s.idsFile != "" {
		if selection.InstanceIDs, err = p.readIDs(s.idsFile); err != nil {
			return fleet.Plan{}, err
		}
	}
	if selection.GroupBy, err = groupBy(s.groupBy); err != nil {
		return fleet.Plan{}, err
	}
	return fleet.NewPlan(ctx, client, selection)
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
func (p *program) readIDs(name string) ([]string, error) {
	if name == "-" {
		return parseIDs(p.stdin)
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
		for _, id := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(", \t\r", r) }) {
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
