package acceptance_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/hostile"
)

// hostileRun is one restart among things that callers, networks and services bring.
// All that is random is drawn while it is set up, so that a seed names one run.
type hostileRun struct {
	*hostile.Run

	kinds   []string
	server  *ecstest.Server
	through func(ctx context.Context, network, addr string) (net.Conn, error)
	helper  *ecsreboot.Client // of the same service, on a good network

	faults []ecstest.Fault
	cause  error         // the context ends with it …
	leaves time.Duration // … after so long
}

func choose[T any](h *hostileRun, choices ...T) T { return hostile.Choose(h.Run, choices...) }

func (h *hostileRun) oneTime(choices ...time.Duration) time.Duration { return choose(h, choices...) }

// soon is a moment while the call runs; no other has its fraction.
func (h *hostileRun) soon() time.Duration {
	return h.oneTime(0, 10*time.Millisecond, time.Second, 7*time.Second, 31*time.Second, 65*time.Second) + 7*time.Microsecond
}

// anotherError is what a call for another instance came to.
func (h *hostileRun) anotherError() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	other := ecsreboot.RebootInstanceRequest{InstanceID: "i-other"}
	switch h.UpTo(3) {
	case 0:
		cancel() // not sent
	case 1:
		h.server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, InstanceID: other.InstanceID})
	}
	_, err := h.helper.RebootInstance(ctx, other) // which the service does not know
	return err
}

// hostileCalls are the calls that restart, and how many requests of each may
// restart.
var hostileCalls = []struct {
	name  string
	limit int
	call  func(ctx context.Context, client *ecsreboot.Client) error
}{
	{"RebootInstance", 1, func(ctx context.Context, client *ecsreboot.Client) error {
		_, err := client.RebootInstance(ctx, request)
		return err
	}},
	{"RebootAndWait", 1, func(ctx context.Context, client *ecsreboot.Client) error {
		_, err := client.RebootAndWait(ctx, request, ecsreboot.WaitOptions{Timeout: hostileLimit})
		return err
	}},
	{"RebootAndWait that resends", 2, func(ctx context.Context, client *ecsreboot.Client) error {
		_, err := client.RebootAndWait(ctx, request, ecsreboot.WaitOptions{Timeout: 2 * hostileLimit, ResendUnknown: true})
		return err
	}},
}

// hostileLimit is the deadline of calls, twice that of those that resend.
const hostileLimit = 100*time.Second + 3

// TestHostileScenarios holds restarts to the promises among callers' wrappers,
// dialers and contexts and services' faults. Run one kind by -run
// 'TestHostileScenarios/kind=hides_the_trace', one seed by
// 'TestHostileScenarios/seed=7$'. LONG_TESTS=1 is needed for seeds from 24 on, and for
// all scenarios of a kind.
func TestHostileScenarios(t *testing.T) {
	t.Parallel()
	for i, kind := range hostileKinds {
		for seed := range uint64(3 * len(hostileCalls)) {
			call, round := int(seed)%len(hostileCalls), int(seed)/len(hostileCalls)
			if !longTests && (i+call+2*round)%3 != 1 { // each kind keeps each call once
				continue
			}
			t.Run(fmt.Sprintf("kind=%s/%d", kind.name, seed), func(t *testing.T) {
				t.Parallel()
				playHostile(t, 1000*uint64(i)+seed, call, func(h *hostileRun) []hostileKind {
					drawn := []hostileKind{kind}
					if round > 0 { // with one that faults bring to light
						drawn = append(drawn, choose(h, kindsOf(ofFault)...))
					}
					return drawn
				})
			})
		}
	}
	seeds := uint64(24)
	if longTests {
		seeds = 64
	}
	for seed := range seeds {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			playHostile(t, seed, -1, drawHostile)
		})
	}
}

// FuzzHostile is TestHostileScenarios with any seed.
func FuzzHostile(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(1<<32 + seed)
	}
	for _, seed := range []uint64{101996, 102719, 103727} { // in which a detached copy once dialed without end
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) { playHostile(t, seed, -1, drawHostile) })
}

func kindsOf(class string) []hostileKind {
	return slices.DeleteFunc(slices.Clone(hostileKinds), func(kind hostileKind) bool { return kind.class != class })
}

