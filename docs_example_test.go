package ecsreboot_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/report"
)

// The pieces of programs that README.md and docs/ print: TestDocsPrograms finds each
// there again, line by line. Here they run.

var errNotRunning = errors.New("not running")

func docsMigrateRestart(ctx context.Context, credential credentials.Credential) error {
	client, err := ecsreboot.NewClient("cn-hangzhou", ecsreboot.WithCredential(credential)) // without the option: the default chain
	if err != nil {
		return err
	}
	request := ecsreboot.RebootInstanceRequest{InstanceID: "i-bp67acfmxazb4ph0001", ForceStop: true}
	_, err = client.RebootInstance(ctx, request)
	if errors.Is(err, ecsreboot.ErrIncorrectInstanceStatus) {
		return errNotRunning
	}
	return err // errors.Is(err, ecsreboot.ErrOutcomeUnknown): it may have restarted
}

func docsMigrateWait(ctx context.Context, client *ecsreboot.Client) error {
	result, err := client.RebootAndWait(ctx, request, ecsreboot.WaitOptions{Timeout: 10 * time.Minute})
	if err != nil {
		return err
	}
	log.Printf("restarted, proven by its %s", result.Proof)
	return nil
}

func docsMigrateList(ctx context.Context, client *ecsreboot.Client, ids ...string) error {
	for instance, err := range client.DescribeInstances(ctx, ecsreboot.DescribeInstancesRequest{InstanceIDs: ids}) {
		if err != nil {
			return err
		}
		if !instance.Listed() {
			return fmt.Errorf("no instance %s", instance.ID)
		}
	}
	return nil
}

func docsCredential(keyID, secret string) (*ecsreboot.Client, error) {
	config := new(credentials.Config).SetType("access_key").SetAccessKeyId(keyID).SetAccessKeySecret(secret)
	// temporary key:            SetType("sts"), and SetSecurityToken(token)
	// RAM role of the instance: SetType("ecs_ram_role").SetRoleName(name)
	// RAM role to assume:       SetType("ram_role_arn").SetRoleArn(arn).SetRoleSessionName(name), and a key
	// bearer token:             SetType("bearer").SetBearerToken(token)
	credential, err := credentials.NewCredential(config)
	if err != nil {
		return nil, err
	}
	return ecsreboot.NewClient("cn-hangzhou", ecsreboot.WithCredential(credential))
}

func docsReboot(ctx context.Context, client *ecsreboot.Client) error {
	response, err := client.RebootInstance(ctx, request)
	if err != nil {
		return err // errors.Is(err, ecsreboot.ErrOutcomeUnknown): the instance may be restarting
	}
	log.Printf("accepted, request ID %s", response.RequestID)
	return nil
}

func docsCheck(ctx context.Context, client *ecsreboot.Client) error {
	result, err := client.Check(ctx, request)
	if err != nil {
		return err
	}
	log.Printf("a restart of %s would be accepted, it is %s", result.Instance.ID, result.Instance.Status)
	return nil
}

func docsList(ctx context.Context, client *ecsreboot.Client, ids ...string) error {
	for instance, err := range client.DescribeInstances(ctx, ecsreboot.DescribeInstancesRequest{InstanceIDs: ids}) {
		if err != nil {
			return err // ends the list
		}
		log.Println(instance.ID, instance.Status) // the service lists no instance with an empty Status
	}
	return nil
}

func docsWait(ctx context.Context, client *ecsreboot.Client) error {
	result, err := client.RebootAndWait(ctx, request, ecsreboot.WaitOptions{Timeout: 10 * time.Minute})
	if err != nil {
		return err
	}
	log.Printf("%s restarted, proven by its %s after %v", result.InstanceID, result.Proof, result.Elapsed)
	return nil
}

func docsProbe(ctx context.Context, client *ecsreboot.Client, bootID func(context.Context) (string, error), before string) (*ecsreboot.RestartResult, error) {
	return client.RebootAndWait(ctx, request, ecsreboot.WaitOptions{
		Probe: func(ctx context.Context, _ ecsreboot.Observation) (ecsreboot.ProbeResult, error) {
			now, err := bootID(ctx)
			if err != nil || now == before {
				return ecsreboot.ProbePending, err
			}
			return ecsreboot.ProbeRestarted, nil
		},
	})
}

