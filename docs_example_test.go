package ecsreboot_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// The programs that docs/ prints: TestDocsPrograms finds each there again, line by
// line. Here they run.

var errNotRunning = errors.New("not running")

func docsRestart(ctx context.Context, credential credentials.Credential) error {
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

func docsWait(ctx context.Context, client *ecsreboot.Client) error {
	result, err := client.RebootAndWait(ctx, request, ecsreboot.WaitOptions{Timeout: 5 * time.Minute})
	if err != nil {
		return err
	}
	log.Printf("restarted, proven by its %s", result.Proof)
	return nil
}

func docsList(ctx context.Context, client *ecsreboot.Client, ids ...string) error {
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

func TestDocsProgramsRun(t *testing.T) {
	err := docsRestart(t.Context(), &fakeCredential{failures: []error{errors.New("no keys here")}})
	require.ErrorIs(t, err, ecsreboot.ErrCredentials)

	synctest.Test(t, func(t *testing.T) {
		server := newService(t, ecstest.Options{})
		client := newClient(t, server)
		require.NoError(t, docsWait(t.Context(), client))
		assert.Equal(t, 1, server.Reboots(id))
		require.NoError(t, docsList(t.Context(), client, id))
		require.ErrorContains(t, docsList(t.Context(), client, id, "i-2"), "no instance i-2")
	})
}
