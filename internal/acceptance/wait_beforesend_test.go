package acceptance_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

var errCalledOff = errors.New("not now")

// hook is a BeforeSend that lets the first n sends pass, and notes how many sends
// had arrived when it was asked.
type hook struct {
	server  *ecstest.Server
	pass    int
	err     error
	arrived []int
	before  []ecsreboot.Baseline
	numbers []int // of the requests
}

func (h *hook) ask(_ context.Context, intent ecsreboot.SendIntent) error {
	h.arrived = append(h.arrived, countCalls(h.server, "RebootInstance"))
	h.before = append(h.before, intent.Baseline)
	h.numbers = append(h.numbers, intent.Request)
	if len(h.arrived) > h.pass {
		return h.err
	}
	return nil
}

// secondDialFails makes every request dial, and the second one in vain.
func secondDialFails(server *ecstest.Server) ecsreboot.Option {
	client := server.HTTPClient()
	transport := client.Transport.(*http.Transport)
	transport.DisableKeepAlives = true
	through := transport.DialContext
	var dials atomic.Int64
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if dials.Add(1) == 2 {
			return nil, errRefused
		}
		return through(ctx, network, addr)
	}
	return ecsreboot.WithHTTPClient(client)
}

// Each request that may restart the instance is asked for, after the baseline was
// read and before it leaves; what is called off does not leave.
func TestBeforeSend(t *testing.T) {
	refusedClock := ecstest.Fault{Kind: ecstest.FaultError, Code: "InvalidTimeStamp.Expired"}
	for name, c := range map[string]struct {
		fault   *ecstest.Fault
		resend  bool
		arrived []int
	}{
		"once":          {arrived: []int{0}},
		"throttled":     {fault: &ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: 3 * s, Times: 2}, arrived: []int{0, 1, 2}},
		"no connection": {fault: &ecstest.Fault{Kind: ecstest.FaultRefuse}, arrived: []int{0, 0}},
		"clock":         {fault: &refusedClock, arrived: []int{0, 1}},
		"resend":        {fault: &ecstest.Fault{Kind: ecstest.FaultDrop}, resend: true, arrived: []int{0, 1}},
	} {
		for pass := range len(c.arrived) + 1 {
			waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
				if c.fault != nil && c.fault.Kind == ecstest.FaultRefuse {
					client = newClient(t, server, secondDialFails(server))
				} else if c.fault != nil {
					inject(server, *c.fault)
				}
				h := &hook{server: server, pass: pass, err: errCalledOff}
				var kinds []ecsreboot.EventKind
				result, err := wait(t.Context(), client, ecsreboot.WaitOptions{
					BeforeSend: h.ask, ResendUnknown: c.resend,
					OnEvent: func(e ecsreboot.Event) { kinds = append(kinds, e.Kind) },
				})
				assert.Equal(t, c.arrived[:min(pass+1, len(c.arrived))], h.arrived, name)
				for i, number := range h.numbers {
					assert.Equal(t, i+1, number)
				}
				assert.Equal(t, ecsreboot.StatusRunning, h.before[0].Status)
				assert.Equal(t, id, h.before[0].InstanceID)
				assert.Equal(t, ecsreboot.EventBaseline, kinds[0])
				if pass == len(c.arrived) {
					require.NoError(t, err, name)
					assert.Equal(t, h.before[len(h.before)-1], result.Before)
					assert.Equal(t, 1, server.Reboots(id))
					return
				}
				require.ErrorIs(t, err, errCalledOff, name)
				require.ErrorContains(t, err, "BeforeSend: not now")
				assert.Equal(t, pass > 0, slices.Contains(kinds, ecsreboot.EventSending))
				assert.Equal(t, c.arrived[pass], countCalls(server, "RebootInstance"))
				if c.resend && pass == 1 {
					assertOutcome(t, unknown, err)
				} else {
					assertOutcome(t, notSent, err)
				}
				time.Sleep(time.Hour)
				assert.Zero(t, server.Reboots(id), name)
			})
		}
	}
}

// What held the send up made the baseline old: it is read again before the hook is
// asked.
func TestBeforeSendHasTheFreshBaseline(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		inject(server, ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: 20 * s})
		h := &hook{server: server, pass: 9}
		_, err := wait(t.Context(), client, ecsreboot.WaitOptions{BeforeSend: h.ask})
		require.NoError(t, err)
		require.Len(t, h.before, 2)
		assert.Equal(t, 20*s, h.before[1].TakenAt.Sub(h.before[0].TakenAt))
	})
}

