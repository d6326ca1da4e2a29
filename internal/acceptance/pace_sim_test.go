package acceptance_test

import (
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

var paceSeeds = flag.Int("pace.seeds", 0, "run the whole matrix of TestPaceSimulation with so many seeds, and print its table")

// paceRun is one simulated run: workers that always have work, against a service
// with a limit that others use as well. The first two minutes are not measured.
type paceRun struct {
	limit   int
	foreign float64 // calls of others, as a share of the limit
	server  string  // "window", "bucket", or "phase": windows that begin at no minute that the client knows of
	minutes int
	seed    uint64
}

// paceFigures are what a run comes to.
type paceFigures struct {
	mine, used float64 // accepted, as a share of the limit: ours, and everybody's
	wasted     float64 // rejected per accepted
	denied     float64 // share of the others' calls
}

const paceWorkers = 50

func (r paceRun) run(t *testing.T) (f paceFigures) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(r.seed, 1))
		var mu sync.Mutex
		measuring := false
		var accepted, rejected, granted, refused float64
		count := func(n *float64) {
			mu.Lock()
			defer mu.Unlock()
			if measuring {
				*n++
			}
		}
		options := ecstest.Options{LimitPerMinute: r.limit, OnCall: func(call ecstest.ReceivedCall) {
			if strings.HasPrefix(call.Code, "Throttling") {
				count(&rejected)
			} else {
				count(&accepted)
			}
		}}
		if r.server == "bucket" {
			options.LimitBurst = r.limit / 6
		}
		server := newService(t, options)
		server.SetClockOffset(time.Duration(random.Float64() * float64(time.Minute)))
		// A median of 0.14 s there and back.
		halfway := func() {
			mu.Lock()
			d := 0.07 * math.Exp(0.4*random.NormFloat64())
			mu.Unlock()
			time.Sleep(time.Duration(d * float64(time.Second)))
		}
		client := newClient(t, server,
			ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{MaxAttempts: 1000, MaxThrottleWait: 24 * time.Hour}),
			wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				halfway()
				resp, err := next.RoundTrip(req)
				halfway()
				if err == nil && r.server == "phase" {
					resp.Header.Del("Date")
				}
				return resp, err
			}))
		// No deadline: calls that would be held back beyond it would end at once, in no
		// time at all.
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Duration(r.minutes)*time.Minute, cancel)
		time.AfterFunc(2*time.Minute, func() { mu.Lock(); measuring = true; mu.Unlock() })
		var group sync.WaitGroup
		for range paceWorkers {
			group.Go(func() {
				for ctx.Err() == nil {
					_, _ = client.RebootInstance(ctx, ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: true})
				}
			})
		}
		if r.foreign > 0 {
			others := rand.New(rand.NewPCG(r.seed, 2))
			every := float64(time.Minute) / (r.foreign * float64(r.limit))
			group.Go(func() {
				for ctx.Err() == nil {
					time.Sleep(time.Duration(others.ExpFloat64() * every))
					if server.TakeLimit("RebootInstance") {
						count(&granted)
					} else {
						count(&refused)
					}
				}
			})
		}
		group.Wait()
		total := float64(r.limit * (r.minutes - 2))
		f = paceFigures{mine: accepted / total, used: (accepted + granted) / total, wasted: rejected / accepted}
		if r.foreign > 0 {
			f.denied = refused / (granted + refused)
		}
	})
	return f
}

// paceBounds are what is asked of the medians.
type paceBounds struct{ mine, wasted, denied float64 }

