package fleet

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/logvalue"
	"github.com/ecsreboot/ecsreboot/internal/seconds"
)

// add adds a text to attributes, unless it is empty.
func add[T ~string](attributes []slog.Attr, key string, text T) []slog.Attr {
	if text == "" {
		return attributes
	}
	return append(attributes, slog.String(key, string(text)))
}

// LogValue gives slog, under stable keys, the fields of the event that are set. It gives
// only the number of instances from a plan, only the length of a console output, and
// nothing from the settings.
func (e Event) LogValue() slog.Value {
	attributes := []slog.Attr{slog.String("kind", string(e.Kind)), slog.Time("at", e.At)}
	attributes = add(attributes, "id", e.InstanceID)
	if e.Attempt > 0 {
		attributes = append(attributes, slog.Int("attempt", e.Attempt))
	}
	if e.Before != nil {
		attributes = append(attributes, slog.Any("before", *e.Before))
	}
	attributes = add(attributes, "send_id", e.SendID)
	attributes = add(attributes, "request_id", e.RequestID)
	attributes = add(attributes, "witness", e.Witness)
	attributes = add(attributes, "proof", e.Proof)
	attributes = add(attributes, "reason", e.Reason)
	attributes = add(attributes, "code", e.Code)
	attributes = add(attributes, "error", e.Error)
	if e.Unavailable {
		attributes = append(attributes, slog.Bool("unavailable", true))
	}
	if e.Running {
		attributes = append(attributes, slog.Bool("running", true))
	}
	if e.Alone {
		attributes = append(attributes, slog.Bool("alone", true))
	}
	attributes = add(attributes, "hook", e.Hook)
	if e.Console != "" {
		attributes = append(attributes, slog.Int("console_bytes", len(e.Console)))
	}
	attributes = add(attributes, "mark", e.Mark)
	attributes = add(attributes, "note", e.Note)
	if e.Stage > 0 {
		attributes = append(attributes, slog.Int("stage", e.Stage))
	}
	if e.Kind == EventPace {
		attributes = append(attributes, slog.Int("accepted", e.Accepted), slog.Int("throttled", e.Throttled), slog.Float64("rate", e.Rate), slog.Float64("poll_rate", e.PollRate))
	}
	if e.Plan != nil {
		attributes = append(attributes, slog.Int("instances", len(e.Plan.Targets)))
	}
	if len(e.Hooks) > 0 {
		attributes = append(attributes, slog.Any("hooks", e.Hooks))
	}
	if len(e.Maintenance) > 0 {
		attributes = append(attributes, slog.Any("maintenance", e.Maintenance))
	}
	attributes = add(attributes, "program", e.Program)
	return slog.GroupValue(attributes...)
}

// String describes the event in one line, such as "failed i-1: refused (Forbidden.RAM)".
func (e Event) String() string {
	return strings.TrimSuffix(string(e.Kind)+" "+e.InstanceID, " ") + why(cmp.Or(e.Reason, Reason(e.Hook)), string(e.Code), cmp.Or(e.Error, e.Note))
}

// why describes a reason after what it is the reason of.
func why(reason Reason, code, problem string) string {
	text := ""
	if reason != "" {
		text = ": " + string(reason)
	}
	if code != "" {
		text += " (" + code + ")"
	}
	if problem != "" {
		text += ": " + problem
	}
	return text
}

// LogValue gives slog, under stable keys, the fields of the action that are set.
func (a Action) LogValue() slog.Value { return logvalue.Of(a) }

// LogValue gives slog the ID of the target, and the name, region, zone, group and deadline that are set.
func (t Target) LogValue() slog.Value { return slog.GroupValue(t.attributes()...) }

func (t Target) attributes() []slog.Attr {
	attributes := []slog.Attr{slog.String("id", t.ID)}
	attributes = add(attributes, "name", t.Name)
	attributes = add(attributes, "region", t.Region)
	attributes = add(attributes, "zone", t.Zone)
	attributes = add(attributes, "group", t.Group)
	if deadline := t.Deadline(); !deadline.IsZero() {
		attributes = append(attributes, slog.Time("deadline", deadline))
	}
	return attributes
}

// LogValue gives slog the plan without its targets. The region holds all regions.
func (p Plan) LogValue() slog.Value {
	return slog.GroupValue(slog.String("region", p.regions()), slog.String("endpoint", p.Endpoint), slog.Bool("force_stop", p.ForceStop),
		slog.Int("instances", len(p.Targets)))
}

// LogValue gives slog the rules under stable keys.
func (r Rules) LogValue() slog.Value {
	return slog.GroupValue(slog.Any("max_unavailable", r.MaxUnavailable), slog.Any("max_unavailable_per_group", r.MaxUnavailablePerGroup),
		slog.Bool("allow_wide", r.AllowWide), slog.Any("max_failed", r.MaxFailed), slog.Any("canary", r.Canary))
}

