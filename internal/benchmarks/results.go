package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

const introduction = `# Results

` + "`go run .`" + ` in this directory writes this page. [README.md](README.md) describes what is measured and how.
The command under a heading measures that part alone and prints it.
`

// compared are the modules whose versions the results depend on.
var compared = []string{
	"github.com/aliyun/alibaba-cloud-sdk-go",
	"github.com/alibabacloud-go/darabonba-openapi/v2",
	"github.com/alibabacloud-go/ecs-20140526/v7",
	"github.com/alibabacloud-go/tea",
	"github.com/aliyun/credentials-go",
	"golang.org/x/perf",
}

// found is what the parts of a measurement found. Each part fills in its own field.
type found struct {
	times       *timings
	loadAverage string // before and after the timings
	waits       *Waits
	weights     []weight
	lost        string
}

// parts are the parts of a measurement in the order in which they run, each with its command
// and its section. The timings come first, before the machine is warm from the builds.
var parts = []struct {
	name, heading string
	measure       func(*measurement, *found) error
	section       func(*found) string
}{
	{
		"calls", "Time, memory, connections",
		func(m *measurement, f *found) (err error) {
			before := loadAverage()
			f.times, err = m.time()
			f.loadAverage = before + " before, " + loadAverage() + " after the timings"
			return err
		},
		func(f *found) string {
			return ratioText + "\n" + f.times.String() + "\n" + f.times.transportText()
		},
	},
	{
		"waits", "Waits",
		func(m *measurement, f *found) (err error) { f.waits, err = m.wait(); return err },
		func(f *found) string { return waitText + "\n" + f.waits.section() },
	},
	{
		"weight", "What a program weighs",
		func(m *measurement, f *found) (err error) { f.weights, err = m.weigh(); return err },
		func(f *found) string { return weightText + "\n" + weightSection(f.weights) },
	},
	{
		"lost", "Lost answers",
		func(m *measurement, f *found) (err error) { f.lost, err = m.lostAnswerSection(); return err },
		func(f *found) string { return lostText + "\n" + f.lost },
	},
}

func partNames() []string {
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	return names
}

// prepare compiles what all parts run.
func (m *measurement) prepare() error {
	return m.run("go", "test", "-vet=off", "-c", "-o", m.path("bench.test"), ".")
}

// part measures one part and returns its section.
func (m *measurement) part(name string) (string, error) {
	for _, p := range parts {
		if p.name != name {
			continue
		}
		if err := m.prepare(); err != nil {
			return "", err
		}
		f := new(found)
		if err := p.measure(m, f); err != nil {
			return "", err
		}
		text := "## " + p.heading + "\n\n" + p.section(f)
		if of := targetSection(f); of != "" {
			text = "## Targets\n\n" + of + "\n" + text
		}
		return text, nil
	}
	return "", fmt.Errorf("unknown part %q", name)
}

// results measures everything, and returns the page about it and the summary of the waits for
// another page.
func (m *measurement) results() (page, summary string, err error) {
	started := time.Now()
	if err := m.prepare(); err != nil {
		return "", "", err
	}
	f := new(found)
	sections := make([]string, 0, len(parts))
	for _, p := range parts {
		fmt.Fprintln(os.Stderr, "measuring", p.name)
		if err := p.measure(m, f); err != nil {
			return "", "", err
		}
		sections = append(sections, fmt.Sprintf("## %s\n\n`go run . -part %s`\n\n%s", p.heading, p.name, p.section(f)))
	}
	about, err := m.about(started)
	if err != nil {
		return "", "", err
	}
	about += "- load average: " + f.loadAverage + "\n"
	page = strings.Join([]string{introduction, about, "## Targets\n", targetText, targetSection(f)}, "\n") + "\n" +
		strings.Join(sections, "\n") +
		"\n## Absolute values\n\n<details><summary>benchstat</summary>\n\n```\n" + f.times.stat + "```\n\n</details>\n"
	return page, f.waits.summary(), nil
}

const ratioText = `Ratios are taken round by round; the median and, in brackets, the quartiles. The
last section has the absolute values.
`

const weightText = `Each program is built by itself, with the versions that its client asks for.
` + "`-trimpath -ldflags='-s -w'`" + `; a clean build starts from an empty build cache.
`

const lostText = `One call to restart one instance. How many restarts the service carried out, and what
the caller was told. The service carries the restart out and then loses or spoils its
answer, every time or, where it says so, once. Each client as it is by default, and with
each of its switches for repeating calls. RuntimeOptions.Autoretry is the one that the
vendor documents, with three attempts; Config.RetryOptions is set to three attempts for
ServiceUnavailable, InternalError, Throttling and Throttling.User.
`

// about describes the machine, the versions and the command of the measurement.
func (m *measurement) about(started time.Time) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "- %s, %s/%s, %d cores, %s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), processor())
	fmt.Fprintf(&b, "- %s, %s\n", started.UTC().Format("2006-01-02 15:04 MST"), strings.TrimSpace("`go run . "+strings.Join(m.args, " "))+"`")
	fmt.Fprintf(&b, "- %d rounds; in memory %v, over sockets %d calls a client and round\n", m.rounds, m.benchTime, m.calls)
	for _, path := range compared {
		version, err := m.version(path)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "- %s %s\n", path, version)
	}
	return b.String(), nil
}

// processor is the name that Linux has for it.
func processor() string {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if key, value, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// loadAverage is that of the last minute.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}
