package witness

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/witness/internal/call"
)

const (
	stateChangeName = "CloudMonitor"
	// stateInterval is the time between calls about the same request.
	stateInterval = 30 * time.Second
	// statePause is the time between any two calls.
	statePause    = 100 * time.Millisecond
	statePageSize = 100
	maxStatePages = 10
	// stateMargin makes the period of a query end later, because the service's time is not known
	// exactly.
	stateMargin = 15 * time.Minute
	// stateBefore is how long before the request the period of a query begins. ServiceTime may
	// be a second or more later than the request, and the restart may begin before it.
	stateBefore = time.Minute
)

var describeEvents = call.Operation{
	Service: call.CloudMonitor, Action: "DescribeSystemEventAttribute", RAM: "cms:DescribeSystemEventAttribute",
}

// StateChanges is an [ecsreboot.Witness] that reads the changes of an instance's status
// from the system events of CloudMonitor. It needs the permission
// cms:DescribeSystemEventAttribute.
//
// The changes can prove a restart that no poll showed; see [ecsreboot.ProofRecord]. They do
// not show who caused them, so the finding of StateChanges is always
// [ecsreboot.FindingNoTrace]. The vendor does not document how soon an event is visible;
// StateChanges makes a call about every 30 s for each request.
//
// StateChanges needs the time of the request by the service's clock. Without this time, the
// testimony is final and has no changes. A StateChanges is safe for concurrent use. Use one
// for all clients and regions of an account.
type StateChanges struct{ paced *pacedCaller }

// NewStateChanges returns a StateChanges. If options are invalid, the error is an
// [ecsreboot.InputError].
func NewStateChanges(options Options) (*StateChanges, error) {
	paced, err := options.paced(stateChangeName, statePause)
	if err != nil {
		return nil, err
	}
	return &StateChanges{paced}, nil
}

// Testify implements [ecsreboot.Witness].
func (s *StateChanges) Testify(ctx context.Context, request ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
	if err := checkRequest(request); err != nil {
		return ecsreboot.Testimony{}, err
	}
	testimony := ecsreboot.Testimony{Witness: stateChangeName, Finding: ecsreboot.FindingNoTrace, SendID: request.SendID}
	if request.ServiceTime.IsZero() {
		testimony.Message = "the time of the request by the service's clock is not known"
		return testimony, nil
	}
	events, err := s.events(ctx, request)
	if err != nil {
		return ecsreboot.Testimony{}, err
	}
	testimony.Changes = changesOf(events, request)
	testimony.AskAgain = jittered(stateInterval)
	return testimony, nil
}

// systemEvent has the fields of a CloudMonitor event that StateChanges reads.
type systemEvent struct {
	Name       string          `json:"Name"`
	RegionID   string          `json:"RegionId"`
	ResourceID string          `json:"ResourceId"`
	Time       json.Number     `json:"Time"`    // in milliseconds
	Content    json.RawMessage `json:"Content"` // a text that holds JSON
}

// events returns the events that mention the instance since shortly before the request.
func (s *StateChanges) events(ctx context.Context, request ecsreboot.SentRequest) ([]json.RawMessage, error) {
	end := latest(request)
	parameters := map[string]string{
		"Product": "ECS", "Name": "Instance:StateChange", "SearchKeywords": request.InstanceID,
		"StartTime": strconv.FormatInt(request.ServiceTime.Add(-stateBefore).UnixMilli(), 10), "EndTime": strconv.FormatInt(end.UnixMilli(), 10),
		"PageSize": strconv.Itoa(statePageSize),
	}
	var all []json.RawMessage
	for number := 1; number <= maxStatePages; number++ {
		parameters["PageNumber"] = strconv.Itoa(number)
		var page struct {
			Code, Message any
			SystemEvents  struct{ SystemEvent []json.RawMessage }
		}
		if err := s.paced.do(ctx, describeEvents, request.Region, parameters, &page); err != nil {
			return nil, err
		}
		if code := fmt.Sprint(page.Code); page.Code != nil && code != "200" {
			return nil, fmt.Errorf("%s: the response has the code %q: %s", describeEvents.Action, call.Line(code), call.Line(fmt.Sprint(page.Message)))
		}
		all = append(all, page.SystemEvents.SystemEvent...)
		if len(page.SystemEvents.SystemEvent) < statePageSize {
			return all, nil
		}
	}
	return all, nil // these events are enough
}

// latest returns a time in the near future, by the service's clock.
func latest(request ecsreboot.SentRequest) time.Time {
	return request.ServiceTime.Add(max(0, time.Since(request.SentAt)) + stateMargin)
}

// changesOf returns the changes of the instance's status since the request, in order. If the
// change before them was to another status than Running, the result begins with that change,
// because this status lasted until after the request. changesOf skips events that cannot be
// read or that are dated in the future, because they prove nothing.
func changesOf(events []json.RawMessage, request ecsreboot.SentRequest) []ecsreboot.Observation {
	var changes []ecsreboot.Observation
	for _, raw := range events {
		var e systemEvent
		if decode(raw, &e) != nil || e.Name != "Instance:StateChange" || e.RegionID != "" && e.RegionID != request.Region {
			continue
		}
		milliseconds, err := strconv.ParseInt(e.Time.String(), 10, 64)
		status := e.status(request.InstanceID)
		if err != nil || status == "" {
			continue
		}
		if at := time.UnixMilli(milliseconds); !at.Before(request.ServiceTime.Add(-stateBefore)) && !at.After(latest(request)) {
			changes = append(changes, ecsreboot.Observation{At: at, Status: status})
		}
	}
	slices.SortStableFunc(changes, func(a, b ecsreboot.Observation) int { return a.At.Compare(b.At) })
	changes = slices.CompactFunc(changes, func(a, b ecsreboot.Observation) bool { return a.At.Equal(b.At) && a.Status == b.Status })
	first := slices.IndexFunc(changes, func(o ecsreboot.Observation) bool { return !o.At.Before(request.ServiceTime) })
	switch {
	case first < 0:
		return nil
	case first > 0 && changes[first-1].Status != ecsreboot.StatusRunning:
		first-- // this status ended after the request
	}
	return changes[first:]
}

// status returns the status that the event shows. It returns an empty status if the event
// is about another resource, or if the status is undocumented.
func (e *systemEvent) status(instanceID string) ecsreboot.Status {
	content := []byte(e.Content)
	if text := ""; json.Unmarshal(content, &text) == nil {
		content = []byte(text)
	}
	var state struct {
		ResourceID string `json:"resourceId"`
		State      string `json:"state"`
	}
	if decode(content, &state) != nil || !isResource(state.ResourceID, instanceID) || e.ResourceID != "" && !isResource(e.ResourceID, instanceID) {
		return ""
	}
	switch status := ecsreboot.Status(state.State); status {
	case ecsreboot.StatusPending, ecsreboot.StatusStarting, ecsreboot.StatusRunning, ecsreboot.StatusStopping, ecsreboot.StatusStopped:
		return status
	}
	return ""
}

// isResource reports whether a resource is the instance. A resource is an ID, or an ARN
// that ends with one.
func isResource(resource, instanceID string) bool {
	return resource == instanceID || strings.HasPrefix(resource, "acs:ecs:") && strings.HasSuffix(resource, ":instance/"+instanceID)
}