// A hook may ask the service with the client that is throttled: the probe that waits
// for it is no obstacle.
func TestBeforeSendOfAProbe(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		inject(server, ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: 10 * s, Skip: 1})
		begin := time.Now()
		var took []time.Duration
		_, err := wait(t.Context(), client, ecsreboot.WaitOptions{BeforeSend: func(ctx context.Context, _ ecsreboot.SendIntent) error {
			asked := time.Now()
			_, err := client.Check(ctx, request)
			took = append(took, time.Since(asked))
			return err
		}})
		require.NoError(t, err)
		assert.Len(t, took, 2)
		assert.LessOrEqual(t, took[1], 3*s)
		assert.Less(t, time.Since(begin), minute)
		assert.Equal(t, 1, server.Reboots(id))
	})
}

// The others do not wait for a probe whose reading hangs, either.
func TestProbeThatReadsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newRestarts(t, 20, ecstest.Options{}, ecstest.RebootProfile{})
		client := newClient(t, server)
		inject(server, ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: 10 * s})
		begin := time.Now()
		time.AfterFunc(5*s, func() {
			server.Inject(ecstest.Fault{Kind: ecstest.FaultHang, Action: "DescribeInstances"})
		})
		var group sync.WaitGroup
		group.Go(func() {
			_, err := restartNth(t, client, 0)
			assert.NoError(t, err)
			assert.Greater(t, time.Since(begin), 40*s, "its reading hung")
		})
		time.Sleep(s)
		for i := range 19 {
			group.Go(func() {
				_, err := client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: nth(i + 1)})
				assert.NoError(t, err)
				assert.Less(t, time.Since(begin), 20*s)
			})
		}
		group.Wait()
	})
}

// countingCredential fails after some fetches.
type countingCredential struct {
	fakeCredential

	fetches, good atomic.Int64
}

func (c *countingCredential) GetCredential() (*credentials.CredentialModel, error) {
	if c.fetches.Add(1) > c.good.Load() {
		return nil, errors.New("i/o timeout")
	}
	return c.fakeCredential.GetCredential()
}

// Credentials are there when the hook is asked, so that nothing comes between its
// consent and the request. Without any it is not asked.
func TestBeforeSendAfterCredentials(t *testing.T) {
	const reading, sending = 1, 2 // fetches
	for name, test := range map[string]struct {
		good, fetches int64
		takes         time.Duration
		asked         int
		sent          bool
	}{
		"none before the hook":      {good: reading, fetches: sending},
		"none after the hook":       {good: sending, fetches: sending, asked: 1, sent: true},
		"none after a slow hook":    {good: sending, fetches: sending + 1, takes: 31 * time.Second, asked: 1},
		"anew after a slow hook":    {good: 99, fetches: sending + 1, takes: 31 * time.Second, asked: 1, sent: true},
		"kept after a hook of 30 s": {good: sending, fetches: sending, takes: 30 * time.Second, asked: 1, sent: true},
	} {
		t.Run(name, func(t *testing.T) {
			waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, _ *ecsreboot.Client) {
				credential := new(countingCredential)
				credential.good.Store(test.good)
				client := newClient(t, server, ecsreboot.WithCredential(credential), ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{MaxAttempts: -1}))
				asked := 0
				_, err := wait(t.Context(), client, ecsreboot.WaitOptions{
					BeforeSend: func(context.Context, ecsreboot.SendIntent) error {
						asked++
						time.Sleep(test.takes)
						return nil
					},
					OnEvent: func(e ecsreboot.Event) {
						if e.Kind == ecsreboot.EventAccepted {
							assert.Equal(t, test.fetches, credential.fetches.Load())
							credential.good.Store(99)
						}
					},
				})
				assert.Equal(t, test.asked, asked)
				if test.sent {
					require.NoError(t, err)
					return
				}
				require.ErrorIs(t, err, ecsreboot.ErrCredentials)
				assertOutcome(t, notSent, err)
				assert.Equal(t, test.fetches, credential.fetches.Load())
				assert.Zero(t, countCalls(server, "RebootInstance"))
			})
		})
	}
}

