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
	Region    string `json:"region"`
	Endpoint  string `json:"endpoint"`
	ForceStop bool   `json:"forceStop"`
	// FurtherRegions are the regions of the plan after the first one, which is Region.
	FurtherRegions []fleet.PlanRegion `json:"furtherRegions,omitempty"`
	Digest         string             `json:"digest"` // of the plan
	Version        string             `json:"version,omitempty"`
	Settings       fleet.Settings     `json:"settings"` // of the last session

	Begun    time.Time    `json:"begun"`
	Last     time.Time    `json:"last"` // time of the last event
	Ended    time.Time    `json:"ended,omitzero"`
	Ending   Ending       `json:"ending"`
	Reason   fleet.Reason `json:"reason,omitempty"`
	Error    string       `json:"error,omitempty"`
	Sessions int          `json:"sessions"`
	// ActiveSeconds is how long the sessions took, without the time between them.
	ActiveSeconds float64 `json:"activeSeconds"`
	// Bounds are lower bounds of the time of the run. They are zero until Ended is set.
	Bounds fleet.Bounds `json:"bounds,omitzero"`

	Instances int                 `json:"instances"`
	States    map[fleet.State]int `json:"states"` // every state, including those without instances
	// Failures is what counts against MaxFailed: instances that failed at any time,
	// and those that are unknown now.
	Failures  int `json:"failures"`
	MaxFailed int `json:"maxFailed"`
	// InFlight is how many restarts were in progress when Failures exceeded MaxFailed in
	// the last session; zero if that did not happen. Failures beyond the limit are among
	// these.
	InFlight int `json:"inFlightWhenExceeded,omitempty"`
	// Peak is the largest number of instances that were unavailable at once.
	// MaxUnavailable is the last session's limit.
	Peak           int `json:"peakUnavailable"`
	MaxUnavailable int `json:"maxUnavailable"`

	Accepted  int     `json:"accepted"`  // restarts that the service accepted
	Throttled int     `json:"throttled"` // restart requests that the service throttled
	PerMinute float64 `json:"perMinute"` // instances that became healthy, per minute of ActiveSeconds

	// Maintenance summarizes the maintenance events at the time of the last event, with
	// [fleet.DeadlineMargin]. It is nil if the plan has no such events.
	Maintenance *fleet.MaintenanceSummary `json:"maintenance,omitempty"`

	Settle Settle   `json:"settle"`
	Groups []Settle `json:"groups"` // the same by group, if there are groups

	TornBytes int `json:"tornBytes"` // unreadable bytes at the end of the journal
	Ignored   int `json:"ignored"`   // events that cannot occur at that point of the journal, and were ignored
}

// Ending says how the last session ended.
type Ending string

// The endings of a session.
const (
	EndingDone        Ending = "done"
	EndingStopped     Ending = "stopped"
	EndingHalted      Ending = "halted"
	EndingInterrupted Ending = "interrupted"
	EndingRunning     Ending = "running" // the session is in progress
	EndingCrashed     Ending = "crashed" // no end is recorded, and no process drives the run
	EndingOpen        Ending = "open"    // no end is recorded: the session is in progress, or has crashed; see fleet.History.HolderKnown
)

// Settle is how long instances took to become healthy, counted from the response to
// the restart request, or from sending that request if there was no response.
type Settle struct {
	Group     string  `json:"group,omitempty"`
	Instances int     `json:"instances"` // of the group
	Healthy   int     `json:"healthy"`
	Failures  int     `json:"failures"` // failed at any time, or unknown now
	Measured  int     `json:"measured"` // instances that became healthy in the session that sent their restart
	P50       float64 `json:"p50Seconds"`
	P95       float64 `json:"p95Seconds"`
	Max       float64 `json:"maxSeconds"`
}

// Series is a run over time.
type Series struct {
	Unavailable []Level `json:"unavailable"` // at each change
	Calls       []Calls `json:"calls"`       // by minute, without minutes that had none
	Marks       []Mark  `json:"marks"`
}

// Level is the number of unavailable instances from a point in time on, and the limit.
type Level struct {
	At          time.Time `json:"at"`
	Unavailable int       `json:"unavailable"`
	Max         int       `json:"max"`
}

// Calls counts the restart requests of one minute, by the service's response.
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
	// Crashed is set on the mark of a resume if the session before it recorded no end.
	Crashed bool `json:"crashed,omitempty"`
}
