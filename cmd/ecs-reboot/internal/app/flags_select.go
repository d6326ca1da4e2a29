package app

import (
	"context"
	"io"
	"os"
	"strings"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	"github.com/ecsreboot/ecsreboot/internal/cli/idsfile"
)

// selection returns what the flags select.
func (p *program) selection(ctx context.Context, s *settings, further []*ecsreboot.Client) (fleet.Selection, error) {
	selection := fleet.Selection{
		InstanceIDs: s.args, Names: s.names, Tags: s.tags.conditions, Zone: s.zone, Status: ecsreboot.Status(s.status),
		VPCID: s.vpcID, InstanceTypes: s.types, ResourceGroupID: s.resourceGroup, All: s.all,
		Exclude: s.exclude, ExcludeNames: s.excludeNames, ForceStop: s.force, Clients: further,
	}
	if s.maintenance != nil {
		selection.Maintenance = &fleet.Maintenance{Types: s.maintenance, Before: s.before.at}
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

// groupBy parses --group-by.
func groupBy(text string) (func(ecsreboot.Instance) string, error) {
	key, isTag := strings.CutPrefix(text, "tag:")
	switch {
	case text == "":
		return nil, nil //nolint:nilnil // no groups
	case text == "zone":
		return fleet.ByZone, nil
	case text == "region":
		return fleet.ByRegion, nil
	case isTag && key != "":
		return fleet.ByTag(key), nil
	}
	return nil, cmdline.Errorf("unknown --group-by %q, want zone, region or tag:KEY", text)
}

// readIDs reads a file of instance IDs, or stdin for "-". A list that came out empty is an
// error, because it must not select every instance.
func (p *program) readIDs(ctx context.Context, name string) ([]string, error) {
	var from io.Reader
	if name == "-" {
		text, err := p.answers().rest(ctx)
		if err != nil {
			return nil, err
		}
		from = strings.NewReader(text)
	} else {
		file, err := os.Open(name) //nolint:gosec // it is the user's
		if err != nil {
			return nil, cmdline.Errorf("--ids-file %s: %v", name, reasonOf(err))
		}
		defer file.Close() //nolint:errcheck // only read
		from = file
	}
	list, err := idsfile.Parse(from)
	switch {
	case err != nil:
		return nil, cmdline.Errorf("--ids-file %s: %v", name, err)
	case len(list.Duplicates) > 0:
		return nil, cmdline.Errorf("--ids-file %s: %s", name, list.Duplicates[0])
	}
	return list.IDs, nil
}
