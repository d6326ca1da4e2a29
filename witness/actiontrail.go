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
	actionTrailName = "ActionTrail"
	// trailDelay is how long after a call its event becomes visible, according to the vendor.
	trailDelay = 10 * time.Minute
	// trailInterval is the time between lookups for a request without an event.
	trailInterval = 30 * time.Second
	// trailMargin is how long before the request a lookup begins.
	trailMargin = 5 * time.Minute
	// beginningMargin is how far the times of an event and of the request may differ if only
	// the beginning of the send ID is known.
	beginningMargin = time.Minute
	// trailPause spreads the calls. The service allows two calls a second.
	trailPause    = 550 * time.Millisecond
	trailPageSize = 50
	maxTrailPages = 20
)

var lookupEvents = call.Operation{Service: call.ActionTrail, Action: "LookupEvents", RAM: "actiontrail:LookupEvents"}

// ActionTrail is an [ecsreboot.Witness] that finds a restart request in ActionTrail, the
// audit log of the cloud. It needs the permission actiontrail:LookupEvents.
//
// The log shows a request about 10 minutes after the service received it. Until then,
// ActionTrail makes no call. Afterwards, it makes a call about every 30 s until
// [ecsreboot.WaitOptions].WitnessTimeout has passed. The event of the request decides:
//
//   - Without an error code or error message, the finding is that the service accepted the
//     request.
//   - With the code of a refusal, the finding is that the service refused the request.
//   - With a code that says that the service failed, with a code of unknown meaning, or with a
//     message alone, the event does not show whether the instance restarted: the finding is
//     no trace, and the Message of the testimony says so.
//   - If the log has no event, the finding is no trace, which proves nothing.
//
// If events contradict each other or the request, Testify returns an error. If only the
// beginning of the send ID is known, ActionTrail finds only an accepted request, because a
// refused one may have been retried. The accepted request must be the only one with this
// beginning within a minute of the time of the request.
//
// The service allows an account two calls a second, so use one ActionTrail for all
// clients and regions of an account. It spreads its calls over time: in a WitnessTimeout
// of 15 min, it can answer for about 500 requests that were lost at the same time. An
// ActionTrail is safe for concurrent use.
type ActionTrail struct{ paced *pacedCaller }

// NewActionTrail returns an ActionTrail. If options are invalid, the error is an
// [ecsreboot.InputError].
func NewActionTrail(options Options) (*ActionTrail, error) {
	paced, err := options.paced(actionTrailName, trailPause)
	if err != nil {
		return nil, err
	}
	return &ActionTrail{paced}, nil
}

// Testify implements [ecsreboot.Witness].
func (a *ActionTrail) Testify(ctx context.Context, request ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
	if err := checkRequest(request); err != nil {
		return ecsreboot.Testimony{}, err
	}
	none := ecsreboot.Testimony{Witness: actionTrailName, Finding: ecsreboot.FindingNoTrace, SendID: request.SendID}
	switch {
	case request.SendID == "":
		none.Message = "the request has no send ID to look for"
		return none, nil
	case isBeginning(request.SendID) && request.ServiceTime.IsZero():
		none.Message = "only the beginning of the send ID is known, and not the time of the request by the service's clock"
		return none, nil
	}
	// If the clock of the sender is ahead of ours, the age is negative: make a call at once.
	if age := time.Since(request.SentAt); age >= 0 && age < trailDelay {
		none.Message = "events become visible after 10 minutes"
		none.AskAgain = trailDelay - age
		return none, nil
	}
	events, err := a.events(ctx, request)
	if err != nil {
		return ecsreboot.Testimony{}, err
	}
	testimony, err := judgeEvents(events, request)
	if err != nil {
		return ecsreboot.Testimony{}, err
	}
	testimony.Witness, testimony.SendID = actionTrailName, request.SendID
	if testimony.Finding == ecsreboot.FindingNoTrace && testimony.Code == "" {
		testimony.AskAgain = jittered(trailInterval)
	}
	return testimony, nil
}

// checkRequest refuses an instance ID or a region that is invalid.
func checkRequest(request ecsreboot.SentRequest) error {
	if err := call.CheckID(request.InstanceID); err != nil {
		return err
	}
	return call.CheckRegion(request.Region)
}

