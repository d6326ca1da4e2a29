package acceptance_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// dated gives every answer another Date: the service's, shifted, or none.
func dated(shift time.Duration, none bool) ecsreboot.Option {
	return wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		date, err := http.ParseTime(resp.Header.Get("Date"))
		if err != nil {
			return nil, err
		}
		resp.Header.Set("Date", date.Add(shift).Format(http.TimeFormat))
		if none {
			resp.Header.Del("Date")
		}
		return resp, nil
	})
}

// ways are the calls that may report a restart. The argument restarts says whether the
// restart will happen. Each call returns its result, which holds the evidence.
var ways = map[string]func(ctx context.Context, client *ecsreboot.Client, server *ecstest.Server, restarts bool) (*ecsreboot.RestartResult, error){
	"RebootAndWait": func(ctx context.Context, client *ecsreboot.Client, server *ecstest.Server, restarts bool) (*ecsreboot.RestartResult, error) {
		inject(server, ecstest.Fault{Kind: ecstest.FaultDrop, Act: restarts})
		return client.RebootAndWait(ctx, request, ecsreboot.WaitOptions{UnknownGrace: 2 * minute})
	},
	"Resolve": func(ctx context.Context, client *ecsreboot.Client, server *ecstest.Server, restarts bool) (*ecsreboot.RestartResult, error) {
		inject(server, ecstest.Fault{Kind: ecstest.FaultDrop, Act: restarts})
		_, lost := client.RebootInstance(ctx, request)
		return client.Resolve(ctx, lost, ecsreboot.WaitOptions{UnknownGrace: 2 * minute})
	},
	"Resolve with a baseline": func(ctx context.Context, client *ecsreboot.Client, server *ecstest.Server, restarts bool) (*ecsreboot.RestartResult, error) {
		inject(server, ecstest.Fault{Kind: ecstest.FaultDrop, Act: restarts})
		_, lost := client.RebootAndWait(ctx, request, ecsreboot.WaitOptions{UnknownGrace: -1})
		return client.Resolve(ctx, lost, ecsreboot.WaitOptions{UnknownGrace: 2 * minute})
	},
	"WaitUntilRestarted": func(ctx context.Context, client *ecsreboot.Client, server *ecstest.Server, restarts bool) (*ecsreboot.RestartResult, error) {
		baseline, err := client.TakeBaseline(ctx, id)
		if err != nil {
			return nil, err
		}
		if restarts {
			if err := server.Restart(id, false); err != nil {
				return nil, err
			}
		}
		return client.WaitUntilRestarted(ctx, baseline, ecsreboot.WaitOptions{Timeout: 2 * minute})
	},
}

// unseen is a restart that only StartTime shows.
var unseen = ecstest.RebootProfile{Graceful: 65 * s, Stale: 80 * s}

// claim runs one of the ways against a service whose clock is ahead of ours. Others
// restarted the instance ten minutes before, which comes to light 20 seconds after the
// call. So each claim without a restart by the way itself is false.
func claim(t *testing.T, way string, ahead time.Duration, restarts bool, options ...ecsreboot.Option) (*ecsreboot.RestartResult, error) {
	t.Helper()
	server, err := ecstest.NewInMemoryServer(ecstest.Options{})
	require.NoError(t, err)
	t.Cleanup(server.Close)
	server.SetClockOffset(ahead)
	profile := unseen
	if !restarts {
		profile = ecstest.RebootProfile{Graceful: -1, Stale: 10*minute + 20*s}
	}
	require.NoError(t, server.AddInstance(ecstest.Instance{ID: id, Reboot: profile}))
	earlier := 0
	if !restarts {
		require.NoError(t, server.Restart(id, false))
		earlier = 1
	}
	time.Sleep(10 * minute)
	result, err := ways[way](t.Context(), newClient(t, server, options...), server, restarts)
	if !restarts {
		require.Equal(t, earlier, server.Reboots(id), "the scene is right")
	} else {
		require.Equal(t, earlier+1, server.Reboots(id), "the scene is right")
	}
	return result, err
}

// A Date that is more than 15 minutes away, or none, proves no restart that never was,
// whichever way one asks, and whatever our own clock says.
func TestNoProofByAWrongDate(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for n, way := range slices.Sorted(maps.Keys(ways)) {
		for i, shift := range []time.Duration{0, -16 * minute, -20 * minute, -10 * year, 20 * minute, 10 * year} {
			// Each offset of our clock meets each way and each shift.
			ahead := []time.Duration{0, time.Hour, -time.Hour}[(n+i)%3]
			t.Run(fmt.Sprintf("%s/%v/%v", way, ahead, shift), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					_, err := claim(t, way, ahead, false, datedReadings(shift))
					require.ErrorIs(t, err, ecsreboot.ErrNotProven)
				})
			})
		}
	}
}

