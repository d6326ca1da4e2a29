package ecstest

import (
	"encoding/json"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const (
	actionReboot      = "RebootInstance"
	actionList        = "DescribeInstances"
	actionStatus      = "DescribeInstanceStatus"
	actionAttribute   = "DescribeInstanceAttribute"
	actionReboots     = "RebootInstances"
	actionStop        = "StopInstance"
	actionStart       = "StartInstance"
	actionRegions     = "DescribeRegions"
	actionZones       = "DescribeZones"
	actionEvents      = "DescribeInstancesFullStatus"
	actionHistory     = "DescribeInstanceHistoryEvents"
	actionLookup      = "LookupEvents"
	actionChanges     = "DescribeSystemEventAttribute"
	actionRun         = "RunCommand"
	actionResults     = "DescribeInvocationResults"
	actionInvocations = "DescribeInvocations"
	actionStopRun     = "StopInvocation"
	actionConsole     = "GetInstanceConsoleOutput"
	actionQuotas      = "ListProductQuotas"
	actionAgents      = "DescribeCloudAssistantStatus"

	apiVersion = "2014-05-26"

	// The two values of Call.SignatureVersion.
	signatureV1 = "1.0"
	signatureV3 = "ACS3-HMAC-SHA256"
)

// request is a call as it was received, decoded and not judged yet.
type request struct {
	method, path, host string
	header             http.Header
	body               []byte
	query, form        url.Values
	params             url.Values // query and form in one
	malformed          bool       // the query or the form can't be decoded

	style         string // signatureV1 or signatureV3
	authorization authorization
	action        string
	version       string
	nonce         string
	timestamp     string
	keyID         string
	securityToken string
	hasToken      bool
	bearer        bool
	bearerToken   string
	xml           bool
	badFormat     bool
	ids           []string // the instances it names
	product       *product
}

func parseRequest(r *http.Request, body []byte) *request {
	req := &request{method: r.Method, path: r.URL.EscapedPath(), host: r.Host, header: r.Header, body: body}
	var err error
	req.query, err = url.ParseQuery(r.URL.RawQuery)
	req.malformed = err != nil
	if mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); mediaType == "application/x-www-form-urlencoded" {
		req.form, err = url.ParseQuery(string(body))
		req.malformed = req.malformed || err != nil
	}
	req.params = url.Values{}
	for _, values := range []url.Values{req.query, req.form} {
		for name, list := range values {
			req.params[name] = append(req.params[name], list...)
		}
	}
	if req.usesHeaders() {
		req.readHeaders()
	} else {
		req.readParams()
	}
	req.ids = req.namedInstances()
	req.product = productOf(req.action)
	return req
}

// usesHeaders reports whether the call is in the ACS3 style. The header x-acs-action
// alone does not decide this: the official clients send it with signature 1.0 too.
func (r *request) usesHeaders() bool {
	return strings.HasPrefix(r.header.Get("Authorization"), "ACS3-") ||
		r.header.Get("X-Acs-Bearer-Token") != "" ||
		r.header.Get("X-Acs-Action") != "" && !r.params.Has("Action")
}

func (r *request) readHeaders() {
	r.style = signatureV3
	r.authorization = parseAuthorization(r.header.Get("Authorization"))
	r.action = r.header.Get("X-Acs-Action")
	r.version = r.header.Get("X-Acs-Version")
	r.nonce = r.header.Get("X-Acs-Signature-Nonce")
	r.timestamp = r.header.Get("X-Acs-Date")
	r.keyID = r.authorization.keyID
	r.securityToken = r.header.Get("X-Acs-Security-Token")
	r.hasToken = len(r.header.Values("X-Acs-Security-Token")) > 0
	r.bearerToken = r.header.Get("X-Acs-Bearer-Token")
	r.bearer = r.bearerToken != "" && r.authorization.algorithm == "" &&
		(r.params.Get("SignatureType") == "BEARERTOKEN" || r.header.Get("X-Acs-Signature-Type") == "BEARERTOKEN")
	accept := strings.ToLower(strings.Join(r.header.Values("Accept"), ","))
	r.xml = strings.Contains(accept, "xml") && !strings.Contains(accept, "json")
}

func (r *request) readParams() {
	r.style = signatureV1
	r.action = r.params.Get("Action")
	r.version = r.params.Get("Version")
	r.nonce = r.params.Get("SignatureNonce")
	r.timestamp = r.params.Get("Timestamp")
	r.keyID = r.params.Get("AccessKeyId")
	r.securityToken = r.params.Get("SecurityToken")
	r.hasToken = r.params.Has("SecurityToken")
	r.bearerToken = r.params.Get("BearerToken")
	r.bearer = r.params.Get("SignatureType") == "BEARERTOKEN"
	format := r.params.Get("Format")
	r.xml = !strings.EqualFold(format, "json")
	r.badFormat = r.xml && format != "" && !strings.EqualFold(format, "xml")
}

// namedInstances reads the instance ids from the parameter in which the action
// takes them; what is given elsewhere is not seen, as by the service.
func (r *request) namedInstances() []string {
	switch r.action {
	case actionList:
		ids, _ := r.instanceIDs()
		return ids
	case actionStatus, actionReboots, actionEvents, actionAgents, actionRun, actionStopRun:
		return r.repeated("InstanceId")
	}
	switch {
	case r.action == actionLookup && r.params.Get("LookupAttribute.1.Key") == "ResourceName":
		return []string{r.params.Get("LookupAttribute.1.Value")}
	case r.action == actionChanges && r.params.Get("SearchKeywords") != "":
		return []string{r.params.Get("SearchKeywords")}
	}
	if id := r.params.Get("InstanceId"); id != "" {
		return []string{id}
	}
	return nil
}

// instanceIDs decodes the JSON list of DescribeInstances; nil means no filter.
func (r *request) instanceIDs() ([]string, bool) {
	text := r.params.Get("InstanceIds")
	if text == "" {
		return nil, true
	}
	var ids []string
	if err := json.Unmarshal([]byte(text), &ids); err != nil || ids == nil {
		return nil, false
	}
	return ids, true
}

// hostname is the host that was called, without its port.
func (r *request) hostname() string {
	if host, _, err := net.SplitHostPort(r.host); err == nil {
		return host
	}
	return r.host
}

// repeated returns the values of name.1, name.2 and so on.
func (r *request) repeated(name string) []string {
	var values []string
	for n := 1; ; n++ {
		key := name + "." + strconv.Itoa(n)
		if !r.params.Has(key) {
			return values
		}
		values = append(values, r.params.Get(key))
	}
}

// boolean reads an optional parameter; ok is false when it is no boolean.
func (r *request) boolean(name string) (value, ok bool) {
	switch text := r.params.Get(name); {
	case text == "", strings.EqualFold(text, "false"):
		return false, true
	case strings.EqualFold(text, "true"):
		return true, true
	default:
		return false, false
	}
}

// number reads an optional parameter within 1 and highest.
func (r *request) number(name string, missing, highest int) (value int, ok bool) {
	text := r.params.Get(name)
	if text == "" {
		return missing, true
	}
	value, err := strconv.Atoi(text)
	return value, err == nil && value >= 1 && value <= highest
}
