package ecstest

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// ScheduledEvent is a system event that is scheduled for an instance. A restart before
// NotBefore ends it as Avoided. The server never carries it out.
type ScheduledEvent struct {
	ID        string    // by default one of the instance's ID
	Type      string    // default "SystemMaintenance.Reboot"
	NotBefore time.Time // default a day after the server's time
	Reason    string
}

// event is a system event and what became of it.
type event struct {
	ScheduledEvent
	instanceID string
	published  time.Time
	finished   time.Time
	status     string
}

// scheduled is the n-th event of m. The lock is held.
func (s *Server) scheduled(m *machine, n int, e ScheduledEvent) event {
	now := time.Now().Add(s.offset)
	e.ID = cmp.Or(e.ID, "e-"+m.suffix()+"-"+strconv.Itoa(n+1))
	e.Type = cmp.Or(e.Type, "SystemMaintenance.Reboot")
	if e.NotBefore.IsZero() {
		e.NotBefore = now.Add(24 * time.Hour)
	}
	return event{e, m.ID, now, time.Time{}, "Scheduled"}
}

// avoidEvents ends the events that a restart at now, by the server's clock, avoids. The
// lock is held.
func (m *machine) avoidEvents(now time.Time) {
	for n := range m.events {
		if e := &m.events[n]; e.status == "Scheduled" && now.Before(e.NotBefore) {
			e.status, e.finished = "Avoided", now
		}
	}
}

// namedView is a name with its code. The codes that no public text tells are left out.
type namedView struct {
	Code *int `json:",omitempty" xml:",omitempty"`
	Name string
}

func named(name string) namedView {
	codes := map[string]int{"Running": 1, "OK": 0, "Scheduled": 24, "Executed": 0, "SystemMaintenance.Reboot": 1, "InstanceExpiration.Stop": 34}
	if code, ok := codes[name]; ok {
		return namedView{new(code), name}
	}
	return namedView{nil, name}
}

type eventView struct {
	EventID          string `json:"EventId" xml:"EventId"`
	EventType        namedView
	EventCycleStatus namedView
	EventPublishTime string
	NotBefore        string
	Reason           string
	ImpactLevel      string
}

// historyView is an event of DescribeInstanceHistoryEvents.
type historyView struct {
	eventView
	InstanceID      string `json:"InstanceId" xml:"InstanceId"`
	ResourceType    string
	EventFinishTime string
}

func (e event) view() eventView {
	return eventView{
		EventID: e.ID, EventType: named(e.Type), EventCycleStatus: named(e.status), Reason: e.Reason,
		EventPublishTime: e.published.UTC().Format(time.RFC3339), NotBefore: e.NotBefore.UTC().Format(time.RFC3339),
	}
}

type fullStatusView struct {
	InstanceID              string `json:"InstanceId" xml:"InstanceId"`
	Status                  namedView
	HealthStatus            namedView
	ScheduledSystemEventSet struct {
		ScheduledSystemEventType []eventView
	}
}

type fullStatusPayload struct {
	RequestID             string `json:"RequestId" xml:"RequestId"`
	PageNumber            int
	PageSize              int
	TotalCount            int
	InstanceFullStatusSet struct {
		InstanceFullStatusType []fullStatusView
	}
}

func (p *fullStatusPayload) identify(requestID string) { p.RequestID = requestID }

type historyPayload struct {
	RequestID              string `json:"RequestId" xml:"RequestId"`
	PageNumber             int
	PageSize               int
	TotalCount             int
	InstanceSystemEventSet struct {
		InstanceSystemEventType []historyView
	}
}

func (p *historyPayload) identify(requestID string) { p.RequestID = requestID }

// eventProblem is an error of the operations about events, which have other statuses than
// those of the other operations.
func eventProblem(a *answer) *answer {
	if a != nil && a.code == "MissingParameter" {
		a.status = http.StatusNotFound
	}
	if a != nil && a.code == "InvalidParameter" {
		a.status = http.StatusForbidden
	}
	return a
}

// eventFilter reads the parameters that select events. given reports whether there are any.
func (r *request) eventFilter() (has func(event) bool, given bool, refusal *answer) {
	ids := r.repeated("EventId")
	if len(ids) > maxIDs {
		return nil, false, documented("EventIdLimitExceeded")
	}
	types := r.repeated("InstanceEventType")
	if one := r.params.Get("EventType"); one != "" && len(types) == 0 {
		types = []string{one}
	}
	notBefore, refusal := r.period("NotBefore")
	if refusal != nil {
		return nil, false, refusal
	}
	published, refusal := r.period("EventPublishTime")
	if refusal != nil {
		return nil, false, refusal
	}
	given = len(ids) > 0 || len(types) > 0 || notBefore != period{} || published != period{}
	return func(e event) bool {
		return (len(ids) == 0 || slices.Contains(ids, e.ID)) && (len(types) == 0 || slices.Contains(types, e.Type)) &&
			notBefore.has(e.NotBefore) && published.has(e.published)
	}, given, nil
}

// period is a span of time. Its ends belong to it, and a zero end leaves it open.
type period struct{ start, end time.Time }

func (p period) has(t time.Time) bool {
	t = t.Truncate(time.Second)
	return !t.Before(p.start) && (p.end.IsZero() || !t.After(p.end))
}

