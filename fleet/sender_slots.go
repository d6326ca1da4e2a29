package fleet

import (
	"sync"

	"github.com/ecsreboot/ecsreboot/pace"
)

const (
	// leastSending is how many restarts may be on their way to the service at first, and
	// while the service throttles: few enough for their baselines to be fresh when the
	// requests leave.
	leastSending = 16
	// mostSending is how many may be on their way to a service that throttles none of them.
	// Their baselines share requests, which leave every half second.
	mostSending = 200
)

// sendSlots bounds how many restarts are on their way to the service at once. The baselines
// of restarts that begin together share a request, and each waits for the next such request
// to leave. So few slots slow a wide run down, and many slots make baselines stale when the
// service throttles. The bound grows by one with each accepted request, which doubles it with
// each request for baselines. It follows the rate limit once there is one.
type sendSlots struct {
	taken chan struct{} // has a token for each slot that is in use or withheld

	mu       sync.Mutex
	bound    int
	withheld int // of mostSending
}

func newSendSlots() *sendSlots {
	s := &sendSlots{taken: make(chan struct{}, mostSending), bound: leastSending}
	for s.withheld < mostSending-s.bound {
		s.taken <- struct{}{}
		s.withheld++
	}
	return s
}

// leave returns a slot that was taken. The state is that of the restart requests;
// accepted says that the service has accepted the one in the slot.
func (s *sendSlots) leave(state pace.State, accepted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case state.Closed:
		s.bound = leastSending
	case isRate(state.RatePerMinute):
		inTime := state.RatePerMinute * freshTime.Minutes() / 2
		s.bound = int(min(max(inTime, leastSending), mostSending))
	case accepted:
		s.bound = min(s.bound+1, mostSending)
	}
	if s.withheld < mostSending-s.bound {
		s.withheld++
		return
	}
	<-s.taken
	for s.withheld > mostSending-s.bound {
		<-s.taken
		s.withheld--
	}
}
