package simulation

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// account is what the service and the disks saw, in order. It knows nothing of what the
// client believes.
type account struct {
	begin    time.Time
	reboots  func(id string) int // as the service counts
	mu       sync.Mutex
	entries  []entry
	machines map[string]*machineAccount
	faults   map[ecstest.FaultKind]int
}

// entry is a line of the log. It is formatted only if somebody wants to read it.
type entry struct {
	at     time.Duration
	format string
	args   []any
}

// machineAccount is when a machine restarted, whoever restarted it.
type machineAccount struct {
	profile ecstest.RebootProfile
	counted int         // restarts in moments that the service has counted
	trying  time.Time   // when a restart by a request was last carried out or refused
	moments []time.Time // of restarts and starts
	others  time.Time   // when another operator last did something to it
	// Of a fleet's machine: what takes it from the width.
	down, out bool
}

func newAccount(reboots func(id string) int) *account {
	return &account{begin: time.Now(), reboots: reboots, machines: map[string]*machineAccount{}, faults: map[ecstest.FaultKind]int{}}
}

// note adds a line to the log.
func (a *account) note(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.entries = append(a.entries, entry{time.Since(a.begin), format, args})
}

// settle notes the restart that a request has caused since the last look; the mutex is
// held. Requests that meet at one moment have the same time.
func (a *account) settle(id string, m *machineAccount) {
	for count := a.reboots(id); m.counted < count; m.counted++ {
		m.moments = append(m.moments, m.trying)
	}
}

// carriesOut is called right before the service restarts a machine for a request, or
// refuses to.
func (a *account) carriesOut(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if m := a.machines[id]; m != nil {
		a.settle(id, m)
		m.trying = time.Now()
	}
}

// other does what another operator does, who starts the machine if do returns true. The
// service counts restarts, but no starts.
func (a *account) other(id string, do func() (starts bool)) {
	a.mu.Lock()
	m := a.machines[id]
	if m == nil { // the design is a reduced one
		a.mu.Unlock()
		return
	}
	a.settle(id, m)
	m.others, m.trying = time.Now(), time.Now()
	a.mu.Unlock()
	starts := do()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.settle(id, m)
	if starts {
		m.moments = append(m.moments, time.Now())
	}
}

// gone is of a machine that is released: it takes nothing from a width.
func (a *account) gone(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if m := a.machines[id]; m != nil {
		m.down, m.out = false, false
	}
}

// restarted reports whether a machine restarted between two moments, or was restarting
// unseen at the first: reads may be late.
func (a *account) restarted(id string, from, to time.Time, tolerance time.Duration) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	m := a.machines[id]
	a.settle(id, m)
	for _, at := range m.moments {
		if !at.Before(from.Add(-tolerance)) && !at.After(to) {
			return true
		}
	}
	return false
}

// unseen is for how long a restart may not be seen by reads.
func (m *machineAccount) unseen() time.Duration {
	if m.profile.Stale == 0 {
		return 0
	}
	return m.takes()
}

// takes is how long a restart may take until it is over and seen.
func (m *machineAccount) takes() time.Duration {
	return m.profile.Stale + max(m.profile.Graceful, m.profile.Forced, 0)
}

// log is what happened, in order, and the calls that were received.
func (a *account) log(calls []ecstest.ReceivedCall) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	lines := make([]entry, 0, len(a.entries)+len(calls))
	next := 0
	for _, e := range a.entries {
		for ; next < len(calls) && calls[next].Time.Sub(a.begin) <= e.at; next++ {
			lines = append(lines, callEntry(a.begin, calls[next]))
		}
		lines = append(lines, e)
	}
	for ; next < len(calls); next++ {
		lines = append(lines, callEntry(a.begin, calls[next]))
	}
	var text strings.Builder
	for _, e := range lines {
		fmt.Fprintf(&text, "%14v  %s\n", e.at, fmt.Sprintf(e.format, e.args...))
	}
	return text.String()
}

func callEntry(begin time.Time, c ecstest.ReceivedCall) entry {
	what := ""
	if c.DryRun {
		what += " dry run"
	}
	if c.Fault != "" {
		what += " by fault " + string(c.Fault)
	}
	if c.Acted {
		what += " RESTARTS"
	}
	id := c.InstanceID
	if len(id) > 60 {
		id = fmt.Sprintf("%.40s… (%d)", id, strings.Count(id, ",")+1)
	}
	return entry{c.Time.Sub(begin), "service: conn %d %s %s %s: %d %s%s", []any{c.Conn, c.Action, id, sendID(c), c.Status, c.Code, what}}
}

// sendID is that of a restart request.
func sendID(c ecstest.ReceivedCall) string {
	_, id, _ := strings.Cut(c.Header.Get("User-Agent"), " send/")
	return id
}

// operation is what the send IDs of an operation begin with.
func operation(sendID string) string {
	operation, _, _ := strings.Cut(sendID, ".")
	return operation
}

// restarts are the restart requests that arrived, by their send IDs.
func restarts(calls []ecstest.ReceivedCall) map[string][]ecstest.ReceivedCall {
	arrived := map[string][]ecstest.ReceivedCall{}
	for _, c := range calls {
		if c.Action == "RebootInstance" && !c.DryRun {
			arrived[sendID(c)] = append(arrived[sendID(c)], c)
		}
	}
	return arrived
}

// refusedCleanly reports whether the response says for certain that nothing happened.
func refusedCleanly(c ecstest.ReceivedCall) bool {
	if c.Fault == ecstest.FaultTruncate || c.Fault == ecstest.FaultStall {
		return false
	}
	switch c.Code {
	case "", "SignatureNonceUsed", "InternalError", "UnknownError", "ServiceUnavailable":
		return false
	}
	return c.Status/100 == 4 || c.Status == 503 && strings.HasPrefix(c.Code, "Throttling")
}

func isRunning(s ecsreboot.Status) bool { return s == ecsreboot.StatusRunning }
