package simulation

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// received is called by the service for each call before its response leaves. A restart
// of a fleet must have its intent on the disk by then.
func (w *world) received(c ecstest.ReceivedCall) {
	if c.Action != "RebootInstance" || c.DryRun {
		return
	}
	for _, f := range w.fleets {
		if f.has(c.InstanceID) && !f.disk.IsDurable(journalPath, []byte(sendID(c))) {
			w.violate(ruleIntent, "the restart of %s arrived, and the disk has no intent %s", c.InstanceID, sendID(c))
		}
	}
}

// status is called by the service when reads begin to show another status.
func (w *world) status(id string, status ecsreboot.Status) {
	w.account.note("service: %s is %s", id, status)
	w.account.mu.Lock()
	m := w.account.machines[id]
	byOthers := !m.others.IsZero() && time.Since(m.others) <= m.takes()+time.Minute
	m.down = !isRunning(status) && (m.down || !byOthers)
	w.account.mu.Unlock()
	w.checkWidth(id)
}

// service is called by the load balancer.
func (w *world) service(id string, out bool) {
	w.account.note("balancer: %s out=%t", id, out)
	w.account.mu.Lock()
	if m := w.account.machines[id]; m != nil && w.server.Status(id) != "" {
		m.out = out
	}
	w.account.mu.Unlock()
	w.checkWidth(id)
}

// checkWidth counts how many machines of the same fleet are down by us or out of service.
func (w *world) checkWidth(id string) {
	for _, f := range w.fleets {
		if !f.has(id) {
			continue
		}
		var down []string
		w.account.mu.Lock()
		for _, t := range f.plan.Targets {
			if m := w.account.machines[t.ID]; m.down || m.out {
				down = append(down, t.ID)
			}
		}
		w.account.mu.Unlock()
		if len(down) > f.width {
			w.violate(ruleWidth, "%d are down, and the width is %d: %v", len(down), f.width, down)
		}
	}
}

// patience is how long after the end of its context a session may go on: for its hooks.
func (f *fleetDriver) patience() time.Duration { return slack }

// judgeSession holds the report of a session that did not crash against the account.
func (f *fleetDriver) judgeSession(n int, report *fleet.Report, err error) {
	missing, isMissing := errors.AsType[*fleet.MissingRestartsError](err)
	switch {
	case errors.Is(err, fleet.ErrFinished):
		f.ended = true
	case isMissing:
		f.account.note("driver %d: %v", n, missing)
	}
	if report == nil {
		if err == nil {
			f.violate(ruleReport, "session %d returned no report", n)
		}
		return
	}
	f.judgeReport(n, report, err != nil)
	f.report = report
	if err != nil {
		return
	}
	history, err := f.history()
	if err != nil {
		f.violate(ruleReport, "the journal cannot be read: %v", err)
		return
	}
	if of, is := mustJSON(history.Report()), mustJSON(report); of != is {
		f.violate(ruleReport, "session %d: the journal gives another report:\n%s\n%s", n, of, is)
	}
}

func (f *fleetDriver) judgeReport(n int, report *fleet.Report, failed bool) {
	if len(report.Records) != len(f.plan.Targets) {
		f.violate(ruleReport, "session %d: %d of %d machines are in the report", n, len(report.Records), len(f.plan.Targets))
		return
	}
	left := map[string]bool{}
	for _, record := range report.NotRestarted() {
		left[record.ID] = true
	}
	now := time.Now()
	for i, record := range report.Records {
		m := f.account.machines[record.ID]
		switch {
		case record.ID != f.plan.Targets[i].ID:
			f.violate(ruleReport, "session %d: %s stands in the place of %s", n, record.ID, f.plan.Targets[i].ID)
		case record.State == fleet.StateRestarting && !failed:
			f.violate(ruleReport, "session %d: %s has no end: %s", n, record.ID, mustJSON(record))
		case !record.Restarted() && !left[record.ID]:
			f.violate(ruleReport, "session %d: %s is not restarted and not named: %s", n, record.ID, mustJSON(record))
		}
		from, tolerance := f.begun, m.takes()
		if record.State == fleet.StateHealthy && record.Before != nil {
			from, tolerance = record.Before.TakenAt, m.unseen()
		}
		if record.Reason == fleet.ReasonUptime { // StartTime has no seconds, and is by the clock of the service
			if tolerance += time.Minute; len(f.world.design.Jumps) > 0 {
				continue
			}
		}
		if record.Restarted() && !f.account.restarted(record.ID, from, now, tolerance) {
			f.violate(ruleClaim, "session %d: %s did not restart since %v: %s", n, record.ID, from.Sub(f.account.begin), mustJSON(record))
		}
	}
}

