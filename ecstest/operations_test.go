package ecstest

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// reference is what the vendor's metadata says of an operation: names, types and codes.
type reference struct {
	Parameters map[string]string // the type by name
	Required   []string
	Fields     map[string]string // of a success: the type by path
	Codes      map[string][]int  // the statuses by code
}

// references are of all operations that the server implements, except DescribeZones.
func references(t *testing.T) map[string]reference {
	t.Helper()
	data, err := os.ReadFile("testdata/operations.json")
	require.NoError(t, err)
	var all map[string]reference
	require.NoError(t, json.Unmarshal(data, &all))
	for action := range operations {
		require.True(t, action == actionZones || all[action].Parameters != nil, action)
	}
	require.Len(t, all, len(operations)-1)
	return all
}

// covers reports whether a name of ours stands for a name of the reference, which has its
// lists as Tag.N.Key or Filter.1.Key.
func covers(name, documented string) bool {
	list, numbered := strings.CutSuffix(name, "N")
	return name == documented || numbered && strings.HasPrefix(documented, list)
}

// Each documented parameter is heeded or refused, and no other one.
func TestReferenceParameters(t *testing.T) {
	for action, ref := range references(t) {
		op := operations[action]
		ours := slices.Concat(op.parameters, op.unimplemented)
		if action == actionList {
			for _, f := range filters {
				ours = append(ours, f.name)
			}
		}
		for name := range ref.Parameters {
			n := 0
			for _, our := range ours {
				if covers(our, name) {
					n++
				}
			}
			require.Equal(t, 1, n, "%s: %s", action, name)
		}
		for _, our := range ours {
			require.True(t, slices.ContainsFunc(slices.Collect(maps.Keys(ref.Parameters)), func(name string) bool { return covers(our, name) }), "%s: %s", action, our)
		}
	}
}

// full is a server with an instance that has all that an instance in a VPC can have, with
// an event that was avoided and one that is scheduled, and with one of the classic network.
func full(t *testing.T) *Server {
	t.Helper()
	s := many(t, 0)
	later := time.Now().Add(time.Hour)
	require.NoError(t, s.AddInstance(Instance{
		ID: id, AgentDelay: -1, EIP: "203.0.113.3", PublicIPs: []string{"203.0.113.1"}, Tags: map[string]string{"k": "v"}, Reboot: RebootProfile{Graceful: -1},
		Events: []ScheduledEvent{{NotBefore: later}, {NotBefore: time.Now().Add(-time.Hour)}},
	}))
	require.NoError(t, s.AddInstance(Instance{ID: "i-classic", InnerIPs: []string{"10.9.9.9"}}))
	require.NoError(t, s.Restart(id, false))
	for _, mode := range []string{everyReboot, onlyOnce} { // t-hz0000000001 waits for a reboot
		require.Equal(t, http.StatusOK, newCaller(s).must(t, actionRun, "RegionId", "cn-hangzhou", "InstanceId.1", id, "RepeatMode", mode,
			"Type", shellScript, "CommandContent", "cat /proc/sys/kernel/random/boot_id").status)
	}
	for range 2 { // so that there are two events of two calls
		newCaller(s).reboot(t, "DryRun", "true")
	}
	return s
}

// base is a call of each operation that succeeds with something to show.
func base(action string) map[string]string {
	switch action {
	case actionList, actionStatus, actionEvents, actionHistory:
		return map[string]string{"RegionId": "cn-hangzhou"}
	case actionResults, actionInvocations:
		return map[string]string{"RegionId": "cn-hangzhou"}
	case actionStopRun:
		return map[string]string{"RegionId": "cn-hangzhou", "InvokeId": "t-hz0000000001"}
	case actionConsole:
		return map[string]string{"RegionId": "cn-hangzhou", "InstanceId": id}
	case actionRun:
		return map[string]string{
			"RegionId": "cn-hangzhou", "InstanceId.1": id, "Type": shellScript, "ContentEncoding": "Base64",
			"CommandContent": base64.StdEncoding.EncodeToString([]byte("cat /proc/sys/kernel/random/boot_id")),
		}
	case actionReboots:
		return map[string]string{"RegionId": "cn-hangzhou", "InstanceId.1": id}
	case actionRegions, actionChanges:
		return nil
	case actionAgents:
		return map[string]string{"RegionId": "cn-hangzhou", "PageSize": "50"}
	case actionQuotas:
		return map[string]string{"ProductCode": "ecs", "QuotaCategory": "FlowControl", "MaxResults": "2"}
	case actionLookup:
		return map[string]string{"MaxResults": "1"}
	}
	return map[string]string{"InstanceId": id}
}

// got is what of an answer shows whether a parameter was heeded.
type got struct {
	status, total int
	code          string
}

