package witness_test

import (
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/pace"
	"github.com/ecsreboot/ecsreboot/witness"
)

// A client that knows the quotas is never throttled.
func TestQuotas(t *testing.T) {
	bubble(t, ecstest.Options{LimitPerMinute: 60, LimitBurst: 10}, func(t *testing.T, s *stage) {
		rates, err := witness.Quotas(t.Context(), region, s.options(t))
		require.NoError(t, err)
		require.Equal(t, witness.Rates{pace.RebootInstance: 60, pace.DescribeInstances: 60}, rates)
		client, err := s.NewClient(append(rates.Options(), ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{MaxThrottleWait: time.Hour}))...)
		require.NoError(t, err)
		begin := time.Now()
		for range 100 {
			_, err := client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: true})
			require.NoError(t, err)
		}
		require.Greater(t, time.Since(begin), 2*time.Minute, "three quarters of the quota")
		for _, call := range s.Calls() {
			require.NotEqual(t, "Throttling.User", call.Code)
		}
	})
	bubble(t, ecstest.Options{Allow: func(action, _ string) bool { return action != "ListProductQuotas" }}, func(t *testing.T, s *stage) {
		_, err := witness.Quotas(t.Context(), region, s.options(t))
		require.ErrorIs(t, err, ecsreboot.ErrAccessDenied)
		require.ErrorContains(t, err, "quotas:ListProductQuotas")
	})
}

func TestQuotasReads(t *testing.T) {
	quota := object{
		"ProductCode": "ecs", "QuotaCategory": "FlowControl", "QuotaActionCode": "RebootInstance", "TotalQuota": 500,
		"Period": object{"PeriodValue": 1, "PeriodUnit": "minute"}, "Dimensions": object{"regionId": region},
	}
	for name, c := range map[string]struct {
		quotas []any
		want   float64
	}{
		"a minute":     {quotas: []any{quota}, want: 500},
		"ten seconds":  {quotas: []any{quota.with(object{"Period": object{"PeriodValue": 10, "PeriodUnit": "second"}})}, want: 3000},
		"a day":        {quotas: []any{quota.with(object{"Period": object{"PeriodValue": 1, "PeriodUnit": "Day"}})}, want: 500.0 / 1440},
		"the lowest":   {quotas: []any{quota, quota.with(object{"TotalQuota": 100.5}), quota.with(object{"TotalQuota": 200})}, want: 100.5},
		"by name":      {quotas: []any{quota.with(object{"QuotaActionCode": "q_1", "QuotaName": "ecs.RebootInstance (user)"})}, want: 500},
		"global":       {quotas: []any{quota.with(object{"Dimensions": nil})}, want: 500},
		"other region": {quotas: []any{quota.with(object{"Dimensions": object{"regionId": "cn-beijing"}})}},
		"plural":       {quotas: []any{quota.with(object{"QuotaActionCode": "RebootInstances"})}},
		"category":     {quotas: []any{quota.with(object{"QuotaCategory": "CommonQuota"})}},
		"product":      {quotas: []any{quota.with(object{"ProductCode": "ecs-spec"})}},
		"no period":    {quotas: []any{quota.with(object{"Period": nil})}},
		"odd unit":     {quotas: []any{quota.with(object{"Period": object{"PeriodValue": 1, "PeriodUnit": "fortnight"}})}},
		"negative":     {quotas: []any{quota.with(object{"TotalQuota": -1})}},
		"types":        {quotas: []any{nil, 7, quota.with(object{"TotalQuota": "many"}), []int{1}}},
	} {
		t.Run(name, func(t *testing.T) {
			rates, err := witness.Quotas(t.Context(), region, of(t, func(r *http.Request) (int, string) {
				body, err := io.ReadAll(r.Body)
				assert.NoError(t, err)
				form, err := url.ParseQuery(string(body))
				assert.NoError(t, err)
				assert.Equal(t, "FlowControl", form.Get("QuotaCategory"))
				if form.Get("KeyWord") != "RebootInstance" {
					return 200, `{"Quotas":[]}`
				}
				return 200, encode(t, object{"Quotas": c.quotas})
			}))
			require.NoError(t, err)
			if c.want == 0 {
				require.Empty(t, rates)
				require.Empty(t, rates.Options())
				return
			}
			require.InDelta(t, c.want, rates[pace.RebootInstance], 1e-9)
			require.Len(t, rates, 1)
		})
	}
	_, err := witness.Quotas(t.Context(), region, of(t, func(*http.Request) (int, string) { return 200, `{"Quotas":[],"NextToken":"x"}` }))
	require.ErrorContains(t, err, "more than 2000 quotas")
}