func docsResolve(ctx context.Context, client *ecsreboot.Client) (result *ecsreboot.RestartResult, err error) {
	if _, err = client.RebootInstance(ctx, request); errors.Is(err, ecsreboot.ErrOutcomeUnknown) {
		result, err = client.Resolve(ctx, err, ecsreboot.WaitOptions{})
	}
	return result, err
}

func docsWaitOn(ctx context.Context, client *ecsreboot.Client, err error) (result *ecsreboot.RestartResult, _ error) {
	if waited, ok := errors.AsType[*ecsreboot.WaitError](err); ok && errors.Is(err, ecsreboot.ErrAccepted) {
		result, err = client.WaitUntilRestarted(ctx, waited.Before, ecsreboot.WaitOptions{})
	}
	return result, err
}

func docsBaseline(ctx context.Context, client *ecsreboot.Client, restart func()) error {
	baseline, err := client.TakeBaseline(ctx, id)
	if err != nil {
		return err
	}
	restart() // by the console, another tool, or a maintenance event
	result, err := client.WaitUntilRestarted(ctx, baseline, ecsreboot.WaitOptions{})
	if err != nil {
		return err
	}
	log.Print(result.Proof)
	return nil
}

func docsErrors(ctx context.Context, client *ecsreboot.Client) {
	_, err := client.RebootInstance(ctx, request)
	failed, _ := errors.AsType[*ecsreboot.OperationError](err)
	switch {
	case err == nil: // accepted
	case errors.Is(err, ecsreboot.ErrOutcomeUnknown):
		// It may be restarting. Do not resend the restart: call client.Resolve.
		log.Printf("unknown: %s, sent at %v: %v", failed.InstanceID, failed.SentAt, err)
	case errors.Is(err, ecsreboot.ErrThrottled):
		// It did not happen. Call again later.
	default:
		log.Print(err)
	}
}

func docsFleet(ctx context.Context, client *ecsreboot.Client, journal string) error {
	plan, err := fleet.NewPlan(ctx, client, fleet.Selection{Tags: fleet.HasTags(map[string]string{"role": "web"}), GroupBy: fleet.ByZone})
	if err != nil {
		return err
	}
	options := fleet.Options{Journal: journal}           // a new path for each run: "web-2026-11-28.journal"
	report, err := fleet.Run(ctx, client, plan, options) // refuses a journal that exists; fleet.Resume continues it
	if err != nil {
		return err
	}
	return report.Err() // nil if every instance restarted; report.NotRestarted() lists the others
}

func docsMaintenance(ctx context.Context, client *ecsreboot.Client) (fleet.Plan, error) {
	plan, err := fleet.NewPlan(ctx, client, fleet.Selection{
		Maintenance: &fleet.Maintenance{Before: time.Now().Add(7 * 24 * time.Hour)},
		Tags:        fleet.HasTags(map[string]string{"role": "web"}),
	})
	return plan, err
}

func docsMark(journal, id string) error {
	report, err := fleet.MarkInstances(journal, fleet.Marking{InstanceID: id, Mark: fleet.MarkGone, Note: "released by the spot market"})
	if err != nil {
		return err
	}
	return report.Err()
}

func docsReport(file io.Writer, journal string) error {
	history, err := fleet.Load(journal)
	if err != nil {
		return err
	}
	return report.HTML(file, history, report.Options{})
}

func TestLostResponse(t *testing.T) {
	server, err := ecstest.NewServer(ecstest.Options{})
	require.NoError(t, err)
	defer server.Close()
	require.NoError(t, server.AddInstance(ecstest.Instance{ID: "i-1"}))
	server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Act: true}) // it restarts, and the response is lost

	client, err := server.NewClient()
	require.NoError(t, err)
	_, err = client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: "i-1"})
	require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
	require.Equal(t, 1, server.Reboots("i-1"))
}

func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, err := ecstest.NewInMemoryServer(ecstest.Options{})
		require.NoError(t, err)
		defer server.Close()
		require.NoError(t, server.AddInstance(ecstest.Instance{ID: "i-1"}))
		client, err := server.NewClient()
		require.NoError(t, err)
		defer client.CloseIdleConnections()

		result, err := client.RebootAndWait(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: "i-1"}, ecsreboot.WaitOptions{})
		require.NoError(t, err)
		require.Equal(t, ecsreboot.ProofStatus, result.Proof)
	})
}

// inBubble runs a test in a bubble, with a service that has one running instance of
// role web.
func inBubble(t *testing.T, test func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server := newService(t, ecstest.Options{})
		require.NoError(t, server.SetTags(id, map[string]string{"role": "web"}))
		test(t, server, newClient(t, server))
	})
}

