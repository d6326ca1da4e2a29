package ecsreboot

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Facts happen so many seconds after noon; the instance was started at 11:00.
var noon = time.Date(2026, time.January, 2, 12, 0, 0, 0, time.UTC)

var elevenOClock = noon.Add(-time.Hour)

func atSecond(seconds float64) time.Time {
	return noon.Add(time.Duration(seconds * float64(time.Second)))
}

var (
	errLost    = errors.New("the answer was lost")
	errNoLuck  = errors.New("the reading failed")
	errDenied  = errors.New("not allowed")
	errRefused = errors.New("refused")
)

func sawBaseline() fact {
	before := Baseline{InstanceID: "i-1", Status: StatusRunning, StartTime: elevenOClock, TakenAt: noon, ServiceTime: noon}
	return fact{Event: Event{Kind: EventBaseline, At: noon}, before: before}
}

func sendsIt(seconds float64) fact {
	return fact{Event: Event{Kind: EventSending, At: atSecond(seconds)}}
}

func acceptedAt(seconds float64) fact {
	return fact{Event: Event{Kind: EventAccepted, At: atSecond(seconds), RequestID: "R"}, sentAt: atSecond(seconds)}
}

func unknownAt(seconds float64) fact {
	return fact{Event: Event{Kind: EventOutcomeUnknown, At: atSecond(seconds), Err: errLost}, sentAt: atSecond(seconds)}
}

func refusedAgainAt(seconds float64) fact {
	return fact{Event: Event{Kind: EventResendRefused, At: atSecond(seconds), Err: errRefused}, sentAt: atSecond(seconds)}
}

// saw is a reading of an instance that was last started at the given time.
func saw(seconds float64, status Status, started time.Time) fact {
	return fact{Event: Event{Kind: EventStatus, At: atSecond(seconds), Status: status, StartTime: started}}
}

func running(seconds float64) fact { return saw(seconds, StatusRunning, elevenOClock) }

// clocked is a reading with a Date, of a service whose clock agrees with ours.
func clocked(f fact) fact { return behind(0, f) }

// behind is a reading with a Date, of a host whose clock is behind ours.
func behind(d time.Duration, f fact) fact {
	f.clock = f.At.Add(-d).Truncate(time.Second)
	f.clockAway = f.clock.Sub(f.At)
	return f
}

// askable is a request of unknown outcome with a send ID.
func askable(seconds float64, sendID string) fact {
	f := unknownAt(seconds)
	f.SendID = sendID
	return f
}

// testified is a testimony about a request.
func testified(seconds float64, sendID string, finding Finding, code ErrorCode, changes ...Observation) fact {
	return fact{Event: Event{Kind: EventWitness, At: atSecond(seconds), SendID: sendID, Testimony: Testimony{
		Witness: "w", SendID: sendID, Finding: finding, Code: code, RequestID: "W", Changes: changes,
	}}}
}

func final(f fact) fact {
	f.final = true
	return f
}

// saying is the option of a wait that has a witness.
func saying() WaitOptions { return WaitOptions{Witness: anyWitness{}} }

type anyWitness struct{}

func (anyWitness) Testify(context.Context, SentRequest) (Testimony, error) { return Testimony{}, nil }

func absentAt(seconds float64) fact { return saw(seconds, "", time.Time{}) }

func lockedBy(f fact, code ErrorCode) fact {
	f.locked = code
	return f
}

func failedAt(seconds float64) fact {
	return fact{Event: Event{Kind: EventPollFailed, At: atSecond(seconds), Err: errNoLuck}}
}

func throttledAt(seconds float64) fact {
	f := failedAt(seconds)
	f.throttled = true
	return f
}

func deniedAt(seconds float64) fact {
	f := failedAt(seconds)
	f.Err, f.denied = errDenied, true
	return f
}

func endedWith(outcome Outcome) fact { return fact{ended: errRefused, outcome: outcome} }

// begun is how most restarts begin.
func begun(send fact, then ...fact) []fact {
	return append([]fact{sawBaseline(), sendsIt(0), send}, then...)
}

func times(n int, f func(float64) fact) (facts []fact) {
	for i := range n {
		facts = append(facts, f(float64(i+1)))
	}
	return facts
}

