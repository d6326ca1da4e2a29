package ecsreboot

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/apart"
	"github.com/ecsreboot/ecsreboot/internal/logvalue"
	"github.com/ecsreboot/ecsreboot/internal/redact"
)

// Witness looks up what the cloud, or another system, recorded about a restart request
// whose response was lost. See [WaitOptions].Witness. Module witness has implementations
// that read the cloud's records.
//
// Testify looks for a record of the request and returns what it found. Testify must return
// soon: if the record may become visible later, it does not wait, but sets
// [Testimony].AskAgain. The context of each call of Testify ends after a minute.
//
// An error means that Testify could not read the records, and Testify is called again after
// 30 s. If the error matches [ErrAccessDenied], a permission is missing, and the wait
// continues without the witness. The same applies if Testify does not return when its
// context ends.
//
// Several waits may call a Witness at the same time.
type Witness interface {
	Testify(ctx context.Context, request SentRequest) (Testimony, error)
}

// SentRequest is a restart request that may have reached the service.
type SentRequest struct {
	// SendID identifies the request. It has 26 random characters; if there is an operation
	// ID, this ID and a dot come before them, see [WithOperationID]. The client puts "send/"
	// and the SendID into the User-Agent header, and the cloud's audit log shows that header.
	// A SendID is not secret and not signed. A SendID that ends with a dot is the beginning
	// of a SendID whose rest is not known. SendID is empty if the error that was passed to
	// [Client.Resolve] has none.
	SendID     string    `json:"sendId,omitempty"`
	InstanceID string    `json:"instanceId,omitempty"`
	Region     string    `json:"region,omitempty"` // the region of the client
	SentAt     time.Time `json:"sentAt,omitzero"`  // by the sender's clock
	// ServiceTime is the calculated time of the request by the service's clock. It is never
	// early; it is late by at most a second plus the time that a response took. It is zero
	// if the service's clock is not known.
	ServiceTime time.Time `json:"serviceTime,omitzero"`
}

// LogValue gives slog the fields of the JSON.
func (r SentRequest) LogValue() slog.Value {
	r.InstanceID = redact.Line(r.InstanceID, maxInstanceIDLength)
	return logvalue.Of(r)
}

// Testimony is what a [Witness] found.
type Testimony struct {
	Witness string  `json:"witness"` // the name of the witness, such as "ActionTrail"
	Finding Finding `json:"finding"`
	SendID  string  `json:"sendId,omitempty"` // of the request that the testimony is about; the client sets it
	// RequestID is the ID that the service gave to the request. Code is the error code of
	// the service. Message is its error message, or an explanation by the witness.
	RequestID string    `json:"requestId,omitempty"`
	Code      ErrorCode `json:"code,omitempty"`
	Message   string    `json:"message,omitempty"`
	At        time.Time `json:"at,omitzero"` // the time of the record, by the service's clock
	// Changes are the recorded changes of the instance's status since the request, by the
	// service's clock, whoever caused them, in order. A change before the request may come
	// first, because it shows which status ended with the next one. See [ProofRecord].
	Changes []Observation `json:"changes,omitempty"`
	// AskAgain is how long to wait until Testify is called again, because a record may
	// become visible by then; at least a second. If AskAgain is 0, the testimony is final.
	AskAgain time.Duration `json:"-"`
}

// LogValue gives slog the fields of the JSON.
func (t Testimony) LogValue() slog.Value { return logvalue.Of(t) }

// String describes the testimony in a line, such as
// "ActionTrail: refused with IncorrectInstanceStatus (request 4C…)".
func (t Testimony) String() string {
	text := t.Witness + ": " + string(t.Finding)
	if t.Code != "" {
		text += " with " + string(t.Code)
	}
	if n := len(t.Changes); n > 0 {
		text += ", " + t.Changes[n-1].String() + " after the request"
	}
	return text + requestText(t.RequestID)
}

// Finding is what a witness found out about a request.
type Finding string

// The findings.
const (
	FindingNoTrace  Finding = "no trace" // no record shows the outcome of the request, which proves nothing. An empty Finding means the same
	FindingAccepted Finding = "accepted" // the request arrived, and the service accepted the restart
	FindingRefused  Finding = "refused"  // the request arrived, and the service refused the restart
)

const (
	// witnessRetry is how long after an error the witness is asked again.
	witnessRetry = 30 * time.Second
	// leastAskAgain is the shortest time between two calls of Testify.
	leastAskAgain = time.Second
	// questionTimeout is how long one call of Testify may take.
	questionTimeout = time.Minute
)

// inquiry is a goroutine that asks a follower's witness about one request of unknown
// outcome. A follower has at most one inquiry at a time.
type inquiry struct {
	told   chan *fact // the facts from the goroutine; nil if no goroutine runs
	about  string     // the send ID of the request that it asks about
	cancel context.CancelFunc
}