// LogValue gives slog, under stable keys, what is known of the instance.
func (r Record) LogValue() slog.Value {
	attributes := append(r.attributes(), slog.String("state", string(r.State)))
	attributes = add(attributes, "reason", r.Reason)
	attributes = add(attributes, "code", r.Code)
	attributes = add(attributes, "error", r.Error)
	attributes = add(attributes, "note", r.Note)
	if r.Console != "" {
		attributes = append(attributes, slog.Int("console_bytes", len(r.Console)))
	}
	attributes = add(attributes, "console_error", r.ConsoleError)
	attributes = add(attributes, "request_id", r.RequestID)
	attributes = add(attributes, "proof", r.Proof)
	attributes = append(attributes, slog.Int("attempts", r.Attempts), slog.Bool("failed", r.Failed))
	for _, moment := range []struct {
		key string
		at  time.Time
	}{{"sent_at", r.SentAt}, {"accepted_at", r.Accepted}, {"down_at", r.DownAt}, {"up_at", r.UpAt}, {"ended_at", r.EndedAt}} {
		if !moment.at.IsZero() {
			attributes = append(attributes, slog.Time(moment.key, moment.at))
		}
	}
	return slog.GroupValue(attributes...)
}

// String describes the record in one line, such as "i-1 failed: refused (Forbidden.RAM)".
func (r Record) String() string {
	return r.ID + " " + string(r.State) + why(r.Reason, string(r.Code), cmp.Or(r.Error, r.Note))
}

// LogValue gives slog how many instances are in each state, and why the run ended.
func (r *Report) LogValue() slog.Value {
	if r == nil {
		return slog.Value{}
	}
	attributes := []slog.Attr{slog.Int("instances", len(r.Records))}
	for _, state := range states {
		attributes = append(attributes, slog.Int(string(state), r.Count(state)))
	}
	attributes = add(attributes, "reason", r.Reason)
	return slog.GroupValue(add(attributes, "error", r.Error)...)
}

var states = []State{StateHealthy, StateSkipped, StateFailed, StateUnknown, StateRestarting, StateWaiting}

// spoken are states as a sentence names them.
var spoken = map[State]string{StateHealthy: "restarted with proof", StateSkipped: "left alone"}

// String returns the number of instances in each state in one line, such as
// "3 instances: 2 restarted with proof, 1 failed: canary failed".
func (r *Report) String() string {
	var counts []string
	for _, state := range states {
		if n := r.Count(state); n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, cmp.Or(spoken[state], string(state))))
		}
	}
	text := fmt.Sprintf("%d instances", len(r.Records))
	if len(counts) > 0 {
		text += ": " + strings.Join(counts, ", ")
	}
	return text + why(r.Reason, "", r.Error)
}

// LogValue gives slog the finding under stable keys.
func (f Finding) LogValue() slog.Value {
	attributes := append(f.attributes(), slog.String("state", string(f.State)), slog.String("reason", string(f.Reason)))
	attributes = add(attributes, "status", f.Status)
	attributes = add(attributes, "code", f.Code)
	return slog.GroupValue(add(attributes, "error", f.Error)...)
}

// LogValue gives slog the group under stable keys.
func (g GroupForecast) LogValue() slog.Value { return logvalue.Of(g) }

// LogValue gives slog the numbers and the problems of the forecast.
func (f *Forecast) LogValue() slog.Value {
	if f == nil {
		return slog.Value{}
	}
	attributes := []slog.Attr{
		slog.Any("plan", f.Plan), slog.String("digest", f.Digest), slog.Int("width", f.Width), slog.Int("findings", len(f.Findings)),
		slog.Int("dry_runs", f.DryRuns), slog.Int("asked", f.Asked), slog.Duration("at_least", f.AtLeast), slog.Int("rounds", f.Rounds), slog.Any("bounds", f.Bounds),
	}
	if !f.OpensAt.IsZero() {
		attributes = append(attributes, slog.Time("opens_at", f.OpensAt))
	}
	if len(f.Problems) > 0 {
		attributes = append(attributes, slog.Any("problems", f.Problems))
	}
	return slog.GroupValue(attributes...)
}

// plainForecast is a Forecast without methods, so that encoding/json goes by its tags.
type plainForecast Forecast

type jsonForecast struct {
	plainForecast

	AtLeast seconds.Duration `json:"atLeastSeconds"`
}

// MarshalJSON writes AtLeast as atLeastSeconds.
func (f Forecast) MarshalJSON() ([]byte, error) {
	return json.Marshal(jsonForecast{plainForecast(f), seconds.Duration(f.AtLeast)})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (f *Forecast) UnmarshalJSON(text []byte) error {
	decoded := jsonForecast{plainForecast(*f), seconds.Duration(f.AtLeast)}
	if err := json.Unmarshal(text, &decoded); err != nil {
		return err
	}
	*f = Forecast(decoded.plainForecast)
	f.AtLeast = time.Duration(decoded.AtLeast)
	return nil
}

// counted is a number with its noun.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
