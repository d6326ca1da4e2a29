package report

import (
	"time"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// Data is what [JSON] writes.
type Data struct {
	Summary Summary        `json:"summary"`
	Records []fleet.Record `json:"records"` // in the order of the plan
	Series  Series         `json:"series"`
}

// Summary is a run in numbers.
type Summary struct {
	Region    string      `json:"region"`
	Endpoint  string      `json:"endpoint"`
	ForceStop bool        `json:"forceStop"`
	Digest    string      `json:"digest"` // of the plan
	Version   string      `json:"version,omitempty"`
	Rules     fleet.Rules `json:"rules"` // of the last session

	Begun    time.Time    `json:"begun"`
	Last     time.Time    `json:"last"` // when something was recorded last
	Ended    time.Time    `json:"ended,omitzero"`
	Ending   Ending       `json:"ending"`
	Reason   fleet.Reason `json:"reason,omitempty"`
	Error    string       `json:"error,omitempty"`
	Sessions int          `json:"sessions"`
	// ActiveSeconds is how long the sessions took, without the time between them.
	ActiveSeconds float64 `json:"activeSeconds"`

	Instances int                 `json:"instances"`
	States    map[fleet.State]int `json:"states"` // all of them, also those with none
	// Failures is what counts against MaxFailed: instances that failed at any time,
	// and those that are unknown now.
	Failures  int `json:"failures"`
	MaxFailed int `json:"maxFailed"`
	// Peak is how many instances counted as unavailable at most. MaxUnavailable is
	// the last session's limit.
	Peak           int `json:"peakUnavailable"`
	MaxUnavailable int `json:"maxUnavailable"`

	Accepted  int     `json:"accepted"`  // restarts that the service accepted
	Throttled int     `json:"throttled"` // and that it asked to come later
	PerMinute float64 `json:"perMinute"` // instances restarted in a minute of activity

	Settle Settle   `json:"settle"`
	Groups []Settle `json:"groups"` // the same by group, if there are groups

	TornBytes int `json:"tornBytes"` // at the end of the journal, which cannot be read
	Ignored   int `json:"ignored"`   // events that make no sense where they are
}

// Ending says how the last session ended.
type Ending string

// The endings of a session.
const (
	EndingDone        Ending = "done"
	EndingStopped     Ending = "stopped"
	EndingHalted      Ending = "halted"
	EndingInterrupted Ending = "interrupted"
	EndingOpen        Ending = "open" // no end is recorded: it goes on, or has crashed
)

// Settle is how long instances took from the answer to the restart, or its send if
// there was none, until they were healthy.
type Settle struct {
	Group     string  `json:"group,omitempty"`
	Instances int     `json:"instances"` // of the group
	Healthy   int     `json:"healthy"`
	Failures  int     `json:"failures"` // failed at any time, or unknown now
	Measured  int     `json:"measured"` // healthy, and seen to become so by the session that sent the restart
	P50       float64 `json:"p50Seconds"`
	P95       float64 `json:"p95Seconds"`
	Max       float64 `json:"maxSeconds"`
}

// Series is a run over time.
type Series struct {
	Unavailable []Level `json:"unavailable"` // at each change
	Calls       []Calls `json:"calls"`       // by minute, without those that had none
	Marks       []Mark  `json:"marks"`
}

// Level is how many instances count as unavailable from a time on, and how many may.
type Level struct {
	At          time.Time `json:"at"`
	Unavailable int       `json:"unavailable"`
	Max         int       `json:"max"`
}

// Calls counts the restarts of which the service was asked in a minute.
type Calls struct {
	Minute    time.Time `json:"minute"`
	Accepted  int       `json:"accepted"`
	Throttled int       `json:"throttled"`
}

// Mark is something that happened to the run as a whole.
type Mark struct {
	At     time.Time       `json:"at"`
	Kind   fleet.EventKind `json:"kind"`
	Reason fleet.Reason    `json:"reason,omitempty"`
	Error  string          `json:"error,omitempty"`
	Stage  int             `json:"stage,omitempty"`
	// Crashed reports that the session before this resume recorded no end.
	Crashed bool `json:"crashed,omitempty"`
}
