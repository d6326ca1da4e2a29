package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Waits is the result of measuring each way to wait for the end of a restart.
type Waits struct {
	Bands  []Band  `json:"bands"`
	Doubts []Doubt `json:"doubts"`
}

// Band is the result for restarts of a range of durations.
type Band struct {
	Shortest time.Duration `json:"shortest"`
	Longest  time.Duration `json:"longest"`
	Seeds    int           `json:"seeds"`
	Ways     []Way         `json:"ways"`
}

// Doubt is the result of a case in which Running may be no sign of a restart.
type Doubt struct {
	Name  string `json:"name"`
	Seeds int    `json:"seeds"`
	Ways  []Way  `json:"ways"`
}

// Way is the result of a way to wait. Its lag is the time from the moment at which the
// instance is Running again to the return of the wait. Only waits that ended with success, and
// rightly so, have a lag.
type Way struct {
	Name         string        `json:"name"`
	MeanLag      time.Duration `json:"meanLag"`
	MaxLag       time.Duration `json:"maxLag"`
	MeanShare    float64       `json:"meanShare"` // of the lag in the restart
	MeanRequests float64       `json:"meanRequests"`
	MaxRequests  int           `json:"maxRequests"`
	Wrong        int           `json:"wrong"`  // success before the end of the restart, or without a restart
	GaveUp       int           `json:"gaveUp"` // an error
}

// ourWay is the name of RebootAndWait in the tables.
const ourWay = "`RebootAndWait`"

// beats reports whether a way that always answers and is always right has a shorter mean lag
// than another way, and takes no more requests in the mean.
func (w *Way) beats(other Way) bool {
	return w.Wrong == 0 && w.GaveUp == 0 && w.MeanLag < other.MeanLag && w.MeanRequests <= other.MeanRequests
}

// ours returns the result of RebootAndWait, and rivals returns the other results.
func (b *Band) ours() Way     { return b.Ways[0] }
func (b *Band) rivals() []Way { return b.Ways[1:] }

// ahead returns the names of the rivals that beat RebootAndWait.
func (b *Band) ahead() []string {
	var names []string
	for _, rival := range b.rivals() {
		if rival.beats(b.ours()) {
			names = append(names, rival.Name)
		}
	}
	return names
}

// worst returns the largest mean share of a way, and its most requests, over all bands.
func (w *Waits) worst(way int) (share float64, requests int) {
	for _, band := range w.Bands {
		share, requests = max(share, band.Ways[way].MeanShare), max(requests, band.Ways[way].MaxRequests)
	}
	return share, requests
}

// aheadOverall returns the names of the rivals that always answer, have a smaller share than
// RebootAndWait in their worst band, and take no more requests.
func (w *Waits) aheadOverall() []string {
	share, requests := w.worst(0)
	var names []string
	for i, rival := range w.Bands[0].Ways {
		gaveUp := slices.ContainsFunc(w.Bands, func(band Band) bool { return band.Ways[i].GaveUp > 0 })
		if s, r := w.worst(i); !gaveUp && s < share && r <= requests {
			names = append(names, rival.Name)
		}
	}
	return names
}

func (b *Band) String() string {
	return fmt.Sprintf("%s to %s", briefly(b.Shortest), briefly(b.Longest))
}

