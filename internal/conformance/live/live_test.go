package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

const (
	region   = "cn-hangzhou"
	instance = "i-bp67acfmxazb4ph0009"
)

// deniedKey has no permissions.
var deniedKey = credentials{id: "nopermissions", secret: "nopermissionssecret"}

// edit changes a response on its way to the kit, if it returns true. The body is that of a
// JSON response, or nil.
type edit func(call exchange) bool

type exchange struct {
	action string
	v1     bool
	query  map[string][]string
	sent   *http.Request
	got    *http.Response
	body   map[string]any
	text   *string // of the body; what is written here replaces it
}

func (x exchange) param(name string) string { return strings.Join(x.query[name], ",") }

// perturbed is a proxy in front of the fake.
type perturbed struct {
	inner http.RoundTripper
	edit  edit
}

func (p perturbed) RoundTrip(r *http.Request) (*http.Response, error) {
	got, err := p.inner.RoundTrip(r)
	if err != nil || p.edit == nil {
		return got, err
	}
	data, err := io.ReadAll(got.Body)
	got.Body.Close()
	if err != nil {
		return nil, err
	}
	text := string(data)
	x := exchange{action: r.Header.Get("X-Acs-Action"), query: r.URL.Query(), sent: r, got: got, text: &text}
	if x.action == "" {
		x.action, x.v1 = x.param("Action"), true
	}
	_ = json.Unmarshal(data, &x.body)
	if p.edit(x) && text == string(data) && x.body != nil {
		data, err = json.Marshal(x.body)
		text = string(data)
	}
	got.Body, got.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	return got, err
}

// setting is a service to run the kit against.
type setting struct {
	options  ecstest.Options
	instance ecstest.Instance
	others   int
	edit     edit
	throttle bool
	records  bool
	commands bool
	denied   credentials
	key      credentials
}

// run runs the kit in a bubble of its own time and returns the trace as it would be written.
func (s setting) run(t *testing.T) (written *trace, server *ecstest.Server, err error) {
	t.Helper()
	var l *lab
	synctest.Test(t, func(t *testing.T) {
		server, l = s.lab(t)
		err = l.run()
		server.Close()
	})
	data, writeErr := l.redactor.write(&l.trace)
	require.NoError(t, writeErr)
	written, readErr := readTrace(data)
	require.NoError(t, readErr)
	return written, server, err
}

// lab makes a server and a kit for it.
func (s setting) lab(t *testing.T) (*ecstest.Server, *lab) {
	t.Helper()
	server, err := ecstest.NewInMemoryServer(s.options)
	require.NoError(t, err)
	if s.instance.ID == "" {
		s.instance.ID = instance
	}
	require.NoError(t, server.AddInstance(s.instance))
	for n := range s.others {
		older := time.Now().Add(-24*time.Hour - time.Duration(n+1)*time.Minute)
		require.NoError(t, server.AddInstance(ecstest.Instance{ID: "i-other" + strconv.Itoa(n), CreationTime: older}))
	}
	client := server.HTTPClient()
	if s.denied.id != "" {
		refusing, err := ecstest.NewInMemoryServer(ecstest.Options{
			AccessKeyID: s.denied.id, AccessKeySecret: s.denied.secret, Allow: func(string, string) bool { return false },
		})
		require.NoError(t, err)
		t.Cleanup(refusing.Close)
		client.Transport = byKey{client.Transport, refusing.HTTPClient().Transport, s.denied.id}
	}
	t.Cleanup(client.CloseIdleConnections)
	if s.key.id == "" {
		s.key = credentials{id: "testid", secret: "testsecret"}
	}
	return server, &lab{
		ctx: t.Context(), wire: wire{http: &http.Client{Transport: perturbed{client.Transport, s.edit}}, endpoint: server.URL, key: s.key},
		region: region, instance: s.instance.ID, log: io.Discard, throttle: s.throttle, records: s.records, recordsDelay: recordsDelay, oneEndpoint: true,
		commands: s.commands, denied: s.denied,
	}
}

// replayed replays a trace in a bubble.
func replayed(t *testing.T, service *trace) (fake *trace) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var err error
		fake, err = replay(t.Context(), service, io.Discard)
		require.NoError(t, err)
	})
	return fake
}

// TestReplayOfAnotherTrace holds that readTrace refuses what the kit did not write.
func TestReplayOfAnotherTrace(t *testing.T) {
	for _, text := range []string{
		"", "[]", "{}", `{"kit":2,"region":"cn-hangzhou"}`, `{"kit":1,"region":"CN"}`, `{"kit":1,"region":"cn-hangzhou","instances":1000000}`,
		`{"kit":1,"region":"cn-hangzhou","rows":[{"id":"auth.v3","facts":{"a":"\u001b]0;x\u0007"}}]}`, `{"kit":1,"region":"cn-hangzhou","stopped":"a\u202eb"}`,
		`{"kit":1,"region":"cn-hangzhou","rows":[{"id":"auth\n","skipped":"no"}]}`,
	} {
		_, err := readTrace([]byte(text))
		require.ErrorContains(t, err, "not a trace", text)
	}
}

// A row without facts, which only another program writes, differs in all facts.
func TestCompareRowWithoutFacts(t *testing.T) {
	service, err := readTrace([]byte(`{"kit":1,"region":"cn-hangzhou","rows":[{"id":"auth.v3"},{"id":"none"},{"id":"auth.v3","facts":null}]}`))
	require.NoError(t, err)
	fake := &trace{Rows: []row{{ID: "auth.v3", Facts: facts{"status": "200"}}}}
	require.Len(t, compare(service, fake), 2)
}