func TestDocsProgramsRun(t *testing.T) {
	err := docsMigrateRestart(t.Context(), &fakeCredential{failures: []error{errors.New("no keys here")}})
	require.ErrorIs(t, err, ecsreboot.ErrCredentials)
	_, err = docsCredential("testid", "testsecret")
	require.NoError(t, err)

	inBubble(t, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		require.NoError(t, docsCheck(t.Context(), client))
		require.NoError(t, docsList(t.Context(), client, id))
		require.NoError(t, docsMigrateList(t.Context(), client, id))
		require.ErrorContains(t, docsMigrateList(t.Context(), client, id, "i-2"), "no instance i-2")
		assert.Zero(t, server.Reboots(id))
		require.NoError(t, docsWait(t.Context(), client))
		require.NoError(t, docsMigrateWait(t.Context(), client))
		assert.Equal(t, 2, server.Reboots(id))
		require.NoError(t, docsReboot(t.Context(), client))
		docsErrors(t.Context(), client) // it is Starting
		assert.Equal(t, 3, server.Reboots(id))
	})
}

func TestDocsProbeRuns(t *testing.T) {
	inBubble(t, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		bootID := func(context.Context) (string, error) { return fmt.Sprint("boot ", server.Reboots(id)), nil }
		result, err := docsProbe(t.Context(), client, bootID, "boot 0")
		require.NoError(t, err)
		assert.Equal(t, ecsreboot.ProofProbe, result.Proof)
	})
}

func TestDocsResolveRuns(t *testing.T) {
	inBubble(t, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Act: true, Action: "RebootInstance"})
		result, err := docsResolve(t.Context(), client)
		require.NoError(t, err)
		assert.Equal(t, ecsreboot.ProofStatus, result.Proof)
		assert.Equal(t, 1, server.Reboots(id))
	})
}

func TestDocsWaitsThatGoOnRun(t *testing.T) {
	inBubble(t, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		_, err := client.RebootAndWait(t.Context(), request, ecsreboot.WaitOptions{Timeout: 5 * time.Second})
		require.ErrorIs(t, err, ecsreboot.ErrAccepted)
		result, err := docsWaitOn(t.Context(), client, err)
		require.NoError(t, err)
		assert.Equal(t, ecsreboot.ProofStatus, result.Proof)
		require.NoError(t, docsBaseline(t.Context(), client, func() { assert.NoError(t, server.Restart(id, false)) }))
		assert.Equal(t, 2, server.Reboots(id))
	})
}

// A run that is started again with the journal of one that is over is refused, and
// one with a journal of its own restarts everything.
func TestDocsFleetRuns(t *testing.T) {
	dir := t.TempDir()
	inBubble(t, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		journal := filepath.Join(dir, "web-2026-11-28.journal")
		require.NoError(t, docsFleet(t.Context(), client, journal))
		assert.Equal(t, 1, server.Reboots(id))
		require.ErrorIs(t, docsFleet(t.Context(), client, journal), fs.ErrExist)
		assert.Equal(t, 1, server.Reboots(id))
		require.NoError(t, docsFleet(t.Context(), client, filepath.Join(dir, "web-2026-11-29.journal")))
		assert.Equal(t, 2, server.Reboots(id))

		var page bytes.Buffer
		require.NoError(t, docsReport(&page, journal))
		assert.True(t, strings.Contains(page.String(), "the instance has restarted, with proof"))

		assert.ErrorContains(t, docsMark(journal, "i-2"), "i-2") // it is not in the plan
	})
}

func TestDocsMaintenanceRuns(t *testing.T) {
	inBubble(t, func(t *testing.T, server *ecstest.Server, client *ecsreboot.Client) {
		_, err := docsMaintenance(t.Context(), client)
		require.ErrorContains(t, err, "finds no instance with a scheduled event")
		tags := map[string]string{"role": "web"}
		require.NoError(t, server.AddInstance(ecstest.Instance{ID: "i-due", Tags: tags, Events: []ecstest.ScheduledEvent{{}}}))
		plan, err := docsMaintenance(t.Context(), client)
		require.NoError(t, err)
		require.Len(t, plan.Targets, 1)
		assert.Equal(t, time.Now().Add(24*time.Hour).UTC(), plan.Targets[0].Deadline())
	})
}
