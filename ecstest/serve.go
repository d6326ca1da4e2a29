package ecstest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// maxBody is far beyond any call of the operations; a longer one is answered
// 413 without a code, as a front proxy does.
const maxBody = 1 << 20

// ServeHTTP serves one call. A test can use it to put the server behind its own TLS,
// HTTP/2 or proxy server; FaultRefuse and Connections ignore such calls.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
		http.Error(w, "Request Entity Too Large", http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil || !s.begin() {
		panic(http.ErrAbortHandler) // net/http's way to close without an answer
	}
	defer s.running.Done()

	x := &exchange{server: s, w: w, r: r, req: parseRequest(r, body)}
	var fresh bool
	x.call, fresh = s.receive(r, x.req)
	refusal := s.authenticate(x.req, fresh)
	if refusal == nil {
		refusal = s.admit(x.req)
	}
	if refusal != nil {
		x.send(refusal)
		return
	}
	if f := s.faultOf(x.req, x.call); f != nil {
		x.fail(f)
		return
	}
	x.send(x.perform())
}

// exchange is a call and the way back to its client.
type exchange struct {
	server *Server
	w      http.ResponseWriter
	r      *http.Request
	req    *request
	call   *ReceivedCall
}

// perform carries the call out, and records the result.
func (x *exchange) perform() *answer { return x.audit(x.carryOut()) }

func (x *exchange) carryOut() *answer {
	op := operations[x.req.action]
	if name := x.req.firstOf(op.unimplemented); name != "" {
		return x.req.notImplemented("the parameter " + name)
	}
	if what := x.req.unclear(op.parameters); what != "" {
		return x.req.notImplemented(what)
	}
	return op.perform(x.server, x.req, x.call)
}

// later carries the call out after a while, unless the server is closed by then.
func (x *exchange) later(after time.Duration, perform func() *answer) {
	if !x.server.begin() {
		return
	}
	go func() {
		defer x.server.running.Done()
		timer := time.NewTimer(after)
		defer timer.Stop()
		select {
		case <-timer.C:
			perform()
		case <-x.server.done:
		}
	}()
}

// fail shows a fault.
func (x *exchange) fail(f *Fault) {
	perform := x.perform
	if f.Refuse != "" {
		perform = func() *answer { return x.audit(f.refusal()) }
	}
	var own *answer
	switch {
	case f.Act, f.Kind != FaultDelay && (f.showsOwnAnswer() || f.Refuse != "" && f.Late <= 0):
		own = perform()
	case f.Kind == FaultDelay:
	case f.Late > 0:
		x.later(f.Late, perform)
	case f.refuses():
		x.audit(f.answer(x.server.now()))
	}
	if f.Delay > 0 && !x.wait(time.After(f.Delay)) {
		x.cut()
	}
	if f.Kind == FaultDelay && own == nil {
		own = perform() // a client that left during the delay changes nothing
	}
	shown := own
	if !f.showsOwnAnswer() {
		shown = f.answer(x.server.now())
	}
	switch f.Kind {
	case FaultDrop:
		x.drop("")
	case FaultHalfStatusLine:
		x.drop("HTTP/1.1 20")
	case FaultFIN:
		x.cut()
	case FaultHang:
		x.wait(nil)
		x.cut()
	case FaultTruncate:
		x.sendHalf(shown)
		panic(http.ErrAbortHandler)
	case FaultStall:
		x.sendHalf(shown)
		x.wait(nil)
		panic(http.ErrAbortHandler)
	case FaultError, FaultAnswer, FaultThrottle, FaultDelay:
		x.send(shown)
	case FaultRefuse: // hits connections only
	default:
		unknown := documented("InternalError")
		unknown.message = fmt.Sprintf("ecstest: unknown fault kind %q", f.Kind)
		x.send(unknown)
	}
}

// wait waits for until and reports whether the client and the server are still there.
// If until is nil, it waits until one of them is gone.
func (x *exchange) wait(until <-chan time.Time) bool {
	select {
	case <-until:
		return true
	case <-x.r.Context().Done():
		return false
	case <-x.server.done:
		return false
	}
}

// send writes an answer.
func (x *exchange) send(a *answer) {
	body := x.open(a)
	// If the client is gone, nobody can receive the error.
	_, _ = x.w.Write(body)
}

// sendHalf sends the first half of an answer's body at once.
func (x *exchange) sendHalf(a *answer) {
	body := x.open(a)
	_, _ = x.w.Write(body[:len(body)/2])
	_ = http.NewResponseController(x.w).Flush()
}

// open settles the call with the answer, writes its headers and returns its
// body.
func (x *exchange) open(a *answer) []byte {
	body, contentType, err := a.render(x.req, x.call.RequestID)
	if err != nil {
		a = &answer{status: http.StatusInternalServerError, raw: new(err.Error())}
		body = []byte(*a.raw)
	}
	x.server.settle(x.call, a.status, a.code)
	a.writeHeader(x.w, x.server.now(), contentType, x.call.RequestID, len(body))
	return body
}

// cut settles the call without an answer and ends it by closing the connection
// in good order.
func (x *exchange) cut() {
	x.server.settle(x.call, 0, "")
	panic(http.ErrAbortHandler)
}

// drop settles the call without an answer and closes the connection: with a
// reset, or in good order after a last text.
func (x *exchange) drop(last string) {
	conn, _, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		x.cut() // HTTP/2 has no connection to give away
	}
	x.server.settle(x.call, 0, "")
	if last == "" {
		reset(conn)
		return
	}
	// A client that does not read must not hold up Close.
	_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = io.WriteString(conn, last)
	_ = conn.Close()
}
