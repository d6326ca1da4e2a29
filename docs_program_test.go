package ecsreboot_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/ecstest"
)

// goEnvironment is the environment before TestMain changes it: the go command finds
// its caches by it.
var goEnvironment = os.Environ()

// wholeProgram builds the one program that a page prints and returns a function that
// runs it against a fake service. Each change is "before\x00after", made in the text
// first: the page shows the real service and waits as long as a real run does.
func wholeProgram(t *testing.T, page string, server *ecstest.Server, changes ...string) (run func(arguments ...string) (output string, err error)) {
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
	changes = append(changes, `NewClient("cn-hangzhou")`+"\x00"+fmt.Sprintf(`NewClient("cn-hangzhou", ecsreboot.WithEndpoint(%q))`, server.URL))
	for _, change := range changes {
		before, after, _ := strings.Cut(change, "\x00")
		require.Contains(t, text, before, page)
		text = strings.ReplaceAll(text, before, after)
	}
	dir := t.TempDir()
	source, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "program.exe")
	require.NoError(t, os.WriteFile(source, []byte(text), 0o600))
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", program, source)
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

// programService starts a service with n running instances of role web, i-1 to i-n,
// which restart in no time worth waiting for.
func programService(t *testing.T, n int) *ecstest.Server {
	t.Helper()
	server, err := ecstest.NewServer(ecstest.Options{})
	require.NoError(t, err)
	t.Cleanup(server.Close)
	for i := range n {
		require.NoError(t, server.AddInstance(ecstest.Instance{
			ID: fmt.Sprintf("i-%d", i+1), Tags: map[string]string{"role": "web"},
			Reboot: ecstest.RebootProfile{Graceful: 1500 * time.Millisecond},
		}))
	}
	return server
}

func TestDocsWholeProgramOfREADME(t *testing.T) {
	t.Parallel()
	server := programService(t, 0)
	require.NoError(t, server.AddInstance(ecstest.Instance{ID: id, Reboot: ecstest.RebootProfile{Graceful: 1500 * time.Millisecond}}))
	run := wholeProgram(t, "README.md", server)
	output, err := run()
	require.NoError(t, err, output)
	assert.Contains(t, output, "restarted, proven by its status")
	assert.Equal(t, 1, server.Reboots(id))
}

// TestDocsWholeProgramOfFleet runs the fleet program as a newcomer does: again with
// the same journal after its end, and then with a new one.
func TestDocsWholeProgramOfFleet(t *testing.T) {
	t.Parallel()
	const instances = 3
	server := programService(t, instances)
	run := wholeProgram(t, "docs/fleet.md", server, "fleet.Options{\x00fleet.Options{Settings: fleet.Settings{MinReady: -1, Rules: fleet.Rules{Canary: []int{}, MaxUnavailable: fleet.Count(3), AllowWide: true}}, ")

	output, err := run()
	require.Error(t, err)
	assert.Contains(t, output, "usage")

	output, err = run("first.journal")
	require.NoError(t, err, output)
	assert.Equal(t, instances, server.TotalReboots())

	output, err = run("first.journal")
	require.Error(t, err, "it restarted nothing, and must not report success")
	assert.Contains(t, output, "give a new run a new journal")
	assert.Equal(t, instances, server.TotalReboots())

	output, err = run("second.journal")
	require.NoError(t, err, output)
	assert.Equal(t, 2*instances, server.TotalReboots())
}
