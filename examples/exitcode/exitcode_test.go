package exitcode_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/examples/exitcode"
)

const id = "i-bp67acfmxazb4ph0001"

// newClient returns a client of a server with one instance, both in memory.
func newClient(t *testing.T, instance ecstest.Instance, faults ...ecstest.Fault) (*ecsreboot.Client, *ecstest.Server) {
	t.Helper()
	server, err := ecstest.NewInMemoryServer(ecstest.Options{})
	require.NoError(t, err)
	t.Cleanup(server.Close)
	instance.ID = id
	require.NoError(t, server.AddInstance(instance))
	server.Inject(faults...)
	client, err := server.NewClient()
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	return client, server
}

func reboot(ctx context.Context, client *ecsreboot.Client, request ecsreboot.RebootInstanceRequest) error {
	request.InstanceID = id
	_, err := client.RebootInstance(ctx, request)
	return err
}

// What a client really returns, each met once.
func TestOfErrorsOfAClient(t *testing.T) {
	type request = ecsreboot.RebootInstanceRequest
	tests := map[string]struct {
		instance ecstest.Instance
		fault    ecstest.Fault
		request  request
		reboots  int
		want     int
	}{
		"accepted":        {reboots: 1, want: exitcode.Done},
		"dry run passed":  {request: request{DryRun: true}, want: exitcode.Done},
		"wrong status":    {instance: ecstest.Instance{Status: ecstest.Stopped}, want: exitcode.Failed},
		"locked":          {instance: ecstest.Instance{Locks: []string{"security"}}, want: exitcode.Failed},
		"denied":          {fault: ecstest.Fault{Kind: ecstest.FaultError, Code: "Forbidden.RAM"}, want: exitcode.Failed},
		"unauthenticated": {fault: ecstest.Fault{Kind: ecstest.FaultError, Code: "SignatureDoesNotMatch"}, want: exitcode.Failed},
		"answer lost":     {fault: ecstest.Fault{Kind: ecstest.FaultDrop, Act: true}, reboots: 1, want: exitcode.Unknown},
		"internal error":  {fault: ecstest.Fault{Kind: ecstest.FaultError}, want: exitcode.Unknown},
		"throttled":       {fault: ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: time.Hour}, want: exitcode.Throttled},
		"dry run without an answer": {
			fault: ecstest.Fault{Kind: ecstest.FaultFIN, Times: -1}, request: request{DryRun: true}, want: exitcode.Failed,
		},
		"dry run ignored": {
			fault:   ecstest.Fault{Kind: ecstest.FaultAnswer, Status: http.StatusOK, Body: `{"RequestId":"473469C7"}`},
			request: request{DryRun: true}, want: exitcode.Unknown,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var faults []ecstest.Fault
				if test.fault.Kind != "" {
					faults = append(faults, test.fault)
				}
				client, server := newClient(t, test.instance, faults...)
				err := reboot(t.Context(), client, test.request)
				require.Equal(t, test.want, exitcode.Of(err), "%v", err)
				require.Equal(t, test.reboots, server.Reboots(id))
			})
		})
	}
}

func TestOfAContextThatEnds(t *testing.T) {
	request := ecsreboot.RebootInstanceRequest{}
	t.Run("before the call", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, _ := newClient(t, ecstest.Instance{})
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			require.Equal(t, exitcode.Interrupted, exitcode.Of(reboot(ctx, client, request)))
		})
	})
	t.Run("after the request left", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, server := newClient(t, ecstest.Instance{}, ecstest.Fault{Kind: ecstest.FaultHang, Act: true})
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			err := reboot(ctx, client, request)
			require.ErrorIs(t, err, context.Canceled)
			require.Equal(t, exitcode.Unknown, exitcode.Of(err))
			require.Equal(t, 1, server.Reboots(id))
		})
	})
	t.Run("while throttled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, _ := newClient(t, ecstest.Instance{}, ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: time.Minute})
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			err := reboot(ctx, client, request)
			require.ErrorIs(t, err, ecsreboot.ErrThrottled)
			require.Equal(t, exitcode.Interrupted, exitcode.Of(err))
		})
	})
	t.Run("deadline while throttled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, _ := newClient(t, ecstest.Instance{}, ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: time.Minute})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			require.Equal(t, exitcode.Throttled, exitcode.Of(reboot(ctx, client, request)))
		})
	})
}

func TestOfBadInput(t *testing.T) {
	_, err := ecsreboot.NewClient("CN-Hangzhou", ecsreboot.WithEndpoint("http://example.com"))
	require.Equal(t, exitcode.Usage, exitcode.Of(err))

	synctest.Test(t, func(t *testing.T) {
		client, _ := newClient(t, ecstest.Instance{})
		_, err := client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: "two words"})
		require.Equal(t, exitcode.Usage, exitcode.Of(err))
	})
}

// Errors made up of parts, for the precedence among them.
func TestOfPrecedence(t *testing.T) {
	failed := func(outcome ecsreboot.Outcome, causes ...error) error {
		return fmt.Errorf("wrapped: %w", &ecsreboot.OperationError{Outcome: outcome, Err: errors.Join(causes...)})
	}
	tests := map[string]struct {
		err  error
		want int
	}{
		"nothing":                       {nil, exitcode.Done},
		"something else":                {errors.New("disk full"), exitcode.Failed},
		"unknown and interrupted":       {failed(ecsreboot.OutcomeUnknown, context.Canceled), exitcode.Unknown},
		"unknown and throttled":         {failed(ecsreboot.OutcomeUnknown, ecsreboot.ErrThrottled), exitcode.Unknown},
		"accepted and denied":           {failed(ecsreboot.OutcomeAccepted, ecsreboot.ErrAccessDenied), exitcode.Unknown},
		"accepted and interrupted":      {failed(ecsreboot.OutcomeAccepted, context.Canceled), exitcode.Unknown},
		"ignored dry run, alone":        {ecsreboot.ErrDryRunIgnored, exitcode.Unknown},
		"interrupted and throttled":     {failed(ecsreboot.OutcomeRejected, ecsreboot.ErrThrottled, context.Canceled), exitcode.Interrupted},
		"interrupted, no credentials":   {failed(ecsreboot.OutcomeNotSent, ecsreboot.ErrCredentials, context.Canceled), exitcode.Interrupted},
		"throttled and out of time":     {failed(ecsreboot.OutcomeRejected, ecsreboot.ErrThrottled, context.DeadlineExceeded), exitcode.Throttled},
		"no credentials":                {failed(ecsreboot.OutcomeNotSent, ecsreboot.ErrCredentials), exitcode.NoCredentials},
		"no credentials, out of time":   {failed(ecsreboot.OutcomeNotSent, ecsreboot.ErrCredentials, context.DeadlineExceeded), exitcode.NoCredentials},
		"out of time before it is sent": {failed(ecsreboot.OutcomeNotSent, context.DeadlineExceeded), exitcode.Failed},
		"input":                         {failed(ecsreboot.OutcomeNotSent, &ecsreboot.InputError{Field: "InstanceID"}), exitcode.Usage},
		"a code":                        {failed(ecsreboot.OutcomeRejected, ecsreboot.ErrDiskError), exitcode.Failed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { require.Equal(t, test.want, exitcode.Of(test.err)) })
	}
}