func (c *caller) outcome(t *testing.T, action string, params map[string]string) got {
	t.Helper()
	var list []string
	for name, value := range params {
		list = append(list, name, value)
	}
	r := c.must(t, action, list...)
	var body struct {
		Code       string
		TotalCount int
		Events     []any
		Quotas     []any

		Invocation   struct{ TotalCount int }
		SystemEvents struct{ SystemEvent []any }
	}
	require.NoError(t, json.Unmarshal([]byte(r.body), &body))
	return got{r.status, body.TotalCount + body.Invocation.TotalCount + len(body.Events) + len(body.Quotas) + len(body.SystemEvents.SystemEvent), body.Code}
}

// commonCodes are those that the metadata does not repeat for each operation.
var commonCodes = map[string][]int{
	"MissingParameter": {400}, "InvalidParameter": {400}, "InvalidRegionId.NotFound": {404}, "NotImplementedByEcstest": {400},
}

// anyText are the parameters that may be any text: DescribeInvocations shows them.
var anyText = map[string][]string{actionRun: {"ClientToken", "Description", "Name"}}

// Each documented parameter changes the answer if its value selects nothing or is not of
// its type: the server ignores none. Each code is documented, with its status.
func TestReferenceParametersAreHeeded(t *testing.T) {
	for action, ref := range references(t) {
		plain := base(action)
		server := full(t)
		if action == actionStart {
			require.NoError(t, server.SetStatus(id, "Stopped"))
		}
		success := newCaller(server).outcome(t, action, plain)
		require.Equal(t, 200, success.status, action)
		check := func(name string, params map[string]string) got {
			answer := newCaller(full(t)).outcome(t, action, params)
			require.NotEqual(t, success, answer, "%s: %s", action, name)
			if answer.status != http.StatusOK {
				known := slices.Concat(ref.Codes[answer.code], commonCodes[answer.code])
				require.Contains(t, known, answer.status, "%s: %s: %s", action, name, answer.code)
			}
			return answer
		}
		for name, kind := range ref.Parameters {
			if slices.Contains(anyText[action], name) {
				continue
			}
			params := maps.Clone(plain)
			if params == nil {
				params = map[string]string{}
			}
			params[strings.Replace(name, ".N", ".1", 1)] = "no-such"
			switch answer := check(name, params); {
			case slices.ContainsFunc(operations[action].unimplemented, func(our string) bool { return covers(our, name) }):
				require.Equal(t, "NotImplementedByEcstest", answer.code, "%s: %s", action, name)
			case kind != "string":
				require.Contains(t, []string{"InvalidParameter", "INVALID.MAX.RESULTS", "ParameterInvalid", "InvalidParam." + name, "InvalidParameter." + name}, answer.code, "%s: %s", action, name)
			}
		}
		for _, name := range ref.Required {
			params := maps.Clone(plain)
			delete(params, strings.Replace(name, ".N", ".1", 1))
			require.NotEqual(t, 200, check("without "+name, params).status)
		}
	}
}

// The status of an error is the documented one.
func TestReferenceCodes(t *testing.T) {
	statuses := map[string][]int{}
	for _, ref := range references(t) {
		for code, of := range ref.Codes {
			statuses[code] = append(statuses[code], of...)
		}
	}
	for code, p := range problems {
		if statuses[code] != nil && code != "Throttling" { // 400 of the gateway, and 429 of one operation
			require.Contains(t, statuses[code], p.status, code)
		}
	}
}

// notShown are the documented fields that no instance of the server has: those of spot
// and burstable instances, of local disks, of dedicated hosts, of HPC and
// of IPv6, those that are not in use or only for invited users, and the details of events.
var notShown = map[string][]string{
	actionList: {
		"CpuOptions.TopologyType", "CreditSpecification", "DedicatedHostAttribute.DedicatedHostClusterId", "DeploymentSetGroupNo",
		"HpcClusterId", "ISP", "ImageOptions.", "LocalStorageAmount",
		"LocalStorageCapacity", "MetadataOptions.HttpPutResponseHopLimit", "NetworkInterfaces.NetworkInterface[].Ipv4PrefixSets.", "NetworkInterfaces.NetworkInterface[].Ipv6PrefixSets.",
		"NetworkInterfaces.NetworkInterface[].Ipv6Sets.", "RdmaIpAddress.", "SpotDuration", "SpotInterruptionBehavior", "SpotPriceLimit",
	},
	actionAttribute: {"CreditSpecification", "EnableJumboFrame", "InnerIpAddress."}, // of an instance in a VPC
	actionEvents:    {"ScheduledSystemEventSet.ScheduledSystemEventType[].ExtendedAttribute."},
	actionHistory:   {"ExtendedAttribute."},
	actionResults:   {"Tags."}, actionInvocations: {"Tags."},
	actionQuotas: {"ApplicableRange[]", "ApplyReasonTips", "EffectiveTime", "ExpireTime", "QuotaItems[].", "SupportedRange[]", "UsageMetric."},
}

