package acceptance_test

import (
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// denying is a service without a network: it refuses what asks for one of some ids.
type denying struct {
	culprits map[string]bool
	code     string

	mu       sync.Mutex
	requests []deniedRequest
}

type deniedRequest struct {
	ids     []string
	refused bool
}

func (d *denying) RoundTrip(req *http.Request) (*http.Response, error) {
	params, err := url.ParseQuery(req.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	ids := strings.Split(strings.Trim(params.Get("InstanceIds"), `["]`), `","`)
	refused := slices.ContainsFunc(ids, func(id string) bool { return d.culprits[id] })
	d.mu.Lock()
	d.requests = append(d.requests, deniedRequest{ids, refused})
	d.mu.Unlock()
	status, body := http.StatusOK, page("", ids...)
	if refused {
		status, body = http.StatusForbidden, `{"RequestId":"473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E","Code":"`+d.code+`","Message":"no"}`
	}
	return answered(status, nil, body, -1).RoundTrip(req)
}

// baselinesOf takes n baselines at once, of which some may not be read, and returns the
// errors, by number.
func (d *denying) baselinesOf(t *testing.T, n int, culprits ...int) []error {
	t.Helper()
	client := fuzzClient(t, d)
	d.culprits = nil
	_, err := client.TakeBaseline(t.Context(), nth(9999)) // from then on they gather
	require.NoError(t, err)
	d.culprits, d.requests = make(map[string]bool), nil
	for _, i := range culprits {
		d.culprits[nth(i)] = true
	}
	errs := make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { _, errs[i] = client.TakeBaseline(t.Context(), nth(i)) })
	}
	group.Wait()
	return errs
}

func ceilLog2(n int) int { return bits.Len(uint(n - 1)) }

// givenUp returns the number of requests up to the third one that was refused for a
// single id, or 0 if a request succeeded before or there are fewer.
func (d *denying) givenUp() int {
	alone := 0
	for i, request := range d.requests {
		switch {
		case !request.refused:
			return 0
		case len(request.ids) == 1:
			if alone++; alone == 3 {
				return i + 1
			}
		}
	}
	return 0
}

// checkNarrowed holds what n baselines ended with, and the requests, against what is
// promised for these culprits.
func (d *denying) checkNarrowed(t *testing.T, errs []error, culprits []int) {
	t.Helper()
	n, k := len(errs), len(culprits)
	name := fmt.Sprintf("n=%d, culprits %v", n, culprits)
	require.LessOrEqual(t, len(d.requests), 1+2*k*ceilLog2(n), name)
	givenUp := d.givenUp()
	if givenUp > 0 {
		require.Len(t, d.requests, givenUp, "%s: nothing is asked for after that", name)
		require.LessOrEqual(t, givenUp, 3+2*ceilLog2(n), name)
		require.Greater(t, k, bits.Len(uint(n))-1, "%s: so few do not speak for all", name)
	}
	if k == n && n >= 3 {
		require.Positive(t, givenUp, name)
	}
	for i, err := range errs {
		switch {
		case slices.Contains(culprits, i), givenUp > 0:
			require.ErrorIs(t, err, ecsreboot.ErrAccessDenied, name)
			failed, _ := errors.AsType[*ecsreboot.OperationError](err)
			require.Equal(t, nth(i), failed.InstanceID, name)
		default:
			require.NoError(t, err, "%s: %d", name, i)
		}
	}
}

