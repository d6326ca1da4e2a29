package acceptance_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/pace"
)

func TestNewClientEndpoints(t *testing.T) {
	for _, c := range []struct {
		region  string
		options []ecsreboot.Option
		want    string
	}{
		{"cn-beijing", nil, "https://ecs.cn-beijing.aliyuncs.com"},
		{"cn-hangzhou", nil, "https://ecs-cn-hangzhou.aliyuncs.com"},
		{"cn-hangzhou", []ecsreboot.Option{ecsreboot.WithVPCEndpoint()}, "https://ecs-vpc.cn-hangzhou.aliyuncs.com"},
		{"cn-hangzhou", []ecsreboot.Option{ecsreboot.WithEndpoint("https://ecs.example.com/")}, "https://ecs.example.com"},
		{"cn-hangzhou", []ecsreboot.Option{ecsreboot.WithEndpoint("https://a.example.com"), ecsreboot.WithEndpoint("http://[::1]:1")}, "http://[::1]:1"},
	} {
		client, err := ecsreboot.NewClient(c.region, c.options...)
		require.NoError(t, err)
		assert.Equal(t, c.want, client.Endpoint())
		assert.Equal(t, "ecsreboot.Client("+c.want+")", fmt.Sprint(client))
		assert.Equal(t, "ecsreboot.Client("+c.want+")", fmt.Sprintf("%#v", client))
	}
}

// Bad input is refused at once, and the error names the option and its problem.
func TestNewClientRefuses(t *testing.T) {
	var nilTransport *http.Transport
	var nilCredential *fakeCredential
	for _, c := range []struct {
		region  string
		option  ecsreboot.Option
		problem string
	}{
		{"", ecsreboot.WithVPCEndpoint(), "region is empty"},
		{"Cn-Hangzhou", ecsreboot.WithVPCEndpoint(), `region "Cn-Hangzhou" holds 'C'`},
		{"cn-hangzhou", ecsreboot.WithCredential(nilCredential), "WithCredential is a nil *acceptance_test.fakeCredential"},
		{"cn-hangzhou", ecsreboot.WithEndpoint("http://ecs.aliyuncs.com"), "WithEndpoint must be https"},
		{"cn-hangzhou", ecsreboot.WithHTTPClient(&http.Client{Transport: nilTransport}), "WithHTTPClient has a Transport that is a nil *http.Transport"},
		{"cn-hangzhou", ecsreboot.WithTransportWrapper(func(http.RoundTripper) http.RoundTripper { return nil }), "WithTransportWrapper returned nil"},
		{"cn-hangzhou", ecsreboot.WithSignatureVersion(7), "WithSignatureVersion 7 is not a version"},
		{"cn-hangzhou", ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{BaseDelay: time.Minute}), "WithRetryPolicy has a BaseDelay of 1m0s above its MaxDelay of 20s"},
		{"cn-hangzhou", ecsreboot.WithAttemptTimeout(-1), "WithAttemptTimeout is -1ns; it must be positive"},
		{"cn-hangzhou", ecsreboot.WithUserAgent("a\r\nX-Evil: 1"), "WithUserAgent holds a character outside printable ASCII"},
	} {
		client, err := ecsreboot.NewClient(c.region, c.option)
		assert.Nil(t, client)
		require.ErrorIs(t, err, ecsreboot.ErrInvalidInput, c.problem)
		assert.ErrorContains(t, err, "ecsreboot: "+c.problem)
		_, ok := errors.AsType[*ecsreboot.InputError](err)
		assert.True(t, ok)
	}

	_, err := ecsreboot.NewClient("cn-hangzhou", ecsreboot.WithVPCEndpoint(), ecsreboot.WithEndpoint("https://ecs.example.com"))
	require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
	assert.ErrorContains(t, err, "contradicts")

	_, err = ecsreboot.NewClient("", ecsreboot.WithAttemptTimeout(-1), ecsreboot.WithUserAgent("\x00"))
	for _, problem := range []string{"region is empty", "WithAttemptTimeout is -1ns", "WithUserAgent holds"} {
		assert.ErrorContains(t, err, problem, "all at once")
	}
}

