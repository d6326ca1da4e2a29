package acceptance_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/pace"
)

// fakePacer is a caller's Pacer that records its requests and their results.
type fakePacer struct {
	mu      sync.Mutex
	calls   []pace.Request
	results []pace.Result
	acquire func(context.Context) error // nil: no error
	report  func()                      // after a report
}

func (p *fakePacer) Acquire(ctx context.Context, call pace.Request) (pace.Reservation, error) {
	p.mu.Lock()
	p.calls = append(p.calls, call)
	p.mu.Unlock()
	if p.acquire != nil {
		if err := p.acquire(ctx); err != nil {
			return nil, err
		}
	}
	return pace.ReportFunc(func(result pace.Result) {
		p.mu.Lock()
		p.results = append(p.results, result)
		p.mu.Unlock()
		if p.report != nil {
			p.report()
		}
	}), nil
}

func (p *fakePacer) State() pace.State { return pace.State{Waiting: len(p.calls)} }

// paced runs test in a bubble with a service and a client whose restarts ask pacer.
func paced(t *testing.T, pacer pace.Pacer, test func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client), options ...ecsreboot.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server := newService(t, ecstest.Options{})
		test(t, server, newClient(t, server, append(options, ecsreboot.WithPacer("RebootInstance", pacer))...))
	})
}

// Each request is asked for and reported once, whatever comes of it.
func TestPacerIsToldOnce(t *testing.T) {
	throttled := pace.Result{Response: pace.Throttled}
	hinted := pace.Result{Response: pace.Throttled, RetryAfter: 7 * time.Second}
	ok := pace.Result{Response: pace.Answered}
	none := pace.Result{}
	for name, c := range map[string]struct {
		fault   ecstest.Fault
		option  ecsreboot.Option
		results []pace.Result
		calls   []int // their Throttled
	}{
		"accepted":                    {results: []pace.Result{ok}, calls: []int{0}},
		"refused":                     {fault: ecstest.Fault{Kind: ecstest.FaultError, Code: "IncorrectInstanceStatus"}, results: []pace.Result{ok}, calls: []int{0}},
		"throttled":                   {fault: ecstest.Fault{Kind: ecstest.FaultThrottle, Times: 2}, results: []pace.Result{throttled, throttled, ok}, calls: []int{0, 1, 2}},
		"throttled, with a hint":      {fault: ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: 7 * time.Second}, results: []pace.Result{hinted, ok}, calls: []int{0, 1}},
		"lost":                        {fault: ecstest.Fault{Kind: ecstest.FaultDrop}, results: []pace.Result{none}, calls: []int{0}},
		"a proxy's page":              {fault: ecstest.Fault{Kind: ecstest.FaultAnswer}, results: []pace.Result{none}, calls: []int{0}},
		"no credentials at first":     {option: ecsreboot.WithCredential(&fakeCredential{failures: []error{errors.New("i/o timeout")}}), results: []pace.Result{none, ok}, calls: []int{0, 0}},
		"a panic in the RoundTripper": {option: wrapped(func(http.RoundTripper, *http.Request) (*http.Response, error) { panic("a bug") }), results: []pace.Result{none}, calls: []int{0}},
	} {
		t.Run(name, func(t *testing.T) {
			pacer := new(fakePacer)
			options := []ecsreboot.Option{ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{BaseDelay: -1})}
			if c.option != nil {
				options = append(options, c.option)
			}
			paced(t, pacer, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
				if c.fault.Kind != "" {
					server.Inject(c.fault)
				}
				func() {
					defer func() { _ = recover() }()
					_, _ = client.RebootInstance(t.Context(), request)
				}()
				for i, result := range pacer.results {
					answered := result.Response != pace.Unanswered
					if answered {
						assert.WithinDuration(t, time.Now(), result.ServiceTime, time.Second)
					}
					pacer.results[i].ServiceTime = time.Time{}
				}
				assert.Equal(t, c.results, pacer.results)
				var asked []int
				for _, call := range pacer.calls {
					asked = append(asked, call.Throttled)
					assert.Equal(t, 2*time.Minute, call.MaxWait)
				}
				assert.Equal(t, c.calls, asked)
				assert.Equal(t, len(c.calls), client.Pace("RebootInstance").Waiting, "the Pacer's own State")
			}, options...)
		})
	}
}

