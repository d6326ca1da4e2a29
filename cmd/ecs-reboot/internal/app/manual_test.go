package app

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

var updateManual = flag.Bool("update", false, "write docs/cli.md again")

const manualPage = "../../../../docs/cli.md"

// tasks are what operators want to do, and the command for it.
var tasks = []struct{ want, command string }{
	{"try it without an account", "run --emulate 200"},
	{"check whether an instance could be restarted now", "check --region REGION ID"},
	{"restart one instance, and wait for proof", "restart --region REGION ID"},
	{"restart a few instances, one after the other", "restart --region REGION --ids-file ids.txt"},
	{"see what a run would do", "plan --region REGION --tag role=web -o web.plan"},
	{"restart the fleet", "run --plan web.plan --journal web.journal"},
	{"take instances out of a load balancer during their restart", "run --plan web.plan --drain-cmd ./drain --undrain-cmd ./undrain"},
	{"watch the run in a browser", "run --plan web.plan --page 127.0.0.1:0"},
	{"see where a run stands", "status web.journal"},
	{"list my runs", "status"},
	{"pause a run, and unpause it", "pause, unpause"},
	{"stop a run early, and let restarts in flight finish", "abort"},
	{"approve a canary stage of a run with --approve", "approve"},
	{"resume after a crash, a stop or a halt", "resume web.journal"},
	{"resolve unknown restarts, and send nothing", "resolve web.journal"},
	{"take a released instance out of a run", "mark web.journal --gone ID --reason TEXT"},
	{"exclude an instance from now on", "resume web.journal --exclude ID"},
	{"write the report of a run as HTML, or as JSON", "report web.journal -o web.html --json-file web.json"},
	{"run for days, on several machines", "worker --temporal ADDRESS, run --temporal ADDRESS"},
	{"test a script against a fake service", "emulator"},
}

// TestManual holds docs/cli.md against the commands. With -update, it writes the page.
func TestManual(t *testing.T) {
	var b strings.Builder
	b.WriteString("# The commands of ecs-reboot\n\n" +
		"`go -C cmd/ecs-reboot test ./internal/app -run TestManual -update` generates this page from the help pages of the program.\n" +
		"The [README](../cmd/ecs-reboot/README.md) shows how to begin.\n\n| I want to | `ecs-reboot` |\n|---|---|\n")
	commands := map[string]bool{}
	for _, task := range tasks {
		fmt.Fprintf(&b, "| %s | `%s` |\n", task.want, strings.ReplaceAll(task.command, ", ", "`, `"))
		for command := range strings.SplitSeq(task.command, ", ") {
			name, _, _ := strings.Cut(command, " ")
			commands[name] = true
		}
	}
	p, _, _ := newTestProgram(t)
	var topics []*cobra.Command
	page := func(cmd *cobra.Command) {
		p, stdout, _ := newTestProgram(t)
		require.Equal(t, exitcode.Done, p.run(t.Context(), []string{"help", cmd.Name()}))
		fmt.Fprintf(&b, "\n## %s\n\n```text\n%s```\n", cmd.Name(), stdout.String())
	}
	for _, cmd := range p.root().Commands() {
		switch {
		case cmd.IsAdditionalHelpTopicCommand():
			topics = append(topics, cmd)
		case cmd.Name() != "help" && cmd.Name() != "completion":
			page(cmd)
			require.True(t, commands[cmd.Name()] || cmd.Name() == "version", "no task for %s", cmd.Name())
		}
	}
	for _, topic := range topics {
		page(topic)
	}
	if *updateManual {
		require.NoError(t, os.WriteFile(manualPage, []byte(b.String()), 0o600))
	}
	text, err := os.ReadFile(manualPage)
	require.NoError(t, err)
	require.Equal(t, b.String(), string(text), "make docs updates it")
}
