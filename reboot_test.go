package ecsreboot_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

func TestRebootInstance(t *testing.T) {
	for name, c := range map[string]struct {
		server  ecstest.Options
		options []ecsreboot.Option
		version string
	}{
		"V3":        {version: "ACS3-HMAC-SHA256"},
		"V3 STS":    {version: "ACS3-HMAC-SHA256", server: ecstest.Options{AccessKeyID: "STS.NU1", AccessKeySecret: "a/b+c=", SecurityToken: "CAIS/+=~*"}},
		"V3 bearer": {version: "ACS3-HMAC-SHA256", server: ecstest.Options{BearerToken: "bearer/+=~"}},
		"V1":        {version: "1.0", options: []ecsreboot.Option{ecsreboot.WithSignatureVersion(ecsreboot.SignatureV1)}},
		"V1 STS": {
			version: "1.0", options: []ecsreboot.Option{ecsreboot.WithSignatureVersion(ecsreboot.SignatureV1)},
			server: ecstest.Options{AccessKeyID: "STS.NU1", AccessKeySecret: "a/b+c=", SecurityToken: "CAIS/+=~*"},
		},
		"V1 bearer": {
			version: "1.0", options: []ecsreboot.Option{ecsreboot.WithSignatureVersion(ecsreboot.SignatureV1)},
			server: ecstest.Options{BearerToken: "bearer/+=~"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := newService(t, c.server)
			client := newClient(t, server, c.options...)

			resp, err := client.RebootInstance(t.Context(), request)
			require.NoError(t, err)
			assert.False(t, resp.DryRun)
			assert.Equal(t, 1, server.Reboots(id))
			assert.Equal(t, ecsreboot.StatusStarting, server.Status(id))
			require.Len(t, server.Calls(), 1)
			call := server.Calls()[0]
			assert.Equal(t, call.RequestID, resp.RequestID)
			assert.Equal(t, http.MethodPost, call.Method)
			assert.Equal(t, "HTTP/1.1", call.Proto)
			assert.Equal(t, c.version, call.SignatureVersion)
			assert.False(t, call.ForceStop)
			assert.False(t, call.DryRun)
			assert.Equal(t, []string{"false"}, call.Query["ForceStop"])
			assert.Equal(t, []string{"false"}, call.Query["DryRun"])
			assert.Regexp(t, `^ecsreboot/`+ecsreboot.Version+` go/1\.\d+`, call.Header.Get("User-Agent"))
			assert.Empty(t, call.Header.Get("Idempotency-Key"))
		})
	}
}

func TestRebootInstanceForceStop(t *testing.T) {
	server := newService(t, ecstest.Options{})
	_, err := newClient(t, server).RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id, ForceStop: true})
	require.NoError(t, err)
	assert.True(t, server.Calls()[0].ForceStop)
}

// A dry run that passes is a success, though the service calls it an error.
func TestDryRun(t *testing.T) {
	server := newService(t, ecstest.Options{})
	client := newClient(t, server)
	dryRun := ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: true}
	resp, err := client.RebootInstance(t.Context(), dryRun)
	require.NoError(t, err)
	assert.True(t, resp.DryRun)
	assert.Equal(t, server.Calls()[0].RequestID, resp.RequestID)
	assert.Zero(t, server.Reboots(id))
	assert.Equal(t, ecsreboot.StatusRunning, server.Status(id))

	// One that fails has the code that the restart would have had.
	require.NoError(t, server.SetStatus(id, ecsreboot.StatusStopped))
	_, err = client.RebootInstance(t.Context(), dryRun)
	require.ErrorIs(t, err, ecsreboot.ErrIncorrectInstanceStatus)
	require.ErrorIs(t, err, ecsreboot.ErrRejected)
}

// A service that takes a dry run for a restart is reported as loudly as can be.
func TestDryRunIgnored(t *testing.T) {
	server := newService(t, ecstest.Options{})
	server.Inject(ecstest.Fault{Kind: ecstest.FaultAnswer, Status: http.StatusOK, Body: `{"RequestId":"473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E"}`})
	resp, err := newClient(t, server).RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: true})
	assert.Nil(t, resp)
	require.ErrorIs(t, err, ecsreboot.ErrDryRunIgnored)
	require.ErrorIs(t, err, ecsreboot.ErrAccepted)
	assert.Equal(t, ecsreboot.OutcomeAccepted, ecsreboot.OutcomeOf(err))
	assert.ErrorContains(t, err, "473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E")
	assert.Len(t, server.Calls(), 1)
}

