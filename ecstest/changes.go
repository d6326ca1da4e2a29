package ecstest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

const (
	changeName  = "Instance:StateChange"
	changeType  = "StatusNotification"
	changeLevel = "INFO"
	changeState = "Normal"
)

// stateChange is a change of an instance's real status.
type stateChange struct {
	eventID, instanceID, name string
	status                    ecsreboot.Status
}

// step is a point of a transition.
type step struct {
	at     time.Time
	status ecsreboot.Status
	boots  bool // the guest begins to run
}

// steps returns the points of the transition in order. A transition that hangs has no last step.
func (t *transition) steps(hangs bool) []step {
	var steps []step
	for n, status := range t.path {
		steps = append(steps, step{t.at.Add(t.share() * time.Duration(n)), status, false})
	}
	if hangs {
		return steps
	}
	return append(steps, step{t.at.Add(t.took), t.end, t.end == ecsreboot.StatusRunning})
}

// transit begins a restart, a start or a stop. The lock is held.
func (s *Server) transit(m *machine, now time.Time, forced bool, path []ecsreboot.Status, end ecsreboot.Status) {
	s.note(m, now)
	m.leave(now, s.offset)
	m.begin(now, s.offset, forced, path, end)
	m.noted = 0
	s.note(m, now)
}

// note records what happened to m until now. Transitions happen only by the clock, so code
// that depends on the records of m calls note first. The lock is held.
func (s *Server) note(m *machine, now time.Time) {
	if m.last == nil {
		return
	}
	steps := m.last.steps(m.Reboot.Hang)
	for m.noted < len(steps) && !steps[m.noted].at.After(now) {
		next := steps[m.noted]
		m.noted++
		if next.boots {
			m.boot(next.at)
		}
		s.noteStatus(m, next.at, next.status)
	}
}

// noteStatus records the change of m to a status, unless m was in that status before. The
// lock is held.
func (s *Server) noteStatus(m *machine, at time.Time, status ecsreboot.Status) {
	if status == m.notedStatus {
		return
	}
	m.notedStatus = status
	if m.RecordsMissing {
		return
	}
	at = at.Add(s.offset)
	visible := at.Add(orDefault(s.options.StateChangeDelay, 30*time.Second) + m.RecordsLate)
	s.stateChanges.add(at, visible, stateChange{strings.ToLower(newRequestID()), m.ID, m.Name, status})
}

// noteAll records what happened to all instances until now. The lock is held.
func (s *Server) noteAll(now time.Time) {
	for _, m := range s.machines {
		s.note(m, now)
	}
}

type systemEventView struct {
	ID           string `json:"Id" xml:"Id"`
	Product      string
	Name         string
	Level        string
	Status       string
	Time         int64
	GroupID      string `json:"GroupId" xml:"GroupId"`
	InstanceName string
	ResourceID   string `json:"ResourceId" xml:"ResourceId"`
	RegionID     string `json:"RegionId" xml:"RegionId"`
	Content      string
}

type systemEventPayload struct {
	RequestID    string `json:"RequestId" xml:"RequestId"`
	Code         string
	Message      string
	Success      string
	SystemEvents struct {
		SystemEvent []systemEventView
	}
}

func (p *systemEventPayload) identify(requestID string) { p.RequestID = requestID }

// changeContent is the JSON content of a change of status.
type changeContent struct {
	ResourceID   string           `json:"resourceId"`
	ResourceType string           `json:"resourceType"`
	State        ecsreboot.Status `json:"state"`
}

func (s *Server) viewChange(r recorded[stateChange]) systemEventView {
	content, _ := json.Marshal(changeContent{r.of.instanceID, "ALIYUN::ECS::Instance", r.of.status}) // texts can always be marshaled
	return systemEventView{
		ID: r.of.eventID, Product: "ECS", Name: changeName, Level: changeLevel, Status: changeState, Time: r.at.UnixMilli(),
		InstanceName: r.of.name, RegionID: s.options.Region, Content: string(content),
		ResourceID: fmt.Sprintf("acs:ecs:%s:%s:instance/%s", s.options.Region, accountID, r.of.instanceID),
	}
}

// hasKeywords reports whether content matches a search: "or" separates alternatives, and
// "and" separates the keywords of an alternative.
func hasKeywords(content, search string) bool {
	return slices.ContainsFunc(strings.Split(search, " or "), func(all string) bool {
		return !slices.ContainsFunc(strings.Split(all, " and "), func(keyword string) bool { return !strings.Contains(content, strings.TrimSpace(keyword)) })
	})
}

// milliseconds reads an optional time, a number of milliseconds.
func (r *request) milliseconds(name string, missing int64) (ms int64, ok bool) {
	text := r.params.Get(name)
	if text == "" {
		return missing, true
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	return ms, err == nil && ms >= 0
}

// describeSystemEventAttribute shows the changes of status, the newest first.
func (s *Server) describeSystemEventAttribute(req *request, _ *ReceivedCall) *answer {
	get := req.params.Get
	page, okPage := req.number("PageNumber", 1, 100_000_000)
	size, okSize := req.number("PageSize", 10, 100)
	now := s.now()
	start, okStart := req.milliseconds("StartTime", 0)
	end, okEnd := req.milliseconds("EndTime", now.UnixMilli())
	if !okPage || !okSize || !okStart || !okEnd || !slices.Contains([]string{"", "CRITICAL", "WARN", changeLevel}, get("Level")) {
		return documented("ParameterInvalid")
	}
	ofECS := strings.EqualFold(cmp.Or(get("Product"), "ECS"), "ECS")
	if name := get("Name"); ofECS && name != "" && name != changeName {
		return req.notImplemented("the events " + name)
	}
	if !s.allowed(req.action, "") {
		return forbidden(req)
	}
	s.mu.Lock()
	s.noteAll(time.Now())
	all := s.stateChanges.shown(now)
	s.mu.Unlock()
	slices.Reverse(all)
	body := &systemEventPayload{Code: "200", Message: "success", Success: "true"}
	body.SystemEvents.SystemEvent = []systemEventView{}
	var found []systemEventView
	for _, r := range all {
		v := s.viewChange(r)
		if ofECS && start <= v.Time && v.Time <= end && strings.EqualFold(cmp.Or(get("Status"), changeState), changeState) &&
			cmp.Or(get("EventType"), changeType) == changeType && cmp.Or(get("Level"), changeLevel) == changeLevel && hasKeywords(v.Content, get("SearchKeywords")) {
			found = append(found, v)
		}
	}
	body.SystemEvents.SystemEvent = append(body.SystemEvents.SystemEvent, cutPage(found, page, size)...)
	return &answer{status: http.StatusOK, payload: body}
}