// drawHostile draws up to three wrappers, a dialer, two faults and a context.
func drawHostile(h *hostileRun) []hostileKind {
	var drawn []hostileKind
	for _, class := range []struct {
		name string
		most int
	}{{ofWrapper, 3}, {ofDialer, 1}, {ofFault, 2}, {ofContext, 1}} {
		for range h.UpTo(class.most + 1) {
			drawn = append(drawn, choose(h, kindsOf(class.name)...))
		}
	}
	return drawn
}

// playHostile sets a run up, makes a call, resolves it if need be, and holds all
// against what the service saw.
func playHostile(t *testing.T, seed uint64, call int, draw func(*hostileRun) []hostileKind) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := new(hostileRun)
		h.Run = hostile.New(rand.New(rand.NewPCG(seed, 11)), func(ctx context.Context, network, addr string) (net.Conn, error) {
			return h.through(ctx, network, addr)
		}, h.anotherError)
		if call < 0 {
			call = h.UpTo(len(hostileCalls))
		}
		h.setUp(t)
		for _, kind := range draw(h) {
			if kind.apply(h) {
				h.kinds = append(h.kinds, kind.name)
			}
		}
		begin := time.Now()
		h.play(t, call)
		if t.Failed() {
			t.Logf("seed %d, %s: %s%s", seed, hostileCalls[call].name, strings.Join(h.kinds, ", "), h.log(begin))
		}
	})
}

func (h *hostileRun) setUp(t *testing.T) {
	t.Helper()
	var err error
	h.server, err = ecstest.NewInMemoryServer(ecstest.Options{
		AccessKeyID: canaryKeyID, AccessKeySecret: canarySecret, SecurityToken: canaryToken,
		IdleTimeout: h.oneTime(0, 0, time.Second, 4*time.Second),
	})
	require.NoError(t, err)
	t.Cleanup(h.server.Close)
	require.NoError(t, h.server.AddInstance(ecstest.Instance{
		ID: id, StartTime: time.Now().Add(-time.Hour),
		Reboot: choose(h, restarts(30*time.Second), restarts(-1), stale(restarts(20*time.Second), 5*time.Second), keeping(restarts(5*time.Second))),
	}))
	h.through = h.server.HTTPClient().Transport.(*http.Transport).DialContext
	h.helper = newClient(t, h.server)
	h.Options = append(h.Options, ecsreboot.WithSignatureVersion(choose(h, ecsreboot.SignatureV1, ecsreboot.SignatureV3)),
		ecsreboot.WithHTTPClient(&http.Client{Transport: h.OwnTransport()}))
}

func (h *hostileRun) play(t *testing.T, n int) {
	t.Helper()
	c := &canary{secrets: []string{canarySecret, canaryToken}}
	client := newClient(t, h.server, append(h.Options, ecsreboot.WithTransportWrapper(c.watch), ecsreboot.WithLogger(c.logger()))...)
	if h.Is() { // there is a connection to be reused
		warm, cancel := context.WithTimeout(t.Context(), hostileLimit)
		_, _ = client.RebootInstance(warm, ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: true})
		cancel()
		time.Sleep(h.oneTime(0, 500*time.Millisecond, 2*time.Second, 4*time.Second))
	}
	h.server.Inject(h.faults...)

	call := hostileCalls[n]
	limit := hostileLimit
	if call.limit > 1 {
		limit *= 2
	}
	err := h.within(t, call.name, limit, func(ctx context.Context) error { return call.call(ctx, client) })
	if err == nil {
		assert.Positive(t, h.server.Reboots(id), "no success without a restart")
	}
	outcome := ecsreboot.OutcomeOf(err)
	h.judge(t, c, err)
	if outcome == unknown {
		h.cause = nil
		resolved := h.within(t, "Resolve", hostileLimit, func(ctx context.Context) error {
			_, err := client.Resolve(ctx, err, ecsreboot.WaitOptions{Timeout: hostileLimit})
			return err
		})
		if resolved == nil {
			assert.Positive(t, h.server.Reboots(id), "nothing is proven without a restart")
		} else {
			h.judge(t, c, resolved)
			assert.Contains(t, []ecsreboot.Outcome{unknown, accepted}, ecsreboot.OutcomeOf(resolved), "what is unknown is not undone")
		}
	}

	time.Sleep(3 * time.Hour) // all that is on its way arrives
	assert.Less(t, h.End(), hostile.DialsWithoutEnd, "connections are made without end")
	arrived := h.arrivals()
	assert.LessOrEqual(t, arrived, call.limit, "requests that may have restarted the instance")
	assert.LessOrEqual(t, h.server.Reboots(id), call.limit)
	switch outcome {
	case notSent, rejected:
		assert.Zero(t, h.server.Reboots(id), "it did not happen: %v", err)
		assert.Zero(t, arrived, "what may have restarted the instance is not %s: %v", outcome, err)
	case accepted:
		assert.Positive(t, h.server.Reboots(id), "no acceptance without a restart: %v", err)
	case ecsreboot.OutcomeNone, unknown:
	}
	c.search(t)
	assert.Empty(t, leaked(c), "parts of secrets are shown")
	client.CloseIdleConnections()
	h.CloseIdleConnections()
	h.server.Close()
	h.Behind.Wait()
}

