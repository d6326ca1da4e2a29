package app

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	page "github.com/ecsreboot/ecsreboot/internal/cli/manual"
)

// shortAnnotation is the annotation of a command that names the flags of its short page.
const shortAnnotation = "short"

// short returns the annotations of a command whose short page shows these flags.
func short(flags ...string) map[string]string {
	return map[string]string{shortAnnotation: strings.Join(flags, ",")}
}

// help prints the page of a command: the short one for -h, the manual for --help and help.
func (p *program) help(cmd *cobra.Command, args []string) {
	text := manual(cmd)
	if slices.Contains(args, "-h") && cmd.HasParent() && !cmd.IsAdditionalHelpTopicCommand() {
		text = shortPage(cmd)
	}
	_, _ = io.WriteString(cmd.OutOrStdout(), text)
}

// rejectUnknownTopics makes help of an unknown topic an error. Cobra prints the root page.
func rejectUnknownTopics(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		if cmd.Name() != "help" {
			continue
		}
		show := cmd.Run
		cmd.Run, cmd.RunE = nil, func(cmd *cobra.Command, args []string) error {
			if _, rest, err := root.Find(args); err != nil || len(rest) > 0 {
				return cmdline.Errorf("unknown help topic %q", strings.Join(args, " "))
			}
			show(cmd, args)
			return nil
		}
	}
}

// shortPage returns the short page of a command.
func shortPage(cmd *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nUsage:\n  %s\n", cmd.Short, useLine(cmd))
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.SortFlags = false
	for name := range strings.SplitSeq(cmd.Annotations[shortAnnotation], ",") {
		if f := cmd.Flags().Lookup(name); f != nil {
			flags.AddFlag(f)
		}
	}
	if flags.HasFlags() {
		fmt.Fprintf(&b, "\nFlags:\n%s", flagLines(flags))
	}
	if cmd.Example != "" {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", cmd.Example)
	}
	fmt.Fprintf(&b, "\n%s --help prints the manual.\n", cmd.CommandPath())
	return b.String()
}

// manual returns the manual of a command.
func manual(cmd *cobra.Command) string {
	var b strings.Builder
	if cmd.IsAdditionalHelpTopicCommand() {
		return cmd.Long + "\n"
	}
	if !cmd.HasParent() {
		return rootManual(cmd)
	}
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	fmt.Fprintf(&b, "%s\n\nUsage:\n  %s\n", reflow(text), useLine(cmd))
	if cmd.Example != "" {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", cmd.Example)
	}
	for _, group := range groupsOf(cmd) {
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		flags.SortFlags = false
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if groupOf(f) == group {
				flags.AddFlag(f)
			}
		})
		fmt.Fprintf(&b, "\n%s:\n%s", group, flagLines(flags))
	}
	return b.String()
}

// columns is the width of all pages.
const columns = 80

// reflow breaks the lines of paragraphs so that they fit. Indented lines stay as they are.
func reflow(text string) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		last := len(lines) - 1
		if last >= 0 && line != "" && lines[last] != "" && line[0] != ' ' && lines[last][0] != ' ' {
			lines[last] += " " + line
			continue
		}
		lines = append(lines, line)
	}
	for i, line := range lines {
		if line == "" || line[0] == ' ' {
			continue
		}
		lines[i] = strings.Join(page.Wrap(line, columns), "\n")
	}
	return strings.Join(lines, "\n")
}

func rootManual(cmd *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s restarts Alibaba Cloud ECS instances, with proof and\nnever twice by accident.\n\n"+
		"Usage:\n  %s COMMAND [flags] [arguments]\n\nCommands:\n", Name, Name)
	for _, c := range cmd.Commands() {
		if !c.Hidden && c.Name() != "help" && !c.IsAdditionalHelpTopicCommand() {
			fmt.Fprintf(&b, "  %-12s %s\n", c.Name(), c.Short)
		}
	}
	fmt.Fprintf(&b, "\nHelp:\n  %s COMMAND -h       a short page\n  %s COMMAND --help   the manual of the command\n", Name, Name)
	for _, c := range cmd.Commands() {
		if c.IsAdditionalHelpTopicCommand() {
			fmt.Fprintf(&b, "  %-27s %s\n", Name+" help "+c.Name(), c.Short)
		}
	}
	fmt.Fprintf(&b, "\nWithout an account:\n  %s run --emulate 200\n", Name)
	return b.String()
}

