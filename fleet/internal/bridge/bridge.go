// Package bridge lends package fleet/driver what package fleet does for one
// instance.
//
// The driver speaks of fleet's types, so it imports fleet, and fleet cannot import
// the driver. A run does the same work for its instances, so the code is fleet's; and
// it has no place in what fleet exports. So fleet lends it here when it is
// initialised, and the driver borrows it when it is, which is later. The type
// parameters stand for types of fleet, which this package cannot import either.
package bridge

import (
	"context"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// Single is what there is to do for a single instance, outside of a run.
type Single[Target, Event, Reason any] interface {
	Follow(ctx context.Context, sent Sent[Target], tell func(Event)) error
	AwaitOthers(ctx context.Context, target Target, tell func(Event)) (running bool, err error)
	Judge(ctx context.Context, target Target, err error) (Judgement[Event, Reason], error)
	CallHook(ctx context.Context, call func(context.Context) error) error
	Permitted(ctx context.Context, id string, forceStop bool) (permitted, known bool)
}

// Sent is driver.Sent.
type Sent[Target any] struct {
	Target   Target
	Before   ecsreboot.Baseline
	At       time.Time
	SentAt   time.Time
	SendID   string
	Accepted bool
	Down     bool
}

// Judgement is driver.Judgement.
type Judgement[Event, Reason any] struct {
	Event      Event
	Retry      Reason
	RetryAfter time.Duration
	NotRunning bool
	ForAll     bool
}

// New makes a Single. The client is never nil.
type New[Options, Target, Event, Reason any] func(*ecsreboot.Client, Options) (Single[Target, Event, Reason], error)

var lent any // package fleet's New

// Lend keeps what fleet lends. The result allows a call where variables are
// initialised.
func Lend[Options, Target, Event, Reason any](loan New[Options, Target, Event, Reason]) struct{} {
	lent = loan
	return struct{}{}
}

// Borrow returns what was lent. It panics if the types are others than were lent.
func Borrow[Options, Target, Event, Reason any]() New[Options, Target, Event, Reason] {
	return lent.(New[Options, Target, Event, Reason])
}
