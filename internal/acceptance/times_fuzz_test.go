package acceptance_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
)

// minuteForm is how the service writes the times of instances: to the minute, or with
// seconds, as one of its pages claims, of which Go reads fractions too.
var minuteForm = regexp.MustCompile(`^(\d{4})-(\d\d)-(\d\d)T(\d\d?):(\d\d)(?::(\d\d)(?:[.,]\d+)?)?Z$`)

// minuteOf reads a time in that form, digit by digit. Every other text is no time.
func minuteOf(text string) time.Time {
	parts := minuteForm.FindStringSubmatch(text)
	if parts == nil {
		return time.Time{}
	}
	var n [6]int
	for i, digits := range parts[1:] {
		n[i], _ = strconv.Atoi(digits)
	}
	at := time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.UTC)
	if at.Year() != n[0] || at.Month() != time.Month(n[1]) || at.Day() != n[2] || at.Hour() != n[3] || at.Minute() != n[4] || at.Second() != n[5] {
		return time.Time{} // as the 30th of February
	}
	return at.Add(-time.Duration(n[5]) * time.Second)
}

// FuzzInstanceTimes lists an instance with any texts in place of its times: those
// that the service may write are read, to the minute, and all others are none.
func FuzzInstanceTimes(f *testing.F) {
	for _, text := range []string{
		"2017-12-10T04:04Z", "2017-12-10T04:04:59Z", "2099-12-31T15:59Z", "", "2017-12-10T04:04", "2017-12-10 04:04Z", "2017-12-10T04:04+08:00",
		"2017-02-29T04:04Z", "2016-02-29T04:04Z", "0000-01-01T00:00Z", "9999-12-31T23:59:59.999999999Z", "2017-12-10T4:04Z", "2017-1-10T04:04Z", "2017-12-1T04:04Z", "1512878640", "2017-12-10T24:00Z",
		"2017-12-10T04:60Z", "2017-12-10T04:04:60Z", "\u0662017-12-10T04:04Z",
	} {
		f.Add(text, int64(1_512_878_640))
	}
	f.Add("", int64(-62_135_596_740))
	f.Fuzz(func(t *testing.T, text string, second int64) {
		const from, minutes = -62_167_219_200, 10_000 * 31_556_952 / 60 // the years 0 to 9999
		at := time.Unix(from+60*int64(uint64(second-from)/60%minutes), 0).UTC()
		body, err := json.Marshal(map[string]any{"RequestId": "R", "Instances": map[string]any{"Instance": []any{map[string]any{
			"InstanceId": id, "Status": "Running", "StartTime": text, "ExpiredTime": at.Format("2006-01-02T15:04Z"), "CreationTime": at.Format("2006-01-02T15:04:05Z"),
		}}}})
		require.NoError(t, err)
		if strings.ToValidUTF8(text, "\ufffd") != text {
			return // which is no JSON
		}
		client := fuzzClient(t, answered(200, nil, string(body), -1))
		for instance, err := range client.DescribeInstances(t.Context(), ecsreboot.DescribeInstancesRequest{}) {
			require.NoError(t, err)
			require.Equal(t, minuteOf(text), instance.StartTime, "%q", text)
			require.Equal(t, at, instance.ExpiredTime, "it comes back")
			require.Equal(t, at, instance.CreationTime)
		}
	})
}

var (
	wholeNumber = regexp.MustCompile(`^[+-]?[0-9]+$`)
	timeLeft    = regexp.MustCompile(`(?i)^TimeLeft$`)
)

// hintOf is a hint of so many milliseconds: none if they are not a number above 0
// that anybody counts by, and a day at most.
func hintOf(text string) time.Duration {
	text = strings.TrimSpace(text)
	n, ok := new(big.Int).SetString(text, 10)
	if !ok || !wholeNumber.MatchString(text) || !n.IsInt64() || n.Sign() <= 0 {
		return 0
	}
	const day = 24 * 60 * 60 * 1000
	return time.Duration(min(n.Int64(), day)) * time.Millisecond
}

