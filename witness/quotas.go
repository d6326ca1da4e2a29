package witness

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/pace"
	"github.com/ecsreboot/ecsreboot/witness/internal/call"
)

var listQuotas = call.Operation{Service: call.Quotas, Action: "ListProductQuotas", RAM: "quotas:ListProductQuotas"}

const (
	quotaPageSize = 100
	maxQuotaPages = 20
	// hintShare is the part of a quota that the hints use. The rest is for other programs.
	hintShare = 0.75
)

// Rates are the rate limits of an account in a region, in calls a minute.
type Rates map[pace.Operation]float64

// Options returns an [ecsreboot.WithRateHint] for each rate, with three quarters of the
// rate.
func (r Rates) Options() []ecsreboot.Option {
	var options []ecsreboot.Option
	for _, operation := range slices.Sorted(maps.Keys(r)) {
		options = append(options, ecsreboot.WithRateHint(operation, r[operation]*hintShare))
	}
	return options
}

// Quotas reads the rate limits of the account for RebootInstance and DescribeInstances
// from Quota Center. It needs the permission quotas:ListProductQuotas.
//
// If Quota Center lists several limits of an operation for the region, the result has the
// lowest one. If it lists no readable limit, the result does not have the operation.
func Quotas(ctx context.Context, region string, options Options) (Rates, error) {
	caller, err := options.caller()
	if err != nil {
		return nil, err
	}
	rates := Rates{}
	for _, operation := range []pace.Operation{pace.RebootInstance, pace.DescribeInstances} {
		quotas, err := listProductQuotas(ctx, caller, region, string(operation))
		if err != nil {
			return nil, err
		}
		for _, raw := range quotas {
			rate := rateOf(raw, region, string(operation))
			if known, ok := rates[operation]; rate > 0 && (!ok || rate < known) {
				rates[operation] = rate
			}
		}
	}
	return rates, nil
}

func listProductQuotas(ctx context.Context, caller *call.Caller, region, keyword string) ([]json.RawMessage, error) {
	parameters := map[string]string{
		"ProductCode": "ecs", "QuotaCategory": "FlowControl", "KeyWord": keyword, "MaxResults": strconv.Itoa(quotaPageSize),
	}
	var all []json.RawMessage
	for range maxQuotaPages {
		var page struct {
			Quotas    []json.RawMessage
			NextToken string
		}
		if _, err := caller.Do(ctx, listQuotas, region, parameters, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Quotas...)
		if page.NextToken == "" {
			return all, nil
		}
		parameters["NextToken"] = page.NextToken
	}
	return nil, fmt.Errorf("%s: there are more than %d quotas", listQuotas.Action, maxQuotaPages*quotaPageSize)
}

// rateOf returns the calls a minute that a quota allows, or 0 if the quota is not a rate
// limit of the operation in the region.
func rateOf(raw json.RawMessage, region, operation string) float64 {
	var q struct {
		ProductCode     string  `json:"ProductCode"`
		QuotaCategory   string  `json:"QuotaCategory"`
		QuotaActionCode string  `json:"QuotaActionCode"`
		QuotaName       string  `json:"QuotaName"`
		TotalQuota      float64 `json:"TotalQuota"`
		Period          struct {
			PeriodValue float64 `json:"PeriodValue"`
			PeriodUnit  string  `json:"PeriodUnit"`
		} `json:"Period"`
		Dimensions map[string]string `json:"Dimensions"`
	}
	if decode(raw, &q) != nil || q.QuotaCategory != "FlowControl" || !strings.EqualFold(q.ProductCode, "ecs") {
		return 0
	}
	if in := q.Dimensions["regionId"]; in != "" && in != region || !namesOperation(q.QuotaActionCode, operation) && !namesOperation(q.QuotaName, operation) {
		return 0
	}
	unit := map[string]time.Duration{
		"second": time.Second, "minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour, "week": 7 * 24 * time.Hour,
	}[strings.ToLower(q.Period.PeriodUnit)]
	rate := q.TotalQuota / (q.Period.PeriodValue * unit.Minutes())
	if !(rate > 0) || math.IsInf(rate, 0) {
		return 0
	}
	return rate
}

// namesOperation reports whether the operation is one of the words of a text.
func namesOperation(text, operation string) bool {
	return slices.Contains(strings.FieldsFunc(text, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9')
	}), operation)
}