func TestJudge(t *testing.T) {
	restarted := noon.Add(2 * time.Minute)
	for name, c := range map[string]struct {
		facts   []fact
		options WaitOptions
		probed  ProbeResult // ProbeHealthy unless unhealthy
		pending bool        // the probe is
		want    verdict
		proof   Proof
		err     error
		outcome Outcome
	}{
		"nothing is known":            {},
		"only the baseline":           {facts: []fact{sawBaseline()}},
		"the send is under way":       {facts: []fact{sawBaseline(), sendsIt(0)}, outcome: OutcomeUnknown},
		"accepted":                    {facts: begun(acceptedAt(0)), outcome: OutcomeAccepted},
		"accepted, Running as before": {facts: begun(acceptedAt(0), running(1), running(600)), outcome: OutcomeAccepted},
		"down":                        {facts: begun(acceptedAt(0), saw(1, StatusStarting, elevenOClock)), outcome: OutcomeAccepted},
		"down before the send counts for nothing": {
			facts: []fact{{Event: Event{Kind: EventBaseline}, before: Baseline{Status: StatusStopped, TakenAt: noon}}, sendsIt(0), acceptedAt(0), running(1)}, outcome: OutcomeAccepted,
		},
		"down and up":             {facts: begun(acceptedAt(0), saw(1, StatusStarting, elevenOClock), running(3)), want: proven, proof: ProofStatus, outcome: OutcomeAccepted},
		"Stopped is down":         {facts: begun(acceptedAt(0), saw(1, StatusStopped, elevenOClock), running(3)), want: proven, proof: ProofStatus, outcome: OutcomeAccepted},
		"Pending is no sign":      {facts: begun(acceptedAt(0), saw(1, StatusPending, elevenOClock), running(3)), outcome: OutcomeAccepted},
		"nor is what is unlisted": {facts: begun(acceptedAt(0), saw(1, "Hibernating", elevenOClock), running(3)), outcome: OutcomeAccepted},
		"nor is another spelling": {facts: begun(acceptedAt(0), saw(1, "stopping", elevenOClock), running(3)), outcome: OutcomeAccepted},
		"a reading from before the send": {
			facts: begun(acceptedAt(2), saw(1, StatusStopping, elevenOClock), running(3)), outcome: OutcomeAccepted,
		},
		"a start seen by a reading from before the send": {
			facts: begun(acceptedAt(2), clocked(saw(1, StatusRunning, noon.Add(time.Minute))), running(3)), outcome: OutcomeAccepted,
		},
		"a reading that was told before the send": {
			facts: []fact{sawBaseline(), clocked(saw(1, StatusStopping, noon.Add(time.Minute))), sendsIt(2), acceptedAt(2), running(3)}, outcome: OutcomeAccepted,
		},
		"later than the baseline, but before the send": {
			facts: begun(acceptedAt(0), clocked(saw(130, StatusRunning, noon.Add(-time.Minute)))), outcome: OutcomeAccepted,
		},
		"without a service clock StartTime proves nothing": {
			facts: []fact{
				{Event: Event{Kind: EventBaseline}, before: Baseline{Status: StatusRunning, StartTime: elevenOClock, TakenAt: noon}},
				sendsIt(0), acceptedAt(0), saw(130, StatusRunning, restarted),
			},
			outcome: OutcomeAccepted,
		},
		"the clock of the reading is one": {
			facts: []fact{
				{Event: Event{Kind: EventBaseline}, before: Baseline{Status: StatusRunning, StartTime: elevenOClock, TakenAt: noon}},
				sendsIt(0), acceptedAt(0), clocked(saw(130, StatusRunning, restarted)),
			},
			want: proven, proof: ProofStartTime, outcome: OutcomeAccepted,
		},
		"a later StartTime without a Date": {
			facts: begun(acceptedAt(0), saw(130, StatusRunning, restarted)), outcome: OutcomeAccepted,
		},
		"a StartTime ahead of the service's clock": {
			facts: begun(acceptedAt(0), clocked(saw(114, StatusRunning, restarted))), outcome: OutcomeAccepted,
		},
		"and the clock has caught up": {
			facts: begun(acceptedAt(0), clocked(saw(114, StatusRunning, restarted)), clocked(saw(130, StatusRunning, restarted))), outcome: OutcomeAccepted,
		},
		"a StartTime after one that was ahead": {
			facts: begun(acceptedAt(0), clocked(saw(114, StatusRunning, restarted)), clocked(saw(180, StatusRunning, restarted.Add(time.Minute)))),
			want:  proven, proof: ProofStartTime, outcome: OutcomeAccepted,
		},
		"two that were ahead, of which the clock has reached the earlier": {
			facts: begun(acceptedAt(0), clocked(saw(10, StatusRunning, restarted)), clocked(saw(20, StatusRunning, restarted.Add(time.Minute))),
				clocked(saw(125, StatusRunning, restarted))), outcome: OutcomeAccepted,
		},
		"a StartTime in this second": {
			facts: begun(acceptedAt(0), clocked(saw(120.5, StatusRunning, restarted))), want: proven, proof: ProofStartTime, outcome: OutcomeAccepted,
		},
		"a StartTime ahead of a host that is behind": {
			facts: begun(acceptedAt(0), behind(2*time.Second, saw(120.5, StatusRunning, restarted))), outcome: OutcomeAccepted,
		},
		"and of the next poll": {
			facts: begun(acceptedAt(0), behind(2*time.Second, saw(120.5, StatusRunning, restarted)), behind(2*time.Second, saw(122, StatusRunning, restarted))),
			want:  proven, proof: ProofStartTime, outcome: OutcomeAccepted,
		},
		"up, down again":    {facts: begun(acceptedAt(0), saw(1, StatusStarting, elevenOClock), running(3), saw(4, StatusStopping, elevenOClock)), outcome: OutcomeAccepted},
		"a later StartTime": {facts: begun(acceptedAt(0), clocked(saw(130, StatusRunning, restarted))), want: proven, proof: ProofStartTime, outcome: OutcomeAccepted},
		"both":              {facts: begun(acceptedAt(0), saw(1, StatusStopping, elevenOClock), saw(130, StatusRunning, restarted)), want: proven, proof: ProofStatus, outcome: OutcomeAccepted},
		"a later StartTime while it starts": {
			facts: begun(acceptedAt(0), clocked(saw(130, StatusStarting, restarted))), outcome: OutcomeAccepted,
		},
		"an earlier StartTime": {facts: begun(acceptedAt(0), clocked(saw(1, StatusRunning, elevenOClock.Add(-time.Minute)))), outcome: OutcomeAccepted},
		"no StartTime":         {facts: begun(acceptedAt(0), clocked(saw(1, StatusRunning, time.Time{}))), outcome: OutcomeAccepted},
		"no StartTime before": {
			facts:   []fact{{Event: Event{Kind: EventBaseline}, before: Baseline{Status: StatusRunning, TakenAt: noon, ServiceTime: noon}}, sendsIt(0), acceptedAt(0), clocked(saw(130, StatusRunning, restarted))},
			outcome: OutcomeAccepted,
		},
		"later, then as before": {
			facts: begun(acceptedAt(0), clocked(saw(130, StatusRunning, restarted)), running(131)), want: proven, proof: ProofStartTime, outcome: OutcomeAccepted,
		},
		"the newer baseline counts": {
			facts: []fact{
				sawBaseline(),
				{Event: Event{Kind: EventBaseline}, before: Baseline{Status: StatusRunning, StartTime: restarted, TakenAt: restarted, ServiceTime: restarted}},
				sendsIt(121), acceptedAt(121), clocked(saw(122, StatusRunning, restarted)),
			},
			outcome: OutcomeAccepted,
		},

		// The probe.
		"healthy, no sign":      {facts: begun(acceptedAt(0), running(1)), probed: ProbeHealthy, outcome: OutcomeAccepted},
		"a sign, not healthy":   {facts: begun(acceptedAt(0), saw(1, StatusStarting, elevenOClock), running(3)), pending: true, outcome: OutcomeAccepted},
		"a start, not healthy":  {facts: begun(acceptedAt(0), clocked(saw(130, StatusRunning, restarted))), pending: true, outcome: OutcomeAccepted},
		"the probe's own proof": {facts: begun(acceptedAt(0), running(1)), probed: ProbeRestarted, want: proven, proof: ProofProbe, outcome: OutcomeAccepted},
		"it goes before others": {facts: begun(acceptedAt(0), saw(1, StatusStarting, elevenOClock), running(3)), probed: ProbeRestarted, want: proven, proof: ProofProbe, outcome: OutcomeAccepted},
		"not while it is down":  {facts: begun(acceptedAt(0), saw(1, StatusStarting, elevenOClock)), probed: ProbeRestarted, outcome: OutcomeAccepted},
		"not while it is gone":  {facts: begun(acceptedAt(0), running(1), absentAt(2)), probed: ProbeRestarted, outcome: OutcomeAccepted},

		// Not listed.
		"not listed once":          {facts: begun(acceptedAt(0), running(1), absentAt(2)), outcome: OutcomeAccepted},
		"absence flickers":         {facts: begun(acceptedAt(0), absentAt(1), running(2), absentAt(3), running(4), absentAt(5)), outcome: OutcomeAccepted},
		"absence is no sign":       {facts: begun(acceptedAt(0), absentAt(1), running(2)), outcome: OutcomeAccepted},
		"not listed twice":         {facts: begun(acceptedAt(0), absentAt(1), absentAt(2)), want: failed, err: ErrInvalidInstanceIDNotFound, outcome: OutcomeAccepted},
		"a failure between":        {facts: begun(acceptedAt(0), absentAt(1), failedAt(2), absentAt(3)), want: failed, err: ErrInvalidInstanceIDNotFound, outcome: OutcomeAccepted},
		"down, then not listed":    {facts: begun(acceptedAt(0), saw(1, StatusStarting, elevenOClock), absentAt(2)), outcome: OutcomeAccepted},
		"gone after it was proven": {facts: begun(acceptedAt(0), saw(1, StatusStarting, elevenOClock), absentAt(2), absentAt(3)), want: failed, err: ErrInvalidInstanceIDNotFound, outcome: OutcomeAccepted},

		// Locked.
		"locked":                  {facts: begun(acceptedAt(0), lockedBy(saw(1, StatusStarting, elevenOClock), ErrInstanceLockedForSecurity)), want: failed, err: ErrInstanceLockedForSecurity, outcome: OutcomeAccepted},
		"locked, but proven":      {facts: begun(acceptedAt(0), lockedBy(clocked(saw(130, StatusRunning, restarted)), ErrInstanceLockedForSecurity)), want: proven, proof: ProofStartTime, outcome: OutcomeAccepted},
		"locked, and not healthy": {facts: begun(acceptedAt(0), lockedBy(clocked(saw(130, StatusRunning, restarted)), ErrInstanceExpiredOrInArrears)), pending: true, want: failed, err: ErrInstanceExpiredOrInArrears, outcome: OutcomeAccepted},
		"unlocked again":          {facts: begun(acceptedAt(0), lockedBy(running(1), ErrInstanceLockedForSecurity), running(2)), outcome: OutcomeAccepted},

		// Failed readings.
		"five fail":                 {facts: begun(acceptedAt(0), times(5, failedAt)...), outcome: OutcomeAccepted},
		"six fail":                  {facts: begun(acceptedAt(0), times(6, failedAt)...), want: failed, err: errNoLuck, outcome: OutcomeAccepted},
		"six fail, not in a row":    {facts: begun(acceptedAt(0), append(append(times(5, failedAt), running(6)), times(5, failedAt)...)...), outcome: OutcomeAccepted},
		"absence ends a row":        {facts: begun(acceptedAt(0), append(append(times(5, failedAt), absentAt(6)), times(5, failedAt)...)...), outcome: OutcomeAccepted},
		"throttling is no fault":    {facts: begun(acceptedAt(0), times(100, throttledAt)...), outcome: OutcomeAccepted},
		"nor does it end a row":     {facts: begun(acceptedAt(0), append(append(times(5, failedAt), throttledAt(6)), failedAt(7))...), want: failed, err: errNoLuck, outcome: OutcomeAccepted},
		"none may fail":             {facts: begun(acceptedAt(0), failedAt(1)), options: WaitOptions{MaxPollFailures: -1}, want: failed, err: errNoLuck, outcome: OutcomeAccepted},
		"one may":                   {facts: begun(acceptedAt(0), failedAt(1)), options: WaitOptions{MaxPollFailures: 1}, outcome: OutcomeAccepted},
		"faults after a good sight": {facts: begun(acceptedAt(0), append(times(6, failedAt), running(7))...), outcome: OutcomeAccepted},
		"denied":                    {facts: begun(acceptedAt(0), deniedAt(1)), want: failed, err: errDenied, outcome: OutcomeAccepted},

		// An unknown send.
		"unknown, not long ago":            {facts: begun(unknownAt(0), running(1), running(59.9)), outcome: OutcomeUnknown},
		"unknown, long ago":                {facts: begun(unknownAt(0), running(60)), want: failed, err: ErrNotProven, outcome: OutcomeUnknown},
		"counted from when it was unknown": {facts: begun(unknownAt(30), running(89)), outcome: OutcomeUnknown},
		"unknown, last seen before":        {facts: begun(unknownAt(0), append([]fact{running(59)}, failedAt(70))...), outcome: OutcomeUnknown},
		"unknown, never seen":              {facts: begun(unknownAt(0), failedAt(100)), outcome: OutcomeUnknown},
		"unknown, in a strange status":     {facts: begun(unknownAt(0), saw(60, "Hibernating", elevenOClock)), options: WaitOptions{ResendUnknown: true}, outcome: OutcomeUnknown},
		"unknown, Pending for long":        {facts: begun(unknownAt(0), saw(60, StatusPending, elevenOClock)), outcome: OutcomeUnknown},
		"unknown, Running after that":      {facts: begun(unknownAt(0), saw(59, StatusPending, elevenOClock), running(60)), want: failed, err: ErrNotProven, outcome: OutcomeUnknown},
		"unknown, gone for a moment":       {facts: begun(unknownAt(0), running(59), absentAt(61)), outcome: OutcomeUnknown},
		"unknown, down":                    {facts: begun(unknownAt(0), saw(59, StatusStarting, elevenOClock), saw(300, StatusStarting, elevenOClock)), outcome: OutcomeUnknown},
		"unknown, down and up":             {facts: begun(unknownAt(0), saw(59, StatusStarting, elevenOClock), running(300)), want: proven, proof: ProofStatus, outcome: OutcomeUnknown},
		"unknown, a later start":           {facts: begun(unknownAt(0), clocked(saw(300, StatusRunning, restarted))), want: proven, proof: ProofStartTime, outcome: OutcomeUnknown},
		"unknown, started, not healthy":    {facts: begun(unknownAt(0), clocked(saw(300, StatusRunning, restarted))), pending: true, outcome: OutcomeUnknown},
		"own settle time":                  {facts: begun(unknownAt(0), running(7)), options: WaitOptions{UnknownGrace: 7 * time.Second}, want: failed, err: ErrNotProven, outcome: OutcomeUnknown},
		"none at all":                      {facts: begun(unknownAt(0), running(0)), options: WaitOptions{UnknownGrace: -1}, want: failed, err: ErrNotProven, outcome: OutcomeUnknown},
		"none at all, nothing seen":        {facts: begun(unknownAt(0)), options: WaitOptions{UnknownGrace: -1}, outcome: OutcomeUnknown},
		"unknown and locked":               {facts: begun(unknownAt(0), lockedBy(running(70), ErrInstanceLockedForSecurity)), options: WaitOptions{ResendUnknown: true}, want: failed, err: ErrInstanceLockedForSecurity, outcome: OutcomeUnknown},

		// The one more send.
		"to be sent again":        {facts: begun(unknownAt(0), running(60)), options: WaitOptions{ResendUnknown: true}, want: resend, outcome: OutcomeUnknown},
		"not yet":                 {facts: begun(unknownAt(0), running(59)), options: WaitOptions{ResendUnknown: true}, outcome: OutcomeUnknown},
		"not if accepted":         {facts: begun(acceptedAt(0), running(600)), options: WaitOptions{ResendUnknown: true}, outcome: OutcomeAccepted},
		"not if it shows":         {facts: begun(unknownAt(0), saw(60, StatusStopping, elevenOClock)), options: WaitOptions{ResendUnknown: true}, outcome: OutcomeUnknown},
		"the probe may settle it": {facts: begun(unknownAt(0), running(60)), options: WaitOptions{ResendUnknown: true}, probed: ProbeRestarted, want: proven, proof: ProofProbe, outcome: OutcomeUnknown},
		"the second under way":    {facts: begun(unknownAt(0), running(60), sendsIt(60)), options: WaitOptions{ResendUnknown: true}, want: resend, outcome: OutcomeUnknown},
		"the second accepted":     {facts: begun(unknownAt(0), running(60), sendsIt(60), acceptedAt(60), running(300)), options: WaitOptions{ResendUnknown: true}, outcome: OutcomeAccepted},
		"the second unknown":      {facts: begun(unknownAt(0), running(60), sendsIt(60), unknownAt(60), running(119)), options: WaitOptions{ResendUnknown: true}, outcome: OutcomeUnknown},
		"once and no more":        {facts: begun(unknownAt(0), running(60), sendsIt(60), unknownAt(60), running(120)), options: WaitOptions{ResendUnknown: true}, want: failed, err: ErrNotProven, outcome: OutcomeUnknown},
		"the second refused":      {facts: begun(unknownAt(0), running(60), sendsIt(60), endedWith(OutcomeRejected)), options: WaitOptions{ResendUnknown: true}, want: failed, err: errRefused, outcome: OutcomeUnknown},
		"the second not sent":     {facts: begun(unknownAt(0), running(60), sendsIt(60), endedWith(OutcomeNotSent)), options: WaitOptions{ResendUnknown: true}, want: failed, err: errRefused, outcome: OutcomeUnknown},

		// The second refused, as the first has taken effect.
		"in the way":                       {facts: begun(unknownAt(0), running(60), sendsIt(60), refusedAgainAt(60)), outcome: OutcomeUnknown},
		"in the way, shown Running":        {facts: begun(unknownAt(0), running(60), sendsIt(60), refusedAgainAt(60), running(61)), outcome: OutcomeUnknown},
		"in the way, down and up":          {facts: begun(unknownAt(0), running(60), sendsIt(60), refusedAgainAt(60), saw(61, StatusStarting, elevenOClock), running(63)), want: proven, proof: ProofStatus, outcome: OutcomeUnknown},
		"in the way, a later start":        {facts: begun(unknownAt(0), running(60), sendsIt(60), refusedAgainAt(60), clocked(saw(121, StatusRunning, restarted))), want: proven, proof: ProofStartTime, outcome: OutcomeUnknown},
		"in the way, Running for long":     {facts: begun(unknownAt(0), running(60), sendsIt(60), refusedAgainAt(60), running(120)), want: proven, proof: ProofRefusal, outcome: OutcomeUnknown},
		"in the way, no settle time":       {facts: begun(unknownAt(0), running(1), sendsIt(1), refusedAgainAt(1), running(60)), options: WaitOptions{UnknownGrace: -1}, outcome: OutcomeUnknown},
		"in the way, no settle time, long": {facts: begun(unknownAt(0), running(1), sendsIt(1), refusedAgainAt(1), running(61)), options: WaitOptions{UnknownGrace: -1}, want: proven, proof: ProofRefusal, outcome: OutcomeUnknown},
		"in the way, more settle time":     {facts: begun(unknownAt(0), running(99), sendsIt(99), refusedAgainAt(99), running(180)), options: WaitOptions{UnknownGrace: 99 * time.Second}, outcome: OutcomeUnknown},
		"in the way, not healthy":          {facts: begun(unknownAt(0), running(60), sendsIt(60), refusedAgainAt(60), running(120)), pending: true, outcome: OutcomeUnknown},
		"in the way, down for long":        {facts: begun(unknownAt(0), running(60), sendsIt(60), refusedAgainAt(60), saw(120, StatusStopping, elevenOClock)), outcome: OutcomeUnknown},
		"in the way, not Running yet":      {facts: begun(unknownAt(0), running(60), sendsIt(60), refusedAgainAt(60), saw(120, "Hibernating", elevenOClock)), outcome: OutcomeUnknown},
		"in the way, started before it":    {facts: begun(unknownAt(0), running(60), sendsIt(60), refusedAgainAt(60), clocked(saw(61, StatusRunning, noon))), want: proven, proof: ProofStartTime, outcome: OutcomeUnknown},
		"in the way, seen before":          {facts: begun(unknownAt(0), running(60), sendsIt(60), refusedAgainAt(120), failedAt(300)), outcome: OutcomeUnknown},

		// A witness.
		"asked, and not answered":        {facts: begun(askable(0, "s"), running(60)), options: saying(), outcome: OutcomeUnknown},
		"asked, not listed":              {facts: begun(askable(0, "s"), absentAt(1), absentAt(2)), options: saying(), outcome: OutcomeUnknown},
		"asked, denied":                  {facts: begun(askable(0, "s"), deniedAt(1)), options: saying(), outcome: OutcomeUnknown},
		"asked, locked":                  {facts: begun(askable(0, "s"), lockedBy(running(1), ErrInstanceLockedForSecurity)), options: saying(), outcome: OutcomeUnknown},
		"asked, six fail":                {facts: begun(askable(0, "s"), times(6, failedAt)...), options: saying(), outcome: OutcomeUnknown},
		"asked, and proven":              {facts: begun(askable(0, "s"), saw(1, StatusStarting, elevenOClock), running(3)), options: saying(), want: proven, proof: ProofStatus, outcome: OutcomeUnknown},
		"not yet a trace":                {facts: begun(askable(0, "s"), running(60), testified(60, "s", FindingNoTrace, "")), options: saying(), outcome: OutcomeUnknown},
		"no trace at all":                {facts: begun(askable(0, "s"), running(60), final(testified(60, "s", FindingNoTrace, ""))), options: saying(), want: failed, err: ErrNotProven, outcome: OutcomeUnknown},
		"no trace, denied":               {facts: begun(askable(0, "s"), deniedAt(1), final(testified(60, "s", FindingNoTrace, ""))), options: saying(), want: failed, err: errDenied, outcome: OutcomeUnknown},
		"no trace of another request":    {facts: begun(askable(0, "s"), running(60), final(testified(60, "t", FindingNoTrace, ""))), options: saying(), outcome: OutcomeUnknown},
		"nobody can say":                 {facts: begun(askable(0, "s"), running(60), final(fact{Event: Event{Kind: EventWitnessFailed, SendID: "s", Err: errDenied}})), options: saying(), want: failed, err: ErrNotProven, outcome: OutcomeUnknown},
		"not sent again before that":     {facts: begun(askable(0, "s"), running(60)), options: WaitOptions{Witness: anyWitness{}, ResendUnknown: true}, outcome: OutcomeUnknown},
		"sent again after that":          {facts: begun(askable(0, "s"), running(60), final(testified(60, "s", FindingNoTrace, ""))), options: WaitOptions{Witness: anyWitness{}, ResendUnknown: true}, want: resend, outcome: OutcomeUnknown},
		"it was accepted":                {facts: begun(askable(0, "s"), running(60), testified(60, "s", FindingAccepted, ""), running(600)), options: saying(), outcome: OutcomeAccepted},
		"it was accepted, whoever asked": {facts: begun(askable(0, "s"), testified(9, "s", FindingAccepted, ""), running(600)), outcome: OutcomeAccepted},
		"accepted, and denied":           {facts: begun(askable(0, "s"), deniedAt(1), testified(60, "s", FindingAccepted, "")), options: saying(), want: failed, err: errDenied, outcome: OutcomeAccepted},
		"it was refused":                 {facts: begun(askable(0, "s"), running(60), testified(60, "s", FindingRefused, ErrOperationConflict)), options: saying(), want: failed, err: ErrOperationConflict, outcome: OutcomeRejected},
		"another request was refused":    {facts: begun(askable(0, "s"), running(60), testified(60, "t", FindingRefused, ErrOperationConflict)), options: saying(), outcome: OutcomeUnknown},
		"another request was accepted":   {facts: begun(askable(0, "s"), running(60), testified(60, "t", FindingAccepted, "")), options: saying(), outcome: OutcomeUnknown},
		"refused, but down":              {facts: begun(askable(0, "s"), saw(60, StatusStopping, elevenOClock), testified(60, "s", FindingRefused, ErrOperationConflict)), options: saying(), want: failed, err: ErrNotProven, outcome: OutcomeUnknown},
		"refused, but moved":             {facts: begun(askable(0, "s"), clocked(saw(130, StatusRunning, restarted)), testified(131, "s", FindingRefused, ErrOperationConflict)), options: saying(), pending: true, want: failed, err: ErrOperationConflict, outcome: OutcomeUnknown},
		"accepted by one, refused by one": {
			facts: begun(askable(0, "s"), testified(1, "s", FindingAccepted, ""), testified(2, "s", FindingRefused, ErrOperationConflict)), options: saying(),
			want: failed, err: ErrOperationConflict, outcome: OutcomeUnknown,
		},
		"a recorded change": {
			facts: begun(askable(0, "s"), testified(60, "s", FindingNoTrace, "", Observation{At: atSecond(2), Status: StatusStopping}), running(61)), options: saying(),
			want: proven, proof: ProofRecord, outcome: OutcomeUnknown,
		},
		"a recorded change, not seen Running since": {
			facts: begun(askable(0, "s"), running(59), testified(60, "s", FindingNoTrace, "", Observation{At: atSecond(2), Status: StatusStopping})), options: saying(), outcome: OutcomeUnknown,
		},
		"a recorded change, not healthy": {
			facts: begun(askable(0, "s"), testified(60, "s", FindingNoTrace, "", Observation{At: atSecond(2), Status: StatusStopping}), running(61)), options: saying(), pending: true, outcome: OutcomeUnknown,
		},
		"a change recorded before the send": {
			facts: begun(askable(0, "s"), testified(60, "s", FindingNoTrace, "", Observation{At: atSecond(0.5), Status: StatusStopping}), running(61)), options: saying(), outcome: OutcomeUnknown,
		},
		"a change to Running": {
			facts: begun(askable(0, "s"), testified(60, "s", FindingNoTrace, "", Observation{At: atSecond(9), Status: StatusRunning}), running(61)), options: saying(), outcome: OutcomeUnknown,
		},
		"a change to Running from Starting": {
			facts: begun(askable(0, "s"), testified(60, "s", FindingNoTrace, "", Observation{At: atSecond(0.5), Status: StatusStarting}, Observation{At: atSecond(9), Status: StatusRunning}), running(61)), options: saying(),
			want: proven, proof: ProofRecord, outcome: OutcomeUnknown,
		},
		"a change to Running from Starting, which was before the baseline": {
			facts: begun(askable(0, "s"), testified(60, "s", FindingNoTrace, "", Observation{At: atSecond(-40), Status: StatusStarting}, Observation{At: atSecond(9), Status: StatusRunning}), running(61)), options: saying(), outcome: OutcomeUnknown,
		},
		"a change to Running from Starting, both before the request": {
			facts: begun(askable(0, "s"), testified(60, "s", FindingNoTrace, "", Observation{At: atSecond(0.2), Status: StatusStarting}, Observation{At: atSecond(0.5), Status: StatusRunning}), running(61)), options: saying(), outcome: OutcomeUnknown,
		},
		"refused, but recorded": {
			facts: begun(askable(0, "s"), testified(60, "s", FindingRefused, ErrOperationConflict, Observation{At: atSecond(2), Status: StatusStopping})), options: saying(),
			want: failed, err: ErrOperationConflict, outcome: OutcomeUnknown,
		},
		"the first of two refused": {
			facts: begun(askable(0, "s"), running(60), sendsIt(60), askable(60, "t"), testified(61, "s", FindingRefused, ErrOperationConflict), running(200)), options: saying(), outcome: OutcomeUnknown,
		},
		"both of two refused": {
			facts: begun(askable(0, "s"), running(60), sendsIt(60), askable(60, "t"), testified(61, "s", FindingRefused, ErrOperationConflict), testified(62, "t", FindingRefused, ErrOperationConflict)), options: saying(),
			want: failed, err: ErrOperationConflict, outcome: OutcomeRejected,
		},
		"the second of two refused": {
			facts: begun(askable(0, "s"), running(60), sendsIt(60), askable(60, "t"), testified(61, "t", FindingRefused, ErrOperationConflict)), options: saying(),
			want: failed, err: ErrOperationConflict, outcome: OutcomeUnknown,
		},
		"the second of two in the way": {
			facts: begun(askable(0, "s"), running(60), sendsIt(60), askable(60, "t"), final(testified(60, "s", FindingNoTrace, "")), testified(61, "t", FindingRefused, ErrIncorrectInstanceStatus), running(130)), options: saying(),
			want: proven, proof: ProofRefusal, outcome: OutcomeUnknown,
		},
		"the first refused, while the second is on its way": {
			facts: begun(askable(0, "s"), running(60), sendsIt(60), testified(61, "s", FindingRefused, ErrOperationConflict)), options: saying(),
			want: failed, err: ErrNotProven, outcome: OutcomeUnknown,
		},
		"the first refused, the second on its way since accepted": {
			facts: begun(askable(0, "s"), running(60), sendsIt(60), testified(61, "s", FindingRefused, ErrOperationConflict), acceptedAt(61), running(200)), options: saying(), outcome: OutcomeAccepted,
		},
		"the first refused, the second on its way since refused": {
			facts: begun(askable(0, "s"), running(60), sendsIt(60), testified(61, "s", FindingRefused, ErrOperationConflict), endedWith(OutcomeRejected)), options: saying(),
			want: failed, err: errRefused, outcome: OutcomeUnknown,
		},
		"the first refused, the second accepted by its response": {
			facts: begun(askable(0, "s"), running(60), sendsIt(60), acceptedAt(60), testified(61, "s", FindingRefused, ErrOperationConflict), running(200)), options: saying(), outcome: OutcomeAccepted,
		},
		"the first accepted, the second refused": {
			facts: begun(askable(0, "s"), running(60), sendsIt(60), askable(60, "t"), testified(61, "s", FindingAccepted, ""), testified(62, "t", FindingRefused, ErrIncorrectInstanceStatus), running(200)), options: saying(), outcome: OutcomeAccepted,
		},
		"the first refused, the second in the way of something else": {
			facts: begun(askable(0, "s"), running(60), sendsIt(60), askable(60, "t"), testified(61, "s", FindingRefused, ErrOperationConflict), testified(62, "t", FindingRefused, ErrIncorrectInstanceStatus), running(200)), options: saying(),
			want: failed, err: ErrNotProven, outcome: OutcomeUnknown,
		},
		"the first accepted, the second sent nevertheless and refused": {
			facts: begun(askable(0, "s"), running(60), testified(61, "s", FindingAccepted, ""), sendsIt(61), askable(61, "t"), testified(62, "t", FindingRefused, ErrOperationConflict), running(200)), options: saying(), outcome: OutcomeAccepted,
		},
		"the first refused, the second dropped": {
			facts: begun(askable(0, "s"), running(60), sendsIt(60), testified(61, "s", FindingRefused, ErrOperationConflict), fact{dropped: true}), options: saying(),
			want: failed, err: ErrOperationConflict, outcome: OutcomeRejected,
		},
		"the first refused, the second refused in the way of something else": {
			facts: begun(askable(0, "s"), running(60), sendsIt(60), testified(61, "s", FindingRefused, ErrOperationConflict), refusedAgainAt(61), running(200)), options: saying(),
			want: failed, err: ErrNotProven, outcome: OutcomeUnknown,
		},
		"refused by one, accepted by one": {
			facts: begun(askable(0, "s"), testified(1, "s", FindingRefused, ErrOperationConflict), testified(2, "s", FindingAccepted, "")), options: saying(),
			want: failed, err: ErrOperationConflict, outcome: OutcomeUnknown,
		},
		"a change in the future": {
			facts: begun(askable(0, "s"), clocked(running(59)), testified(60, "s", FindingNoTrace, "", Observation{At: atSecond(7200), Status: StatusStopping}), running(61)), options: saying(), outcome: OutcomeUnknown,
		},
		"a change in the future, when only the baseline has a Date": {
			facts: begun(askable(0, "s"), running(59), testified(60, "s", FindingNoTrace, "", Observation{At: atSecond(7200), Status: StatusStopping}), running(61)), options: saying(), outcome: OutcomeUnknown,
		},
		"a change in the future, which has come": {
			facts: begun(askable(0, "s"), clocked(running(59)), testified(60, "s", FindingNoTrace, "", Observation{At: atSecond(200), Status: StatusStopping}),
				testified(210, "s", FindingNoTrace, "", Observation{At: atSecond(200), Status: StatusStopping}), running(211)), options: saying(), outcome: OutcomeUnknown,
		},
		"a change after one in the future": {
			facts: begun(askable(0, "s"), clocked(running(59)), testified(60, "s", FindingNoTrace, "", Observation{At: atSecond(200), Status: StatusStopping}),
				testified(210, "s", FindingNoTrace, "", Observation{At: atSecond(200), Status: StatusStopping}, Observation{At: atSecond(205), Status: StatusStarting}), running(211)), options: saying(),
			want: proven, proof: ProofRecord, outcome: OutcomeUnknown,
		},
		"denied for a moment, while the witness is asked": {
			facts: begun(askable(0, "s"), deniedAt(1), saw(5, StatusStopping, elevenOClock), running(9)), options: saying(), want: proven, proof: ProofStatus, outcome: OutcomeUnknown,
		},
		"the first of two accepted": {
			facts: begun(askable(0, "s"), running(60), sendsIt(60), askable(60, "t"), testified(61, "s", FindingAccepted, ""), running(200)), options: saying(), outcome: OutcomeAccepted,
		},

		// Ended before it began.
		"not sent":            {facts: []fact{endedWith(OutcomeNotSent)}, want: failed, err: errRefused, outcome: OutcomeNotSent},
		"refused":             {facts: []fact{sawBaseline(), sendsIt(0), endedWith(OutcomeRejected)}, want: failed, err: errRefused, outcome: OutcomeRejected},
		"held, then not sent": {facts: []fact{sawBaseline(), sendsIt(0), endedWith(OutcomeNotSent)}, want: failed, err: errRefused, outcome: OutcomeNotSent},
		"a probe's failure":   {facts: begun(acceptedAt(0), fact{Event: Event{Kind: EventProbeFailed, Err: errNoLuck}}), outcome: OutcomeAccepted},
	} {
		t.Run(name, func(t *testing.T) {
			var a evidence
			for _, f := range c.facts {
				a.apply(&f)
			}
			probed := max(c.probed, ProbeHealthy)
			if c.pending {
				probed = ProbePending
			}
			got, proof, err := a.judge(c.options.withDefaults(), probed)
			assert.Equal(t, c.want, got)
			assert.Equal(t, c.proof, proof)
			assert.Equal(t, c.outcome, a.outcome)
			if c.err == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, c.err)
			}
		})
	}
}