// If the clock of the service is set back, the StartTime of an earlier restart is ahead of
// the clock. Such a StartTime proves nothing, even after the clock has caught up.
func TestNoProofByAClockSetBack(t *testing.T) {
	for way := range ways {
		for _, c := range []struct{ after, by time.Duration }{{10 * minute, time.Hour}, {10 * minute, 11 * minute}, {30 * s, 90 * s}} {
			t.Run(fmt.Sprintf("%s/%v", way, c.by), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server, err := ecstest.NewInMemoryServer(ecstest.Options{})
					require.NoError(t, err)
					defer server.Close()
					require.NoError(t, server.AddInstance(ecstest.Instance{ID: id, Reboot: ecstest.RebootProfile{Graceful: -1, Stale: c.after + 20*s}}))
					require.NoError(t, server.Restart(id, false))
					time.Sleep(c.after)
					server.SetClockOffset(-c.by)
					result, err := ways[way](t.Context(), newClient(t, server), server, false)
					require.ErrorIs(t, err, ecsreboot.ErrNotProven, "%+v", result)
				})
			})
		}
	}
}

// If only the baseline has a Date, nothing shows that the StartTime of a poll is ahead of
// the clock of the service, so StartTime proves nothing.
func TestNoProofByAPollWithoutDate(t *testing.T) {
	for way := range ways {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, err := ecstest.NewInMemoryServer(ecstest.Options{})
				require.NoError(t, err)
				defer server.Close()
				require.NoError(t, server.AddInstance(ecstest.Instance{ID: id, Reboot: ecstest.RebootProfile{Graceful: -1, Stale: 10*minute + 20*s}}))
				require.NoError(t, server.Restart(id, false))
				time.Sleep(10 * minute)
				server.SetClockOffset(-11 * minute)
				begin := time.Now()
				undated := wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
					resp, err := next.RoundTrip(req)
					if err == nil && time.Since(begin) > 15*s {
						resp.Header.Del("Date")
					}
					return resp, err
				})
				result, err := ways[way](t.Context(), newClient(t, server, undated), server, false)
				require.ErrorIs(t, err, ecsreboot.ErrNotProven, "%+v", result)
			})
		})
	}
}

// datedReadings is dated for what was not refused: a refusal's Date sets the clock.
func datedReadings(shift time.Duration) ecsreboot.Option {
	return wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err != nil || resp.StatusCode != http.StatusOK {
			return resp, err
		}
		date, err := http.ParseTime(resp.Header.Get("Date"))
		resp.Header.Set("Date", date.Add(shift).Format(http.TimeFormat))
		return resp, err
	})
}

// Without a service clock StartTime proves nothing, not even a restart that took place.
func TestNoProofWithoutServiceClock(t *testing.T) {
	for way := range ways {
		for name, option := range map[string]ecsreboot.Option{"none": dated(0, true), "20 minutes": dated(-20*minute, false), "ten years": dated(87600*time.Hour, false)} {
			t.Run(way+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					_, err := claim(t, way, 0, true, option)
					require.ErrorIs(t, err, ecsreboot.ErrNotProven)
				})
			})
		}
	}
	// A baseline that was kept without it is of no use either.
	waitFor(t, unseen, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		baseline, err := client.TakeBaseline(t.Context(), id)
		require.NoError(t, err)
		require.NoError(t, server.Restart(id, false))
		baseline.ServiceTime = time.Time{}
		_, err = client.WaitUntilRestarted(t.Context(), baseline, ecsreboot.WaitOptions{Timeout: 3 * minute})
		require.ErrorIs(t, err, ecsreboot.ErrNotProven)
	})
}

// A local clock that is off still proves, by minutes or, once the service refused it,
// by hours.
func TestProofWithAWrongLocalClock(t *testing.T) {
	for way := range ways {
		for _, ahead := range []time.Duration{0, 14 * minute, -14 * minute, time.Hour, -time.Hour, 87600 * time.Hour} {
			t.Run(fmt.Sprintf("%s/%v", way, ahead), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					result, err := claim(t, way, ahead, true)
					require.NoError(t, err)
					assert.Equal(t, ecsreboot.ProofStartTime, result.Proof)
					if !result.Before.TakenAt.IsZero() {
						assert.Equal(t, ahead, result.Before.ServiceTime.Sub(result.Before.TakenAt).Round(s))
					}
				})
			})
		}
	}
}

