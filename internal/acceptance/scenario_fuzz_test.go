package acceptance_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// script reads the decisions of a scenario off a text of the fuzzer. At its end
// all decisions are 0.
type script struct{ rest []byte }

func (s *script) upTo(n int) int {
	if len(s.rest) == 0 {
		return 0
	}
	b := s.rest[0]
	s.rest = s.rest[1:]
	return int(b) % n
}

func (s *script) is() bool { return s.upTo(2) == 1 }

func oneOf[T any](s *script, choices ...T) T { return choices[s.upTo(len(choices))] }

// span is some time, mostly among those where the schedule of the readings has
// its corners, with a fraction that keeps it from being a multiple of seconds.
func (s *script) span() time.Duration {
	whole := oneOf(s, 0, 0, 1, 2, 3, 5, 6, 9, 12, 17, 25, 31, 45, 59, 61, 90, 121, 200, 700)
	return time.Duration(whole)*time.Second + time.Duration(s.upTo(256))*time.Second/256
}

func (s *script) instance(begin time.Time) ecstest.Instance {
	i := ecstest.Instance{ID: id, StartTime: begin.Add(-time.Hour)}
	if s.is() {
		i.StartTime = begin.Truncate(time.Minute)
	}
	i.Reboot = restarts(s.span())
	i.Reboot.Forced = s.span()
	i.Reboot.Path = oneOf(s, []ecsreboot.Status{ecsreboot.StatusStarting}, []ecsreboot.Status{ecsreboot.StatusStopping}, []ecsreboot.Status{ecsreboot.StatusStopping, ecsreboot.StatusStarting},
		[]ecsreboot.Status{ecsreboot.StatusStopping, ecsreboot.StatusStopped, ecsreboot.StatusStarting}, []ecsreboot.Status{ecsreboot.StatusStopped}, []ecsreboot.Status{ecsreboot.StatusPending, ecsreboot.StatusStarting})
	if s.is() {
		i.Reboot.Stale = s.span()
	}
	i.Reboot.KeepStartTime = s.is()
	i.Reboot.Hang = s.upTo(6) == 5
	return i
}

// fault is anything that a service and what lies before it may do, short of a lie:
// no refusal of what was carried out, no refusal for a status that is not so.
func (s *script) fault() ecstest.Fault {
	f := oneOf(s,
		ecstest.Fault{Kind: ecstest.FaultDrop},
		ecstest.Fault{Kind: ecstest.FaultFIN},
		ecstest.Fault{Kind: ecstest.FaultHang},
		ecstest.Fault{Kind: ecstest.FaultHalfStatusLine},
		ecstest.Fault{Kind: ecstest.FaultError},
		ecstest.Fault{Kind: ecstest.FaultError, Code: "ServiceUnavailable"},
		ecstest.Fault{Kind: ecstest.FaultError, Code: "SignatureNonceUsed"},
		ecstest.Fault{Kind: ecstest.FaultAnswer},
		ecstest.Fault{Kind: ecstest.FaultAnswer, Body: "<html>Sign in"},
		ecstest.Fault{Kind: ecstest.FaultAnswer, Status: 403, Body: "<html>"},
		ecstest.Fault{Kind: ecstest.FaultAnswer, Status: 302},
		ecstest.Fault{Kind: ecstest.FaultDelay},
		ecstest.Fault{Kind: ecstest.FaultTruncate},
		ecstest.Fault{Kind: ecstest.FaultStall},
		ecstest.Fault{Kind: ecstest.FaultRefuse},
		ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: s.span()},
		ecstest.Fault{Kind: ecstest.FaultThrottle, Status: 503},
		ecstest.Fault{Kind: ecstest.FaultError, Code: "DiskError"},
		ecstest.Fault{Kind: ecstest.FaultError, Code: "Forbidden.RAM"},
		ecstest.Fault{Kind: ecstest.FaultError, Code: "IllegalTimestamp", Status: 400},
	)
	f.Skip, f.Times = s.upTo(8), s.upTo(9)-1
	if s.is() {
		f.Delay = s.span()
	}
	switch f.Kind {
	case ecstest.FaultThrottle:
	case ecstest.FaultError:
		if refusedCleanly(ecstest.ReceivedCall{Code: f.Code, Status: 400}) {
			break
		}
		fallthrough
	default:
		if f.Act = s.is(); !f.Act && s.is() {
			f.Late = s.span()
		}
	}
	return f
}

func (s *script) options() ecsreboot.WaitOptions {
	return ecsreboot.WaitOptions{
		Timeout:         oneOf(s, 3*minute, 45*time.Second, 500*time.Millisecond, 15*minute, 100*time.Second) + 3, // nor is this one
		UnknownGrace:    oneOf(s, 0, -1, 7*time.Second, 100*time.Second),
		MaxPollFailures: oneOf(s, 0, -1, 2, 50),
		ResendUnknown:   s.is(),
	}
}

