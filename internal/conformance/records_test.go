package conformance_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/alibabacloud-go/tea/tea"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/ecstest"
)

// object is a JSON object, or the part of one.
type object map[string]any

// in returns the value at a path of names and list positions.
func (o object) in(t *testing.T, path ...string) any {
	t.Helper()
	var value any = map[string]any(o)
	for _, name := range path {
		switch inner := value.(type) {
		case map[string]any:
			value = inner[name]
		case []any:
			n, err := strconv.Atoi(name)
			require.NoError(t, err)
			require.Greater(t, len(inner), n, "%v", o)
			value = inner[n]
		default:
			t.Fatalf("%v: no %s in %v", path, name, o)
		}
	}
	return value
}

// The vendor's client reads the records of a restart, as generated code would call it: with
// both signatures, in the query and in a form.
func TestRecords(t *testing.T) {
	for _, algorithm := range []string{"v2", ""} {
		for _, at := range []place{inQuery, inForm} {
			t.Run(algorithm+strconv.Itoa(int(at)), func(t *testing.T) {
				server := newService(t, ecstest.Options{AuditDelay: -1, StateChangeDelay: -1, LimitPerMinute: 500})
				d, ok := darabonbaClient(algorithm, at, "json")(t, server.URL, key{id: "testid", secret: "testsecret"}).(*darabonba)
				require.True(t, ok)
				try := func(version, action string, params map[string]string) (object, error) {
					request := new(openapi.OpenApiRequest)
					if at == inForm {
						form := map[string]any{}
						for name, value := range params {
							form[name] = value
						}
						request.Body = form
					} else {
						request.Query = map[string]*string{}
						for name, value := range params {
							request.Query[name] = new(value)
						}
					}
					result, err := d.client.CallApi(&openapi.Params{
						Action: new(action), Version: new(version), Protocol: new("HTTP"), Pathname: new("/"), Method: new("POST"),
						AuthType: new("AK"), Style: new("RPC"), ReqBodyType: new("formData"), BodyType: new("json"),
					}, request, new(dara.RuntimeOptions))
					if err != nil {
						return nil, err
					}
					text, err := json.Marshal(result["body"])
					require.NoError(t, err)
					var o object
					require.NoError(t, json.Unmarshal(text, &o))
					return o, nil
				}
				call := func(version, action string, params map[string]string) object {
					t.Helper()
					o, err := try(version, action, params)
					require.NoError(t, err, action)
					return o
				}
				ofECS := func(action string, params map[string]string) object {
					t.Helper()
					params["RegionId"] = region
					return call("2014-05-26", action, params)
				}
				command := map[string]string{
					"InstanceId.1": id, "Type": "RunShellScript", "RepeatMode": "Once", "ClientToken": "token", "ContentEncoding": "Base64",
					"CommandContent": base64.StdEncoding.EncodeToString([]byte("cat /proc/sys/kernel/random/boot_id")),
				}
				invocation := ofECS("RunCommand", command).in(t, "InvokeId")
				assert.Equal(t, invocation, ofECS("RunCommand", command).in(t, "InvokeId"))

				server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", Refuse: "OperationConflict"})
				require.Error(t, d.reboot(id, false).err)
				accepted := d.reboot(id, false)
				require.NoError(t, accepted.err)

				lookup := map[string]string{"LookupAttribute.1.Key": "EventName", "LookupAttribute.1.Value": "RebootInstance", "MaxResults": "1"}
				events := call("2020-07-06", "LookupEvents", lookup)
				assert.Equal(t, accepted.requestID, events.in(t, "Events", "0", "requestId"))
				assert.Nil(t, events.in(t, "Events", "0", "errorCode"))
				assert.Contains(t, events.in(t, "Events", "0", "userAgent"), "AlibabaCloud")
				lookup["NextToken"], ok = events.in(t, "NextToken").(string)
				require.True(t, ok)
				assert.Equal(t, "OperationConflict", call("2020-07-06", "LookupEvents", lookup).in(t, "Events", "0", "errorCode"))
				var throttled *openapi.ThrottlingError
				require.Eventually(t, func() bool {
					_, err := try("2020-07-06", "LookupEvents", lookup)
					return errors.As(err, &throttled)
				}, 5*time.Second, time.Millisecond, "more than two calls in a second")
				assert.Equal(t, "Throttling.User", tea.StringValue(throttled.Code))

				changes := call("2019-01-01", "DescribeSystemEventAttribute", map[string]string{
					"Product": "ECS", "Name": "Instance:StateChange", "SearchKeywords": id, "PageSize": "100",
					"StartTime": strconv.FormatInt(time.Now().Add(-time.Minute).UnixMilli(), 10), "EndTime": strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli(), 10),
				})
				assert.Contains(t, changes.in(t, "SystemEvents", "SystemEvent", "0", "Content"), `"state":"Starting"`)

				quotas := call("2020-05-10", "ListProductQuotas", map[string]string{"ProductCode": "ecs", "QuotaCategory": "FlowControl", "MaxResults": "100", "KeyWord": "RebootInstance"})
				assert.Equal(t, "RebootInstance", quotas.in(t, "Quotas", "0", "QuotaActionCode"))
				assert.EqualValues(t, 500, quotas.in(t, "Quotas", "0", "TotalQuota"))
				assert.Equal(t, "minute", quotas.in(t, "Quotas", "0", "Period", "PeriodUnit"))

				agents := ofECS("DescribeCloudAssistantStatus", map[string]string{"InstanceId.1": id})
				assert.Equal(t, "true", agents.in(t, "InstanceCloudAssistantStatusSet", "InstanceCloudAssistantStatus", "0", "CloudAssistantStatus"))
				results := ofECS("DescribeInvocationResults", map[string]string{"InvokeId": invocation.(string), "ContentEncoding": "PlainText"})
				assert.Len(t, strings.TrimSpace(results.in(t, "Invocation", "InvocationResults", "InvocationResult", "0", "Output").(string)), 36)
				assert.Empty(t, ofECS("GetInstanceConsoleOutput", map[string]string{"InstanceId": id}).in(t, "ConsoleOutput"))

				_, err := try("2020-07-06", "RebootInstance", map[string]string{"InstanceId": id})
				refused, ok := errors.AsType[*openapi.ClientError](err)
				require.True(t, ok, "%v", err)
				assert.Equal(t, "InvalidAction.NotFound", tea.StringValue(refused.Code))
			})
		}
	}
}
