package ecstest

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"hash/fnv"
	"maps"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	secondsFormat = "2006-01-02T15:04:05Z"
	// maxRecordedParameters is the size in JSON above which an event has no parameters.
	maxRecordedParameters = 8 << 10

	accountID = "1234567890123456" // of the account that owns all instances
)

// auditedActions are the operations whose calls ActionTrail records here: those that
// change something. The service also records reads.
var auditedActions = []string{actionReboot, actionReboots, actionStart, actionStop, actionRun, actionStopRun}

// gatewayCodes and the codes of legacyProblems are the codes of calls that are refused
// before they reach the operation.
var gatewayCodes = []string{
	"Forbidden.AccessKeyDisabled", "IncompleteSignature", "InvalidAction.NotFound", "InvalidBearerToken", "InvalidParameter.Format",
	"Throttling", "Throttling.Api", "Throttling.User",
}

func isGatewayCode(code string) bool {
	_, legacy := legacyProblems[code]
	return legacy || slices.Contains(gatewayCodes, code)
}

// auditView is an event of ActionTrail.
type auditView struct {
	EventID              string              `json:"eventId" xml:"eventId"`
	EventVersion         string              `json:"eventVersion" xml:"eventVersion"`
	EventName            string              `json:"eventName" xml:"eventName"`
	EventType            string              `json:"eventType" xml:"eventType"`
	EventCategory        string              `json:"eventCategory" xml:"eventCategory"`
	EventRW              string              `json:"eventRW" xml:"eventRW"`
	EventTime            string              `json:"eventTime" xml:"eventTime"`
	EventSource          string              `json:"eventSource" xml:"eventSource"`
	ServiceName          string              `json:"serviceName" xml:"serviceName"`
	APIVersion           string              `json:"apiVersion" xml:"apiVersion"`
	AcsRegion            string              `json:"acsRegion" xml:"acsRegion"`
	RequestID            string              `json:"requestId" xml:"requestId"`
	ErrorCode            string              `json:"errorCode,omitempty" xml:"errorCode,omitempty"`
	ErrorMessage         string              `json:"errorMessage,omitempty" xml:"errorMessage,omitempty"`
	UserAgent            string              `json:"userAgent" xml:"userAgent"`
	SourceIPAddress      string              `json:"sourceIpAddress" xml:"sourceIpAddress"`
	RecipientAccountID   string              `json:"recipientAccountId" xml:"recipientAccountId"`
	UserIdentity         auditUser           `json:"userIdentity" xml:"userIdentity"`
	RequestParameters    namedTexts          `json:"requestParameters" xml:"requestParameters"`
	RequestParameterJSON string              `json:"requestParameterJson" xml:"requestParameterJson"`
	ResourceType         string              `json:"resourceType,omitempty" xml:"resourceType,omitempty"`
	ResourceName         string              `json:"resourceName,omitempty" xml:"resourceName,omitempty"`
	ReferencedResources  map[string][]string `json:"referencedResources,omitempty" xml:"-"` // its keys are not valid XML names
}

type auditUser struct {
	Type        string `json:"type" xml:"type"`
	AccountID   string `json:"accountId" xml:"accountId"`
	PrincipalID string `json:"principalId" xml:"principalId"`
	UserName    string `json:"userName" xml:"userName"`
	AccessKeyID string `json:"accessKeyId,omitempty" xml:"accessKeyId,omitempty"`
}

// namedTexts is an object whose fields are strings.
type namedTexts map[string]string

// MarshalXML writes an element for each field.
func (p namedTexts) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	if err := e.EncodeToken(start); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if err := e.EncodeElement(p[name], xml.StartElement{Name: xml.Name{Local: name}}); err != nil {
			return err
		}
	}
	return e.EncodeToken(start.End())
}

type auditRecord struct {
	ids  []string
	view auditView
}