func TestInvalidInstanceIDs(t *testing.T) {
	server := newService(t, ecstest.Options{})
	client := newClient(t, server)
	for given, problem := range map[string]string{
		"":                       "InstanceID is empty",
		" ":                      `holds white space (' ')`,
		id + "\n":                `holds white space ('\n')`,
		"i-\u00a0bp":             `holds white space ('\u00a0')`,
		"i-\x00bp":               `holds a control character ('\x00')`,
		"i-\x7fbp":               `holds a control character ('\x7f')`,
		"i-\u202ebp":             `holds a character that cannot be printed ('\u202e')`,
		"i-\xffbp":               "is not valid UTF-8",
		strings.Repeat("i", 129): "is 129 bytes long, the limit is 128",
	} {
		resp, err := client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: given})
		assert.Nil(t, resp)
		require.ErrorIs(t, err, ecsreboot.ErrInvalidInput, "%q", given)
		require.ErrorIs(t, err, ecsreboot.ErrNotSent)
		assert.ErrorContains(t, err, problem)
		input, ok := errors.AsType[*ecsreboot.InputError](err)
		require.True(t, ok)
		assert.Equal(t, "InstanceID", input.Field)
		failed, ok := errors.AsType[*ecsreboot.OperationError](err)
		require.True(t, ok)
		assert.Equal(t, "RebootInstance", failed.Operation)
		assert.Equal(t, given, failed.InstanceID)
		assert.Zero(t, failed.Attempts)
		assert.Zero(t, failed.SentAt)
		assert.NotContains(t, err.Error(), "\n")
		assert.Equal(t, 1, strings.Count(err.Error(), "ecsreboot:"))
	}
	assert.Empty(t, server.Calls())
	assert.Zero(t, server.Connections())
}

// What can be printed is sent, and encoded so that it arrives: the service decides.
func TestUnusualInstanceIDsArrive(t *testing.T) {
	for _, version := range []ecsreboot.SignatureVersion{ecsreboot.SignatureV3, ecsreboot.SignatureV1} {
		server := newService(t, ecstest.Options{})
		client := newClient(t, server, ecsreboot.WithSignatureVersion(version))
		for i, unusual := range []string{"*", "~", "+", "/", "%20", "i-中文", "a&b=c", `["i-1"]`, "'\"()!:@"} {
			_, err := client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: unusual})
			require.ErrorIs(t, err, ecsreboot.ErrInvalidInstanceIDNotFound, "%q", unusual)
			assert.Equal(t, unusual, server.Calls()[i].InstanceID)
		}
	}
}

// Every error that the operation documents arrives as its constant, with all that
// the answer said; none is sent again.
func TestDocumentedErrors(t *testing.T) {
	for _, code := range []ecsreboot.ErrorCode{
		ecsreboot.ErrIncorrectInstanceStatus, ecsreboot.ErrInstanceLockedForSecurity, ecsreboot.ErrDiskError, ecsreboot.ErrInstanceExpiredOrInArrears,
		ecsreboot.ErrInvalidParameterKMSKeyIDCMKUnauthorized, ecsreboot.ErrInvalidParameterKMSKeyIDCMKNotEnabled,
		ecsreboot.ErrInvalidParameterKMSKeyIDKMSUnauthorized, ecsreboot.ErrInvalidParameterKMSKeyIDNotFound, ecsreboot.ErrInvalidInstanceIDNotFound,
	} {
		server := newService(t, ecstest.Options{})
		server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Code: string(code), Times: -1})
		_, err := newClient(t, server).RebootInstance(t.Context(), request)
		require.ErrorIs(t, err, code)
		require.ErrorIs(t, err, ecsreboot.ErrRejected)
		assert.NotErrorIs(t, err, ecsreboot.ErrNotSent)
		assert.NotErrorIs(t, err, ecsreboot.ErrOutcomeUnknown)
		answer, ok := errors.AsType[*ecsreboot.APIError](err)
		require.True(t, ok)
		require.Len(t, server.Calls(), 1)
		call := server.Calls()[0]
		assert.Equal(t, code, answer.Code)
		assert.Equal(t, call.Status, answer.StatusCode)
		assert.Equal(t, call.RequestID, answer.RequestID)
		assert.NotEmpty(t, answer.Message)
		assert.Contains(t, answer.Recommend, string(code))
		assert.Equal(t, strings.Contains(string(code), "KMS"), errors.Is(err, ecsreboot.ErrKMSKey))
		assert.Zero(t, server.Reboots(id))
	}
}

