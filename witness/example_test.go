package witness_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/witness"
)

// restart is the program of the README.
func restart(ctx context.Context, client *ecsreboot.Client, request ecsreboot.RebootInstanceRequest) error {
	options := witness.Options{Credential: client.Credential()}
	trail, err := witness.NewActionTrail(options) // one for all clients of the account
	if err != nil {
		return err
	}
	changes, err := witness.NewStateChanges(options)
	if err != nil {
		return err
	}
	beats, err := witness.NewHeartbeats(options)
	if err != nil {
		return err
	}
	result, err := client.RebootAndWait(ctx, request, ecsreboot.WaitOptions{
		Witness: witness.All(trail, changes),
		Probe:   beats.Probe("cn-hangzhou", request.InstanceID),
	})
	if err == nil {
		fmt.Println(result.Proof)
	}
	return err
}

// The records of the cloud resolve the outcome of a restart whose response is lost, and the
// wait ends when the guest is up. The example does not run as a test, because it needs an
// account.
func Example() { //nolint:testableexamples // it needs an account
	client, err := ecsreboot.NewClient("cn-hangzhou")
	if err != nil {
		log.Fatal(err)
	}
	request := ecsreboot.RebootInstanceRequest{InstanceID: "i-bp67acfmxazb4ph0001"}
	if err := restart(context.Background(), client, request); err != nil {
		log.Fatal(err)
	}
	request.InstanceID = "i-bp67acfmxazb4ph0002"
	if err := wait(context.Background(), client, request); err != nil { // without a probe of the guest
		log.Fatal(err)
	}
}

// wait is the program of docs/wait.md.
func wait(ctx context.Context, client *ecsreboot.Client, request ecsreboot.RebootInstanceRequest) error {
	trail, err := witness.NewActionTrail(witness.Options{Credential: client.Credential()})
	if err != nil {
		return err
	}
	result, err := client.RebootAndWait(ctx, request, ecsreboot.WaitOptions{Witness: trail})
	if err == nil {
		fmt.Println(result.Proof)
	}
	return err
}

// The programs of the README and of docs/wait.md are those above.
func TestDocs(t *testing.T) {
	read := func(path string) string {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		lines := strings.Split(string(text), "\n")
		for n := range lines {
			lines[n] = strings.Join(strings.Fields(lines[n]), " ")
		}
		return strings.Join(lines, "\n")
	}
	compiled := read("example_test.go")
	programs := 0
	for _, page := range []string{"README.md", "../docs/wait.md"} {
		for _, program := range strings.Split(read(page), "```go\n")[1:] {
			if program, _, _ = strings.Cut(program, "```"); strings.Contains(program, "witness.New") {
				programs++
				require.Contains(t, compiled, program, page)
			}
		}
	}
	require.Equal(t, 2, programs)
}

// The report of a run has the console output of each instance that did not come back.
func ExampleConsoleIn() { //nolint:testableexamples // it needs an account
	client, err := ecsreboot.NewClient("cn-hangzhou")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	plan, err := fleet.NewPlan(ctx, client, fleet.Selection{Names: []string{"web-*"}})
	if err != nil {
		log.Fatal(err)
	}
	console, err := witness.ConsoleIn(client.Region(), witness.Options{Credential: client.Credential()})
	if err != nil {
		log.Fatal(err)
	}
	report, err := fleet.Run(ctx, client, plan, fleet.Options{Console: console})
	if err != nil {
		log.Print(err)
	}
	if report == nil {
		return
	}
	for _, record := range report.NotRestarted() {
		fmt.Printf("%s\n%s\n", record, record.Console)
	}
}
