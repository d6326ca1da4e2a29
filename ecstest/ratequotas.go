package ecstest

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

const quotaOfRates = "FlowControl"

type periodView struct {
	PeriodValue int
	PeriodUnit  string
}

type rateQuotaView struct {
	ProductCode        string
	QuotaCategory      string
	QuotaActionCode    string
	QuotaName          string
	QuotaDescription   string
	QuotaArn           string
	QuotaType          string
	QuotaUnit          string
	TotalQuota         float64
	TotalUsage         float64
	Period             periodView
	Dimensions         namedTexts
	Adjustable         bool
	ApplicableType     string
	UnadjustableDetail string
	Consumable         bool
	GlobalQuota        bool
}

type rateQuotasPayload struct {
	RequestID  string `json:"RequestId" xml:"RequestId"`
	TotalCount int
	MaxResults int
	NextToken  string
	Quotas     []rateQuotaView
}

func (p *rateQuotasPayload) identify(requestID string) { p.RequestID = requestID }

// rateQuotas returns the rate limits of Options as quotas, sorted by name.
func (s *Server) rateQuotas() []rateQuotaView {
	var all []rateQuotaView
	if s.options.LimitPerMinute <= 0 {
		return nil
	}
	for _, action := range s.ecsActions {
		v := rateQuotaView{
			ProductCode: "ecs", QuotaCategory: quotaOfRates, QuotaActionCode: action, QuotaName: action, QuotaDescription: "calls of " + action,
			QuotaArn:  fmt.Sprintf("acs:quotas:%s:%s:quota/ecs/%s", s.options.Region, accountID, action),
			QuotaType: "normal", QuotaUnit: "count", TotalQuota: float64(s.options.LimitPerMinute), Dimensions: namedTexts{"regionId": s.options.Region},
			Adjustable: true, ApplicableType: "continuous", Period: periodView{1, "minute"},
		}
		all = append(all, v)
	}
	return all
}

var dimensionParameter = regexp.MustCompile(`\ADimensions\.([0-9]+)\.(Key|Value)\z`)

// dimensions reads the dimensions that a quota must have.
func (r *request) dimensions() (wanted namedTexts, refusal *answer) {
	wanted = namedTexts{}
	for name := range r.params {
		found := dimensionParameter.FindStringSubmatch(name)
		if found == nil {
			continue
		}
		list := "Dimensions." + found[1]
		key, value := r.params.Get(list+".Key"), r.params.Get(list+".Value")
		if key == "" || value == "" {
			return nil, invalidParameter("Dimensions.N")
		}
		wanted[key] = value
	}
	return wanted, nil
}

// listProductQuotas shows the rate limits of Options. The server has no other quotas.
func (s *Server) listProductQuotas(req *request, _ *ReceivedCall) *answer {
	get := req.params.Get
	if get("ProductCode") == "" {
		return missingParameter("ProductCode")
	}
	size, ok := req.number("MaxResults", 30, 100)
	if !ok {
		return documented("INVALID.MAX.RESULTS")
	}
	switch category := get("QuotaCategory"); category {
	case quotaOfRates:
	case "", "CommonQuota", "WhiteListLabel":
		return req.notImplemented("the quotas CommonQuota and WhiteListLabel")
	default:
		return invalidParameter("QuotaCategory")
	}
	wanted, refusal := req.dimensions()
	if refusal != nil {
		return refusal
	}
	after, err := base64.StdEncoding.DecodeString(get("NextToken"))
	if err != nil {
		return invalidParameter("NextToken")
	}
	if !s.allowed(req.action, "") {
		return forbidden(req)
	}
	body := &rateQuotasPayload{MaxResults: size, Quotas: []rateQuotaView{}}
	for _, v := range s.rateQuotas() {
		lacks := false
		for key, value := range wanted {
			lacks = lacks || v.Dimensions[key] != value
		}
		action := get("QuotaActionCode")
		if lacks || get("ProductCode") != v.ProductCode || action != "" && action != v.QuotaActionCode || !strings.Contains(v.QuotaName, get("KeyWord")) {
			continue
		}
		body.TotalCount++
		if v.QuotaActionCode > string(after) {
			body.Quotas = append(body.Quotas, v)
		}
	}
	if len(body.Quotas) > size {
		body.Quotas = slices.Clip(body.Quotas[:size])
		body.NextToken = base64.StdEncoding.EncodeToString([]byte(body.Quotas[size-1].QuotaActionCode))
	}
	return &answer{status: http.StatusOK, payload: body}
}
