// Promises runs the tests that testdata/promises.txt names, and fails unless each
// of them ran and passed.
//
// Usage:
//
//	go run ./internal/promises
//	go test -json ./... | go run ./internal/promises -
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ecsreboot/ecsreboot/internal/testindex"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string, stdin io.Reader, stdout io.Writer) error {
	piped := len(args) == 1 && args[0] == "-"
	if len(args) > 0 && !piped {
		return fmt.Errorf("unknown argument %q", args[len(args)-1])
	}
	root, module, err := testindex.Root(".")
	if err != nil {
		return err
	}
	promises, err := testindex.ReadPromises(filepath.Join(root, "testdata", "promises.txt"))
	if err != nil {
		return err
	}
	var ran results
	if piped {
		ran, err = readResults(stdin, stdout)
	} else {
		ran, err = runTests(root, module, promises)
	}
	if err != nil {
		return err
	}
	if err := ran.check(promises); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%d promises are held\n", len(promises))
	return err
}

// runTests runs the listed tests in the packages that hold them.
func runTests(root, module string, promises []testindex.Promise) (results, error) {
	tests, err := testindex.Tests(root, module)
	if err != nil {
		return nil, err
	}
	var names, packages []string
	for _, p := range promises {
		names = append(names, p.Test)
		packages = append(packages, testindex.PackagesOf(tests, p.Test)...)
	}
	slices.Sort(names)
	slices.Sort(packages)
	pattern := "^(" + strings.Join(slices.Compact(names), "|") + ")$"
	args := append([]string{"test", "-json", "-run", pattern}, slices.Compact(packages)...)
	command := exec.Command("go", args...) //nolint:gosec,noctx // the names are identifiers and import paths of this module; its tests have a time limit
	command.Dir, command.Stderr = root, os.Stderr
	out, err := command.Output()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		return nil, err
	}
	return readResults(bytes.NewReader(out), io.Discard) // which tell what failed
}

// results are the last actions of tests, by their full names.
type results map[string][]string

// readResults reads the output of go test -json. It writes to out what go test without
// -json would print: a line for each package, and the output of the tests that fail.
func readResults(r io.Reader, out io.Writer) (results, error) {
	found := results{}
	output := map[[2]string]string{} // of the tests that have not ended
	for events := json.NewDecoder(r); ; {
		var event struct {
			Action  string `json:"Action"`
			Package string `json:"Package"`
			Test    string `json:"Test"`
			Output  string `json:"Output"`
		}
		switch err := events.Decode(&event); {
		case errors.Is(err, io.EOF):
			return found, nil
		case err != nil:
			return nil, fmt.Errorf("not the output of go test -json: %w", err)
		}
		text, test := "", [2]string{event.Package, event.Test}
		switch event.Action {
		case "build-output":
			text = event.Output
		case "output":
			if event.Test != "" {
				output[test] += event.Output
			} else if event.Output != "PASS\n" {
				text = event.Output
			}
		case "pass", "fail", "skip":
			if event.Test != "" {
				found[event.Test] = append(found[event.Test], event.Action)
			}
			if event.Action == "fail" {
				text = output[test]
			}
			delete(output, test)
		}
		if _, err := io.WriteString(out, text); err != nil {
			return nil, err
		}
	}
}

// of returns the actions of a test. Where its name is only the beginning of others,
// as one of several that differ in how a row is tried, it returns theirs.
func (r results) of(name string) []string {
	if actions := r[name]; actions != nil {
		return actions
	}
	var actions []string
	for other, theirs := range r {
		if strings.HasPrefix(other, name+"/") {
			actions = append(actions, theirs...)
		}
	}
	return actions
}

// check names each promise whose test did not pass.
func (r results) check(promises []testindex.Promise) error {
	var problems []error
	for _, p := range promises {
		name := p.FullName()
		var why string
		switch actions := r.of(name); {
		case len(actions) == 0:
			why = "did not run"
		case slices.Contains(actions, "fail"):
			why = "failed"
		case slices.Contains(actions, "skip"):
			why = "was skipped"
		default:
			continue
		}
		problems = append(problems, fmt.Errorf("line %d: %s %s: %s", p.Line, name, why, p.Sentence))
	}
	return errors.Join(problems...)
}