// inquire starts an inquiry about the next request, unless there is none or an inquiry is
// under way, and returns the channel of its facts.
func (f *follower) inquire(ctx context.Context) <-chan *fact {
	e := &f.evidence
	if f.options.Witness == nil || e.outcome != OutcomeUnknown || len(e.unanswered) == 0 || ctx.Err() != nil {
		f.inquiry.end()
		return nil
	}
	if f.inquiry.about != e.unanswered[0].SendID { // that one is found, by whomever
		f.inquiry.end()
	}
	if f.inquiry.told == nil {
		f.inquiry.about = e.unanswered[0].SendID
		ctx, f.inquiry.cancel = context.WithCancel(ctx)
		request, told := f.requests(e.unanswered[:1])[0], make(chan *fact)
		f.inquiry.told = told
		tell := func(made fact) {
			made.At, made.SendID = time.Now(), request.SendID
			select {
			case told <- &made:
			case <-ctx.Done():
			}
		}
		go apart.Catch(func() { f.options.ask(ctx, request, tell) }, func(value any) {
			tell(fact{Event: Event{Kind: EventWitnessFailed, Err: errors.New("the witness ended its goroutine")}, denied: true, final: true, panicked: value})
		})
	}
	return f.inquiry.told
}

// end ends the goroutine and drops the facts that were not received.
func (i *inquiry) end() {
	if i.cancel != nil {
		i.cancel()
	}
	*i = inquiry{}
}

// hear takes in a fact of the inquiry. A testimony is for all followers of the watch. The
// final fact is only for this follower: another one may have another witness.
func (f *follower) hear(made *fact) {
	if made.panicked != nil {
		panic(made.panicked) // in the goroutine that it belongs to
	}
	if !made.final {
		if made.Kind == EventWitness {
			f.watch.add(made)
			return
		}
		f.tell(made.Event)
		return
	}
	f.inquiry.end()
	f.evidence.apply(made)
	if made.Kind == EventWitness || made.denied { // other errors were emitted before
		f.tell(made.Event)
	}
}

// ask asks the witness about a request until the witness has found the request, its
// testimony is final, or WitnessTimeout is over. It calls tell with each fact; the last
// fact is final, unless it says that the request was accepted or refused.
func (o WaitOptions) ask(ctx context.Context, request SentRequest, tell func(fact)) {
	begin := request.SentAt
	if now := time.Now(); begin.After(now) { // by the clock of another machine
		begin = now
	}
	deadline := begin.Add(o.WitnessTimeout)
	var last fact             // becomes the final fact if nothing is found
	problem, changes := "", 0 // those that were reported last
	for {
		made := o.askOnce(ctx, request)
		wait := witnessRetry
		switch {
		case ctx.Err() != nil:
			return
		case made.Err != nil:
			if !made.denied && problem != made.Err.Error() {
				problem = made.Err.Error()
				tell(made)
			}
			last = made
		case made.Testimony.Finding != FindingNoTrace:
			tell(made)
			return
		default:
			if len(made.Testimony.Changes) > changes {
				changes = len(made.Testimony.Changes)
				tell(made)
			}
			last, wait = made, made.Testimony.AskAgain
			if wait > 0 {
				wait = max(wait, leastAskAgain)
			}
		}
		if o.WitnessTimeout > 0 {
			// The last question is asked when the time is over, not earlier.
			wait = min(wait, time.Until(deadline))
		}
		if made.denied || wait <= 0 {
			last.final = true
			tell(last)
			return
		}
		sleep(ctx, wait)
	}
}

// askOnce asks the witness one question.
func (o WaitOptions) askOnce(ctx context.Context, request SentRequest) fact {
	ctx, cancel := context.WithTimeout(ctx, questionTimeout)
	defer cancel()
	made, ok := apart.Do(ctx, func() fact {
		t, err := o.Witness.Testify(ctx, request)
		if err != nil {
			return fact{Event: Event{Kind: EventWitnessFailed, Err: foreign("Witness", err, scrubForeign)}, denied: errors.Is(err, ErrAccessDenied)}
		}
		return fact{Event: Event{Kind: EventWitness, Testimony: t.clean(request)}}
	})
	if !ok {
		// The witness is not asked again, so that the questions of a wait never overlap.
		made = fact{Event: Event{Kind: EventWitnessFailed, Err: errors.New("the witness did not return when its context ended")}, denied: true}
	}
	return made
}

// clean makes a testimony safe to print, and fills in the send ID of the request.
func (t Testimony) clean(request SentRequest) Testimony {
	t.SendID = request.SendID
	t.Witness = cmp.Or(t.Witness, "the witness")
	if t.Finding != FindingAccepted && t.Finding != FindingRefused {
		t.Finding = FindingNoTrace
	}
	t.Witness, t.RequestID, t.Message = scrubForeign(t.Witness), scrubForeign(t.RequestID), scrubForeign(t.Message)
	t.Code = ErrorCode(scrubForeign(string(t.Code)))
	t.Changes = slices.Clone(t.Changes)
	for i := range t.Changes {
		t.Changes[i].Status = Status(quoteChanged(string(t.Changes[i].Status), scrubForeign))
	}
	return t
}

// tellAwaiting emits EventAwaitsWitness once if the wait continues only because of the witness.
func (f *follower) tellAwaiting() {
	result, _, _ := f.evidence.judgeSeen(f.options, f.probed)
	if !f.awaiting && f.evidence.isHeld(result, f.options) {
		f.awaiting = true
		f.tell(Event{Kind: EventAwaitsWitness, At: time.Now()})
	}
}

// requests returns the requests with all their fields.
func (f *follower) requests(sent []SentRequest) []SentRequest {
	all := slices.Clone(sent)
	for i := range all {
		all[i].InstanceID, all[i].Region = f.watch.request.InstanceID, f.watch.client.region
		if all[i].ServiceTime.IsZero() {
			all[i].ServiceTime = f.evidence.serviceTimeAt(all[i].SentAt)
		}
	}
	return all
}
