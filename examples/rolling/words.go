package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
)

// reasonText is a reason in the words of who gives flags and signals.
func reasonText(reason fleet.Reason) string {
	switch reason {
	case fleet.ReasonUser:
		return "as asked"
	case fleet.ReasonWidth:
		return "limit used up (-max-unavailable)"
	case fleet.ReasonBudget:
		return "failure budget (-max-failed)"
	case fleet.ReasonWindow:
		return "outside -window"
	default:
		return string(reason)
	}
}

// plural is a number of things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// flagOf are the flags for what the fleet package calls by the names of its fields.
var flagOf = map[string]string{
	"MaxUnavailablePerGroup": "-max-unavailable-per-group",
	"MaxUnavailable":         "-max-unavailable",
	"MaxFailed":              "-max-failed",
	"AllowWide":              "-allow-wide",
	"MinReady":               "-min-ready",
	"ReadyTimeout":           "-ready-timeout",
	"Canary":                 "-canary",
	"Window":                 "-window",
	"Health":                 "-health-url or -health-cmd",
	"Blocker":                "-blocker-cmd",
	"Approve":                "-approve",
	"Journal":                "-journal",
	"Tags":                   "-tag",
	"Zone":                   "-zone",
	"Status":                 "-status",
	"InstanceIDs":            "the list of instances",
}

// withFlags names flags in place of fields.
func withFlags(text string) string {
	words := strings.Split(text, " ")
	for i, word := range words {
		bare := strings.TrimRight(word, ",;:.")
		if name, ok := flagOf[bare]; ok {
			words[i] = name + word[len(bare):]
		}
	}
	return strings.Join(words, " ")
}

// inFlags makes of an error about a field one about flags. Only what the fleet
// package refuses names its fields so.
func (s *settings) inFlags(err error) error {
	input, ok := errors.AsType[*ecsreboot.InputError](err)
	switch {
	case !ok:
		return err
	case input.Field == "Selection":
		return cmdline.Errorf("%s %s", s.selected(), input.Problem)
	case flagOf[input.Field] == "":
		return err
	}
	return cmdline.Errorf("%s %s", flagOf[input.Field], withFlags(input.Problem))
}

// selected is the query of the command line.
func (s *settings) selected() string {
	var query []string
	for _, key := range slices.Sorted(maps.Keys(s.tags)) {
		tag := key
		if value := s.tags[key]; value != "" {
			tag += "=" + value
		}
		query = append(query, "-tag "+tag)
	}
	for _, f := range []struct{ name, value string }{{"zone", s.zone}, {"status", s.status}, {"exclude", s.exclude.String()}} {
		if f.value != "" {
			query = append(query, "-"+f.name+" "+f.value)
		}
	}
	if len(query) == 0 {
		query = []string{"-all"}
	}
	text := strings.Join(query, " ")
	if s.Region != "" { // which an emulated service has not
		text += " in region " + s.Region
	}
	return text
}

// noteUseless tells of ids that are to be left out of what they are no part of: a
// mistyped one would be restarted.
func (p *program) noteUseless(ctx context.Context, client *ecsreboot.Client, selection fleet.Selection) error {
	if len(selection.Exclude) == 0 {
		return nil
	}
	found := map[string]bool{}
	request := ecsreboot.DescribeInstancesRequest{
		InstanceIDs: selection.Exclude, Tags: selection.Tags, Zone: selection.Zone, Status: selection.Status,
	}
	for instance, err := range client.DescribeInstances(ctx, request) {
		if err != nil {
			return err
		}
		found[instance.ID] = instance.Listed()
	}
	for _, id := range selection.Exclude {
		if !found[id] {
			p.note("WARNING: -exclude %s matches nothing that is selected", id)
		}
	}
	return nil
}