func idsOf(all []difference) []string {
	var ids []string
	for _, d := range all {
		ids = append(ids, d.id)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func TestExperimentsAreRowsOfTheTable(t *testing.T) {
	known := map[string]bool{}
	for _, b := range ecstest.Behaviors() {
		known[b.ID] = true
	}
	seen := map[string]bool{}
	restarts, commands := 0, 0
	for _, e := range experiments {
		assert.True(t, known[e.id], "%s is no row of ecstest/behaviours.go", e.id)
		assert.False(t, seen[e.id], "%s is there twice", e.id)
		seen[e.id] = true
		commands += e.commands
		assert.False(t, restarts > 0 && e.restarts == 0 && e.skip == nil && !strings.HasPrefix(e.id, "reboot."), "%s restarts nothing and comes after one that does", e.id)
		restarts += e.restarts
	}
	assert.LessOrEqual(t, restarts, maxRestarts)
	assert.LessOrEqual(t, commands, maxCommands)
	assert.GreaterOrEqual(t, len(experiments), 30)
}

// Each claim about the service has an experiment, or a reason why it has none. docs/validate.md
// has all reasons.
func TestEachRowHasAnExperimentOrAReason(t *testing.T) {
	tried := map[string]bool{}
	for _, e := range experiments {
		tried[e.id] = true
	}
	why := map[string]string{}
	var rows []string
	for _, u := range uncovered {
		assert.Empty(t, why[u.id], u.id)
		assert.NotEmpty(t, u.why, u.id)
		why[u.id] = u.why
		rows = append(rows, "| `"+u.id+"` | "+u.why+" |")
		for n, id := range strings.Split(u.why, "`") {
			assert.True(t, n%2 == 0 || tried[id], "the reason of %s names %s, which is no experiment", u.id, id)
		}
	}
	for _, b := range ecstest.Behaviors() {
		switch {
		case tried[b.ID]:
			assert.Empty(t, why[b.ID], "%s has an experiment and a reason to have none", b.ID)
		case b.Kind != "ours":
			assert.NotEmpty(t, why[b.ID], "%s has neither an experiment nor a reason", b.ID)
		default:
			assert.Empty(t, why[b.ID], "%s claims nothing", b.ID)
		}
		delete(why, b.ID)
	}
	assert.Empty(t, why, "no rows of ecstest/behaviours.go")
	page, err := os.ReadFile("../../../docs/validate.md")
	require.NoError(t, err)
	text := strings.ReplaceAll(string(page), "\r\n", "\n")
	assert.Contains(t, text, "|---|---|\n"+strings.Join(rows, "\n")+"\n\n")
	for _, e := range experiments {
		if e.commands > 0 {
			assert.Contains(t, text, "`"+e.id+"`")
		}
	}
}

// The fake has no differences to itself, whatever the key and however many instances.
func TestReplayFindsNoDifference(t *testing.T) {
	for name, s := range map[string]setting{
		"plain":     {},
		"instances": {others: 25},
		"many":      {others: 400},
		"token": {
			options: ecstest.Options{AccessKeyID: "STS.id", AccessKeySecret: "testsecret", SecurityToken: "a token"},
			key:     credentials{id: "STS.id", secret: "testsecret", token: "a token"},
		},
		"bearer":   {options: ecstest.Options{BearerToken: "a bearer token"}, key: credentials{id: "testid", secret: "testsecret", bearer: "a bearer token"}},
		"throttle": {options: ecstest.Options{LimitPerMinute: 300}, throttle: true},
		"records":  {options: ecstest.Options{LimitPerMinute: 300}, records: true},
		"commands": {commands: true},
		"denied":   {denied: deniedKey},
		"tags":     {instance: ecstest.Instance{Tags: map[string]string{"purpose": "a test"}}},
		"all": {
			options: ecstest.Options{LimitPerMinute: 300}, others: 3, throttle: true, records: true, commands: true, denied: deniedKey,
		},
	} {
		t.Run(name, func(t *testing.T) {
			service, server, err := s.run(t)
			require.NoError(t, err)
			require.Len(t, service.Rows, len(experiments))
			require.Empty(t, compare(service, replayed(t, service)))
			assert.Equal(t, 3, server.Reboots(instance))
			assert.Equal(t, 3, server.TotalReboots())
			assert.Equal(t, 4, service.Restarts) // one is refused
			for _, r := range service.Rows {
				assert.True(t, (r.Skipped == "") == (len(r.Facts) > 0), r.ID)
			}
			last := time.Time{}
			for _, call := range server.Calls() {
				assert.True(t, s.commands || call.Action != "RunCommand" && call.Action != "StopInvocation", call.Action)
				last = call.Time
			}
			assert.Less(t, last.Sub(server.Calls()[0].Time), 15*time.Minute)
		})
	}
}

// stale returns the validated rows of the table whose trace shows something else than the fake.
func stale(t *testing.T, rows []ecstest.Behavior, read func(fixture string) *trace) []string {
	t.Helper()
	var ids []string
	for _, b := range rows {
		_, fixture, validated := strings.Cut(b.Validated, " ")
		if !validated {
			continue
		}
		service := read(fixture)
		r := service.row(b.ID)
		if r.ID == "" || r.Skipped != "" || slices.Contains(idsOf(compare(service, replayed(t, service))), b.ID) {
			ids = append(ids, b.ID)
		}
	}
	return ids
}

// A row is validated only as long as the fake does what the trace of the row shows.
func TestValidatedRows(t *testing.T) {
	assert.Empty(t, stale(t, ecstest.Behaviors(), func(fixture string) *trace {
		data, err := os.ReadFile(filepath.Join("../../../ecstest", filepath.FromSlash(fixture)))
		require.NoError(t, err)
		service, err := readTrace(data)
		require.NoError(t, err)
		return service
	}))

	service, _, err := setting{instance: ecstest.Instance{Reboot: ecstest.RebootProfile{KeepStartTime: true}}}.run(t)
	require.NoError(t, err)
	const then = "2026-11-29 testdata/trace.json"
	rows := []ecstest.Behavior{
		{ID: "reboot.start-time", Validated: then},
		{ID: "auth.bearer", Validated: then},
		{ID: "reboot.hang", Validated: then},
		{ID: "reboot.path", Validated: then},
		{ID: "reboot.lag"},
	}
	assert.Equal(t, []string{"reboot.start-time", "auth.bearer", "reboot.hang"}, stale(t, rows, func(string) *trace { return service }))
}

// isError chooses responses of an action with a code.
func isError(x exchange, code string) bool { return x.body != nil && x.body["Code"] == code }

// setCode replaces the code of responses that have another.
func setCode(when func(exchange) bool, from, to string) edit {
	return func(x exchange) bool {
		if !isError(x, from) || !when(x) {
			return false
		}
		x.body["Code"] = to
		return true
	}
}

func setStatus(when func(exchange) bool, code string, status int) edit {
	return func(x exchange) bool {
		if isError(x, code) && when(x) {
			x.got.StatusCode = status
		}
		return false
	}
}

func always(exchange) bool { return true }
func byV1(x exchange) bool { return x.v1 }
func byV3(x exchange) bool { return !x.v1 }

// param chooses requests by the value of a parameter.
func param(name, value string) func(exchange) bool {
	return func(x exchange) bool { return x.param(name) == value }
}

// skewed chooses requests whose time stamp is more than ten minutes off, to one side.
func skewed(future bool) func(exchange) bool {
	return func(x exchange) bool {
		stamp, err := time.Parse("2006-01-02T15:04:05Z", x.sent.Header.Get("X-Acs-Date"))
		off := time.Until(stamp)
		return err == nil && (future && off > 10*time.Minute || !future && off < -10*time.Minute)
	}
}

// each edits the instances in lists.
func each(f func(instance map[string]any)) edit {
	return func(x exchange) bool {
		instances, _ := at(x.body, "Instances", "Instance").([]any)
		for _, i := range instances {
			if fields, ok := i.(map[string]any); ok {
				f(fields)
			}
		}
		return len(instances) > 0
	}
}

// eachOf edits the entries of a list in the responses of an action.
func eachOf(action string, f func(entry map[string]any), list ...string) edit {
	return body(action, always, func(body map[string]any) {
		entries, _ := at(body, list...).([]any)
		for _, entry := range entries {
			if fields, ok := entry.(map[string]any); ok {
				f(fields)
			}
		}
	})
}

// body edits successes of an action.
func body(action string, when func(exchange) bool, f func(body map[string]any)) edit {
	return func(x exchange) bool {
		if x.action != action || x.got.StatusCode != http.StatusOK || x.body == nil || !when(x) {
			return false
		}
		f(x.body)
		return true
	}
}

// refuse answers a call with an error.
func refuse(action string, when func(exchange) bool, status int, code string) edit {
	return func(x exchange) bool {
		if x.action != action || x.body == nil || !when(x) {
			return false
		}
		x.got.StatusCode = status
		maps.DeleteFunc(x.body, func(name string, _ any) bool { return name != "RequestId" })
		maps.Copy(x.body, map[string]any{"Code": code, "Message": "No.", "HostId": "host", "Recommend": ""})
		return true
	}
}

// TestPerturbed turns one thing of the service after another. The kit must report exactly the
// rows that are about it.
func TestPerturbed(t *testing.T) {
	const list, restart = "DescribeInstances", "RebootInstance"
	const lookup, changes, agents, quotas, console = "LookupEvents", "DescribeSystemEventAttribute", "DescribeCloudAssistantStatus", "ListProductQuotas", "GetInstanceConsoleOutput"
	const run, results, fullStatus, events = "RunCommand", "DescribeInvocationResults", "DescribeInstancesFullStatus", "DescribeInstanceHistoryEvents"
	recorded := func(i ecstest.Instance, e edit) setting {
		return setting{options: ecstest.Options{LimitPerMinute: 400}, instance: i, records: true, edit: e}
	}
	reboot := func(p ecstest.RebootProfile) setting { return setting{instance: ecstest.Instance{Reboot: p}} }
	edited := func(e edit) setting { return setting{edit: e} }
	inGuest := func(e edit) setting { return setting{commands: true, edit: e} }
	denied := func(e edit) setting { return setting{denied: deniedKey, edit: e} }
	eachResult := func(f func(result map[string]any)) edit {
		return eachOf(results, f, "Invocation", "InvocationResults", "InvocationResult")
	}
	otherID := func(when func(exchange) bool) edit { // in the header of accepted requests
		return func(x exchange) bool {
			if x.action == list && x.got.StatusCode == http.StatusOK && x.param("Format") != "XML" && x.body != nil && when(x) {
				x.got.Header.Set("X-Acs-Request-Id", "another")
			}
			return false
		}
	}
	tokens := map[string]bool{}
	firstBoot := ""
	nonces := map[string]bool{}
	var turnedAway any
	fakes := map[string]*trace{} // replays, by all that they depend on
	found := map[string]bool{}
	for n, test := range []struct {
		name string
		setting
		ids []string
	}{
		{"code of a wrong secret", edited(setCode(byV3, "SignatureDoesNotMatch", "IncompleteSignature")), []string{"auth.order", "auth.secret"}},
		{"code of a wrong secret, 1.0", edited(setCode(byV1, "SignatureDoesNotMatch", "IncompleteSignature")), []string{"auth.secret-v1"}},
		{"status of an unknown key", edited(setStatus(always, "InvalidAccessKeyId.NotFound", 400)), []string{"auth.key"}},
		{"signature method", edited(setCode(always, "InvalidSignatureMethod", "InvalidParamater")), []string{"auth.method"}},
		{"clock in the past", edited(setCode(skewed(false), "InvalidTimeStamp.Expired", "IllegalTimestamp")), []string{"auth.clock-past", "auth.order"}},
		{"clock in the future is accepted", edited(setStatus(skewed(true), "InvalidTimeStamp.Expired", 200)), []string{"auth.clock-future"}},
		{"narrow clock", edited(func(x exchange) bool {
			return skewed(false)(x) && refuse(list, func(x exchange) bool { return x.got.StatusCode == 200 }, 400, "InvalidTimeStamp.Expired")(x)
		}), []string{"auth.clock-window"}},
		{"malformed clock", edited(setCode(always, "InvalidTimeStamp.Format", "IllegalTimestamp")), []string{"auth.clock-format"}},
		{"code of a used nonce", edited(setCode(always, "SignatureNonceUsed", "NonceUsed")), []string{"auth.nonce", "auth.nonce-burnt"}},
		{"a refused call does not burn its nonce", edited(func(x exchange) bool {
			nonce := x.sent.Header.Get("X-Acs-Signature-Nonce")
			if isError(x, "SignatureDoesNotMatch") {
				nonces[nonce] = true
			}
			if isError(x, "SignatureNonceUsed") && nonces[nonce] {
				x.got.StatusCode = http.StatusOK
			}
			return false
		}), []string{"auth.nonce-burnt"}},
		{"missing time", edited(setCode(always, "MissingTimestamp", "MissingParameter")), []string{"auth.missing"}},
		{"no trace ID", edited(func(x exchange) bool { x.got.Header.Del("X-Acs-Trace-Id"); return false }), []string{"call.headers"}},
		{"no Recommend", edited(func(x exchange) bool { delete(x.body, "Recommend"); return isError(x, "InvalidRegionId.NotFound") }), []string{"call.error"}},
		{"type of XML", edited(func(x exchange) bool {
			if x.param("Format") == "" && x.v1 {
				x.got.Header.Set("Content-Type", "application/xml")
			}
			return false
		}), []string{"call.xml"}},
		{"elements of an XML error", edited(func(x exchange) bool {
			*x.text = strings.ReplaceAll(*x.text, "HostId>", "Host>")
			return false
		}), []string{"call.error-xml", "call.format"}},
		{"unknown action", edited(setStatus(always, "InvalidAction.NotFound", 400)), []string{"call.action"}},
		{"a misspelt filter is refused", edited(refuse(list, param("NoSuchFilter", "1"), 400, "InvalidParameter")), []string{"call.ignored"}},
		{"a field less", edited(each(func(i map[string]any) { delete(i, "HostName") })), []string{"list.fields"}},
		{"a field more", edited(each(func(i map[string]any) { i["Cores"] = 2 })), []string{"list.fields"}},
		{"seconds in StartTime", edited(each(func(i map[string]any) {
			i["StartTime"] = strings.Replace(i["StartTime"].(string), "Z", ":00Z", 1)
		})), []string{"list.minute", "reboot.start-time"}},
		{"no region", edited(func(x exchange) bool {
			return x.action == list && setCode(always, "MissingParameter", "MissingRegionId")(x)
		}), []string{"list.region"}},
		{"bad IDs", edited(setCode(param("InstanceIds", instance), "InvalidParameter", "InvalidInstanceIds.Malformed")), []string{"list.ids-bad"}},
		{"no IDs", edited(refuse(list, param("InstanceIds", "[]"), 400, "InvalidParameter")), []string{"list.ids-empty"}},
		{"too many IDs", edited(setStatus(func(x exchange) bool { return x.action == list }, "InvalidParameter.TooManyInstanceIds", 400)), []string{"list.ids-many"}},
		{"unknown IDs", edited(refuse(list, param("InstanceIds", `["`+nobody+`"]`), 404, "InvalidInstanceIds.NotFound")), []string{"list.ids-unknown"}},
		{"a filter is ignored", edited(body(list, param("Status", "Stopped"), func(b map[string]any) {
			b["Instances"] = map[string]any{"Instance": []any{map[string]any{"InstanceId": instance}}}
		})), []string{"list.filter"}},
		{"default page", edited(body(list, func(x exchange) bool { return len(x.query) == 1 }, func(b map[string]any) { b["PageSize"] = 20 })), []string{"list.page-default"}},
		{"short pages", setting{options: ecstest.Options{MaxPage: 1}, others: 3}, []string{"list.page-default", "list.page-token"}},
		{"page by number", edited(body(list, param("PageNumber", "2"), func(b map[string]any) { delete(b, "TotalCount") })), []string{"list.page-number"}},
		{"large page", edited(setCode(param("PageSize", "101"), "InvalidParameter", "InvalidPageSize")), []string{"list.page-large"}},
		{"statuses", edited(body("DescribeInstanceStatus", always, func(b map[string]any) { b["NextToken"] = "" })), []string{"status.list"}},
		{"StartTime of attributes", edited(body("DescribeInstanceAttribute", always, func(b map[string]any) { b["StartTime"] = "" })), []string{"attribute.fields"}},
		{"code of a dry run", edited(func(x exchange) bool {
			return x.action == restart && setCode(always, "DryRunOperation", "DRYRUN.SUCCESS")(x)
		}), []string{"reboot.dry-run"}},
		{"status of an unknown instance", edited(setStatus(param("InstanceId", nobody), "InvalidInstanceId.NotFound", 403)), []string{"attribute.fields", "reboot.unknown-id"}},
		{"a bad ID", edited(setCode(param("InstanceId", "no instance"), "InvalidInstanceId.NotFound", "InvalidInstanceId.Malformed")), []string{"reboot.bad-id"}},
		{"a missing ID", edited(func(x exchange) bool {
			return x.action == restart && setCode(always, "MissingParameter", "MissingInstanceId")(x)
		}), []string{"reboot.missing-id"}},
		{"no boolean", edited(setCode(param("ForceStop", "maybe"), "InvalidParameter", "DryRunOperation")), []string{"reboot.bad-boolean"}},
		{"a field of the accepted response", edited(body(restart, always, func(b map[string]any) { b["TaskId"] = "t" })), []string{"reboot.accepted"}},
		{"an element of the accepted response", edited(func(x exchange) bool {
			*x.text = strings.ReplaceAll(*x.text, "RebootInstanceResponse>", "RebootInstanceResult>")
			return false
		}), []string{"reboot.accepted-xml"}},
		{"Stopping first", reboot(ecstest.RebootProfile{Path: []ecsreboot.Status{ecsreboot.StatusStopping, ecsreboot.StatusStarting}}), []string{"reboot.path"}},
		{"late", reboot(ecstest.RebootProfile{Stale: 5 * time.Second}), []string{"reboot.lag"}},
		{"slow", reboot(ecstest.RebootProfile{Graceful: time.Minute}), []string{"reboot.graceful"}},
		{"slow, with records", recorded(ecstest.Instance{Reboot: ecstest.RebootProfile{Graceful: 3 * time.Minute}}, nil), []string{"reboot.graceful"}},
		{"slow by force", reboot(ecstest.RebootProfile{Forced: 30 * time.Second}), []string{"reboot.forced"}},
		{"StartTime stays", reboot(ecstest.RebootProfile{KeepStartTime: true}), []string{"reboot.start-time"}},
		{"a second restart", edited(func(x exchange) bool {
			return x.param("DryRun") == "" && setCode(always, "IncorrectInstanceStatus", "OperationConflict")(x)
		}), []string{"reboot.busy"}},
		{"a busy dry run", edited(func(x exchange) bool {
			return x.param("DryRun") != "" && setCode(always, "IncorrectInstanceStatus", "DryRunOperation")(x)
		}), []string{"reboot.busy-dry-run"}},
		{"status of throttling", setting{options: ecstest.Options{LimitPerMinute: 300}, throttle: true, edit: setStatus(always, "Throttling.User", 429)}, []string{"flow.throttle"}},
		{"a hint", setting{options: ecstest.Options{LimitPerMinute: 300, ThrottleHint: ecstest.HintRetryAfter}, throttle: true}, []string{"flow.hint"}},
		{"no records", recorded(ecstest.Instance{RecordsMissing: true}, nil), []string{
			"records.actiontrail", "records.changes-delay", "records.changes-order", "records.changes-query", "records.cloudmonitor", "records.events-ends", "records.refused",
		}},
		{"late records", recorded(ecstest.Instance{RecordsLate: time.Hour}, nil), []string{
			"records.actiontrail", "records.changes-delay", "records.changes-order", "records.changes-query", "records.cloudmonitor", "records.events-ends", "records.refused",
		}},
		{"another user agent", recorded(ecstest.Instance{}, eachOf(lookup, func(e map[string]any) { e["userAgent"] = "console" }, "Events")), []string{"records.actiontrail"}},
		{"events of refused calls without a code", recorded(ecstest.Instance{}, eachOf(lookup, func(e map[string]any) { delete(e, "errorCode") }, "Events")), []string{"records.refused"}},
		{"calls with a wrong secret are recorded", recorded(ecstest.Instance{}, func(x exchange) bool {
			if x.action == "RebootInstance" && isError(x, "SignatureDoesNotMatch") {
				turnedAway = x.body["RequestId"]
			}
			return body(lookup, always, func(b map[string]any) {
				events, _ := b["Events"].([]any)
				b["Events"] = append(events, map[string]any{"requestId": turnedAway})
			})(x)
		}), []string{"records.turned-away"}},
		{"code of a lookup", recorded(ecstest.Instance{}, setCode(always, "InvalidParameterCombination", "InvalidTimeRange")), []string{"records.events-query"}},
		{"the end is not part of a period", recorded(ecstest.Instance{}, func(x exchange) bool {
			return x.param("EndTime") != "" && eachOf(lookup, func(e map[string]any) {
				if e["eventTime"] == x.param("EndTime") {
					e["requestId"] = "none"
				}
			}, "Events")(x)
		}), []string{"records.events-ends"}},
		{"another state", recorded(ecstest.Instance{}, eachOf(changes, func(e map[string]any) {
			e["Content"] = strings.ReplaceAll(e["Content"].(string), "Starting", "Rebooting")
		}, "SystemEvents", "SystemEvent")), []string{"records.cloudmonitor"}},
		{"no search for two keywords", recorded(ecstest.Instance{}, body(changes, func(x exchange) bool { return strings.Contains(x.param("SearchKeywords"), " and ") }, func(b map[string]any) {
			b["SystemEvents"] = map[string]any{"SystemEvent": []any{}}
		})), []string{"records.changes-query"}},
		{"code of a large page", recorded(ecstest.Instance{}, setCode(always, "ParameterInvalid", "InvalidParameter")), []string{"records.changes-query"}},
		{"the oldest change first", recorded(ecstest.Instance{}, body(changes, always, func(b map[string]any) {
			events, _ := at(b, "SystemEvents", "SystemEvent").([]any)
			slices.Reverse(events)
		})), []string{"records.changes-order"}},
		{"no agent", recorded(ecstest.Instance{NoAgent: true}, nil), []string{"agent.heartbeat", "agent.status"}},
		{"a field of an agent", recorded(ecstest.Instance{}, eachOf(agents, func(a map[string]any) { a["Kind"] = "" }, "InstanceCloudAssistantStatusSet", "InstanceCloudAssistantStatus")), []string{"agent.status"}},
		{"heartbeats without seconds", recorded(ecstest.Instance{}, eachOf(agents, func(a map[string]any) { a["LastHeartbeatTime"] = "2026-11-29T12:00Z" }, "InstanceCloudAssistantStatusSet", "InstanceCloudAssistantStatus")), []string{"agent.heartbeat"}},
		{"a rate in seconds", recorded(ecstest.Instance{}, eachOf(quotas, func(q map[string]any) { q["Period"] = map[string]any{"PeriodUnit": "second", "PeriodValue": 60} }, "Quotas")), []string{"flow.quotas"}},
		{"console output in UTC", recorded(ecstest.Instance{}, body(console, always, func(b map[string]any) {
			at, _ := time.Parse(time.DateTime, b["LastUpdateTime"].(string))
			b["LastUpdateTime"] = at.Add(-8 * time.Hour).Format(time.DateTime)
		})), []string{"console.output"}},
		{"accepted requests", edited(otherID(byV3)), []string{"auth.clock-window", "auth.v3"}},
		{"accepted requests, 1.0", edited(otherID(byV1)), []string{"auth.v1"}},
		{"no bearer tokens", setting{
			options: ecstest.Options{BearerToken: "a bearer token"}, key: credentials{id: "testid", secret: "testsecret", bearer: "a bearer token"},
			edit: refuse(list, func(x exchange) bool { return x.sent.Header.Get("X-Acs-Bearer-Token") != "" }, 400, "InvalidBearerToken"),
		}, []string{"auth.bearer"}},
		{"code of a missing token", setting{
			options: ecstest.Options{AccessKeyID: "STS.id", AccessKeySecret: "testsecret", SecurityToken: "a token"},
			key:     credentials{id: "STS.id", secret: "testsecret", token: "a token"}, edit: setCode(always, "MissingSecurityToken", "InvalidSecurityToken.Malformed"),
		}, []string{"auth.token"}},
		{"the key is checked before the clock", edited(func(x exchange) bool {
			unknownKey := strings.Contains(x.sent.Header.Get("Authorization"), "LTAI0000none")
			return x.action == list && unknownKey && setCode(always, "InvalidTimeStamp.Expired", "InvalidAccessKeyId.NotFound")(x)
		}), []string{"auth.order"}},
		{"code of a denied restart", denied(setCode(always, "Forbidden.RAM", "NoPermission")), []string{"agent.denied", "auth.denied"}},
		{"no details of a denied restart", denied(func(x exchange) bool { delete(x.body, "AccessDeniedDetail"); return isError(x, "Forbidden.RAM") }), []string{"auth.denied"}},
		{"a denied list is refused", denied(refuse(list, func(x exchange) bool {
			return strings.Contains(x.sent.Header.Get("Authorization"), deniedKey.id)
		}, 403, "Forbidden.RAM")), []string{"auth.denied-list"}},
		{"a denied list of agents is empty", denied(func(x exchange) bool {
			if x.action == agents && isError(x, "Forbidden.RAM") {
				x.got.StatusCode = http.StatusOK
				delete(x.body, "Code")
			}
			return true
		}), []string{"agent.denied"}},
		{"code of a denied lookup", denied(setCode(func(x exchange) bool { return x.action == lookup }, "NoPermission", "Forbidden.RAM")), []string{"records.denied"}},
		{"code of a dry run of a list", edited(func(x exchange) bool {
			return x.action == list && setCode(always, "DryRunOperation", "DRYRUN.SUCCESS")(x)
		}), []string{"list.dry-run"}},
		{"no wildcard in names", edited(body(list, param("InstanceName", "*"), func(b map[string]any) { b["Instances"] = map[string]any{"Instance": []any{}} })), []string{"list.name"}},
		{"an unknown tag", edited(refuse(list, param("Tag.1.Key", "ecsreboot-no-such-tag"), 404, "InvalidTagKey.NotFound")), []string{"list.tags"}},
		{"code of a bad filter", edited(setCode(always, "InvalidStatus.NotFound", "InvalidParameter")), []string{"list.filter-bad"}},
		{"the minute is not part of the period", edited(body(list, func(x exchange) bool { return x.param("Filter.2.Key") != "" }, func(b map[string]any) {
			b["Instances"] = map[string]any{"Instance": []any{}}
		})), []string{"list.times"}},
		{"the oldest instance first", setting{others: 3, edit: body(list, func(x exchange) bool { return x.param("MaxResults") == "100" }, func(b map[string]any) {
			instances, _ := at(b, "Instances", "Instance").([]any)
			slices.Reverse(instances)
		})}, []string{"list.order"}},
		{"empty tags", edited(each(func(i map[string]any) { i["Tags"] = map[string]any{"Tag": []any{}} })), []string{"list.fields", "list.no-tags"}},
		{"either of two values", setting{instance: ecstest.Instance{Tags: map[string]string{"purpose": "a test"}}, edit: body(list, func(x exchange) bool { return x.param("Tag.2.Key") != "" }, func(b map[string]any) {
			b["Instances"] = map[string]any{"Instance": []any{map[string]any{"InstanceId": instance}}}
		})}, []string{"list.tags-one-key"}},
		{"another StoppedMode", edited(each(func(i map[string]any) { i["StoppedMode"] = "" })), []string{"list.stopped-mode"}},
		{"CreationTime in minutes", edited(body("DescribeInstanceAttribute", always, func(b map[string]any) { b["CreationTime"] = "2026-11-29T12:00Z" })), []string{"attribute.seconds"}},
		{"no zones", edited(body("DescribeZones", always, func(b map[string]any) { b["Zones"] = map[string]any{"Zone": []any{}} })), []string{"places.list"}},
		{"status of a bad time of events", edited(func(x exchange) bool { return x.action == fullStatus && setStatus(always, "InvalidParameter", 400)(x) }), []string{"events.list"}},
		{"no history of events", edited(refuse(events, param("InstanceEventCycleStatus.1", "Avoided"), 403, "Forbidden")), []string{"events.list"}},
		{"instances without the selected event", edited(body(fullStatus, func(x exchange) bool { return x.param("EventId.1") != "" }, func(b map[string]any) {
			b["InstanceFullStatusSet"] = map[string]any{"InstanceFullStatusType": []any{map[string]any{"InstanceId": instance}}}
		})), []string{"events.selected"}},
		{"code of a dry run of several instances", edited(setCode(always, "DRYRUN.SUCCESS", "DryRunOperation")), []string{"reboots.batch"}},
		{"a token bucket", setting{options: ecstest.Options{LimitPerMinute: 300, LimitBurst: 300}, throttle: true}, []string{"flow.minute"}},
		{"code of too many lookups", setting{options: ecstest.Options{LimitPerMinute: 400}, records: true, throttle: true, edit: setCode(func(x exchange) bool { return x.action == lookup }, "Throttling.User", "Throttling.Api")}, []string{"records.events-rate"}},
		{"codes of quotas", recorded(ecstest.Instance{}, eachOf(quotas, func(q map[string]any) { q["QuotaActionCode"] = "q_ecs_1" }, "Quotas")), []string{"flow.quota-names"}},
		{"changes are visible late", setting{options: ecstest.Options{LimitPerMinute: 400, StateChangeDelay: 2 * time.Minute}, records: true}, []string{"records.changes-delay"}},
		{"console output in plain text", recorded(ecstest.Instance{}, body(console, always, func(b map[string]any) { b["ConsoleOutput"] = "[ 0.0 ] Linux" })), []string{"console.output"}},
		{"no agent for commands", setting{instance: ecstest.Instance{NoAgent: true}, commands: true}, []string{"command.run"}},
		{"a repeated command runs again", inGuest(body(run, param("RepeatMode", "Once"), func(b map[string]any) {
			if id, _ := b["InvokeId"].(string); tokens[id] {
				b["InvokeId"] = "t-hz0000000another"
			} else {
				tokens[id] = true
			}
		})), []string{"command.run"}},
		{"code of another command with a token", inGuest(setCode(always, "IdempotentParameterMismatch", "InvalidClientToken.Malformed")), []string{"command.run"}},
		{"a command that was stopped", inGuest(eachResult(func(r map[string]any) {
			if r["InvocationStatus"] == "Cancelled" {
				r["InvocationStatus"] = "Terminated"
			}
		})), []string{"command.statuses"}},
		{"the oldest result first", inGuest(body(results, func(x exchange) bool { return x.param("InvokeId") == "" }, func(b map[string]any) {
			all, _ := at(b, "Invocation", "InvocationResults", "InvocationResult").([]any)
			slices.Reverse(all)
		})), []string{"command.statuses"}},
		{"commands that wait are running", inGuest(eachResult(func(r map[string]any) {
			if r["InvocationStatus"] == "Scheduled" {
				r["InvocationStatus"] = "Running"
			}
		})), []string{"command.boot", "command.statuses"}},
		{"commands run before the boot", inGuest(eachResult(func(r map[string]any) {
			if output, _ := r["Output"].(string); firstBoot == "" {
				firstBoot = output
			} else if output != "" {
				r["Output"] = firstBoot
			}
		})), []string{"command.boot", "command.results"}},
		{"a command during a restart is refused", inGuest(refuse(run, func(x exchange) bool { return strings.HasSuffix(x.param("ClientToken"), "busy") }, 403, "InvalidInstance.NotRunning")), []string{"command.not-running"}},
		{"no history of results", inGuest(body(results, param("IncludeHistory", "true"), func(b map[string]any) {
			in, _ := at(b, "Invocation", "InvocationResults").(map[string]any)
			all, _ := in["InvocationResult"].([]any)
			in["InvocationResult"] = all[:1]
		})), []string{"command.results"}},
		{"code of an unknown invocation", inGuest(setCode(always, "InvalidInvokeId.NotFound", "InvalidParameter.InvokeId")), []string{"command.results"}},
		{"older layer", setting{options: ecstest.Options{LegacyErrors: true}}, []string{
			"auth.clock-format", "auth.clock-future", "auth.clock-past", "auth.key", "auth.method", "auth.missing", "auth.nonce", "auth.nonce-burnt",
			"auth.order", "auth.secret", "auth.secret-v1", "call.method",
		}},
	} {
		for _, id := range test.ids {
			found[id] = true
		}
		t.Run(test.name, func(t *testing.T) {
			if testing.Short() && n%5 > 0 {
				t.Skip("runs without -short")
			}
			service, server, err := test.run(t)
			require.NoError(t, err)
			setup := strconv.Itoa(service.Instances)
			for _, r := range service.Rows {
				if r.Skipped != "" {
					setup += " " + r.ID
				}
			}
			if fakes[setup] == nil {
				fakes[setup] = replayed(t, service)
			}
			differences := compare(service, fakes[setup])
			assert.Equal(t, test.ids, idsOf(differences), "%+v", differences)
			assert.LessOrEqual(t, server.TotalReboots(), maxRestarts)
		})
	}
	for _, e := range experiments {
		assert.True(t, found[e.id], "nothing above shows that the kit finds a difference of %s", e.id)
	}
}

// TestStops holds that a run ends at once, with a trace, when something happens that no
// experiment is about.
func TestStops(t *testing.T) {
	const restart = "RebootInstance"
	fail := func(when func(exchange) bool) edit {
		return func(x exchange) bool { return when(x) && refuse(x.action, always, 500, "InternalError")(x) }
	}
	accepted := func(x exchange) bool { return x.action == restart && x.param("DryRun") == "" }
	for _, test := range []struct {
		name string
		setting
		text     string
		restarts int
	}{
		{"the instance is stopped", setting{instance: ecstest.Instance{Status: ecsreboot.StatusStopped}}, "not Running", 0},
		{"the instance is locked", setting{instance: ecstest.Instance{Locks: []string{"security"}}}, "locked", 0},
		{"prepaid", setting{edit: each(func(i map[string]any) { i["InstanceChargeType"] = "PrePaid" })}, "pay-as-you-go", 0},
		{"no charge type", setting{edit: each(func(i map[string]any) { delete(i, "InstanceChargeType") })}, "pay-as-you-go", 0},
		{"a dry run is accepted", setting{edit: func(x exchange) bool {
			if isError(x, "DryRunOperation") && x.action == restart {
				x.got.StatusCode = http.StatusOK
			}
			return false
		}}, "may restart now", 0},
		{"a dry run of several instances is accepted", setting{edit: func(x exchange) bool {
			if isError(x, "DRYRUN.SUCCESS") {
				x.got.StatusCode = http.StatusOK
			}
			return false
		}}, "may restart now", 0},
		{"the other key has permissions", setting{denied: deniedKey, edit: setCode(always, "Forbidden.RAM", "DryRunOperation")}, "the key without permissions may restart", 0},
		{"wrong key", setting{key: credentials{id: "testid", secret: "other"}}, "SignatureDoesNotMatch", 0},
		{"denied", setting{options: ecstest.Options{Allow: func(action, _ string) bool { return action != restart }}}, "refused a restart", 0},
		{"another instance in the list", setting{edit: each(func(i map[string]any) { i["InstanceId"] = "i-another" })}, "does not hold the instance", 0},
		{"a failure of a read", setting{edit: fail(func(x exchange) bool { return x.action == "DescribeInstanceStatus" })}, "500", 0},
		{"a failure of a restart", setting{edit: fail(accepted)}, "500", 1},
		{"no request ID", setting{edit: func(x exchange) bool {
			if x.action == "DescribeInstanceStatus" {
				x.got.Header.Del("X-Acs-Request-Id")
				*x.text = "<html>proxy</html>"
			}
			return false
		}}, "without a request ID", 0},
		{"throttled", setting{options: ecstest.Options{LimitPerMinute: 10}}, "throttled", 0},
		{"hangs", setting{instance: ecstest.Instance{Reboot: ecstest.RebootProfile{Hang: true}}}, "Starting", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			written, server, err := test.run(t)
			require.ErrorContains(t, err, test.text)
			assert.NotEmpty(t, written.Stopped)
			assert.Equal(t, test.restarts, server.TotalReboots())
			assert.Less(t, len(written.Rows), len(experiments))
		})
	}
}

// If the service carries out every restart that it is asked for, the run still ends below the
// limit.
func TestRestartsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, l := setting{}.lab(t)
		defer server.Close()
		l.trace.Restarts = maxRestarts
		_, err := l.order(l.check())
		require.ErrorContains(t, err, "requested already")
		require.Empty(t, server.Calls())
	})
}

func TestCommandsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, l := setting{}.lab(t)
		defer server.Close()
		l.guest.sent = maxCommands
		_, err := l.command(l.script("Once", "token"))
		require.ErrorContains(t, err, "were sent to the guest already")
		require.Empty(t, server.Calls())
	})
}

// However a run ends, no command waits for a reboot after it. If the kit can't stop one, its
// error names it.
func TestCommandsAreStopped(t *testing.T) {
	restart := func(x exchange) bool { return x.action == "RebootInstance" && x.param("DryRun") == "" }
	for _, test := range []struct {
		name     string
		between  func(usual http.RoundTripper, cancel func()) http.RoundTripper
		text     string
		waiting  int
		nameless bool // the kit does not know the ID of the one that waits
	}{
		{"the run ends", func(usual http.RoundTripper, _ func()) http.RoundTripper { return usual }, "", 0, false},
		{"a restart fails", func(usual http.RoundTripper, _ func()) http.RoundTripper {
			return perturbed{usual, refuse("RebootInstance", restart, 500, "InternalError")}
		}, "500", 0, false},
		{"an interrupt", func(usual http.RoundTripper, cancel func()) http.RoundTripper {
			return perturbed{usual, func(x exchange) bool {
				if restart(x) {
					cancel()
				}
				return false
			}}
		}, "canceled", 0, false},
		{"a command without an ID", func(usual http.RoundTripper, _ func()) http.RoundTripper {
			return perturbed{usual, func(x exchange) bool {
				hides := x.action == "RunCommand" && x.param("RepeatMode") == "EveryReboot"
				if hides {
					delete(x.body, "InvokeId")
				}
				return hides
			}}
		}, "may wait for a reboot", 1, true},
		{"a command can't be stopped", func(usual http.RoundTripper, _ func()) http.RoundTripper { return unstoppable{usual} }, "may still run at a reboot", 1, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				server, l := setting{commands: true}.lab(t)
				defer server.Close()
				l.ctx = ctx
				usual := l.wire.http.Transport
				l.wire.http.Transport = test.between(usual, cancel)
				err := l.run()
				if test.text == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, test.text)
					assert.NotEmpty(t, l.trace.Stopped)
				}
				l.wire.http.Transport, l.ctx = usual, t.Context()
				_, all, err := l.results("")
				require.NoError(t, err)
				waiting := slices.DeleteFunc(all, func(result any) bool { return resultText(result, "InvocationStatus") != "Scheduled" })
				assert.Len(t, waiting, test.waiting)
				assert.Equal(t, test.waiting > 0 && !test.nameless, len(l.guest.armed) > 0)
			})
		})
	}
}

