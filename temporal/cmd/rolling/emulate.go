package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	ecstemporal "github.com/ecsreboot/ecsreboot/temporal"
)

// emulatedWidth is the default width of a trial, in percent.
const emulatedWidth = 25

// practise carries out a run of emulated instances: the service, and a worker, are in
// this process, and only the Temporal server is elsewhere.
func (p *program) practise(ctx context.Context, s *settings, temporal client.Client) (int, error) {
	// Other trials on the same server have other instances, and other workers.
	name := fmt.Sprintf("%04x", rand.N(1<<16)) //nolint:gosec // no secret
	s.temporal.TaskQueue = "ecsreboot-emulated-" + name
	if s.rules.MaxUnavailable.IsZero() {
		s.rules.MaxUnavailable = fleet.Percent(emulatedWidth)
	}
	s.given["min-ready"] = true // none, unless it was given
	if s.groupBy == "" {
		s.groupBy = "zone"
	}
	s.all = true
	server, err := ecstest.NewServer(ecstest.Options{})
	if err != nil {
		return 0, fmt.Errorf("rolling: the emulated service does not start: %w", err)
	}
	defer server.Close()
	for i := range s.emulate {
		if err := server.AddInstance(emulated(name, i)); err != nil {
			return 0, fmt.Errorf("rolling: %w", err)
		}
	}
	ecs, err := server.NewClient(s.Options(programName, p.note)...)
	if err != nil {
		return 0, err
	}
	defer ecs.CloseIdleConnections()
	worker, err := ecstemporal.NewWorker(temporal, ecs, ecstemporal.WorkerOptions{TaskQueue: s.temporal.TaskQueue})
	if err != nil {
		return 0, err
	}
	if err := worker.Start(); err != nil {
		return 0, err
	}
	defer worker.Stop()
	p.note("emulated service at %s with %d instances, and a worker, in this process; no real one is touched", server.URL, s.emulate)
	p.note("unless told otherwise: -min-ready 0, -max-unavailable %d%%, -group-by zone, so that it takes seconds", emulatedWidth)
	if _, err := p.start(ctx, s, temporal, ecs); err != nil {
		return 0, err
	}
	p.note("the run is %s", s.workflow)
	code, err := p.follow(ctx, s, temporal)
	if err == nil && ctx.Err() != nil {
		code, err = p.leaveEmulated(s, temporal)
	}
	p.note("the emulated service carried out %d restarts", server.TotalReboots())
	return code, err
}

// leaveEmulated ends a run whose service is about to go.
func (p *program) leaveEmulated(s *settings, temporal client.Client) (int, error) {
	const patience = time.Minute
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p.note("it is emulated, so it is aborted; waiting until what was sent has settled")
	if err := ecstemporal.Abort(ctx, temporal, s.workflow); err != nil {
		return 0, err
	}
	code, err := p.follow(ctx, s, temporal)
	if code == exitcode.Done && err == nil {
		code = exitcode.Interrupted
	}
	return code, err
}

// emulated is an instance that takes a few seconds to restart.
func emulated(name string, i int) ecstest.Instance {
	zones, roles := []string{"a", "b", "c"}, []string{"web", "web", "web", "queue"}
	took := time.Second + rand.N(1500*time.Millisecond) //nolint:gosec // no secret
	return ecstest.Instance{
		ID:     fmt.Sprintf("i-%s%04d", name, i+1),
		Name:   fmt.Sprintf("node-%d", i+1),
		ZoneID: "cn-hangzhou-" + zones[i%len(zones)],
		Tags:   map[string]string{"role": roles[i%len(roles)]},
		Reboot: ecstest.RebootProfile{Path: []ecsreboot.Status{ecsreboot.StatusStopping, ecsreboot.StatusStarting}, Graceful: took, Forced: took / 2},
	}
}
