package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

// witness reads the account of the fake service as an audit log shows it: late, and not
// always.
type witness struct {
	world  *world
	design witnessDesign

	mu     sync.Mutex
	random *rand.Rand
}

func (w *world) witness(d *witnessDesign) ecsreboot.Witness {
	if d == nil {
		return nil
	}
	return &witness{world: w, design: *d, random: rand.New(rand.NewPCG(w.design.Seed, 5))}
}

func (w *witness) Testify(ctx context.Context, request ecsreboot.SentRequest) (ecsreboot.Testimony, error) {
	w.mu.Lock()
	fails := w.random.IntN(10) < w.design.Fails
	w.mu.Unlock()
	select {
	case <-time.After(w.design.Takes):
	case <-ctx.Done():
		return ecsreboot.Testimony{}, ctx.Err()
	}
	if w.design.Denied {
		return ecsreboot.Testimony{}, fmt.Errorf("%w: actiontrail:LookupEvents, signed with %s", ecsreboot.ErrAccessDenied, secretOf(0))
	}
	if fails {
		return ecsreboot.Testimony{}, errors.New("the audit log is busy; the token is " + tokenOf(0))
	}
	none := ecsreboot.Testimony{Witness: "audit", Finding: ecsreboot.FindingNoTrace, AskAgain: time.Minute}
	if request.SendID == "" {
		return none, nil
	}
	for _, c := range w.world.server.Calls() {
		if sendID(c) != request.SendID || time.Since(c.Time) < w.design.Delay {
			continue
		}
		found := ecsreboot.Testimony{Witness: "audit", RequestID: c.RequestID, At: c.Time}
		switch {
		case c.Acted:
			found.Finding = ecsreboot.FindingAccepted
			return found, nil
		case refusedCleanly(c):
			found.Finding, found.Code = ecsreboot.FindingRefused, ecsreboot.ErrorCode(c.Code)
			return found, nil
		}
	}
	return none, nil
}