// A value that a program does not have selects the default, also after one that it has.
func TestEmptyOptionsAreDefaults(t *testing.T) {
	wraps, observed := 0, 0
	pacer := new(pace.Adaptive)
	var log bytes.Buffer
	client, err := ecsreboot.NewClient("cn-hangzhou",
		nil, ecsreboot.WithOptions(nil, nil),
		ecsreboot.WithEndpoint("https://ecs.example.com"), ecsreboot.WithEndpoint(""), ecsreboot.WithVPCEndpoint(),
		ecsreboot.WithCredential(&fakeCredential{}), ecsreboot.WithCredential(nil),
		ecsreboot.WithHTTPClient(&http.Client{Timeout: 1}), ecsreboot.WithHTTPClient(nil),
		ecsreboot.WithTransportWrapper(nil),
		ecsreboot.WithTransportWrapper(func(http.RoundTripper) http.RoundTripper {
			wraps++
			return roundTripFunc(func(req *http.Request) (*http.Response, error) {
				assert.Regexp(t, `^ecsreboot/\S+ go/\S+ send/[A-Z2-7]{26}$`, req.Header.Get("User-Agent"))
				assert.Equal(t, "LTAIdefaultchain", regexp.MustCompile(`Credential=([^,]+)`).FindStringSubmatch(req.Header.Get("Authorization"))[1])
				return nil, errRefused
			})
		}),
		ecsreboot.WithSignatureVersion(0), ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{}),
		ecsreboot.WithRateHint(pace.RebootInstance, 7), ecsreboot.WithRateHint(pace.RebootInstance, 0),
		ecsreboot.WithPacer(pace.RebootInstance, pacer), ecsreboot.WithPacer(pace.RebootInstance, nil),
		ecsreboot.WithAttemptTimeout(1), ecsreboot.WithAttemptTimeout(0),
		ecsreboot.WithCallObserver(nil),
		ecsreboot.WithCallObserver(func(ctx context.Context, _ ecsreboot.Call) (context.Context, func(ecsreboot.CallResult)) {
			observed++
			return ctx, nil
		}),
		ecsreboot.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))), ecsreboot.WithLogger(nil),
		ecsreboot.WithUserAgent("myapp/1"), ecsreboot.WithUserAgent(""),
	)
	require.NoError(t, err)
	assert.Equal(t, "https://ecs-vpc.cn-hangzhou.aliyuncs.com", client.Endpoint())
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "LTAIdefaultchain")
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret")
	_, err = client.RebootInstance(t.Context(), request)
	require.ErrorIs(t, err, errRefused)
	assert.Equal(t, 1, observed)
	assert.Positive(t, wraps)
	assert.Empty(t, log.String())
	assert.Zero(t, pacer.State())
	assert.Zero(t, client.Pace(pace.RebootInstance).RatePerMinute)
}