// events returns the events of the instance since shortly before the request.
func (a *ActionTrail) events(ctx context.Context, request ecsreboot.SentRequest) ([]json.RawMessage, error) {
	parameters := map[string]string{
		"LookupAttribute.1.Key": "ResourceName", "LookupAttribute.1.Value": request.InstanceID,
		"MaxResults": strconv.Itoa(trailPageSize),
	}
	// Without StartTime, the service shows the last 7 days by its own clock, the newest event first.
	if !request.ServiceTime.IsZero() {
		parameters["StartTime"] = request.ServiceTime.Add(-trailMargin).UTC().Format("2006-01-02T15:04:05Z")
	}
	var all []json.RawMessage
	for range maxTrailPages {
		var page struct {
			Events    []json.RawMessage
			NextToken string
		}
		if err := a.paced.do(ctx, lookupEvents, request.Region, parameters, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Events...)
		if page.NextToken == "" {
			return all, nil
		}
		if page.NextToken == parameters["NextToken"] {
			return nil, fmt.Errorf("%s: the list of events does not end", lookupEvents.Action)
		}
		parameters["NextToken"] = page.NextToken
	}
	return nil, fmt.Errorf("%s: there are more than %d events of the instance since the request", lookupEvents.Action, maxTrailPages*trailPageSize)
}

// event has the fields of an ActionTrail event that matter here.
type event struct {
	EventName           string              `json:"eventName"`
	EventTime           string              `json:"eventTime"`
	AcsRegion           string              `json:"acsRegion"`
	RequestID           string              `json:"requestId"`
	ErrorCode           string              `json:"errorCode"`
	ErrorMessage        string              `json:"errorMessage"`
	UserAgent           string              `json:"userAgent"`
	RequestParameters   json.RawMessage     `json:"requestParameters"`
	ResourceName        string              `json:"resourceName"`
	ReferencedResources map[string][]string `json:"referencedResources"`
}

// judgeEvents returns what the events show about the request.
func judgeEvents(events []json.RawMessage, request ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
	var found []ecsreboot.Testimony
	for _, raw := range events {
		var e event
		if err := decode(raw, &e); err != nil {
			if strings.Contains(string(raw), "send/"+request.SendID) {
				return ecsreboot.Testimony{}, fmt.Errorf("%s: the event of the request cannot be read", actionTrailName)
			}
			continue
		}
		if e.EventName != "RebootInstance" || !e.isOf(request) {
			continue
		}
		parameters, err := e.parameters()
		if err != nil {
			return ecsreboot.Testimony{}, err
		}
		if strings.EqualFold(parameters["DryRun"], "true") || e.ErrorCode == string(ecsreboot.ErrDryRunOperation) {
			continue
		}
		if err := e.check(parameters, request); err != nil {
			return ecsreboot.Testimony{}, err
		}
		found = append(found, e.testimony())
	}
	if len(found) == 0 {
		return ecsreboot.Testimony{Finding: ecsreboot.FindingNoTrace}, nil
	}
	if isBeginning(request.SendID) {
		// A refused request may be an attempt that was retried, and the retry may not be visible yet.
		accepted := slices.DeleteFunc(slices.Clone(found), func(t ecsreboot.Testimony) bool { return t.Finding == ecsreboot.FindingRefused })
		if len(accepted) == 0 {
			return ecsreboot.Testimony{
				Finding: ecsreboot.FindingNoTrace,
				Message: "a request with the beginning of the send ID was refused, and another one may have followed it",
			}, nil
		}
		found = accepted
	}
	for _, other := range found[1:] {
		if isBeginning(request.SendID) && other.RequestID != found[0].RequestID {
			return ecsreboot.Testimony{}, fmt.Errorf("%s: several requests have the beginning of the send ID: requests %s and %s", actionTrailName,
				found[0].RequestID, other.RequestID)
		}
		if other.Finding != found[0].Finding {
			return ecsreboot.Testimony{}, fmt.Errorf("%s: the events of one send ID contradict each other: %s in request %s, %s in request %s", actionTrailName,
				outcome(found[0]), found[0].RequestID, outcome(other), other.RequestID)
		}
	}
	return found[0], nil
}

func outcome(t ecsreboot.Testimony) string {
	if t.Code == "" {
		return string(t.Finding)
	}
	return string(t.Finding) + " with " + string(t.Code)
}

// isBeginning reports whether the rest of a send ID is not known.
func isBeginning(sendID string) bool { return strings.HasSuffix(sendID, ".") }

