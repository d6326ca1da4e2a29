package ecsreboot

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

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
