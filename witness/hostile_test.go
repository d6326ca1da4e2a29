package witness_test

import (
	"encoding/base64"
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/witness"
)

// A service that echoes a secret in another spelling does not make it known.
func TestEchoes(t *testing.T) {
	const token = "CAISabcdefgh+ijklmnop/qrstuvwx+yz0123456789/ABCDEF=="
	spellings := map[string]string{
		"raw":                 token,
		"no padding":          strings.TrimRight(token, "="),
		"lower case":          strings.ToLower(token),
		"tail cut":            token[:30],
		"percent, lower case": strings.ToLower(url.QueryEscape("+/=")) + strings.NewReplacer("+", "%2b", "/", "%2f", "=", "%3d").Replace(token),
		"percent twice":       url.QueryEscape(url.QueryEscape(token)),
		"code points":         strings.NewReplacer("/", `\u002f`, "+", `\u002B`, "=", `\u003d`).Replace(token),
		"XML":                 strings.NewReplacer("/", "&#47;", "+", "&#x2B;", "=", "&#61;").Replace(html.EscapeString(token)),
		"base64":              base64.StdEncoding.EncodeToString([]byte(token)),
		"wrapped":             token[:20] + "\n" + token[20:],
		"space for plus":      strings.ReplaceAll(token, "+", " "),
	}
	for name, spelled := range spellings {
		t.Run(name, func(t *testing.T) {
			options := of(t, func(*http.Request) (int, string) {
				body, err := json.Marshal(map[string]string{"RequestId": "R", "Code": "InvalidThing", "Message": "not " + spelled + " at all"})
				require.NoError(t, err)
				return http.StatusBadRequest, string(body)
			})
			var err error
			options.Credential, err = credentials.NewCredential(new(credentials.Config).SetType("sts").SetAccessKeyId("STS.id").SetAccessKeySecret(secret).SetSecurityToken(token))
			require.NoError(t, err)
			trail, err := witness.NewActionTrail(options)
			require.NoError(t, err)
			_, err = trail.Testify(t.Context(), ecsreboot.SentRequest{SendID: "s", InstanceID: id, Region: region, SentAt: time.Now().Add(-time.Hour)})
			require.Error(t, err)
			require.NotContains(t, err.Error(), spelled[:12])
			require.NotContains(t, strings.ToLower(err.Error()), "abcdefgh")
			require.NotContains(t, err.Error(), base64.StdEncoding.EncodeToString([]byte(token))[8:24])
		})
	}
}

