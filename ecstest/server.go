package ecstest

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// Options describe a Server. The zero value describes a server that accepts the
// key testid with the secret testsecret and has no limits.
type Options struct {
	// Addr is the loopback host:port to listen on; default "127.0.0.1:0", a
	// free port. Other hosts are refused. NewInMemoryServer ignores Addr.
	Addr string
	// Region is the only region the server knows; default "cn-hangzhou".
	Region string
	// AccessKeyID and AccessKeySecret are the accepted key; give both or
	// none; default "testid" and "testsecret".
	AccessKeyID, AccessKeySecret string
	// If SecurityToken is set, the key is a temporary one, and requests must
	// include the token.
	SecurityToken string
	// If BearerToken is set, the server accepts it in place of a signature.
	BearerToken string
	// LimitPerMinute is how many calls of each action are let through in a
	// minute of the server's clock; 0 or less sets no limit. The response to a
	// call above the limit is 400 Throttling.User, and the call is not counted.
	LimitPerMinute int
	// LimitBurst, if positive, makes the limit a token bucket instead of a count
	// per clock minute: the bucket holds LimitBurst calls, is full at first, and
	// gains LimitPerMinute/60 calls a second. LimitBurst needs LimitPerMinute.
	LimitBurst int
	// ThrottleHint is the header in which a Throttling.User response says how long
	// to wait until the server lets calls through again; default NoHint.
	ThrottleHint HintHeader
	// LegacyErrors chooses the codes and texts of the older ECS layer for
	// errors of signature, clock, key and token: IncompleteSignature for
	// SignatureDoesNotMatch, IllegalTimestamp for InvalidTimeStamp.Expired,
	// MissingParameter for MissingSignature, and so on.
	LegacyErrors bool
	// Allow reports whether the caller may perform action; nil allows everything.
	// The instanceID is empty for lists. The response to a denied list is an
	// empty list; the response to any other denied call is 403 Forbidden.RAM.
	// The server holds no mutex during the call, so Allow may call the server's
	// methods, except Close.
	Allow func(action, instanceID string) bool
	// MaxPage limits the number of instances on a page of DescribeInstances,
	// whatever MaxResults asks for; the NextToken continues the list, as on the
	// service's own partial pages. 0 or less sets no limit.
	MaxPage int
	// IdleTimeout is how long a connection may be idle before the server
	// closes the connection; 0 means for ever. ServeHTTP ignores IdleTimeout.
	IdleTimeout time.Duration
	// AuditDelay is how long after a call LookupEvents shows its event, by the server's
	// clock. Default 10 minutes; a negative AuditDelay means at once.
	AuditDelay time.Duration
	// StateChangeDelay is how long after a change of status DescribeSystemEventAttribute
	// shows the change, by the server's clock. Default 30 s; a negative StateChangeDelay
	// means at once.
	StateChangeDelay time.Duration
	// RunCommand runs a script that the operation RunCommand sends to an instance with
	// RepeatMode Once, and returns its output and its exit code. RunCommand is not called for
	// "cat /proc/sys/kernel/random/boot_id", which the server runs itself. If RunCommand is
	// nil, the server refuses other scripts as NotImplementedByEcstest. The server holds no
	// mutex during the call, so the function may call the server's methods, except Close.
	RunCommand func(instanceID, script string) (output string, exitCode int)
	// OnCall is called for each call once the outcome of the call is certain: right
	// before the server sends the end of the response or cuts the connection, so
	// OnCall runs before the client sees the outcome. The server calls OnCall from
	// several goroutines. The server holds no mutex during the call, so OnCall may
	// call the server's methods, except Close.
	OnCall func(ReceivedCall)
	// OnStatus is called, in order and never concurrently, whenever the status
	// that reads return for an instance changes. The server holds no mutex during
	// the call, so OnStatus may call the server's methods, except Close.
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

	mu           sync.Mutex // never held across a wait or a callback
	closed       bool
	offset       time.Duration
	keys         map[string]key
	expired      map[string]bool // tokens that were accepted once
	nonces       nonceStore
	quotas       map[string]quota // of Options
	ecsActions   []string         // that ECS has here, in order
	seconds      map[string]quota // of operations that have a limit of their own
	audits       recordStore[auditRecord]
	stateChanges recordStore[stateChange]
	invocations  recordStore[*invocation]
	tokens       map[string]*invocation // by ClientToken
	faults       []*armedFault
	calls        []*ReceivedCall
	connections  int
	machines     map[string]*machine
	added        int
	reboots      map[string]int
	total        int
	changes      []statusChange // not reported yet
	telling      bool
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
// over connections in memory. The server works inside a testing/synctest bubble
// if it is created and closed there.
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
	actions := slices.DeleteFunc(slices.Sorted(maps.Keys(operations)), func(action string) bool { return productOf(action) != productECS })
	return &Server{
		ecsActions: actions,
		options:    o,
		done:       make(chan struct{}),
		keys:       map[string]key{o.AccessKeyID: {secret: o.AccessKeySecret, token: o.SecurityToken}},
		expired:    map[string]bool{},
		quotas:     map[string]quota{},
		tokens:     map[string]*invocation{},
		seconds:    map[string]quota{},
		reboots:    map[string]int{},
		machines:   map[string]*machine{},
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

// HTTPClient returns a new client that reaches the server. If the server is in
// memory, the client's transport dials the server, whatever the address is;
// otherwise the client is a plain one.
func (s *Server) HTTPClient() *http.Client {
	if memory, ok := s.listener.Listener.(*memoryListener); ok {
		return &http.Client{Transport: &http.Transport{DialContext: memory.dial}}
	}
	return &http.Client{Transport: &http.Transport{}}
}

// Close ends everything: the listener, the connections, the calls that hang,
// the timers. Close returns when no call is being served any more. It may be
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
// server's clock sets the Date of responses, the check of time stamps and the
// minutes of flow control; how long a restart takes does not depend on that
// clock.
func (s *Server) SetClockOffset(offset time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, m := range s.machines { // by the clock until now
		s.note(m, now)
		m.runScheduled(now, s.offset)
	}
	s.offset = offset
}

// now is the time by the server's clock.
func (s *Server) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.offset)
}

// Connections returns how many connections the server has accepted so far,
// including those that a FaultRefuse hit.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connections
}
