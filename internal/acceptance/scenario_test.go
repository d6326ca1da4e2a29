package acceptance_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// scenario is one restart from the call to its end: what the instance does, what
// others do to it, what goes wrong on the way, and when.
type scenario struct {
	life   life
	send   sending
	lost   int // how many sends go as send says; those behind go well
	poll   polling
	offset time.Duration // of the call within its minute
	young  bool          // the instance was last started within that minute
	force  bool
	resend bool
}

// life is what the instance does once it is restarted, and what others do to it.
type life struct {
	name    string
	profile ecstest.RebootProfile
	others  []happening
	earlier time.Duration // before the call, others restarted it, which may show late; whole minutes
}

type happening struct {
	at   time.Duration // after the call
	what string
}

const (
	anotherRestart = "another's restart"
	locking        = "lock"
	unlocking      = "unlock"
	stopping       = "stop"
	starting       = "start"
	vanishing      = "vanish"
)

// sending is what becomes of the request to restart.
type sending struct {
	name     string
	fault    ecstest.Fault // none, if it has no kind
	acts     bool          // the service carries it out …
	at       time.Duration // … so long after it was received
	answered time.Duration // how long it takes to know the outcome
	outcome  ecsreboot.Outcome
	held     time.Duration // by throttling, before
}

// polling is what becomes of the readings after the send.
type polling struct {
	name        string
	does        string
	fault       ecstest.Fault
	first, last int // that it hits, from 0; last < 0: all from the first on
}

const (
	fails        = "fails"
	hangs        = "hangs"
	throttled    = "throttled"
	denies       = "denies"
	listsNothing = "lists nothing"
)

func (p polling) hits(n int) bool {
	return p.does != "" && n >= p.first && (p.last < 0 || n <= p.last)
}

// over reports whether the readings after the n-th go well.
func (p polling) over(n int) bool { return p.does == "" || p.last >= 0 && n >= p.last }

func (scenario) timeout() time.Duration { return 3 * time.Minute }

func (scenario) settle() time.Duration { return time.Minute }

func (x scenario) String() string {
	var name strings.Builder
	fmt.Fprintf(&name, "%s/%s/%s at %v", x.life.name, x.send.name, x.poll.name, x.offset)
	for _, extra := range []struct {
		is   bool
		name string
	}{{x.young, "young"}, {x.force, "forced"}, {x.resend, "resend"}, {x.lost > 1, "lost again"}} {
		if extra.is {
			name.WriteString(" " + extra.name)
		}
	}
	return name.String()
}

const s = time.Second

func restarts(graceful time.Duration, path ...ecsreboot.Status) ecstest.RebootProfile {
	if path == nil {
		path = []ecsreboot.Status{ecsreboot.StatusStarting}
	}
	return ecstest.RebootProfile{Path: path, Graceful: graceful, Forced: graceful}
}

func stale(p ecstest.RebootProfile, hidden time.Duration) ecstest.RebootProfile {
	p.Stale = hidden
	return p
}

func keeping(p ecstest.RebootProfile) ecstest.RebootProfile {
	p.KeepStartTime = true
	return p
}

func hanging(p ecstest.RebootProfile) ecstest.RebootProfile {
	p.Hang = true
	return p
}