func useLine(cmd *cobra.Command) string {
	line := cmd.CommandPath()
	if _, arguments, ok := strings.Cut(cmd.Use, " "); ok {
		line += " " + arguments
	}
	return line
}

// groupsOf lists the groups of a command's flags, in the order of their definition.
func groupsOf(cmd *cobra.Command) (groups []string) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if group := groupOf(f); group != "" && !slices.Contains(groups, group) {
			groups = append(groups, group)
		}
	})
	return groups
}

func groupOf(f *pflag.Flag) string {
	switch group := f.Annotations[groupAnnotation]; {
	case len(group) > 0:
		return group[0]
	case f.Hidden || f.Name == "help":
		return ""
	}
	return "Flags"
}

// flagLines lists flags with their texts, in 80 columns.
func flagLines(flags *pflag.FlagSet) string {
	var b strings.Builder
	flags.VisitAll(func(f *pflag.Flag) {
		value, text := pflag.UnquoteUsage(f)
		if f.Value.Type() == "bool" {
			value = ""
		}
		name := "--" + f.Name
		if f.Shorthand != "" && f.Shorthand != f.Name {
			name = "-" + f.Shorthand + ", " + name
		}
		b.WriteString(page.Flag(name, value, text))
	})
	return b.String()
}

// exitCodesTopic is the help topic of the exit codes.
func exitCodesTopic() *cobra.Command {
	return &cobra.Command{Use: "exit-codes", Short: "the exit codes of all commands", Long: strings.TrimSuffix(exitcode.Manual(), "\n")}
}

// hooksTopic is the help topic of the hooks.
func hooksTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "hooks",
		Short: "commands and URLs that a run calls",
		Long: reflow(`A run calls hooks. The hooks health and blocker check something; the hooks drain,
undrain and failed do something. A hook is a shell command (--drain-cmd), a URL
(--drain-url), or both. If it is both, the command runs first, and both must pass.

  blocker  runs before each restart and checks whether the instance may be
           restarted now. If it fails, it runs again every 10s; after
           --blocker-patience, the next instance gets its turn
  drain    runs before the restart, after blocker has passed. If it fails,
           nothing is sent, and the instance has failed
  health   runs after the restart, every few seconds while the instance is
           Running, and checks whether it serves again. It must pass for
           --min-ready
  undrain  runs when the instance is healthy, and for a drained instance that
           certainly was not restarted
  failed   runs after an instance has failed or is unknown

drain, undrain and failed run at least once: the journal records the call before the
hook runs, and a resumed run repeats a call without a recorded result. --hook-timeout
limits each of these calls. A call of health or blocker may take 30s as a command and
5s as a URL. After its limit, a command is killed with all its child processes.

sh -c runs a command; on Windows, cmd /c does. A command passes if its exit code is 0.
It gets the instance in environment variables:

  ECS_HOOK                    health, blocker, drain, undrain or failed
  ECS_INSTANCE_ID, _NAME      the ID and the name; the names of all variables
                              of the instance begin with ECS_INSTANCE
  ECS_INSTANCE_IP             the private IP address, or the public one if there
                              is no private one
  ECS_INSTANCE_PRIVATE_IP, _PUBLIC_IP, _HOSTNAME, _ZONE, _GROUP, _REGION
  ECS_FAILURE_STATE, _REASON, _CODE, _ERROR, _REQUEST_ID
                              set for failed, empty for other hooks

A URL passes if the status code of the response is 2xx; redirects are not followed.
The request is a GET for health and blocker, and otherwise a POST with the instance as
JSON. In a URL, {id}, {name}, {ip}, {private_ip}, {public_ip}, {hostname}, {zone},
{group} and {region} stand for the values of the instance. plan, run, resume and
resolve refuse a URL with a placeholder for which one of the instances has no value.

A plan and a journal hold the names of hooks, not their commands and URLs. Give the
commands and URLs again to run --plan and to resume, or continue without a hook with
--no-drain and so on. The hooks of durable runs are flags of worker; --hook of
run --temporal names them.`),
		Annotations: map[string]string{},
	}
}
