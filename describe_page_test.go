package ecsreboot

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/internal/document"
	"github.com/ecsreboot/ecsreboot/internal/once"
	"github.com/ecsreboot/ecsreboot/internal/redact"
)

func TestParseMinute(t *testing.T) {
	day := time.Date(2017, time.December, 10, 4, 4, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2017-12-10T04:04Z":         day,
		"2017-12-10T04:04:59Z":      day, // as one page has it
		"":                          {},
		"2017-12-10T04:04":          {},
		"2017-12-10 04:04Z":         {},
		"2017-12-10T04:04+08:00":    {},
		"2017-12-10T24:04Z":         {},
		"2017-02-29T04:04Z":         {},
		"1512878640":                {},
		"2017-12-10T04:04ZZ":        {},
		" 2017-12-10T04:04Z":        {},
		"20017-12-10T04:04Z":        {},
		"2017-12-10T04:04:59.9999Z": day, // Go reads fractions
	} {
		assert.Equal(t, want, parseMinute(text), text)
	}
}

// decodePage reads a body as a page of DescribeInstances, and reports whether it is
// one.
func decodePage(body string) (wirePage[wireInstance], bool) {
	var page wirePage[wireInstance]
	op := operation{action: "DescribeInstances", repeatable: true, into: &page}
	res := readAnswer(op, once.Read(response(200, body)), redact.New("testid", "testsecret", "5a5a"))
	_, then := decide(op, res.progress)
	return page, then == done
}

func TestDecodePage(t *testing.T) {
	for body, want := range map[string]bool{
		`{"RequestId":"R","Instances":{"Instance":[]}}`:                                               true,
		`{"RequestId":"R"}`:                                                                           true,
		`{"requestId":"R","instances":{"instance":[{"instanceId":"i-1"}]}}`:                           true,
		`{"RequestId":"R","Instances":null}`:                                                          true,
		`{"Instances":{"Instance":[]}}`:                                                               false, // whose is it?
		`{"RequestId":"R","Code":"X","Instances":{"Instance":[]}}`:                                    false,
		`{"RequestId":"R","Instances":[]}`:                                                            false,
		`{"RequestId":"R","Instances":{"Instance":[{"Status":1}]}}`:                                   false,
		`{"RequestId":"R","Instances":{"Instance":[`:                                                  false,
		`{"RequestId":"R","Instances":{"Instance":[]}}x`:                                              false,
		`<DescribeInstancesResponse><RequestId>R</RequestId></DescribeInstancesResponse>`:             true,
		`<DescribeInstancesResponse><RequestId>R</RequestId><Instances/></DescribeInstancesResponse>`: true,
		`<DescribeInstancesResponse><Instances/></DescribeInstancesResponse>`:                         false,
		`<DescribeInstanceResponse><RequestId>R</RequestId><Instances/></DescribeInstanceResponse>`:   false,
		``:       false,
		`null`:   false,
		`<html>`: false,
	} {
		_, ok := decodePage(body)
		assert.Equal(t, want, ok, body)
	}
}

// requireDecodesAs checks that a page is decoded as encoding/json decodes it.
func requireDecodesAs[W any](t *testing.T, body string) {
	t.Helper()
	if !json.Valid([]byte(body)) || body[0] != '{' || !document.UniqueNames([]byte(body), pageList, "Instance") {
		return
	}
	if _, ok := document.Read("", "", []byte(body)); !ok { // a name of the page itself occurs twice
		return
	}
	var got wirePage[W]
	var want struct {
		RequestID string `json:"RequestId"`
		NextToken string `json:"NextToken"`
		Instances struct {
			Instance []W `json:"Instance"`
		} `json:"Instances"`
	}
	ok := got.decode([]byte(body))
	require.Equal(t, json.Unmarshal([]byte(body), &want) == nil, ok, body)
	if ok {
		require.Equal(t, []string{want.RequestID, want.NextToken}, []string{got.RequestID, got.NextToken}, body)
		require.Equal(t, append([]W{}, want.Instances.Instance...), append([]W{}, got.Instances.Instance...), body)
	}
}

