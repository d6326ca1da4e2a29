package ecstest

import (
	"maps"
	"net/http"
	"slices"
	"time"
)

// FaultKind is what goes wrong with a call.
type FaultKind string

// The kinds of faults. Except for FaultHang and FaultStall, faults that give the
// client no response cut the connection; over HTTP/2 they reset the stream.
const (
	// FaultRefuse resets a connection as soon as the server accepts it. The
	// fault hits new connections, whatever call they are for, and leaves no
	// ReceivedCall. It needs the server's own listener. On a socket, the client
	// may see either a failed dial or a connection that breaks at once; in
	// memory it always sees the latter.
	FaultRefuse FaultKind = "refuse"
	// FaultDrop resets the connection in place of a response.
	FaultDrop FaultKind = "drop"
	// FaultFIN closes the connection in good order in place of a response.
	FaultFIN FaultKind = "fin"
	// FaultHang sends no response; the fault ends when the client disconnects or
	// the server closes.
	FaultHang FaultKind = "hang"
	// FaultHalfStatusLine sends half a status line and closes the connection.
	FaultHalfStatusLine FaultKind = "half-status-line"
	// FaultTruncate sends the headers and half the body of a response, then
	// closes the connection. If Code is empty, the server carries the call out
	// and the response is that of the call; otherwise the response is the same
	// as with FaultError.
	FaultTruncate FaultKind = "truncate"
	// FaultStall is like FaultTruncate, but falls silent instead of closing the
	// connection.
	FaultStall FaultKind = "stall"
	// FaultError responds with Code (default InternalError). Status and Message
	// default to those documented for Code, or else to 500 and "".
	FaultError FaultKind = "error"
	// FaultAnswer sends Status, Header and Body as they are. If neither Status
	// nor Body is set, the response is a front proxy's 502 page; if only Body is
	// set, Status defaults to 200.
	FaultAnswer FaultKind = "answer"
	// FaultThrottle responds like FaultError, with Code Throttling.User by
	// default, and gives Hint in HintHeader.
	FaultThrottle FaultKind = "throttle"
	// FaultDelay responds as usual, after Delay. It is the default.
	FaultDelay FaultKind = "delay"
)

// FaultKinds returns all kinds of faults.
func FaultKinds() []FaultKind {
	return []FaultKind{
		FaultRefuse, FaultDrop, FaultFIN, FaultHang, FaultHalfStatusLine, FaultTruncate, FaultStall,
		FaultError, FaultAnswer, FaultThrottle, FaultDelay,
	}
}

// Fault makes calls go wrong. Except for FaultRefuse, it hits only calls that
// passed authentication and flow control; other calls get their usual error. The
// response to an unknown Kind is an InternalError that says so.
type Fault struct {
	Kind FaultKind
	// Action and InstanceID choose the calls; empty means any. A call that lists
	// several instances matches if one of them is InstanceID.
	Action, InstanceID string
	// Real makes dry runs pass: only calls that are not dry runs match.
	Real bool
	// The first Skip calls that match pass, and the next Times calls that match are
	// hit. A Times of 0 means one; a negative number means all.
	Skip, Times int
	// Act makes the server carry the call out before the fault shows. FaultDelay always
	// carries the call out, and so do FaultTruncate and FaultStall if Code is empty. With
	// all other faults, the call has no effect unless Act or Late is set.
	Act bool
	// Late, in place of Act, makes the server carry the call out this long after it
	// received the call, even if the client has given up by then. FaultDelay ignores
	// Late, and so do FaultTruncate and FaultStall if Code is empty.
	Late time.Duration
	// Refuse is the code with which the service refuses the call, even if the fault shows
	// the client something else. The server refuses the call in place of executing it,
	// at once or after Late, also without Act. ActionTrail records the refusal, as it
	// records that of a FaultError.
	Refuse string
	// Delay passes before the fault shows.
	Delay time.Duration
	// Status, Code and Message are those of the response; see the kinds.
	Status        int
	Code, Message string
	// Header is added to the header of the response; with FaultAnswer, it is the
	// whole header, except for what net/http adds. If the client gets the real
	// response to the call, as with FaultDelay, Header is ignored.
	Header http.Header
	Body   string
	// Hint is how long a FaultThrottle asks the client to wait, in the header
	// HintHeader. In a Fault, an empty HintHeader (NoHint) means HintRetryAfter;
	// leave Hint at 0 for no hint.
	Hint       time.Duration
	HintHeader HintHeader
}