// What the Pacer does not let go is not sent, and its error is the call's.
func TestPacerRefuses(t *testing.T) {
	problem := errors.New("the store is away")
	for name, c := range map[string]struct {
		acquire   func(context.Context) error
		is, isNot error
		text      string
	}{
		"an error":   {acquire: func(context.Context) error { return problem }, is: problem, isNot: ecsreboot.ErrThrottled, text: "the Pacer let nothing go: the store is away"},
		"throttled":  {acquire: func(context.Context) error { return fmt.Errorf("full: %w", ecsreboot.ErrThrottled) }, is: ecsreboot.ErrThrottled, isNot: problem},
		"another's":  {acquire: func(context.Context) error { return &ecsreboot.OperationError{Outcome: accepted, Err: problem} }, is: problem, isNot: ecsreboot.ErrAccepted},
		"the end":    {acquire: func(context.Context) error { runtime.Goexit(); return nil }, is: ecsreboot.ErrNotSent, isNot: ecsreboot.ErrThrottled, text: "the Pacer ended its goroutine"},
		"a panic":    {acquire: func(context.Context) error { panic("secret") }, is: ecsreboot.ErrNotSent, isNot: ecsreboot.ErrThrottled, text: "the Pacer panicked with a value of type string"},
		"no more":    {acquire: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, is: context.DeadlineExceeded, isNot: ecsreboot.ErrThrottled},
		"in its own": {acquire: func(context.Context) error { return context.Canceled }, is: context.Canceled, isNot: ecsreboot.ErrThrottled},
	} {
		t.Run(name, func(t *testing.T) {
			pacer := &fakePacer{acquire: c.acquire}
			paced(t, pacer, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				_, err := client.RebootInstance(ctx, request)
				require.ErrorIs(t, err, c.is)
				assert.NotErrorIs(t, err, c.isNot)
				assertOutcome(t, notSent, err)
				assert.ErrorContains(t, err, c.text)
				assert.NotContains(t, err.Error(), "secret")
				assert.Empty(t, server.Calls())
				assert.Empty(t, pacer.results)
			})
		})
	}
}

// If the Pacer refuses the request after a rejection, the error matches both, and the
// outcome stays rejected.
func TestPacerRefusesTheSecondRequest(t *testing.T) {
	pacer := new(fakePacer)
	problem := errors.New("the store is away")
	pacer.acquire = func(context.Context) error {
		if len(pacer.calls) > 1 {
			return problem
		}
		return nil
	}
	paced(t, pacer, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		server.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle})
		_, err := client.RebootInstance(t.Context(), request)
		require.ErrorIs(t, err, problem)
		require.ErrorIs(t, err, ecsreboot.ErrThrottled)
		assertOutcome(t, rejected, err)
		assert.Len(t, server.Calls(), 1)
	})
}

// An accepted restart is not lost because a Pacer panics.
func TestPanicInAReport(t *testing.T) {
	pacer := &fakePacer{report: func() { panic("a bug") }}
	paced(t, pacer, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		_, err := client.RebootInstance(t.Context(), request)
		require.NoError(t, err)
		assert.Equal(t, 1, server.Reboots(id))
		assert.Len(t, pacer.results, 1)
	})
}

// What a Pacer waits is taken off the budget.
func TestPacerSpendsTheBudget(t *testing.T) {
	pacer := &fakePacer{acquire: func(context.Context) error { time.Sleep(30 * time.Second); return nil }}
	paced(t, pacer, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		server.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: time.Second, Times: 2})
		_, err := client.RebootInstance(t.Context(), request)
		require.NoError(t, err)
		var budgets []time.Duration
		for _, call := range pacer.calls {
			budgets = append(budgets, call.MaxWait)
		}
		assert.Equal(t, []time.Duration{120 * time.Second, 90 * time.Second, 60 * time.Second}, budgets)
	})
}

// A Pacer that ignores the context delays neither a call beyond the end of its context
// nor the calls that share a poll. A request that it lets go too late is not sent, and
// the Pacer gets a report of that.
func TestPacerThatDoesNotListen(t *testing.T) {
	pacer := &fakePacer{acquire: func(context.Context) error { time.Sleep(minute); return nil }}
	paced(t, pacer, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		reader := newClient(t, server, ecsreboot.WithPacer("DescribeInstances", pacer))
		for name, call := range map[string]func(context.Context) error{
			"restart": func(ctx context.Context) error {
				_, err := client.RebootInstance(ctx, request)
				return err
			},
			"reading": func(ctx context.Context) error {
				_, err := reader.TakeBaseline(ctx, id)
				return err
			},
		} {
			pacer.mu.Lock()
			pacer.results = nil
			pacer.mu.Unlock()
			ctx, cancel := context.WithTimeout(t.Context(), 5*s)
			begin := time.Now()
			err := call(ctx)
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded, name)
			assert.Equal(t, 5*s, time.Since(begin), name)
			time.Sleep(minute)
			synctest.Wait()
			pacer.mu.Lock()
			assert.Equal(t, []pace.Result{{}}, pacer.results, name)
			pacer.mu.Unlock()
		}
		assert.Empty(t, server.Calls())
	})
}

