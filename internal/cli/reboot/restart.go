package reboot

import (
	"context"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/internal/cli/view"
)

// Restart sends the restart once. Without -wait, no error means that the service has
// accepted it; with -wait, that the restart is proven and the instance is Running.
func Restart(ctx context.Context, s Settings, client *ecsreboot.Client, out *Printer) view.Result {
	if !s.Wait {
		ctx, cancel := s.Limit(ctx)
		defer cancel()
		response, err := client.RebootInstance(ctx, s.Request)
		return out.Called(response, err)
	}
	out.Follow()
	options := s.WaitOptions // the limits of the wait
	options.OnEvent = out.Event
	result, err := client.RebootAndWait(ctx, s.Request, options)
	return out.Waited(result, err)
}