type armedFault struct {
	Fault
	skip, left int
}

// Inject arms faults. Faults look at a call in the order of injection, until one
// hits it; a fault that skips the call counts it and passes it on to the next.
func (s *Server) Inject(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		if f.Kind == "" {
			f.Kind = FaultDelay
		}
		f.Header = f.Header.Clone()
		s.faults = append(s.faults, &armedFault{Fault: f, skip: f.Skip, left: max(f.Times, -1)})
		if f.Times == 0 {
			s.faults[len(s.faults)-1].left = 1
		}
	}
}

// ClearFaults disarms all faults. Faults that are already in progress continue.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// takeFault returns the fault that hits what matches, or nil. The lock is held.
func (s *Server) takeFault(matches func(*armedFault) bool) *Fault {
	for _, f := range s.faults {
		switch {
		case f.left == 0 || !matches(f):
		case f.skip > 0:
			f.skip--
		default:
			f.left = max(f.left-1, -1)
			return &f.Fault
		}
	}
	return nil
}

// refuses counts a connection and reports whether a FaultRefuse hits it.
func (s *Server) refuses() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connections++
	return s.takeFault(func(f *armedFault) bool { return f.Kind == FaultRefuse }) != nil
}

// faultOf returns the fault that hits the call, or nil, and notes it.
func (s *Server) faultOf(req *request, call *ReceivedCall) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.takeFault(func(f *armedFault) bool {
		return f.Kind != FaultRefuse &&
			(f.Action == "" || f.Action == req.action) &&
			(!f.Real || !call.DryRun) &&
			(f.InstanceID == "" || slices.Contains(req.ids, f.InstanceID))
	})
	if f != nil {
		call.Fault = f.Kind
	}
	return f
}

// showsOwnAnswer reports whether the client gets the real response to the call.
func (f *Fault) showsOwnAnswer() bool {
	return f.Kind == FaultDelay || f.Code == "" && (f.Kind == FaultTruncate || f.Kind == FaultStall)
}

// refuses reports whether the fault shows that the service refused the call.
func (f *Fault) refuses() bool {
	switch f.Kind {
	case FaultError, FaultThrottle:
	case FaultTruncate, FaultStall:
		if f.Code == "" {
			return false
		}
	default:
		return false
	}
	return !isGatewayCode(f.answer(time.Time{}).code)
}

// refusal is the answer of the service to a call that Refuse hits.
func (f *Fault) refusal() *answer {
	refused := Fault{Kind: FaultError, Code: f.Refuse, Message: f.Message, Status: f.Status}
	return refused.answer(time.Time{})
}

// answer is what the fault shows in place of the call's own answer.
func (f *Fault) answer(now time.Time) *answer {
	if f.Kind == FaultAnswer {
		return f.rawAnswer()
	}
	code := f.Code
	switch {
	case code != "":
	case f.Kind == FaultThrottle:
		code = "Throttling.User"
	default:
		code = "InternalError"
	}
	a := documented(code)
	if f.Message != "" {
		a.message = f.Message
	}
	switch {
	case validStatus(f.Status):
		a.status = f.Status
	case a.status != 0:
	case f.Kind == FaultThrottle:
		a.status = http.StatusBadRequest
	default:
		a.status = http.StatusInternalServerError
	}
	a.header = http.Header{}
	if f.Kind == FaultThrottle && f.Hint > 0 {
		header := f.HintHeader
		if header == NoHint {
			header = HintRetryAfter
		}
		a.header = hint(header, 1, now.Add(f.Hint), now)
	}
	maps.Copy(a.header, f.Header)
	return a
}

const proxyPage = `<html><head><title>502 Bad Gateway</title></head>` +
	`<body><center><h1>502 Bad Gateway</h1></center><hr><center>tengine</center></body></html>`

func (f *Fault) rawAnswer() *answer {
	a := &answer{status: http.StatusOK, header: f.Header, raw: &f.Body}
	switch {
	case validStatus(f.Status):
		a.status = f.Status
	case f.Body == "":
		a.status = http.StatusBadGateway
		a.raw = new(proxyPage)
	}
	return a
}

// validStatus reports whether net/http can send status as a final status.
func validStatus(status int) bool { return status >= 200 && status <= 999 }