// FuzzScenario holds restarts to what is true of all of them, whatever the
// instance, the network and others do.
func FuzzScenario(f *testing.F) {
	f.Add([]byte(nil)) // all goes well
	random := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		text := make([]byte, 20+random.IntN(100))
		for i := range text {
			text[i] = byte(random.Uint32())
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		synctest.Test(t, func(t *testing.T) { (&script{text}).play(t) })
	})
}

func (s *script) play(t *testing.T) {
	t.Helper()
	time.Sleep(time.Duration(s.upTo(256)) * time.Minute / 256)
	instance := s.instance(time.Now())
	st := newStage(t, instance)
	force := s.is()
	if s.upTo(4) == 3 && !instance.Reboot.Hang {
		st.earlierRestart(force)
		time.Sleep(max(instance.Reboot.Graceful, instance.Reboot.Forced, 0) + minute + s.span())
	}
	for range s.upTo(4) {
		f := s.fault()
		f.Action = "RebootInstance"
		st.refusing = st.refusing || f.Kind == ecstest.FaultRefuse
		st.server.Inject(f)
	}
	for range s.upTo(5) {
		f := s.fault()
		f.Action = "DescribeInstances"
		st.refusing = st.refusing || f.Kind == ecstest.FaultRefuse
		st.server.Inject(f)
	}
	for range s.upTo(5) {
		st.unsteady = true
		st.after(happening{s.span() + 2, oneOf(s, anotherRestart, locking, unlocking, stopping, starting, vanishing)})
	}
	waiters := 1 + max(0, s.upTo(6)-3)
	limit := 0
	var group sync.WaitGroup
	for range waiters {
		options := s.options()
		limit++
		if options.ResendUnknown {
			limit++
			// Who says that a send shows sooner than it does may be misled.
			st.unsteady = st.unsteady || options.UnknownGrace != 0 && options.UnknownGrace < instance.Reboot.Stale || instance.Reboot.Stale > minute
		}
		var after, leaves time.Duration
		if waiters > 1 {
			after = s.span()
		}
		if s.upTo(3) == 2 {
			leaves = s.span() + 1 // no other moment is this one
		}
		canceled := s.is()
		group.Go(func() {
			time.Sleep(after)
			st.fuzzWait(options, force, leaves, canceled, waiters == 1)
		})
	}
	group.Wait()
	st.finish()
	st.finished(limit)
}

// fuzzWait waits as one of several, for so long at most as leaves says.
func (st *stage) fuzzWait(options ecsreboot.WaitOptions, force bool, leaves time.Duration, canceled, alone bool) {
	t := st.t
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if leaves > 0 && canceled {
		defer time.AfterFunc(leaves, cancel).Stop()
	} else if leaves > 0 {
		ctx, cancel = context.WithTimeout(ctx, leaves)
		defer cancel()
	}
	sent := false
	options.OnEvent = func(e ecsreboot.Event) {
		sent = sent || e.Kind == ecsreboot.EventAccepted || e.Kind == ecsreboot.EventOutcomeUnknown || e.Kind == ecsreboot.EventResendRefused
	}
	begin := time.Now()
	result, err := st.client.RebootAndWait(ctx, ecsreboot.RebootInstanceRequest{InstanceID: id, ForceStop: force}, options)
	took := time.Since(begin)
	if leaves > 0 {
		assert.LessOrEqual(t, took, leaves, "ends with its context")
	}
	if err != nil && leaves > 0 && took == leaves && took < options.Timeout {
		want, other := context.DeadlineExceeded, context.Canceled
		if canceled {
			want, other = other, want
		}
		assert.ErrorIs(t, err, want, "an end with the context says so")
		assert.NotErrorIs(t, err, other)
	}
	if err != nil && sent {
		assert.Contains(t, []ecsreboot.Outcome{unknown, accepted}, ecsreboot.OutcomeOf(err), "after a send nothing says that it did not happen: %v", err)
	}
	if alone {
		if st.ended(result, err, begin, options); err == nil {
			assert.True(t, sent)
		}
		return
	}
	assert.LessOrEqual(t, took, options.Timeout, "ends by its deadline")
	if err == nil {
		assert.Positive(t, st.restarts(), "no success without a restart since the first call")
		assert.Positive(t, result.Requests)
	} else if _, ok := errors.AsType[*ecsreboot.OperationError](err); !ok {
		t.Errorf("%T is no OperationError", err)
	}
}
