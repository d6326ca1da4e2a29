package conformance_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// everyFlavor runs a test on every way to use the vendor's SDKs, with every key.
func everyFlavor(t *testing.T, test func(t *testing.T, f flavor, k key)) {
	t.Helper()
	for _, f := range flavors {
		for name, k := range keys {
			t.Run(f.name+"/"+name, func(t *testing.T) { test(t, f, k) })
		}
	}
}

// readsErrors reports whether the SDK can make anything of an error in the format
// that it asked for.
func (f flavor) readsErrors() bool {
	return !strings.HasPrefix(f.name, "darabonba/") || !strings.HasSuffix(f.name, "/XML")
}

// awkward are tags whose characters the two sides might encode in two ways.
var awkward = map[string]string{
	"team":        "a b+c*d~e/f",
	"名称 with空格":   "%2B&=?#'\"()!;:@,$[]{}<>|\\^`",
	"emoji 😀 +*~": "é ü ñ 中文",
	"empty":       "",
}

// A restart from the dry run to what reads show of it afterwards.
func TestVendorRestart(t *testing.T) {
	everyFlavor(t, func(t *testing.T, f flavor, k key) {
		server := newService(t, k.options())
		client := f.new(t, server.URL, k)

		checked := client.reboot(id, true)
		require.Error(t, checked.err)
		if f.readsErrors() {
			assert.Equal(t, "DryRunOperation", checked.code)
			assert.Equal(t, 400, checked.status)
		}
		require.Zero(t, server.Reboots(id))

		accepted := client.reboot(id, false)
		require.NoError(t, accepted.err)
		require.Equal(t, 1, server.Reboots(id))

		calls := server.Calls()
		require.Len(t, calls, 2)
		assert.Equal(t, "DryRunOperation", calls[0].Code)
		assert.Equal(t, calls[1].RequestID, accepted.requestID)
		assert.True(t, calls[1].Acted)
		for _, call := range calls {
			assert.Equal(t, id, call.InstanceID)
			assert.Equal(t, key{id: k.id, token: k.token, bearer: k.bearer}, inUse(call))
			assert.Equal(t, map[bool]string{true: "ACS3-HMAC-SHA256", false: "1.0"}[strings.Contains(f.name, "/V3")], call.SignatureVersion)
		}

		status := client.statuses(id)
		require.NoError(t, status.err)
		require.Len(t, status.InstanceStatuses.InstanceStatus, 1)
		assert.Equal(t, id, status.InstanceStatuses.InstanceStatus[0].InstanceID)
		assert.Equal(t, "Starting", status.InstanceStatuses.InstanceStatus[0].Status)

		list := client.instances([]string{id, "i-nobody"}, nil, "")
		require.NoError(t, list.err)
		require.Equal(t, []string{id}, list.ids())
		assert.Equal(t, "Starting", list.Instances.Instance[0].Status)

		again := client.reboot(id, false)
		require.Error(t, again.err)
		if f.readsErrors() {
			assert.Equal(t, "IncorrectInstanceStatus", again.code)
			assert.Equal(t, 403, again.status)
		}
		assert.Equal(t, 1, server.TotalReboots())
	})
}

// Lists by ids, by tags and in pages.
func TestVendorDescribeInstances(t *testing.T) {
	everyFlavor(t, func(t *testing.T, f flavor, k key) {
		server := newService(t, k.options())
		start := time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)
		require.NoError(t, server.AddInstance(ecstest.Instance{ID: "i-tagged", Tags: awkward, Locks: []string{"financial", "security"}, StartTime: start}))
		var all []string
		for n := range 23 {
			all = append(all, fmt.Sprintf("i-%02d", n))
			require.NoError(t, server.AddInstance(ecstest.Instance{ID: all[n], Tags: map[string]string{"team": "another"}}))
		}
		client := f.new(t, server.URL, k)

		found := client.instances(nil, awkward, "")
		require.NoError(t, found.err)
		require.Equal(t, []string{"i-tagged"}, found.ids())
		instance := found.Instances.Instance[0]
		assert.Equal(t, "2026-01-02T03:04Z", instance.StartTime)
		assert.Equal(t, "Running", instance.Status)
		tags := make(map[string]string)
		for _, tag := range instance.Tags.Tag {
			tags[tag.TagKey] = tag.TagValue
		}
		assert.Equal(t, awkward, tags)
		require.Len(t, instance.OperationLocks.LockReason, 2)
		assert.Equal(t, "financial", instance.OperationLocks.LockReason[0].LockReason)
		assert.Equal(t, "security", instance.OperationLocks.LockReason[1].LockReason)

		var listed []string
		for token, pages := "", 0; ; pages++ {
			require.Less(t, pages, 3)
			page := client.instances(nil, nil, token)
			require.NoError(t, page.err)
			listed = append(listed, page.ids()...)
			if token = page.NextToken; token == "" {
				break
			}
		}
		slices.Reverse(all)
		assert.Equal(t, append(all, "i-tagged", id), listed, "the newest come first")

		nobody := client.instances([]string{}, nil, "")
		require.NoError(t, nobody.err)
		assert.Empty(t, nobody.ids())
	})
}