// FuzzRetryAfter throttles a restart with any hints: the longest that can be read is
// told, and none is longer than a day or below 0.
func FuzzRetryAfter(f *testing.F) {
	for _, text := range []string{
		"2000", " 1 ", "-5", "+5", "soon", "1.5", "0", "86400000", "86400001", "9223372036854775807", "9223372036854775808", "1e3", "0x10", "1_000", "٣",
	} {
		f.Add(text, "Limit:1,Remain:0,TimeLeft:"+text+",Reset:1234", "")
		f.Add("", "", "Limit:1, Remain:0, timeleft : "+text+" , TimeLeft:3")
	}
	f.Add("", "TimeLeft", "TimeLeft::1,:,,TimeLeft:2:3")
	f.Fuzz(func(t *testing.T, after, api, user string) {
		header := http.Header{"X-Acs-Retry-After": {after}, "X-Ratelimit-User-Api": {api}, "X-Ratelimit-User": {user}}
		want := hintOf(after)
		for part := range strings.SplitSeq(api+","+user, ",") {
			if name, value, _ := strings.Cut(part, ":"); timeLeft.MatchString(strings.TrimSpace(name)) {
				want = max(want, hintOf(value))
			}
		}
		client := fuzzClient(t, answered(400, header, `{"RequestId":"R","Code":"Throttling.User","Message":"m"}`, -1))
		_, err := client.RebootInstance(t.Context(), request)
		require.ErrorIs(t, err, ecsreboot.ErrThrottled)
		require.ErrorIs(t, err, ecsreboot.ErrRejected)
		api2, ok := errors.AsType[*ecsreboot.APIError](err)
		require.True(t, ok)
		require.Equal(t, want, api2.RetryAfter)
		pace := client.Pace("RebootInstance")
		require.True(t, pace.Closed)
		require.Less(t, time.Until(pace.Until), 6*time.Minute, "a probe leaves before a longer wait ends")
	})
}

// FuzzClock refuses a request for its time, with any Date. One of somebody's clock is
// taken over for the next request, and of any other nothing comes.
func FuzzClock(f *testing.F) {
	for _, text := range []string{
		"", "Fri, 02 Jan 2026 03:04:18 GMT", "Sat, 01 Jan 0001 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "today", "Sunday, 06-Nov-94 08:49:37 GMT",
		"Sun Nov  6 08:49:37 1994", "Fri, 02 Jan 2026 03:04:18 +0800", "Fri, 2 Jan 2026 03:04:18 GMT", "Mon, 31 Dec 1990 23:59:59 GMT", "Tue, 01 Jan 1991 00:00:00 GMT",
		"Thu, 31 Dec 2099 23:59:59 GMT", "Fri, 01 Jan 2100 00:00:00 GMT",
	} {
		f.Add(text, int64(1_767_323_058))
	}
	f.Fuzz(func(t *testing.T, text string, second int64) {
		const from, seconds = 662_688_000, 109 * 31_556_952 // 1991 to 2099
		date := time.Unix(from+int64(uint64(second-from)%seconds), 0)
		believed := true
		if text == "" {
			text = date.UTC().Format(http.TimeFormat)
		} else {
			var err error
			date, err = http.ParseTime(text)
			believed = err == nil && date.Year() > 1990 && date.Year() < 2100
		}
		var stamps []string
		way := roundTripFunc(func(req *http.Request) (*http.Response, error) {
			stamps = append(stamps, req.Header.Get("X-Acs-Date"))
			const body = `{"RequestId":"R","Code":"InvalidTimeStamp.Expired","Message":"m"}`
			return &http.Response{StatusCode: 400, Header: http.Header{"Date": {text}}, Request: req, ContentLength: -1, Body: io.NopCloser(strings.NewReader(body))}, nil
		})
		client := fuzzClient(t, way, ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{MaxAttempts: 3, BaseDelay: -1}))
		_, err := client.RebootInstance(t.Context(), request)
		require.ErrorIs(t, err, ecsreboot.ErrInvalidTimeStampExpired)
		require.ErrorIs(t, err, ecsreboot.ErrRejected)
		for _, stamp := range stamps {
			_, err := time.Parse("2006-01-02T15:04:05Z", stamp)
			require.NoError(t, err)
		}
		if !believed {
			require.Len(t, stamps, 1, "%q", text)
			return
		}
		require.Len(t, stamps, 2, "%q", text)
		stamp, err := time.Parse("2006-01-02T15:04:05Z", stamps[1])
		require.NoError(t, err)
		require.WithinDuration(t, date, stamp, 10*time.Second, "%q", text)
	})
}

