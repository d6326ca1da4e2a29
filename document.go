package ecsreboot

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// document is what the body of a response says, as it was received.
type document struct {
	requestID   string
	code        string
	message     string
	description string
	hostID      string
	recommend   string
	denied      wireDenied
	failure     bool // a member speaks of failure, or the root is Error
}

// text is the message of an error.
func (d *document) text() string {
	if d.message != "" {
		return d.message
	}
	return d.description
}

// member is one member of a JSON object, or one child of an XML element.
type member struct {
	name   string
	kind   kind
	text   string   // a text, number or boolean
	nested []member // of AccessDeniedDetail; nil for every other member
}

type kind uint8

const (
	kindNull kind = iota
	kindText
	kindNumber
	kindBool
	kindNested
)

// readDocument reads the body of a response to an action, and reports whether it is
// a well-formed document of the service: one JSON object, or one XML element. A
// document that can be read in two ways is not well-formed.
//
// XML is what the service sends if a proxy drops the Accept header or the Format
// parameter.
func readDocument(action string, body []byte) (document, bool) {
	if id, ok := plainConsent(body); ok {
		return document{requestID: id}, true
	}
	var d document
	readable := false
	switch {
	case bytes.HasPrefix(body, []byte("<")):
		root, ok := readXML(body)
		d.failure = root.name == "Error"
		readable = ok && (d.failure || root.name == action+"Response") && d.take(root.nested, equal)
	case bytes.HasPrefix(body, []byte("{")) && json.Valid(body):
		// The service has written its keys in several cases.
		readable = d.take(jsonObject(body), strings.EqualFold)
	}
	if !readable {
		return document{}, false // nothing of it, rather than half of it
	}
	return d, true
}

// trimBody removes what may stand around a document: a byte order mark and space.
func trimBody(body []byte) []byte {
	return bytes.Trim(bytes.TrimPrefix(body, []byte("\ufeff")), " \t\r\n")
}

// plainConsent reads {"RequestId":"…"}, the usual response to a restart, without
// json.Valid and jsonObject, which take more than a tenth of a whole call. It does not
// read what differs from that by a byte.
func plainConsent(body []byte) (requestID string, ok bool) {
	const head, tail = `{"RequestId":"`, `"}`
	if len(body) <= len(head)+len(tail) || string(body[:len(head)]) != head || string(body[len(body)-len(tail):]) != tail {
		return "", false
	}
	requestID = string(body[len(head) : len(body)-len(tail)])
	return requestID, strings.Trim(requestID, idCharacters) == ""
}

// take fills the document from its members, and reports whether they are
// unambiguous and of the types that the service uses.
func (d *document) take(members []member, same func(a, b string) bool) bool {
	if !unique(members) {
		return false
	}
	fields := [...]struct {
		name   string
		to     *string
		number bool // the service has been seen to write it as a number
	}{
		{"RequestId", &d.requestID, false},
		{"Code", &d.code, true},
		{"Message", &d.message, true},
		{"Description", &d.description, true},
		{"HostId", &d.hostID, false},
		{"Recommend", &d.recommend, false},
	}
	for _, m := range members {
		d.failure = d.failure || speaksOfFailure(m)
		if same(m.name, "AccessDeniedDetail") && !d.denied.take(m.nested, same) {
			return false
		}
		for _, field := range fields {
			if m.kind == kindNull || !same(m.name, field.name) {
				continue
			}
			if m.kind != kindText && (m.kind != kindNumber || !field.number) {
				return false
			}
			*field.to = m.text
		}
	}
	return true
}

// wireDenied is the AccessDeniedDetail of an error.
type wireDenied struct {
	action, principalType, principalOwnerID, principalDisplayName, policyType, noPermissionType, diagnostic string
}

