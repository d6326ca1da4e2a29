package witness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/witness/internal/call"
)

// All returns an [ecsreboot.Witness] that asks the given witnesses at the same time and
// merges their testimonies. All ignores nil witnesses, and returns nil if there are no
// others.
//
//   - If a witness found that the service accepted or refused the request, the merged
//     testimony has this finding and names only the witnesses that found it. If two findings
//     contradict each other, Testify returns an error that names both.
//   - If there is no finding, the merged testimony names all witnesses that answered.
//   - Changes has the changes of all testimonies.
//   - AskAgain is the shortest one, and at most about 30 s if a witness failed.
//   - If a witness fails, the testimonies of the others still apply, and the Message
//     contains the error. If all witnesses fail, the error contains the texts of all.
//   - If the error of a witness matches [ecsreboot.ErrAccessDenied], one Message contains the
//     error, and the witness is not asked again, also not about other requests. If all are
//     denied, the error matches ErrAccessDenied.
func All(witnesses ...ecsreboot.Witness) ecsreboot.Witness {
	all := &several{}
	for _, w := range witnesses {
		if w != nil {
			all.members = append(all.members, &member{witness: w})
		}
	}
	if len(all.members) == 0 {
		return nil
	}
	return all
}

type several struct{ members []*member }

type member struct {
	witness ecsreboot.Witness

	mu     sync.Mutex
	denied error // if set, the witness is not asked again
}

// said is the answer of one witness.
type said struct {
	testimony ecsreboot.Testimony
	err       error
	denied    bool // a denial that was reported before
}

// Testify implements [ecsreboot.Witness].
func (s *several) Testify(ctx context.Context, request ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
	answers := make([]chan said, len(s.members))
	for i, m := range s.members {
		answers[i] = make(chan said, 1)
		go func() { answers[i] <- m.ask(ctx, request) }()
	}
	heard := make([]said, len(s.members))
	for i := range heard {
		select {
		case heard[i] = <-answers[i]:
		case <-ctx.Done():
			select { // an answer may have come at the same time
			case heard[i] = <-answers[i]:
			default:
				heard[i].err = fmt.Errorf("no answer from a witness: %w", ctx.Err())
			}
		}
	}
	return merge(heard, request)
}

func (m *member) ask(ctx context.Context, request ecsreboot.SentRequest) (answer said) {
	m.mu.Lock()
	denied := m.denied
	m.mu.Unlock()
	if denied != nil {
		return said{err: denied, denied: true}
	}
	defer func() {
		if recover() != nil { // the value may be a secret
			answer = said{err: errors.New("a witness panicked")}
		}
	}()
	answer.testimony, answer.err = m.witness.Testify(ctx, request)
	if errors.Is(answer.err, ecsreboot.ErrAccessDenied) {
		m.mu.Lock()
		defer m.mu.Unlock()
		answer.denied = m.denied != nil
		m.denied = answer.err
	}
	return answer
}

func hasFinding(t ecsreboot.Testimony) bool {
	return t.Finding == ecsreboot.FindingAccepted || t.Finding == ecsreboot.FindingRefused
}

func merge(heard []said, request ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
	var all, found ecsreboot.Testimony
	var names, finders, notes []string
	var failures, denials []error
	for _, h := range heard {
		t := h.testimony
		switch {
		case errors.Is(h.err, ecsreboot.ErrAccessDenied):
			denials = append(denials, h.err)
			if !h.denied {
				notes = append(notes, call.Line(h.err.Error()))
			}
			continue
		case h.err != nil:
			failures = append(failures, h.err)
			notes = append(notes, call.Line(h.err.Error()))
			continue
		case hasFinding(t) && hasFinding(found) && t.Finding != found.Finding:
			return ecsreboot.Testimony{}, fmt.Errorf("the witnesses contradict each other: %s; %s", call.Line(found.String()), call.Line(t.String()))
		case hasFinding(t) && !hasFinding(found):
			found = t
		case t.Message != "":
			notes = append(notes, t.Witness+": "+t.Message)
		}
		names = append(names, t.Witness)
		if hasFinding(t) {
			finders = append(finders, t.Witness)
		}
		all.Changes = append(all.Changes, t.Changes...)
		if t.AskAgain > 0 && (all.AskAgain == 0 || t.AskAgain < all.AskAgain) {
			all.AskAgain = t.AskAgain
		}
	}
	switch {
	case len(denials) == len(heard):
		return ecsreboot.Testimony{}, errors.Join(denials...)
	case len(denials)+len(failures) == len(heard):
		// The error does not match ErrAccessDenied, because the failed witnesses may answer later.
		return ecsreboot.Testimony{}, &failedError{strings.Join(notes, "; "), failures}
	case len(failures) > 0 && (all.AskAgain == 0 || all.AskAgain > stateInterval):
		all.AskAgain = jittered(stateInterval)
	}
	slices.SortStableFunc(all.Changes, func(a, b ecsreboot.Observation) int { return a.At.Compare(b.At) })
	all.Witness, all.SendID, all.Finding = strings.Join(names, " and "), request.SendID, ecsreboot.FindingNoTrace
	if hasFinding(found) {
		all.Witness = strings.Join(finders, " and ")
		all.Finding, all.RequestID, all.Code, all.At = found.Finding, found.RequestID, found.Code, found.At
		notes = slices.Insert(notes, 0, found.Message)
	}
	all.Message = strings.Join(slices.DeleteFunc(notes, func(note string) bool { return note == "" }), "; ")
	return all, nil
}

// failedError is the error if no witness answered.
type failedError struct {
	text     string
	failures []error
}

func (e *failedError) Error() string   { return e.text }
func (e *failedError) Unwrap() []error { return e.failures }
