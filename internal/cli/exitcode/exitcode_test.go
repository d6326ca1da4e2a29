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
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
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
		"wrong status":    {instance: ecstest.Instance{Status: ecsreboot.StatusStopped}, want: exitcode.Failed},
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
		"not proven":                    {failed(ecsreboot.OutcomeNone, ecsreboot.ErrNotProven, context.DeadlineExceeded), exitcode.Unknown},
		"a command line":                {fmt.Errorf("prog: %w", &exitcode.UsageError{Problem: "no id"}), exitcode.Usage},
		"a code":                        {failed(ecsreboot.OutcomeRejected, ecsreboot.ErrDiskError), exitcode.Failed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { require.Equal(t, test.want, exitcode.Of(test.err)) })
	}
}

// What a wait really returns.
func TestOfWaits(t *testing.T) {
	const noTrace = -1
	tests := map[string]struct {
		instance ecstest.Instance
		fault    ecstest.Fault
		stop     time.Duration
		want     int
	}{
		"proven":                   {want: exitcode.Done},
		"refused early":            {instance: ecstest.Instance{Status: ecsreboot.StatusStopped}, want: exitcode.Failed},
		"accepted, no trace":       {instance: ecstest.Instance{Reboot: ecstest.RebootProfile{Graceful: noTrace, KeepStartTime: true}}, want: exitcode.Unknown},
		"lost, no trace":           {fault: ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance"}, want: exitcode.Unknown},
		"interrupted, accepted":    {stop: 5 * time.Second, want: exitcode.Unknown},
		"interrupted, not sent":    {fault: ecstest.Fault{Kind: ecstest.FaultHang, Action: "DescribeInstances"}, stop: time.Second, want: exitcode.Interrupted},
		"interrupted under way":    {fault: ecstest.Fault{Kind: ecstest.FaultHang, Action: "RebootInstance"}, stop: time.Second, want: exitcode.Unknown},
		"throttled before sending": {fault: ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: time.Hour}, want: exitcode.Throttled},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var faults []ecstest.Fault
				if test.fault.Kind != "" {
					faults = append(faults, test.fault)
				}
				client, _ := newClient(t, test.instance, faults...)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if test.stop > 0 {
					time.AfterFunc(test.stop, cancel)
				}
				_, err := client.RebootAndWait(ctx, ecsreboot.RebootInstanceRequest{InstanceID: id}, ecsreboot.WaitOptions{})
				require.Equal(t, test.want, exitcode.Of(err), "%v", err)
			})
		})
	}
}

func TestWorst(t *testing.T) {
	require.Equal(t, exitcode.Done, exitcode.Worst())
	require.Equal(t, exitcode.Done, exitcode.Worst(exitcode.Done, exitcode.Done))
	order := []int{
		exitcode.Unknown, exitcode.Interrupted, exitcode.Throttled, exitcode.NoCredentials, exitcode.Usage, exitcode.Failed, exitcode.Done,
	}
	for i, worst := range order {
		for _, other := range order[i:] {
			require.Equal(t, worst, exitcode.Worst(other, worst))
			require.Equal(t, worst, exitcode.Worst(worst, other))
		}
	}
	require.Equal(t, exitcode.Failed, exitcode.Worst(exitcode.Failed, exitcode.Halted))
}