// Of an event that does not say what it would have to, nothing is concluded.
func TestOddEvents(t *testing.T) {
	const sendID = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	now := time.Now()
	plain := func(change func(e map[string]any)) string {
		e := map[string]any{
			"eventName": "RebootInstance", "eventTime": now.Add(-time.Hour).UTC().Format(time.RFC3339), "acsRegion": region, "requestId": "R",
			"userAgent": "ecsreboot/1 go/1 send/" + sendID, "requestParameters": map[string]any{"InstanceId": id, "RegionId": region},
		}
		change(e)
		text, err := json.Marshal(map[string]any{"RequestId": "Q", "Events": []any{e}})
		require.NoError(t, err)
		return string(text)
	}
	for name, c := range map[string]struct {
		change func(e map[string]any)
		want   ecsreboot.Finding // empty: an error
	}{
		"plain":                        {func(map[string]any) {}, ecsreboot.FindingAccepted},
		"errorCode null":               {func(e map[string]any) { e["errorCode"] = nil }, ecsreboot.FindingAccepted},
		"a message without a code":     {func(e map[string]any) { e["errorMessage"] = "The operation is denied." }, ecsreboot.FindingNoTrace},
		"a code in spaces":             {func(e map[string]any) { e["errorCode"] = " " }, ecsreboot.FindingNoTrace},
		"a code that is a number":      {func(e map[string]any) { e["errorCode"] = 403 }, ""},
		"an error of another spelling": {func(e map[string]any) { e["ErrorCode"] = "IncorrectInstanceStatus"; e["errorCode"] = nil }, ""},
		"throttled":                    {func(e map[string]any) { e["errorCode"] = "Throttling.User" }, ecsreboot.FindingRefused},
		"quoted":                       {func(e map[string]any) { e["userAgent"] = `curl "send/` + sendID + `"` }, ecsreboot.FindingNoTrace},
		"longer":                       {func(e map[string]any) { e["userAgent"] = "send/" + sendID + "A" }, ecsreboot.FindingNoTrace},
		"of an operation":              {func(e map[string]any) { e["userAgent"] = "send/run." + sendID }, ecsreboot.FindingNoTrace},
		"a dry run":                    {func(e map[string]any) { e["errorCode"] = "DryRunOperation" }, ecsreboot.FindingNoTrace},
		"a dry run by its parameter":   {func(e map[string]any) { e["requestParameters"] = map[string]any{"InstanceId": id, "DryRun": true} }, ecsreboot.FindingNoTrace},
		"parameters as a text":         {func(e map[string]any) { e["requestParameters"] = `{"InstanceId":"` + id + `","DryRun":"true"}` }, ecsreboot.FindingNoTrace},
		"an empty text of parameters":  {func(e map[string]any) { e["requestParameters"] = ""; e["resourceName"] = id }, ecsreboot.FindingAccepted},
		"another instance's":           {func(e map[string]any) { e["requestParameters"] = map[string]any{"InstanceId": "i-other"} }, ""},
		"another region's":             {func(e map[string]any) { e["acsRegion"] = "cn-beijing" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			trail, err := witness.NewActionTrail(of(t, func(*http.Request) (int, string) { return http.StatusOK, plain(c.change) }))
			require.NoError(t, err)
			found, err := trail.Testify(t.Context(), ecsreboot.SentRequest{SendID: sendID, InstanceID: id, Region: region, SentAt: now.Add(-time.Hour), ServiceTime: now.Add(-time.Hour)})
			if c.want == "" {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, found.Finding, found.Message)
		})
	}
}

// A change that is dated in the future cannot have been seen.
func TestChangesOfTheFuture(t *testing.T) {
	now := time.Now()
	content := `{"resourceId":"` + id + `","state":"Stopping"}`
	changes, err := witness.NewStateChanges(of(t, func(*http.Request) (int, string) {
		return http.StatusOK, `{"Code":"200","SystemEvents":{"SystemEvent":[{"Name":"Instance:StateChange","RegionId":"cn-hangzhou","Time":` +
			strconv.FormatInt(now.UnixMicro(), 10) + `,"Content":` + strconv.Quote(content) + `}]}}`
	}))
	require.NoError(t, err)
	found, err := changes.Testify(t.Context(), ecsreboot.SentRequest{SendID: "s", InstanceID: id, Region: region, SentAt: now.Add(-time.Hour), ServiceTime: now.Add(-time.Hour)})
	require.NoError(t, err)
	require.Empty(t, found.Changes)
}

// Something else has started the instance since the Heartbeats was made. Its restart, which
// keeps StartTime, needs a heartbeat of its own nevertheless.
func TestHealthAfterAnotherStart(t *testing.T) {
	bubble(t, ecstest.Options{}, func(t *testing.T, s *stage) {
		beats, err := witness.NewHeartbeats(s.options(t))
		require.NoError(t, err)
		s.RemoveInstance(id)
		time.Sleep(10 * time.Minute)
		require.NoError(t, s.AddInstance(ecstest.Instance{
			ID: id, StartTime: time.Now().Add(-3 * time.Minute), AgentDelay: 50 * time.Second,
			Reboot: ecstest.RebootProfile{Graceful: 20 * time.Second, KeepStartTime: true},
		}))
		time.Sleep(20 * time.Minute)
		_, err = s.client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id})
		require.NoError(t, err)
		time.Sleep(25 * time.Second)
		require.Error(t, beats.Health(t.Context(), fleet.Target{Region: region, ID: id}), "it is Running, and its agent does not run yet")
		for range 12 {
			time.Sleep(10 * time.Second)
			err = beats.Health(t.Context(), fleet.Target{Region: region, ID: id})
		}
		require.NoError(t, err)
	})
}
