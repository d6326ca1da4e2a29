package ecstest

import (
	"net/http"
	"slices"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// stop stops an instance. An instance that is locked for security can be stopped, by the
// newest page of the vendor about such locks; an older one denies it.
func (s *Server) stop(req *request, _ *ReceivedCall) *answer {
	forced, ok := req.boolean("ForceStop")
	if !ok {
		return invalidParameter("ForceStop")
	}
	if _, ok := req.boolean("ConfirmStop"); !ok {
		return invalidParameter("ConfirmStop")
	}
	mode := req.params.Get("StoppedMode")
	if mode != "" && mode != "StopCharging" && mode != "KeepCharging" {
		return invalidParameter("StoppedMode")
	}
	return s.switchPower(req, func(m *machine, now time.Time) (code string) {
		if status, _ := m.state(now); status != ecsreboot.StatusRunning {
			return "IncorrectInstanceStatus"
		}
		return ""
	}, func(m *machine, now time.Time) {
		m.stopMode = ""
		if m.InstanceChargeType == "PostPaid" {
			m.stopMode = mode
		}
		s.transit(m, now, forced, []ecsreboot.Status{ecsreboot.StatusStopping}, ecsreboot.StatusStopped)
	})
}

func (s *Server) startInstance(req *request, _ *ReceivedCall) *answer {
	return s.switchPower(req, func(m *machine, now time.Time) (code string) {
		switch status, _ := m.state(now); {
		case slices.Contains(m.Locks, "security"):
			return "InstanceLockedForSecurity"
		case slices.Contains(m.Locks, "financial"), !now.Add(s.offset).Before(m.ExpiredTime):
			return "InstanceExpired"
		case status != ecsreboot.StatusStopped:
			return "IncorrectInstanceStatus"
		}
		return ""
	}, func(m *machine, now time.Time) {
		s.transit(m, now, false, []ecsreboot.Status{ecsreboot.StatusStarting}, ecsreboot.StatusRunning)
	})
}

// switchPower begins a start or a stop of the instance of the request, unless obstacle
// returns the code of an error. Both are called with the lock held.
func (s *Server) switchPower(req *request, obstacle func(*machine, time.Time) (code string), begin func(*machine, time.Time)) *answer {
	id := req.params.Get("InstanceId")
	if id == "" {
		return missingParameter("InstanceId")
	}
	dryRun, ok := req.boolean("DryRun")
	if !ok {
		return invalidParameter("DryRun")
	}
	if !s.allowed(req.action, id) {
		return forbidden(req)
	}
	s.mu.Lock()
	m, now := s.machines[id], time.Now()
	code := "InvalidInstanceId.NotFound"
	if m != nil {
		code = obstacle(m, now)
	}
	if code == "" && dryRun {
		code = "DryRunOperation"
	}
	if code == "" {
		begin(m, now)
	}
	s.mu.Unlock()
	if code != "" {
		return documented(code)
	}
	s.follow(m)
	return &answer{status: http.StatusOK, payload: &rebootPayload{}}
}

type rebootedView struct {
	InstanceID     string `json:"InstanceId" xml:"InstanceId"`
	PreviousStatus string
	CurrentStatus  string
	Code           string
	Message        string
}

type rebootsPayload struct {
	RequestID         string `json:"RequestId" xml:"RequestId"`
	InstanceResponses struct {
		InstanceResponse []rebootedView
	}
}

func (p *rebootsPayload) identify(requestID string) { p.RequestID = requestID }

// rebootInstances restarts all the instances or none, or with BatchOptimization
// SuccessFirst those that it can.
func (s *Server) rebootInstances(req *request, call *ReceivedCall) *answer {
	if refusal := s.checkRegion(req); refusal != nil {
		return refusal
	}
	forced, ok := req.boolean("ForceReboot")
	if !ok {
		return invalidParameter("ForceReboot")
	}
	dryRun, ok := req.boolean("DryRun")
	if !ok {
		return invalidParameter("DryRun")
	}
	each := req.params.Get("BatchOptimization") == "SuccessFirst"
	if mode := req.params.Get("BatchOptimization"); !each && mode != "" && mode != "AllTogether" {
		return invalidParameter("BatchOptimization")
	}
	var ids []string // each once
	for _, id := range req.ids {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	switch {
	case len(ids) == 0:
		return &answer{status: http.StatusForbidden, code: "InvalidInstanceId.NotFound", message: "The request names no instance."}
	case len(ids) > maxIDs:
		return documented("InvalidParameter.TooManyInstanceIds")
	}
	for _, id := range ids {
		if !s.allowed(req.action, id) {
			return forbidden(req)
		}
	}
	body, restarted, refusal := s.restartEach(ids, forced, dryRun, each, call)
	if refusal != nil {
		return refusal
	}
	for _, m := range restarted {
		s.follow(m)
	}
	return &answer{status: http.StatusOK, payload: body}
}

func (s *Server) restartEach(ids []string, forced, dryRun, each bool, call *ReceivedCall) (body *rebootsPayload, restarted []*machine, refusal *answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if !each {
		for _, id := range ids {
			if code := s.rebootObstacle(s.machines[id], now); code != "" {
				return nil, nil, documented(code)
			}
		}
	}
	if dryRun {
		return nil, nil, documented("DRYRUN.SUCCESS")
	}
	body = &rebootsPayload{}
	for _, id := range ids {
		m := s.machines[id]
		v := rebootedView{InstanceID: id, Code: s.rebootObstacle(m, now)}
		v.Message = problems[v.Code].message
		if m != nil {
			before, _ := m.state(now)
			v.PreviousStatus = string(before)
		}
		if v.Code == "" {
			v.Code, v.Message = "200", "success"
			s.restart(m, now, forced)
			restarted = append(restarted, m)
			call.Acted, call.Restarted = true, append(call.Restarted, id)
		}
		if m != nil {
			after, _ := m.state(now)
			v.CurrentStatus = string(after)
		}
		body.InstanceResponses.InstanceResponse = append(body.InstanceResponses.InstanceResponse, v)
	}
	return body, restarted, nil
}
