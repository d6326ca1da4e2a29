package report

import (
	"bufio"
	"encoding/json"
	"io"
	"time"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// Options say how a report is written. All fields may be left empty.
type Options struct {
	// Program and Journal are for the commands that the report proposes: the name
	// of the program that runs fleets, as a user types it in a shell, and the path of
	// the journal. The commands are those of ecs-reboot. Without Program, the report
	// describes the next steps in words only.
	Program string
	Journal string
	// Location is the time zone of the times in the report; default UTC.
	Location *time.Location
}

// HTML writes the report of a run as a single self-contained file for people, which
// needs neither scripts nor network access. Text of instances and errors is escaped,
// and a content security policy keeps the page from loading or running anything that
// is not part of the file.
func HTML(w io.Writer, history *fleet.History, options Options) error {
	s, err := newStory(history)
	if err != nil {
		return err
	}
	if options.Location == nil {
		options.Location = time.UTC
	}
	buffered := bufio.NewWriter(w)
	if err := page.Execute(buffered, newView(s, options)); err != nil {
		return err
	}
	return buffered.Flush()
}

// JSON writes the report of a run for programs, as [Data].
func JSON(w io.Writer, history *fleet.History) error {
	s, err := newStory(history)
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(s.data())
}