var lives = []life{
	{name: "Starting", profile: restarts(30 * s)},
	{name: "Stopping", profile: restarts(30*s, "Stopping")},
	{name: "Stopping, Starting", profile: restarts(30*s, "Stopping", "Starting")},
	{name: "Stopping, Stopped, Starting", profile: restarts(45*s, "Stopping", "Stopped", "Starting")},
	{name: "StartTime stays", profile: keeping(restarts(30 * s))},
	{name: "stale for 7 s", profile: stale(restarts(30*s), 7*s)},
	{name: "stale for 40 s", profile: stale(restarts(58*s, "Stopping", "Starting"), 40*s)},
	{name: "stale all the time", profile: stale(restarts(45*s), 50*s)},
	{name: "stale all the time, StartTime stays", profile: stale(keeping(restarts(45*s)), 50*s)},
	{name: "in no time", profile: restarts(-1)},
	{name: "in no time, StartTime stays", profile: keeping(restarts(-1))},
	{name: "before the first reading", profile: restarts(950 * time.Millisecond)},
	{name: "between two readings", profile: stale(restarts(2900*time.Millisecond), 1100*time.Millisecond)},
	{name: "between two readings, StartTime stays", profile: stale(keeping(restarts(5900*time.Millisecond)), 3100*time.Millisecond)},
	{name: "perhaps between two readings", profile: stale(keeping(restarts(11*s)), 7*s)},
	{name: "hangs in Starting", profile: hanging(restarts(30 * s))},
	{name: "hangs in Stopping, late to show", profile: hanging(stale(restarts(30*s, "Stopping"), 20*s))},
	{name: "takes too long", profile: restarts(4 * minute)},
	{name: "unseen for long, StartTime stays", profile: stale(keeping(restarts(70*s)), 3*minute)},
	{name: "Pending", profile: restarts(30*s, "Pending")},
	{name: "Pending, StartTime stays", profile: keeping(restarts(30*s, "Pending"))},
	{name: "Pending, Starting, StartTime stays", profile: keeping(restarts(30*s, "Pending", "Starting"))},
	{name: "another's restart long before shows late", profile: stale(restarts(-1), 2*minute+12300*time.Millisecond), earlier: 2 * minute},
	{name: "another's restart before shows late", profile: stale(restarts(-1), minute+47300*time.Millisecond), earlier: minute},
	{name: "another's restart before shows late, ours stays", profile: stale(keeping(restarts(900*time.Millisecond)), minute+200*time.Millisecond), earlier: minute},
	{name: "vanishes midway", profile: restarts(30 * s), others: []happening{{12300 * time.Millisecond, vanishing}}},
	{name: "vanishes afterwards", profile: keeping(restarts(-1)), others: []happening{{12300 * time.Millisecond, vanishing}}},
	{name: "locked midway", profile: restarts(30 * s), others: []happening{{12300 * time.Millisecond, locking}}},
	{name: "locked afterwards", profile: stale(restarts(5900*time.Millisecond), 3100*time.Millisecond), others: []happening{{7300 * time.Millisecond, locking}}},
	{name: "stopped midway", profile: restarts(30 * s), others: []happening{{12300 * time.Millisecond, stopping}}},
	{name: "stopped midway, started again", profile: restarts(30 * s), others: []happening{{12300 * time.Millisecond, stopping}, {40300 * time.Millisecond, starting}}},
	{name: "another's restart too", profile: restarts(10 * s), others: []happening{{13300 * time.Millisecond, anotherRestart}}},
	{name: "another's restart too, no trace of ours", profile: keeping(restarts(900 * time.Millisecond)), others: []happening{{13300 * time.Millisecond, anotherRestart}}},
	{name: "another's restart at once", profile: stale(restarts(20*s), 2*s), others: []happening{{500 * time.Millisecond, anotherRestart}}},
}

var sendings = func() []sending {
	list := []sending{
		{name: "accepted", acts: true, outcome: accepted},
		{name: "accepted after 10 s", fault: ecstest.Fault{Kind: ecstest.FaultDelay, Delay: 10 * s}, acts: true, at: 10 * s, answered: 10 * s, outcome: accepted},
		{name: "accepted, told after 10 s", fault: ecstest.Fault{Kind: ecstest.FaultDelay, Delay: 10 * s, Act: true}, acts: true, answered: 10 * s, outcome: accepted},
		{name: "accepted, cut short", fault: ecstest.Fault{Kind: ecstest.FaultTruncate}, acts: true, outcome: unknown},
		{name: "accepted, stalls", fault: ecstest.Fault{Kind: ecstest.FaultStall}, acts: true, answered: 30 * s, outcome: unknown},
		{name: "throttled for 3 s, accepted", fault: ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: 3 * s}, acts: true, held: 3 * s, outcome: accepted},
		{name: "throttled for 20 s, accepted", fault: ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: 20 * s}, acts: true, held: 20 * s, outcome: accepted},
		{name: "rejected", fault: ecstest.Fault{Kind: ecstest.FaultError, Code: "DiskError"}, outcome: rejected},
		{name: "rejected for its status", fault: ecstest.Fault{Kind: ecstest.FaultError, Code: "IncorrectInstanceStatus"}, outcome: rejected},
		{name: "arrives after 45 s", fault: ecstest.Fault{Kind: ecstest.FaultDrop, Late: 45 * s}, acts: true, at: 45 * s, outcome: unknown},
	}
	for _, lost := range []sending{
		{name: "reset", fault: ecstest.Fault{Kind: ecstest.FaultDrop}},
		{name: "FIN", fault: ecstest.Fault{Kind: ecstest.FaultFIN}},
		{name: "half a status line", fault: ecstest.Fault{Kind: ecstest.FaultHalfStatusLine}},
		{name: "hang", fault: ecstest.Fault{Kind: ecstest.FaultHang}, answered: 30 * s},
		{name: "500", fault: ecstest.Fault{Kind: ecstest.FaultError}},
		{name: "503", fault: ecstest.Fault{Kind: ecstest.FaultError, Code: "ServiceUnavailable"}},
		{name: "502 page", fault: ecstest.Fault{Kind: ecstest.FaultAnswer}},
		{name: "200 page", fault: ecstest.Fault{Kind: ecstest.FaultAnswer, Body: "<html>Sign in"}},
		{name: "nonce used", fault: ecstest.Fault{Kind: ecstest.FaultError, Code: "SignatureNonceUsed"}},
	} {
		lost.outcome = unknown
		before, after := lost, lost
		before.name += " before acting"
		after.name += " after acting"
		after.acts, after.fault.Act = true, true
		list = append(list, before, after)
	}
	return list
}()

