package acceptance_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"runtime"
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

// blockingBody is the body of a response that does not end, or not to be closed.
type blockingBody struct {
	io.ReadCloser

	until <-chan struct{}
	close bool
}

func (b blockingBody) Read(p []byte) (int, error) {
	if !b.close {
		<-b.until
	}
	return b.ReadCloser.Read(p)
}

func (b blockingBody) Close() error {
	<-b.until
	return b.ReadCloser.Close()
}

// deafWays are RoundTrippers that block until a channel is closed, whatever becomes of
// the context.
func deafWays(until <-chan struct{}) map[string]func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
	return map[string]func(next http.RoundTripper, req *http.Request) (*http.Response, error){
		"detaches the context, and sends": func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(req.WithContext(context.WithoutCancel(req.Context())))
			<-until
			return resp, err
		},
		"blocks before it sends": func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			<-until
			return next.RoundTrip(req.WithContext(context.WithoutCancel(req.Context())))
		},
		"blocks and panics": func(http.RoundTripper, *http.Request) (*http.Response, error) {
			<-until
			panic("a bug")
		},
		"blocks in the body": func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			if err == nil {
				resp.Body = blockingBody{resp.Body, until, false}
			}
			return resp, err
		},
		"blocks when the body is closed": func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			if err == nil {
				resp.Body = blockingBody{resp.Body, until, true}
			}
			return resp, err
		},
	}
}

// ourGoroutines returns how many goroutines of the bubble run code of the client, not
// counting the test.
func ourGoroutines() (n int) {
	stacks := make([]byte, 1<<20)
	all := strings.Split(string(stacks[:runtime.Stack(stacks, true)]), "\n\n")
	bubble := regexp.MustCompile(`synctest bubble \d+`).FindString(all[0])                   // the caller's comes first
	ours := regexp.MustCompile(`github\.com/ecsreboot/ecsreboot(/pace|/internal/[a-z]+)?\.`) // which acceptance_test is not
	for _, stack := range all[1:] {
		if strings.Contains(stack, bubble) && ours.MatchString(stack) {
			n++
		}
	}
	return n
}

