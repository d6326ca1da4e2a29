package e2e

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

const region = "cn-hangzhou"

// service is an emulated ECS, with an account of its own of how many instances of a
// fleet were down at once. The id of an instance begins with its fleet's name.
type service struct {
	*ecstest.Server

	reads atomic.Int64 // calls that change nothing

	mu   sync.Mutex
	down map[string]map[string]bool // by fleet
	most map[string]int             // at once
	// onCall is told of each call, with the lock held.
	onCall func(ecstest.ReceivedCall)
}

func newService(t *testing.T, options ecstest.Options) *service {
	t.Helper()
	s := &service{down: make(map[string]map[string]bool), most: make(map[string]int)}
	options.OnStatus = s.seen
	options.OnCall = func(c ecstest.ReceivedCall) {
		if c.Action != "RebootInstance" {
			s.reads.Add(1)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.onCall != nil {
			s.onCall(c)
		}
	}
	var err error
	s.Server, err = ecstest.NewServer(options)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func (s *service) seen(id string, status ecsreboot.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := fleetOf(id)
	if s.down[name] == nil {
		s.down[name] = make(map[string]bool)
	}
	if status == ecsreboot.StatusRunning {
		delete(s.down[name], id)
		return
	}
	s.down[name][id] = true
	s.most[name] = max(s.most[name], len(s.down[name]))
}

// mostDown is how many instances of a fleet were down at once, at most.
func (s *service) mostDown(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most[name]
}

// idOf is the id of an instance of a fleet; fleetOf is the opposite.
func idOf(name string, n int) string { return fmt.Sprintf("i-%s-%06d", name, n) }

func fleetOf(id string) string { return id[len("i-") : len(id)-len("-000000")] }

// add adds a fleet and returns its plan.
func (s *service) add(t *testing.T, name string, size int, profile func(n int) ecstest.RebootProfile) fleet.Plan {
	t.Helper()
	plan := fleet.Plan{Region: region, Endpoint: s.URL}
	for n := range size {
		id := idOf(name, n)
		require.NoError(t, s.AddInstance(ecstest.Instance{ID: id, Reboot: profile(n)}))
		plan.Targets = append(plan.Targets, fleet.Target{ID: id})
	}
	return plan
}

// shortest is how long a restart takes at least. A StartTime has no seconds, and the client
// knows the service's clock to a second: a shorter restart in the last second of a minute
// could not be proven unless a poll met it.
const shortest = 1500 * time.Millisecond

// quick restarts within some time.
func quick(took time.Duration) func(int) ecstest.RebootProfile {
	return func(int) ecstest.RebootProfile { return ecstest.RebootProfile{Graceful: took} }
}

// mishaps are what may go wrong with the restart of an instance.
func mishaps(random *rand.Rand, id string) (ecstest.RebootProfile, []ecstest.Fault) {
	profile := ecstest.RebootProfile{Graceful: shortest + time.Duration(random.IntN(1000))*time.Millisecond}
	f := ecstest.Fault{Action: "RebootInstance", InstanceID: id}
	some := time.Duration(1 + random.Int64N(int64(time.Second)))
	switch random.IntN(24) {
	case 0, 1, 2, 3: // on its way for long; who is killed meanwhile restarts nothing
		f.Kind, f.Delay = ecstest.FaultDelay, some
	case 4, 5, 6, 7: // carried out, but the answer takes long
		f.Kind, f.Delay, f.Act = ecstest.FaultDelay, some, true
	case 8, 9: // carried out, and the answer is lost
		f.Kind, f.Act = ecstest.FaultDrop, true
	case 10: // the same, but carried out only later, whatever has become of the sender
		f.Kind, f.Late = ecstest.FaultDrop, some
	case 11: // lost on the way
		f.Kind = ecstest.FaultDrop
	case 12: // carried out, and never answered
		f.Kind, f.Act = ecstest.FaultHang, true
	case 13: // never answered
		f.Kind = ecstest.FaultHang
	case 14: // an answer that says nothing
		f.Kind, f.Act, f.Code = ecstest.FaultError, random.IntN(2) == 0, "InternalError"
	case 15: // refused
		f.Kind, f.Code = ecstest.FaultError, "InstanceLockedForSecurity"
	case 16: // not yet. A service that throttles out of the blue is one that clients come to distrust
		if random.IntN(8) > 0 {
			return profile, nil
		}
		f.Kind, f.Hint, f.HintHeader = ecstest.FaultThrottle, time.Second, ecstest.HintRetryAfter
	case 17: // does not come back
		profile.Hang = true
		return profile, nil
	default:
		return profile, nil
	}
	return profile, []ecstest.Fault{f}
}
