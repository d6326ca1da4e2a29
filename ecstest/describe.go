package ecstest

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"
)

const maxIDs = 100

// list returns what keep keeps of the named instances, or of all if ids is nil,
// the newest first. It returns nothing if the caller may not list: the service does
// not say so.
func (s *Server) list(req *request, ids []string, keep func(*instanceView) bool) []listed {
	if !s.allowed(req.action, "") {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	var kept []listed
	for _, id := range s.idsOr(ids) {
		if m := s.machines[id]; m != nil {
			if v := s.view(m, now); keep(&v.instanceView) {
				kept = append(kept, v)
			}
		}
	}
	slices.SortFunc(kept, func(a, b listed) int { return a.compare(b.place) })
	return slices.CompactFunc(kept, func(a, b listed) bool { return a.sequence == b.sequence })
}

// idsOr returns ids, or those of all instances if ids is nil. The lock is held.
func (s *Server) idsOr(ids []string) []string {
	if ids == nil {
		return slices.Collect(maps.Keys(s.machines))
	}
	return ids
}

// checkRegion checks the parameter that both lists demand.
func (s *Server) checkRegion(req *request) *answer {
	switch req.params.Get("RegionId") {
	case "":
		return missingParameter("RegionId")
	case s.options.Region:
		return nil
	default:
		return documented("InvalidRegionId.NotFound")
	}
}

func (s *Server) describeInstances(req *request, _ *ReceivedCall) *answer {
	if refusal := s.checkRegion(req); refusal != nil {
		return refusal
	}
	ids, ok := req.instanceIDs()
	if !ok {
		return invalidParameter("InstanceIds")
	}
	if len(ids) > maxIDs {
		return documented("InvalidParameter.TooManyInstanceIds")
	}
	dryRun, ok := req.boolean("DryRun")
	if !ok {
		return invalidParameter("DryRun")
	}
	if dryRun {
		if !s.allowed(req.action, "") {
			return forbidden(req)
		}
		return documented("DryRunOperation")
	}
	keep, refusal := req.filter()
	if refusal != nil {
		return refusal
	}
	matches := s.list(req, ids, keep)
	var body listPayload
	given := func(name string) bool { return req.params.Get(name) != "" }
	if (given("PageNumber") || given("PageSize")) && !given("MaxResults") && !given("NextToken") {
		refusal = body.pageByNumber(req, matches)
	} else {
		refusal = body.pageByToken(req, matches, s.options.MaxPage)
	}
	if refusal != nil {
		return refusal
	}
	return &answer{status: http.StatusOK, payload: &body}
}

// pageByToken fills a page of MaxResults, which is 10 if less is asked for and
// 100 if more is. The token says after which instance the page begins, so that
// pages stay right when instances come and go in between. A limit above 0 makes
// the page a partial one, which still claims to be of the size asked for.
func (p *listPayload) pageByToken(req *request, matches []listed, limit int) *answer {
	size := 10
	if text := req.params.Get("MaxResults"); text != "" {
		wanted, err := strconv.Atoi(text)
		if err != nil {
			return invalidParameter("MaxResults")
		}
		size = min(max(wanted, 10), 100)
	}
	p.PageNumber, p.PageSize, p.TotalCount = 1, size, len(matches)
	if token := req.params.Get("NextToken"); token != "" {
		last, err := parseToken(token)
		if err != nil {
			return invalidParameter("NextToken")
		}
		matches = slices.DeleteFunc(matches, func(l listed) bool { return l.compare(last) <= 0 })
	}
	if limit > 0 {
		size = min(size, limit)
	}
	if len(matches) > size {
		matches = matches[:size]
		p.NextToken = matches[size-1].token()
	}
	p.fill(matches)
	return nil
}

func (p *listPayload) pageByNumber(req *request, matches []listed) *answer {
	page, size, refusal := pageAsked(req, 100)
	if refusal != nil {
		return refusal
	}
	p.PageNumber, p.PageSize, p.TotalCount = page, size, len(matches)
	p.fill(cutPage(matches, page, size))
	return nil
}

func (p *listPayload) fill(page []listed) {
	p.Instances.Instance = make([]instanceView, 0, len(page))
	for _, l := range page {
		p.Instances.Instance = append(p.Instances.Instance, l.instanceView)
	}
}

func pageAsked(req *request, largest int) (page, size int, refusal *answer) {
	const lastPage = 1 << 20
	page, ok := req.number("PageNumber", 1, lastPage)
	if !ok {
		return 0, 0, invalidParameter("PageNumber")
	}
	size, ok = req.number("PageSize", 10, largest)
	if !ok {
		return 0, 0, invalidParameter("PageSize")
	}
	return page, size, nil
}

func cutPage[T any](all []T, page, size int) []T {
	from := min((page-1)*size, len(all))
	return all[from:min(from+size, len(all))]
}

func (s *Server) describeInstanceStatus(req *request, _ *ReceivedCall) *answer {
	if refusal := s.checkRegion(req); refusal != nil {
		return refusal
	}
	if len(req.ids) > maxIDs {
		return documented("InvalidParameter.TooManyInstanceIds")
	}
	page, size, refusal := pageAsked(req, 50)
	if refusal != nil {
		return refusal
	}
	zone := req.params.Get("ZoneId")
	if !s.hasZone(zone) {
		return documented("InvalidZoneId.NotFound")
	}
	matches := s.list(req, req.ids, func(v *instanceView) bool { return zone == "" || zone == v.ZoneID })
	body := statusPayload{PageNumber: page, PageSize: size, TotalCount: len(matches)}
	body.InstanceStatuses.InstanceStatus = []statusView{}
	for _, l := range cutPage(matches, page, size) {
		body.InstanceStatuses.InstanceStatus = append(body.InstanceStatuses.InstanceStatus, statusView{l.InstanceID, l.Status})
	}
	return &answer{status: http.StatusOK, payload: &body}
}

// hasZone reports whether there is an instance in the zone; "" stands for all zones.
func (s *Server) hasZone(zone string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.machines {
		if m.ZoneID == zone {
			return true
		}
	}
	return zone == ""
}

func (s *Server) describeInstanceAttribute(req *request, _ *ReceivedCall) *answer {
	id := req.params.Get("InstanceId")
	if id == "" {
		return missingParameter("InstanceId")
	}
	if !s.allowed(req.action, id) {
		return forbidden(req)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.machines[id]
	if m == nil {
		return documented("InvalidInstanceId.NotFound")
	}
	return &answer{status: http.StatusOK, payload: s.attribute(m, time.Now())}
}
