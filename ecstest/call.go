package ecstest

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// ReceivedCall is a call as the server received it. It holds what the client sent,
// secrets included.
type ReceivedCall struct {
	// Time is when the call was received, by time.Now and not by the server's
	// clock.
	Time   time.Time
	Action string
	// InstanceID is the instance that the call names; several instances of a
	// list are separated by commas.
	InstanceID        string
	ForceStop, DryRun bool
	Method            string
	// SignatureVersion is "1.0" if the call's action, nonce and time are
	// parameters, "ACS3-HMAC-SHA256" if they are headers.
	SignatureVersion string
	Nonce            string
	AccessKeyID      string // empty with a bearer token
	Query, Form      url.Values
	Header           http.Header
	Proto            string // like "HTTP/1.1"
	// Status and Code are those of the response. Status is 0 if no response was
	// sent, or not yet; Code is empty if the response has no error code.
	Status    int
	Code      string
	RequestID string
	Acted     bool     // an instance was really restarted
	Restarted []string // the ids of those that were
	Fault     FaultKind
	Conn      int // which connection of the server, from 1; 0 behind ServeHTTP
}

// LogValue gives slog the parameters and the response of the call, without the
// credentials that the client sent.
func (c ReceivedCall) LogValue() slog.Value {
	return slog.GroupValue(slog.String("action", c.Action), slog.String("instance_id", c.InstanceID), slog.Bool("force_stop", c.ForceStop),
		slog.Bool("dry_run", c.DryRun), slog.Int("status", c.Status), slog.String("code", c.Code), slog.String("request_id", c.RequestID),
		slog.Bool("acted", c.Acted), slog.String("fault", string(c.Fault)))
}

// Calls returns every call received so far, in order, including those that are
// still being served.
func (s *Server) Calls() []ReceivedCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := make([]ReceivedCall, len(s.calls))
	for i, c := range s.calls {
		calls[i] = *c
	}
	return calls
}

// ForgetCalls empties the list that Calls returns, for servers that run for a
// long time.
func (s *Server) ForgetCalls() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = nil
}

// receive records the call and uses up its nonce; fresh is false if that was
// used before.
func (s *Server) receive(r *http.Request, req *request) (call *ReceivedCall, fresh bool) {
	conn, _ := r.Context().Value(connectionKey{}).(int)
	forceStop, _ := req.boolean("ForceStop")
	dryRun, _ := req.boolean("DryRun")
	call = &ReceivedCall{
		Time: time.Now(), Action: req.action, InstanceID: strings.Join(req.ids, ","), ForceStop: forceStop, DryRun: dryRun,
		Method: req.method, SignatureVersion: req.style, Nonce: req.nonce, AccessKeyID: req.keyID,
		Query: req.query, Form: req.form, Header: req.header.Clone(), Proto: r.Proto,
		RequestID: newRequestID(), Conn: conn,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call)
	return call, req.nonce == "" || s.nonces.use(req.nonce, call.Time)
}

// settle records the status and code of the response and calls OnCall.
func (s *Server) settle(call *ReceivedCall, status int, code string) {
	s.mu.Lock()
	call.Status, call.Code = status, code
	settled := *call
	s.mu.Unlock()
	if s.options.OnCall != nil {
		s.options.OnCall(settled)
	}
}