// A hook may look for itself; what becomes of its calls is not what becomes of the
// restart.
func TestBeforeSendErrorsOfOtherCalls(t *testing.T) {
	other := &ecsreboot.OperationError{
		Operation: "RebootAndWait", Outcome: accepted,
		Err: &ecsreboot.WaitError{Err: &ecsreboot.APIError{Code: ecsreboot.ErrIncorrectInstanceStatus}},
	}
	for _, resend := range []bool{false, true} {
		waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
			inject(server, ecstest.Fault{Kind: ecstest.FaultDrop})
			h := &hook{server: server, err: other}
			if resend {
				h.pass = 1
			}
			_, err := wait(t.Context(), client, ecsreboot.WaitOptions{BeforeSend: h.ask, ResendUnknown: true})
			require.NotErrorIs(t, err, ecsreboot.ErrIncorrectInstanceStatus)
			require.NotErrorIs(t, err, ecsreboot.ErrAccepted)
			assertOutcome(t, map[bool]ecsreboot.Outcome{false: notSent, true: unknown}[resend], err)
			_, waited := errors.AsType[*ecsreboot.WaitError](err)
			assert.Equal(t, resend, waited, "its own, if it has one")
			_, answered := errors.AsType[*ecsreboot.APIError](err)
			assert.False(t, answered, "it is the answer to another call")
			hooks, ok := errors.AsType[*ecsreboot.ForeignError](err)
			require.True(t, ok)
			assert.Same(t, other, hooks.Err)
		})
	}
}

// Who wants to be asked shares no restart, neither another's nor its own.
func TestBeforeSendIsNotShared(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{Graceful: 20 * s}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		var group sync.WaitGroup
		plain := func() error {
			_, err := wait(t.Context(), client, ecsreboot.WaitOptions{})
			return err
		}
		h := &hook{server: server, err: errCalledOff}
		group.Go(func() { assert.NoError(t, plain()) })
		group.Go(func() { assert.NoError(t, plain()) })
		synctest.Wait()
		_, err := wait(t.Context(), client, ecsreboot.WaitOptions{BeforeSend: h.ask})
		require.ErrorIs(t, err, ecsreboot.ErrIncorrectInstanceStatus, "it looked for itself")
		assert.Empty(t, h.arrived)
		group.Wait()
		assert.Equal(t, 1, server.Reboots(id))

		h.pass = 1
		group.Go(func() {
			_, err := wait(t.Context(), client, ecsreboot.WaitOptions{BeforeSend: h.ask})
			assert.NoError(t, err)
		})
		synctest.Wait()
		time.Sleep(s)
		require.ErrorIs(t, plain(), ecsreboot.ErrIncorrectInstanceStatus)
		group.Wait()
		assert.Equal(t, []int{1}, h.arrived)
		assert.Equal(t, 2, server.Reboots(id))
	})
}

// A wait that ends while the hook is asked ends the hook's context, waits for the
// hook, and sends nothing, whatever the hook says.
func TestBeforeSendCanceled(t *testing.T) {
	for name, c := range map[string]struct {
		err  func(ctx context.Context) error
		also error
	}{
		"nothing":   {func(context.Context) error { return nil }, nil},
		"its end":   {func(ctx context.Context) error { return ctx.Err() }, nil},
		"its cause": {context.Cause, nil},
		"its own":   {func(context.Context) error { return errCalledOff }, errCalledOff},
	} {
		for _, timeout := range []bool{false, true} {
			waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
				options := ecsreboot.WaitOptions{BeforeSend: func(ctx context.Context, _ ecsreboot.SendIntent) error {
					<-ctx.Done()
					time.Sleep(s)
					return c.err(ctx)
				}, OnEvent: func(e ecsreboot.Event) { assert.NotEqual(t, ecsreboot.EventSending, e.Kind) }}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				want := context.Canceled
				if timeout {
					options.Timeout = 5 * s
					want = context.DeadlineExceeded
				} else {
					defer time.AfterFunc(5*s, cancel).Stop()
				}
				begin := time.Now()
				_, err := wait(ctx, client, options)
				assert.Equal(t, 6*s, time.Since(begin))
				assertOutcome(t, notSent, err)
				if c.also != nil {
					want = c.also
				}
				require.ErrorIs(t, err, want, name)
				assert.Zero(t, countCalls(server, "RebootInstance"))
			})
		}
	}
}

// A panic in it surfaces in the call, and leaves nothing locked.
func TestBeforeSendPanics(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		assert.PanicsWithValue(t, "a bug", func() {
			_, _ = wait(t.Context(), client, ecsreboot.WaitOptions{BeforeSend: func(context.Context, ecsreboot.SendIntent) error { panic("a bug") }})
		})
		assert.Zero(t, countCalls(server, "RebootInstance"))
		_, err := wait(t.Context(), client, ecsreboot.WaitOptions{})
		require.NoError(t, err)
	})
}
