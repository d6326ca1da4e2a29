package witness

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/witness/internal/call"
)

// pacedCaller calls one service. All goroutines together make one call in each pause.
type pacedCaller struct {
	caller  *call.Caller
	limiter *rate.Limiter
	service string
}

func (o Options) paced(service string, pause time.Duration) (*pacedCaller, error) {
	caller, err := o.caller()
	if err != nil {
		return nil, err
	}
	return &pacedCaller{caller, rate.NewLimiter(rate.Every(pause), 1), service}, nil
}

// do waits for its turn, and makes a call. If the turn would come after the deadline of ctx,
// do returns at once with an error in the class [ecsreboot.ErrThrottled].
func (p *pacedCaller) do(ctx context.Context, operation call.Operation, region string, parameters map[string]string, answer any) error {
	if err := p.limiter.Wait(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w: too many calls of %s are waiting", ecsreboot.ErrThrottled, p.service)
	}
	_, err := p.caller.Do(ctx, operation, region, parameters, answer)
	return err
}