func (r *request) period(name string) (p period, refusal *answer) {
	for _, end := range []struct {
		name string
		to   *time.Time
	}{{name + ".Start", &p.start}, {name + ".End", &p.end}} {
		text := r.params.Get(end.name)
		if text == "" {
			continue
		}
		t, err := time.Parse("2006-01-02T15:04:05Z", text)
		if err != nil {
			return p, invalidParameter(end.name)
		}
		*end.to = t
	}
	if !p.end.IsZero() && p.end.Before(p.start) {
		return p, documented("InvalidParameter.TimeEndBeforeStart")
	}
	return p, nil
}

// describeInstancesFullStatus shows instances with their scheduled events. If the request
// selects events, it shows the instances that have such, with these.
func (s *Server) describeInstancesFullStatus(req *request, _ *ReceivedCall) *answer {
	if refusal := s.checkRegion(req); refusal != nil {
		return eventProblem(refusal)
	}
	if len(req.ids) > maxIDs {
		return documented("InstanceIdLimitExceeded")
	}
	page, size, refusal := pageAsked(req, 100)
	if refusal != nil {
		return eventProblem(refusal)
	}
	has, selects, refusal := req.eventFilter()
	if refusal != nil {
		return eventProblem(refusal)
	}
	status, health := req.params.Get("Status"), req.params.Get("HealthStatus")
	if status != "" && !slices.Contains([]string{"Starting", "Running", "Stopped"}, status) {
		return eventProblem(invalidParameter("Status"))
	}
	if health != "" && !slices.Contains([]string{"OK", "Impaired", "Initializing", "InsufficientData", "NotApplicable"}, health) {
		return eventProblem(invalidParameter("HealthStatus"))
	}
	all := []fullStatusView{}
	for _, l := range s.list(req, req.ids, func(v *instanceView) bool {
		return (status == "" || status == v.Status) && (health == "" || health == healthOf(v.Status))
	}) {
		v := fullStatusView{InstanceID: l.InstanceID, Status: named(l.Status), HealthStatus: named(healthOf(l.Status))}
		v.ScheduledSystemEventSet.ScheduledSystemEventType = []eventView{}
		for _, e := range s.eventsOf(l.InstanceID) {
			if e.status == "Scheduled" && has(e) {
				v.ScheduledSystemEventSet.ScheduledSystemEventType = append(v.ScheduledSystemEventSet.ScheduledSystemEventType, e.view())
			}
		}
		if !selects || len(v.ScheduledSystemEventSet.ScheduledSystemEventType) > 0 {
			all = append(all, v)
		}
	}
	body := fullStatusPayload{PageNumber: page, PageSize: size, TotalCount: len(all)}
	body.InstanceFullStatusSet.InstanceFullStatusType = cutPage(all, page, size)
	return &answer{status: http.StatusOK, payload: &body}
}

// healthOf is the health of an instance that nothing is wrong with.
func healthOf(status string) string {
	switch ecsreboot.Status(status) {
	case ecsreboot.StatusRunning:
		return "OK"
	case ecsreboot.StatusStarting, ecsreboot.StatusPending:
		return "Initializing"
	case ecsreboot.StatusStopping, ecsreboot.StatusStopped:
		return "NotApplicable"
	default:
		return "InsufficientData"
	}
}

// eventsOf returns the events of an instance, which may be gone.
func (s *Server) eventsOf(id string) []event {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.machines[id]; m != nil {
		return slices.Clone(m.events)
	}
	return nil
}

// describeInstanceHistoryEvents shows events that ended, or those in the statuses that are
// asked for.
func (s *Server) describeInstanceHistoryEvents(req *request, _ *ReceivedCall) *answer {
	if refusal := s.checkRegion(req); refusal != nil {
		return eventProblem(refusal)
	}
	page, size, refusal := pageAsked(req, 100)
	if refusal != nil {
		return eventProblem(refusal)
	}
	has, _, refusal := req.eventFilter()
	if refusal != nil {
		return eventProblem(refusal)
	}
	states := req.repeated("InstanceEventCycleStatus")
	if one := req.params.Get("EventCycleStatus"); one != "" && len(states) == 0 {
		states = []string{one}
	}
	for _, state := range states {
		if !slices.Contains([]string{"Scheduled", "Avoided", "Executing", "Executed", "Canceled", "Failed", "Inquiring"}, state) {
			return eventProblem(invalidParameter("InstanceEventCycleStatus"))
		}
	}
	ids := req.repeated("ResourceId")
	if one := req.params.Get("InstanceId"); one != "" && len(ids) == 0 {
		ids = []string{one}
	}
	switch req.params.Get("ResourceType") {
	case "", "instance":
	case "ddh", "managedhost":
		ids = []string{} // the server has none
	default:
		return eventProblem(invalidParameter("ResourceType"))
	}
	all := []historyView{}
	for _, l := range s.list(req, ids, func(*instanceView) bool { return true }) {
		for _, e := range s.eventsOf(l.InstanceID) {
			if !has(e) || len(states) == 0 && e.finished.IsZero() || len(states) > 0 && !slices.Contains(states, e.status) {
				continue
			}
			v := historyView{eventView: e.view(), InstanceID: l.InstanceID, ResourceType: "instance"}
			if !e.finished.IsZero() {
				v.EventFinishTime = e.finished.UTC().Format(time.RFC3339)
			}
			all = append(all, v)
		}
	}
	body := historyPayload{PageNumber: page, PageSize: size, TotalCount: len(all)}
	body.InstanceSystemEventSet.InstanceSystemEventType = cutPage(all, page, size)
	return &answer{status: http.StatusOK, payload: &body}
}