// unstoppable refuses StopInvocation.
type unstoppable struct{ inner http.RoundTripper }

func (u unstoppable) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("X-Acs-Action") == "StopInvocation" {
		r = r.Clone(r.Context())
		r.Header.Set("X-Acs-Action", "DeleteCommand")
	}
	return u.inner.RoundTrip(r)
}

// A request that the service may have read is never sent again: net/http repeats some itself if
// a connection that was used before breaks.
func TestNothingIsRepeated(t *testing.T) {
	var mu sync.Mutex
	calls := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		action := r.Header.Get("X-Acs-Action") + r.URL.Query().Get("Action")
		mu.Lock()
		calls[action]++
		mu.Unlock()
		if action == "RebootInstance" {
			panic(http.ErrAbortHandler) // the connection breaks
		}
		_, _ = io.WriteString(w, `{"RequestId":"R"}`)
	}))
	defer server.Close()
	client := newHTTPClient()
	client.Transport = &http.Transport{}
	defer client.CloseIdleConnections()
	for _, v1 := range []bool{false, true} {
		w := wire{http: client, endpoint: server.URL, key: credentials{id: "k", secret: "s"}}
		_, err := w.send(t.Context(), request{action: "DescribeInstances"})
		require.NoError(t, err)
		_, err = w.send(t.Context(), request{action: "RebootInstance", v1: v1})
		require.Error(t, err)
	}
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, 2, calls["RebootInstance"])
}

