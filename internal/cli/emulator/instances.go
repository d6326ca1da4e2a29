package emulator

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot/ecstest"
)

// instanceFlags are the flags that describe the instances.
type instanceFlags struct {
	ids    string
	count  int
	zones  string
	tags   tagList
	time   time.Duration
	jitter time.Duration
}

// all returns the instances to serve: those of -count, and those of -instances if
// that flag is given or there is no -count.
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

// tagList has a tag with one or more values for each -tag flag. The instances have the
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
