package ecstest

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func (c *caller) quotas(t *testing.T, params ...string) rateQuotasPayload {
	t.Helper()
	time.Sleep(time.Second) // of the bubble: the limit is 15 calls a second
	r := c.must(t, actionQuotas, append([]string{"ProductCode", "ecs", "QuotaCategory", "FlowControl"}, params...)...)
	require.Equal(t, http.StatusOK, r.status, r.body)
	var body rateQuotasPayload
	require.NoError(t, json.Unmarshal([]byte(r.body), &body))
	return body
}

func TestListProductQuotas(t *testing.T) {
	for _, v1 := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			allow := true
			s := inMemory(t, Options{LimitPerMinute: 250, LimitBurst: 1000, Allow: func(string, string) bool { return allow }})
			c := newCaller(s)
			c.v1, c.form = v1, true // as the vendor's SDKs send it
			all := c.quotas(t)
			require.Len(t, all.Quotas, len(s.ecsActions))
			require.Equal(t, []any{len(all.Quotas), 30, ""}, []any{all.TotalCount, all.MaxResults, all.NextToken})
			one := c.quotas(t, "QuotaActionCode", actionReboot)
			require.Equal(t, 1, one.TotalCount)
			require.Equal(t, rateQuotaView{
				ProductCode: "ecs", QuotaCategory: "FlowControl", QuotaActionCode: actionReboot, QuotaName: actionReboot, QuotaDescription: "calls of RebootInstance",
				QuotaArn: "acs:quotas:cn-hangzhou:1234567890123456:quota/ecs/RebootInstance", QuotaType: "normal", QuotaUnit: "count", TotalQuota: 250,
				Period: periodView{1, "minute"}, Dimensions: namedTexts{"regionId": "cn-hangzhou"}, Adjustable: true, ApplicableType: "continuous",
			}, one.Quotas[0])
			require.Equal(t, 2, c.quotas(t, "KeyWord", "RebootInstance").TotalCount)
			require.Zero(t, c.quotas(t, "ProductCode", "vpc").TotalCount)
			require.Zero(t, c.quotas(t, "Dimensions.1.Key", "regionId", "Dimensions.1.Value", "cn-beijing").TotalCount)
			require.Zero(t, c.quotas(t, "Dimensions.1.Key", "zoneId", "Dimensions.1.Value", "x").TotalCount)
			require.Equal(t, len(all.Quotas), c.quotas(t, "Dimensions.1.Key", "regionId", "Dimensions.1.Value", "cn-hangzhou").TotalCount)
			var paged []rateQuotaView
			for token := ""; ; {
				p := c.quotas(t, "MaxResults", "4", "NextToken", token)
				require.Equal(t, len(all.Quotas), p.TotalCount)
				require.LessOrEqual(t, len(p.Quotas), 4)
				paged = slices.Concat(paged, p.Quotas)
				if token = p.NextToken; token == "" {
					break
				}
			}
			require.Equal(t, all.Quotas, paged)
			for _, bad := range [][]string{
				{"MissingParameter", "ProductCode", ""},
				{"INVALID.MAX.RESULTS", "MaxResults", "101"},
				{"INVALID.MAX.RESULTS", "MaxResults", "0"},
				{"InvalidParameter", "NextToken", "?"},
				{"InvalidParameter", "QuotaCategory", "Flow"},
				{"InvalidParameter", "Dimensions.1.Key", "regionId"},
				{"NotImplementedByEcstest", "QuotaCategory", ""},
				{"NotImplementedByEcstest", "QuotaCategory", "CommonQuota"},
				{"NotImplementedByEcstest", "SortOrder", "Ascending"},
			} {
				r := c.must(t, actionQuotas, append([]string{"ProductCode", "ecs", "QuotaCategory", "FlowControl"}, bad[1:]...)...)
				require.Equal(t, []any{400, bad[0]}, []any{r.status, r.code()}, bad)
			}
			allow = false
			r := c.must(t, actionQuotas, "ProductCode", "ecs", "QuotaCategory", "FlowControl")
			require.Equal(t, []any{403, "NoPermission"}, []any{r.status, r.code()})
			require.Contains(t, r.body, `"AuthAction":"quotas:ListProductQuotas"`)
		})
	}
	synctest.Test(t, func(t *testing.T) { // 15 calls a second, and no quota without a limit
		s := inMemory(t, Options{})
		c := newCaller(s)
		require.Empty(t, c.quotas(t).Quotas)
		for range 14 {
			require.True(t, s.TakeLimit(actionQuotas))
		}
		require.False(t, s.TakeLimit(actionQuotas))
		require.Equal(t, "Throttling.User", c.must(t, actionQuotas).code())
		s.Inject(Fault{Kind: FaultError, Action: actionQuotas, Code: "ServiceUnavailable"})
		time.Sleep(time.Second)
		require.Equal(t, "ServiceUnavailable", c.must(t, actionQuotas).code())
	})
}
