package app

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/service"
)

// maxEmulated is the largest number of instances that --emulate serves, because the
// process that follows their restarts also times them.
const maxEmulated = 20_000

// emulatedWidth is the default of --max-unavailable with --emulate, in percent. With it,
// and with --min-ready 0, a run takes seconds.
const emulatedWidth = 25

// emulation describes a region of as many instances as --emulate says. With --maintenance,
// a third of them must restart.
func (s *settings) emulation() service.Emulation {
	instances := make([]ecstest.Instance, s.emulate)
	for i := range instances {
		instances[i] = emulated(i)
		if s.maintenance != nil && i%3 == 0 {
			instances[i].Events = []ecstest.ScheduledEvent{{Type: s.maintenance[0], NotBefore: time.Now().Add(time.Duration(20*(1+i%5)) * time.Hour)}}
		}
	}
	return service.Emulation{Options: service.EmulatedRecords(), Instances: instances}
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

// practise fills in the defaults of --emulate.
func (s *settings) practise() error {
	if s.rules.MaxUnavailable.IsZero() {
		s.rules.MaxUnavailable = fleet.Percent(emulatedWidth)
	}
	if !s.has("min-ready") {
		if err := s.flags.Set("min-ready", "0"); err != nil {
			return err
		}
	}
	if s.groupBy == "" {
		s.groupBy = "zone"
	}
	s.all = s.all || len(s.args) == 0 && s.idsFile == "" && !s.queries() && s.maintenance == nil
	return nil
}
