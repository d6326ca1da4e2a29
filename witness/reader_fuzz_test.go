package witness

import (
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
)

// Whatever the services answer, the readers do not panic, and claim nothing that the
// answer does not say.
func FuzzReaders(f *testing.F) {
	const id, region = "i-bp67acfmxazb4ph0001", "cn-hangzhou"
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for _, seed := range []string{
		`null`, `{}`, `7`, `[]`, `"x"`, ``, `{`,
		`{"eventName":"RebootInstance","eventTime":"2026-11-29T12:00:00Z","acsRegion":"cn-hangzhou","requestId":"R","userAgent":"x send/abc","requestParameters":{"InstanceId":"` + id + `"}}`,
		`{"eventName":"RebootInstance","eventTime":"2026-11-29T12:00:00Z","requestId":"R","errorCode":"DiskError","userAgent":"send/abc","requestParameters":"{\"InstanceId\":\"` + id + `\"}"}`,
		`{"eventName":"RebootInstance","errorCode":null,"userAgent":["send/abc"],"requestParameters":[]}`,
		`{"Name":"Instance:StateChange","Time":1795953600000,"Content":"{\"resourceId\":\"` + id + `\",\"state\":\"Stopping\"}"}`,
		`{"Name":"Instance:StateChange","Time":1e400,"Content":[{"resourceId":7}]}`,
		`{"ProductCode":"ecs","QuotaCategory":"FlowControl","QuotaActionCode":"RebootInstance","TotalQuota":1e308,"Period":{"PeriodValue":1e-308,"PeriodUnit":"second"}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		events := []json.RawMessage{json.RawMessage(text)}
		for _, sendID := range []string{"abc", "a."} {
			testimony, err := judgeEvents(events, ecsreboot.SentRequest{SendID: sendID, InstanceID: id, Region: region, ServiceTime: at})
			if err == nil && testimony.Finding != ecsreboot.FindingNoTrace {
				var e event
				require.NoError(t, decode(events[0], &e))
				require.Equal(t, testimony.Finding == ecsreboot.FindingAccepted, e.ErrorCode == "")
				require.Contains(t, e.UserAgent, "send/")
			}
		}
		for _, change := range changesOf(events, ecsreboot.SentRequest{InstanceID: id, Region: region, ServiceTime: at}) {
			require.False(t, change.At.Before(at))
			require.NotEmpty(t, change.Status)
		}
		rate := rateOf(events[0], region, "RebootInstance")
		require.GreaterOrEqual(t, rate, 0.0)
		_ = parseTime(text)
		output, _ := cleanConsole(text)
		require.LessOrEqual(t, len(output), maxConsole)
		require.True(t, utf8.ValidString(output))
		require.NotContains(t, output, "\x1b")
	})
}