// TestTraceHoldsNoCanary plants what must not leave the machine wherever a response can hold it.
func TestTraceHoldsNoCanary(t *testing.T) {
	key := credentials{id: "LTAI5tCanaryKeyIdentity", secret: "CanarySecretCanarySecret", token: "CanaryToken/+=CanaryToken", bearer: "CanaryBearerToken"}
	machine := ecstest.Instance{
		ID: "i-canaryinstance0001", Name: "canary-name", HostName: "canary-host", VPCID: "vpc-canary000000001", ResourceGroupID: "rg-canary",
		ConsoleOutput: "login: canary-console\npassword: canary-console-password\n",
		PrivateIPs:    []string{"10.77.66.55"}, PublicIPs: []string{"47.96.11.22"}, EIP: "120.55.33.44", Tags: map[string]string{"canaryKey": "canaryValue"},
	}
	denied := credentials{id: "LTAI5tCanaryDeniedKey", secret: "CanaryDeniedSecret"}
	canaries := []string{
		denied.id, denied.secret, key.id, key.secret, key.token, key.bearer, machine.ID, machine.Name, machine.HostName, machine.VPCID, machine.ResourceGroupID,
		"10.77.66.55", "47.96.11.22", "120.55.33.44", "canaryKey", "canaryValue", "1234567890123456", "200000000000000001", "fe80::1:2:3:4", "00:16:3e:0a:0b:0c",
	}
	plant := func(n int) edit {
		return func(x exchange) bool {
			canary := canaries[n%len(canaries)]
			if !strings.ContainsAny(canary, "/+=:") { // they can't be in the name of a header
				x.got.Header.Set("X-Acs-"+canary, canary)
			}
			x.got.Header.Set("X-Acs-Request-Id", canary)
			if x.body == nil {
				*x.text = strings.ReplaceAll(*x.text, "<Message>", "<Message>"+canary+" "+key.secret)
				return false
			}
			if x.body["Code"] != nil && x.body["Code"] != "DryRunOperation" {
				x.body["Code"] = canary
				x.got.Header.Set("Content-Type", canary)
			}
			eachOf("LookupEvents", func(e map[string]any) { e["eventName"], e["errorCode"], e["serviceName"] = canary, canary, canary }, "Events")(x)
			eachOf("DescribeSystemEventAttribute", func(e map[string]any) { e["Content"] = `{"state":"` + canary + `"}` }, "SystemEvents", "SystemEvent")(x)
			eachOf("DescribeCloudAssistantStatus", func(a map[string]any) { a["CloudAssistantStatus"], a[canary] = canary, canary }, "InstanceCloudAssistantStatusSet", "InstanceCloudAssistantStatus")(x)
			eachOf("DescribeInvocationResults", func(r map[string]any) {
				r["InvokeRecordStatus"], r["ErrorCode"], r["ErrorInfo"], r["Username"], r[canary] = canary, canary, canary, canary, canary
				if status := r["InvocationStatus"]; status == "Aborted" || status == "Cancelled" {
					r["InvocationStatus"] = canary
				}
				if n%2 == 1 { // the first command seems to print something else, and no other runs
					r["Output"] = base64.StdEncoding.EncodeToString([]byte(canary + " " + strings.Join(canaries, "\n")))
				}
			}, "Invocation", "InvocationResults", "InvocationResult")(x)
			eachOf("DescribeInvocations", func(i map[string]any) {
				i["InvocationStatus"], i["InvokeStatus"], i["RepeatMode"], i["CommandContent"], i[canary] = canary, canary, canary, canary, canary
			}, "Invocations", "Invocation")(x)
			eachOf("DescribeInstancesFullStatus", func(i map[string]any) { i["Status"] = map[string]any{"Name": canary} }, "InstanceFullStatusSet", "InstanceFullStatusType")(x)
			if n%2 == 1 && x.action == "GetInstanceConsoleOutput" {
				x.body["ConsoleOutput"], x.body["LastUpdateTime"] = canary, canary
			}
			eachOf("ListProductQuotas", func(q map[string]any) {
				if n%2 == 1 {
					q["QuotaActionCode"], q["QuotaUnit"], q["QuotaDescription"] = canary, canary, "RebootInstance "+canary
				}
			}, "Quotas")(x)
			eachOf("ListProductQuotas", func(q map[string]any) { q["Period"] = map[string]any{"PeriodUnit": canary} }, "Quotas")(x)
			x.body[canary] = map[string]any{canary: canary}
			x.body["Message"] = "It was " + canary + ", '" + canary + "'; \"" + strings.Join(canaries, " ") + "\" by " + canary + "."
			return true
		}
	}
	for n, canary := range canaries {
		if testing.Short() && n%5 > 0 {
			continue
		}
		s := setting{
			options:  ecstest.Options{AccessKeyID: key.id, AccessKeySecret: key.secret, SecurityToken: key.token, BearerToken: key.bearer, LimitPerMinute: 400},
			instance: machine, edit: plant(n), key: key, others: 2, records: true, throttle: true, commands: true, denied: denied,
		}
		s.options.Allow = func(action, _ string) bool { return action != "DescribeInstanceAttribute" }
		var l *lab
		synctest.Test(t, func(t *testing.T) {
			var server *ecstest.Server
			server, l = s.lab(t)
			defer server.Close()
			require.NoError(t, l.run(), canary)
			assert.Equal(t, n%2 == 0, l.trace.row("command.results").Skipped == "", canary)
			assert.NotEmpty(t, l.trace.row("auth.denied").Facts, canary)
		})
		data, err := l.redactor.write(&l.trace)
		require.NoError(t, err, "%s %+v", canary, l.trace)
		for _, c := range append(canaries, machine.ID[2:], "CanarySecret", "canary") {
			if strings.Contains(strings.ToLower(string(data)), strings.ToLower(c)) {
				t.Errorf("%q is in the trace: %s", c, data)
				return
			}
		}
	}
}

