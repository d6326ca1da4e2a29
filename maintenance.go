package ecsreboot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sort"
	"strconv"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/document"
	"github.com/ecsreboot/ecsreboot/internal/logvalue"
)

// EventMaintenanceReboot is the type of the system events with which the service restarts
// an instance for maintenance. If the API restarts the instance before the event's
// NotBefore, the service ends the event as avoided.
const EventMaintenanceReboot = "SystemMaintenance.Reboot"

// The statuses of system events, as the API spells them.
const (
	CycleScheduled = "Scheduled"
	CycleInquiring = "Inquiring" // the service waits for the user's decision
	CycleExecuting = "Executing"
	CycleExecuted  = "Executed"
	CycleAvoided   = "Avoided" // for example by a restart before NotBefore
	CycleCanceled  = "Canceled"
	CycleFailed    = "Failed"
)

// ScheduledEvent is a system event of an instance. [Client.ScheduledEvents] returns those
// that the service has scheduled, and [Client.EventHistory] those that have ended.
type ScheduledEvent struct {
	ID         string `json:"id"`
	InstanceID string `json:"instanceId"`
	Type       string `json:"type"`   // such as "SystemMaintenance.Reboot"
	Status     string `json:"status"` // such as [CycleScheduled]
	// NotBefore is the time before which the service does not carry out the event: the
	// deadline for avoiding it. NotBefore is zero if the service gives no readable time.
	NotBefore   time.Time `json:"notBefore,omitzero"`
	PublishTime time.Time `json:"publishTime,omitzero"`
	// FinishTime is when the event ended; zero if it has not ended. Only
	// [Client.EventHistory] sets it.
	FinishTime time.Time `json:"finishTime,omitzero"`
	Reason     string    `json:"reason,omitempty"` // as the service gives it, scrubbed, at most 256 bytes
}

// LogValue gives slog the fields of the JSON.
func (e ScheduledEvent) LogValue() slog.Value { return logvalue.Of(e) }

// String describes the event in a line, such as
// "e-1 SystemMaintenance.Reboot of i-1: Scheduled, not before 2026-01-02T03:04:05Z".
func (e ScheduledEvent) String() string {
	if !e.Listed() {
		return e.InstanceID + ": not listed"
	}
	text := e.ID + " " + e.Type + " of " + e.InstanceID + ": " + e.Status
	if !e.NotBefore.IsZero() {
		text += ", not before " + e.NotBefore.Format(time.RFC3339)
	}
	if !e.FinishTime.IsZero() {
		text += ", ended " + e.FinishTime.Format(time.RFC3339)
	}
	return text
}

// Listed reports whether the service listed the event. If Listed is false, the service did
// not list the instance, so its events are not known: the instance does not exist, or the
// caller has no permission to read its status.
func (e ScheduledEvent) Listed() bool { return e.Status != "" }

// ScheduledEventsRequest selects the system events of the client's region that match all
// its fields.
type ScheduledEventsRequest struct {
	// InstanceIDs are the ids of the instances, any number of them; the client requests
	// 100 at a time. If InstanceIDs is empty, the events of all instances are selected.
	InstanceIDs []string `json:"instanceIds,omitempty"`
	// Types are the types of events, up to 30, such as [EventMaintenanceReboot]. Empty
	// means all.
	Types []string `json:"types,omitempty"`
	// Statuses are the statuses of events. [Client.ScheduledEvents] finds only events in the
	// status Scheduled or Inquiring, and returns both by default. [Client.EventHistory]
	// returns by default the events that have ended: Avoided, Executed, Canceled or Failed.
	Statuses []string `json:"statuses,omitempty"`
	// NotBeforeStart and NotBeforeEnd limit the NotBefore of the events. Both ends are
	// included; zero means no limit. A limit excludes events without a NotBefore.
	NotBeforeStart time.Time `json:"notBeforeStart,omitzero"`
	NotBeforeEnd   time.Time `json:"notBeforeEnd,omitzero"`
}

// LogValue gives slog the fields of the JSON.
func (r ScheduledEventsRequest) LogValue() slog.Value { return logvalue.Of(r) }

