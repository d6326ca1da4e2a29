// Package screen shows the progress of a run: on a terminal as lines that are redrawn,
// elsewhere as a line for each change, or as JSON for programs.
package screen

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// View shows the events of a run. Event is called by one goroutine, Note by any.
type View interface {
	// Event shows an event.
	Event(e fleet.Event)
	// Note shows a line for people.
	Note(format string, args ...any)
	// Close ends the view.
	Close()
}

// Modes are the values of --progress.
var Modes = []string{"auto", "tty", "plain", "json", "none"}

// Choose returns the mode that "auto" means. It chooses plain lines for a terminal that
// cannot move its cursor, and in CI systems, where the output goes to a log.
func Choose(mode string, terminal bool, getenv func(string) string) string {
	if mode != "auto" {
		return mode
	}
	term, ci := getenv("TERM"), getenv("CI")
	if !terminal || term == "" || term == "dumb" || ci != "" && ci != "0" && ci != "false" {
		return "plain"
	}
	return "tty"
}

// New begins to show a run in one of the [Modes] except auto. A tracker that a mode does
// not need may be nil.
func New(mode string, w io.Writer, t *Tracker, color bool) View {
	switch mode {
	case "tty":
		return newScreen(w, t, color)
	case "json":
		return JSON(w)
	case "none":
		return JSON(nil)
	default:
		return newPlain(w, t)
	}
}

// JSON returns a view that writes each event as a line of JSON; without a writer it shows
// nothing.
func JSON(w io.Writer) View { return &jsonLines{w: w} }

type jsonLines struct {
	mu sync.Mutex
	w  io.Writer
}

func (v *jsonLines) Event(e fleet.Event) { v.write(e) }

func (v *jsonLines) Note(format string, args ...any) {
	v.write(struct {
		Kind string `json:"kind"`
		Text string `json:"text"`
	}{"note", strings.TrimSuffix(fmt.Sprintf(format, args...), "\n")})
}

func (v *jsonLines) write(line any) {
	if v.w == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	_ = json.NewEncoder(v.w).Encode(line) //nolint:errchkjson // events encode; the writer remembers its error
}

func (v *jsonLines) Close() {}