// Whatever a RoundTripper does, each call returns within a second of its deadline, with
// the outcome as far as it is known. What is still at work when the RoundTripper goes on
// sends no restart any more, and leaves no goroutine.
func TestHostileRoundTripper(t *testing.T) {
	for way := range deafWays(nil) {
		for name, c := range map[string]struct {
			blocks  string // the action
			call    func(ctx context.Context, client *ecsreboot.Client) error
			outcome ecsreboot.Outcome
			sent    bool  // a restart, for all that is known
			end     error // the default is DeadlineExceeded
		}{
			"RebootAndWait, the restart": {
				blocks: "RebootInstance", outcome: unknown, sent: true,
				call: func(ctx context.Context, client *ecsreboot.Client) error {
					_, err := client.RebootAndWait(ctx, request, ecsreboot.WaitOptions{})
					return err
				},
			},
			"RebootAndWait, the baseline": {
				blocks: "DescribeInstances", outcome: notSent,
				call: func(ctx context.Context, client *ecsreboot.Client) error {
					_, err := client.RebootAndWait(ctx, request, ecsreboot.WaitOptions{})
					return err
				},
			},
			"by its Timeout": {
				blocks: "RebootInstance", outcome: unknown, sent: true,
				call: func(ctx context.Context, client *ecsreboot.Client) error {
					_, err := client.RebootAndWait(context.WithoutCancel(ctx), request, ecsreboot.WaitOptions{Timeout: 10 * s})
					return err
				},
			},
			"by a cancellation": {
				blocks: "RebootInstance", outcome: unknown, sent: true, end: context.Canceled,
				call: func(ctx context.Context, client *ecsreboot.Client) error {
					ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
					defer time.AfterFunc(10*s, cancel).Stop()
					_, err := client.RebootAndWait(ctx, request, ecsreboot.WaitOptions{})
					return err
				},
			},
			"RebootInstance": {
				blocks: "RebootInstance", outcome: unknown, sent: true,
				call: func(ctx context.Context, client *ecsreboot.Client) error {
					_, err := client.RebootInstance(ctx, request)
					return err
				},
			},
			"Check": {
				blocks: "DescribeInstances", outcome: ecsreboot.OutcomeNone,
				call: func(ctx context.Context, client *ecsreboot.Client) error {
					_, err := client.Check(ctx, request)
					return err
				},
			},
			"DescribeInstances": {
				blocks: "DescribeInstances", outcome: ecsreboot.OutcomeNone,
				call: func(ctx context.Context, client *ecsreboot.Client) error {
					_, err := list(ctx, client, id)
					return err
				},
			},
			"TakeBaseline": {
				blocks: "DescribeInstances", outcome: ecsreboot.OutcomeNone,
				call: func(ctx context.Context, client *ecsreboot.Client) error {
					_, err := client.TakeBaseline(ctx, id)
					return err
				},
			},
			"WaitUntilRestarted": {
				blocks: "DescribeInstances", outcome: ecsreboot.OutcomeNone,
				call: func(ctx context.Context, client *ecsreboot.Client) error {
					before := ecsreboot.Baseline{InstanceID: id, Status: ecsreboot.StatusRunning, TakenAt: time.Now()}
					_, err := client.WaitUntilRestarted(ctx, before, ecsreboot.WaitOptions{})
					return err
				},
			},
			"Resolve": {
				blocks: "DescribeInstances", outcome: unknown,
				call: func(ctx context.Context, client *ecsreboot.Client) error {
					lost := &ecsreboot.OperationError{Operation: "RebootInstance", InstanceID: id, Outcome: unknown, SentAt: time.Now(), Err: io.EOF}
					_, err := client.Resolve(ctx, lost, ecsreboot.WaitOptions{})
					return err
				},
			},
		} {
			t.Run(name+"/"+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := newService(t, ecstest.Options{})
					until := make(chan struct{})
					roundTrip := deafWays(until)[way]
					client := newClient(t, server, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
						if req.Header.Get("X-Acs-Action") != c.blocks {
							return next.RoundTrip(req)
						}
						return roundTrip(next, req)
					}))
					ctx, cancel := context.WithTimeout(t.Context(), 10*s)
					defer cancel()
					begin := time.Now()
					err := c.call(ctx, client)
					took := time.Since(begin)
					assert.GreaterOrEqual(t, took, 10*s)
					assert.Less(t, took, 11*s)
					assertOutcome(t, c.outcome, err)
					if c.end == nil {
						c.end = context.DeadlineExceeded
					}
					require.ErrorIs(t, err, c.end)
					failed, _ := errors.AsType[*ecsreboot.OperationError](err)
					if c.sent {
						assert.WithinDuration(t, begin, failed.SentAt, 0, "Resolve needs it")
						assert.Equal(t, 1, failed.Attempts)
					}
					arrived := countCalls(server, "RebootInstance")
					time.Sleep(time.Hour)
					assert.Positive(t, ourGoroutines(), "what blocks has one")
					close(until)
					synctest.Wait()
					assert.Zero(t, ourGoroutines())
					assert.Equal(t, arrived, countCalls(server, "RebootInstance"), "nothing leaves after the call has returned")
				})
			})
		}
	}
}

// Of several calls that share a restart which a RoundTripper blocks, each returns at its
// own deadline.
func TestHostileSharedRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newService(t, ecstest.Options{})
		until := make(chan struct{})
		client := newClient(t, server, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			if req.Header.Get("X-Acs-Action") == "RebootInstance" {
				<-until
			}
			return next.RoundTrip(req)
		}))
		begin := time.Now()
		var group sync.WaitGroup
		for i := range 3 {
			group.Go(func() {
				limit := time.Duration(i+1) * 5 * s
				_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{Timeout: limit})
				assertOutcome(t, unknown, err)
				assert.GreaterOrEqual(t, time.Since(begin), limit)
				assert.Less(t, time.Since(begin), limit+s)
			})
		}
		group.Wait()
		close(until)
		synctest.Wait()
		assert.Zero(t, server.Reboots(id), "it was given up")
	})
}