// The evidence keeps what the result and the error tell.
func TestAccountKeeps(t *testing.T) {
	var a evidence
	for _, f := range begun(unknownAt(0),
		running(1), running(2), saw(3, StatusStopping, elevenOClock), saw(5, StatusStopping, elevenOClock), absentAt(6), absentAt(7),
		saw(9, StatusStopping, elevenOClock), saw(12, StatusStarting, noon), saw(15, StatusRunning, noon), saw(17, StatusRunning, noon)) {
		a.apply(&f)
	}
	assert.Equal(t, []Observation{
		{At: atSecond(1), Status: StatusRunning, StartTime: elevenOClock},
		{At: atSecond(3), Status: StatusStopping, StartTime: elevenOClock},
		{At: atSecond(6)},
		{At: atSecond(9), Status: StatusStopping, StartTime: elevenOClock},
		{At: atSecond(12), Status: StatusStarting, StartTime: noon},
		{At: atSecond(15), Status: StatusRunning, StartTime: noon},
	}, a.seen)
	assert.Equal(t, Observation{At: atSecond(17), Status: StatusRunning, StartTime: noon}, a.last)
	assert.Equal(t, sawBaseline().before, a.before)
	assert.Equal(t, 1, a.sends)
	assert.False(t, a.sending)
	assert.Equal(t, noon, a.sentAt)
	assert.Empty(t, a.requestID)

	a.apply(new(sendsIt(80)))
	assert.True(t, a.sending)
	a.apply(new(acceptedAt(81)))
	assert.False(t, a.sending)
	assert.Equal(t, 2, a.sends)
	assert.Equal(t, atSecond(81), a.sentAt)
	assert.Equal(t, "R", a.requestID)
	assert.True(t, a.unsettledSince.IsZero())
}

