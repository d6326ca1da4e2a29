package document

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Document is what the body of a response says, as it was received: the texts in it
// may hold secrets.
type Document struct {
	RequestID   string
	Code        string
	Message     string
	Description string // what some responses have in place of a message
	HostID      string
	Recommend   string
	Denied      Denied
	Failure     bool // a member speaks of failure, or the root is Error
}

// Denied is the AccessDeniedDetail of an error. It is zero if there is none.
type Denied struct {
	Action, PrincipalType, PrincipalOwnerID, PrincipalDisplayName string
	PolicyType, NoPermissionType                                  string
	Diagnostic                                                    string // the EncodedDiagnosticMessage
}

// Text returns the message of an error.
func (d *Document) Text() string {
	if d.Message != "" {
		return d.Message
	}
	return d.Description
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

// Read reads the body of a response to an action, and reports whether it is a
// well-formed document of the service: one JSON object, or one XML element. Nothing may
// stand around the document: see [Trim]. A document that can be read in two ways is not
// well-formed, and nothing of it is returned.
//
// The list is the name of the member that holds the list of a page, which [JSON] reads, or
// "" if the action has no list.
//
// The service sends XML if a proxy drops the Accept header or the Format parameter.
func Read(action, list string, body []byte) (Document, bool) {
	if id, ok := plainConsent(body); ok {
		return Document{RequestID: id}, true
	}
	var d Document
	readable := false
	switch {
	case bytes.HasPrefix(body, []byte("<")):
		root, ok := readXML(body, list)
		d.Failure = root.name == "Error"
		readable = ok && (d.Failure || root.name == action+"Response") && d.take(root.nested, equal)
	case bytes.HasPrefix(body, []byte("{")) && json.Valid(body):
		// The service has written its keys in several cases.
		readable = d.take(jsonObject(body), strings.EqualFold)
	}
	if !readable {
		return Document{}, false // nothing of it, rather than half of it
	}
	return d, true
}

// Trim removes what may stand around a document: a byte order mark and space.
func Trim(body []byte) []byte {
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
	return requestID, strings.Trim(requestID, plainCharacters) == ""
}

// plainCharacters stand for themselves in JSON, and in whatever prints them.
const plainCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._"

// take fills the document from its members, and reports whether they are
// unambiguous and of the types that the service uses.
func (d *Document) take(members []member, same func(a, b string) bool) bool {
	if !unique(members) {
		return false
	}
	fields := [...]struct {
		name   string
		to     *string
		number bool // the service has been seen to write it as a number
	}{
		{"RequestId", &d.RequestID, false},
		{"Code", &d.Code, true},
		{"Message", &d.Message, true},
		{"Description", &d.Description, true},
		{"HostId", &d.HostID, false},
		{"Recommend", &d.Recommend, false},
	}
	for _, m := range members {
		d.Failure = d.Failure || speaksOfFailure(m)
		if same(m.name, "AccessDeniedDetail") && !d.Denied.take(m.nested, same) {
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

func (d *Denied) take(members []member, same func(a, b string) bool) bool {
	if !unique(members) {
		return false
	}
	for _, m := range members {
		for _, field := range [...]struct {
			name string
			to   *string
		}{
			{"AuthAction", &d.Action},
			{"AuthPrincipalType", &d.PrincipalType},
			{"AuthPrincipalOwnerId", &d.PrincipalOwnerID},
			{"AuthPrincipalDisplayName", &d.PrincipalDisplayName},
			{"PolicyType", &d.PolicyType},
			{"NoPermissionType", &d.NoPermissionType},
			{"EncodedDiagnosticMessage", &d.Diagnostic},
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
