package fleet

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/internal/logvalue"
)

// Maintenance selects the instances that must restart: those with a system event in the
// status Scheduled that a restart avoids.
type Maintenance struct {
	// Types are the types of such events. If Types is nil, the only type is
	// [ecsreboot.EventMaintenanceReboot]: the vendor documents that a restart avoids its
	// events.
	Types []string
	// Before limits the selection to events that the service may carry out before this
	// time. Zero means no limit. A limit excludes events without a readable time.
	Before time.Time
}

// MaintenanceEvent is a system event of a [Target].
type MaintenanceEvent struct {
	ID   string `json:"id"`
	Type string `json:"type"`
	// NotBefore is the deadline: only a restart before this time avoids the event. It is
	// zero if the service gave no readable time.
	NotBefore time.Time `json:"notBefore,omitzero"`
	// Status and FinishTime are the state of the event at the end of the last session that
	// read it; a [Record] has them. Status is empty if it is not known, and in a plan.
	Status     string    `json:"status,omitempty"` // such as [ecsreboot.CycleAvoided]
	FinishTime time.Time `json:"finishTime,omitzero"`
}

// LogValue gives slog the fields of the JSON.
func (e MaintenanceEvent) LogValue() slog.Value { return logvalue.Of(e) }

// deadline formats NotBefore.
func (e MaintenanceEvent) deadline() string {
	if e.NotBefore.IsZero() {
		return "unknown time"
	}
	return e.NotBefore.UTC().Format(time.RFC3339)
}

// String describes the event in one line, such as
// "e-1 (SystemMaintenance.Reboot): Avoided, deadline 2026-01-02T03:04:05Z".
func (e MaintenanceEvent) String() string {
	text := e.ID + " (" + e.Type + ")"
	if e.Status != "" {
		text += ": " + e.Status
	}
	return text + ", deadline " + e.deadline()
}

// hasEnded reports whether the event is known to have ended, so that no restart can avoid
// it any more.
func (e MaintenanceEvent) hasEnded() bool {
	switch e.Status {
	case ecsreboot.CycleAvoided, ecsreboot.CycleCanceled, ecsreboot.CycleExecuted, ecsreboot.CycleFailed:
		return true
	}
	return false
}

// Deadline returns the earliest deadline of the target's maintenance events, which is the
// time before which the instance must restart. It is zero if there is none.
func (t Target) Deadline() (deadline time.Time) {
	for _, e := range t.Maintenance {
		if !e.NotBefore.IsZero() && (deadline.IsZero() || e.NotBefore.Before(deadline)) {
			deadline = e.NotBefore
		}
	}
	return deadline
}

// byDeadline moves the targets with the earliest deadlines to the front. Targets with the
// same deadline, or with none, keep their order.
func byDeadline(targets []Target) {
	slices.SortStableFunc(targets, func(a, b Target) int {
		x, y := a.Deadline(), b.Deadline()
		if x.IsZero() || y.IsZero() {
			return b2i(x.IsZero()) - b2i(y.IsZero())
		}
		return x.Compare(y)
	})
}

func (m Maintenance) types() []string {
	if m.Types == nil {
		return []string{ecsreboot.EventMaintenanceReboot}
	}
	return m.Types
}

// String describes the selection.
func (m Maintenance) String() string {
	text := "a scheduled event of type " + strings.Join(m.types(), " or ")
	if !m.Before.IsZero() {
		text += " before " + m.Before.UTC().Format(time.RFC3339)
	}
	return text
}

func (m Maintenance) check() error {
	if m.Types != nil && len(m.Types) == 0 {
		return input("Maintenance", "has Types that are empty but not nil")
	}
	return nil
}

func (m Maintenance) has(e ecsreboot.ScheduledEvent) bool {
	return e.Status == ecsreboot.CycleScheduled && slices.Contains(m.types(), e.Type) &&
		(m.Before.IsZero() || !e.NotBefore.IsZero() && e.NotBefore.Before(m.Before))
}

// only removes the instances that have no such event, and returns the events of the others.
func (m Maintenance) only(ctx context.Context, clients []*ecsreboot.Client, found map[string]ecsreboot.Instance) (map[string][]MaintenanceEvent, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	ids := make(map[string][]string)
	for _, id := range slices.Sorted(maps.Keys(found)) {
		if !found[id].Listed() {
			return nil, input("InstanceIDs", fmt.Sprintf("holds %q, which the service does not list, so its events are not known", id))
		}
		ids[found[id].Region] = append(ids[found[id].Region], id)
	}
	events := make(map[string][]MaintenanceEvent)
	for _, client := range clients {
		here := ids[client.Region()]
		if len(here) == 0 { // a request without IDs would select all instances
			continue
		}
		for e, err := range client.ScheduledEvents(ctx, ecsreboot.ScheduledEventsRequest{InstanceIDs: here, Types: m.types(), NotBeforeEnd: m.Before}) {
			switch {
			case err != nil:
				return nil, err
			case !e.Listed():
				return nil, fmt.Errorf("fleet: the service does not list the events of %s; the permission ecs:DescribeInstancesFullStatus may be missing", e.InstanceID)
			case m.has(e):
				events[e.InstanceID] = append(events[e.InstanceID], MaintenanceEvent{ID: e.ID, Type: e.Type, NotBefore: e.NotBefore})
			}
		}
	}
	maps.DeleteFunc(found, func(id string, _ ecsreboot.Instance) bool { return events[id] == nil })
	for _, of := range events {
		slices.SortFunc(of, func(a, b MaintenanceEvent) int {
			return cmp.Or(a.NotBefore.Compare(b.NotBefore), cmp.Compare(a.ID, b.ID))
		})
	}
	return events, nil
}

