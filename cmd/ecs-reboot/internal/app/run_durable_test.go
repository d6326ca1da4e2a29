package app

import (
	"context"
	"errors"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

// noServer is a client that starts nothing, and remembers that it should.
type noServer struct {
	client.Client

	started bool
}

func (c *noServer) ExecuteWorkflow(context.Context, client.StartWorkflowOptions, any, ...any) (client.WorkflowRun, error) {
	c.started = true
	return nil, errors.New("no test here starts a workflow")
}

// TestPageBeforeADurableRun: an address that is not usable is found before the run begins.
func TestPageBeforeADurableRun(t *testing.T) {
	p, _, _ := newTestProgram(t)
	plan := fleet.Plan{Region: "cn-hangzhou", Targets: []fleet.Target{{ID: "i-1"}}}
	c, flags := new(noServer), pflag.NewFlagSet("", pflag.ContinueOnError)
	r := p.runDurable(t.Context(), &settings{flags: flags, pageAddress: "192.0.2.1:0"}, c, nil, plan)
	require.ErrorContains(t, r.err, `invalid --page "192.0.2.1:0"`)
	require.Equal(t, exitcode.Usage, exitcode.Of(r.err))
	require.False(t, c.started)
	r = p.runDurable(t.Context(), &settings{flags: flags}, c, nil, plan)
	require.ErrorContains(t, r.err, "no test here starts a workflow")
	require.True(t, c.started)
}
