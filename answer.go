package ecsreboot

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// maxBodyBytes bounds what is read of an answer; the service's are far
	// smaller.
	maxBodyBytes = 4 << 20
	// maxTextBytes bounds each text that an error keeps of an answer.
	maxTextBytes = 1 << 10
	// maxDiagnosticBytes bounds the EncodedDiagnosticMessage.
	maxDiagnosticBytes = 8 << 10
	// maxRetryAfter bounds the hints that are believed.
	maxRetryAfter = 24 * time.Hour
)

// errBodyTooLong is in place of what was not read.
var errBodyTooLong = errors.New("the answer is too long")

// readAnswer reads an answer and makes of it what the decision and the caller
// need.
func readAnswer(op operation, resp *http.Response, r *redactor) result {
	body, readErr := readBody(resp)
	_ = resp.Body.Close()
	res := result{event: event{stage: stageAnswered, status: resp.StatusCode}}
	// A year far off is nobody's clock; stamps made from it would be nonsense.
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil && 1990 < date.Year() && date.Year() < 2100 {
		res.clock, res.event.serverTime = date, true
	}
	var answer wireAnswer
	parsed := false
	if readErr == nil {
		answer, parsed = parseAnswer(body)
	}
	res.requestID = answer.RequestID
	if res.requestID == "" {
		res.requestID = resp.Header.Get("X-Acs-Request-Id")
	}
	res.requestID = r.short(res.requestID)
	res.event.hasRequestID = res.requestID != ""
	res.event.code = ErrorCode(r.short(string(answer.Code)))
	if resp.StatusCode/100 == 2 {
		switch {
		case op.into != nil: // a read is nothing without its body
			res.event.hasRequestID = parsed && answer.RequestID != "" && json.Unmarshal(body, op.into) == nil
		case answer.RequestID == "": // the header counts for a body that was cut short
			res.event.hasRequestID = res.requestID != "" && readErr != nil && !tellsOfError(string(body))
		}
		if answer.Code != "" && res.event.code == "" { // nothing of it can be printed: an error nevertheless
			res.event.hasRequestID = false
		}
		if res.event.code == "" && res.event.hasRequestID {
			return res
		}
	}

	failure := &APIError{
		Code:         res.event.code,
		StatusCode:   resp.StatusCode,
		RequestID:    res.requestID,
		HostID:       r.short(answer.HostID),
		Recommend:    r.short(answer.Recommend),
		RetryAfter:   retryAfter(resp.Header),
		AccessDenied: answer.AccessDenied.clean(r),
		Message:      r.text(cutStringToSign(answer.text())),
	}
	switch {
	case resp.StatusCode/100 == 3:
		failure.Message = r.text(redirectMessage(resp.Header.Get("Location")))
	case failure.Code == "" || failure.Message == "":
		failure.Message = describeBody(body, readErr, r)
	}
	if failure.AccessDenied.Action == "" && errors.Is(failure, ErrAccessDenied) {
		failure.AccessDenied.Action = "ecs:" + op.action
	}
	res.err = failure
	return res
}

// tellsOfError reports whether the beginning of a body is that of an error.
func tellsOfError(body string) bool {
	lower := strings.ToLower(body)
	return strings.Contains(lower, "code") || strings.Contains(lower, "message")
}

// readBody reads the body up to the limit. What was read before an error is
// returned with it.
func readBody(resp *http.Response) ([]byte, error) {
	if n := resp.ContentLength; n >= 0 && n <= maxBodyBytes {
		body := make([]byte, n)
		read, err := io.ReadFull(resp.Body, body)
		if errors.Is(err, io.EOF) && n == 0 {
			err = nil
		}
		return body[:read], err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBodyBytes+1))
	if err == nil && len(body) > maxBodyBytes {
		err = errBodyTooLong
	}
	return body, err
}

// wireAnswer is the body of an answer, of a success as of an error. encoding/json
// matches its keys in any case, as the service has written them in several.
type wireAnswer struct {
	RequestID    string     `json:"RequestId"`
	Code         looseText  `json:"Code"`
	Message      looseText  `json:"Message"`
	Description  looseText  `json:"Description"`
	HostID       string     `json:"HostId"`
	Recommend    string     `json:"Recommend"`
	AccessDenied wireDenied `json:"AccessDeniedDetail"`
}

