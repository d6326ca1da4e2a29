package ecstest

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

const (
	heartbeatEvery = time.Minute
	// The status of an agent is true if it sent a heartbeat in the last heartbeatMemory.
	heartbeatMemory = 2 * time.Minute
	agentVersion    = "2.2.4.1038"
)

// boot starts the guest.
func (m *machine) boot(at time.Time) {
	m.booted, m.bootID, m.ranScheduled = at, strings.ToLower(newRequestID()), false
}

// leave stops the guest, if it runs.
func (m *machine) leave(now time.Time, offset time.Duration) {
	m.runScheduled(now, offset)
	m.lastBeat = m.heartbeat(now)
	m.booted = time.Time{}
}

// agentUp reports whether the agent runs at now. The caller has called note with now.
func (m *machine) agentUp(now time.Time) bool {
	return !m.NoAgent && !m.booted.IsZero() && !now.Before(m.booted.Add(m.AgentDelay))
}

// heartbeat returns the time of the agent's last heartbeat, or zero. The caller has called
// note with now.
func (m *machine) heartbeat(now time.Time) time.Time {
	if !m.agentUp(now) {
		return m.lastBeat
	}
	first := m.booted.Add(m.AgentDelay)
	return first.Add(now.Sub(first).Truncate(heartbeatEvery))
}

type agentView struct {
	InstanceID            string `json:"InstanceId" xml:"InstanceId"`
	OSType                string
	CloudAssistantStatus  string
	CloudAssistantVersion string
	LastHeartbeatTime     string
	LastInvokedTime       string
	ActiveTaskCount       int
	InvocationCount       int
	SupportSessionManager bool
}

type agentPayload struct {
	RequestID                       string `json:"RequestId" xml:"RequestId"`
	PageNumber                      int
	PageSize                        int
	TotalCount                      int
	NextToken                       string
	InstanceCloudAssistantStatusSet struct {
		InstanceCloudAssistantStatus []agentView
	}
}

func (p *agentPayload) identify(requestID string) { p.RequestID = requestID }

// viewAgent returns what the service shows about the agent of m. The lock is held.
func (s *Server) viewAgent(m *machine, now time.Time) agentView {
	s.note(m, now)
	m.runScheduled(now, s.offset)
	v := agentView{InstanceID: m.ID, OSType: "Linux", CloudAssistantStatus: "false"}
	if m.OSType == "windows" {
		v.OSType = "Windows"
	}
	if m.NoAgent {
		return v
	}
	v.SupportSessionManager, v.InvocationCount, v.LastInvokedTime = true, m.invoked, seconds(m.lastInvoked)
	if beat := m.heartbeat(now); !beat.IsZero() {
		v.CloudAssistantVersion, v.LastHeartbeatTime = agentVersion, beat.Add(s.offset).UTC().Format(time.RFC3339)
		if now.Sub(beat) <= heartbeatMemory {
			v.CloudAssistantStatus = "true"
		}
	}
	return v
}

// agentProblem returns an error of the operations of Cloud Assistant, which have special
// codes for a number that is out of range.
func agentProblem(name string) *answer {
	if name == "PageNumber" || name == "PageSize" {
		return documented("InvalidParam." + name)
	}
	return documented("InvalidParameter." + name)
}

// agentPage reads which page of a Cloud Assistant list is requested: by token if MaxResults
// or NextToken is given, otherwise by number.
type agentPage struct {
	byToken    bool
	page, size int
	after      place
}

func (r *request) agentPage(largest int) (p agentPage, refusal *answer) {
	p.byToken = r.params.Get("MaxResults") != "" || r.params.Get("NextToken") != ""
	var ok bool
	if p.byToken {
		if p.size, ok = r.number("MaxResults", 10, largest); !ok {
			return p, agentProblem("MaxResults")
		}
		if token := r.params.Get("NextToken"); token != "" {
			var err error
			if p.after, err = parseToken(token); err != nil {
				return p, agentProblem("NextToken")
			}
		}
		return p, nil
	}
	if p.page, ok = r.number("PageNumber", 1, 1<<20); !ok {
		return p, agentProblem("PageNumber")
	}
	if p.size, ok = r.number("PageSize", 10, largest); !ok {
		return p, agentProblem("PageSize")
	}
	return p, nil
}

// total returns the TotalCount of a list, which the service shows only if the list is paged
// by number.
func (p agentPage) total(count int) int {
	if p.byToken {
		return 0
	}
	return count
}

// cutAgentPage returns the requested page of a sorted list, and the token of the next page.
func cutAgentPage[T any](p agentPage, all []T, placeOf func(T) place) (page []T, next string) {
	if !p.byToken {
		return cutPage(all, p.page, p.size), ""
	}
	if p.after != (place{}) {
		all = slices.DeleteFunc(all, func(t T) bool { return placeOf(t).compare(p.after) <= 0 })
	}
	if len(all) > p.size {
		all = all[:p.size]
		next = placeOf(all[p.size-1]).token()
	}
	return all, next
}

// allowedAll calls Options.Allow for each of the instances, or for the list if there are none.
func (s *Server) allowedAll(action string, ids []string) bool {
	if len(ids) == 0 {
		return s.allowed(action, "")
	}
	return !slices.ContainsFunc(ids, func(id string) bool { return !s.allowed(action, id) })
}

func (s *Server) describeCloudAssistantStatus(req *request, _ *ReceivedCall) *answer {
	if refusal := s.checkRegion(req); refusal != nil {
		return refusal
	}
	switch {
	case slices.Contains(req.ids, ""):
		return documented("MissingParam.InstanceId")
	case len(req.ids) > maxIDs:
		return documented("InstanceIds.ExceedLimit")
	}
	p := agentPage{page: 1, size: max(len(req.ids), 1)} // a request with IDs gets one page
	if len(req.ids) == 0 {
		var refusal *answer
		if p, refusal = req.agentPage(50); refusal != nil {
			return refusal
		}
	}
	if !s.allowedAll(req.action, req.ids) {
		return forbidden(req)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	type placed struct {
		agentView
		place
	}
	var all []placed
	now, system := time.Now(), req.params.Get("OSType")
	for _, id := range s.idsOr(req.ids) {
		m := s.machines[id]
		if m == nil {
			return documented("InvalidInstance.NotFound")
		}
		if v := s.viewAgent(m, now); system == "" || strings.EqualFold(system, v.OSType) {
			all = append(all, placed{v, place{m.CreationTime, m.sequence}})
		}
	}
	slices.SortFunc(all, func(a, b placed) int { return a.compare(b.place) })
	all = slices.CompactFunc(all, func(a, b placed) bool { return a.sequence == b.sequence })
	body := &agentPayload{PageNumber: p.page, PageSize: p.size, TotalCount: p.total(len(all))}
	body.InstanceCloudAssistantStatusSet.InstanceCloudAssistantStatus = []agentView{}
	page, next := cutAgentPage(p, all, func(v placed) place { return v.place })
	body.NextToken = next
	for _, v := range page {
		body.InstanceCloudAssistantStatusSet.InstanceCloudAssistantStatus = append(body.InstanceCloudAssistantStatusSet.InstanceCloudAssistantStatus, v.agentView)
	}
	return &answer{status: http.StatusOK, payload: body}
}

// setGuest gives a new instance its guest. The lock is held.
func (s *Server) setGuest(m *machine) {
	m.notedStatus = m.Status
	if m.Status == ecsreboot.StatusRunning {
		m.boot(m.StartTime.Add(-s.offset))
	}
}
