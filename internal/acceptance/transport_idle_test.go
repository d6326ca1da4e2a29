package acceptance_test

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
)

// wire is a network in memory whose bytes, and whose closes, take a while in each
// direction.
type wire struct {
	latency  time.Duration
	accepted chan net.Conn
	done     chan struct{}
	dials    atomic.Int64
}

func newWire(latency time.Duration) *wire {
	return &wire{latency: latency, accepted: make(chan net.Conn), done: make(chan struct{})}
}

func (w *wire) dial(context.Context, string, string) (net.Conn, error) {
	w.dials.Add(1)
	client, clientEnd := net.Pipe()
	server, serverEnd := net.Pipe()
	go w.carry(clientEnd, serverEnd)
	go w.carry(serverEnd, clientEnd)
	time.Sleep(2 * w.latency)
	w.accepted <- server
	return client, nil
}

// carry delivers what is written on one side to the other, later.
func (w *wire) carry(from, to net.Conn) {
	type parcel struct {
		at   time.Time
		data []byte // nil: closed
	}
	parcels := make(chan parcel, 64)
	go func() {
		for p := range parcels {
			time.Sleep(time.Until(p.at))
			if p.data == nil {
				to.Close()
				continue
			}
			_, _ = to.Write(p.data) // a closed side loses it
		}
	}()
	defer close(parcels)
	for {
		data := make([]byte, 4096)
		n, err := from.Read(data)
		if err != nil {
			parcels <- parcel{at: time.Now().Add(w.latency)}
			return
		}
		parcels <- parcel{time.Now().Add(w.latency), data[:n]}
	}
}

// Accept, Close and Addr make it a net.Listener.
func (w *wire) Accept() (net.Conn, error) {
	select {
	case conn := <-w.accepted:
		return conn, nil
	case <-w.done:
		return nil, net.ErrClosed
	}
}

func (w *wire) Close() error   { close(w.done); return nil }
func (w *wire) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

// A service that closes idle connections meets a restart that is about to use one. The
// request is lost, or refused over a second connection; the outcome is unknown, never
// "not sent", and nothing arrives twice. How often that occurs is in docs/safety.md.
func TestServiceClosesIdleConnections(t *testing.T) {
	calls := 400
	if longTests {
		calls = 1000
	}
	for idle, share := range map[time.Duration]float64{time.Second: 0.02, 2 * time.Second: 0.02, 4 * time.Second: 0} {
		t.Run(idle.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := newWire(20 * time.Millisecond)
				var arrived atomic.Int64
				server := &http.Server{IdleTimeout: idle, Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					arrived.Add(1)
					accept(w, req)
				})}
				var serving sync.WaitGroup
				serving.Go(func() { assert.ErrorIs(t, server.Serve(network), http.ErrServerClosed) })
				client := naiveClient(t, "http://127.0.0.1", ecsreboot.WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: network.dial}}))
				random := rand.New(rand.NewPCG(uint64(idle), 1))
				unknowns, refused := 0, 0
				for range calls {
					time.Sleep(time.Duration(random.Int64N(int64(5 * time.Second))))
					before := arrived.Load()
					_, err := client.RebootInstance(t.Context(), request)
					require.LessOrEqual(t, arrived.Load(), before+1)
					if err == nil {
						require.Equal(t, before+1, arrived.Load())
						continue
					}
					assertOutcome(t, unknown, err)
					if unknowns++; strings.Contains(err.Error(), "second connection") {
						refused++
					}
				}
				t.Logf("%d of %d restarts have an unknown outcome, %d of them were refused over a second connection; %d connections",
					unknowns, calls, refused, network.dials.Load())
				assert.LessOrEqual(t, float64(unknowns), share*float64(calls))
				client.CloseIdleConnections()
				require.NoError(t, server.Close())
				serving.Wait()
				time.Sleep(time.Second) // what is on its way arrives
			})
		})
	}
}