// elements are where the fields of an operation's items stand.
var elements = map[string]string{
	actionList: "Instances.Instance[].", actionEvents: "InstanceFullStatusSet.InstanceFullStatusType[].", actionHistory: "InstanceSystemEventSet.InstanceSystemEventType[].",
	actionQuotas: "Quotas[].", actionResults: "Invocation.InvocationResults.InvocationResult[].", actionInvocations: "Invocations.Invocation[].",
}

// An answer has the documented fields, of the documented types, in JSON and in XML.
func TestReferenceFields(t *testing.T) {
	for action, ref := range references(t) {
		s := full(t)
		if action == actionStart {
			require.NoError(t, s.SetStatus(id, "Stopped"))
		}
		require.NoError(t, s.SetLocks(id, "recycling"))
		c := newCaller(s)
		var params []string
		for name, value := range base(action) {
			params = append(params, name, value)
		}
		if action == actionHistory {
			params = append(params, "InstanceEventCycleStatus.1", "Scheduled", "InstanceEventCycleStatus.2", "Avoided")
		}
		r := c.must(t, action, params...)
		require.Equal(t, http.StatusOK, r.status, r.body)
		var body any
		require.NoError(t, json.Unmarshal([]byte(r.body), &body))
		shown := map[string]string{}
		jsonFields("", body, shown)
		for path, kind := range shown {
			if object := ref.objectOf(path); object != "" {
				delete(shown, path)
				shown[object] = "object"
				continue
			}
			require.Equal(t, strings.Replace(ref.Fields[path], "number", "integer", 1), kind, "%s: %s", action, path)
		}
		for path := range ref.Fields {
			excused := slices.ContainsFunc(notShown[action], func(name string) bool {
				full := elements[action] + name
				return path == full || strings.HasSuffix(full, ".") && strings.HasPrefix(path, full)
			})
			require.NotEqual(t, excused, shown[path] != "", "%s: %s", action, path)
		}

		if action == actionStart || action == actionStop || action == actionReboot || action == actionReboots {
			continue // a second call would be refused
		}
		c.accept = "text/xml"
		inXML := xmlFields(t, c.must(t, action, params...).body)
		for path := range inXML {
			if object := ref.objectOf(path); object != "" {
				delete(inXML, path)
				inXML[strings.ReplaceAll(object, "[]", "")] = true
			}
		}
		for path := range shown {
			path = strings.ReplaceAll(path, "[]", "")
			require.True(t, inXML[path], "%s: %s", action, path)
			delete(inXML, path)
		}
		for path := range inXML { // the rest are empty lists
			require.True(t, slices.ContainsFunc(slices.Collect(maps.Keys(ref.Fields)), func(documented string) bool {
				return strings.HasPrefix(strings.ReplaceAll(documented, "[]", ""), path+".")
			}), "%s: %s", action, path)
		}
	}
}

// objectOf returns the path of the object whose fields the metadata leaves open and which
// holds path, in JSON or in XML, or "".
func (r reference) objectOf(path string) string {
	for object, kind := range r.Fields {
		if kind == "object" && strings.HasPrefix(strings.ReplaceAll(path, "[]", ""), strings.ReplaceAll(object, "[]", "")+".") {
			return object
		}
	}
	return ""
}

func jsonFields(path string, value any, into map[string]string) {
	switch value := value.(type) {
	case map[string]any:
		for name, inner := range value {
			jsonFields(strings.TrimPrefix(path+"."+name, "."), inner, into)
		}
	case []any:
		for _, inner := range value {
			jsonFields(path+"[]", inner, into)
		}
	case string:
		into[path] = "string"
	case bool:
		into[path] = "boolean"
	case float64:
		into[path] = "integer"
	default:
		into[path] = "null"
	}
}

// xmlFields are the paths of the elements that hold no other one.
func xmlFields(t *testing.T, body string) map[string]bool {
	t.Helper()
	paths := map[string]bool{}
	decoder := xml.NewDecoder(strings.NewReader(body))
	var open []string
	leaf := false
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return paths
		}
		require.NoError(t, err)
		switch token := token.(type) {
		case xml.StartElement:
			open, leaf = append(open, token.Name.Local), true
		case xml.EndElement:
			if leaf {
				paths[strings.Join(open[1:], ".")] = true
			}
			open, leaf = open[:len(open)-1], false
		}
	}
}
