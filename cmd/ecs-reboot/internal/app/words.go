package app

import (
	"errors"
	"strings"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
)

// flagOf are the flags for the fields of package fleet.
var flagOf = map[string]string{
	"MaxUnavailablePerGroup": "--max-unavailable-per-group",
	"MaxUnavailable":         "--max-unavailable",
	"MaxFailed":              "--max-failed",
	"AllowWide":              "--allow-wide",
	"All":                    "--all",
	"MinReady":               "--min-ready",
	"ReadyTimeout":           "--ready-timeout",
	"Canary":                 "--canary",
	"Window":                 "--window",
	"StoppedTimeout":         "--stopped-timeout",
	"UnknownGrace":           "--unknown-grace",
	"WitnessTimeout":         "--witness-timeout",
	"HookTimeout":            "--hook-timeout",
	"MinUptime":              "--min-uptime",
	"SelfID":                 "--self",
	"Health":                 "--health-cmd or --health-url",
	"Blocker":                "--blocker-cmd or --blocker-url",
	"Drain":                  "--drain-cmd or --drain-url",
	"Undrain":                "--undrain-cmd or --undrain-url",
	"Failed":                 "--failed-cmd or --failed-url",
	"Exclude":                "--exclude",
	"ExcludeNames":           "--exclude-name",
	"Names":                  "--name",
	"Maintenance":            "--maintenance",
	"Types":                  "--maintenance",
	"VPCID":                  "--vpc-id",
	"InstanceTypes":          "--instance-type",
	"ResourceGroupID":        "--resource-group",
	"Moved":                  "--moved",
	"Approve":                "--approve",
	"Journal":                "the journal",
	"Tags":                   "--tag",
	"Zone":                   "--zone",
	"Status":                 "--status",
	"InstanceIDs":            "the list of instances",
	"InstanceID":             "the instance ID",
	"Mark":                   "the mark",
	"Note":                   "--reason",
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

// inFlags turns an error about a field into one about flags. Only the errors of package
// fleet name its fields so.
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
	text := flagOf[input.Field] + " " + withFlags(input.Problem)
	if s.command == "restart" {
		text = strings.ReplaceAll(text, "--ready-timeout", "--wait-timeout")
	}
	return cmdline.Errorf("%s", text)
}

// selected is the query of the command line.
func (s *settings) selected() string {
	var query []string
	for _, text := range s.tags.texts {
		query = append(query, "--tag "+text)
	}
	for _, name := range []string{"name", "zone", "vpc-id", "instance-type", "resource-group", "status", "exclude", "exclude-name"} {
		if s.has(name) {
			query = append(query, "--"+name+" "+s.flags.Lookup(name).Value.String())
		}
	}
	if s.maintenance != nil {
		query = append(query, "--maintenance")
	}
	if len(query) == 0 {
		query = []string{"--all"}
	}
	text := strings.Join(query, " ")
	if !s.Emulate && len(s.places) > 0 {
		var regions []string
		for _, place := range s.places {
			regions = append(regions, place.Region)
		}
		text += " in region " + strings.Join(regions, ", ")
	}
	return text
}