var pollings = []polling{
	{name: "-"},
	{name: "reset once", does: fails, fault: ecstest.Fault{Kind: ecstest.FaultDrop}},
	{name: "502 page twice", does: fails, fault: ecstest.Fault{Kind: ecstest.FaultAnswer}, first: 1, last: 2},
	{name: "truncated once", does: fails, fault: ecstest.Fault{Kind: ecstest.FaultTruncate}, first: 2, last: 2},
	{name: "hangs once", does: hangs, fault: ecstest.Fault{Kind: ecstest.FaultHang}},
	{name: "four fail in a row", does: fails, fault: ecstest.Fault{Kind: ecstest.FaultDrop}, first: 1, last: 4},
	{name: "five fail in a row", does: fails, fault: ecstest.Fault{Kind: ecstest.FaultError}, last: 4},
	{name: "all fail", does: fails, fault: ecstest.Fault{Kind: ecstest.FaultFIN}, first: 1, last: -1},
	{name: "throttled for 20 s", does: throttled, fault: ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: 20 * s}},
	{name: "throttled for ever", does: throttled, fault: ecstest.Fault{Kind: ecstest.FaultThrottle}, first: 2, last: -1},
	{name: "throttled for an hour", does: throttled, fault: ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: time.Hour}, first: 1, last: -1},
	{name: "denied midway", does: denies, fault: ecstest.Fault{Kind: ecstest.FaultError, Code: "Forbidden.RAM"}, first: 2, last: -1},
	{name: "empty once", does: listsNothing, fault: emptyList, first: 1, last: 1},
	{name: "empty from then on", does: listsNothing, fault: emptyList, first: 2, last: -1},
}

var emptyList = ecstest.Fault{Kind: ecstest.FaultAnswer, Body: `{"RequestId":"473469C7","NextToken":"","Instances":{"Instance":[]}}`}

// scenarios are each life with each fate of the send and with each fate of the
// readings, and restarts of all lengths at all times of a minute. What is left
// open takes turns. If every is more than 1, scenarios returns about one in so many,
// and each life and each fate stays among them.
func scenarios(every int) []scenario {
	var list []scenario
	picked := func(n int) bool { return n%every == 0 }
	add := func(x scenario) {
		n := len(list)
		if x.offset == 0 {
			x.offset = []time.Duration{30 * s, 58500 * time.Millisecond, 2 * s, 45 * s, 59900 * time.Millisecond}[n%5]
		}
		x.force = n/2%2 == 1
		x.resend = x.resend && x.life.earlier == 0 // the model of a second send forgets what has yet to show
		if x.send.outcome != unknown || x.send.fault.Late > 0 {
			x.lost = 1 // and the second one is of another kind
		}
		x.lost = max(x.lost, 1)
		list = append(list, x)
	}
	for n, life := range lives {
		for i, send := range sendings {
			if !picked(i + n) {
				continue
			}
			add(scenario{life: life, send: send, young: (i+n)%4 == 3, resend: (i/2+n)%2 == 1, lost: 1 + (i/4+n)%2})
		}
		for i, poll := range pollings {
			if !picked(i + n) {
				continue
			}
			send := sendings[0]
			if (i+n)%2 == 1 {
				send = sendings[(3*i+n)%len(sendings)]
			}
			add(scenario{life: life, send: send, poll: poll, resend: (i+n)%3 == 2})
		}
	}
	for n, offset := range []time.Duration{500 * time.Millisecond, 20 * s, 50 * s, 57500 * time.Millisecond} {
		for k, tenths := range []time.Duration{5, 15, 29, 31, 55, 95} {
			for i, hidden := range []time.Duration{0, 500, 950} { // per mille of the time
				if !picked(n + k + 2*i) {
					continue
				}
				took := tenths * s / 10
				profile := stale(restarts(took, "Stopping", "Starting"), took*hidden/1000)
				life := life{name: fmt.Sprintf("%v, stale for %v", took, profile.Stale), profile: profile}
				add(scenario{life: life, send: sendings[0], offset: offset, young: i < 2})
				add(scenario{life: life, send: sendings[9+len(list)/2%10], offset: offset, young: i > 0, resend: i == 1})
			}
		}
	}
	return list
}

