package simulation

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// caller is a program that restarts one machine by calls of the client.
type caller struct {
	*world

	design callerDesign
	client *ecsreboot.Client

	mu    sync.Mutex
	calls []*madeCall
}

// madeCall is a call and what it came to.
type madeCall struct {
	callDesign

	operation string
	begin     time.Time
	end       time.Time
	result    *ecsreboot.RestartResult
	requestID string
	err       error
	intents   map[string]bool // by BeforeSend
	resolved  error
}

func newCaller(w *world, n int, d callerDesign) *caller {
	c := &caller{world: w, design: d}
	c.client, _ = w.client(d.Client)
	for i, call := range d.Calls {
		if call.Absent {
			continue
		}
		c.calls = append(c.calls, &madeCall{callDesign: call, operation: fmt.Sprintf("call-%d-%d", n, i), intents: map[string]bool{}})
	}
	return c
}

func (c *caller) drive() {
	var group sync.WaitGroup
	for _, call := range c.calls {
		group.Go(func() {
			time.Sleep(call.At)
			c.call(call)
		})
	}
	group.Wait()
}

func (c *caller) call(m *madeCall) {
	id := c.design.Machine.ID
	m.begin = time.Now()
	c.account.note("%s begins", m.operation)
	m.err = c.within(m, "call", m.Wait, func(ctx context.Context) (err error) {
		request := ecsreboot.RebootInstanceRequest{InstanceID: id, ForceStop: m.Force}
		if !m.Wait {
			var response *ecsreboot.RebootInstanceResponse
			response, err = c.client.RebootInstance(ctx, request)
			if err == nil {
				m.requestID = response.RequestID
			}
			return err
		}
		m.result, err = c.client.RebootAndWait(ctx, request, c.options(m))
		return err
	})
	m.end = time.Now()
	c.account.note("%s ends: %v", m.operation, m.err)
	c.texts.show(m.err)
	c.texts.show(m.result)
	c.judgeCall(m)
	if m.Resolve && ecsreboot.OutcomeOf(m.err) == ecsreboot.OutcomeUnknown {
		m.Leaves = 0
		var result *ecsreboot.RestartResult
		m.resolved = c.within(m, "Resolve", true, func(ctx context.Context) (err error) {
			result, err = c.client.Resolve(ctx, m.err, ecsreboot.WaitOptions{Timeout: m.Timeout, UnknownGrace: m.Grace, Witness: c.witness(m.Witness)})
			return err
		})
		c.account.note("%s is resolved: %v", m.operation, m.resolved)
		c.texts.show(m.resolved)
		c.judgeResolved(m, result)
	}
}

func (c *caller) options(m *madeCall) ecsreboot.WaitOptions {
	o := ecsreboot.WaitOptions{
		Timeout: m.Timeout, UnknownGrace: m.Grace, ResendUnknown: m.Resend, Witness: c.witness(m.Witness), OperationID: m.operation,
		OnEvent: func(e ecsreboot.Event) { c.texts.show(e) },
	}
	if m.Intents {
		o.BeforeSend = func(_ context.Context, intent ecsreboot.SendIntent) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			if m.Refuses {
				return errors.New("the lock is held; the key of the lock service is " + secretOf(0))
			}
			m.intents[intent.SendID] = true
			return nil
		}
	}
	return o
}

// slack is how much later than its deadline a call may return.
const slack = time.Second

// within makes a call that must end in time: by its Timeout if it waits, and by its
// context otherwise.
func (c *caller) within(m *madeCall, what string, waits bool, call func(context.Context) error) error {
	limit := m.Timeout
	ctx, cancel := context.WithCancel(c.context())
	defer cancel()
	if !waits {
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	if m.Leaves > 0 {
		limit = min(limit, m.Leaves)
		defer time.AfterFunc(m.Leaves, cancel).Stop()
	}
	ended := make(chan error, 1)
	go func() { ended <- call(ctx) }()
	timer := time.NewTimer(limit + slack)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C:
		c.violate(ruleDeadline, "%s %s has not returned %v after its deadline of %v", m.operation, what, slack, limit)
		return <-ended
	}
}
