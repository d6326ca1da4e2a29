package ecsreboot_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// goEnvironment is the environment before TestMain changes it: the go command finds
// its caches by it.
var goEnvironment = os.Environ()

// programInABubble runs the program beside it with the arguments that the test binary
// leaves, against a fake service, in a bubble: the program's waits take no real time.
// It prints which restarts are sent, because the program may end the process.
const programInABubble = `package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
	"testing/synctest"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

var newClient func(region string) (*ecsreboot.Client, error)

func TestProgram(t *testing.T) {
	os.Args = append(os.Args[:1], flag.Args()...)
	synctest.Test(t, func(t *testing.T) {
		server, err := ecstest.NewInMemoryServer(ecstest.Options{})
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
		show := func(ctx context.Context, call ecsreboot.Call) (context.Context, func(ecsreboot.CallResult)) {
			if call.Operation == "RebootInstance" && !call.DryRun {
				fmt.Println("sends a restart of", call.InstanceID)
			}
			return ctx, nil
		}
		newClient = func(region string) (*ecsreboot.Client, error) {
			return ecsreboot.NewClient(region, ecsreboot.WithEndpoint(server.URL),
				ecsreboot.WithHTTPClient(server.HTTPClient()), ecsreboot.WithCallObserver(show))
		}
		main()
	})
}
`

// wholeProgram builds the one program that a page prints, with programInABubble, and
// returns a function that runs it. Only the call that makes its client is changed.
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
	require.Contains(t, text, "ecsreboot.NewClient(", page)
	text = strings.ReplaceAll(text, "ecsreboot.NewClient(", "newClient(")
	text = strings.Replace(text, "func main() {", "var _ ecsreboot.Client // the package may be imported for no more than its client\n\nfunc main() {", 1)
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
		command := exec.CommandContext(ctx, program, arguments...)
		command.Dir = dir
		command.Env = append(os.Environ(), "ALIBABA_CLOUD_ACCESS_KEY_ID=testid", "ALIBABA_CLOUD_ACCESS_KEY_SECRET=testsecret",
			"ALIBABA_CLOUD_ECS_METADATA_DISABLED=true")
		output, err := command.CombinedOutput()
		return string(output), err
	}
}

// sent is how many restarts a program has sent, by its output.
func sent(output string) int { return strings.Count(output, "sends a restart of") }

func TestDocsWholeProgramOfREADME(t *testing.T) {
	t.Parallel()
	run := wholeProgram(t, "README.md")
	output, err := run()
	require.NoError(t, err, output)
	assert.Contains(t, output, "restarted, proven by its status")
	assert.Equal(t, 1, sent(output))
}

// TestDocsWholeProgramOfFleet runs the fleet program as a newcomer does: again with
// the same journal after its end, and then with a new one.
func TestDocsWholeProgramOfFleet(t *testing.T) {
	t.Parallel()
	const instances = 3
	run := wholeProgram(t, "docs/fleet.md")

	output, err := run()
	require.Error(t, err)
	assert.Contains(t, output, "usage")

	output, err = run("first.journal")
	require.NoError(t, err, output)
	assert.Equal(t, instances, sent(output))

	output, err = run("first.journal")
	require.Error(t, err, "it restarted nothing, and must not report success")
	assert.Contains(t, output, "give a new run a new journal")
	assert.Zero(t, sent(output))

	output, err = run("second.journal")
	require.NoError(t, err, output)
	assert.Equal(t, instances, sent(output))
}
