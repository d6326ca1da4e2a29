package view

import (
	"errors"
	"fmt"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// Evidence is what a wait adds to a [Result].
type Evidence struct {
	Proof           string    `json:"proof,omitempty"`
	ElapsedSeconds  float64   `json:"elapsedSeconds,omitempty"` // from the request to the proof
	Requests        int       `json:"requests,omitempty"`
	StartTimeBefore time.Time `json:"startTimeBefore,omitzero"`
	StartTimeAfter  time.Time `json:"startTimeAfter,omitzero"`
	LastStatus      string    `json:"lastStatus,omitempty"` // of a failed wait
	LastSeen        time.Time `json:"lastSeen,omitzero"`    // of a failed wait
	Readings        []Reading `json:"readings,omitempty"`   // the polls after the request that brought news
	SendIDs         []string  `json:"sendIds,omitempty"`    // of the requests that may have reached the service
	// Testimony is what the witness found.
	Testimony []ecsreboot.Testimony `json:"testimony,omitempty"`

	elapsed time.Duration
	refused bool // the service refused the second request, so that one restarted nothing
}

// Reading is a poll.
type Reading struct {
	At        time.Time `json:"at"`
	Status    string    `json:"status"` // empty if the service did not list the instance
	StartTime time.Time `json:"startTime,omitzero"`
}

func newReadings(seen []ecsreboot.Observation) []Reading {
	readings := make([]Reading, len(seen))
	for i, o := range seen {
		readings[i] = Reading{o.At.UTC(), string(o.Status), o.StartTime}
	}
	return readings
}

func sendIDs(sent []ecsreboot.SentRequest) (ids []string) {
	for _, request := range sent {
		ids = append(ids, request.SendID)
	}
	return ids
}

// NewWaitResult returns the result of a command that waited. Restarted is nil if
// there is an error. ResendRefused is whether there was an
// [ecsreboot.EventResendRefused].
func NewWaitResult(c Command, restarted *ecsreboot.RestartResult, err error, resendRefused bool) Result {
	r := newResult(c, err)
	r.Attempts = 0 // Evidence.Requests counts the requests
	if err == nil {
		r.Outcome, r.RequestID, r.SentAt = outcomeRestarted, restarted.RequestID, restarted.SentAt.UTC()
		r.Evidence = &Evidence{
			Proof:           string(restarted.Proof),
			ElapsedSeconds:  restarted.Elapsed.Round(time.Millisecond).Seconds(),
			Requests:        restarted.Requests,
			StartTimeBefore: restarted.Before.StartTime,
			StartTimeAfter:  restarted.StartTimeAfter,
			Readings:        newReadings(restarted.Observations),
			SendIDs:         sendIDs(restarted.Sent),
			Testimony:       restarted.Testimony,
			elapsed:         restarted.Elapsed,
			refused:         resendRefused,
		}
		return r
	}
	if waited, ok := errors.AsType[*ecsreboot.WaitError](err); ok {
		if waited.RequestID != "" {
			r.RequestID = waited.RequestID // of the restart, not of a poll that failed
		}
		r.Evidence = &Evidence{
			Requests:        waited.Requests,
			StartTimeBefore: waited.Before.StartTime,
			LastStatus:      string(waited.LastStatus),
			LastSeen:        waited.LastSeen.UTC(),
			Readings:        newReadings(waited.Observations),
			SendIDs:         sendIDs(waited.Sent),
			Testimony:       waited.Testimony,
		}
	}
	return r
}

// proof says in words what proved the restart, and how long that took.
func (r Result) proof() string {
	text := "restarted"
	if r.ForceStop {
		text = "restarted by force"
	}
	text += ", proven after " + elapsed(r.elapsed) + " by its "
	switch ecsreboot.Proof(r.Proof) {
	case ecsreboot.ProofStatus:
		text += "status: " + joinStatuses(r.passed()) + ", then Running"
	case ecsreboot.ProofRefusal:
		text += "status: not Running when it was resent, then Running"
	case ecsreboot.ProofRecord:
		text += "record: " + joinStatuses(r.recorded()) + ", then Running"
	case ecsreboot.ProofStartTime:
		text += fmt.Sprintf("start time: %s, before it was %s", Minute(r.StartTimeAfter), Minute(r.StartTimeBefore))
	default:
		text += r.Proof
	}
	switch {
	case r.refused:
		text += "; sent " + Times(r.Requests) + ", the second one refused"
	case r.Requests > 1:
		text += "; sent " + Times(r.Requests) + ", so it may have restarted as often"
	}
	return text
}

// passed returns the statuses other than Running, in turn, without repetitions.
func (e *Evidence) passed() []ecsreboot.Status {
	var p progress
	for _, r := range e.Readings {
		p.observe(ecsreboot.Event{Status: ecsreboot.Status(r.Status)})
	}
	return p.passed
}

// recorded returns the statuses other than Running that the witness found, in their order,
// without repetitions.
func (e *Evidence) recorded() []ecsreboot.Status {
	var p progress
	for _, t := range e.Testimony {
		for _, o := range t.Changes {
			p.observe(ecsreboot.Event{Status: o.Status})
		}
	}
	return p.passed
}

// Times returns "once", or "3 times".
func Times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// Minute returns a time to the minute, as the service reports times.
func Minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func elapsed(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Truncate(time.Second).String()
}
