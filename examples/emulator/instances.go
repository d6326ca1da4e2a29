package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/ecsreboot/ecsreboot/ecstest"
)

// instanceSettings are what the flags say of the instances.
type instanceSettings struct {
	ids    string
	count  int
	zones  string
	tags   tagList
	time   time.Duration
	jitter time.Duration
}

// all are the instances to serve: those of -count if it is given, and of -instances.
func (s *instanceSettings) all(region string, idsGiven bool) []ecstest.Instance {
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

func (s *instanceSettings) profile() ecstest.RebootProfile {
	graceful, forced := s.time, s.time
	if s.jitter > 0 {
		more := rand.N(s.jitter) //nolint:gosec // no secret
		if s.time == 0 {
			graceful, forced = 30*time.Second, 10*time.Second // what 0 stands for
		}
		graceful, forced = max(graceful, 0)+more, max(forced, 0)+more
	}
	return ecstest.RebootProfile{Graceful: graceful, Forced: forced}
}

// tagList is a tag with one or more values for each -tag flag; the instances have
// the values in turn.
type tagList []tag

type tag struct {
	key    string
	values []string
}

func (l *tagList) String() string { return "" }

func (l *tagList) Set(text string) error {
	key, values, _ := strings.Cut(text, "=")
	if key == "" {
		return errors.New("it is key=value[,value]")
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

// restartLog is a file with a line for each restart that really happened. A line is
// written before the answer leaves, so the file judges a client that was killed.
type restartLog struct {
	mu   sync.Mutex
	file *os.File
	err  error // of the first line that could not be written
}

func openRestartLog(name string) (*restartLog, error) {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600) //nolint:gosec // it is the user's
	return &restartLog{file: file}, err
}

func (l *restartLog) add(c ecstest.ReceivedCall) {
	if !c.Acted || c.Action != "RebootInstance" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := fmt.Fprintf(l.file, "%s %s\n", time.Now().UTC().Format(time.RFC3339Nano), c.InstanceID); err != nil && l.err == nil {
		l.err = err
	}
}

func (l *restartLog) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.err, l.file.Close())
}
