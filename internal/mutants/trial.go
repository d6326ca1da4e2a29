package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	// testLimit is how long the tests of a mutant may run. One that makes them
	// run for longer is killed too.
	testLimit = 60 * time.Second
	// buildLimit bounds all that a go command does.
	buildLimit = 20 * time.Minute
)

type fate string

const (
	untried  fate = ""
	killed   fate = "killed"
	survived fate = "SURVIVED"
	stale    fate = "STALE"
)

// trial is a mutant and what became of it.
type trial struct {
	mutant

	fate     fate
	why      string
	pattern  string   // of the tests …
	packages []string // … and where they are
	overlay  string   // file for go test -overlay
}

func (t *trial) reason() string {
	if t.why == "" {
		return ""
	}
	return ": " + t.why
}

func (t *trial) end(f fate, why string) { t.fate, t.why = f, why }

// prepare writes the changed file and the overlay that puts it in place of the
// module's.
func (s *source) prepare(m mutant, scratch string) *trial {
	t := &trial{mutant: m}
	file, text, err := s.mutated(m)
	if err == nil {
		t.pattern, t.packages, err = s.testsOf(m)
	}
	if err == nil {
		err = t.write(scratch, file, text)
	}
	if err != nil {
		t.end(stale, err.Error())
	}
	return t
}

func (t *trial) write(scratch, file, text string) error {
	changed := filepath.Join(scratch, filepath.Base(file))
	t.overlay = filepath.Join(scratch, "overlay.json")
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{file: changed}})
	return errors.Join(err, os.Mkdir(scratch, 0o700),
		os.WriteFile(changed, []byte(text), 0o600), os.WriteFile(t.overlay, overlay, 0o600))
}

// runUnchanged runs all tests that the trials need, without any change: a test that
// fails anyway notices nothing.
func (s *source) runUnchanged(ctx context.Context, trials []*trial) error {
	patterns, packages := map[string]bool{}, map[string]bool{}
	for _, t := range trials {
		if t.fate == untried {
			patterns[t.pattern] = true
			for _, p := range t.packages {
				packages[p] = true
			}
		}
	}
	if len(packages) == 0 {
		return nil
	}
	pattern := strings.Join(slices.Sorted(maps.Keys(patterns)), "|")
	ran, err := s.test(ctx, 10*time.Minute, pattern, slices.Sorted(maps.Keys(packages)))
	switch {
	case err != nil:
		return err
	case ran.notBuilt, ran.packageFailed && len(ran.failed) == 0:
		return fmt.Errorf("the tests fail without any mutant: %s", ran.text())
	}
	for _, t := range trials {
		if failing := s.failing(t, ran); failing != "" && t.fate == untried {
			t.end(stale, failing+" fails without the mutant")
		}
	}
	return nil
}

// failing returns a failed test that the trial relies on.
func (s *source) failing(t *trial, ran testRun) string {
	for _, alternative := range splitAlternatives(t.pattern) {
		name, subtest, _ := strings.Cut(alternative, "/")
		for _, failed := range ran.failed {
			failedName, failedSubtest, _ := strings.Cut(failed, "/")
			if regexp.MustCompile(name).MatchString(failedName) && (subtest == "" || strings.Contains(failedSubtest, subtest)) {
				return failed
			}
		}
	}
	return ""
}

// attempt runs the tests of a mutant.
func (s *source) attempt(ctx context.Context, t *trial) {
	if t.fate != untried {
		return
	}
	ran, err := s.test(ctx, testLimit, t.pattern, t.packages, "-overlay", t.overlay)
	switch {
	case err != nil:
		t.end(stale, err.Error())
	case ran.notBuilt:
		t.end(stale, "does not compile: "+ran.text())
	case ran.count == 0:
		t.end(stale, "no test ran for "+t.tests)
	case len(ran.failed) > 0:
		t.end(killed, "")
	case ran.packageFailed:
		t.end(killed, "the tests crashed or took too long")
	default:
		t.end(survived, t.tests)
	}
}

// testRun is what go test reported.
type testRun struct {
	count         int // of tests that ran
	failed        []string
	notBuilt      bool
	packageFailed bool
	output        []string // of the build, or of what failed
}

// text returns what was reported, if that is not long.
func (r testRun) text() string {
	text := strings.TrimSpace(strings.Join(append(slices.Clone(r.failed), r.output...), "\n"))
	if limit := 2000; len(text) > limit {
		text = text[:limit] + "…"
	}
	return text
}

// test runs go test.
func (s *source) test(ctx context.Context, limit time.Duration, pattern string, packages []string, flags ...string) (testRun, error) {
	ctx, cancel := context.WithTimeout(ctx, buildLimit)
	defer cancel()
	args := slices.Concat([]string{"test", "-json", "-vet=off", "-ldflags=-s -w", "-timeout", limit.String(), "-run", pattern}, flags, packages)
	command := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the mutants are files of this module
	command.Dir = s.root
	command.WaitDelay = 5 * time.Second
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed || ctx.Err() != nil {
		return testRun{}, errors.Join(err, ctx.Err())
	}
	ran, readErr := readRun(bytes.NewReader(out))
	if readErr != nil || err != nil && !ran.packageFailed && !ran.notBuilt {
		return testRun{}, fmt.Errorf("go test: %w: %s", errors.Join(err, readErr), stderr.String())
	}
	return ran, nil
}

// readRun reads the output of go test -json.
func readRun(r io.Reader) (ran testRun, err error) {
	for events := json.NewDecoder(r); ; {
		var event struct {
			Action      string `json:"Action"`
			Test        string `json:"Test"`
			Output      string `json:"Output"`
			FailedBuild string `json:"FailedBuild"`
		}
		switch err := events.Decode(&event); {
		case errors.Is(err, io.EOF):
			return ran, nil
		case err != nil:
			return ran, err
		}
		switch event.Action {
		case "run":
			ran.count++
		case "build-output":
			ran.output = append(ran.output, event.Output)
		case "build-fail":
			ran.notBuilt = true
		case "output":
			if strings.Contains(event.Output, "panic: ") || strings.Contains(event.Output, "Error: ") {
				ran.output = append(ran.output, event.Output)
			}
		case "fail":
			switch {
			case event.Test != "":
				ran.failed = append(ran.failed, event.Test)
			case event.FailedBuild != "":
				ran.notBuilt = true
			default:
				ran.packageFailed = true
			}
		}
	}
}
