package ecstest

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// answer is what a call is answered with, before it is written as JSON or XML.
type answer struct {
	status        int
	code, message string // of an error
	denied        *accessDenied
	payload       payload // of a success
	header        http.Header
	raw           *string // a body sent as it is, by a fault
}

// payload is the body of a successful answer.
type payload interface{ identify(requestID string) }

type rebootPayload struct {
	RequestID string `json:"RequestId" xml:"RequestId"`
}

func (p *rebootPayload) identify(requestID string) { p.RequestID = requestID }

type errorPayload struct {
	XMLName   xml.Name      `json:"-" xml:"Error"`
	RequestID string        `json:"RequestId" xml:"RequestId"`
	HostID    string        `json:"HostId" xml:"HostId"`
	Code      string        `json:"Code" xml:"Code"`
	Message   string        `json:"Message" xml:"Message"`
	Recommend string        `json:"Recommend" xml:"Recommend"`
	Denied    *accessDenied `json:"AccessDeniedDetail,omitempty" xml:"AccessDeniedDetail,omitempty"`
}

type accessDenied struct {
	AuthAction               string
	AuthPrincipalType        string
	AuthPrincipalOwnerID     string `json:"AuthPrincipalOwnerId" xml:"AuthPrincipalOwnerId"`
	AuthPrincipalDisplayName string
	PolicyType               string
	NoPermissionType         string
	EncodedDiagnosticMessage string
}

// forbidden is the answer to a call that Options.Allow denies.
func forbidden(req *request) *answer {
	a := documented(req.product.denied)
	a.denied = &accessDenied{
		AuthAction:               req.product.prefix + ":" + req.action,
		AuthPrincipalType:        "SubUser",
		AuthPrincipalOwnerID:     accountID,
		AuthPrincipalDisplayName: "200000000000000001",
		PolicyType:               "AccountLevelIdentityBasedPolicy",
		NoPermissionType:         "ImplicitDeny",
		EncodedDiagnosticMessage: "AQEAAAAAZWNzdGVzdA==",
	}
	if req.securityToken != "" {
		a.denied.AuthPrincipalType = "AssumedRoleUser"
		a.denied.AuthPrincipalDisplayName = "ecstest:session"
	}
	return a
}

// render returns the body and its content type. Like the service, it does not indent
// the body.
func (a *answer) render(req *request, requestID string) (body []byte, contentType string, err error) {
	if a.raw != nil {
		return []byte(*a.raw), "", nil
	}
	var content any
	root := xml.StartElement{Name: xml.Name{Local: "Error"}}
	if a.code != "" {
		content = errorPayload{
			RequestID: requestID, HostID: req.hostname(), Code: a.code, Message: a.message, Denied: a.denied,
			Recommend: "https://api.aliyun.com/troubleshoot?q=" + url.QueryEscape(a.code) + "&product=" + req.product.name + "&requestId=" + requestID,
		}
	} else {
		a.payload.identify(requestID)
		content = a.payload
		root.Name.Local = req.action + "Response"
	}
	var b bytes.Buffer
	if req.xml {
		b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>`)
		err = xml.NewEncoder(&b).EncodeElement(content, root)
		return b.Bytes(), "text/xml;charset=utf-8", err
	}
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err = encoder.Encode(content)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), "application/json;charset=utf-8", err
}

// writeHeader sends the status and the headers of an answer of the service, or
// only the bare ones of a raw answer.
func (a *answer) writeHeader(w http.ResponseWriter, now time.Time, contentType, requestID string, length int) {
	h := w.Header()
	h.Set("Date", now.UTC().Format(http.TimeFormat))
	h.Set("Content-Length", strconv.Itoa(length))
	if a.raw == nil {
		h.Set("Content-Type", contentType)
		h.Set("X-Acs-Request-Id", requestID)
		h.Set("X-Acs-Trace-Id", strings.ToLower(strings.ReplaceAll(newRequestID(), "-", "")))
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Expose-Headers", "*")
	}
	for name, values := range a.header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	w.WriteHeader(a.status)
}

// newRequestID returns a random UUID in capitals.
func newRequestID() string {
	var b [16]byte
	// Read never fails: it ends the program first.
	_, _ = rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := strings.ToUpper(hex.EncodeToString(b[:]))
	return fmt.Sprintf("%s-%s-%s-%s-%s", h[:8], h[8:12], h[12:16], h[16:20], h[20:])
}
