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

Written by ` + "`go run .`" + ` in this directory; see [README.md](README.md) for what is measured and how.
`

// compared are the modules whose versions the results depend on.
var compared = []string{
	"github.com/aliyun/alibaba-cloud-sdk-go",
	"github.com/alibabacloud-go/darabonba-openapi/v2",
	"github.com/alibabacloud-go/tea",
	"github.com/aliyun/credentials-go",
	"golang.org/x/perf",
}

// results measures everything and returns the page about it.
func (m *measurement) results() (string, error) {
	started, loadBefore := time.Now(), loadAverage()
	if err := m.run("go", "test", "-c", "-o", m.path("bench.test"), "."); err != nil {
		return "", err
	}
	lost, err := m.lostAnswerSection()
	if err != nil {
		return "", err
	}
	times, err := m.time()
	if err != nil {
		return "", err
	}
	loadAfter := loadAverage()
	weights, err := m.weigh()
	if err != nil {
		return "", err
	}
	about, err := m.about(started)
	if err != nil {
		return "", err
	}
	about += fmt.Sprintf("- load average: %s before, %s after the timings\n", loadBefore, loadAfter)
	return strings.Join([]string{
		introduction, about,
		"## Targets\n", targetSection(times),
		"## Time, memory, connections\n", ratioText, times.String(), times.transportText(),
		"## What a program weighs\n", weightText, weightSection(weights),
		"## Lost answers\n", lostText, lost,
		"## Absolute values\n", "<details><summary>benchstat</summary>\n", "```\n" + times.stat + "```\n\n</details>\n",
	}, "\n"), nil
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
