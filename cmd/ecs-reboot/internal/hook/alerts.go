package hook

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	"github.com/ecsreboot/ecsreboot/internal/redact"
)

// The flags of [NewAlerts].
const (
	alertsFlag = "--block-on-alerts"
	queryFlag  = "--alerts-query"
)

// DefaultQuery selects the alerts that block restarts: all that fire, except those of
// severity "none", which kube-prometheus gives to alerts that always fire, such as
// Watchdog.
const DefaultQuery = `ALERTS{alertstate="firing",severity!="none"}`

// maxAlerts is how many alerts an error names.
const maxAlerts = 5

// NewAlerts returns a blocker that holds restarts back while alerts fire. It sends an
// instant query to the HTTP API of Prometheus, GET base/api/v1/query, which Thanos, Mimir
// and VictoriaMetrics have as well. Each series of the result blocks, whatever its value
// is, and the error names the alerts. Without a query, DefaultQuery selects them.
//
// A restart is also held back if the server does not answer within 5 s, or with an error,
// or with a warning, which means that the result may be incomplete.
//
// The error of NewAlerts is a usage error that names the flag.
func NewAlerts(base, query string) (Func, error) {
	address, err := parseTemplate(alertsFlag, base)
	if err != nil {
		return nil, err
	}
	if strings.ContainsAny(base, "{}?") {
		return nil, cmdline.Errorf("invalid %s %q: it must have neither placeholders nor a query", alertsFlag, shown(base))
	}
	u, err := address.expand(Instance{})
	if err != nil {
		return nil, cmdline.Errorf("invalid %s %q: %v", alertsFlag, shown(base), err)
	}
	name := shown(u.String())
	u = u.JoinPath("api/v1/query")
	u.RawQuery = url.Values{"query": {cmp.Or(query, DefaultQuery)}}.Encode()
	requester := NewRequester()
	return func(ctx context.Context, _ fleet.Target) error {
		ctx, cancel := limit(ctx, Blocker, urlTimeout)
		defer cancel()
		firing, err := requester.firing(ctx, u)
		switch {
		case err != nil:
			return fmt.Errorf("failed to query the alerts of %s: %w", name, err)
		case len(firing) > 0:
			return fmt.Errorf("alerts fire: %s", list(firing))
		}
		return nil
	}, nil
}

// firing returns the names of the alerts that fire, one for each series.
func (r *Requester) firing(ctx context.Context, u *url.URL) ([]string, error) {
	status, body, err := r.Do(ctx, http.MethodGet, u, http.NoBody)
	if err != nil {
		return nil, err
	}
	var result struct {
		Status   string   `json:"status"`
		Error    string   `json:"error"`
		Warnings []string `json:"warnings"`
		Data     struct {
			Type   string          `json:"resultType"`
			Result json.RawMessage `json:"result"`
		} `json:"data"`
	}
	err = json.Unmarshal(body, &result)
	switch {
	case err == nil && result.Status == "error":
		return nil, errors.New(redact.Unknown(result.Error, maxText))
	case status < 200 || status > 299:
		return nil, errors.New(answer(status, body))
	case len(body) == maxRead:
		return nil, errors.New("the response is too long: select fewer alerts with " + queryFlag)
	case err != nil || result.Status != "success":
		return nil, errors.New("the response is not from the Prometheus API")
	case result.Data.Type != "vector":
		return nil, fmt.Errorf("the result of the query is a %q, want a vector", result.Data.Type)
	case len(result.Warnings) > 0:
		return nil, errors.New("the result may be incomplete: " + redact.Unknown(result.Warnings[0], maxText))
	}
	var series []struct {
		Metric map[string]string `json:"metric"`
	}
	if err := json.Unmarshal(result.Data.Result, &series); err != nil {
		return nil, errors.New("the response is not from the Prometheus API")
	}
	firing := make([]string, len(series))
	for i, s := range series {
		firing[i] = cmp.Or(s.Metric["alertname"], s.Metric["__name__"], "a series without a name")
	}
	return firing, nil
}

// list names the alerts, the most frequent first.
func list(firing []string) string {
	count := make(map[string]int)
	for _, name := range firing {
		count[name]++
	}
	names := slices.SortedFunc(maps.Keys(count), func(a, b string) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b))
	})
	var shown []string
	for _, name := range names[:min(len(names), maxAlerts)] {
		text := redact.Line(name, maxQuote/maxAlerts)
		if n := count[name]; n > 1 {
			text += fmt.Sprintf(" (%d)", n)
		}
		shown = append(shown, text)
	}
	if more := len(names) - len(shown); more > 0 {
		shown = append(shown, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(shown, ", ")
}
