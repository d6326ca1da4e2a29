package emulator

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
)

// instanceFlags are the flags that describe the instances.
type instanceFlags struct {
	ids    string
	count  int
	zones  string
	tags   tagList
	time   time.Duration
	jitter time.Duration

	stopped, locked, expired idList
}

// all returns the instances to serve: those of --count, and those of --instances if
// that flag is given or there is no --count.
func (s *instanceFlags) all(region string, idsGiven bool) []ecstest.Instance {
	var ids []string
	if idsGiven || s.count == 0 {
		for id := range strings.SplitSeq(s.ids, ",") {
			if id = strings.TrimSpace(id); id != "" {
				ids = append(ids, id)
			}
		}
	}
	for n := range s.count {
		ids = append(ids, fmt.Sprintf("i-%08d", n+1))
	}
	zones := strings.Split(s.zones, ",")
	instances := make([]ecstest.Instance, len(ids))
	for n, id := range ids {
		instances[n] = ecstest.Instance{ID: id, ZoneID: region + "-" + strings.TrimSpace(zones[n%len(zones)]), Tags: s.tags.of(n), Reboot: s.profile()}
	}
	return instances
}

// impair puts instances into the states in which the service refuses a restart.
func (s *instanceFlags) impair(instances []ecstest.Instance) error {
	for _, of := range []struct {
		flag   string
		ids    idList
		impair func(*ecstest.Instance)
	}{
		{"stopped", s.stopped, func(i *ecstest.Instance) { i.Status = ecsreboot.StatusStopped }},
		{"locked", s.locked, func(i *ecstest.Instance) { i.Locks = []string{"security"} }},
		{"expired", s.expired, func(i *ecstest.Instance) { i.ExpiredTime = time.Now().Add(-time.Hour) }},
	} {
		for _, id := range of.ids {
			n := indexOf(instances, id)
			if n < 0 {
				return notServed(of.flag, id)
			}
			of.impair(&instances[n])
		}
	}
	return nil
}

func indexOf(instances []ecstest.Instance, id string) int {
	return slices.IndexFunc(instances, func(i ecstest.Instance) bool { return i.ID == id })
}

func notServed(flag, id string) error {
	return cmdline.Errorf("%s: --%s %s: neither --instances nor --count has this instance", Program, flag, id)
}

// idList is a flag.Value.
type idList []string

func (l *idList) String() string { return strings.Join(*l, ",") }

func (l *idList) Set(text string) error {
	for id := range strings.SplitSeq(text, ",") {
		if id = strings.TrimSpace(id); id == "" {
			return errors.New("empty id")
		}
		*l = append(*l, id)
	}
	return nil
}

func (s *instanceFlags) profile() ecstest.RebootProfile {
	graceful, forced := s.time, s.time
	if s.jitter > 0 {
		more := rand.N(s.jitter) //nolint:gosec // no secret
		if s.time == 0 {
			graceful, forced = 30*time.Second, 10*time.Second // what 0 means
		}
		graceful, forced = max(graceful, 0)+more, max(forced, 0)+more
	}
	return ecstest.RebootProfile{Graceful: graceful, Forced: forced}
}

// tagList has a tag with one or more values for each --tag flag. The instances have the
// values by turns.
type tagList []tag

type tag struct {
	key    string
	values []string
}

func (l *tagList) String() string { return "" }

func (l *tagList) Set(text string) error {
	key, values, _ := strings.Cut(text, "=")
	if key == "" {
		return errors.New("want key=value[,value]")
	}
	*l = append(*l, tag{key, strings.Split(values, ",")})
	return nil
}

func (l *tagList) of(n int) map[string]string {
	tags := make(map[string]string, len(*l))
	for _, t := range *l {
		tags[t.key] = t.values[n%len(t.values)]
	}
	return tags
}
