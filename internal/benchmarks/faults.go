package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/benchmarks/clients/openapi"
)

// LostAnswer is a row of the table of lost answers.
type LostAnswer struct {
	Fault   string     `json:"fault"`
	Results []Restarts `json:"results"`
}

// Restarts is what came of one call.
type Restarts struct {
	Client   string        `json:"client"`
	Retry    string        `json:"retry"`
	Restarts int           `json:"restarts"` // that the service carried out
	Requests int           `json:"requests"` // that it saw
	Told     string        `json:"told"`     // what the call returned
	Took     time.Duration `json:"took"`     // until then
}

// neverEnded stands for the result of a call that does not return.
const neverEnded = "no end"

// String returns all but the client and the time.
func (r Restarts) String() string {
	switch r.Requests {
	case r.Restarts:
		return fmt.Sprintf("%d, %s", r.Restarts, r.Told)
	case 1:
		return fmt.Sprintf("%d by 1 request, %s", r.Restarts, r.Told)
	}
	return fmt.Sprintf("%d by %d requests, %s", r.Restarts, r.Requests, r.Told)
}

// teaModule is where openapi's repetitions are. This project's own requirements lift
// it above the version that openapi asks for, so that both are shown.
const teaModule = "github.com/alibabacloud-go/tea"

// lostAnswerSection makes the table.
func (m *measurement) lostAnswerSection() (string, error) {
	lifted, err := m.version(teaModule)
	if err != nil {
		return "", err
	}
	rows, err := m.loseAnswers("bench.test")
	if err != nil {
		return "", err
	}
	asked, asking, err := m.loseAnswersByOldTea()
	if err != nil {
		return "", err
	}
	t := table{head: []string{"the answer"}}
	for i, row := range rows {
		cells := []string{row.Fault}
		for j, r := range row.Results {
			label := strings.TrimSpace(r.Client + " " + r.Retry)
			if r.Retry != openapi.RetryOptions {
				t.addHead(i, label)
				cells = append(cells, faultCell(r))
				continue
			}
			t.addHead(i, label+", tea "+asking)
			t.addHead(i, label+", tea "+lifted)
			cells = append(cells, faultCell(asked[i].Results[j]), faultCell(r))
		}
		t.rows = append(t.rows, cells)
	}
	return t.String(), nil
}

// addHead adds the column label to the head if row is the first one.
func (t *table) addHead(row int, label string) {
	if row == 0 {
		t.head = append(t.head, label)
	}
}

// loseAnswers returns what a test binary finds.
func (m *measurement) loseAnswers(binary string) ([]LostAnswer, error) {
	file := m.path(binary + ".json")
	if err := m.run(m.path(binary), "-test.run", "^TestWriteLostAnswers$", "-faults", file); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(file) //nolint:gosec // our own temporary file
	if err != nil {
		return nil, err
	}
	var rows []LostAnswer
	return rows, json.Unmarshal(text, &rows)
}

// loseAnswersByOldTea does it with the version of tea that openapi asks for.
func (m *measurement) loseAnswersByOldTea() (rows []LostAnswer, version string, err error) {
	alone, err := m.modFile("openapi")
	if err != nil {
		return nil, "", err
	}
	if version, err = m.version(teaModule, "-mod=mod", "-modfile="+alone); err != nil {
		return nil, "", err
	}
	requirements, err := os.ReadFile("go.mod")
	if err != nil {
		return nil, "", err
	}
	pinned := fmt.Appendf(requirements, "\nreplace %s => %s %s\n", teaModule, teaModule, version)
	modules, err := m.writeModFile("pinned", pinned)
	if err != nil {
		return nil, "", err
	}
	if err := m.run("go", "test", "-mod=mod", "-modfile="+modules, "-vet=off", "-c", "-o", m.path("pinned.test"), "."); err != nil {
		return nil, "", err
	}
	rows, err = m.loseAnswers("pinned.test")
	return rows, version, err
}

// faultCell makes more than one restart stand out.
func faultCell(r Restarts) string {
	cell := r.String()
	if r.Restarts > 1 {
		number := strconv.Itoa(r.Restarts)
		cell = "**" + number + "**" + strings.TrimPrefix(cell, number)
	}
	if r.Took >= time.Second && r.Told != neverEnded {
		cell += " after " + r.Took.Round(time.Second).String()
	}
	return cell
}