// The second line of the redaction refuses what the first let through.
func TestTraceIsRefused(t *testing.T) {
	for _, text := range []string{"a secret key", `is a "<key>" & more?`, "10.0.0.1", "i-bp67acfmxazb4ph0001", "1234567890123456", "LTAI5t", "00:16:3e:0a:0b:0c", "473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E"} {
		var r redactor
		r.keep("a secret key", `a "<key>" & more`)
		_, err := r.write(&trace{Rows: []row{{ID: "auth.v3", Facts: map[string]string{"fact": text}}}})
		require.ErrorContains(t, err, "not written", text)
	}
}

// products passes what is sent to the products of the cloud on to the fake, and counts it by host.
type products struct {
	inner http.RoundTripper
	hosts map[string]int
}

func (p products) RoundTrip(q *http.Request) (*http.Response, error) {
	if q.URL.Scheme == "https" {
		p.hosts[q.URL.Host]++
		q = q.Clone(q.Context())
		q.URL.Scheme = "http"
	}
	return p.inner.RoundTrip(q)
}

// With -records, the kit reads what was recorded of its restarts, each product at its host.
func TestRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, l := setting{options: ecstest.Options{LimitPerMinute: 400}, records: true}.lab(t)
		defer server.Close()
		l.oneEndpoint = false
		hosts := map[string]int{}
		l.wire.http.Transport = products{l.wire.http.Transport, hosts}
		require.NoError(t, l.run())
		assert.Equal(t, map[string]int{"quotas.aliyuncs.com": 3, "actiontrail.cn-hangzhou.aliyuncs.com": 13, "metrics.cn-hangzhou.aliyuncs.com": 24}, hosts)
		first := l.course["reboot.accepted"].accepted
		assert.GreaterOrEqual(t, time.Since(first.at), 11*time.Minute)
		assert.Equal(t, map[string]string{
			"lookup.status": "200", "found": "yes", "userAgent": "ours", "eventName": "RebootInstance", "eventRW": "Write", "serviceName": "Ecs",
		}, l.trace.row("records.actiontrail").Facts)
		assert.Equal(t, map[string]string{
			"busy.recorded": "yes", "busy.code": "IncorrectInstanceStatus", "dryRun.recorded": "yes", "dryRun.code": "IncorrectInstanceStatus",
		}, l.trace.row("records.refused").Facts)
		assert.Equal(t, map[string]string{"wrongSecret.recorded": "no"}, l.trace.row("records.turned-away").Facts)
		assert.Equal(t, map[string]string{
			"lookup.status": "200", "lookup.code": "200", "states": "Starting Running", "~changes": "6",
		}, l.trace.row("records.cloudmonitor").Facts)
		assert.Equal(t, "8", l.trace.row("console.output").Facts["hours"])
		_, err := l.redactor.write(&l.trace)
		require.NoError(t, err)
		fake, err := replay(t.Context(), &l.trace, io.Discard)
		require.NoError(t, err)
		assert.Empty(t, compare(&l.trace, fake))
		assert.NotEmpty(t, fake.row("records.changes-order").Facts)
	})
}