// Little demand while others use the quota up says nothing about the limit.
func TestLittleDemandIsNoLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newService(t, ecstest.Options{LimitPerMinute: 300})
		client := newClient(t, server)
		dry := ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: true}
		for range 5 {
			server.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: 10 * s, Skip: 1})
			for range 2 {
				_, err := client.RebootInstance(t.Context(), dry)
				require.NoError(t, err)
				time.Sleep(20 * s)
			}
		}
		begin := time.Now()
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() {
				_, err := client.RebootInstance(t.Context(), dry)
				assert.NoError(t, err)
			})
		}
		group.Wait()
		assert.Less(t, time.Since(begin), 30*s)
	})
}

// The service is heeded each time it says when.
func TestEveryHintIsHeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newService(t, ecstest.Options{})
		client := newClient(t, server)
		for i := range 3 {
			server.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: 20 * s})
			begin := time.Now()
			_, err := client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: true})
			require.NoError(t, err)
			assert.Equal(t, 20*s, time.Since(begin).Round(s), "throttle %d", i)
			time.Sleep(7 * s)
		}
	})
}

// Two clients that share an Adaptive share what one of them learns.
func TestSharedPacer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pacer, err := pace.NewAdaptive(0)
		require.NoError(t, err)
		server := newService(t, ecstest.Options{})
		first := newClient(t, server, ecsreboot.WithPacer("RebootInstance", pacer))
		second := newClient(t, server, ecsreboot.WithPacer("RebootInstance", pacer))
		server.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: time.Hour})
		_, err = first.RebootInstance(t.Context(), request)
		require.ErrorIs(t, err, ecsreboot.ErrThrottled)
		_, err = second.RebootInstance(t.Context(), request)
		require.ErrorIs(t, err, ecsreboot.ErrThrottled)
		assert.Len(t, server.Calls(), 1)
		assert.Equal(t, pacer.State(), second.Pace("RebootInstance"))
		assert.True(t, second.Pace("RebootInstance").Closed)
		assert.Equal(t, pace.State{}, second.Pace("DescribeInstances"), "each operation has its own")
		assert.Equal(t, pace.State{}, second.Pace("StopInstance"))
	})
}

// The hint holds from the first request on.
func TestRateHint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newService(t, ecstest.Options{})
		client := newClient(t, server, ecsreboot.WithRateHint("RebootInstance", 120))
		assert.InDelta(t, 120, client.Pace("RebootInstance").RatePerMinute, 1e-9)
		begin := time.Now()
		var group sync.WaitGroup
		for range 21 {
			group.Go(func() {
				_, err := client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: true})
				assert.NoError(t, err)
			})
		}
		group.Wait()
		assert.Equal(t, 10*time.Second, time.Since(begin).Round(time.Millisecond))
		assert.Equal(t, uint64(21), client.Pace("RebootInstance").Answered)

		strict := newClient(t, server, ecsreboot.WithRateHint("RebootInstance", 1), ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{MaxThrottleWait: -1}))
		_, err := strict.RebootInstance(t.Context(), request)
		require.NoError(t, err)
		_, err = strict.RebootInstance(t.Context(), request)
		require.ErrorIs(t, err, ecsreboot.ErrThrottled)
		assertOutcome(t, notSent, err)
	})
}

