package ecsreboot_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// goEnvironment is the environment before TestMain changes it: the go command finds
// its caches by it.
var goEnvironment = os.Environ()

// programInABubble is a test that runs a page's program against a fake service in a
// bubble, so the waits take no real time. The arguments after the test's flags are the
// program's. The service prints each restart, because the program may exit.
const programInABubble = `package main

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"testing/synctest"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

var options []ecsreboot.Option

func TestProgram(t *testing.T) {
	os.Args = append(os.Args[:1], flag.Args()...)
	synctest.Test(t, func(t *testing.T) {
		server, err := ecstest.NewInMemoryServer(ecstest.Options{OnCall: func(call ecstest.ReceivedCall) {
			for _, id := range call.Restarted {
				fmt.Println("restarted", id)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		for _, instance := range []ecstest.Instance{
			{ID: "i-bp67acfmxazb4ph0001"},
			{ID: "i-1", Tags: map[string]string{"role": "web"}},
			{ID: "i-2", Tags: map[string]string{"role": "web"}},
			{ID: "i-3", Tags: map[string]string{"role": "web"}},
		} {
			if err := server.AddInstance(instance); err != nil {
				t.Fatal(err)
			}
		}
		options = []ecsreboot.Option{ecsreboot.WithEndpoint(server.URL), ecsreboot.WithHTTPClient(server.HTTPClient())}
		main()
	})
}
`

// wholeProgram builds the one program that a page prints, with programInABubble, and
// returns a function that runs it. Its client gets the options of programInABubble; nothing
// else is changed. Each run has a new service: only files remain.
func wholeProgram(t *testing.T, page string) (run func(arguments ...string) (output string, err error)) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and runs a program")
	}
	var text string
	for _, found := range programBlock.FindAllStringSubmatch(readText(t, page), -1) {
		if strings.HasPrefix(found[3], "package main\n") {
			require.Empty(t, text, "%s: a second program", page)
			text = found[3]
		}
	}
	const newClient = `ecsreboot.NewClient("cn-hangzhou"`
	require.Contains(t, text, newClient, page)
	text = strings.ReplaceAll(text, newClient, newClient+", options...")
	dir := t.TempDir()
	source, bubble, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "main_test.go"), filepath.Join(dir, "program.exe")
	require.NoError(t, os.WriteFile(source, []byte(text), 0o600))
	require.NoError(t, os.WriteFile(bubble, []byte(programInABubble), 0o600))
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-ldflags=-s -w", "-o", program, source, bubble)
	build.Env = goEnvironment
	output, err := build.CombinedOutput()
	require.NoError(t, err, "%s: %s", page, output)
	return func(arguments ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		command := exec.CommandContext(ctx, program, append([]string{"-test.timeout=50s", "--"}, arguments...)...)
		command.Dir = dir
		command.Env = append(os.Environ(), "ALIBABA_CLOUD_ACCESS_KEY_ID=testid", "ALIBABA_CLOUD_ACCESS_KEY_SECRET=testsecret",
			"ALIBABA_CLOUD_ECS_METADATA_DISABLED=true")
		output, err := command.CombinedOutput()
		return string(output), err
	}
}

// restarted returns the ids of the instances that the service restarted, in order of
// their ids, from the output of a program.
func restarted(output string) (ids []string) {
	for line := range strings.Lines(output) {
		if id, found := strings.CutPrefix(line, "restarted i-"); found {
			ids = append(ids, "i-"+strings.TrimSpace(id))
		}
	}
	slices.Sort(ids)
	return ids
}

func TestDocsWholeProgramOfREADME(t *testing.T) {
	t.Parallel()
	run := wholeProgram(t, "README.md")
	output, err := run()
	require.NoError(t, err, output)
	assert.Contains(t, output, "restarted, proven by its status")
	assert.Equal(t, []string{id}, restarted(output))
}

// TestDocsWholeProgramOfFleet runs the fleet program as a newcomer does: again with
// the same journal after its end, and then with a new one.
func TestDocsWholeProgramOfFleet(t *testing.T) {
	t.Parallel()
	web := []string{"i-1", "i-2", "i-3"}
	run := wholeProgram(t, "docs/fleet.md")

	output, err := run()
	require.Error(t, err)
	assert.Contains(t, output, "usage")

	output, err = run("first.journal")
	require.NoError(t, err, output)
	assert.Equal(t, web, restarted(output))

	output, err = run("first.journal")
	require.Error(t, err, "it restarted nothing, and must not report success")
	assert.Contains(t, output, "give a new run a new journal")
	assert.Empty(t, restarted(output))

	output, err = run("second.journal")
	require.NoError(t, err, output)
	assert.Equal(t, web, restarted(output))
}