// The states of a real instance, as the service answers them.
func TestInstanceStates(t *testing.T) {
	server := newService(t, ecstest.Options{})
	client := newClient(t, server)
	require.NoError(t, server.SetLocks(id, "security"))
	_, err := client.RebootInstance(t.Context(), request)
	require.ErrorIs(t, err, ecsreboot.ErrInstanceLockedForSecurity)
	require.NoError(t, server.SetLocks(id))

	_, err = client.RebootInstance(t.Context(), request)
	require.NoError(t, err)
	_, err = client.RebootInstance(t.Context(), request)
	require.ErrorIs(t, err, ecsreboot.ErrIncorrectInstanceStatus, "a restart is under way")
	assert.Equal(t, 1, server.Reboots(id))

	server.RemoveInstance(id)
	_, err = client.RebootInstance(t.Context(), request)
	require.ErrorIs(t, err, ecsreboot.ErrInvalidInstanceIDNotFound)
	failed, ok := errors.AsType[*ecsreboot.OperationError](err)
	require.True(t, ok)
	assert.Equal(t, 1, failed.Attempts)
	assert.WithinDuration(t, time.Now(), failed.SentAt, minute)
	assert.Regexp(t, `^ecsreboot: RebootInstance `+id+`: 404 InvalidInstanceId\.NotFound: The specified InstanceId does not exist\. \(request [0-9A-F-]{36}\)$`, err.Error())
}

// An error of access names the RAM action that is missing, whether the service
// does or not.
func TestAccessDenied(t *testing.T) {
	server := newService(t, ecstest.Options{Allow: func(string, string) bool { return false }})
	client := newClient(t, server)
	_, err := client.RebootInstance(t.Context(), request)
	require.ErrorIs(t, err, ecsreboot.ErrAccessDenied)
	require.ErrorIs(t, err, ecsreboot.ErrForbiddenRAM)
	require.ErrorIs(t, err, ecsreboot.ErrRejected)
	answer, _ := errors.AsType[*ecsreboot.APIError](err)
	assert.Equal(t, "ecs:RebootInstance", answer.AccessDenied.Action)
	assert.NotEmpty(t, answer.AccessDenied.PolicyType)
	assert.NotEmpty(t, answer.AccessDenied.NoPermissionType)

	server = newService(t, ecstest.Options{})
	server.Inject(ecstest.Fault{Kind: ecstest.FaultAnswer, Status: http.StatusForbidden, Body: `{"Code":"NoPermission","Message":"no","RequestId":"R"}`})
	_, err = newClient(t, server).RebootInstance(t.Context(), request)
	require.ErrorIs(t, err, ecsreboot.ErrAccessDenied)
	assert.ErrorContains(t, err, "(missing RAM action: ecs:RebootInstance)")
}

func TestContextDoneBeforehand(t *testing.T) {
	server := newService(t, ecstest.Options{})
	cause := errors.New("shutting down")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	_, err := newClient(t, server).RebootInstance(ctx, request)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, cause)
	require.ErrorIs(t, err, ecsreboot.ErrNotSent)
	assert.Zero(t, server.Connections())
}

// Keys, nonce and time are the attempt's own.
func TestEachAttemptIsSignedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newService(t, ecstest.Options{})
		server.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: 5 * time.Second, Times: 2})
		_, err := newClient(t, server).RebootInstance(t.Context(), request)
		require.NoError(t, err)
		calls := server.Calls()
		require.Len(t, calls, 3)
		seen := make(map[string]bool)
		for _, call := range calls {
			for _, header := range []string{"X-Acs-Date", "X-Acs-Signature-Nonce", "Authorization"} {
				value := call.Header.Get(header)
				assert.NotEmpty(t, value)
				assert.False(t, seen[value], "%s was sent twice", header)
				seen[value] = true
			}
		}
	})
}