// ScheduledEvents reads the system events that the service has scheduled for instances,
// page by page as they are consumed.
//
// The sequence contains each event once. As in [Client.DescribeInstances], the client
// requests 100 ids at a time, drops what does not match the request, and returns an error
// if a list has more pages than it can have. An error ends the sequence. The error is an
// [OperationError] without an outcome.
//
// If the request has ids, the sequence also contains an event for each instance that the
// service does not list; see [ScheduledEvent.Listed]. A list without ids can change while
// its pages are read, so an event can be missing from it.
//
// ScheduledEvents needs the RAM action ecs:DescribeInstancesFullStatus. A separate pacer
// controls its requests, so that they do not slow down restarts and polls.
func (c *Client) ScheduledEvents(ctx context.Context, request ScheduledEventsRequest) iter.Seq2[ScheduledEvent, error] {
	q := eventQuery{action: "DescribeInstancesFullStatus", list: "InstanceFullStatusSet", idName: "InstanceId", gate: &c.scheduledGate}
	if len(request.InstanceIDs) == 0 {
		q.filter = request.filter() // the service then leaves out instances without such events
	}
	return c.allEvents(ctx, request, q)
}

// EventHistory reads system events that have ended. The service keeps them for 30 days.
// With ScheduledEventsRequest.Statuses, EventHistory also reads events that have not ended.
//
// The sequence and its errors are like those of [Client.ScheduledEvents]. EventHistory
// needs the RAM action ecs:DescribeInstanceHistoryEvents.
func (c *Client) EventHistory(ctx context.Context, request ScheduledEventsRequest) iter.Seq2[ScheduledEvent, error] {
	if len(request.Statuses) == 0 {
		request.Statuses = []string{CycleAvoided, CycleExecuted, CycleCanceled, CycleFailed}
	}
	filter := request.filter()
	for n, status := range request.Statuses {
		filter = append(filter, numbered("InstanceEventCycleStatus", n, status))
	}
	return c.allEvents(ctx, request, eventQuery{
		action: "DescribeInstanceHistoryEvents", list: "InstanceSystemEventSet", idName: "ResourceId", gate: &c.historyGate,
		filter: filter, history: true,
	})
}

// maxEventTypes is how many types of events the service takes in one call.
const maxEventTypes = 30

// check returns an error for a request that the service would reject or misunderstand.
func (r ScheduledEventsRequest) check() error {
	refuse := func(field, problem string) error { return &InputError{Field: field, Problem: problem} }
	if len(r.Types) > maxEventTypes {
		return refuse("Types", fmt.Sprintf("holds %d types, the limit is %d", len(r.Types), maxEventTypes))
	}
	for _, name := range r.Types {
		if problem := instanceIDProblem(name); problem != "" {
			return refuse("Types", fmt.Sprintf("holds %q, which %s", name, problem))
		}
	}
	for n, status := range r.Statuses {
		switch status {
		case CycleScheduled, CycleInquiring, CycleExecuting, CycleExecuted, CycleAvoided, CycleCanceled, CycleFailed:
		default:
			return refuse("Statuses", fmt.Sprintf("holds %q, which is not the status of an event", status))
		}
		if slices.Contains(r.Statuses[:n], status) {
			return refuse("Statuses", fmt.Sprintf("holds %q twice", status))
		}
	}
	for _, end := range []struct {
		field string
		at    time.Time
	}{{"NotBeforeStart", r.NotBeforeStart}, {"NotBeforeEnd", r.NotBeforeEnd}} {
		if year := end.at.UTC().Year(); year < 1 || year > 9999 {
			return refuse(end.field, fmt.Sprintf("is in the year %d, which the service cannot read", year))
		}
	}
	if !r.NotBeforeEnd.IsZero() && r.NotBeforeEnd.Before(r.NotBeforeStart) {
		return refuse("NotBeforeEnd", "is before NotBeforeStart")
	}
	return nil
}

// filter returns the parameters of the request, except the ids and the statuses.
func (r ScheduledEventsRequest) filter() (fields []field) {
	for n, name := range r.Types {
		fields = append(fields, numbered("InstanceEventType", n, name))
	}
	for name, at := range map[string]time.Time{"NotBefore.Start": r.NotBeforeStart, "NotBefore.End": r.NotBeforeEnd} {
		if !at.IsZero() {
			fields = append(fields, field{name, at.UTC().Format("2006-01-02T15:04:05Z")})
		}
	}
	return fields
}

func numbered(name string, n int, value string) field {
	return field{name + "." + strconv.Itoa(n+1), value}
}