// noNetwork fails the test if anything is sent.
type noNetwork struct{ t *testing.T }

func (n noNetwork) RoundTrip(r *http.Request) (*http.Response, error) {
	n.t.Errorf("a request was sent to %s", r.URL.Host)
	return nil, io.EOF
}

func TestNothingIsSentBeforeTheConfirmation(t *testing.T) {
	account := map[string]string{"ALIBABA_CLOUD_ACCESS_KEY_ID": "testid", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret"}
	usual := []string{"-region", region, "-instance", instance}
	for _, test := range []struct {
		name     string
		env      map[string]string
		args     []string
		typed    string
		terminal bool
		text     string
	}{
		{"no account", nil, usual, instance, true, "ALIBABA_CLOUD_ACCESS_KEY_ID"},
		{"no account, with all flags", nil, append(slices.Clone(usual), "-commands", "-records", "-throttle"), instance, true, "ALIBABA_CLOUD_ACCESS_KEY_ID"},
		{"no region", account, usual[2:], instance, true, "missing -region"},
		{"bad region", account, append([]string{"-region", "CN"}, usual[2:]...), instance, true, "invalid -region"},
		{"no instance", account, usual[:2], instance, true, "missing -instance"},
		{"bad instance", account, append(slices.Clone(usual), "-instance", `i-"`), instance, true, "invalid -instance"},
		{"plain HTTP", account, append(slices.Clone(usual), "-endpoint", "http://ecs.cn-hangzhou.aliyuncs.com"), instance, true, "invalid -endpoint"},
		{"-yes", account, append(slices.Clone(usual), "-yes"), instance, true, "-yes is refused"},
		{"an argument", account, append(slices.Clone(usual), "i-other"), instance, true, "unexpected argument"},
		{"half a second key", map[string]string{
			"ALIBABA_CLOUD_ACCESS_KEY_ID": "testid", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret", "ECS_LIVE_DENIED_ACCESS_KEY_ID": "otherid",
		}, usual, instance, true, "set both or none"},
		{"the same second key", map[string]string{
			"ALIBABA_CLOUD_ACCESS_KEY_ID": "testid", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret",
			"ECS_LIVE_DENIED_ACCESS_KEY_ID": "testid", "ECS_LIVE_DENIED_ACCESS_KEY_SECRET": "testsecret",
		}, usual, instance, true, "is the key of the run"},
		{"-commands, nothing typed", account, append(slices.Clone(usual), "-commands"), "", true, "RUN A COMMAND AS ROOT IN THE GUEST"},
		{"-commands, another ID typed", account, append(slices.Clone(usual), "-commands"), "i-other\n", true, "command.run: up to 10\n"},
		{"a pipe", account, usual, instance, false, "no terminal"},
		{"nothing typed", account, usual, "", true, "not confirmed"},
		{"another ID typed", account, usual, "i-other\n", true, "not confirmed"},
		{"yes typed", account, usual, "yes\n", true, "not confirmed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			var log bytes.Buffer
			p := program{
				getenv: func(name string) string { return test.env[name] }, in: strings.NewReader(test.typed), terminal: test.terminal,
				out: io.Discard, log: &log, http: &http.Client{Transport: noNetwork{t}},
			}
			assert.Equal(t, exitFailed, p.run(t.Context(), test.args))
			assert.Contains(t, log.String(), test.text)
			assert.NoFileExists(t, "trace.json")
		})
	}
}

