package notify

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/shell"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// Kind is what a notification is about.
type Kind string

// The kinds of notifications.
const (
	Start    Kind = "start"    // a run or a resumed run begins
	Approval Kind = "approval" // a canary stage waits for approval
	Stage    Kind = "stage"    // a canary stage has passed and was approved
	Halt     Kind = "halt"     // the run sends nothing more, because of a failure or because it was aborted
	End      Kind = "end"      // the session has ended
)

// Message is a notification. Its JSON is the body of the request to a URL.
type Message struct {
	Kind      Kind                `json:"event"`
	Run       string              `json:"run,omitempty"` // the ID of the run
	At        time.Time           `json:"at"`
	Regions   []string            `json:"regions,omitempty"`
	Plan      string              `json:"plan,omitempty"` // the beginning of the plan's digest
	Instances int                 `json:"instances"`      // of the plan
	Counts    map[fleet.State]int `json:"counts"`         // of all states
	Resumed   bool                `json:"resumed,omitempty"`
	Stage     int                 `json:"stage,omitempty"`  // of Approval and Stage, from 1
	Reason    fleet.Reason        `json:"reason,omitempty"` // of Halt and End
	Error     string              `json:"error,omitempty"`  // of Halt
	Text      string              `json:"text"`             // the same in a sentence or two
}

// ShortDigest returns the beginning of a plan's digest, by which messages name the plan.
func ShortDigest(digest string) string {
	const length = 12
	return digest[:min(len(digest), length)]
}

// states are all states, in the order of texts.
var states = []fleet.State{
	fleet.StateHealthy, fleet.StateRestarting, fleet.StateFailed, fleet.StateUnknown, fleet.StateSkipped, fleet.StateWaiting,
}

// Complete returns the message with its text, which follows from the other fields, and
// with a count of every state.
func (m Message) Complete() Message {
	counts := make(map[fleet.State]int, len(states))
	for _, s := range states {
		counts[s] = m.Counts[s]
	}
	m.Counts, m.Text = counts, m.text()
	return m
}

func (m Message) text() string {
	run := "Run"
	if m.Run != "" {
		run += " " + m.Run
	}
	if len(m.Regions) > 0 {
		run += " in " + strings.Join(m.Regions, ", ")
	}
	switch m.Kind {
	case Start:
		verb := "begins"
		if m.Resumed {
			verb = "resumes"
		}
		noun := "instances"
		if m.Instances == 1 {
			noun = "instance"
		}
		return fmt.Sprintf("%s %s: %d %s to restart%s.", run, verb, m.Instances, noun, m.listed(m.Resumed))
	case Approval:
		return fmt.Sprintf("%s waits for approval: canary stage %d is healthy%s.", run, m.Stage, m.listed(true))
	case Stage:
		return fmt.Sprintf("%s has passed canary stage %d%s.", run, m.Stage, m.listed(true))
	case Halt:
		why := string(m.Reason)
		if m.Error != "" {
			why += ": " + m.Error
		}
		return fmt.Sprintf("%s sends nothing more%s. Why: %s.", run, m.listed(true), strings.TrimSuffix(why, "."))
	case End:
	}
	verb := "has ended early (" + string(m.Reason) + ")"
	if m.Reason == fleet.ReasonDone {
		verb = "is done"
	}
	return fmt.Sprintf("%s %s%s.", run, verb, m.listed(true))
}

// listed is the states that instances are in.
func (m Message) listed(wanted bool) string {
	var parts []string
	for _, s := range states {
		if n := m.Counts[s]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s))
		}
	}
	if !wanted || len(parts) == 0 {
		return ""
	}
	return "; of " + strconv.Itoa(m.Instances) + ": " + strings.Join(parts, ", ")
}

// environment returns the variables of a command.
func (m Message) environment(json string) []shell.Variable {
	variables := []shell.Variable{
		{Name: "ECS_EVENT", Value: string(m.Kind)},
		{Name: "ECS_RUN", Value: m.Run},
		{Name: "ECS_REGIONS", Value: strings.Join(m.Regions, ",")},
		{Name: "ECS_INSTANCES", Value: strconv.Itoa(m.Instances)},
		{Name: "ECS_STAGE", Value: strconv.Itoa(m.Stage)},
		{Name: "ECS_REASON", Value: shell.Printable(string(m.Reason))},
		{Name: "ECS_ERROR", Value: shell.Printable(m.Error)},
		{Name: "ECS_TEXT", Value: shell.Printable(m.Text)},
	}
	for _, s := range states {
		variables = append(variables, shell.Variable{Name: "ECS_COUNT_" + strings.ToUpper(string(s)), Value: strconv.Itoa(m.Counts[s])})
	}
	if shell.Printable(json) == json { // else the shell would interpret it
		variables = append(variables, shell.Variable{Name: "ECS_JSON", Value: json})
	}
	return variables
}

// tracker makes the messages of a run from its events.
type tracker struct {
	run     string
	report  *fleet.Report
	regions []string
}

func newTracker(run string, history *fleet.History) *tracker {
	t := &tracker{run: run, report: history.Report()}
	for _, region := range history.Plan.Regions() {
		t.regions = append(t.regions, region.Region)
	}
	return t
}

// message returns a message with what it has in common with the others of the run.
func (t *tracker) message(kind Kind, at time.Time) Message {
	m := Message{
		Kind: kind, Run: t.run, At: at, Regions: t.regions, Plan: ShortDigest(t.report.Digest),
		Instances: len(t.report.Records), Counts: make(map[fleet.State]int),
	}
	for i := range t.report.Records {
		m.Counts[t.report.Records[i].State]++
	}
	return m
}

// add returns the message about an event, if there is one.
func (t *tracker) add(e fleet.Event) (Message, bool) {
	ending := t.report.Reason
	t.report.Add(e)
	if e.InstanceID != "" {
		return Message{}, false
	}
	var kind Kind
	switch e.Kind {
	case fleet.EventRun, fleet.EventResume:
		kind = Start
	case fleet.EventStage:
		kind = Stage
	case fleet.EventStop, fleet.EventHalt:
		if ending != "" {
			return Message{}, false // the run was ending already
		}
		kind = Halt
	case fleet.EventEnd:
		kind = End
	default:
		return Message{}, false
	}
	m := t.message(kind, e.At)
	m.Resumed, m.Stage, m.Reason, m.Error = e.Kind == fleet.EventResume, e.Stage, e.Reason, e.Error
	return m.Complete(), true
}
