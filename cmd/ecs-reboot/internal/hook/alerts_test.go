package hook_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/hook"
)

// vector is a response of Prometheus with the given alerts.
func vector(names ...string) string {
	var series []string
	for i, name := range names {
		series = append(series, fmt.Sprintf(`{"metric":{"__name__":"ALERTS","alertname":%q,"instance":"%d"},"value":[1700000000.1,"1"]}`, name, i))
	}
	return `{"status":"success","data":{"resultType":"vector","result":[` + strings.Join(series, ",") + `]}}`
}

func TestAlerts(t *testing.T) {
	status, body, query, path := 0, "", "", ""
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		query, path = r.FormValue("query"), r.URL.Path
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
	blocker := hooks(t, hook.Config{Alerts: url + "/prometheus/"}).Blocker
	name := "failed to query the alerts of " + url + "/prometheus/: "
	for _, test := range []struct {
		status     int
		body, want string
	}{
		{200, vector(), ""},
		{200, vector("DiskFull"), "alerts fire: DiskFull"},
		{200, vector("B", "A", "B", "C"), "alerts fire: B (2), A, C"},
		{200, vector("A", "B", "C", "D", "E", "F", "G"), "alerts fire: A, B, C, D, E, and 2 more"},
		{200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"0"]}]}}`, "alerts fire: a series without a name"},
		{200, `{"status":"success","data":{"resultType":"vector","result":[]},"warnings":["store 2 is down"]}`, name + "the result may be incomplete: store 2 is down"},
		{200, `{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}`, name + `the result of the query is a "scalar", want a vector`},
		{200, `<html>log in</html>`, name + "the response is not from the Prometheus API"},
		{200, `{"status":"success","data":{"resultType":"vector","result":7}}`, name + "the response is not from the Prometheus API"},
		{200, `{}`, name + "the response is not from the Prometheus API"},
		{200, vector(strings.Repeat("x", 70_000)), name + "the response is too long: select fewer alerts with --alerts-query"},
		{302, vector(), name + `302 Found: {"status":"success","data":{"resultType":"vector","result":[]}}`},
		{400, `{"status":"error","errorType":"bad_data","error":"parse error"}`, name + "parse error"},
		{503, `unavailable`, name + "503 Service Unavailable: unavailable"},
	} {
		status, body = test.status, test.body
		err := blocker(t.Context(), target)
		if test.want == "" {
			require.NoError(t, err)
			continue
		}
		require.EqualError(t, err, test.want)
	}
	require.Equal(t, hook.DefaultQuery, query)
	require.Equal(t, "/prometheus/api/v1/query", path)
}

func TestAlertsByAQuery(t *testing.T) {
	query := ""
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		query = r.FormValue("query")
		_, _ = io.WriteString(w, vector())
	})
	alerts, err := hook.NewAlerts(url, `ALERTS{team="web"} == 1`)
	require.NoError(t, err)
	require.NoError(t, alerts(t.Context(), target))
	require.Equal(t, `ALERTS{team="web"} == 1`, query)
}

func TestAlertsBlockWithoutAnAnswer(t *testing.T) {
	alerts, err := hook.NewAlerts("http://u:hunter2@127.0.0.1:1", "")
	require.NoError(t, err)
	err = alerts(t.Context(), target)
	require.ErrorContains(t, err, "failed to query the alerts of http://…@127.0.0.1:1: ")
	require.NotContains(t, err.Error(), "hunter2")
}

func TestAlertsComeAfterTheBlocker(t *testing.T) {
	unixOnly(t)
	requests := 0
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { requests++; _, _ = io.WriteString(w, vector("A")) })
	require.EqualError(t, hooks(t, hook.Config{Blocker: hook.Source{Command: "exit 4"}, Alerts: url}).Blocker(t.Context(), target), "exit code 4")
	require.Zero(t, requests)
	require.EqualError(t, hooks(t, hook.Config{Blocker: hook.Source{Command: "true"}, Alerts: url}).Blocker(t.Context(), target), "alerts fire: A")
}