// audit records the response of the service to a call that reached the operation, even if a
// fault shows the client another response.
func (x *exchange) audit(a *answer) *answer {
	req, s := x.req, x.server
	if !slices.Contains(auditedActions, req.action) || a.code == notImplementedCode {
		return a
	}
	parameters := namedTexts{}
	for name, values := range req.params {
		if isOneOf(name, operations[req.action].parameters) {
			parameters[name] = values[0]
		}
	}
	text, _ := json.Marshal(parameters) // texts can always be marshaled
	ids := slices.Clone(req.ids[:min(len(req.ids), maxIDs)])
	if len(text) > maxRecordedParameters {
		parameters, text = namedTexts{}, nil
	}
	view := auditView{
		EventID: newRequestID(), EventVersion: "1", EventName: req.action, EventType: "ApiCall", EventCategory: "Management", EventRW: "Write",
		EventSource: req.hostname(), ServiceName: productECS.name, APIVersion: apiVersion, AcsRegion: s.options.Region,
		RequestID: x.call.RequestID, ErrorCode: a.code, UserAgent: req.header.Get("User-Agent"), SourceIPAddress: x.r.RemoteAddr,
		RecipientAccountID: accountID, RequestParameters: parameters, RequestParameterJSON: string(text),
		UserIdentity: auditUser{Type: "ram-user", AccountID: accountID, PrincipalID: "200000000000000001", UserName: "ecstest", AccessKeyID: req.keyID},
	}
	if a.code != "" {
		view.ErrorMessage = a.message
	}
	if req.securityToken != "" {
		view.UserIdentity.Type, view.UserIdentity.UserName = "assumed-role", "ecstest:session"
	}
	if host, _, err := net.SplitHostPort(x.r.RemoteAddr); err == nil {
		view.SourceIPAddress = host
	}
	if len(ids) > 0 {
		view.ResourceType, view.ResourceName = "ACS::ECS::Instance", strings.Join(ids, ",")
		view.ReferencedResources = map[string][]string{view.ResourceType: ids}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	late, missing := s.recordOf(ids...)
	if missing {
		return a
	}
	now := time.Now().Add(s.offset).Round(0) // a token carries no monotonic clock
	view.EventTime = now.UTC().Format(secondsFormat)
	s.audits.add(now, now.Add(orDefault(s.options.AuditDelay, 10*time.Minute)+late), auditRecord{ids, view})
	return a
}

type auditPayload struct {
	RequestID string `json:"RequestId" xml:"RequestId"`
	StartTime string
	EndTime   string
	NextToken string `json:",omitempty" xml:",omitempty"`
	Events    []auditView
}

func (p *auditPayload) identify(requestID string) { p.RequestID = requestID }

// auditToken is the position at which a page of events ends. Query is a hash of the request,
// which must be the same for the next page.
type auditToken struct {
	At    int64  `json:"at"`
	After int    `json:"after"`
	Query uint64 `json:"query"`
}

func (t auditToken) String() string {
	text, _ := json.Marshal(t) // numbers can always be marshaled
	return base64.StdEncoding.EncodeToString(text)
}

func parseAuditToken(text string) (t auditToken, ok bool) {
	data, err := base64.StdEncoding.DecodeString(text)
	return t, err == nil && json.Unmarshal(data, &t) == nil
}

// auditQuery returns a hash of a request without its token.
func (r *request) auditQuery() uint64 {
	h := fnv.New64a()
	kept := url.Values{}
	for name, values := range r.params {
		if isOneOf(name, []string{"Direction", "EndTime", "LookupAttribute.N", "MaxResults", "StartTime"}) {
			kept[name] = values
		}
	}
	_, _ = h.Write([]byte(kept.Encode())) // it never fails
	return h.Sum64()
}

var lookupParameter = regexp.MustCompile(`\ALookupAttribute\.([0-9]+)\.(Key|Value)\z`)

// lookupAttribute reads the condition of a call; more than one is an error.
func (r *request) lookupAttribute() (has func(auditRecord) bool, refusal *answer) {
	numbers := map[string]bool{}
	for name := range r.params {
		if found := lookupParameter.FindStringSubmatch(name); found != nil {
			numbers[found[1]] = true
		}
	}
	key, value := r.params.Get("LookupAttribute.1.Key"), r.params.Get("LookupAttribute.1.Value")
	switch {
	case len(numbers) == 0:
		return func(auditRecord) bool { return true }, nil
	case len(numbers) > 1, key == "", value == "":
		return nil, documented("InvalidQueryParameter")
	}
	switch key {
	case "ResourceName":
		return func(e auditRecord) bool { return slices.Contains(e.ids, value) }, nil
	case "EventId":
		return func(e auditRecord) bool { return e.view.EventID == value }, nil
	case "EventName":
		if isAction(value) && !slices.Contains(auditedActions, value) {
			return nil, r.notImplemented("the events " + value)
		}
		return func(e auditRecord) bool { return e.view.EventName == value }, nil
	case "EventAccessKeyId", "EventRW", "ResourceType", "SensitiveAction", "ServiceName", "User":
		return nil, r.notImplemented("the condition " + key)
	}
	return nil, documented("InvalidQueryParameter")
}

// auditPeriod reads the period of a lookup, which is the last week by default.
func (r *request) auditPeriod(now time.Time) (p period, refusal *answer) {
	p = period{now.UTC().Add(-7 * 24 * time.Hour), now.UTC()}
	for _, end := range []struct {
		name string
		to   *time.Time
	}{{"StartTime", &p.start}, {"EndTime", &p.end}} {
		text := r.params.Get(end.name)
		if text == "" {
			continue
		}
		t, err := time.Parse(secondsFormat, text)
		if err != nil {
			return p, documented("InvalidParameter" + end.name)
		}
		*end.to = t
	}
	if !p.end.After(p.start) {
		return p, documented("InvalidParameterCombination")
	}
	return p, nil
}

// lookupEvents shows a page of the events that are visible.
func (s *Server) lookupEvents(req *request, _ *ReceivedCall) *answer {
	now := s.now()
	size, ok := req.number("MaxResults", 20, 50)
	direction := req.params.Get("Direction")
	if !ok || direction != "" && direction != "FORWARD" && direction != "BACKWARD" {
		return documented("InvalidQueryParameter")
	}
	between, refusal := req.auditPeriod(now)
	if refusal != nil {
		return refusal
	}
	has, refusal := req.lookupAttribute()
	if refusal != nil {
		return refusal
	}
	from, query := recorded[auditRecord]{}, req.auditQuery()
	if text := req.params.Get("NextToken"); text != "" {
		token, ok := parseAuditToken(text)
		if !ok || token.Query != query {
			return documented("InvalidQueryParameter")
		}
		from.at, from.sequence = time.Unix(0, token.At), token.After
	}
	if !s.allowed(req.action, "") {
		return forbidden(req)
	}
	s.mu.Lock()
	events := s.audits.shown(now)
	s.mu.Unlock()
	if direction != "FORWARD" {
		slices.Reverse(events)
	}
	events = slices.DeleteFunc(events, func(e recorded[auditRecord]) bool {
		order := e.compare(from)
		if direction != "FORWARD" {
			order = -order
		}
		return !between.has(e.at) || !has(e.of) || from.sequence > 0 && order <= 0
	})
	body := &auditPayload{
		StartTime: between.start.Format(secondsFormat), EndTime: between.end.Format(secondsFormat), Events: []auditView{},
	}
	if len(events) > size {
		events = events[:size]
		last := events[size-1]
		body.NextToken = auditToken{last.at.UnixNano(), last.sequence, query}.String()
	}
	for _, e := range events {
		body.Events = append(body.Events, e.of.view)
	}
	return &answer{status: http.StatusOK, payload: body}
}