// A nil context is refused before anything is sent.
func TestNilContext(t *testing.T) {
	server := newService(t, ecstest.Options{})
	client := newClient(t, server)
	baseline, err := client.TakeBaseline(t.Context(), id)
	require.NoError(t, err)
	lost := &ecsreboot.OperationError{InstanceID: id, Outcome: ecsreboot.OutcomeUnknown, SentAt: time.Now(), Err: &ecsreboot.WaitError{Before: baseline}}
	server.ForgetCalls()
	var ctx context.Context
	for name, c := range map[string]struct {
		call    func() error
		outcome ecsreboot.Outcome
	}{
		"RebootInstance": {func() error {
			_, err := client.RebootInstance(ctx, request)
			return err
		}, ecsreboot.OutcomeNotSent},
		"Check": {func() error {
			_, err := client.Check(ctx, request)
			return err
		}, ecsreboot.OutcomeNone},
		"RebootAndWait": {func() error {
			_, err := client.RebootAndWait(ctx, request, ecsreboot.WaitOptions{})
			return err
		}, ecsreboot.OutcomeNotSent},
		"TakeBaseline": {func() error {
			_, err := client.TakeBaseline(ctx, id)
			return err
		}, ecsreboot.OutcomeNone},
		"WaitUntilRestarted": {func() error {
			_, err := client.WaitUntilRestarted(ctx, baseline, ecsreboot.WaitOptions{})
			return err
		}, ecsreboot.OutcomeNone},
		"Resolve": {func() error {
			_, err := client.Resolve(ctx, lost, ecsreboot.WaitOptions{})
			return err
		}, ecsreboot.OutcomeUnknown},
		"DescribeInstances": {func() error {
			for _, err := range client.DescribeInstances(ctx, ecsreboot.DescribeInstancesRequest{}) {
				return err
			}
			return nil
		}, ecsreboot.OutcomeNone},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.call()
			refused, ok := errors.AsType[*ecsreboot.InputError](err)
			require.True(t, ok, "%v", err)
			assert.Equal(t, ecsreboot.InputError{Field: "ctx", Problem: "is nil"}, *refused)
			failed, ok := errors.AsType[*ecsreboot.OperationError](err)
			require.True(t, ok)
			assert.Equal(t, name, failed.Operation)
			assert.Equal(t, c.outcome, failed.Outcome)
			assert.Empty(t, server.Calls())
		})
	}
}

// Half a static key is found out when the client is made, and not filled from
// the environment by the caller's mistake.
func TestHalfAKeyIsRefused(t *testing.T) {
	_, err := ecsreboot.NewClient("cn-hangzhou", ecsreboot.WithCredential(&credentials.BearerTokenCredential{}))
	require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
	assert.ErrorContains(t, err, "WithCredential")
}

// The proofs that making a client does nothing yet.
func TestNewClientTouchesNothing(t *testing.T) {
	credential := &fakeCredential{failures: []error{errors.New("was asked")}}
	_, err := ecsreboot.NewClient("cn-hangzhou", ecsreboot.WithCredential(credential))
	require.NoError(t, err)
	assert.Len(t, credential.failures, 1)
}

func TestUserAgent(t *testing.T) {
	server := newService(t, ecstest.Options{})
	_, err := newClient(t, server, ecsreboot.WithUserAgent("myapp/1.2 (nightly)")).RebootInstance(t.Context(), request)
	require.NoError(t, err)
	assert.Regexp(t, `^ecsreboot/`+ecsreboot.Version+` go/\S+ myapp/1\.2 \(nightly\) send/[A-Z2-7]{26}$`, server.Calls()[0].Header.Get("User-Agent"))
}

// Sending again is logged, one record each, under stable keys.
func TestLogger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newService(t, ecstest.Options{})
		server.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: 5 * time.Second})
		var log bytes.Buffer
		client := newClient(t, server, ecsreboot.WithLogger(slog.New(slog.NewJSONHandler(&log, nil))))
		_, err := client.RebootInstance(t.Context(), request)
		require.NoError(t, err)
		_, err = client.RebootInstance(t.Context(), request)
		require.Error(t, err, "which is the caller's to log")
		var record struct {
			Level      string        `json:"level"`
			Msg        string        `json:"msg"`
			Operation  string        `json:"operation"`
			InstanceID string        `json:"instance_id"`
			Attempts   int           `json:"attempts"`
			Wait       time.Duration `json:"wait"`
			Error      struct {
				Outcome string `json:"outcome"`
				Answer  struct {
					Code      string `json:"code"`
					Status    int    `json:"status_code"`
					RequestID string `json:"request_id"`
				} `json:"answer"`
			} `json:"error"`
		}
		require.NoError(t, json.Unmarshal(log.Bytes(), &record), "one record: %s", log.String())
		assert.Equal(t, "WARN", record.Level)
		assert.Equal(t, "ecsreboot: sending again", record.Msg)
		assert.Equal(t, "RebootInstance", record.Operation)
		assert.Equal(t, id, record.InstanceID)
		assert.Equal(t, 1, record.Attempts)
		assert.Equal(t, 5*time.Second, record.Wait)
		assert.Equal(t, "rejected", record.Error.Outcome)
		assert.Equal(t, "Throttling.User", record.Error.Answer.Code)
		assert.Equal(t, 400, record.Error.Answer.Status)
		assert.Equal(t, server.Calls()[0].RequestID, record.Error.Answer.RequestID)
	})
}

