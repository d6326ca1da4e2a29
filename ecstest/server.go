package ecstest

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// Options describe a Server. The zero value is a server that accepts the key
// testid with the secret testsecret and limits nothing.
type Options struct {
	// Addr is the loopback host:port to listen on; default "127.0.0.1:0", a
	// free port. Other hosts are refused. NewInMemoryServer ignores it.
	Addr string
	// Region is the only region the server knows; default "cn-hangzhou".
	Region string
	// AccessKeyID and AccessKeySecret are the accepted key; give both or
	// none; default "testid" and "testsecret".
	AccessKeyID, AccessKeySecret string
	// SecurityToken makes the key a temporary one that must come with it.
	SecurityToken string
	// BearerToken is accepted in place of a signature when set.
	BearerToken string
	// LimitPerMinute is how many calls of each action are let through in a
	// minute of the server's clock; 0 or less sets no limit. The server answers
	// calls above the limit with 400 Throttling.User and does not count them.
	LimitPerMinute int
	// LimitBurst, if positive, makes the limit a token bucket in place of the
	// windows: the bucket holds LimitBurst calls, is full at first, and gains
	// LimitPerMinute/60 calls a second. It needs LimitPerMinute.
	LimitBurst int
	// ThrottleHint is the header in which a Throttling.User response says how long
	// to wait until the server lets calls through again; default NoHint.
	ThrottleHint HintHeader
	// LegacyErrors chooses the codes and texts of the older ECS layer for
	// errors of signature, clock, key and token: IncompleteSignature for
	// SignatureDoesNotMatch, IllegalTimestamp for InvalidTimeStamp.Expired,
	// MissingParameter for MissingSignature, and so on.
	LegacyErrors bool
	// Allow reports whether the caller may do action; nil allows everything.
	// The id is empty for lists. The server answers a denied call with 403
	// Forbidden.RAM, except a list, which comes back empty. No lock is held.
	Allow func(action, instanceID string) bool
	// MaxPage is how many instances a page of DescribeInstances holds at most,
	// however many MaxResults asks for; the NextToken leads on, as it does on
	// the service's own partial pages. 0 or less sets no limit.
	MaxPage int
	// IdleTimeout is how long a connection may be idle before the server
	// closes it; 0 means for ever. It does not concern ServeHTTP.
	IdleTimeout time.Duration
	// OnCall is called for each call once its outcome is certain: right before the
	// server sends the end of the response or cuts the connection, so OnCall runs
	// before the client sees the outcome. The server calls it from several
	// goroutines and holds no lock. OnCall must not call Close.
	OnCall func(ReceivedCall)
	// OnStatus is called when the status that reads show of an instance has
	// changed, in order, once at a time. No lock is held. OnStatus must not call
	// Close.
	OnStatus func(id string, status ecsreboot.Status)
}

// Server is a fake ECS service. It is safe for concurrent use.
type Server struct {
	// URL is the endpoint, without a path; "http://127.0.0.1:1" in memory.
	URL string

	options  Options
	listener *listener
	http     *http.Server
	done     chan struct{} // closed by Close
	running  sync.WaitGroup

	mu          sync.Mutex // never held across a wait or a callback
	closed      bool
	offset      time.Duration
	keys        map[string]key
	expired     map[string]bool // tokens that were accepted once
	nonces      nonceStore
	quotas      map[string]quota
	faults      []*armedFault
	calls       []*ReceivedCall
	connections int
	machines    map[string]*machine
	added       int
	reboots     map[string]int
	total       int
	changes     []statusChange // not reported yet
	telling     bool
}

// NewServer starts a server on a loopback socket.
func NewServer(o Options) (*Server, error) {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	s, err := newServer(o)
	if err != nil {
		return nil, err
	}
	socket, err := listenLoopback(o.Addr)
	if err != nil {
		return nil, err
	}
	s.URL = "http://" + socket.Addr().String()
	s.start(socket)
	return s, nil
}

// NewInMemoryServer starts a server that is reached only through HTTPClient,
// over connections in memory. It works inside a testing/synctest bubble, if
// it is created and closed there.
func NewInMemoryServer(o Options) (*Server, error) {
	s, err := newServer(o)
	if err != nil {
		return nil, err
	}
	s.URL = "http://" + memoryAddr
	s.start(newMemoryListener())
	return s, nil
}

func newServer(o Options) (*Server, error) {
	if (o.AccessKeyID == "") != (o.AccessKeySecret == "") {
		return nil, errors.New("ecstest: AccessKeyID and AccessKeySecret: give both or none")
	}
	if o.AccessKeyID == "" {
		o.AccessKeyID, o.AccessKeySecret = "testid", "testsecret"
	}
	if o.Region == "" {
		o.Region = "cn-hangzhou"
	}
	if o.LimitBurst > 0 && o.LimitPerMinute <= 0 {
		return nil, errors.New("ecstest: LimitBurst needs LimitPerMinute")
	}
	if !slices.Contains(hintHeaders, o.ThrottleHint) {
		return nil, fmt.Errorf("ecstest: unknown ThrottleHint %q", o.ThrottleHint)
	}
	return &Server{
		options:  o,
		done:     make(chan struct{}),
		keys:     map[string]key{o.AccessKeyID: {secret: o.AccessKeySecret, token: o.SecurityToken}},
		expired:  map[string]bool{},
		quotas:   map[string]quota{},
		reboots:  map[string]int{},
		machines: map[string]*machine{},
	}, nil
}

func (s *Server) start(inner net.Listener) {
	s.listener = &listener{Listener: inner, server: s}
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: time.Minute,
		IdleTimeout:       s.options.IdleTimeout,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		ConnContext:       s.numberConnection,
	}
	s.running.Go(func() {
		// Serve ends only when the listener is closed, by Close.
		_ = s.http.Serve(s.listener)
	})
}

// HTTPClient returns a new client that reaches the server: in memory one whose
// transport dials the server whatever the address is, else a plain one.
func (s *Server) HTTPClient() *http.Client {
	if memory, ok := s.listener.Listener.(*memoryListener); ok {
		return &http.Client{Transport: &http.Transport{DialContext: memory.dial}}
	}
	return &http.Client{Transport: &http.Transport{}}
}

// Close ends everything: the listener, the connections, the calls that hang,
// the timers. It returns when no call is being served any more. It may be
// called more than once, but not from OnCall, OnStatus or Allow.
func (s *Server) Close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.done)
		for _, m := range s.machines {
			m.stopTimer()
		}
	}
	s.mu.Unlock()
	// The error is the listener's, which ends whatever it says.
	_ = s.http.Close()
	s.running.Wait()
}

// begin counts something that Close has to wait for; it is false after Close.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.running.Add(1)
	return true
}

// SetClockOffset makes the server's clock differ from time.Now by offset. The
// server's clock dates answers, judges time stamps and cuts the minutes of
// flow control; the course of a restart does not depend on it.
func (s *Server) SetClockOffset(offset time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset = offset
}

// now is the time by the server's clock.
func (s *Server) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.offset)
}

// Connections returns how many connections were accepted so far, refused ones
// included.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connections
}