// within makes a call that must end in time, in a goroutine of its own.
func (h *hostileRun) within(t *testing.T, name string, limit time.Duration, call func(context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if h.cause != nil {
		ended, end := context.WithCancelCause(ctx)
		defer time.AfterFunc(h.leaves, func() { end(h.cause) }).Stop()
		ctx, limit = ended, min(limit, h.leaves)
	}
	ended := make(chan error, 1)
	begin := time.Now()
	go func() { ended <- call(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-time.After(limit + time.Second):
		t.Errorf("%s has not returned a second after its deadline of %v", name, limit)
	}
	select {
	case err := <-ended:
		t.Logf("%s took %v", name, time.Since(begin))
		return err
	case <-time.After(time.Hour):
		h.server.Close() // who waits for it goes on
	}
	return <-ended
}

// judge holds an error against what is true of all.
func (h *hostileRun) judge(t *testing.T, c *canary, err error) {
	t.Helper()
	c.show(t, map[string]error{"": err})
	if err == nil {
		return
	}
	c.show(t, err)
	text, _ := json.Marshal(err)
	c.log.Write(text)
	_, ok := errors.AsType[*ecsreboot.OperationError](err)
	assert.True(t, ok, "%T is no OperationError", err)
	outcome := ecsreboot.OutcomeOf(err)
	assert.Contains(t, []ecsreboot.Outcome{notSent, rejected, unknown, accepted}, outcome)
	assertOutcome(t, outcome, err)
}

// leaked returns the first 12 letters and digits in a row of a secret that stand in
// what was shown, whatever stands between them and in whatever case.
func leaked(c *canary) string {
	plain := func(s string) string {
		for range 3 {
			s = percentEncoded.ReplaceAllStringFunc(s, func(encoded string) string {
				decoded, _ := url.PathUnescape(encoded)
				return decoded
			})
		}
		return s
	}
	secrets := c.all()
	for i := range secrets {
		secrets[i] = plain(secrets[i])
	}
	return runOf(lettersOf(plain(c.log.String())), runsOf(secrets))
}

var percentEncoded = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

// arrivals counts the requests that may have restarted the instance.
func (h *hostileRun) arrivals() (n int) {
	for _, call := range h.server.Calls() {
		if call.Action == "RebootInstance" && call.InstanceID == id && !call.DryRun && !refusedCleanly(call) {
			n++
		}
	}
	return n
}

// log is what the service saw, in order.
func (h *hostileRun) log(begin time.Time) string {
	var text strings.Builder
	for _, call := range h.server.Calls() {
		fmt.Fprintf(&text, "\n%12v %s %s", call.Time.Sub(begin), call.Action, call.InstanceID)
		if call.DryRun {
			text.WriteString(" dry run")
		}
		fmt.Fprintf(&text, " conn %d nonce %.6s: %d %s", call.Conn, call.Nonce, call.Status, call.Code)
		if call.Fault != "" {
			fmt.Fprintf(&text, " by fault %s", call.Fault)
		}
		if call.Acted {
			text.WriteString(" restarts")
		}
	}
	return text.String()
}