// The clock, once corrected, stays so.
func TestClockStaysCorrected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newService(t, ecstest.Options{})
		server.SetClockOffset(40 * time.Minute)
		client := newClient(t, server)
		for range 3 {
			_, err := client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: true})
			require.NoError(t, err)
			time.Sleep(time.Hour)
		}
		assert.Len(t, server.Calls(), 4)
	})
}

// Sixty-four callers, a limit of twenty a minute: all get through, in four
// windows, with single probes and few rejections.
func TestGateSharesTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newService(t, ecstest.Options{LimitPerMinute: 20})
		client := newClient(t, server, ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{MaxAttempts: 10, MaxThrottleWait: time.Hour}))
		time.Sleep(10 * time.Second) // somewhere inside a window
		start := time.Now()
		var group sync.WaitGroup
		var failed atomic.Int64
		for i := range 64 {
			name := fmt.Sprintf("i-%d", i)
			require.NoError(t, server.AddInstance(ecstest.Instance{ID: name}))
			group.Go(func() {
				if _, err := client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: name}); err != nil {
					failed.Add(1)
				}
			})
		}
		group.Wait()
		assert.Zero(t, failed.Load())
		assert.Equal(t, 64, server.TotalReboots())
		took := time.Since(start)
		assert.GreaterOrEqual(t, took, 3*time.Minute-10*time.Second)
		assert.Less(t, took, 4*time.Minute-10*time.Second)
	})
}

// While the gate is closed nothing is sent at all, until one probe.
func TestClosedGateSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newService(t, ecstest.Options{})
		server.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: 30 * time.Second, Times: 2})
		client := newClient(t, server)
		start := time.Now()
		var group sync.WaitGroup
		dryRun := ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: true}
		group.Go(func() {
			_, err := client.RebootInstance(t.Context(), dryRun)
			assert.NoError(t, err)
		})
		synctest.Wait()
		for range 9 {
			group.Go(func() {
				_, err := client.RebootInstance(t.Context(), dryRun)
				assert.NoError(t, err)
			})
		}
		group.Wait()
		var at []time.Duration
		for _, call := range server.Calls() {
			at = append(at, call.Time.Sub(start))
		}
		require.Len(t, at, 12)
		assert.Equal(t, []time.Duration{0, 30 * time.Second, 60 * time.Second}, at[:3], "the first, and two probes")
		assert.Less(t, at[11], 65*time.Second, "then the others, not all at once")
		assert.Greater(t, at[5], 60*time.Second)
	})
}

// A call that the gate held back was not sent, and says why.
func TestHeldBackByTheGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newService(t, ecstest.Options{})
		server.Inject(ecstest.Fault{Kind: ecstest.FaultThrottle, Hint: time.Hour})
		client := newClient(t, server)
		_, err := client.RebootInstance(t.Context(), request)
		require.ErrorIs(t, err, ecsreboot.ErrThrottled)
		require.ErrorIs(t, err, ecsreboot.ErrRejected)
		assert.ErrorContains(t, err, "beyond MaxThrottleWait")
		apiErr, ok := errors.AsType[*ecsreboot.APIError](err)
		require.True(t, ok)
		assert.Equal(t, time.Hour, apiErr.RetryAfter)

		_, err = client.RebootInstance(t.Context(), request)
		require.ErrorIs(t, err, ecsreboot.ErrThrottled)
		require.ErrorIs(t, err, ecsreboot.ErrNotSent)
		_, ok = errors.AsType[*ecsreboot.APIError](err)
		assert.False(t, ok, "the answer was another call's")
		assert.Len(t, server.Calls(), 1)

		time.Sleep(time.Hour)
		_, err = client.RebootInstance(t.Context(), request)
		require.NoError(t, err)
	})
}