type wireDenied struct {
	AuthAction               string `json:"AuthAction"`
	AuthPrincipalType        string `json:"AuthPrincipalType"`
	AuthPrincipalOwnerID     string `json:"AuthPrincipalOwnerId"`
	AuthPrincipalDisplayName string `json:"AuthPrincipalDisplayName"`
	PolicyType               string `json:"PolicyType"`
	NoPermissionType         string `json:"NoPermissionType"`
	EncodedDiagnosticMessage string `json:"EncodedDiagnosticMessage"`
}

// parseAnswer reads a body and reports whether it is one of the service's. XML is
// what the service sends where a proxy drops the Accept header or the Format
// parameter.
func parseAnswer(body []byte) (wireAnswer, bool) {
	body = bytes.TrimSpace(body)
	if id, ok := plainConsent(body); ok {
		return wireAnswer{RequestID: id}, true
	}
	if len(body) == 0 {
		return wireAnswer{}, false
	}
	var a wireAnswer
	var err error
	if body[0] == '<' {
		err = a.parseXML(string(body))
	} else {
		err = json.Unmarshal(body, &a)
		if _, other := errors.AsType[*json.UnmarshalTypeError](err); other && a.Code != "" {
			err = nil // a field of another type, as a text for AccessDeniedDetail; the rest was read
		}
	}
	if err != nil {
		return wireAnswer{}, false
	}
	return a, true
}

// plainConsent reads {"RequestId":"…"}, which is how the service consents to
// a restart: encoding/json takes as long for it as all the rest of a call. What
// differs from that by a byte is not read here.
func plainConsent(body []byte) (requestID string, ok bool) {
	const head, tail = `{"RequestId":"`, `"}`
	if len(body) <= len(head)+len(tail) || string(body[:len(head)]) != head || string(body[len(body)-len(tail):]) != tail {
		return "", false
	}
	requestID = string(body[len(head) : len(body)-len(tail)])
	return requestID, strings.Trim(requestID, idCharacters) == ""
}

// parseXML reads the flat documents <Error> and <RebootInstanceResponse> of the
// service. encoding/xml would do, and weigh more than the rest of this package:
// nothing here is nested but AccessDeniedDetail, nothing has attributes, and
// whatever is not found is simply absent.
func (a *wireAnswer) parseXML(body string) error {
	if strings.HasPrefix(body, "<?xml") {
		_, body, _ = strings.Cut(body, "?>")
		body = strings.TrimSpace(body)
	}
	begin, _, _ := strings.Cut(body, ">")
	name, isElement := strings.CutPrefix(begin, "<")
	if !isElement || name != "Error" && !strings.HasSuffix(name, "Response") || !strings.HasSuffix(body, "</"+name+">") {
		return errors.New("not a document of the service, or not all of it")
	}
	denied := &a.AccessDenied
	for _, element := range [...]struct {
		name string
		to   *string
	}{
		{"RequestId", &a.RequestID},
		{"Code", (*string)(&a.Code)},
		{"Message", (*string)(&a.Message)},
		{"Description", (*string)(&a.Description)},
		{"HostId", &a.HostID},
		{"Recommend", &a.Recommend},
		{"AuthAction", &denied.AuthAction},
		{"AuthPrincipalType", &denied.AuthPrincipalType},
		{"AuthPrincipalOwnerId", &denied.AuthPrincipalOwnerID},
		{"AuthPrincipalDisplayName", &denied.AuthPrincipalDisplayName},
		{"PolicyType", &denied.PolicyType},
		{"NoPermissionType", &denied.NoPermissionType},
		{"EncodedDiagnosticMessage", &denied.EncodedDiagnosticMessage},
	} {
		_, rest, _ := strings.Cut(body, "<"+element.name+">")
		text, _, found := strings.Cut(rest, "</"+element.name+">")
		if found && (!strings.Contains(text, "<") || strings.HasPrefix(text, "<![CDATA[")) {
			*element.to = unescapeXML(text)
		}
	}
	lower := strings.ToLower(body)
	if a.Code == "" && (name == "Error" || strings.Contains(lower, "<code") || strings.Contains(lower, "<message")) {
		return errors.New("an error that does not say which")
	}
	return nil
}

