package fleet

import (
	"context"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// awaitOthers looks what keeps an instance from being restarted that is not
// Running. One that others restart is waited for until it is healthy, as a second
// restart would do nobody any good. It returns nil if the instance is Running after
// all.
func (s *sender) awaitOthers(ctx context.Context) error {
	var before ecsreboot.Status
	begin := time.Now()
	read := begin // when it last was
	for {
		now, err := s.follower.status(ctx)
		if err == nil {
			read = time.Now()
		}
		over := s.session.options.ReadyTimeout >= 0 && time.Since(begin) > s.session.options.ReadyTimeout
		switch {
		case err != nil && time.Since(read) > sendPatience:
			return err
		case err != nil: // later, maybe
		case now == ecsreboot.StatusRunning && before == "":
			return nil
		case now == ecsreboot.StatusRunning:
			switch result, err := s.follower.probe(ctx, ecsreboot.Observation{}); {
			case err == nil && result != ecsreboot.ProbePending:
				return &withheldError{reason: ReasonOthers, skip: true}
			case over:
				return &othersError{s.follower.unhealthy}
			}
		case now == "" && before == "", now == ecsreboot.StatusStopped && (before == now || before == ""), over:
			return &withheldError{reason: ReasonNotRunning, skip: true, unavailable: true}
		default:
			s.follower.since = time.Time{}
		}
		if err == nil && now != ecsreboot.StatusRunning {
			before = now
		}
		if err := s.hold(ctx, retryInterval, ReasonOthers, err); err != nil {
			return err
		}
	}
}

// othersError is of an instance that others have restarted, and that is not healthy
// since.
type othersError struct{ unhealthy error }

func (e *othersError) Error() string {
	if e.unhealthy == nil {
		return "restarted by others, and not Running for long enough since"
	}
	return "restarted by others, and not healthy since: " + e.unhealthy.Error()
}

func (e *othersError) Unwrap() error { return e.unhealthy }