// Whichever ids are to blame for a refusal, they are found in few requests, and only
// their readings fail; an identity that may read nothing costs few requests.
func TestRefusalIsNarrowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &denying{code: "Forbidden.RAM"}
		check := func(n int, culprits ...int) {
			d.checkNarrowed(t, d.baselinesOf(t, n, culprits...), culprits)
		}
		step, largest, draws := 9, 5, 60
		if longTests {
			step, largest, draws = 1, 8, 300
		}
		for n := 1; n <= largest; n++ {
			for set := range 1 << n {
				var culprits []int
				for i := range n {
					if set>>i&1 == 1 {
						culprits = append(culprits, i)
					}
				}
				check(n, culprits...)
			}
		}
		all := make([]int, 100)
		for i := range all {
			all[i] = i
		}
		for n := 1; n <= 100; n += step {
			check(n, all[:n]...)
			check(n, n-1)
		}
		for i := 0; i < 100; i += step {
			check(100, i)
		}
		for i := 0; i < 98; i += step { // three in a row speak for nobody else
			check(100, i, i+1, i+2)
			require.Zero(t, d.givenUp())
		}
		random := rand.New(rand.NewPCG(1, 1))
		for range draws {
			n := 1 + random.IntN(100)
			culprits := make(map[int]bool)
			for range random.IntN(12) {
				culprits[random.IntN(n)] = true
			}
			check(n, slices.Sorted(maps.Keys(culprits))...)
		}
	})
}

// Three of a hundred running waits whose instances may not be read any more end, named;
// the other 97 go on to their proof.
func TestDeniedPollsFailNobodyElse(t *testing.T) {
	for name, culprits := range map[string][]int{"in a row": {0, 1, 2}, "apart": {5, 42, 99}, "at the end": {97, 98, 99}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newRestarts(t, 100, ecstest.Options{}, ecstest.RebootProfile{Graceful: 30 * s})
				client := newClient(t, server)
				var group sync.WaitGroup
				group.Go(func() {
					for i, err := range together(t, client, 100, ecsreboot.WaitOptions{}) {
						if !slices.Contains(culprits, i) {
							assert.NoError(t, err, i)
							continue
						}
						assert.ErrorIs(t, err, ecsreboot.ErrAccessDenied)
						assert.ErrorContains(t, err, nth(i))
						assertOutcome(t, accepted, err)
					}
				})
				for server.TotalReboots() < 100 {
					time.Sleep(s / 10)
				}
				before := len(reads(server))
				for _, i := range culprits {
					server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Action: "DescribeInstances", InstanceID: nth(i), Status: 403, Code: "Forbidden.RAM", Times: -1})
				}
				group.Wait()
				refused := 0
				for _, call := range reads(server)[before:] {
					if call.Code != "" {
						refused++
					}
				}
				assert.LessOrEqual(t, refused, 1+3*7, "they are found once")
				assert.Equal(t, 100, server.TotalReboots())
			})
		})
	}
}

// What no id can be to blame for is not narrowed down.
func TestNoIDIsToBlame(t *testing.T) {
	for code, class := range map[string]error{
		"InvalidAccessKeyId.NotFound":           ecsreboot.ErrUnauthenticated,
		"InvalidAccessKeyId.Inactive":           ecsreboot.ErrUnauthenticated,
		"SignatureDoesNotMatch":                 ecsreboot.ErrUnauthenticated,
		"InvalidSecurityToken.Expired":          ecsreboot.ErrUnauthenticated,
		"MissingSecurityToken":                  ecsreboot.ErrUnauthenticated,
		"Throttling.User":                       ecsreboot.ErrThrottled,
		"InvalidTimeStamp.Format":               ecsreboot.ErrInvalidTimeStampFormat,
		"SignatureNonceUsed":                    ecsreboot.ErrSignatureNonceUsed,
		"InvalidRegionId.NotFound":              ecsreboot.ErrInvalidRegionIDNotFound,
		"InvalidAction.NotFound":                ecsreboot.ErrInvalidActionNotFound,
		"InvalidAccountStatus.NotEnoughBalance": ecsreboot.ErrInvalidAccountStatusNotEnoughBalance,
		"ServiceUnavailable":                    ecsreboot.ErrServiceUnavailable,
	} {
		t.Run(code, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newRestarts(t, 10, ecstest.Options{}, ecstest.RebootProfile{})
				client := newClient(t, server, ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{MaxAttempts: -1}))
				_, err := client.TakeBaseline(t.Context(), nth(0))
				require.NoError(t, err)
				server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Action: "DescribeInstances", Status: 403, Code: code, Times: -1})
				var group sync.WaitGroup
				for i := range 10 {
					group.Go(func() {
						_, err := client.TakeBaseline(t.Context(), nth(i))
						assert.ErrorIs(t, err, class)
					})
				}
				group.Wait()
				assert.Len(t, reads(server), 1+1, "one refused request fails all waits")
			})
		})
	}
}

