package ecsreboot

import "time"

// maxClockSkew is how far the time of a request may be from the service's clock. The
// service refuses a request that is further away.
const maxClockSkew = 15 * time.Minute

// serviceClock returns the Date of an answer if it can be the time by the service's
// clock, or else zero. The request left and the answer arrived at the given times by
// our corrected clock: ours, plus the offset that a refused clock taught. The service
// accepted the time that the request bore, so its clock is not further away than
// maxClockSkew; a Date that is comes from a cache, a proxy or a broken host.
func serviceClock(date, left, arrived time.Time) time.Time {
	left = left.Truncate(time.Second) // a request's time has whole seconds, as has a Date
	if date.Before(left.Add(-maxClockSkew)) || date.After(arrived.Add(maxClockSkew)) {
		return time.Time{}
	}
	return date
}

// clockMargin is added to each time of the service that is worked out from a Date: a
// Date is cut to the second, so the service's clock is up to a second further, and not
// a whole one. The error goes one way, then: the send is taken for later than it was,
// by less than a second and the time that the answer took. So a restart may be missed
// that leaves no other trace, but a start from before the minute of the send is not
// taken for one after it.
const clockMargin = time.Second - 1

// startProves reports whether the StartTime of a reading proves that the instance
// restarted since the baseline, and not before the send, which left at the time sent by
// the service's clock.
//
// A minute is a range: a StartTime of 12:01 is that of a start from 12:01:00 on and
// before 12:02:00.
//
//   - It must be in a later minute than the baseline's. In the same minute it may be
//     the same start.
//   - It must not be in a minute before that of the send. In the same minute, it is a
//     start that the baseline, which is at most seconds older, did not show.
//   - Without a baseline, it must be in a later minute than the send: in the same
//     minute, the instance may have started before it.
//   - Without a time of the send it proves nothing, nor after a baseline without
//     StartTime.
func startProves(start time.Time, before Baseline, sent time.Time) bool {
	minute := sent.Truncate(time.Minute)
	switch {
	case start.IsZero() || sent.IsZero():
		return false
	case before.TakenAt.IsZero():
		return start.After(minute)
	case before.StartTime.IsZero():
		return false
	}
	return start.After(before.StartTime) && !start.Before(minute)
}