// matches reports whether an event is one that the request selects. It ignores the ids.
func (r ScheduledEventsRequest) matches(e ScheduledEvent) bool {
	if len(r.Types) > 0 && !slices.Contains(r.Types, e.Type) || len(r.Statuses) > 0 && !slices.Contains(r.Statuses, e.Status) {
		return false
	}
	if e.NotBefore.IsZero() {
		return r.NotBeforeStart.IsZero() && r.NotBeforeEnd.IsZero()
	}
	return !e.NotBefore.Before(r.NotBeforeStart) && (r.NotBeforeEnd.IsZero() || !e.NotBefore.After(r.NotBeforeEnd))
}

// eventQuery describes one list of events to read.
type eventQuery struct {
	action  string
	list    string // the member of the page that holds the list
	ids     []string
	idName  string // of the parameter for the ids
	filter  []field
	matches func(ScheduledEvent) bool
	gate    *gate
	history bool // the list has any number of events of an instance
}

// allEvents reads the events of all ids of a request.
func (c *Client) allEvents(ctx context.Context, request ScheduledEventsRequest, q eventQuery) iter.Seq2[ScheduledEvent, error] {
	return func(yield func(ScheduledEvent, error) bool) {
		fail := func(id string, err error) bool {
			if err != nil {
				yield(ScheduledEvent{}, &OperationError{Operation: q.action, InstanceID: id, Err: err})
			}
			return err != nil
		}
		if fail("", checkContext(ctx)) {
			return
		}
		for _, id := range request.InstanceIDs {
			if fail(id, checkInstanceID(id)) {
				return
			}
		}
		if fail("", request.check()) {
			return
		}
		q.matches = request.matches
		if len(request.InstanceIDs) == 0 {
			c.eventList(ctx, q, yield)
			return
		}
		ids := slices.Compact(slices.Sorted(slices.Values(request.InstanceIDs)))
		for q.ids = range slices.Chunk(ids, maxInstanceIDs) {
			if !c.eventList(ctx, q, yield) {
				return
			}
		}
	}
}

// eventList reads all pages of one list and reports whether to go on.
func (c *Client) eventList(ctx context.Context, q eventQuery, yield func(ScheduledEvent, error) bool) bool {
	entries, events := make(map[string]bool), make(map[string]bool) // those listed so far
	listed, empty := 0, 0
	for number := 1; ; number++ {
		page, err := c.eventPage(ctx, q, number)
		if err != nil {
			yield(ScheduledEvent{}, err)
			return false
		}
		isNew := false
		for _, entry := range page.entries {
			isNew = isNew || !entries[entry.key]
			entries[entry.key] = true
			for _, e := range entry.events {
				key := e.InstanceID + " " + e.ID
				if events[key] || q.ids != nil && !slices.Contains(q.ids, e.InstanceID) || !q.matches(e) {
					continue
				}
				events[key] = true
				if !yield(e, nil) {
					return false
				}
			}
		}
		listed += len(page.entries)
		empty++
		if len(page.entries) > 0 {
			empty = 0
		}
		limit := maxListPages
		if q.ids != nil && !q.history {
			limit = len(q.ids) + spareListPages
		}
		switch {
		case listed >= page.total:
			return q.history || yieldMissing(q.ids, entries, yield)
		case empty == 0 && !isNew:
			err = errors.New("the service returned the same page twice")
		case empty >= maxEmptyPages:
			err = fmt.Errorf("the service returned %d empty pages in a row", empty)
		case number >= limit:
			err = fmt.Errorf("the list has not ended after %d pages", number)
		default:
			continue
		}
		yield(ScheduledEvent{}, &OperationError{Operation: q.action, Err: err})
		return false
	}
}

// yieldMissing yields an event without a status for each instance that is not listed, and
// reports whether to go on.
func yieldMissing(ids []string, listed map[string]bool, yield func(ScheduledEvent, error) bool) bool {
	for _, id := range ids {
		if !listed[id] && !yield(ScheduledEvent{InstanceID: id}, nil) {
			return false
		}
	}
	return true
}

// eventPage reads one page.
func (c *Client) eventPage(ctx context.Context, q eventQuery, number int) (wireEvents, error) {
	params := append([]field{
		{"PageNumber", strconv.Itoa(number)}, {"PageSize", "100"}, {"RegionId", c.region},
	}, q.filter...)
	for n, id := range q.ids {
		params = append(params, numbered(q.idName, n, id))
	}
	sort.Sort(byName(params)) // InstanceId.10 comes before InstanceId.2
	page := wireEvents{set: q.list}
	op := operation{action: q.action, params: params, repeatable: true, gate: q.gate, attempts: c.retry.MaxAttempts, into: &page}
	if len(q.ids) == 1 {
		op.instanceID = q.ids[0]
	}
	_, err := c.do(ctx, op, hooks{})
	return page, err
}