// A failure of another kind while a refusal is narrowed down is a fault of those polls
// that shared the request, and of no others.
func TestMixedRefusals(t *testing.T) {
	const n = 12
	for name, fault := range map[string]ecstest.Fault{
		"dropped":         {Kind: ecstest.FaultDrop},
		"500":             {Kind: ecstest.FaultError},
		"unauthenticated": {Kind: ecstest.FaultError, Status: 403, Code: "SignatureDoesNotMatch"},
		"throttled":       {Kind: ecstest.FaultThrottle, Hint: s},
		"hangs":           {Kind: ecstest.FaultHang},
	} {
		for half, target := range []string{nth(3), nth(9)} { // with the one to blame, and without
			t.Run(fmt.Sprintf("%s/%d", name, half), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := newRestarts(t, n, ecstest.Options{}, ecstest.RebootProfile{Graceful: 40 * s})
					refuse := ecstest.Fault{Kind: ecstest.FaultError, Action: "DescribeInstances", InstanceID: nth(3), Status: 403, Code: "Forbidden.RAM", Times: -1}
					fault.Action, fault.InstanceID = "DescribeInstances", target
					var parted, failed atomic.Bool
					client := newClient(t, server, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
						asks := func(id string) bool { return strings.Contains(req.URL.RawQuery, id) }
						if parted.Load() && asks(target) && (!asks(nth(3)) || !asks(nth(9))) && !failed.Swap(true) {
							server.ClearFaults()
							server.Inject(fault, refuse)
						}
						resp, err := next.RoundTrip(req)
						if asks(nth(3)) && asks(nth(9)) && err == nil && resp.StatusCode == http.StatusForbidden {
							parted.Store(true)
						}
						return resp, err
					}))
					faults := make([][]error, n)
					ends := make([]error, n)
					var group sync.WaitGroup
					for i := range n {
						group.Go(func() {
							_, ends[i] = client.RebootAndWait(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: nth(i)}, ecsreboot.WaitOptions{
								OnEvent: func(e ecsreboot.Event) {
									if e.Kind == ecsreboot.EventPollFailed {
										faults[i] = append(faults[i], e.Err)
									}
								},
							})
						})
					}
					for server.TotalReboots() < n {
						time.Sleep(s / 10)
					}
					time.Sleep(8 * s) // until they are in step
					server.Inject(refuse)
					group.Wait()
					assert.True(t, failed.Load())
					for i, err := range ends {
						if name == "unauthenticated" && errors.Is(err, ecsreboot.ErrUnauthenticated) {
							// Refused credentials end the waits that shared the request, like denied access.
							assert.NotErrorIs(t, err, ecsreboot.ErrAccessDenied, i)
							assert.NotEqual(t, []int{9, 4}[half], i, "it was in the other half")
							assert.Len(t, faults[i], 1)
							continue
						}
						if i == 3 {
							assert.ErrorIs(t, err, ecsreboot.ErrAccessDenied)
							continue
						}
						assert.NoError(t, err, i)
						assert.LessOrEqual(t, len(faults[i]), 1, "%d: %v", i, faults[i])
						for _, fault := range faults[i] {
							assert.NotErrorIs(t, fault, ecsreboot.ErrAccessDenied, i)
						}
						if other := []int{9, 4}[half]; i == other {
							assert.Empty(t, faults[i], "it was in the other half")
						}
					}
				})
			})
		}
	}
}