// FuzzServiceTime reads a baseline with any Date: one that is up to 15 minutes from our
// clock is taken for the service's, and of any other nothing comes.
func FuzzServiceTime(f *testing.F) {
	for _, seconds := range []int64{0, 1, -1, 895, -895, 905, -905, 1200, -1200, 3600, -3600, 315_360_000, -315_360_000, 1 << 33, -1 << 33} {
		f.Add(seconds)
	}
	f.Fuzz(func(t *testing.T, away int64) {
		away %= 8_000_000_000 // less than the years that a Date can tell
		now := time.Now()
		date := now.Add(time.Duration(away) * time.Second).UTC().Truncate(time.Second)
		body := `{"RequestId":"R","Instances":{"Instance":[{"InstanceId":"` + id + `","Status":"Running","StartTime":"2017-12-10T04:04Z"}]}}`
		client := fuzzClient(t, answered(200, http.Header{"Date": {date.Format(http.TimeFormat)}}, body, -1), ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{}))
		baseline, err := client.TakeBaseline(t.Context(), id)
		require.NoError(t, err)
		switch distance := date.Sub(now).Abs(); {
		case distance < 15*time.Minute-2*time.Second:
			require.True(t, date.Equal(baseline.ServiceTime), "%v is %v", date, baseline.ServiceTime)
		case distance > 15*time.Minute+10*time.Second:
			require.Zero(t, baseline.ServiceTime, "%v", date)
		}
	})
}

var regionForm = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)+$`)

// FuzzRegion makes clients for any region: what cannot be an id is refused, and of
// every other one the hosts are names that DNS may have, of the vendor's domain.
func FuzzRegion(f *testing.F) {
	for _, region := range []string{
		"cn-hangzhou", "cn-beijing", "ap-southeast-1", "cn-shanghai-finance-1", "", "cn-hangzhou ", "CN-Hangzhou", "cn_hangzhou", "-cn", "cn-", "cn--a", "a", "1-2",
		"cn-hangzhou.evil.com/", "cn-hängzhou", strings.Repeat("c-", 31) + "d", strings.Repeat("c-", 31) + "dd", "cn-a@b", "cn-a#", "cn-a\x00",
	} {
		f.Add(region)
	}
	host := regexp.MustCompile(`^https://ecs(-vpc)?[-.][a-z0-9-]{1,63}\.aliyuncs\.com$`)
	f.Fuzz(func(t *testing.T, region string) {
		var endpoints []string
		for _, options := range [][]ecsreboot.Option{nil, {ecsreboot.WithVPCEndpoint()}} {
			client, err := ecsreboot.NewClient(region, options...)
			if !regionForm.MatchString(region) || len(region) > 63 {
				require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
				require.Nil(t, client)
				return
			}
			require.NoError(t, err)
			require.Equal(t, region, client.Region())
			again, err := ecsreboot.NewClient(region, ecsreboot.WithEndpoint(client.Endpoint()))
			require.NoError(t, err)
			require.Equal(t, client.Endpoint(), again.Endpoint())
			endpoints = append(endpoints, client.Endpoint())
		}
		require.Equal(t, "https://ecs-vpc."+region+".aliyuncs.com", endpoints[1])
		if endpoints[0] != "https://ecs.aliyuncs.com" {
			require.Regexp(t, host, endpoints[0])
		}
		require.NotContains(t, endpoints[0], "ecs-vpc.")
		require.Equal(t, fmt.Sprintf("ecsreboot.Client(%s)", endpoints[0]), func() string { c, _ := ecsreboot.NewClient(region); return c.String() }())
	})
}
