package once

import (
	"context"
	"errors"
	"net"
	"net/http/httptrace"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/apart"
)

var (
	// ErrTimeLimit ends an attempt that took too long.
	ErrTimeLimit = errors.New("the time limit of the attempt is over")
	// ErrSecondSend refuses to send the request of an attempt again.
	ErrSecondSend = errors.New("refused to send a restart twice")
	// ErrRevoked refuses to send the request of an attempt that is over.
	ErrRevoked = errors.New("refused to send a restart that was given up")
)

// Attempt is one try to send one request. Its hooks may be called by any goroutine,
// also after it has ended.
type Attempt struct {
	transport *Transport
	ctx       context.Context //nolint:containedctx // of the request; the guard recognizes it
	cancel    context.CancelCauseFunc
	trace     httptrace.ClientTrace
	once      bool // a restart: its request must leave once
	limit     time.Duration
	timer     *time.Timer // ends the attempt when the limit is over

	mu      sync.Mutex
	entered bool    // the guard let it through …
	ours    bool    // … to an http.Transport under our rules
	failed  []error // what the guard returned
	left    bool    // there was a connection, so the request may have left
	leftAt  time.Time
	echoed  net.Conn // the connection that the hook of the guard reports right now
	revoked bool     // over: its request must not leave any more
}

type attemptKey struct{}

// Begin begins an attempt, which must be ended. The limit bounds the wait for a
// connection, and again the wait for the answer, so that a slow dial does not shorten
// the time that the service has to answer. The request of a restart leaves at most once.
func (t *Transport) Begin(ctx context.Context, limit time.Duration, restart bool) *Attempt {
	a := &Attempt{transport: t, once: restart, limit: limit}
	ctx, a.cancel = context.WithCancelCause(ctx)
	a.trace.GotConn = func(info httptrace.GotConnInfo) { a.gotConn(info.Conn) }
	a.ctx = httptrace.WithClientTrace(context.WithValue(ctx, attemptKey{}, a), &a.trace)
	a.timer = time.AfterFunc(limit, func() { a.cancel(ErrTimeLimit) })
	return a
}

// GiveUp revokes the attempt after an error of Send, and reports whether its request
// certainly did not leave and never will.
func (a *Attempt) GiveUp(err error) (unsent bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.revoked = true
	if !a.entered || !a.ours || a.left {
		return false
	}
	return slices.ContainsFunc(a.failed, func(failed error) bool { return is(err, failed) }) // or else another transport may have sent it
}

// End revokes the attempt and frees what it holds. The answer must have been read.
func (a *Attempt) End() {
	a.mu.Lock()
	a.revoked = true
	a.mu.Unlock()
	a.timer.Stop()
	a.cancel(nil)
}

// Cause returns why the attempt was ended: ErrTimeLimit, ErrSecondSend, the cause of
// the caller's context, or nil.
func (a *Attempt) Cause() error { return context.Cause(a.ctx) }

// SentAt returns when the request left, or the given time if no hook reported it.
func (a *Attempt) SentAt(otherwise time.Time) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.left {
		return a.leftAt
	}
	return otherwise
}

// gotConn is the hook on the context of the attempt, which is called before anything is
// written to a connection.
func (a *Attempt) gotConn(conn net.Conn) {
	a.mu.Lock()
	echo := a.echoed != nil && same(conn, a.echoed)
	a.mu.Unlock()
	if !echo {
		a.take(conn)
	}
}

// gotGuardedConn is the hook of the guard. It passes the report on to the hooks that a
// wrapper left on the context, which may end in that of the attempt: meanwhile a report
// of the same connection is an echo.
func (a *Attempt) gotGuardedConn(info httptrace.GotConnInfo, pass func(httptrace.GotConnInfo)) {
	a.take(info.Conn)
	if pass == nil {
		return
	}
	a.echo(info.Conn)
	defer a.echo(nil)
	pass(info)
}

func (a *Attempt) echo(conn net.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.echoed = conn
}

// take lets the request be written to the connection, or closes it.
func (a *Attempt) take(conn net.Conn) {
	if a.leaves() {
		return
	}
	_ = conn.Close() // the only way to stop what is about to be written
	a.cancel(ErrSecondSend)
}

// leaves reports whether the request may be written to one more connection.
func (a *Attempt) leaves() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.once && (a.revoked || a.left):
		return false
	case a.left:
		return true
	}
	a.left, a.leftAt = true, time.Now()
	a.timer.Reset(a.limit)
	return true
}

// same reports whether two connections are one. The type of a caller's dialer need not
// be comparable.
func same(a, b net.Conn) bool {
	if reflect.TypeOf(a) != reflect.TypeOf(b) || !reflect.ValueOf(a).Comparable() {
		return reflect.TypeOf(a) == reflect.TypeOf(b)
	}
	return a == b
}

// is answers as [errors.Is] does, and false if a method of the error panics.
func is(err, target error) (found bool) {
	defer apart.IgnorePanic()
	return errors.Is(err, target)
}

// enter reports why the guard must not let a request of the attempt through.
func (a *Attempt) enter(ours bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.once {
		if a.entered {
			a.failed = append(a.failed, ErrSecondSend)
			return ErrSecondSend
		}
		if a.revoked {
			return ErrRevoked
		}
	}
	a.entered, a.ours = true, ours
	return nil
}

// noteFailure remembers an error that the guard returns.
func (a *Attempt) noteFailure(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failed = append(a.failed, err)
}