// documentedErrors are those of the three operations and the common ones, as the
// vendor's documents have them.
var documentedErrors = map[string]int{
	"DiskError":                                 403,
	"DryRunOperation":                           400,
	"IncorrectInstanceStatus":                   403,
	"InstanceExpiredOrInArrears":                403,
	"InstanceLockedForSecurity":                 403,
	"InternalError":                             500,
	"InvalidInstanceId.NotFound":                404,
	"InvalidParameter.TooManyInstanceIds":       403,
	"InvalidRegionId.NotFound":                  404,
	"InvalidZoneId.NotFound":                    404,
	"InvalidParameter.KMSKeyId.CMKNotEnabled":   403,
	"InvalidParameter.KMSKeyId.CMKUnauthorized": 403,
	"InvalidParameter.KMSKeyId.KMSUnauthorized": 403,
	"InvalidParameter.KMSKeyId.NotFound":        404,
	"LimitedOperation.ServiceUnavailable":       503,
	"OperationConflict":                         409,
	"ServiceUnavailable":                        503,
	"UnknownError":                              400,
	"Forbidden.RAM":                             403,
	"Throttling":                                400,
	"Throttling.Api":                            400,
	"Throttling.User":                           400,
}

// Every documented error arrives with its code, status, text and request id.
func TestVendorErrors(t *testing.T) {
	everyFlavor(t, func(t *testing.T, f flavor, k key) {
		server := newService(t, k.options())
		client := f.new(t, server.URL, k)
		for code, status := range documentedErrors {
			for _, call := range []func() reply{
				func() reply { return client.reboot(id, false) },
				func() reply { return client.instances([]string{id}, nil, "") },
				func() reply { return client.statuses(id) },
			} {
				server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Code: code})
				server.ForgetCalls()
				failed := call()
				require.Error(t, failed.err, code)
				calls := server.Calls()
				require.Len(t, calls, 1, code)
				assert.Equal(t, status, calls[0].Status, code)
				assert.Equal(t, code, calls[0].Code)
				if f.readsErrors() {
					assert.Equal(t, code, failed.code)
					assert.Equal(t, status, failed.status, code)
					assert.NotEmpty(t, failed.message, code)
					assert.Equal(t, calls[0].RequestID, failed.requestID, code)
				}
			}
		}
		assert.Zero(t, server.TotalReboots())
	})
}

// The errors that the service itself comes to, of the states that cause them.
func TestVendorErrorsOfStates(t *testing.T) {
	for _, f := range flavors {
		if !f.readsErrors() {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			options := ecstest.Options{Allow: func(_, id string) bool { return id != "i-forbidden" }}
			server := newService(t, options)
			for _, i := range []ecstest.Instance{
				{ID: "i-stopped", Status: ecsreboot.StatusStopped},
				{ID: "i-locked", Locks: []string{"security"}},
				{ID: "i-unpaid", Locks: []string{"financial"}},
				{ID: "i-expired", ExpiredTime: time.Now().Add(-time.Hour)},
				{ID: "i-forbidden"},
			} {
				require.NoError(t, server.AddInstance(i))
			}
			client := f.new(t, server.URL, keys["access key"])
			for instance, want := range map[string]string{
				"i-stopped": "IncorrectInstanceStatus", "i-locked": "InstanceLockedForSecurity", "i-unpaid": "InstanceExpiredOrInArrears",
				"i-expired": "InstanceExpiredOrInArrears", "i-forbidden": "Forbidden.RAM", "i-nobody": "InvalidInstanceId.NotFound",
			} {
				for _, dryRun := range []bool{true, false} {
					failed := client.reboot(instance, dryRun)
					assert.Equal(t, want, failed.code, instance)
					assert.Equal(t, documentedErrors[want], failed.status, instance)
					if want == "Forbidden.RAM" && !strings.HasSuffix(f.name, "/XML") {
						assert.Equal(t, "ecs:RebootInstance", failed.denied["AuthAction"])
					}
				}
			}
			assert.Zero(t, server.TotalReboots())
		})
	}
}
