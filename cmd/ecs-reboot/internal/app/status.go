package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/screen"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
)

func statusCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [flags] [JOURNAL | RUN]",
		Short: "Show where a run stands, or list the runs",
		Long: `status shows the state of the run of a journal and what to do next, even while
another process carries out the run. Without JOURNAL, it lists the runs in the state
directory. With --temporal, it shows the durable run with the ID RUN.

The exit code is that of the run. It is 0 while the run is in progress and nothing has
failed.`,
		Example: `  ecs-reboot status
  ecs-reboot status web.journal
  ecs-reboot status web.journal --json`,
		Annotations: short("json"),
		Args:        cobra.MaximumNArgs(1),
	}
	s := newSettings(cmd)
	s.add(groupWrite, func(flags *pflag.FlagSet) {
		flags.BoolVar(&s.json, "json", false, "print the result as one JSON object")
	})
	s.addTemporal()
	s.add(groupTemporal, func(flags *pflag.FlagSet) {
		flags.BoolVar(&s.follow, "follow", false, "follow the durable run until it ends. An interrupt ends this command, not the run")
		flags.StringVar(&s.progress, "progress", "auto", "`mode` of the progress that --follow shows on stderr: auto, tty, plain, json or none")
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if s.follow && !s.temporal.Given() {
			return cmdline.Errorf("--follow is for durable runs; it needs --temporal")
		}
		if len(args) == 0 {
			if s.temporal.Given() {
				return cmdline.Errorf("missing RUN, the ID of the durable run")
			}
			return p.listRuns(s)
		}
		if err := p.oneRun(s, args); err != nil {
			return err
		}
		if s.follow {
			p.show(s)
			return p.end(s, p.followRun(cmd.Context(), s))
		}
		return p.status(cmd.Context(), s)
	}
	return cmd
}

// status shows the run of a journal.
func (p *program) status(ctx context.Context, s *settings) error {
	history, err := p.historyOf(ctx, s)
	if err != nil {
		return p.end(s, &result{err: err})
	}
	if history.Torn > 0 {
		p.note("the last record of the journal is incomplete (%s): a process is writing it, or crashed while writing", screen.Plural(history.Torn, "byte"))
	}
	if s.temporal.Given() {
		return p.end(s, durableStanding(history))
	}
	return p.end(s, standing(history))
}

// standing returns the state of a run as a result.
func standing(history *fleet.History) *result {
	hooks, _ := lastSession(history)
	r := &result{report: history.Report(), hooks: hooks}
	if ended := r.report.Ended; !ended.IsZero() {
		r.took = ended.Sub(r.report.Begun)
		return r
	}
	r.running, r.crashed = history.Holder, history.HolderKnown && history.Holder == ""
	if !r.crashed {
		r.held = heldNow(history)
	}
	return r
}

// heldNow returns the reasons for which a session that has not ended is paused.
func heldNow(history *fleet.History) (held []fleet.Reason) {
	for _, e := range history.Events {
		switch e.Kind {
		case fleet.EventRun, fleet.EventResume:
			held = nil
		case fleet.EventPause:
			held = append(held, e.Reason)
		case fleet.EventContinue:
			held = slices.DeleteFunc(held, func(r fleet.Reason) bool { return r == e.Reason })
		default:
		}
	}
	return held
}

// runItem is a run in the state directory, for the list.
type runItem struct {
	Name    string    `json:"name"`
	Journal string    `json:"journal"`
	Begun   time.Time `json:"begun,omitzero"`
	State   string    `json:"state"`
	Error   string    `json:"error,omitempty"`
}

// listRuns lists the runs in the state directory, the newest first.
func (p *program) listRuns(s *settings) error {
	dir, err := p.stateDir()
	if err != nil {
		return p.end(s, &result{err: err})
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*"+journalSuffix))
	if err != nil {
		return p.end(s, &result{err: err})
	}
	runs := make([]runItem, 0, len(paths))
	for _, path := range paths {
		runs = append(runs, newRunItem(path))
	}
	slices.SortStableFunc(runs, func(a, b runItem) int { return b.Begun.Compare(a.Begun) })
	if s.json {
		p.printJSON(struct {
			Directory string    `json:"directory"`
			Runs      []runItem `json:"runs"`
		}{dir, runs})
	} else {
		var b strings.Builder
		for _, run := range runs {
			fmt.Fprintf(&b, "%s  %s\n", run.Name, screen.Clean(run.State))
		}
		if len(runs) == 0 {
			fmt.Fprintf(&b, "no runs in %s\n", dir)
		}
		p.print(b.String())
	}
	return nil
}

func newRunItem(path string) runItem {
	run := runItem{Name: strings.TrimSuffix(filepath.Base(path), journalSuffix), Journal: path}
	if info, err := os.Stat(path); err == nil {
		run.Begun = info.ModTime()
	}
	history, err := fleet.Load(path)
	if err != nil {
		run.State, run.Error = "unreadable: "+err.Error(), err.Error()
		return run
	}
	r := standing(history)
	run.Begun, run.State = r.report.Begun, headline(r)
	return run
}
