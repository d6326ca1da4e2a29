package ecstest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// body is the answer's body with its request id replaced, after a look at what
// every answer has in common.
func body(t *testing.T, r reply, contentType string) string {
	t.Helper()
	requestID := r.header.Get("X-Acs-Request-Id")
	require.Regexp(t, `^[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}$`, requestID)
	require.Regexp(t, `^[0-9a-f]{32}$`, r.header.Get("X-Acs-Trace-Id"))
	require.Equal(t, "*", r.header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, contentType, r.header.Get("Content-Type"))
	require.NotEmpty(t, r.header.Get("Date"))
	require.Contains(t, r.body, requestID)
	return strings.ReplaceAll(r.body, requestID, "ID")
}

func TestBodies(t *testing.T) {
	const asJSON, asXML = "application/json;charset=utf-8", "text/xml;charset=utf-8"
	for _, test := range []struct {
		name, format, accept, contentType string
		v1                                bool
	}{
		{name: "V1 JSON", v1: true, format: "json", contentType: asJSON},
		{name: "V1 XML", v1: true, format: "Xml", contentType: asXML},
		{name: "V1 default", v1: true, contentType: asXML},
		{name: "V3 default", contentType: asJSON},
		{name: "V3 any", accept: "*/*", contentType: asJSON},
		{name: "V3 JSON", accept: "application/json", contentType: asJSON},
		{name: "V3 both", accept: "text/xml, application/json", contentType: asJSON},
		{name: "V3 XML", accept: "application/xml", contentType: asXML},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := inMemory(t, Options{Allow: func(_, instance string) bool { return instance != "i-denied" }})
			c := newCaller(s)
			c.v1, c.format, c.accept = test.v1, test.format, test.accept

			success, failure := `{"RequestId":"ID"}`,
				`{"RequestId":"ID","HostId":"127.0.0.1","Code":"InvalidInstanceId.NotFound","Message":"The specified InstanceId does not exist.",`+
					`"Recommend":"https://api.aliyun.com/troubleshoot?q=InvalidInstanceId.NotFound&product=Ecs&requestId=ID"}`
			denied := `"AccessDeniedDetail":{"AuthAction":"ecs:RebootInstance","AuthPrincipalType":"SubUser","AuthPrincipalOwnerId":"1234567890123456",` +
				`"AuthPrincipalDisplayName":"200000000000000001","PolicyType":"AccountLevelIdentityBasedPolicy","NoPermissionType":"ImplicitDeny","EncodedDiagnosticMessage":"AQEAAAAAZWNzdGVzdA=="}}`
			if test.contentType == asXML {
				success = `<?xml version="1.0" encoding="UTF-8"?><RebootInstanceResponse><RequestId>ID</RequestId></RebootInstanceResponse>`
				failure = `<?xml version="1.0" encoding="UTF-8"?><Error><RequestId>ID</RequestId><HostId>127.0.0.1</HostId><Code>InvalidInstanceId.NotFound</Code>` +
					`<Message>The specified InstanceId does not exist.</Message>` +
					`<Recommend>https://api.aliyun.com/troubleshoot?q=InvalidInstanceId.NotFound&amp;product=Ecs&amp;requestId=ID</Recommend></Error>`
				denied = `<AccessDeniedDetail><AuthAction>ecs:RebootInstance</AuthAction>`
			}
			r := c.reboot(t)
			require.Equal(t, http.StatusOK, r.status)
			require.Equal(t, success, body(t, r, test.contentType))

			r = c.must(t, actionReboot, "InstanceId", "i-none")
			require.Equal(t, http.StatusNotFound, r.status)
			require.Equal(t, failure, body(t, r, test.contentType))

			r = c.must(t, actionReboot, "InstanceId", "i-denied")
			require.Equal(t, http.StatusForbidden, r.status)
			require.Contains(t, body(t, r, test.contentType), denied)
		})
	}
}

func TestUnknownFormat(t *testing.T) {
	c := newCaller(inMemory(t, Options{}))
	c.v1, c.format = true, "yaml"
	r := c.reboot(t)
	require.Equal(t, http.StatusBadRequest, r.status)
	require.Contains(t, r.body, "<Code>InvalidParameter.Format</Code>")
}

func TestDeniedToATemporaryKey(t *testing.T) {
	c := newCaller(inMemory(t, Options{SecurityToken: "token", Allow: func(string, string) bool { return false }}))
	c.token = "token"
	require.Contains(t, c.reboot(t).body, `"AuthPrincipalType":"AssumedRoleUser"`)
}

// What a client sends back to itself must not break out of the answer.
func TestXMLIsEscaped(t *testing.T) {
	s := inMemory(t, Options{})
	s.Inject(Fault{Kind: FaultError, Code: "DiskError", Message: "a <b> & \x01"})
	c := newCaller(s)
	c.accept = "text/xml"
	require.Contains(t, c.reboot(t).body, "<Message>a &lt;b&gt; &amp; \uFFFD</Message>")
}