func TestRefuse(t *testing.T) {
	good := Instance{ID: "i-1", Status: StatusRunning, Locks: []string{"recycling"}, ExpiredTime: noon}
	for name, c := range map[string]struct {
		edit func(*Instance)
		want error
	}{
		"good":             {func(*Instance) {}, nil},
		"no expiry":        {func(i *Instance) { i.ExpiredTime = time.Time{} }, nil},
		"expired":          {func(i *Instance) { i.ExpiredTime = noon.Add(-time.Minute) }, ErrInstanceExpiredOrInArrears},
		"financial":        {func(i *Instance) { i.Locks = []string{"x", "financial"} }, ErrInstanceExpiredOrInArrears},
		"security":         {func(i *Instance) { i.Locks = []string{"financial", "security"} }, ErrInstanceLockedForSecurity},
		"Stopped":          {func(i *Instance) { i.Status = StatusStopped }, ErrIncorrectInstanceStatus},
		"Starting":         {func(i *Instance) { i.Status = StatusStarting }, ErrIncorrectInstanceStatus},
		"locked, Stopped":  {func(i *Instance) { i.Status, i.Locks = StatusStopped, []string{"security"} }, ErrInstanceLockedForSecurity},
		"not listed":       {func(i *Instance) { i.Status = "" }, ErrInvalidInstanceIDNotFound},
		"an unknown state": {func(i *Instance) { i.Status = "Hibernating" }, ErrIncorrectInstanceStatus},
	} {
		i := good
		c.edit(&i)
		err := i.Refusal(noon)
		if c.want == nil {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorIs(t, err, c.want, name)
		answer, _ := errors.AsType[*APIError](err)
		assert.Zero(t, answer.StatusCode, name)
	}
}

// The last testimony of a witness about a request replaces the ones before it.
func TestLastTestimonyOfAWitness(t *testing.T) {
	var a evidence
	for _, f := range begun(askable(0, "s"), testified(1, "s", FindingNoTrace, ""), testified(2, "s", FindingNoTrace, ""), testified(3, "t", FindingNoTrace, "")) {
		a.apply(&f)
	}
	require.Len(t, a.testimony, 2)
	assert.Equal(t, "; no trace of the request, which proves nothing: w", a.noTrace(), "the witness is named once")
}

// An error names no witness that found something, nor any if there is none.
func TestNoTraceIsOfAWitness(t *testing.T) {
	assert.Empty(t, new(evidence).noTrace())
	a := evidence{testimony: []Testimony{{Witness: "w", Finding: FindingAccepted}, {Witness: "v", Finding: FindingNoTrace, Code: ErrForbiddenRAM}}}
	assert.Empty(t, a.noTrace())
}

// A resend is not called for any more if any of these became known while it waited.
func TestSettled(t *testing.T) {
	for name, c := range map[string]struct {
		evidence evidence
		settled  bool
	}{
		"unknown":  {evidence{outcome: OutcomeUnknown}, false},
		"accepted": {evidence{outcome: OutcomeAccepted}, true},
		"ended":    {evidence{outcome: OutcomeUnknown, ended: errRefused}, true},
		"refused":  {evidence{outcome: OutcomeUnknown, refusal: errRefused}, true},
		"recorded": {evidence{outcome: OutcomeUnknown, recorded: true}, true},
	} {
		assert.Equal(t, c.settled, (&watch{evidence: c.evidence}).isSettled(), name)
	}
}

// A follower may ask for the resend by evidence that is older than the watch's.
func TestResendIsJudgedByTheNewestEvidence(t *testing.T) {
	asked, waits := WaitOptions{ResendUnknown: true}.withDefaults(), true
	stands := func() bool { return waits }
	w := &watch{changed: make(chan struct{})}
	for _, f := range begun(unknownAt(0), running(30)) {
		w.add(&f)
	}
	assert.False(t, w.resendIsDue(&resendRequest{asked, stands}), "not yet")
	w.add(new(running(60)))
	assert.True(t, w.resendIsDue(&resendRequest{asked, stands}))
	assert.False(t, w.resendIsDue(&resendRequest{WaitOptions{}.withDefaults(), stands}), "without the option")
	asked.Probe = func(context.Context, Observation) (ProbeResult, error) { return ProbePending, nil }
	assert.True(t, w.resendIsDue(&resendRequest{asked, stands}))
	waits = false
	assert.False(t, w.resendIsDue(&resendRequest{asked, stands}), "a wait that is over sends nothing")
	waits = true
	w.add(new(saw(62, StatusStopping, elevenOClock)))
	assert.False(t, w.resendIsDue(&resendRequest{asked, stands}), "the first send has taken effect")
}

// A watch that others may join keeps its facts for them. Any other watch forgets the facts
// that its one follower has taken in.
func TestWatchKeepsNoFactsOfOne(t *testing.T) {
	ask := func(context.Context, SendIntent) error { return nil }
	for name, c := range map[string]struct {
		watch *watch
		keeps int
	}{
		"of a restart that others sent": {&watch{begin: &evidence{}}, 0},
		"with BeforeSend":               {&watch{ask: ask}, 0},
		"that others may join":          {&watch{}, 10},
	} {
		w := c.watch
		w.changed = make(chan struct{})
		for n := range 10 {
			w.add(new(running(float64(n))))
			newer, _ := w.since(n)
			require.Len(t, newer, 1, name)
			require.Equal(t, running(float64(n)).At, newer[0].At, name)
			w.forget(n + 1)
			require.Len(t, w.facts, min(c.keeps, n+1), name)
		}
		newer, _ := w.since(10)
		assert.Empty(t, newer, name)
	}
}

// The wait before a poll is a second, and grows with the time since the restart.
func TestSchedule(t *testing.T) {
	for _, c := range []struct {
		elapsed      time.Duration
		unseen, down float64   // seconds; up to a tenth of it is jitter
		downVain     []float64 // after polls in vain
	}{
		{elapsed: 0, unseen: 1, down: 1, downVain: []float64{2, 4, 8, 10, 10}},
		{elapsed: 3 * time.Second, unseen: 1.2, down: 1.2, downVain: []float64{2.4, 4.8, 9.6, 10}},
		{elapsed: 15 * time.Second, unseen: 2, down: 2, downVain: []float64{4, 8, 10}},
		{elapsed: time.Minute, unseen: 2.6, down: 2.6, downVain: []float64{5.2, 10}},
		{elapsed: 140 * time.Second, unseen: 5, down: 5, downVain: []float64{10, 10}},
		{elapsed: 7 * time.Minute, unseen: 5, down: 15, downVain: []float64{15, 15}},
		{elapsed: 100 * time.Hour, unseen: 5, down: 20, downVain: []float64{20, 20}},
	} {
		synctest.Test(t, func(t *testing.T) {
			plan := schedule{begun: time.Now()}
			time.Sleep(c.elapsed)
			holds := func(want float64) {
				t.Helper()
				for range 20 {
					wait := plan.delay().Seconds()
					assert.GreaterOrEqual(t, wait, want)
					assert.LessOrEqual(t, wait, 1e-6+want+min(want, c.elapsed.Seconds())/10)
					time.Sleep(time.Nanosecond) // the clock seeds the jitter
				}
			}
			holds(c.unseen)
			plan.down = true
			holds(c.down)
			for _, want := range c.downVain {
				plan.observe("")
				holds(want)
			}
			for range 100 {
				plan.observe("")
			}
			holds(max(c.down, c.downVain[len(c.downVain)-1]))
			plan.observe(StatusRunning)
			holds(c.down)
		})
	}
}

// The schedule begins anew once, when the instance is first seen down.
func TestScheduleBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := schedule{begun: time.Now()}
		time.Sleep(10 * time.Minute)
		plan.observe("")
		plan.observe(StatusRunning)
		assert.GreaterOrEqual(t, plan.delay(), 5*time.Second)
		plan.observe(StatusStopping)
		assert.Equal(t, time.Second, plan.delay())
		time.Sleep(time.Minute)
		plan.observe(StatusStarting)
		assert.GreaterOrEqual(t, plan.delay(), 2600*time.Millisecond)
		plan.observe(StatusRunning)
		assert.GreaterOrEqual(t, plan.delay(), 2600*time.Millisecond)
	})
}