// briefly formats a duration of whole seconds or minutes.
func briefly(d time.Duration) string {
	if d%time.Minute == 0 {
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

// wait measures the ways to wait.
func (m *measurement) wait() (*Waits, error) {
	file := m.path("waits.json")
	if err := m.run(m.path("bench.test"), "-test.run", "^TestWriteWaits$", "-waits", file, "-seeds", strconv.Itoa(m.seeds)); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(file) //nolint:gosec // our own temporary file
	if err != nil {
		return nil, err
	}
	waits := new(Waits)
	return waits, json.Unmarshal(text, waits)
}

// section returns the tables.
func (w *Waits) section() string {
	var b strings.Builder
	for _, band := range w.Bands {
		fmt.Fprintf(&b, "### Restarts of %s\n\n%d restarts for each way to wait.\n\n", &band, band.Seeds)
		t := table{head: []string{"wait", "mean lag", "of the restart", "longest lag", "mean requests", "most requests", "gave up"}}
		for _, way := range band.Ways {
			row := []string{way.Name, seconds(way.MeanLag), fmt.Sprintf("%.1f %%", 100*way.MeanShare), seconds(way.MaxLag)}
			if way.GaveUp == band.Seeds {
				row = []string{way.Name, "", "", ""}
			}
			t.rows = append(t.rows, append(row, fmt.Sprintf("%.1f", way.MeanRequests), strconv.Itoa(way.MaxRequests), notZero(way.GaveUp)))
		}
		b.WriteString(t.String() + "\n")
	}
	b.WriteString("### Wrong answers\n\n" + doubtText + "\n" + w.doubtTable())
	return b.String()
}

func (w *Waits) doubtTable() string {
	t := table{head: []string{"wait"}}
	for _, doubt := range w.Doubts {
		t.head = append(t.head, fmt.Sprintf("%s: wrong, of %d", doubt.Name, doubt.Seeds))
		for i, way := range doubt.Ways {
			if len(t.rows) == i {
				t.rows = append(t.rows, []string{way.Name})
			}
			t.rows[i] = append(t.rows[i], notZero(way.Wrong))
		}
	}
	return t.String()
}

// summary is the table for people who choose a tool.
func (w *Waits) summary() string {
	t := table{head: []string{"wait"}}
	for _, band := range w.Bands {
		t.head = append(t.head, "restarts of "+band.String())
		for i, way := range band.Ways {
			if len(t.rows) == i {
				t.rows = append(t.rows, []string{way.Name})
			}
			cell := fmt.Sprintf("%s, %.0f requests", seconds(way.MeanLag), way.MeanRequests)
			if way.GaveUp > 0 {
				cell = fmt.Sprintf("gives up on %.0f %%", 100*float64(way.GaveUp)/float64(band.Seeds))
			}
			t.rows[i] = append(t.rows[i], cell)
		}
	}
	return t.String()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// notZero makes a number stand out, unless it is 0.
func notZero(n int) string {
	if n == 0 {
		return "0"
	}
	return "**" + strconv.Itoa(n) + "**"
}

const waitText = `One instance restarts in virtual time: it is Stopping for the first half of the restart and
Starting for the second. The durations are uniform in each band. All ways to wait meet the
same restarts. The lag is the time from the moment at which the instance is Running again to the
return of the wait. The requests include the restart and, for RebootAndWait, the baseline.

- A poll every n s: a loop with the typed client. It restarts the instance, sleeps n s, calls
  DescribeInstanceStatus, and so on until the status is Running, for 25 min at most, which is
  the default time limit of RebootAndWait. The sleep before the first call favours the loop.
- CLI ` + "`--waiter`" + `: the rule of the vendor's command line, in openapi/waiter.go of aliyun-cli
  v3.4.11: a call at once, then one every 5 s; after 180 s by default, and 600 s at most, it gives
  up.
- OOS ` + "`ACS::ECS::RebootInstance`" + `: the rule that the vendor documents for
  [ACS::WaitFor](https://www.alibabacloud.com/help/en/oos/user-guide/acs-waitfor), with the
  defaults that the
  [action](https://github.com/aliyun/oos-templates/tree/master/CloudProductActions/ECS/YAML)
  leaves in place: a call at once, then 10 more, the nth of them 2^n s after the one before.

The last two are models: they send their requests by the typed client.
`

const doubtText = `A wait is wrong if it reports success before the end of the restart, or although nothing
restarted. In the second case, the service shows the old status, Running, for some time after it
accepted the restart: uniform up to 5 s. How old a status can be is not documented. In the third
case, the service accepts the restart and does not carry it out. RebootAndWait then returns
ErrNotProven after 25 min. "Running after another status" is the loop that does not take Running
for the end before it has seen another status.
`