// echoing breaks a connection with an error that tells what was sent.
type echoing struct{}

func (echoing) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("malformed response %v %v", r.Header, r.URL)
}

func TestErrorsHoldNoSecret(t *testing.T) {
	key := map[string]string{"ALIBABA_CLOUD_ACCESS_KEY_ID": "canaryid", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "canarysecret", "ALIBABA_CLOUD_SECURITY_TOKEN": "canarytoken"}
	path := filepath.Join(t.TempDir(), "trace.json")
	var log bytes.Buffer
	p := program{
		getenv: func(name string) string { return key[name] }, in: strings.NewReader(instance + "\n"), terminal: true,
		out: &log, log: &log, http: &http.Client{Transport: echoing{}},
	}
	require.Equal(t, exitFailed, p.run(t.Context(), []string{"-region", region, "-instance", instance, "-endpoint", "http://127.0.0.1:1", "-out", path}))
	assert.Contains(t, log.String(), "malformed response")
	assert.NotContains(t, log.String(), "canary")
	written, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.NotContains(t, string(written), "canary")
}

// TestProgram runs the command against a fake on a socket, and compares its trace.
func TestProgram(t *testing.T) {
	server, err := ecstest.NewServer(ecstest.Options{})
	require.NoError(t, err)
	defer server.Close()
	quick := ecstest.RebootProfile{Graceful: 1200 * time.Millisecond, Forced: 1200 * time.Millisecond}
	require.NoError(t, server.AddInstance(ecstest.Instance{ID: instance, Reboot: quick}))
	path := filepath.Join(t.TempDir(), "trace.json")
	var out, log bytes.Buffer
	client := newHTTPClient()
	client.Transport = &http.Transport{}
	defer client.CloseIdleConnections()
	p := program{
		getenv: func(name string) string {
			return map[string]string{"ALIBABA_CLOUD_ACCESS_KEY_ID": "testid", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret"}[name]
		},
		in: strings.NewReader(instance + "\n"), terminal: true, out: &out, log: &log, http: client,
	}
	args := []string{"-region", region, "-instance", instance, "-endpoint", server.URL, "-out", path}
	require.Equal(t, exitSame, p.run(t.Context(), args), log.String())
	assert.Contains(t, log.String(), "reboot.accepted-xml: up to 2")
	assert.Contains(t, out.String(), "4 restarts requested")
	assert.Equal(t, 3, server.Reboots(instance))

	p.in = strings.NewReader(instance + "\n")
	require.Equal(t, exitFailed, p.run(t.Context(), args)) // the trace is there
	assert.Equal(t, 3, server.Reboots(instance))

	synctest.Test(t, func(t *testing.T) {
		out.Reset()
		p.http = &http.Client{Transport: noNetwork{t}}
		assert.Equal(t, exitDifferent, p.run(t.Context(), []string{"-replay", path}), out.String())
	})
	assert.Contains(t, out.String(), "reboot.graceful tookMs: the service has ")
	assert.Contains(t, out.String(), "flow.throttle: not compared: -throttle is not given")
	assert.Contains(t, out.String(), "rows compared, 2 differences")

	bad := filepath.Join(t.TempDir(), "bad.json")
	require.NoError(t, os.WriteFile(bad, []byte("{}"), 0o600))
	require.Equal(t, exitFailed, p.run(t.Context(), []string{"-replay", bad}))
}
