package main

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/ecsreboot/ecsreboot/internal/benchmarks/clients"
)

// weight is what a program that restarts one instance costs to build and to carry.
type weight struct {
	client           string
	stripped         int64 // bytes
	packages, nonStd int
	modules          []string
	cleanCPU         float64 // seconds; 0: not measured
	cleanPeak        int64   // bytes
}

// requirements are what the go.mod of a program that uses the client names.
var requirements = map[string][]string{
	"floor":   {"github.com/aliyun/credentials-go"},
	"ours":    {"github.com/ecsreboot/ecsreboot"},
	"classic": {"github.com/aliyun/alibaba-cloud-sdk-go"},
	"openapi": {"github.com/alibabacloud-go/darabonba-openapi/v2"},
	"typed":   {"github.com/alibabacloud-go/ecs-20140526/v7"},
}

func (m *measurement) weigh() ([]weight, error) {
	var weights []weight
	for _, client := range clients.All() {
		fmt.Fprintln(os.Stderr, "building", client.Name)
		w, err := m.weighOne(client.Name)
		if err != nil {
			return nil, err
		}
		weights = append(weights, w)
	}
	return weights, nil
}

func (m *measurement) weighOne(name string) (weight, error) {
	w := weight{client: name}
	modules, err := m.modFile(name)
	if err != nil {
		return w, err
	}
	program, binary := "./program/"+name, m.path(name)
	build := []string{"build", "-mod=mod", "-modfile=" + modules, "-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-o", binary, program}
	// This one also brings the modules.
	if _, err = m.output("go", build...); err != nil {
		return w, err
	}
	if m.builds {
		if err := m.buildClean(&w, build); err != nil {
			return w, err
		}
	}
	file, err := os.Stat(binary)
	if err != nil {
		return w, err
	}
	w.stripped = file.Size()
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return w, err
	}
	for _, dep := range info.Deps {
		w.modules = append(w.modules, dep.Path+" "+dep.Version)
	}
	text, err := m.output("go", "list", "-mod=mod", "-modfile="+modules, "-deps", "-f", "{{.Standard}}", program)
	if err != nil {
		return w, err
	}
	w.packages = strings.Count(text, "\n")
	w.nonStd = strings.Count(text, "false")
	return w, nil
}

// modFile writes a go.mod by which a program gets the versions that its client asks
// for, and not those of the clients that it is compared with.
func (m *measurement) modFile(name string) (string, error) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("module github.com/ecsreboot/ecsreboot/internal/benchmarks\n\ngo 1.26.0\n")
	fmt.Fprintf(&b, "\nreplace github.com/ecsreboot/ecsreboot => %s\n\n", root)
	for _, path := range requirements[name] {
		version, err := m.version(path)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "require %s %s\n", path, version)
	}
	return m.writeModFile(name, []byte(b.String()))
}

// writeModFile writes a go.mod to build by in place of the module's own.
func (m *measurement) writeModFile(name string, text []byte) (string, error) {
	sums, err := os.ReadFile("go.sum")
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(m.path(name+".sum"), sums, 0o600); err != nil { //nolint:gosec // our own temporary file
		return "", err
	}
	return m.path(name + ".mod"), os.WriteFile(m.path(name+".mod"), text, 0o600) //nolint:gosec // our own temporary file
}

// version is the one of a module that the comparison uses, or that flags select.
func (m *measurement) version(path string, flags ...string) (string, error) {
	text, err := m.output("go", append(append([]string{"list"}, flags...), "-m", "-f", "{{.Version}}", path)...)
	return strings.TrimSpace(text), err
}

// buildClean builds with an empty build cache, and notes what that took.
func (m *measurement) buildClean(w *weight, build []string) error {
	cache := m.path("cache-" + w.client)
	defer func() { _ = os.RemoveAll(cache) }()
	cmd := exec.CommandContext(m.ctx, "go", build...) //nolint:gosec // ours
	cmd.Env = append(os.Environ(), "GOCACHE="+cache)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, problems.String())
	}
	w.cleanCPU = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		w.cleanPeak = usage.Maxrss
		if runtime.GOOS != "darwin" {
			w.cleanPeak *= 1024 // told in KiB
		}
	}
	return nil
}

// weightSection makes the table and the lists of modules.
func weightSection(weights []weight) string {
	t := table{head: []string{"program", "stripped binary", "packages linked", "of them not standard", "modules linked", "clean build, CPU", "clean build, largest process"}}
	var lists strings.Builder
	for _, w := range weights {
		cpu, peak := notMeasured, notMeasured
		if w.cleanCPU > 0 {
			cpu, peak = fmt.Sprintf("%.0f s", w.cleanCPU), fmt.Sprintf("%d MiB", w.cleanPeak>>20)
		}
		t.rows = append(t.rows, []string{
			w.client, fmt.Sprintf("%.2f MB", megabytes(w.stripped)), fmt.Sprint(w.packages), fmt.Sprint(w.nonStd), fmt.Sprint(len(w.modules)), cpu, peak,
		})
		fmt.Fprintf(&lists, "- %s: %s\n", w.client, strings.Join(w.modules, ", "))
	}
	return t.String() + "\nThe modules linked:\n\n" + lists.String()
}

const notMeasured = "not measured"

func megabytes(size int64) float64 { return float64(size) / 1e6 }