// wireEvents is a page of events, of either operation.
type wireEvents struct {
	TotalCount json.Number `json:"TotalCount"` // of the entries on all pages; a text in XML
	Statuses   struct {
		Status []struct {
			InstanceID string `json:"InstanceId"`
			Scheduled  struct {
				Event []wireEvent `json:"ScheduledSystemEventType"`
			} `json:"ScheduledSystemEventSet"`
		} `json:"InstanceFullStatusType"`
	} `json:"InstanceFullStatusSet"`
	History struct {
		Event []wireEvent `json:"InstanceSystemEventType"`
	} `json:"InstanceSystemEventSet"`

	set     string // the list that the page has
	total   int
	entries []eventEntry
}

// eventEntry is what TotalCount counts: an instance with its scheduled events, or an event
// of the history.
type eventEntry struct {
	key    string
	events []ScheduledEvent
}

type wireEvent struct {
	EventID          string    `json:"EventId"`
	InstanceID       string    `json:"InstanceId"`
	EventType        eventName `json:"EventType"`
	EventCycleStatus eventName `json:"EventCycleStatus"`
	NotBefore        string    `json:"NotBefore"`
	EventPublishTime string    `json:"EventPublishTime"`
	EventFinishTime  string    `json:"EventFinishTime"`
	Reason           string    `json:"Reason"`
}

// eventName is a name that the service writes with a code.
type eventName struct {
	Name string `json:"Name"`
}

// eventShapes are the elements of a page in XML that are objects, with what they list.
var eventShapes = map[string]string{
	"InstanceFullStatusSet": "InstanceFullStatusType", "ScheduledSystemEventSet": "ScheduledSystemEventType",
	"InstanceSystemEventSet": "InstanceSystemEventType", "EventType": "", "EventCycleStatus": "",
}

func (w *wireEvents) list() string { return w.set }

// read reads a page as [wirePage] does. It is strict about what identifies an event: an
// event without an id, an instance, a type or a status makes the page unreadable.
func (w *wireEvents) read(body []byte, scrub func(string) string) bool {
	page := wireEvents{set: w.set}
	if bytes.HasPrefix(body, []byte("<")) {
		asJSON, ok := document.JSON(body, w.set, eventShapes)
		if !ok {
			return false
		}
		body = asJSON
	}
	if !bytes.HasPrefix(body, []byte("{")) || !document.UniqueEverywhere(body) || json.Unmarshal(body, &page) != nil {
		return false
	}
	var err error
	if page.total, err = strconv.Atoi(page.TotalCount.String()); err != nil || page.total < 0 {
		return false
	}
	for _, status := range page.Statuses.Status {
		entry := eventEntry{key: status.InstanceID}
		for _, wire := range status.Scheduled.Event {
			wire.InstanceID = status.InstanceID
			entry.events = append(entry.events, wire.event(scrub))
		}
		page.entries = append(page.entries, entry)
	}
	for _, wire := range page.History.Event {
		page.entries = append(page.entries, eventEntry{wire.InstanceID + " " + wire.EventID, []ScheduledEvent{wire.event(scrub)}})
	}
	for _, entry := range page.entries {
		if entry.key == "" || slices.ContainsFunc(entry.events, func(e ScheduledEvent) bool { return !e.valid() }) {
			return false
		}
	}
	page.Statuses.Status, page.History.Event = nil, nil
	*w = page
	return true
}

func (e ScheduledEvent) valid() bool {
	for _, name := range []string{e.ID, e.InstanceID, e.Type, e.Status} {
		if instanceIDProblem(name) != "" {
			return false
		}
	}
	return true
}

// event returns the event with scrubbed texts.
func (w wireEvent) event(scrub func(string) string) ScheduledEvent {
	return ScheduledEvent{
		ID: scrub(w.EventID), InstanceID: w.InstanceID, Type: scrub(w.EventType.Name), Status: scrub(w.EventCycleStatus.Name),
		NotBefore: parseSecond(w.NotBefore), PublishTime: parseSecond(w.EventPublishTime), FinishTime: parseSecond(w.EventFinishTime),
		Reason: scrub(w.Reason),
	}
}

// parseSecond reads a time of an event. An unreadable time is zero.
func parseSecond(text string) time.Time {
	for _, layout := range []string{"2006-01-02T15:04:05Z", "2006-01-02T15:04Z"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.Truncate(time.Second)
		}
	}
	return time.Time{}
}