// isOf reports whether the event has the send ID of the request. If only the beginning of
// the send ID is known, the time of the event must also be that of the request.
func (e *event) isOf(request ecsreboot.SentRequest) bool {
	words := strings.Fields(e.UserAgent)
	if !isBeginning(request.SendID) {
		return slices.Contains(words, "send/"+request.SendID)
	}
	at, err := time.Parse(time.RFC3339, e.EventTime)
	return err == nil && at.Sub(request.ServiceTime).Abs() <= beginningMargin &&
		slices.ContainsFunc(words, func(word string) bool { return strings.HasPrefix(word, "send/"+request.SendID) })
}

// parameters returns the parameters of the request as strings.
func (e *event) parameters() (map[string]string, error) {
	raw := e.RequestParameters
	if text := ""; json.Unmarshal(raw, &text) == nil {
		raw = json.RawMessage(text)
	}
	if len(raw) == 0 {
		return map[string]string{}, nil
	}
	var values map[string]any
	if err := decode(raw, &values); err != nil {
		return nil, fmt.Errorf("%s: the parameters in the event of the request cannot be read", actionTrailName)
	}
	texts := make(map[string]string, len(values))
	for name, value := range values {
		texts[name] = fmt.Sprint(value)
	}
	return texts, nil
}

// check returns an error if the event is incomplete, does not name the request's instance,
// or names another region.
func (e *event) check(parameters map[string]string, request ecsreboot.SentRequest) error {
	ids := []string{parameters["InstanceId"]}
	if ids[0] == "" {
		ids = append(strings.Split(e.ResourceName, ","), e.ReferencedResources["ACS::ECS::Instance"]...)
	}
	regions := slices.DeleteFunc([]string{e.AcsRegion, parameters["RegionId"]}, func(region string) bool { return region == "" })
	switch {
	case e.RequestID == "" || e.EventTime == "":
		return fmt.Errorf("%s: the event of the request is incomplete", actionTrailName)
	case !slices.Contains(ids, request.InstanceID):
		return fmt.Errorf("%s: the event of the request does not name the instance", actionTrailName)
	case slices.ContainsFunc(regions, func(region string) bool { return region != request.Region }):
		return fmt.Errorf("%s: the event of the request names another region", actionTrailName)
	}
	return nil
}

// testimony returns what the event shows about its request.
func (e *event) testimony() ecsreboot.Testimony {
	t := ecsreboot.Testimony{Finding: ecsreboot.FindingNoTrace, RequestID: call.Line(e.RequestID)}
	if at, err := time.Parse(time.RFC3339, e.EventTime); err == nil {
		t.At = at
	}
	switch {
	case e.ErrorCode == "" && e.ErrorMessage == "":
		t.Finding = ecsreboot.FindingAccepted
		return t
	case e.ErrorCode == "":
		t.Message = "the request arrived, and its event has no code but an error message: " + call.Line(e.ErrorMessage)
		return t
	}
	t.Code, t.Message = ecsreboot.ErrorCode(call.Line(e.ErrorCode)), call.Line(e.ErrorMessage)
	if isRefusal(ecsreboot.ErrorCode(e.ErrorCode)) {
		t.Finding = ecsreboot.FindingRefused
		return t
	}
	t.Message = fmt.Sprintf("the request arrived, and its event has the code %s, which does not show whether the instance restarted", t.Code)
	return t
}

// failures are the beginnings of codes after which the instance may have restarted: the
// service failed, did not say whether it acted, or had received the same request before.
var failures = []string{
	"internalerror", "unknownerror", "serviceunavailable", "limitedoperation.serviceunavailable", "systemerror", "systembusy", "servicebusy",
	"requesttimeout", "operationtimeout", "rejected.throttling", "signaturenonceused",
}

// refusals are the beginnings of codes that refuse a request.
var refusals = []string{"Invalid", "Incorrect", "Missing", "Forbidden", "NoPermission", "OperationDenied"}

// isRefusal reports whether the code says that the service did nothing. The event has no
// status code that would show this, so an unknown code is not a refusal.
func isRefusal(code ecsreboot.ErrorCode) bool {
	lower := strings.ToLower(string(code))
	if strings.Trim(lower, "abcdefghijklmnopqrstuvwxyz0123456789-._") != "" ||
		slices.ContainsFunc(failures, func(prefix string) bool { return strings.HasPrefix(lower, prefix) }) ||
		slices.ContainsFunc([]string{"internal", "unavailable", "timeout", "unknown", "busy"}, func(word string) bool { return strings.Contains(lower, word) }) {
		return false
	}
	return code.Advice() != "" || slices.ContainsFunc(refusals, func(prefix string) bool { return strings.HasPrefix(string(code), prefix) })
}