func unescapeXML(text string) string {
	if data, found := strings.CutPrefix(text, "<![CDATA["); found {
		return strings.TrimSuffix(data, "]]>")
	}
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&quot;", `"`, "&apos;", "'", "&#34;", `"`, "&#39;", "'", "&amp;", "&",
		"&#x9;", "\t", "&#xA;", "\n", "&#xD;", "\r").Replace(text)
}

func (a *wireAnswer) text() string {
	if a.Message != "" {
		return string(a.Message)
	}
	return string(a.Description)
}

func (d wireDenied) clean(r *redactor) AccessDenied {
	if d == (wireDenied{}) {
		return AccessDenied{}
	}
	diagnostic := r.scrub(cut(d.EncodedDiagnosticMessage))
	if len(diagnostic) > maxDiagnosticBytes || diagnostic != printable(diagnostic) {
		diagnostic = "" // a part of it could not be decoded
	}
	return AccessDenied{
		Action:                   r.short(d.AuthAction),
		PrincipalType:            r.short(d.AuthPrincipalType),
		PrincipalOwnerID:         r.short(d.AuthPrincipalOwnerID),
		PrincipalDisplayName:     r.short(d.AuthPrincipalDisplayName),
		PolicyType:               r.short(d.PolicyType),
		NoPermissionType:         r.short(d.NoPermissionType),
		EncodedDiagnosticMessage: diagnostic,
	}
}

// looseText is a JSON string that the service has been seen to write as a number.
type looseText string

// UnmarshalJSON accepts a string, a number or null.
func (t *looseText) UnmarshalJSON(data []byte) error {
	switch c := data[0]; {
	case c == '"':
		return json.Unmarshal(data, (*string)(t))
	case c == '-', '0' <= c && c <= '9':
		*t = looseText(data)
	case c != 'n':
		return errors.New("want a text")
	}
	return nil
}

// cutStringToSign ends a signature error's message before the string to sign that
// the service echoes: key id and token stand in it.
func cutStringToSign(message string) string {
	lower := strings.ToLower(message)
	for _, mark := range []string{"server string to sign", "server stringtosign", "stringtosign is", "string to sign is", "canonicalrequest is"} {
		if i := strings.Index(lower, mark); i >= 0 && len(lower) == len(message) {
			return strings.TrimRight(message[:i], " ,;:.") + "."
		}
	}
	return message
}

// describeBody tells what came in place of an answer of the service.
func describeBody(body []byte, readErr error, r *redactor) string {
	switch {
	case readErr != nil && len(body) == 0:
		return "the answer's body did not arrive"
	case errors.Is(readErr, errBodyTooLong):
		return "the answer is longer than any of the service's"
	case readErr != nil:
		return "the answer was cut short"
	}
	// Scrubbed before it is cut: half a secret would not be recognized.
	const read, shown = 4 << 10, 120
	text := r.unknownText(string(body[:min(len(body), read)]))
	if text == "" {
		return "an answer without a body"
	}
	if len(text) > shown {
		text = beginning(text, shown) + "…"
	}
	return "not an answer of the service: " + strconv.Quote(text)
}

func redirectMessage(location string) string {
	host := "nowhere"
	if u, err := url.Parse(location); err == nil && u.Host != "" {
		host = "the host " + strconv.Quote(u.Hostname())
	} else if location != "" {
		host = "another path"
	}
	return "redirected to " + host + "; redirects are not followed"
}

// retryAfter returns the largest hint of an answer, or 0. All are in milliseconds.
func retryAfter(header http.Header) time.Duration {
	longest := milliseconds(header.Get("X-Acs-Retry-After"))
	for _, name := range []string{"X-Ratelimit-User-Api", "X-Ratelimit-User"} {
		for rest := header.Get(name); rest != ""; {
			var part string
			part, rest, _ = strings.Cut(rest, ",")
			if key, value, _ := strings.Cut(part, ":"); strings.EqualFold(strings.TrimSpace(key), "TimeLeft") {
				longest = max(longest, milliseconds(value))
			}
		}
	}
	return longest
}

func milliseconds(text string) time.Duration {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n <= 0 {
		return 0
	}
	return time.Duration(min(n, int64(maxRetryAfter/time.Millisecond))) * time.Millisecond
}
