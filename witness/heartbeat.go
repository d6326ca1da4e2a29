package witness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/witness/internal/call"
)

var (
	describeAssistant = call.Operation{Service: call.ECS, Action: "DescribeCloudAssistantStatus", RAM: "ecs:DescribeCloudAssistantStatus"}
	describeInstances = call.Operation{Service: call.ECS, Action: "DescribeInstances", RAM: "ecs:DescribeInstances"}
)

const (
	// startResolution is the resolution of StartTime: the instance started at most this long
	// after StartTime.
	startResolution = time.Minute
	// shutdownGrace is how long after the request a restart may begin.
	shutdownGrace = time.Minute
	// recentStart is how old a start may be at the first check after a restart, if the
	// restart may be later than the start.
	recentStart = 3 * time.Minute
	// lifeGap is how long there must be no check so that the next check belongs to another
	// restart.
	lifeGap = 2 * time.Minute
)

// Heartbeats checks whether a restarted instance is ready, by the heartbeats of its Cloud
// Assistant agent. An agent sends a heartbeat about once a minute. Heartbeats needs the
// permission ecs:DescribeCloudAssistantStatus, and [Heartbeats.Health] also needs
// ecs:DescribeInstances. Heartbeats changes nothing, and runs nothing in the guest.
//
// An instance is ready if its last heartbeat is later than its start. StartTime has a
// resolution of a minute, so the heartbeat must be at least a minute later than StartTime.
// If StartTime and the clock of the service show no start since the probe was made (for
// Health: since the Heartbeats was made), the heartbeat must be more than a minute later
// than the first check. For [Heartbeats.Health], the same holds if the start is more than 3
// minutes before the first check, because it may be an earlier start. A heartbeat from
// before the restart therefore never makes an instance ready, with two exceptions:
// StartTime does not change and the restart begins more than a minute after the service
// accepted it; or, for Health, something else has started the instance during the run, less
// than 3 minutes before.
//
// Checks that begin within half a second share calls for up to 100 instances each. There
// are at most 108 calls of an operation in a minute, so if 10,000 instances wait at the
// same time, each instance is checked about once a minute.
//
// Use one Heartbeats for all clients and regions of an account. It is safe for concurrent
// use.
type Heartbeats struct {
	beats  *gatherer[beat]
	starts *gatherer[time.Time]
	made   time.Time

	mu    sync.Mutex
	lives map[fleetKey]*life
}

type fleetKey struct{ region, id string }

// NewHeartbeats returns a Heartbeats. If options are invalid, the error is an
// [ecsreboot.InputError].
func NewHeartbeats(options Options) (*Heartbeats, error) {
	caller, err := options.caller()
	if err != nil {
		return nil, err
	}
	return &Heartbeats{
		beats: newGatherer(func(ctx context.Context, region string, ids []string) (map[string]beat, error) {
			return fetchBeats(ctx, caller, region, ids)
		}, mayBlameID),
		starts: newGatherer(func(ctx context.Context, region string, ids []string) (map[string]time.Time, error) {
			return fetchStarts(ctx, caller, region, ids)
		}, func(error) bool { return false }),
		made: time.Now(), lives: map[fleetKey]*life{},
	}, nil
}

// Probe returns a function for [ecsreboot.WaitOptions].Probe. Call Probe once for each
// restart, before the restart. If the instance has no agent, the function returns an error,
// which the wait reports.
func (h *Heartbeats) Probe(region, instanceID string) func(context.Context, ecsreboot.Observation) (ecsreboot.ProbeResult, error) {
	l := &life{made: time.Now(), ofOne: true}
	return func(ctx context.Context, seen ecsreboot.Observation) (ecsreboot.ProbeResult, error) {
		b, err := h.beat(ctx, region, instanceID)
		if err != nil {
			return ecsreboot.ProbePending, err
		}
		if since := l.since(b, seen.StartTime); b.last.Before(since) {
			return ecsreboot.ProbePending, nil
		}
		return ecsreboot.ProbeHealthy, nil
	}
}

// Health is a function for [fleet.Options].Health. In a plan of one region, targets have no
// Region: use [Heartbeats.HealthIn]. Make the Heartbeats before the run.
func (h *Heartbeats) Health(ctx context.Context, target fleet.Target) error {
	b, err := h.beat(ctx, target.Region, target.ID)
	if err != nil {
		return err
	}
	start, listed, err := h.starts.ask(ctx, target.Region, target.ID)
	switch {
	case err != nil:
		return err
	case !listed:
		return errors.New("DescribeInstances does not list the instance")
	}
	key := fleetKey{target.Region, target.ID}
	h.mu.Lock()
	l := h.lives[key]
	if l == nil {
		l = &life{made: h.made}
		h.lives[key] = l
	}
	h.mu.Unlock()
	if since := l.since(b, start); b.last.Before(since) {
		return fmt.Errorf("no heartbeat since the restart: the last one was at %s, and one from %s or later is needed",
			b.last.UTC().Format(time.RFC3339), since.UTC().Format(time.RFC3339))
	}
	return nil
}

