// Package hostile has callers' wrappers and networks that break the rules, for tests that
// hold the client to its promises among them.
package hostile

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// Run is what the kinds that were applied do to one client. All that is random is drawn
// when a kind is applied, so that a seed names one behaviour.
type Run struct {
	Names   []string           // of the kinds
	Options []ecsreboot.Option // with the wrappers
	Behind  sync.WaitGroup     // what goes on after a call

	random     *rand.Rand
	through    func(ctx context.Context, network, addr string) (net.Conn, error)
	otherError func() error
	conn       conduct
	// The first dials from dialFrom on fail.
	dialFrom, dialFails         int
	dialTime                    time.Duration
	dialDeaf                    bool // a dial goes on without its context
	hidesTrace, bringsTransport bool
	transports                  []*http.Transport

	mu        sync.Mutex
	dials     int
	dialedAt  time.Time     // the last time
	over      chan struct{} // closed: who dials is refused
	badWrites int
}

// New returns a run without any kind. The network dials by through; otherError returns
// the error of a call for another instance.
func New(random *rand.Rand, through func(ctx context.Context, network, addr string) (net.Conn, error), otherError func() error) *Run {
	return &Run{random: random, through: through, otherError: otherError, over: make(chan struct{})}
}

// Reseed replaces what the next kinds are drawn by.
func (r *Run) Reseed(random *rand.Rand) { r.random = random }

// UpTo draws a number from 0 to n-1.
func (r *Run) UpTo(n int) int { return r.random.IntN(n) }

// Is draws yes or no.
func (r *Run) Is() bool { return r.UpTo(2) == 1 }

// Choose draws one of several.
func Choose[T any](r *Run, choices ...T) T { return choices[r.UpTo(len(choices))] }

func (r *Run) oneTime(choices ...time.Duration) time.Duration { return Choose(r, choices...) }

// OwnTransport returns a transport on the network.
func (r *Run) OwnTransport() *http.Transport {
	own := &http.Transport{DialContext: r.Dial}
	r.transports = append(r.transports, own)
	return own
}

// CloseIdleConnections closes those of all transports.
func (r *Run) CloseIdleConnections() {
	for _, own := range r.transports {
		own.CloseIdleConnections()
	}
}
