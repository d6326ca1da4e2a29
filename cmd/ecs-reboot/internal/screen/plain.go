package screen

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// plain writes a line for each change that matters and, now and then, one that sums
// up, so that a run that waits does not look as if it hung.
type plain struct {
	tracker    *Tracker
	stop, done chan struct{} // of the summing up

	mu sync.Mutex
	w  io.Writer
}

const summaryInterval = 30 * time.Second

func newPlain(w io.Writer, t *Tracker) *plain {
	v := &plain{tracker: t, stop: make(chan struct{}), done: make(chan struct{}), w: w}
	go func() {
		defer close(v.done)
		ticker := time.NewTicker(summaryInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				v.line(v.tracker.now().String())
			case <-v.stop:
				return
			}
		}
	}()
	return v
}

func (v *plain) Event(e fleet.Event) {
	v.tracker.Add(e)
	if line := EventLine(e); line != "" {
		v.line(line)
	}
}

func (v *plain) Note(format string, args ...any) {
	v.line(strings.TrimSuffix(fmt.Sprintf(format, args...), "\n"))
}

func (v *plain) line(text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	fmt.Fprintf(v.w, "%s  %s\n", time.Now().Format(time.TimeOnly), Clean(text))
}

func (v *plain) Close() {
	close(v.stop)
	<-v.done
}

// String sums up in one line.
func (s standing) String() string {
	line := fmt.Sprintf("%d of %d done: %s; %s; %s", s.done, s.total, s.states, s.unavailable, s.rate)
	if s.gate != "" {
		line += "; " + s.gate
	}
	if s.health != "" {
		line += "; " + s.health
	}
	if s.left > 0 {
		line += "; about " + s.left.Round(time.Second).String() + " left"
	}
	return line
}