func (d *wireDenied) take(members []member, same func(a, b string) bool) bool {
	if !unique(members) {
		return false
	}
	for _, m := range members {
		for _, field := range [...]struct {
			name string
			to   *string
		}{
			{"AuthAction", &d.action},
			{"AuthPrincipalType", &d.principalType},
			{"AuthPrincipalOwnerId", &d.principalOwnerID},
			{"AuthPrincipalDisplayName", &d.principalDisplayName},
			{"PolicyType", &d.policyType},
			{"NoPermissionType", &d.noPermissionType},
			{"EncodedDiagnosticMessage", &d.diagnostic},
		} {
			if m.kind == kindText && same(m.name, field.name) {
				*field.to = m.text
			}
		}
	}
	return true
}

// unique reports whether no two members have the same name, whatever their case.
func unique(members []member) bool {
	var names nameSet
	for _, m := range members {
		if !names.add([]byte(m.name)) {
			return false
		}
	}
	return true
}

// failureSigns is the list of what speaks of failure: a document with one of these
// members is no success, whatever its status. A success has a RequestId and the data
// that was asked for; only the errors of the service, and of gateways and proxies in
// front of it, have these. A member that is null is absent; an empty one is there.
var failureSigns = [...]struct {
	word    string // folded
	in      func(name, word string) bool
	notTrue bool // speaks of failure unless its value is true
}{
	{"CODE", equal, false},
	{"MESSAGE", equal, false},
	{"MSG", equal, false},
	{"DESCRIPTION", equal, false},
	{"RECOMMEND", equal, false},
	{"ACCESSDENIEDDETAIL", equal, false},
	{"ERR", strings.HasPrefix, false},  // errors, errCode, ErrMsg
	{"ERROR", strings.Contains, false}, // ErrorCode, lastError
	{"FAULT", strings.HasPrefix, false},
	{"FAIL", strings.Contains, false}, // Failed, FailureReason
	{"EXCEPTION", strings.Contains, false},
	{"SUCCESS", strings.Contains, true}, // isSuccess, Successful
	{"SUCCEEDED", equal, true},
	{"OK", equal, true},
}

func equal(a, b string) bool { return a == b }

func speaksOfFailure(m member) bool {
	if m.kind == kindNull {
		return false
	}
	name := string(fold(nil, []byte(m.name)))
	for _, sign := range failureSigns {
		if sign.in(name, sign.word) && (!sign.notTrue || !strings.EqualFold(m.text, "true")) {
			return true
		}
	}
	return false
}

// readXML reads a document of two levels: a root, and children that hold a text
// each. Only AccessDeniedDetail holds children of its own. Attributes, namespaces,
// comments, CDATA, processing instructions and DTDs are not used by the service, and
// what reads them differs from reader to reader: with one of them, nothing is read.
func readXML(body []byte) (root member, ok bool) {
	if bytes.Contains(body, []byte("<![CDATA[")) { // its token would look like a text
		return member{}, false
	}
	decoder := xml.NewDecoder(bytes.NewReader(body))
	var open []member
	for first := true; ; first = false {
		token, err := decoder.Token()
		switch {
		case errors.Is(err, io.EOF):
			return root, root.name != ""
		case err != nil:
			return member{}, false
		}
		depth := len(open)
		switch token := token.(type) {
		case xml.ProcInst:
			if !first || token.Target != "xml" {
				return member{}, false
			}
		case xml.StartElement:
			mayNest := depth == 0 && root.name == "" || depth == 1 || depth == 2 && open[1].name == "AccessDeniedDetail"
			if !mayNest || token.Name.Space != "" || len(token.Attr) > 0 {
				return member{}, false
			}
			open = append(open, member{name: token.Name.Local, kind: kindText})
		case xml.CharData:
			if depth > 1 && open[depth-1].nested == nil {
				open[depth-1].text += string(token)
			} else if !isSpace(string(token)) {
				return member{}, false // a text beside the root or beside children
			}
		case xml.EndElement:
			closed := open[depth-1]
			open = open[:depth-1]
			if closed.nested != nil && !isSpace(closed.text) {
				return member{}, false // a text before children
			}
			if depth == 1 {
				root = closed
			} else {
				open[depth-2].nested = append(open[depth-2].nested, closed)
			}
		default: // a comment or a directive
			return member{}, false
		}
	}
}

func isSpace(text string) bool { return strings.Trim(text, " \t\r\n") == "" }