func TestScenarios(t *testing.T) {
	t.Parallel()
	every := 7
	if longTests {
		every = 1
	}
	list := scenarios(every)
	sure := 0
	kinds := map[string]int{}
	for _, x := range list {
		expected := x.expect()
		require.NotEmpty(t, expected, x)
		if len(expected) == 1 {
			sure++
			kinds[expected[0].what]++
		}
		t.Run(x.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { x.play(t, expected) })
		})
	}
	t.Logf("%d scenarios, %d of them with one verdict: %v", len(list), sure, kinds)
	assert.Greater(t, sure, len(list)*9/10)
	for _, what := range []string{provenByStatus, provenByStartTime, notSettled, notInTime, locked, gone, notRunning, denied, faulty, refused, provenByRefusal} {
		assert.Positive(t, kinds[what], what)
	}
}

// play runs the scenario and compares its end with the expected ones.
func (x scenario) play(t *testing.T, expected []verdict) {
	t.Helper()
	time.Sleep(x.offset)
	begin := time.Now()
	started := begin.Add(-time.Hour)
	if x.young {
		started = begin.Truncate(time.Minute)
	}
	st := newStage(t, ecstest.Instance{ID: id, StartTime: started, Reboot: x.life.profile})
	if x.life.earlier > 0 {
		st.earlierRestart(x.force)
		time.Sleep(x.life.earlier)
		begin = time.Now()
	}
	for _, h := range x.life.others {
		st.after(h)
	}
	if x.send.fault.Kind != "" {
		f := x.send.fault
		f.Action, f.Times = "RebootInstance", x.lost
		st.server.Inject(f)
	}
	begun := false
	options := ecsreboot.WaitOptions{Timeout: x.timeout(), ResendUnknown: x.resend, OnEvent: func(e ecsreboot.Event) {
		if f := x.poll.fault; !begun && (e.Kind == ecsreboot.EventAccepted || e.Kind == ecsreboot.EventOutcomeUnknown) && f.Kind != "" {
			begun = true
			f.Action, f.Skip, f.Times = "DescribeInstances", x.poll.first, x.poll.last-x.poll.first+1
			if x.poll.last < 0 {
				f.Times = -1
			}
			st.server.Inject(f)
		}
	}}
	result, err := st.client.RebootAndWait(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id, ForceStop: x.force}, options)
	end := st.ended(result, err, begin, options)
	st.finish()
	st.finished(map[bool]int{false: 1, true: 2}[x.resend])

	got := verdict{what: whatItIs(result, err), sends: end.sends}
	got.from, got.to = end.after, end.after
	if err != nil {
		got.outcome = ecsreboot.OutcomeOf(err)
	} else if got.outcome = unknown; result.RequestID != "" {
		got.outcome = accepted
	}
	for _, v := range expected {
		if v.what == got.what && v.outcome == got.outcome && v.sends == got.sends && v.from <= got.from && got.to <= v.to {
			return
		}
	}
	t.Errorf("is %+v\nnot one of %+v\n%v", got, expected, err)
}

// whatItIs names the end of a wait.
func whatItIs(result *ecsreboot.RestartResult, err error) string {
	switch code := new(ecsreboot.APIError); {
	case err == nil && result.Proof == ecsreboot.ProofStatus:
		return provenByStatus
	case err == nil && result.Proof == ecsreboot.ProofStartTime:
		return provenByStartTime
	case err == nil && result.Proof == ecsreboot.ProofRefusal:
		return provenByRefusal
	case err == nil:
		return string(result.Proof)
	case errors.Is(err, ecsreboot.ErrNotProven) && errors.Is(err, context.DeadlineExceeded):
		return notInTime
	case errors.Is(err, ecsreboot.ErrNotProven):
		return notSettled
	case strings.Contains(err.Error(), "polls in a row failed"):
		return faulty
	case errors.Is(err, ecsreboot.ErrRejected):
		return refused
	case errors.Is(err, ecsreboot.ErrInstanceLockedForSecurity):
		return locked
	case errors.Is(err, ecsreboot.ErrInvalidInstanceIDNotFound):
		return gone
	case errors.Is(err, ecsreboot.ErrIncorrectInstanceStatus):
		return notRunning
	case errors.Is(err, ecsreboot.ErrAccessDenied):
		return denied
	case errors.As(err, &code):
		return string(code.Code)
	}
	return err.Error()
}