// judgeCall holds a call that has returned against the account.
func (c *caller) judgeCall(m *madeCall) {
	machine := c.account.machines[c.design.Machine.ID]
	if m.err == nil && m.Wait {
		from := m.result.Before.TakenAt // of the call whose restart it shares
		if !c.account.restarted(m.result.InstanceID, from, m.end, machine.unseen()) {
			c.violate(ruleClaim, "%s: no restart since its baseline: %s", m.operation, mustJSON(m.result))
		}
		if from.Before(m.begin.Add(-10 * time.Minute)) {
			c.violate(ruleClaim, "%s: its baseline is of a restart long ago: %s", m.operation, mustJSON(m.result))
		}
	}
	if m.err != nil {
		if _, ok := errors.AsType[*ecsreboot.OperationError](m.err); !ok {
			c.violate(ruleOutcome, "%s: %T is no OperationError", m.operation, m.err)
		}
	}
}

// judgeResolved holds the resolution of an unknown outcome against the account.
func (c *caller) judgeResolved(m *madeCall, result *ecsreboot.RestartResult) {
	if m.resolved != nil {
		return
	}
	// Without a baseline, Resolve takes a restart that was in progress when the request
	// left for the one that it looks for, as documented.
	machine := c.account.machines[c.design.Machine.ID]
	from, tolerance := m.begin, machine.takes()
	if taken := result.Before.TakenAt; !taken.IsZero() {
		from, tolerance = taken, machine.unseen()
	}
	if !c.account.restarted(c.design.Machine.ID, from, time.Now(), tolerance) {
		c.violate(ruleClaim, "%s is resolved as restarted, and did not restart: %s", m.operation, mustJSON(result))
	}
}

// judge holds the whole world against the calls that arrived, once all have arrived.
func (w *world) judge(calls []ecstest.ReceivedCall) {
	arrived := restarts(calls)
	for _, f := range w.fleets {
		f.judgeRun(arrived)
	}
	for _, c := range w.callers {
		c.judgeAll(arrived)
	}
	for _, f := range w.fleets {
		w.texts.mu.Lock()
		w.texts.all.Write(f.disk.Content(journalPath))
		w.texts.mu.Unlock()
	}
	if leaked := w.texts.leaked(); leaked != "" {
		w.violate(ruleSecrets, "a secret is shown: …%s…", leaked)
	}
}

// acted counts the restarts by requests of which keep says so.
func acted(arrived map[string][]ecstest.ReceivedCall, keep func(sendID string, c ecstest.ReceivedCall) bool) (n int) {
	for id, calls := range arrived {
		for _, c := range calls {
			if c.Acted && keep(id, c) {
				n++
			}
		}
	}
	return n
}

