package fleet_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// outOfService counts the instances that hooks have taken out of service.
type outOfService struct {
	mu   sync.Mutex
	now  map[string]bool
	most int
}

func (o *outOfService) hooks(options *fleet.Options) {
	o.now = map[string]bool{}
	options.Drain = func(_ context.Context, t fleet.Target) error {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.now[t.ID] = true
		o.most = max(o.most, len(o.now))
		return nil
	}
	options.Undrain = func(_ context.Context, t fleet.Target) error {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.now, t.ID)
		return nil
	}
}

// oneByOne lets one instance be unavailable, and many be unknown.
var oneByOne = fleet.Rules{MaxUnavailable: fleet.Count(1), MaxFailed: fleet.Percent(100), Canary: []int{}}

// A drained instance is out of service while its witness is asked, although it is Running.
func TestAwaitingWhileDrained(t *testing.T) {
	for name, fault := range map[string]ecstest.Fault{
		"refused":       {Refuse: "InvalidParameter"},
		"never arrived": {},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
				fault.Kind, fault.Action, fault.Times = ecstest.FaultDrop, "RebootInstance", -1
				s.Inject(fault)
				options := fleet.Options{Settings: fleet.Settings{Rules: oneByOne, MinReady: -1}, Witness: trail{service: s, refusal: ecsreboot.ErrorCode(fault.Refuse), delay: 3 * time.Minute}}
				var out outOfService
				out.hooks(&options)
				_, err := s.run(options)
				require.NoError(t, err)
				require.Equal(t, 1, out.most, "MaxUnavailable")
			})
		})
	}
}

// So it is in a resumed run.
func TestResumeAwaitingWhileDrained(t *testing.T) {
	inBubble(t, 4, ecstest.Options{}, func(t *testing.T, s *service) {
		s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Times: -1})
		options := fleet.Options{Settings: fleet.Settings{Rules: oneByOne}, Witness: trail{service: s}, Journal: filepath.Join(t.TempDir(), "run.journal")}
		var out outOfService
		out.hooks(&options)
		for i := range 5 {
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
			var err error
			if i == 0 {
				_, err = fleet.Run(ctx, s.client, s.plan(), options)
				require.ErrorIs(t, err, context.DeadlineExceeded)
			} else {
				_, err = fleet.Resume(ctx, s.client, s.plan(), options)
			}
			cancel()
			require.NotErrorIs(t, err, fleet.ErrJournal)
		}
		require.Equal(t, 1, out.most, "MaxUnavailable")
	})
}

// A restart that the witness has found refused for a moment is repeated when there is room
// again, and not before.
func TestRefusedWhileOthersRestart(t *testing.T) {
	for _, drains := range []bool{false, true} {
		inBubble(t, 6, ecstest.Options{}, func(t *testing.T, s *service) {
			s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", InstanceID: s.ids[0], Refuse: "OperationConflict"})
			options := fleet.Options{
				Settings: fleet.Settings{Rules: oneByOne, MinReady: time.Minute},
				Witness:  trail{service: s, refusal: "OperationConflict", delay: 4 * time.Minute},
			}
			var out outOfService
			if drains {
				out.hooks(&options)
			}
			down, most := map[string]bool{}, 0
			options.OnEvent = func(e fleet.Event) {
				switch e.Kind {
				case fleet.EventIntent:
					down[e.InstanceID] = true
				case fleet.EventHealthy, fleet.EventUnsent, fleet.EventFailed, fleet.EventUnknown, fleet.EventSkipped:
					delete(down, e.InstanceID)
				case fleet.EventAwaiting:
					if e.Running {
						delete(down, e.InstanceID)
					}
				default:
				}
				most = max(most, len(down))
			}
			report, err := s.run(options)
			require.NoError(t, err)
			require.Equal(t, 6, report.Count(fleet.StateHealthy), mustJSON(t, report.NotRestarted()))
			s.restartedOnce(s.ids...)
			require.Equal(t, 1, most, "MaxUnavailable")
			record, _ := report.Record(s.ids[0])
			require.Equal(t, 2, record.Attempts)
		}, quick)
	}
}

// A service that loses all responses and refuses all restarts for a moment does not keep a
// run from ending.
func TestRefusedAgainAndAgain(t *testing.T) {
	inBubble(t, 3, ecstest.Options{}, func(t *testing.T, s *service) {
		s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Refuse: "OperationConflict", Times: -1})
		begin := time.Now()
		report, err := s.run(fleet.Options{Settings: fleet.Settings{Rules: oneByOne, ReadyTimeout: 2 * time.Minute}, Witness: trail{service: s, refusal: "OperationConflict", delay: time.Minute}})
		require.NoError(t, err)
		require.Equal(t, 3, report.Count(fleet.StateFailed), mustJSON(t, report.Records))
		require.Less(t, time.Since(begin), 25*time.Minute, "ten attempts of two minutes")
		s.restartedOnce()
	})
}

// A resumed run polls an instance that waited for a witness, before another one takes its
// place: it may have gone down since.
func TestResumeAwaitingThatWentDown(t *testing.T) {
	inBubble(t, 4, ecstest.Options{}, func(t *testing.T, s *service) {
		s.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", InstanceID: s.ids[0]})
		options := fleet.Options{Settings: fleet.Settings{Rules: oneByOne}, Witness: trail{service: s}, Journal: filepath.Join(t.TempDir(), "run.journal")}
		ctx, cancel := context.WithCancel(context.Background())
		during := options
		during.OnEvent = func(e fleet.Event) {
			if e.Kind == fleet.EventAwaiting {
				require.True(t, e.Running)
				cancel()
			}
		}
		_, err := fleet.Run(ctx, s.client, s.plan(), during)
		require.ErrorIs(t, err, context.Canceled)
		require.Zero(t, s.TotalReboots())
		require.NoError(t, s.SetStatus(s.ids[0], ecsreboot.StatusStopped))
		time.AfterFunc(3*time.Minute, func() {
			require.Zero(t, s.TotalReboots(), "MaxUnavailable")
			require.NoError(t, s.SetStatus(s.ids[0], ecsreboot.StatusRunning))
		})
		report, err := fleet.Resume(context.Background(), s.client, s.plan(), options)
		require.NoError(t, err)
		require.Equal(t, 4, report.Count(fleet.StateHealthy), mustJSON(t, report.Records))
		s.restartedOnce(s.ids[1:]...)
	})
}