// HealthIn returns Health for the targets of a plan of one region.
func (h *Heartbeats) HealthIn(region string) func(context.Context, fleet.Target) error {
	return func(ctx context.Context, target fleet.Target) error {
		if target.Region == "" {
			target.Region = region
		}
		return h.Health(ctx, target)
	}
}

// beat returns the heartbeat of an instance that has an agent.
func (h *Heartbeats) beat(ctx context.Context, region, id string) (beat, error) {
	if err := errors.Join(call.CheckRegion(region), call.CheckID(id)); err != nil {
		return beat{}, err
	}
	b, listed, err := h.beats.ask(ctx, region, id)
	switch {
	case err != nil:
		return beat{}, err
	case !listed, b.last.IsZero() && !b.alive:
		return beat{}, errors.New("the instance has no Cloud Assistant agent, or the agent has never run")
	case b.date.IsZero():
		return beat{}, fmt.Errorf("%s: the response has no Date header, which is needed to judge heartbeats", describeAssistant.Action)
	case b.last.IsZero():
		return beat{}, fmt.Errorf("%s: the time of the last heartbeat cannot be read", describeAssistant.Action)
	case !b.alive:
		return beat{}, fmt.Errorf("the Cloud Assistant agent has sent no heartbeat for 2 minutes; the last one was at %s", b.last.UTC().Format(time.RFC3339))
	}
	return b, nil
}

// life is the time of an instance since a restart.
type life struct {
	made  time.Time // before the restart, by our clock
	ofOne bool      // made right before the restart: no other start can be between them

	mu    sync.Mutex
	first time.Time // the first question about this restart, by the service's clock
	asked time.Time // the last question, by our clock
}

// since returns the earliest time, by the service's clock, of a heartbeat that is certainly
// from after the restart. start is zero if it is not known.
func (l *life) since(b beat, start time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first.IsZero() || b.at.Sub(l.asked) > lifeGap {
		l.first = b.date
	}
	l.asked = b.at
	made := b.date.Add(time.Second - b.at.Sub(l.made)) // by the service's clock
	start = start.Truncate(startResolution)
	if start.After(made) && (l.ofOne || l.first.Sub(start) <= recentStart) {
		return start.Add(startResolution)
	}
	return l.first.Add(shutdownGrace)
}

// beat is the state of an agent.
type beat struct {
	alive bool // the service has received a heartbeat within 2 minutes
	last  time.Time
	date  time.Time // the time of the response by the service's clock …
	at    time.Time // … and by ours
}

// fetchBeats asks for the state of the agents of instances.
func fetchBeats(ctx context.Context, caller *call.Caller, region string, ids []string) (map[string]beat, error) {
	parameters := map[string]string{"RegionId": region}
	for i, id := range ids {
		parameters["InstanceId."+strconv.Itoa(i+1)] = id
	}
	var page struct {
		InstanceCloudAssistantStatusSet struct {
			InstanceCloudAssistantStatus []struct {
				InstanceID           string `json:"InstanceId"`
				CloudAssistantStatus string
				LastHeartbeatTime    string
			}
		}
	}
	date, err := caller.Do(ctx, describeAssistant, region, parameters, &page)
	if err != nil {
		return nil, err
	}
	beats := make(map[string]beat, len(ids))
	for _, s := range page.InstanceCloudAssistantStatusSet.InstanceCloudAssistantStatus {
		beats[s.InstanceID] = beat{alive: s.CloudAssistantStatus == "true", last: parseTime(s.LastHeartbeatTime), date: date, at: time.Now()}
	}
	return beats, nil
}

// fetchStarts asks when instances started.
func fetchStarts(ctx context.Context, caller *call.Caller, region string, ids []string) (map[string]time.Time, error) {
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	starts := make(map[string]time.Time, len(ids))
	parameters := map[string]string{"RegionId": region, "InstanceIds": string(list), "PageSize": strconv.Itoa(maxIDs)}
	var page struct {
		Instances struct {
			Instance []struct {
				InstanceID string `json:"InstanceId"`
				StartTime  string
			}
		}
	}
	if _, err := caller.Do(ctx, describeInstances, region, parameters, &page); err != nil {
		return nil, err
	}
	for _, i := range page.Instances.Instance {
		starts[i.InstanceID] = parseTime(i.StartTime)
	}
	return starts, nil
}

// parseTime reads a time of ECS with or without seconds. It returns the zero time if it
// cannot read the text.
func parseTime(text string) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t
		}
	}
	return time.Time{}
}

// mayBlameID reports whether one of several instances may be the cause of the error.
func mayBlameID(err error) bool {
	return errors.Is(err, ecsreboot.ErrInvalidInstanceNotFound) || errors.Is(err, ecsreboot.ErrInvalidInstanceIDNotFound)
}