// judgeRun holds the journal of a run against the calls.
func (f *fleetDriver) judgeRun(arrived map[string][]ecstest.ReceivedCall) {
	for _, t := range f.plan.Targets {
		if n := acted(arrived, func(_ string, c ecstest.ReceivedCall) bool { return c.InstanceID == t.ID }); n > 1 {
			f.violate(ruleOnce, "%s was restarted %d times by us", t.ID, n)
		}
	}
	history, err := f.history()
	if err != nil {
		return // no session has begun
	}
	intents := map[string]string{} // of each machine, the last one
	for _, e := range history.Events {
		if e.Kind == fleet.EventIntent {
			intents[e.InstanceID] = e.SendID
			continue
		}
		sent := intents[e.InstanceID]
		if sent == "" {
			continue
		}
		n := acted(arrived, func(id string, _ ecstest.ReceivedCall) bool { return id == sent })
		switch {
		case n > 0 && saysNotRestarted(e):
			f.violate(ruleOutcome, "%s was restarted by %s, and the journal says: %s", e.InstanceID, sent, mustJSON(e))
		case n == 0 && e.Kind == fleet.EventAccepted:
			f.violate(ruleOutcome, "%s was not restarted by %s, and the journal says: %s", e.InstanceID, sent, mustJSON(e))
		}
		if e.Kind == fleet.EventUnsent || e.Kind == fleet.EventSkipped {
			delete(intents, e.InstanceID)
		}
	}
}

// saysNotRestarted reports whether the event means that the last request did nothing.
func saysNotRestarted(e fleet.Event) bool {
	unsent := []fleet.Reason{fleet.ReasonRefused, fleet.ReasonDenied, fleet.ReasonNotSent, fleet.ReasonNotDrained, fleet.ReasonNotListed}
	return e.Kind == fleet.EventUnsent || e.Kind == fleet.EventSkipped || e.Kind == fleet.EventFailed && slices.Contains(unsent, e.Reason)
}

// judgeAll holds the calls of a caller against those that arrived.
func (c *caller) judgeAll(arrived map[string][]ecstest.ReceivedCall) {
	for _, m := range c.calls {
		limit, shared := 1, 0
		for _, other := range c.calls {
			if other.Wait && m.Wait && !other.begin.After(m.end) && !m.begin.After(other.end) {
				shared++
				if other.Resend {
					limit = 2
				}
			}
		}
		alone := shared < 2 || m.Intents
		n := acted(arrived, func(id string, _ ecstest.ReceivedCall) bool { return m.Wait && operation(id) == m.operation })
		if n > limit {
			c.violate(ruleOnce, "%s restarted the machine %d times", m.operation, n)
		}
		if !m.Wait || !alone {
			continue
		}
		requests, outcome := 0, ecsreboot.OutcomeOf(m.err)
		if waited, ok := errors.AsType[*ecsreboot.WaitError](m.err); ok {
			requests = waited.Requests
		} else if m.result != nil {
			requests = m.result.Requests
		}
		open := 0 // requests that may have restarted the machine
		for id, calls := range arrived {
			for _, call := range calls {
				if operation(id) == m.operation && !refusedCleanly(call) {
					open++
				}
			}
		}
		if open > 1 {
			c.resent++
		}
		saysNothing := outcome == ecsreboot.OutcomeNotSent || outcome == ecsreboot.OutcomeRejected
		switch {
		case n > 0 && saysNothing:
			c.violate(ruleOutcome, "%s restarted the machine, and its outcome is %s: %v", m.operation, outcome, m.err)
		case open > requests && saysNothing:
			c.violate(ruleOutcome, "%s sent a request that may have restarted the machine, and its outcome is %s: %v", m.operation, outcome, m.err)
		case open > requests:
			c.violate(ruleOnce, "%s sent %d requests that may have restarted the machine, and names %d: %v", m.operation, open, requests, m.err)
		case n == 0 && outcome == ecsreboot.OutcomeAccepted:
			c.violate(ruleOutcome, "%s did not restart the machine, and its outcome is %s: %v", m.operation, outcome, m.err)
		}
		if resolved := ecsreboot.OutcomeOf(m.resolved); m.resolved != nil && n > 0 && (resolved == ecsreboot.OutcomeNotSent || resolved == ecsreboot.OutcomeRejected) {
			c.violate(ruleOutcome, "%s restarted the machine, and is resolved as %s: %v", m.operation, resolved, m.resolved)
		}
		for id := range arrived {
			if operation(id) == m.operation && m.Intents && !m.intents[id] {
				c.violate(ruleIntent, "%s sent %s without asking BeforeSend", m.operation, id)
			}
		}
	}
}

func mustJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
