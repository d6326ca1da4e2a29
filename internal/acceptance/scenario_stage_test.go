package acceptance_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// stage is a service with one instance, a client of it and others who do things to
// the instance. It is for use in a bubble.
type stage struct {
	t       *testing.T
	server  *ecstest.Server
	client  *ecsreboot.Client
	running sync.WaitGroup
	done    chan struct{}
	starts  atomic.Int64 // by others, from Stopped
	earlier int          // how often others restarted it before the first call
	// unsteady: what a reading has shown need not be so any more, as others do
	// something, or never was, as readings are late.
	unsteady bool
	// refusing: connections may be reset before anything is read, which the client
	// cannot tell from a lost answer.
	refusing bool
}

func newStage(t *testing.T, instance ecstest.Instance) *stage {
	t.Helper()
	server, err := ecstest.NewInMemoryServer(ecstest.Options{})
	require.NoError(t, err)
	t.Cleanup(server.Close)
	require.NoError(t, server.AddInstance(instance))
	return &stage{t: t, server: server, client: newClient(t, server), done: make(chan struct{})}
}

// after makes something happen, unless all is over by then.
func (st *stage) after(h happening) {
	st.running.Go(func() {
		select {
		case <-time.After(h.at):
			st.happen(h.what)
		case <-st.done:
		}
	})
}

// earlierRestart is a restart by others before the first call. It proves nothing of any
// call, whenever it comes to be seen.
func (st *stage) earlierRestart(force bool) {
	st.t.Helper()
	require.NoError(st.t, st.server.Restart(id, force))
	st.earlier++
}

// restarts is how often the instance really restarted, or was started, since then.
func (st *stage) restarts() int { return st.server.Reboots(id) - st.earlier + int(st.starts.Load()) }

// happen meets an instance in any state; that it may have vanished is no error.
func (st *stage) happen(what string) {
	switch what {
	case anotherRestart:
		_ = st.server.Restart(id, false)
	case locking:
		_ = st.server.SetLocks(id, "security")
	case unlocking:
		_ = st.server.SetLocks(id)
	case stopping:
		_ = st.server.SetStatus(id, ecsreboot.StatusStopped)
	case starting:
		if status := st.server.Status(id); status != ecsreboot.StatusRunning && status != "" {
			st.starts.Add(1)
		}
		_ = st.server.SetStatus(id, ecsreboot.StatusRunning)
	case vanishing:
		st.server.RemoveInstance(id)
	}
}

// finish ends what others do, and lets everything arrive that is on its way.
func (st *stage) finish() {
	close(st.done)
	st.running.Wait()
	time.Sleep(time.Hour)
}

// sends counts the client's requests to restart, as the server knows them.
func (st *stage) sends() (acted, open, calls int) {
	for _, call := range st.server.Calls() {
		if call.Action != "RebootInstance" {
			continue
		}
		calls++
		if call.Acted {
			acted++
		}
		if !refusedCleanly(call) {
			open++
		}
	}
	return acted, open, calls
}

// refusedCleanly reports whether the answer says for certain that nothing
// happened.
func refusedCleanly(call ecstest.ReceivedCall) bool {
	if call.Fault == ecstest.FaultTruncate || call.Fault == ecstest.FaultStall {
		return false
	}
	switch code := call.Code; {
	case code == "", code == "SignatureNonceUsed", code == "InternalError", code == "UnknownError", strings.HasPrefix(code, "ServiceUnavailable"):
		return false
	case strings.HasPrefix(code, "Throttling"):
		return call.Status == 503 || call.Status/100 == 4
	}
	return call.Status/100 == 4
}

// ending is what a wait came to, apart from its result.
type ending struct {
	after time.Duration
	sends int
}

// ended holds the end of a wait against what must be true of all of them. What
// may still arrive is for finished to judge.
func (st *stage) ended(result *ecsreboot.RestartResult, err error, begin time.Time, options ecsreboot.WaitOptions) ending {
	t := st.t
	t.Helper()
	_, open, _ := st.sends()
	end := ending{after: time.Since(begin)}
	assert.LessOrEqual(t, end.after, options.Timeout, "ends by its deadline")
	if err == nil {
		end.sends = result.Requests
		assert.Positive(t, st.restarts(), "no success without a restart since the call")
		if !st.unsteady {
			assert.Equal(t, ecsreboot.StatusRunning, st.server.Status(id), "no success before it runs again")
		}
		assert.Equal(t, id, result.InstanceID)
		assert.Equal(t, ecsreboot.StatusRunning, result.Observations[len(result.Observations)-1].Status)
		assert.Equal(t, ecsreboot.StatusRunning, result.Before.Status)
		assert.False(t, result.Before.TakenAt.Before(begin))
		assert.GreaterOrEqual(t, result.Elapsed, time.Duration(0))
		assert.LessOrEqual(t, result.Elapsed, end.after)
		if result.Proof == ecsreboot.ProofStartTime {
			assert.True(t, result.StartTimeAfter.After(result.Before.StartTime))
			assert.False(t, result.StartTimeAfter.Before(result.SentAt.Truncate(time.Minute)) && result.Requests == 1, "the clocks agree, and a start before the minute of the send is none of ours")
		}
		return end
	}
	assert.Nil(t, result)
	failed, ok := errors.AsType[*ecsreboot.OperationError](err)
	require.True(t, ok, err)
	assert.Equal(t, "RebootAndWait", failed.Operation)
	assert.Equal(t, id, failed.InstanceID)
	if open > 0 || st.refusing && failed.Outcome == unknown {
		assert.Contains(t, []ecsreboot.Outcome{unknown, accepted}, failed.Outcome, "after a send nothing says that it did not happen: %v", err)
	} else {
		assert.Contains(t, []ecsreboot.Outcome{notSent, rejected}, failed.Outcome, "nothing was sent: %v", err)
	}
	assertOutcome(t, failed.Outcome, err)
	if end.after == options.Timeout {
		assert.ErrorIs(t, err, context.DeadlineExceeded, "an end at the deadline says so")
		assert.NotErrorIs(t, err, context.Canceled, "nobody canceled it")
	}
	waited, ok := errors.AsType[*ecsreboot.WaitError](err)
	assert.Equal(t, failed.Outcome == unknown || failed.Outcome == accepted, ok, "there was something to wait for")
	if ok {
		end.sends = waited.Requests
		assert.Equal(t, ecsreboot.StatusRunning, waited.Before.Status)
		assert.Equal(t, failed.Outcome == accepted, waited.RequestID != "")
		assert.Equal(t, id, waited.Before.InstanceID)
	}
	return end
}

// finished counts the restarts, once all has arrived.
func (st *stage) finished(limit int) {
	st.t.Helper()
	acted, open, _ := st.sends()
	assert.LessOrEqual(st.t, acted, limit, "restarts once")
	assert.LessOrEqual(st.t, open, limit, "what may have been carried out is not sent again")
}