func TestDecodesAsEncodingJSON(t *testing.T) {
	for _, member := range []string{
		``, `"RequestId":"R"`, `"requestID":"\u0052\n"`, `"RequestId":null`, `"NextToken":1`, `"nextto\u212aen":"T"`, `"nextToKen":"T"`, `"NextToken":["T"]`, `"NextTokens":1`, `"":1`,
		`"Instances":null`, `"Instances":"x"`, `"Instances":{}`, `"Instances":{"Instance":null}`, `"Instances":{"Instance":{}}`, `"inſtances":{"INSTANCE":[]}`, `"Instances":{"Other":[1],"Instance":[]}`,
		`"Instances":{"Instance":[null,{},null]}`, `"Instances":{"Instance":[1]}`, `"Instances":{"Instance":[{"InstanceId":"i-1","status":"Running","StartTime":"a","ExpiredTime":"b","X":[{"Y":"]}"}]}]}`,
		`"Instances":{"Instance":[{"\u0053tatus":"\ud800","Status2":1},{"ſtatus":"\"x\""},{"statuſ":null}]}`, "\"Instances\":{\"Instance\":[{\"Status\":\"\xff\"}]}", `"Instances":{"Instance":[{"Status":{}}]}`,
		`"Instances":{"Instance":[{"InstanceId":1}]}`, `"Instances":{"Instance":[{"StartTime":true}]}`, `"Instances":{"Instance":[{"ExpiredTime":[]}]}`,
		`"Instances":{"Instance":[{"OperationLocks":null},{"OperationLocks":{"LockReason":[{"LockReason":"security"},{"lockreason":"a","LockReason":"b"}]}},{"operationlocks":{"lockReason":[]}}]}`,
		`"Instances":{"Instance":[{"OperationLocks":[]}]}`, `"Instances":{"Instance":[{"OperationLocks":{"LockReason":["x"]}}]}`,
	} {
		requireDecodesAs[wireReading](t, "{"+member+"}")
		requireDecodesAs[wireInstance](t, "{"+member+"}")
	}
}

// FuzzDescribePage feeds any body to the reading of a page: it must not panic, and
// no time in it may be one that the service can't have written.
func FuzzDescribePage(f *testing.F) {
	f.Add(`{"RequestId":"R","NextToken":"T","Instances":{"Instance":[{"InstanceId":"i-1","Status":"Running","StartTime":"2017-12-10T04:04Z",` +
		`"CreationTime":"2017-12-10T04:04:05Z","ExpiredTime":"2099-12-31T15:59Z","ZoneId":"z","StoppedMode":"KeepCharging",` +
		`"OperationLocks":{"LockReason":[{"LockReason":"security","LockMsg":""}]}}]}}`)
	f.Add(`{"RequestId":"R","Instances":{"Instance":[null,{},{"StartTime":"0000-01-01T00:00Z"},{"ExpiredTime":"9999-12-31T23:59:59.999999999Z"}]}}`)
	f.Add(`{"Code":"Forbidden.RAM","Message":"m","RequestId":"R"}`)
	f.Add(`{"RequestId":"R","Instances":{"Instance":[{"InstanceId":1}]}}`)
	f.Fuzz(func(t *testing.T, body string) {
		requireDecodesAs[wireReading](t, body)
		requireDecodesAs[wireInstance](t, body)
		page, ok := decodePage(body)
		if !ok {
			return
		}
		assert.Contains(t, strings.ToLower(body), "requestid", "a page has a request id")
		for _, wire := range page.Instances.Instance {
			i := wire.instance()
			for _, at := range []time.Time{i.StartTime, i.CreationTime, i.ExpiredTime} {
				if !at.IsZero() {
					assert.Equal(t, time.UTC, at.Location())
					assert.LessOrEqual(t, at.Year(), 9999)
					assert.GreaterOrEqual(t, at.Year(), 0)
				}
			}
			assert.Equal(t, wire.InstanceID, i.ID)
			assert.Len(t, i.Locks, len(wire.OperationLocks.LockReason))
			assert.Equal(t, i.Status != "", i.Listed())
			_ = i.Refusal(time.Now())
		}
	})
}