// maintenanceTimeout limits how long a session reads the status of events.
const maintenanceTimeout = time.Minute

// maintenance reads the status of the events of the plan, at the end of a session. If it
// fails, the run does not fail.
func (s *session) maintenance(ctx context.Context) (told []Event) {
	if ctx.Err() != nil || s.panicked != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, maintenanceTimeout)
	defer cancel()
	open := make(map[*ecsreboot.Client][]string)
	for _, r := range s.report.Records {
		if slices.ContainsFunc(r.Maintenance, func(e MaintenanceEvent) bool { return !e.hasEnded() }) {
			client := s.clients.client(r.Target)
			open[client] = append(open[client], r.ID)
		}
	}
	for _, client := range s.clients.all {
		if len(open[client]) == 0 { // a request without IDs would select all instances
			continue
		}
		now := make(map[string]ecsreboot.ScheduledEvent)
		for e, err := range client.EventHistory(ctx, ecsreboot.ScheduledEventsRequest{InstanceIDs: open[client], Statuses: allCycles}) {
			if err != nil {
				return append(told, Event{Kind: EventMaintenance, Error: text(err)})
			}
			now[e.InstanceID+" "+e.ID] = e
		}
		for _, id := range open[client] {
			record, _ := s.report.Record(id)
			events, changed := slices.Clone(record.Maintenance), false
			for i, e := range events {
				if is, ok := now[id+" "+e.ID]; ok && is.Status != e.Status {
					events[i].Status, events[i].FinishTime, changed = is.Status, is.FinishTime, true
				}
			}
			if changed {
				told = append(told, Event{Kind: EventMaintenance, InstanceID: id, Maintenance: events})
			}
		}
	}
	return told
}

var allCycles = []string{
	ecsreboot.CycleScheduled, ecsreboot.CycleInquiring, ecsreboot.CycleExecuting,
	ecsreboot.CycleExecuted, ecsreboot.CycleAvoided, ecsreboot.CycleCanceled, ecsreboot.CycleFailed,
}

// DeadlineMargin is the recommended margin for [Report.Maintenance]: how much time should be
// left before a deadline.
const DeadlineMargin = 24 * time.Hour

// MaintenanceSummary summarizes the maintenance events of a run.
type MaintenanceSummary struct {
	Events   int            `json:"events"`             // of all instances of the plan
	Statuses map[string]int `json:"statuses,omitempty"` // the number of events by status, without those whose status is not known
	// AtRisk are the events that have not ended, whose instance has not restarted, and whose
	// deadline has passed or is less than the margin away; the earliest deadline is first.
	AtRisk []DeadlineAtRisk `json:"atRisk,omitempty"`
	// Error says why the last session could not read the status of the events.
	Error string `json:"error,omitempty"`
}

// LogValue gives slog the fields of the JSON.
func (m *MaintenanceSummary) LogValue() slog.Value { return logvalue.Of(m) }

// DeadlineAtRisk is an event for which the restart may be too late.
type DeadlineAtRisk struct {
	InstanceID string `json:"instanceId"`
	MaintenanceEvent
}

// LogValue gives slog the fields of the JSON.
func (d DeadlineAtRisk) LogValue() slog.Value { return logvalue.Of(d) }

// String describes the deadline in one line.
func (d DeadlineAtRisk) String() string { return d.InstanceID + ": " + d.MaintenanceEvent.String() }

// String describes the summary in one line, such as
// "3 maintenance events: 2 Avoided, 1 not known; 1 deadline at risk".
func (m *MaintenanceSummary) String() string {
	var parts []string
	known := 0
	for _, status := range slices.Sorted(maps.Keys(m.Statuses)) {
		parts = append(parts, fmt.Sprintf("%d %s", m.Statuses[status], status))
		known += m.Statuses[status]
	}
	if rest := m.Events - known; rest > 0 {
		parts = append(parts, fmt.Sprintf("%d not known", rest))
	}
	plural := func(n int, noun string) string {
		if n != 1 {
			noun += "s"
		}
		return strconv.Itoa(n) + " " + noun
	}
	text := plural(m.Events, "maintenance event") + ": " + strings.Join(parts, ", ")
	if len(m.AtRisk) > 0 {
		text += "; " + plural(len(m.AtRisk), "deadline") + " at risk"
	}
	if m.Error != "" {
		text += "; failed to read their status: " + m.Error
	}
	return text
}

// Maintenance summarizes the maintenance events of the run. The argument at is the time by
// which it finds the deadlines at risk, usually the current time; [DeadlineMargin] is a good
// margin. Maintenance returns nil if the plan has no such events.
func (r *Report) Maintenance(at time.Time, margin time.Duration) *MaintenanceSummary {
	m := &MaintenanceSummary{Error: r.MaintenanceError}
	for _, record := range r.Records {
		for _, e := range record.Maintenance {
			m.Events++
			if e.Status != "" {
				if m.Statuses == nil {
					m.Statuses = make(map[string]int)
				}
				m.Statuses[e.Status]++
			}
			if !record.Restarted() && !record.isMarkedGone() && !e.hasEnded() && !e.NotBefore.IsZero() && e.NotBefore.Sub(at) < margin {
				m.AtRisk = append(m.AtRisk, DeadlineAtRisk{record.ID, e})
			}
		}
	}
	if m.Events == 0 {
		return nil
	}
	slices.SortStableFunc(m.AtRisk, func(a, b DeadlineAtRisk) int { return a.NotBefore.Compare(b.NotBefore) })
	return m
}
