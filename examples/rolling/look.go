package main

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/report"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	"github.com/ecsreboot/ecsreboot/internal/cli/process"
)

// status tells of a run from its journal, also while another process drives it.
func (p *program) status(_ context.Context, s *settings) int {
	history, err := fleet.Load(s.journal)
	if err != nil {
		return p.end(s, &result{err: err})
	}
	r := &result{report: history.Report(), hooks: lastHooks(history)}
	if r.report.Ended.IsZero() {
		who, known := holder(s.journal)
		r.running, r.crashed = who, known && who == ""
		if !r.crashed {
			r.held = heldNow(history)
		}
	}
	if history.Torn > 0 {
		p.note("%s at the end of the journal cannot be read: it is being written, or was when the program crashed", plural(history.Torn, "byte"))
	}
	if ended := r.report.Ended; !ended.IsZero() {
		r.took = ended.Sub(r.report.Begun)
	}
	return p.end(s, r)
}

// heldNow is why a session that has not ended sends nothing for now.
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

// report draws a run from its journal.
func (p *program) report(_ context.Context, s *settings) int {
	history, err := fleet.Load(s.journal)
	if err != nil {
		return p.fail(err)
	}
	if s.out != "" {
		err = errors.Join(err, writeHTML(s.out, s.journal))
	}
	if s.jsonFile != "" {
		err = errors.Join(err, writeFile(s.jsonFile, func(w io.Writer) error { return report.JSON(w, history) }))
	}
	if err != nil {
		return p.fail(err)
	}
	return exitcode.Done
}

// endPlan prints what a run would do.
func (p *program) endPlan(s *settings, forecast *fleet.Forecast, err error) int {
	code := exitcode.Of(err)
	if s.json {
		text := ""
		if err != nil {
			text = err.Error()
		}
		p.printJSON(struct {
			Command  string          `json:"command"`
			ExitCode int             `json:"exitCode"`
			Error    string          `json:"error,omitempty"`
			Forecast *fleet.Forecast `json:"forecast,omitempty"`
			Plan     string          `json:"planFile,omitempty"`
		}{s.command, code, text, forecast, s.out})
	} else if forecast != nil {
		text := clean(forecast.String())
		if s.out != "" {
			text += "plan: " + s.out + "\n"
		}
		process.PrintResult(p.stdout, p.stderr, programName, text)
	}
	if err != nil {
		p.note("%s", errorLine(err))
	}
	return code
}
