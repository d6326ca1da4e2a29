package conformance_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/ecstest"
)

// Flow control, and what the SDK reads of how long to wait.
func TestVendorThrottled(t *testing.T) {
	for _, header := range []ecstest.HintHeader{ecstest.NoHint, ecstest.HintRetryAfter, ecstest.HintRateLimitAPI, ecstest.HintRateLimitUser} {
		everyFlavor(t, func(t *testing.T, f flavor, k key) {
			options := k.options()
			// A bucket of one call, not to be filled again before the test ends.
			options.LimitPerMinute, options.LimitBurst, options.ThrottleHint = 1, 1, header
			server := newService(t, options)
			client := f.new(t, server.URL, k)
			require.NoError(t, client.statuses(id).err)
			refused := client.statuses(id)
			require.Error(t, refused.err)
			assert.Equal(t, "Throttling.User", server.Calls()[1].Code)
			if !f.readsErrors() {
				return
			}
			assert.Equal(t, "Throttling.User", refused.code)
			assert.Equal(t, 400, refused.status)
			if strings.HasPrefix(f.name, "darabonba/") && (header == ecstest.HintRateLimitAPI || header == ecstest.HintRateLimitUser) {
				assert.InDelta(t, 60_000, refused.retryAfter, 30_000, "milliseconds, by %s", header)
			}
			require.NoError(t, client.reboot(id, false).err, "the limit counts by operation")
		})
	}
}

// What the service says of a caller that it does not accept, today and in the
// older layer's words.
func TestVendorUnauthenticated(t *testing.T) {
	for _, legacy := range []bool{false, true} {
		for _, f := range flavors {
			if !f.readsErrors() {
				continue
			}
			t.Run(fmt.Sprintf("%s/legacy errors=%v", f.name, legacy), func(t *testing.T) {
				code := func(now, older string) string { return map[bool]string{false: now, true: older}[legacy] }
				k := keys["STS token"]
				options := k.options()
				options.LegacyErrors = legacy
				server := newService(t, options)
				check := func(k key, want string) reply {
					t.Helper()
					failed := f.new(t, server.URL, k).reboot(id, false)
					require.Error(t, failed.err)
					assert.Equal(t, want, failed.code)
					return failed
				}
				wrong := check(key{id: k.id, secret: "wrong", token: k.token}, code("SignatureDoesNotMatch", "IncompleteSignature"))
				if f.name == "alibaba-cloud-sdk-go/JSON" || f.name == "alibaba-cloud-sdk-go/GET" {
					// The SDK has compared what the service signed with what it did.
					assert.ErrorContains(t, wrong.err, "InvalidAccessKeySecret: Please check you AccessKeySecret")
				}
				check(key{id: "nobody", secret: k.secret, token: k.token}, "InvalidAccessKeyId.NotFound")
				check(key{id: k.id, secret: k.secret}, code("MissingSecurityToken", "MissingParameter"))
				check(key{id: k.id, secret: k.secret, token: "another"}, code("InvalidSecurityToken.MismatchWithAccessKey", "InvalidParameter"))
				server.SetClockOffset(16 * time.Minute)
				check(k, code("InvalidTimeStamp.Expired", "IllegalTimestamp"))
				server.SetClockOffset(0)
				require.NoError(t, server.RotateKey("STS.next", "next", "token of the next"))
				check(k, code("InvalidSecurityToken.Expired", "InvalidParameter"))
				assert.Zero(t, server.TotalReboots())
				require.NoError(t, f.new(t, server.URL, key{id: "STS.next", secret: "next", token: "token of the next"}).reboot(id, false).err)
			})
		}
	}
}

// What is no answer of the service is an error to the SDKs too, and no restart is
// lost from the count.
func TestVendorLosesAnswers(t *testing.T) {
	for name, lost := range map[string]ecstest.Fault{
		"reset":     {Kind: ecstest.FaultDrop, Act: true},
		"closed":    {Kind: ecstest.FaultFIN, Act: true},
		"half":      {Kind: ecstest.FaultHalfStatusLine, Act: true},
		"truncated": {Kind: ecstest.FaultTruncate},
		"502":       {Kind: ecstest.FaultAnswer, Act: true},
	} {
		for _, f := range flavors {
			t.Run(name+"/"+f.name, func(t *testing.T) {
				server := newService(t, ecstest.Options{})
				client := f.new(t, server.URL, keys["access key"])
				server.Inject(lost)
				failed := client.reboot(id, false)
				require.Error(t, failed.err)
				assert.Empty(t, failed.code)
				assert.Equal(t, 1, server.Reboots(id))
			})
		}
	}
}