// With the baseline of an error, the time of the send by the service's clock is known:
// another process can resolve the error, whatever its local clock or the sender's.
func TestResolveInAnotherProcess(t *testing.T) {
	for _, acts := range []bool{true, false} {
		for _, off := range []time.Duration{0, time.Hour, -time.Hour, 14 * minute, -14 * minute} {
			t.Run(fmt.Sprintf("%v/%v", acts, off), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					profile := unseen
					if !acts { // others restarted it before, which shows late
						profile = ecstest.RebootProfile{Graceful: -1, Stale: 10*minute + 20*s}
					}
					server, err := ecstest.NewInMemoryServer(ecstest.Options{})
					require.NoError(t, err)
					t.Cleanup(server.Close)
					require.NoError(t, server.AddInstance(ecstest.Instance{ID: id, Reboot: profile}))
					if !acts {
						require.NoError(t, server.Restart(id, false))
					}
					time.Sleep(10*minute + 5*s)
					inject(server, ecstest.Fault{Kind: ecstest.FaultDrop, Act: acts})
					_, lost := newClient(t, server).RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{UnknownGrace: -1})
					failed, ok := errors.AsType[*ecsreboot.OperationError](lost)
					require.True(t, ok)
					waited, ok := errors.AsType[*ecsreboot.WaitError](lost)
					require.True(t, ok)

					// It is written down by a clock that is off, and read elsewhere.
					before := waited.Before
					before.TakenAt = before.TakenAt.Add(off)
					text, err := json.Marshal(before)
					require.NoError(t, err)
					var kept ecsreboot.Baseline
					require.NoError(t, json.Unmarshal(text, &kept))
					result, err := newClient(t, server).Resolve(t.Context(), &ecsreboot.OperationError{
						Operation: failed.Operation, InstanceID: id, Outcome: unknown, SentAt: failed.SentAt.Add(off).Round(0),
						Err: &ecsreboot.WaitError{Before: kept, Err: errors.New("kept")},
					}, ecsreboot.WaitOptions{UnknownGrace: 2*minute - min(off, 0)})
					if acts {
						require.NoError(t, err)
						assert.Equal(t, ecsreboot.ProofStartTime, result.Proof)
						return
					}
					require.ErrorIs(t, err, ecsreboot.ErrNotProven)
					assert.Equal(t, 1, server.Reboots(id), "by others, before")
				})
			})
		}
	}
}

// WaitUntilRestarted has no send: a start in the minute of the baseline's ServiceTime
// counts, and none in a minute before.
func TestStartInTheMinuteOfTheBaseline(t *testing.T) {
	for _, c := range []struct {
		second time.Duration // of its minute, at which the baseline is taken
		start  time.Duration // after the baseline
		want   bool
	}{
		{second: 0, start: 0, want: true},
		{second: 59, start: 0, want: true},
		{second: 59, start: 2, want: true},
		{second: 0, start: 59, want: true},
		{second: 0, start: -1},
		{second: 59, start: -60},
		{second: 30, start: -31},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				taken := time.Now().Add(2*minute + c.second*s)
				server, err := ecstest.NewInMemoryServer(ecstest.Options{})
				require.NoError(t, err)
				t.Cleanup(server.Close)
				// No reading shows it before a minute and a half has passed.
				require.NoError(t, server.AddInstance(ecstest.Instance{ID: id, Reboot: ecstest.RebootProfile{Graceful: -1, Stale: 90 * s}}))
				time.AfterFunc(time.Until(taken.Add(c.start*s)), func() { assert.NoError(t, server.Restart(id, false)) })
				time.Sleep(time.Until(taken))
				client := newClient(t, server)
				baseline, err := client.TakeBaseline(t.Context(), id)
				require.NoError(t, err)
				result, err := client.WaitUntilRestarted(t.Context(), baseline, ecsreboot.WaitOptions{Timeout: 3 * minute})
				if !c.want {
					require.ErrorIs(t, err, ecsreboot.ErrNotProven)
					return
				}
				require.NoError(t, err)
				assert.Equal(t, ecsreboot.ProofStartTime, result.Proof)
			})
		})
	}
}

// showing lists the instance with a status for some time after the send, whatever it
// is in truth.
func showing(status string, from, until time.Duration) ecsreboot.Option {
	var sent time.Time
	return wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
		if req.Header.Get("X-Acs-Action") == "RebootInstance" && sent.IsZero() {
			sent = time.Now()
		}
		resp, err := next.RoundTrip(req)
		if err != nil || sent.IsZero() || time.Since(sent) < from || time.Since(sent) > until {
			return resp, err
		}
		body, err := io.ReadAll(resp.Body)
		body = bytes.ReplaceAll(body, []byte(`"Status":"Running"`), []byte(`"Status":"`+status+`"`))
		resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), -1
		return resp, err
	})
}