func TestPaceOptionsAreChecked(t *testing.T) {
	var none *pace.Adaptive
	one := new(pace.Adaptive)
	for name, c := range map[string]struct {
		options []ecsreboot.Option
		field   string
		text    string
	}{
		"hint: operation":  {[]ecsreboot.Option{ecsreboot.WithRateHint("StopInstance", 10)}, "WithRateHint", `"StopInstance"`},
		"hint: negative":   {[]ecsreboot.Option{ecsreboot.WithRateHint("RebootInstance", -1)}, "WithRateHint", "between 1 and 1,000,000"},
		"hint: NaN":        {[]ecsreboot.Option{ecsreboot.WithRateHint("RebootInstance", math.NaN())}, "WithRateHint", "NaN"},
		"hint: Inf":        {[]ecsreboot.Option{ecsreboot.WithRateHint("DescribeInstances", math.Inf(1))}, "WithRateHint", "+Inf"},
		"pacer: operation": {[]ecsreboot.Option{ecsreboot.WithPacer("", new(fakePacer))}, "WithPacer", `""`},
		"pacer: typed nil": {[]ecsreboot.Option{ecsreboot.WithPacer("RebootInstance", none)}, "WithPacer", "is a nil *pace.Adaptive"},
		"pacer: one":       {[]ecsreboot.Option{ecsreboot.WithPacer("RebootInstance", one), ecsreboot.WithPacer("DescribeInstances", one)}, "WithPacer", "both operations"},
		"both":             {[]ecsreboot.Option{ecsreboot.WithPacer("RebootInstance", new(fakePacer)), ecsreboot.WithRateHint("RebootInstance", 10)}, "WithRateHint", "contradicts WithPacer for RebootInstance"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ecsreboot.NewClient("cn-hangzhou", c.options...)
			problem, ok := errors.AsType[*ecsreboot.InputError](err)
			require.True(t, ok, "%v", err)
			assert.Equal(t, c.field, problem.Field)
			assert.Contains(t, problem.Problem, c.text)
		})
	}
	_, err := ecsreboot.NewClient("cn-hangzhou", ecsreboot.WithPacer("DescribeInstances", new(fakePacer)), ecsreboot.WithRateHint("RebootInstance", 10))
	require.NoError(t, err)
}

// Pollers pass the pacer of their own operation.
func TestReadsHaveAPacerOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newService(t, ecstest.Options{})
		pacer := new(fakePacer)
		client := newClient(t, server, ecsreboot.WithPacer("DescribeInstances", pacer))
		_, err := client.RebootInstance(t.Context(), request)
		require.NoError(t, err)
		assert.Empty(t, pacer.calls)
		for _, err := range client.DescribeInstances(t.Context(), ecsreboot.DescribeInstancesRequest{InstanceIDs: []string{id}}) {
			require.NoError(t, err)
		}
		assert.Len(t, pacer.calls, 1)
		assert.Equal(t, uint64(1), client.Pace("RebootInstance").Answered)
	})
}

// notingPacer records the calls of its reservations' methods, and panics in each.
type notingPacer struct{ told []string }

func (p *notingPacer) Acquire(context.Context, pace.Request) (pace.Reservation, error) {
	return notingReservation{p}, nil
}

type notingReservation struct{ pacer *notingPacer }

func (r notingReservation) note(what string) {
	r.pacer.told = append(r.pacer.told, what)
	panic("a bug")
}

func (r notingReservation) Report(result pace.Result) { r.note(result.Response.String()) }
func (r notingReservation) Delay()                    { r.note("delay") }
func (r notingReservation) Proceed()                  { r.note("proceed") }

// The client calls Delay and Proceed of a reservation around the hook, and ignores
// panics in them.
func TestReservationIsToldOfTheHook(t *testing.T) {
	for name, c := range map[string]struct {
		hook func() error
		told []string
	}{
		"sent":     {func() error { return nil }, []string{"delay", "hook", "proceed", "answered"}},
		"not sent": {func() error { return errors.New("no") }, []string{"delay", "hook", "proceed", "unanswered"}},
		"a panic":  {func() error { panic("a bug") }, []string{"delay", "hook", "proceed", "unanswered"}},
	} {
		t.Run(name, func(t *testing.T) {
			pacer := new(notingPacer)
			paced(t, pacer, func(t *testing.T, _ *ecstest.Server, client *ecsreboot.Client) {
				func() {
					defer func() { _ = recover() }()
					_, _ = client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{
						BeforeSend: func(context.Context, ecsreboot.SendIntent) error {
							pacer.told = append(pacer.told, "hook")
							return c.hook()
						},
					})
				}()
				assert.Equal(t, c.told, pacer.told)
			})
		})
	}
}

// incomparableContext ends with an error that cannot be compared and holds a secret.
type incomparableContext struct {
	context.Context

	ended *atomic.Bool
}

type incomparableError []string

func (incomparableError) Error() string { return "ended: Signature=c2VjcmV0c2VjcmV0" }

func (c incomparableContext) Err() error {
	if c.ended.Load() {
		return incomparableError{}
	}
	return nil
}

// If a context ends at the gate, the error is the same as elsewhere, whatever error the
// context has.
func TestOddContextEndsAtTheGate(t *testing.T) {
	paced(t, new(pace.Adaptive), func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		server.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: 10 * s})
		var ended atomic.Bool
		time.AfterFunc(5*s, func() { ended.Store(true) })
		_, err := client.RebootInstance(incomparableContext{t.Context(), &ended}, request)
		require.ErrorIs(t, err, context.Canceled)
		assertOutcome(t, rejected, err)
		assert.NotContains(t, err.Error(), "c2VjcmV0c2VjcmV0")
	})
}