// A RoundTripper that blocks on one poll for ever ends the poll at the time limit of the
// attempt: the wait goes on, and so do those of other instances.
func TestHostilePoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newRestarts(t, 30, ecstest.Options{}, ecstest.RebootProfile{Graceful: 20 * s})
		until := make(chan struct{})
		defer close(until)
		var polls atomic.Int64
		client := newClient(t, server, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			if req.Header.Get("X-Acs-Action") == "DescribeInstances" && polls.Add(1) == 4 {
				<-until
			}
			return next.RoundTrip(req)
		}))
		begin := time.Now()
		var group sync.WaitGroup
		for i := range 30 {
			group.Go(func() {
				time.Sleep(time.Duration(i) * s / 10)
				_, err := restartNth(t, client, i)
				assert.NoError(t, err)
			})
		}
		group.Wait()
		assert.Less(t, time.Since(begin), 75*s)
		assert.Greater(t, polls.Load(), int64(4))
	})
}

// A probe that does not heed its context is left alone at the deadline; what it says or
// panics with then is dropped.
func TestHostileProbe(t *testing.T) {
	for name, end := range map[string]func() (ecsreboot.ProbeResult, error){
		"restarted": func() (ecsreboot.ProbeResult, error) { return ecsreboot.ProbeRestarted, nil },
		"an error":  func() (ecsreboot.ProbeResult, error) { return 0, errors.New("no") },
		"panics":    func() (ecsreboot.ProbeResult, error) { panic("a bug") },
		"exits":     func() (ecsreboot.ProbeResult, error) { runtime.Goexit(); return 0, nil },
	} {
		t.Run(name, func(t *testing.T) {
			waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
				var running, most, asked atomic.Int64
				var kinds []ecsreboot.EventKind
				ctx, cancel := context.WithTimeout(t.Context(), 2*minute)
				defer cancel()
				begin := time.Now()
				_, err := client.RebootAndWait(ctx, request, ecsreboot.WaitOptions{
					OnEvent: func(e ecsreboot.Event) { kinds = append(kinds, e.Kind) },
					Probe: func(context.Context, ecsreboot.Observation) (ecsreboot.ProbeResult, error) {
						most.Store(max(most.Load(), running.Add(1)))
						defer running.Add(-1)
						if asked.Add(1) < 2 {
							time.Sleep(7 * s) // longer than between polls
							return ecsreboot.ProbePending, nil
						}
						time.Sleep(time.Hour)
						return end()
					},
				})
				assert.GreaterOrEqual(t, time.Since(begin), 2*minute)
				assert.Less(t, time.Since(begin), 2*minute+s)
				require.ErrorIs(t, err, ecsreboot.ErrNotProven)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				assertOutcome(t, accepted, err)
				told := len(kinds)
				time.Sleep(2 * time.Hour)
				assert.Equal(t, int64(2), asked.Load())
				assert.Equal(t, int64(1), most.Load(), "they never overlap")
				assert.Len(t, kinds, told)
				assert.Equal(t, 1, server.Reboots(id))
			})
		})
	}
}

// A panic and the end of a goroutine reach the caller as long as it waits.
func TestPanicReachesTheCaller(t *testing.T) {
	t.Run("probe", func(t *testing.T) {
		waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, _ *ecstest.Server, client *ecsreboot.Client) {
			assert.PanicsWithValue(t, "a bug", func() {
				_, _ = client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{Probe: func(context.Context, ecsreboot.Observation) (ecsreboot.ProbeResult, error) {
					time.Sleep(s)
					panic("a bug")
				}})
			})
		})
	})
	t.Run("probe exits", func(t *testing.T) {
		waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, _ *ecstest.Server, client *ecsreboot.Client) {
			exited, returned := make(chan struct{}), false
			go func() {
				defer close(exited)
				_, _ = client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{Probe: func(context.Context, ecsreboot.Observation) (ecsreboot.ProbeResult, error) {
					runtime.Goexit()
					return 0, nil
				}})
				returned = true
			}()
			<-exited
			assert.False(t, returned, "as a failed require in a probe does")
		})
	})
	t.Run("RoundTripper", func(t *testing.T) {
		waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, _ *ecsreboot.Client) {
			client := newClient(t, server, wrapped(func(http.RoundTripper, *http.Request) (*http.Response, error) {
				time.Sleep(s)
				panic("a bug")
			}))
			for name, call := range map[string]func(){
				"RebootInstance":    func() { _, _ = client.RebootInstance(t.Context(), request) },
				"Check":             func() { _, _ = client.Check(t.Context(), request) },
				"DescribeInstances": func() { _, _ = list(t.Context(), client, id) },
			} {
				assert.PanicsWithValue(t, "a bug", call, name)
			}
		})
	})
}
