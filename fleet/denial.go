package fleet

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/ecsreboot/ecsreboot"
)

// deniedInARow is how many instances in a row may be denied, without an accepted
// restart between them, until the run halts because every instance would be.
const deniedInARow = 3

// denial is what is known of the other instances after the restart of one was denied.
type denial int

const (
	denialOpen  denial = iota // nothing is known of the others
	denialAlone               // another instance may be restarted
	denialOfAll               // no other may be restarted
)

// denials keeps which instances a session was denied.
type denials struct {
	mu  sync.Mutex
	ids map[string]bool
}

func (d *denials) add(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ids == nil {
		d.ids = make(map[string]bool)
	}
	d.ids[id] = true
}

func (d *denials) has(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ids[id]
}

// isDenied reports whether the service refuses for a permission that is missing, which
// may depend on the instance, such as on its tags.
func isDenied(err error) bool { return errors.Is(err, ecsreboot.ErrAccessDenied) }

// othersDenied sends a dry run for another instance after the restart of one was
// denied. The instance after it in the plan comes first, without those that were denied
// before. If there is no other, all are denied. A session without a plan does not know.
func (s *session) othersDenied(ctx context.Context, id string) denial {
	s.denials.add(id)
	if len(s.plan.Targets) == 0 {
		return denialOpen
	}
	at := slices.IndexFunc(s.plan.Targets, func(t Target) bool { return t.ID == id })
	for i := range s.plan.Targets {
		other := s.plan.Targets[(at+1+i)%len(s.plan.Targets)]
		if other.ID == s.options.SelfID || slices.Contains(s.options.Exclude, other.ID) || s.denials.has(other.ID) {
			continue
		}
		return dryRunOther(ctx, s.clients.client(other), other.ID, s.plan.ForceStop)
	}
	return denialOfAll
}

// dryRunOther sends a dry run for one instance after another one was denied.
func dryRunOther(ctx context.Context, client *ecsreboot.Client, id string, forceStop bool) denial {
	_, err := client.RebootInstance(ctx, ecsreboot.RebootInstanceRequest{InstanceID: id, ForceStop: forceStop, DryRun: true})
	_, answered := errors.AsType[*ecsreboot.APIError](err)
	switch {
	case isDenied(err):
		return denialOfAll
	case err == nil, answered && ecsreboot.OutcomeOf(err) == ecsreboot.OutcomeRejected && !errors.Is(err, ecsreboot.ErrThrottled):
		return denialAlone // permissions are checked before anything else
	}
	return denialOpen
}