// Stopping, Stopped and Starting are what a restart passes through. Nothing else is a
// sign of one, nor does it settle an unknown outcome while it lasts.
func TestOnlyTheStatusesOfARestartProve(t *testing.T) {
	for status, proves := range map[string]bool{
		"Stopping": true, "Stopped": true, "Starting": true,
		"Pending": false, "Hibernating": false, "stopping": false, "STARTING": false, "Rebooting": false,
	} {
		for _, options := range []ecsreboot.WaitOptions{{}, {UnknownGrace: -1}} {
			t.Run(fmt.Sprint(status, options.UnknownGrace), func(t *testing.T) {
				waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, _ *ecsreboot.Client) {
					client := newClient(t, server, showing(status, 0, 10*s))
					inject(server, ecstest.Fault{Kind: ecstest.FaultDrop})
					result, err := client.RebootAndWait(t.Context(), request, options)
					if proves {
						require.NoError(t, err)
						assert.Equal(t, ecsreboot.ProofStatus, result.Proof)
						return
					}
					require.ErrorIs(t, err, ecsreboot.ErrNotProven)
					require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
					waited, _ := errors.AsType[*ecsreboot.WaitError](err)
					assert.Equal(t, ecsreboot.StatusRunning, waited.LastStatus, "it ends once it is Running")
				})
			})
		}
	}
}

// A second send is for what is Running: an instance that is in a status of which nobody
// knows what it means is not sent to.
func TestNoSecondSendInAStrangeStatus(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, _ *ecsreboot.Client) {
		client := newClient(t, server, showing("Hibernating", 0, time.Hour))
		inject(server, ecstest.Fault{Kind: ecstest.FaultDrop})
		_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{ResendUnknown: true, Timeout: 5 * minute})
		require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
		assert.Equal(t, 1, countCalls(server, "RebootInstance"))
	})
}

// Only a refusal for the status says that the first send took effect, and it is a proof
// of its own. Whatever else a second send is refused for says nothing of the first.
func TestProofByRefusal(t *testing.T) {
	hidden := ecstest.RebootProfile{Graceful: 70 * s, Stale: time.Hour, KeepStartTime: true}
	waitFor(t, hidden, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		inject(server, ecstest.Fault{Kind: ecstest.FaultDrop, Act: true})
		begin := time.Now()
		result, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{ResendUnknown: true})
		require.NoError(t, err)
		assert.Equal(t, ecsreboot.ProofRefusal, result.Proof)
		assert.EqualValues(t, "refusal", result.Proof)
		assert.Equal(t, 2, result.Requests)
		assert.GreaterOrEqual(t, time.Since(begin), 2*minute, "the second send's grace period is over")
		assert.Equal(t, 1, server.Reboots(id))
	})
	for _, code := range []string{
		"DiskError", "IncorrectInstanceStatus.Initializing", "InstanceLockedForSecurity", "OperationConflict", "InvalidInstanceId.NotFound",
		"Forbidden.RAM", "InstanceNotReady", "InvalidParameter", "IncorrectInstanceStatusX",
	} {
		t.Run(code, func(t *testing.T) {
			waitFor(t, ecstest.RebootProfile{}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
				inject(server, ecstest.Fault{Kind: ecstest.FaultDrop})
				inject(server, ecstest.Fault{Kind: ecstest.FaultError, Code: code, Status: 403})
				result, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{ResendUnknown: true})
				require.Nil(t, result)
				require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
				require.ErrorIs(t, err, ecsreboot.ErrorCode(code))
				require.NotErrorIs(t, err, ecsreboot.ErrRejected)
				assert.Zero(t, server.Reboots(id))
			})
		})
	}
	// Refused for its status, but not Running after that: that proves nothing yet.
	waitFor(t, hidden, func(t *testing.T, server *ecstest.Server, _ *ecsreboot.Client) {
		client := newClient(t, server, showing("Hibernating", 61*s, time.Hour))
		inject(server, ecstest.Fault{Kind: ecstest.FaultDrop, Act: true})
		_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{ResendUnknown: true, UnknownGrace: 50 * s, Timeout: 5 * minute})
		require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
		require.ErrorIs(t, err, ecsreboot.ErrNotProven)
		assert.Equal(t, 2, countCalls(server, "RebootInstance"))
	})
}

// The sender's clock may be ahead: what its error says is resolved nevertheless.
func TestResolveOfTheFuture(t *testing.T) {
	waitFor(t, ecstest.RebootProfile{Graceful: 40 * s}, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		inject(server, ecstest.Fault{Kind: ecstest.FaultDrop})
		_, lost := client.RebootInstance(t.Context(), request)
		failed, _ := errors.AsType[*ecsreboot.OperationError](lost)
		failed.SentAt = failed.SentAt.Add(time.Hour)
		begin := time.Now()
		_, err := client.Resolve(t.Context(), failed, ecsreboot.WaitOptions{})
		require.ErrorIs(t, err, ecsreboot.ErrNotProven)
		assert.Less(t, time.Since(begin), 2*minute)

		require.NoError(t, server.Restart(id, false))
		result, err := client.Resolve(t.Context(), failed, ecsreboot.WaitOptions{})
		require.NoError(t, err)
		assert.Equal(t, ecsreboot.ProofStatus, result.Proof)
	})
}
