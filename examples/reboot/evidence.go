package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// evidence is what -wait adds to the result.
type evidence struct {
	Proof           string    `json:"proof,omitempty"`
	ElapsedSeconds  float64   `json:"elapsedSeconds,omitempty"` // from the send to the proof
	Requests        int       `json:"requests,omitempty"`
	StartTimeBefore time.Time `json:"startTimeBefore,omitzero"`
	StartTimeAfter  time.Time `json:"startTimeAfter,omitzero"`
	LastStatus      string    `json:"lastStatus,omitempty"` // of a wait that failed, as is LastSeen
	LastSeen        time.Time `json:"lastSeen,omitzero"`
	Readings        []reading `json:"readings,omitempty"` // after the send, those with news

	took    time.Duration
	refused bool // the second send, so it restarted nothing
}

type reading struct {
	At        time.Time `json:"at"`
	Status    string    `json:"status"` // empty if the instance was not listed
	StartTime time.Time `json:"startTime,omitzero"`
}

func newReadings(seen []ecsreboot.Observation) []reading {
	readings := make([]reading, len(seen))
	for i, o := range seen {
		readings[i] = reading{o.At.UTC(), string(o.Status), o.StartTime}
	}
	return readings
}

func newWaitResult(s settings, restarted *ecsreboot.RestartResult, err error) result {
	r := newResult(s, nil, err)
	r.Attempts = 0 // Requests says how often it was sent
	if err == nil {
		r.Outcome, r.RequestID, r.SentAt = outcomeRestarted, restarted.RequestID, restarted.SentAt.UTC()
		r.evidence = &evidence{
			Proof:           string(restarted.Proof),
			ElapsedSeconds:  restarted.Elapsed.Round(time.Millisecond).Seconds(),
			Requests:        restarted.Requests,
			StartTimeBefore: restarted.Before.StartTime,
			StartTimeAfter:  restarted.StartTimeAfter,
			Readings:        newReadings(restarted.Observations),
			took:            restarted.Elapsed,
		}
		return r
	}
	if waited, ok := errors.AsType[*ecsreboot.WaitError](err); ok {
		if waited.RequestID != "" {
			r.RequestID = waited.RequestID // of the send, not of a reading that failed
		}
		r.evidence = &evidence{
			Requests:        waited.Requests,
			StartTimeBefore: waited.Before.StartTime,
			LastStatus:      string(waited.LastStatus),
			LastSeen:        waited.LastSeen.UTC(),
			Readings:        newReadings(waited.Observations),
		}
	}
	return r
}

// proofInWords says what proved the restart, and how long that took.
func (r result) proofInWords() string {
	text := "restarted"
	if r.ForceStop {
		text = "restarted by force"
	}
	text += ", proven after " + elapsed(r.took) + " by its "
	switch ecsreboot.Proof(r.Proof) {
	case ecsreboot.ProofStatus:
		text += "status: "
		text += joinStatuses(r.passed()) + ", then Running"
	case ecsreboot.ProofRefusal:
		text += "status: not Running when it was sent again, then Running"
	case ecsreboot.ProofStartTime:
		text += fmt.Sprintf("start time: %s, before it was %s", minute(r.StartTimeAfter), minute(r.StartTimeBefore))
	default:
		text += r.Proof
	}
	switch {
	case r.refused:
		text += "; sent " + times(r.Requests) + ", the second one refused"
	case r.Requests > 1:
		text += "; sent " + times(r.Requests) + ", so it may have restarted as often"
	}
	return text
}

// passed are the statuses in turn, but Running, without repetitions.
func (e *evidence) passed() []ecsreboot.Status {
	var so evidenceSoFar
	for _, r := range e.Readings {
		so.take(ecsreboot.Event{Status: ecsreboot.Status(r.Status)})
	}
	return so.passed
}
