package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/pace"
)

// client makes the client for a place. What it sends again is told to note.
func (p *program) client(s *settings, region, endpoint string) (*ecsreboot.Client, error) {
	where := s.Target
	where.Region = region
	if endpoint != "" {
		where.Endpoint, where.VPC = endpoint, false
	}
	options := where.Options(programName, p.note)
	if s.rateHint > 0 {
		options = append(options, ecsreboot.WithRateHint(pace.RebootInstance, s.rateHint))
	}
	return p.newClient(region, options...)
}

// maxEmulated is how many instances -emulate serves at most: their restarts are
// timed by the process that follows them.
const maxEmulated = 20_000

// The defaults of -emulate, by which a run takes seconds: an emulated instance is
// ready once it runs, so MinReady is none.
const emulatedWidth = 25 // percent

// serve serves a region full of instances, and makes its client.
func (p *program) serve(s *settings) (*ecstest.Server, *ecsreboot.Client, error) {
	server, err := p.newServer(ecstest.Options{})
	if err != nil {
		return nil, nil, fmt.Errorf("rolling: the emulated service does not start: %w", err)
	}
	for i := range s.emulate {
		if err := server.AddInstance(emulated(i)); err != nil {
			server.Close()
			return nil, nil, fmt.Errorf("rolling: %w", err)
		}
	}
	client, err := server.NewClient(s.Options(programName, p.note)...)
	if err != nil {
		server.Close()
		return nil, nil, err
	}
	return server, client, nil
}

// emulated is an instance that takes a few seconds to restart.
func emulated(i int) ecstest.Instance {
	zones, roles := []string{"a", "b", "c"}, []string{"web", "web", "web", "queue"}
	took := time.Second + rand.N(1500*time.Millisecond) //nolint:gosec // no secret
	return ecstest.Instance{
		ID:     fmt.Sprintf("i-%08d", i+1),
		Name:   fmt.Sprintf("node-%d", i+1),
		ZoneID: "cn-hangzhou-" + zones[i%len(zones)],
		Tags:   map[string]string{"role": roles[i%len(roles)]},
		Reboot: ecstest.RebootProfile{Path: []ecsreboot.Status{ecsreboot.StatusStopping, ecsreboot.StatusStarting}, Graceful: took, Forced: took / 2},
	}
}

// practise fills in the defaults of -emulate.
func (s *settings) practise() {
	if s.rules.MaxUnavailable.IsZero() {
		s.rules.MaxUnavailable = fleet.Percent(emulatedWidth)
	}
	if !s.given["min-ready"] {
		s.given["min-ready"] = true
	}
	if s.groupBy == "" {
		s.groupBy = "zone"
	}
	s.all = s.all || len(s.args) == 0 && s.idsFile == "" && len(s.tags) == 0 && s.zone == ""
}
