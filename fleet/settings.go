package fleet

import (
	"cmp"
	"encoding/json"
	"log/slog"
	"slices"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/logvalue"
	"github.com/ecsreboot/ecsreboot/internal/seconds"
)

// Settings are the part of the [Options] that is plain data. A plan may hold settings,
// and a journal holds those of each session, so that nothing is forgotten between the
// command that plans and the one that resumes.
//
// A zero field means the value that [Plan].Settings has or, when a run is resumed, the
// value of the last session. If that is zero as well, the field means its default. So a
// value changes only if it is given explicitly. A negative duration means none, unless
// the field says otherwise.
type Settings struct {
	Rules

	// MinReady is how long an instance must be Running and pass Options.Health without a break
	// before it is healthy. Default 30 s. MinReady must be less than ReadyTimeout.
	MinReady time.Duration
	// ReadyTimeout is how long an instance may take from its restart request until it
	// is healthy. In a resumed run, the time begins at the resumption. Default 25 min,
	// because the vendor documents 3 to 5 minutes for a restart, and at most 20.
	ReadyTimeout time.Duration
	// StoppedTimeout is how long polls may show an instance Stopped, without a break,
	// after its restart was sent. After that time, the instance fails as [ReasonStopped],
	// because an instance in a restart leaves Stopped sooner: something else has
	// stopped it. The run keeps polling the instance, and reports it as healthy if it comes
	// back. Default 3 min; if negative, only ReadyTimeout applies.
	StoppedTimeout time.Duration
	// UnknownGrace is how long a restart whose response was lost may take to become
	// visible. Default 60 s; if negative, the run polls once.
	UnknownGrace time.Duration
	// WitnessTimeout is how long after a request whose response was lost Options.Witness is
	// asked about the request. Default 15 min; if negative, only ReadyTimeout applies.
	WitnessTimeout time.Duration
	// BlockerInterval is the time between two calls of Options.Blocker for an instance.
	// Default 10 s.
	BlockerInterval time.Duration
	// BlockerPatience is how long Options.Blocker may refuse an instance before the
	// instance loses its turn. The run then emits [EventUnsent] with [ReasonBlocked], and the instance
	// gets another turn after all instances that are waiting at that time. Default 5 min;
	// any value below 10 s, including a negative one, means 10 s.
	BlockerPatience time.Duration
	// HookTimeout limits each call of Options.Drain, Undrain and Failed: after this time,
	// the context of the call ends. Default 5 min.
	HookTimeout time.Duration
	// MinUptime skips instances that started less than this long ago. Default none.
	MinUptime time.Duration
	// Window is when restarts may be sent. Restarts that were sent before the end of the
	// window are followed beyond it. If nil, restarts may be sent at any time, unless the
	// plan or the last session has a window; Options.Without removes that one.
	Window *Window
	// SelfID is the ID of the instance that this program runs on. The run skips that
	// instance. Default none.
	SelfID string
	// Exclude holds the IDs of instances of the plan whose restart is not to be sent any
	// more. The run skips them when their turns come. A resumed run excludes those that the
	// sessions before have excluded, too. Default none.
	Exclude []string
}

// over returns the settings with the fields of base where s has none.
func (s Settings) over(base Settings) Settings {
	if s.MaxUnavailable.IsZero() {
		s.MaxUnavailable = base.MaxUnavailable
	}
	if s.MaxUnavailablePerGroup.IsZero() {
		s.MaxUnavailablePerGroup = base.MaxUnavailablePerGroup
	}
	if s.MaxFailed.IsZero() {
		s.MaxFailed = base.MaxFailed
	}
	s.AllowWide = s.AllowWide || base.AllowWide
	if s.Canary == nil {
		s.Canary = base.Canary
	}
	from := durationsOf(&base)
	for i, d := range durationsOf(&s) {
		*d = cmp.Or(*d, *from[i])
	}
	s.Window = cmp.Or(s.Window, base.Window)
	s.SelfID = cmp.Or(s.SelfID, base.SelfID)
	for _, id := range base.Exclude {
		if !slices.Contains(s.Exclude, id) {
			s.Exclude = append(slices.Clip(s.Exclude), id)
		}
	}
	return s
}

// durationsOf returns all fields that are durations.
func durationsOf(s *Settings) []*time.Duration {
	return []*time.Duration{
		&s.MinReady, &s.ReadyTimeout, &s.StoppedTimeout, &s.UnknownGrace, &s.WitnessTimeout, &s.BlockerInterval, &s.BlockerPatience, &s.HookTimeout, &s.MinUptime,
	}
}

// jsonSettings has the JSON of Settings.
type jsonSettings struct {
	Rules

	MinReady        seconds.Duration `json:"minReadySeconds,omitzero"`
	ReadyTimeout    seconds.Duration `json:"readyTimeoutSeconds,omitzero"`
	StoppedTimeout  seconds.Duration `json:"stoppedTimeoutSeconds,omitzero"`
	UnknownGrace    seconds.Duration `json:"unknownGraceSeconds,omitzero"`
	WitnessTimeout  seconds.Duration `json:"witnessTimeoutSeconds,omitzero"`
	BlockerInterval seconds.Duration `json:"blockerIntervalSeconds,omitzero"`
	BlockerPatience seconds.Duration `json:"blockerPatienceSeconds,omitzero"`
	HookTimeout     seconds.Duration `json:"hookTimeoutSeconds,omitzero"`
	MinUptime       seconds.Duration `json:"minUptimeSeconds,omitzero"`
	Window          *Window          `json:"window,omitempty"`
	SelfID          string           `json:"selfId,omitempty"`
	Exclude         []string         `json:"exclude,omitempty"`
}

func (j *jsonSettings) durations() []*seconds.Duration {
	return []*seconds.Duration{
		&j.MinReady, &j.ReadyTimeout, &j.StoppedTimeout, &j.UnknownGrace, &j.WitnessTimeout, &j.BlockerInterval, &j.BlockerPatience, &j.HookTimeout, &j.MinUptime,
	}
}

func (s Settings) json() jsonSettings {
	j := jsonSettings{Rules: s.Rules, Window: s.Window, SelfID: s.SelfID, Exclude: s.Exclude}
	to := j.durations()
	for i, d := range durationsOf(&s) {
		*to[i] = seconds.Duration(*d)
	}
	return j
}

// MarshalJSON writes durations as numbers of seconds.
func (s Settings) MarshalJSON() ([]byte, error) { return json.Marshal(s.json()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Settings) UnmarshalJSON(text []byte) error {
	j := s.json()
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	s.Rules, s.Window, s.SelfID, s.Exclude = j.Rules, j.Window, j.SelfID, j.Exclude
	from := j.durations()
	for i, d := range durationsOf(s) {
		*d = time.Duration(*from[i])
	}
	return nil
}

// LogValue gives slog the settings that are set, under stable keys.
func (s Settings) LogValue() slog.Value { return logvalue.Of(s.json()) }