// paceMatrix is what the pace must not fall behind. A fair share is what the others
// leave, 0.8 of the limit, and nobody's call would be denied.
var paceMatrix = []struct {
	paceRun
	paceBounds
}{
	{paceRun{limit: 60, server: "window"}, paceBounds{mine: 0.97, wasted: 0.06}},
	{paceRun{limit: 60, server: "window", foreign: 0.2}, paceBounds{mine: 0.77, wasted: 0.06, denied: 0.10}},
	{paceRun{limit: 300, server: "window"}, paceBounds{mine: 0.984, wasted: 0.02}},
	{paceRun{limit: 300, server: "window", foreign: 0.2}, paceBounds{mine: 0.785, wasted: 0.02, denied: 0.05}},
	{paceRun{limit: 1000, server: "window"}, paceBounds{mine: 0.984, wasted: 0.02}},
	{paceRun{limit: 1000, server: "window", foreign: 0.2}, paceBounds{mine: 0.79, wasted: 0.02, denied: 0.03}},
	{paceRun{limit: 60, server: "phase"}, paceBounds{mine: 0.95, wasted: 0.06}},
	{paceRun{limit: 60, server: "phase", foreign: 0.2}, paceBounds{mine: 0.76, wasted: 0.06, denied: 0.10}},
	{paceRun{limit: 300, server: "phase"}, paceBounds{mine: 0.96, wasted: 0.02}},
	{paceRun{limit: 300, server: "phase", foreign: 0.2}, paceBounds{mine: 0.78, wasted: 0.02, denied: 0.05}},
	{paceRun{limit: 1000, server: "phase"}, paceBounds{mine: 0.96, wasted: 0.02}},
	{paceRun{limit: 1000, server: "phase", foreign: 0.2}, paceBounds{mine: 0.77, wasted: 0.02, denied: 0.05}},
	{paceRun{limit: 60, server: "bucket"}, paceBounds{mine: 0.95, wasted: 0.06}},
	{paceRun{limit: 60, server: "bucket", foreign: 0.2}, paceBounds{mine: 0.76, wasted: 0.06, denied: 0.12}},
	{paceRun{limit: 300, server: "bucket"}, paceBounds{mine: 0.97, wasted: 0.02}},
	{paceRun{limit: 300, server: "bucket", foreign: 0.2}, paceBounds{mine: 0.78, wasted: 0.02, denied: 0.03}},
	{paceRun{limit: 1000, server: "bucket"}, paceBounds{mine: 0.97, wasted: 0.02}},
	{paceRun{limit: 1000, server: "bucket", foreign: 0.2}, paceBounds{mine: 0.78, wasted: 0.02, denied: 0.03}},
}

// Many workers against a limit that nobody told the client. By default a few short
// runs with loose bounds; the whole matrix, which takes minutes, with
// go test -run PaceSimulation -pace.seeds 20 -v.
func TestPaceSimulation(t *testing.T) {
	t.Parallel()
	for _, c := range paceMatrix {
		run, seeds := c.paceRun, *paceSeeds
		run.minutes = 22
		if seeds == 0 {
			if run.limit != 60 || run.server == "phase" {
				continue
			}
			seeds, run.minutes = 1, 8
			c.mine, c.denied = c.mine-0.05, c.denied+0.05
		}
		t.Run(fmt.Sprintf("%s/limit=%d/others=%v", run.server, run.limit, run.foreign), func(t *testing.T) {
			t.Parallel()
			var mine, used, wasted, denied []float64
			for seed := range seeds {
				run.seed = uint64(seed + 1)
				f := run.run(t)
				mine, used = append(mine, f.mine), append(used, f.used)
				wasted, denied = append(wasted, f.wasted), append(denied, f.denied)
			}
			t.Logf("%-44s mine %5.1f %% (worst %5.1f)  used %5.1f %%  rejected per accepted %.3f  others denied %4.1f %%",
				t.Name(), 100*median(mine), 100*slices.Min(mine), 100*median(used), median(wasted), 100*median(denied))
			assert.GreaterOrEqual(t, median(mine), c.mine)
			assert.LessOrEqual(t, median(wasted), c.wasted)
			assert.LessOrEqual(t, median(denied), c.denied)
		})
	}
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return (values[len(values)/2] + values[(len(values)-1)/2]) / 2
}
