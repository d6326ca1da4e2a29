package app

import (
	"fmt"
	"strings"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	"github.com/ecsreboot/ecsreboot/internal/cli/service"
	"github.com/ecsreboot/ecsreboot/pace"
)

// checkPlaces takes the regions and endpoints of the command line, and refuses an invalid
// target.
func (s *settings) checkPlaces() error {
	seen := map[string]bool{}
	for _, region := range s.regions {
		if seen[region] {
			return cmdline.Errorf("--region %s is repeated", region)
		}
		seen[region] = true
	}
	switch {
	case len(s.endpoints) > 0 && len(s.endpoints) != max(1, len(s.regions)):
		return cmdline.Errorf("--endpoint is given %d times for %d regions; give one for each region, in the order of the regions, or none", len(s.endpoints), len(s.regions))
	case len(s.regions) > 0:
		s.Region = s.regions[0]
	}
	if len(s.endpoints) > 0 {
		s.Endpoint = s.endpoints[0]
	}
	if err := s.Check(); err != nil {
		return err
	}
	s.places = []fleet.PlanRegion{{Region: s.Region, Endpoint: s.Endpoint}}
	for i := 1; i < len(s.regions); i++ {
		place := fleet.PlanRegion{Region: s.regions[i]}
		if len(s.endpoints) > 0 {
			place.Endpoint = s.endpoints[i]
		}
		s.places = append(s.places, place)
	}
	return nil
}

// takePlaces takes the regions and endpoints of a plan.
func (s *settings) takePlaces(plan fleet.Plan) error {
	s.places = plan.Regions()
	s.Region, s.Endpoint, s.VPC = plan.Region, plan.Endpoint, false
	return s.Check()
}

// connections are the clients of all regions.
type connections struct {
	*service.Connection // of the first region

	further []*service.Connection
}

// clients returns the clients of the further regions.
func (c *connections) clients() []*ecsreboot.Client {
	var clients []*ecsreboot.Client
	for _, connection := range c.further {
		clients = append(clients, connection.Client)
	}
	return clients
}

// Close ends all connections.
func (c *connections) Close() {
	c.Connection.Close()
	for _, connection := range c.further {
		connection.Close()
	}
}

// connect connects to the service in each region.
func (p *program) connect(s *settings, more ...ecsreboot.Option) (*connections, error) {
	if s.rateHint > 0 {
		more = append(more, ecsreboot.WithRateHint(pace.RebootInstance, s.rateHint))
	}
	first, err := p.connector.Connect(s.Target, Name, s.emulation(), p.note, more...)
	if err != nil {
		return nil, err
	}
	all := &connections{Connection: first}
	for _, place := range s.places[1:] {
		to := s.Target
		to.Region, to.Endpoint = place.Region, place.Endpoint
		connection, err := p.connector.Connect(to, Name, service.Emulation{}, p.note, more...)
		if err != nil {
			all.Close()
			return nil, err
		}
		all.further = append(all.further, connection)
	}
	return all, nil
}

// where names the endpoints, the source of the region and the profile, for a question.
func (s *settings) where(c *connections) string {
	endpoints := []string{c.Endpoint()}
	for _, client := range c.clients() {
		endpoints = append(endpoints, client.Endpoint())
	}
	text := strings.Join(endpoints, ", ")
	if s.RegionFrom != "" && s.RegionFrom != "--region" {
		text += fmt.Sprintf(" (region %s from %s)", s.Region, s.RegionFrom)
	}
	if s.Profile != "" {
		text += fmt.Sprintf(", with profile %q", s.Profile)
	}
	return text
}
