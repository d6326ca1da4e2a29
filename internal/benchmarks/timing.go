package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// metric is a unit of a benchmark.
type metric struct {
	benchmark, unit, label string
}

const (
	inMemoryCall = "Call"
	inMemoryBare = "Transport" // of the client none
	oneCaller    = "Loopback/scheme=http/callers=1"
	manyCallers  = "Loopback/scheme=http/callers=64"
	manyOverTLS  = "Loopback/scheme=https/callers=64"

	timeUnit       = "sec/op"
	allocUnit      = "allocs/op"
	rateUnit       = "calls/s"
	connectionUnit = "connections/1000-calls"
	clientCPUUnit  = "client-cpu-sec/op"
	serverCPUUnit  = "server-cpu-sec/op"
)

// metrics are the rows of the table of ratios.
var metrics = []metric{
	{inMemoryCall, timeUnit, "in memory: time"},
	{inMemoryCall, "B/op", "in memory: bytes allocated"},
	{inMemoryCall, allocUnit, "in memory: allocations"},
	{oneCaller, timeUnit, "http, 1 caller: time"},
	{oneCaller, clientCPUUnit, "http, 1 caller: client's CPU time"},
	{manyCallers, rateUnit, "http, 64 callers: calls a second"},
	{manyCallers, clientCPUUnit, "http, 64 callers: client's CPU time"},
	{manyCallers, serverCPUUnit, "http, 64 callers: server's CPU time"},
	{manyCallers, connectionUnit, "http, 64 callers: connections opened by 1000 calls"},
	{manyOverTLS, rateUnit, "https, 64 callers: calls a second"},
	{manyOverTLS, clientCPUUnit, "https, 64 callers: client's CPU time"},
	{manyOverTLS, serverCPUUnit, "https, 64 callers: server's CPU time"},
	{manyOverTLS, connectionUnit, "https, 64 callers: connections opened by 1000 calls"},
}

// timings holds what each round measured: the value of a client by its metric's
// benchmark and unit.
type timings struct {
	rounds []map[string]map[string]float64
	stat   string // benchstat's tables
}

func (m metric) key() string { return m.benchmark + " " + m.unit }

// time runs the rounds. The clients take turns, so that a busy minute of the machine
// hits them all.
func (m *measurement) time() (*timings, error) {
	t := new(timings)
	var files []string
	for round := range m.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, m.rounds)
		file := m.path(fmt.Sprintf("round%d.txt", round))
		for _, part := range [][2]string{{"^Benchmark(Call|Transport)$", m.benchTime.String()}, {"^BenchmarkLoopback$", fmt.Sprintf("%dx", m.calls)}} {
			text, err := m.output(m.path("bench.test"), "-test.run", "^$", "-test.bench", part[0], "-test.benchtime", part[1])
			if err != nil {
				return nil, err
			}
			if err := appendFile(file, text); err != nil {
				return nil, err
			}
		}
		values, err := readRound(file)
		if err != nil {
			return nil, err
		}
		t.rounds = append(t.rounds, values)
		files = append(files, file)
	}
	arguments := []string{"tool", "benchstat", "-col", "/client@(ours floor classic openapi typed)", "-ignore", ".file"}
	text, err := m.output("go", append(arguments, files...)...)
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(os.Stderr, text)
	t.stat = text
	return t, nil
}

func appendFile(name, text string) error {
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // our own temporary file
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

// readRound reads the benchmarks of one round.
func readRound(name string) (map[string]map[string]float64, error) {
	file, err := os.Open(name) //nolint:gosec // our own temporary file
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	values := make(map[string]map[string]float64)
	reader := benchfmt.NewReader(file, name)
	for reader.Scan() {
		switch record := reader.Result().(type) {
		case *benchfmt.SyntaxError:
			return nil, record
		case *benchfmt.Result:
			benchmark, client := splitName(string(record.Name.Full()))
			for _, v := range record.Values {
				key := metric{benchmark: benchmark, unit: v.Unit}.key()
				if values[key] == nil {
					values[key] = make(map[string]float64)
				}
				values[key][client] = v.Value
			}
		}
	}
	return values, reader.Err()
}

// splitName takes the client out of a name like "Call/client=ours-2".
func splitName(full string) (benchmark, client string) {
	benchmark, client, _ = strings.Cut(full, "/client=")
	client, _, _ = strings.Cut(client, "-")
	return benchmark, client
}

// value is the median of what a client came to.
func (t *timings) value(m metric, client string) float64 {
	return t.quartile(2, func(round map[string]float64) float64 { return round[client] }, m)
}

// ratio is a quartile of a client's value over ours, round by round.
func (t *timings) ratio(quartile int, m metric, client string) float64 {
	return t.quartile(quartile, func(round map[string]float64) float64 { return round[client] / round["ours"] }, m)
}

func (t *timings) quartile(n int, of func(map[string]float64) float64, m metric) float64 {
	values := make([]float64, 0, len(t.rounds))
	for _, round := range t.rounds {
		values = append(values, of(round[m.key()]))
	}
	slices.Sort(values)
	at := float64(len(values)-1) * float64(n) / 4
	low := int(at)
	high := min(low+1, len(values)-1)
	return values[low] + (values[high]-values[low])*(at-float64(low))
}

// String is the table of ratios.
func (t *timings) String() string {
	names := []string{"floor", "classic", "openapi", "typed"}
	result := table{head: []string{"median", "ours"}}
	for _, name := range names {
		result.head = append(result.head, name+" ÷ ours")
	}
	for _, m := range metrics {
		cells := []string{m.label, formatValue(t.value(m, "ours"), m.unit)}
		for _, name := range names {
			cells = append(cells, fmt.Sprintf("%.2f [%.2f %.2f]", t.ratio(2, m, name), t.ratio(1, m, name), t.ratio(3, m, name)))
		}
		result.rows = append(result.rows, cells)
	}
	return result.String()
}

// transportText describes the costs of a call in memory that the client does not cause.
func (t *timings) transportText() string {
	value := func(unit string) string {
		return formatValue(t.value(metric{benchmark: inMemoryBare, unit: unit}, "none"), unit)
	}
	return fmt.Sprintf("Each call in memory contains %s, %s B and %s allocations of net/http's client and of what\nanswers it.\n",
		value(timeUnit), value("B/op"), value(allocUnit))
}

func formatValue(value float64, unit string) string {
	if strings.HasSuffix(unit, timeUnit) {
		return fmt.Sprintf("%.1f µs", value*1e6)
	}
	return fmt.Sprintf("%.0f", value)
}
