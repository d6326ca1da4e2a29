package acceptance_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// restartAnswered sends a restart over HTTP, which is answered with the same response
// for ever, and returns how often it arrived.
func restartAnswered(t *testing.T, status int, header http.Header, body string) (arrived int, err error) {
	t.Helper()
	server := newService(t, ecstest.Options{})
	server.Inject(ecstest.Fault{Kind: ecstest.FaultAnswer, Status: status, Header: header, Body: body, Times: -1})
	_, err = newClient(t, server).RebootInstance(t.Context(), request)
	return len(server.Calls()), err
}

// requireUnknown makes sure that a restart was sent once and that nobody knows what
// became of it; the request id is in the error.
func requireUnknown(t *testing.T, err error, arrived int, id string) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, 1, arrived, "requests")
	assertOutcome(t, unknown, err)
	answer, ok := errors.AsType[*ecsreboot.APIError](err)
	require.True(t, ok)
	require.Equal(t, id, answer.RequestID)
}

func responseXML(inner string) string {
	return "<RebootInstanceResponse>" + inner + "</RebootInstanceResponse>"
}

func errorXML(inner string) string { return "<Error>" + inner + "</Error>" }

const headerID = "B5C8E5A0-0000-5000-8000-000000000000"

// ambiguous are bodies that one reader takes for one thing and another reader for
// something else, or for nothing. refusal would be sent again if it were read as the
// throttling in it; consent would be a success.
var ambiguous = map[string]struct{ refusal, consent string }{
	"CDATA": {
		errorXML(`<RequestId>R</RequestId><Code><![CDATA[Throttling]]></Code><Message>m</Message>`),
		responseXML(`<RequestId><![CDATA[R]]></RequestId>`),
	},
	"CDATA beside": {
		errorXML(`<RequestId>R</RequestId><Code>Throttling</Code><Message><![CDATA[<Code>InternalError</Code>]]></Message>`),
		responseXML(`<Data><![CDATA[<RequestId>R</RequestId>]]></Data>`),
	},
	"comment": {
		errorXML(`<RequestId>R</RequestId><!-- <Code>Throttling</Code> --><Code>InternalError</Code>`),
		responseXML(`<!-- <RequestId>R</RequestId> -->`),
	},
	"comment within a text": {
		errorXML(`<RequestId>R</RequestId><Code>Throttling<!-- .User --></Code>`),
		responseXML(`<RequestId>R<!-- --></RequestId>`),
	},
	"comment before": {"<!-- -->" + errorXML(`<RequestId>R</RequestId><Code>Throttling</Code>`), "<!-- -->" + responseXML(`<RequestId>R</RequestId>`)},
	"nested": {
		errorXML(`<RequestId>R</RequestId><Cause><Code>Throttling</Code></Cause><Message>m</Message>`),
		responseXML(`<Data><RequestId>R</RequestId></Data>`),
	},
	"nested in a text": {
		errorXML(`<RequestId>R</RequestId><Code>Throttling<b>.User</b></Code>`),
		responseXML(`<RequestId>R<b></b></RequestId>`),
	},
	"nested twice": {
		errorXML(`<RequestId>R</RequestId><Code>Throttling</Code><AccessDeniedDetail><AuthAction><b>x</b></AuthAction></AccessDeniedDetail>`),
		responseXML(`<RequestId>R</RequestId><Data><a>x</a></Data>`),
	},
	"twice in XML": {
		errorXML(`<RequestId>R</RequestId><Code>InternalError</Code><Code>Throttling</Code>`),
		responseXML(`<RequestId>R</RequestId><RequestId>S</RequestId>`),
	},
	"twice in XML, another case": {
		errorXML(`<RequestId>R</RequestId><code>InternalError</code><Code>Throttling</Code>`),
		responseXML(`<RequestId>R</RequestId><requestid>S</requestid>`),
	},
	"twice in the detail": {
		errorXML(`<RequestId>R</RequestId><Code>Throttling</Code><AccessDeniedDetail><PolicyType>a</PolicyType><PolicyType>b</PolicyType></AccessDeniedDetail>`),
		responseXML(`<RequestId>R</RequestId><Data>a</Data><Data>b</Data>`),
	},
	"text beside the children": {
		errorXML(`Throttling<RequestId>R</RequestId><Code>Throttling</Code>`),
		responseXML(`<RequestId>R</RequestId>but it failed`),
	},
	"text beside the detail": {
		errorXML(`<RequestId>R</RequestId><Code>Throttling</Code><AccessDeniedDetail>x<PolicyType>a</PolicyType></AccessDeniedDetail>`),
		responseXML(`<RequestId>R</RequestId><AccessDeniedDetail><PolicyType>a</PolicyType>x</AccessDeniedDetail>`),
	},
	"prefix": {
		`<a:Error xmlns:a="u"><RequestId>R</RequestId><Code>Throttling</Code></a:Error>`,
		`<a:RebootInstanceResponse xmlns:a="u"><RequestId>R</RequestId></a:RebootInstanceResponse>`,
	},
	"prefix of nothing": {
		`<a:Error><RequestId>R</RequestId><Code>Throttling</Code></a:Error>`,
		`<a:RebootInstanceResponse><RequestId>R</RequestId></a:RebootInstanceResponse>`,
	},
	"prefix of a child": {
		errorXML(`<a:RequestId>R</a:RequestId><a:Code>Throttling</a:Code>`),
		responseXML(`<a:RequestId>R</a:RequestId>`),
	},
	"namespace": {
		`<Error xmlns="u"><RequestId>R</RequestId><Code>Throttling</Code></Error>`,
		`<RebootInstanceResponse xmlns="u"><RequestId>R</RequestId></RebootInstanceResponse>`,
	},
	"attribute": {
		errorXML(`<RequestId>R</RequestId><Code type="x">Throttling</Code>`),
		responseXML(`<RequestId type="x">R</RequestId>`),
	},
	"another root": {
		`<ErrorResponse><RequestId>R</RequestId><Code>Throttling</Code></ErrorResponse>`,
		`<StartInstanceResponse><RequestId>R</RequestId></StartInstanceResponse>`,
	},
	"root of another case": {
		`<error><RequestId>R</RequestId><Code>Throttling</Code></error>`,
		`<rebootInstanceResponse><RequestId>R</RequestId></rebootInstanceResponse>`,
	},
	"two roots": {
		errorXML(`<RequestId>R</RequestId><Code>Throttling</Code>`) + errorXML(`<RequestId>R</RequestId><Code>InternalError</Code>`),
		responseXML(`<RequestId>R</RequestId>`) + errorXML(`<Code>InternalError</Code>`),
	},
	"text behind XML": {
		errorXML(`<RequestId>R</RequestId><Code>Throttling</Code>`) + "x",
		responseXML(`<RequestId>R</RequestId>`) + "{}",
	},
	"DTD": {
		`<!DOCTYPE Error [<!ENTITY c "Throttling">]><Error><RequestId>R</RequestId><Code>&c;</Code></Error>`,
		`<!DOCTYPE x>` + responseXML(`<RequestId>R</RequestId>`),
	},
	"unknown entity":         {errorXML(`<RequestId>R</RequestId><Code>Throttling&nbsp;</Code>`), responseXML(`<RequestId>R&nbsp;</RequestId>`)},
	"processing instruction": {errorXML(`<RequestId>R</RequestId><?x?><Code>Throttling</Code>`), `<?x?>` + responseXML(`<RequestId>R</RequestId>`)},
	"open element":           {errorXML(`<RequestId>R</RequestId><Code>Throttling`), `<RebootInstanceResponse><RequestId>R</RequestId>`},
	"another encoding": {
		`<?xml version="1.0" encoding="GBK"?>` + errorXML(`<RequestId>R</RequestId><Code>Throttling</Code>`),
		`<?xml version="1.0" encoding="GBK"?>` + responseXML(`<RequestId>R</RequestId>`),
	},
	"twice": {
		`{"RequestId":"R","Code":"InternalError","Code":"Throttling"}`,
		`{"RequestId":"R","RequestId":"S"}`,
	},
	"twice, another case": {
		`{"RequestId":"R","Code":"InternalError","code":"Throttling"}`,
		`{"RequestId":"R","requestid":"S"}`,
	},
	"twice, escaped": {
		`{"RequestId":"R","Code":"InternalError","C\u006fde":"Throttling"}`,
		`{"RequestId":"R","Request\u0049d":"S"}`,
	},
	"twice, a letter that folds": {
		`{"RequestId":"R","Message":"m","Me\u017fsage":"n","Code":"Throttling"}`,
		`{"RequestId":"R","Other ſ":1,"Other s":2}`,
	},
	"twice, null":         {`{"RequestId":"R","Code":"InternalError","CODE":null}`, `{"RequestId":"R","Code":"InternalError","Code":""}`},
	"two objects":         {`{"RequestId":"R","Code":"Throttling"}{"Code":"InternalError"}`, `{"RequestId":"R"}{"Code":"InternalError"}`},
	"array":               {`[{"RequestId":"R","Code":"Throttling"}]`, `[{"RequestId":"R"}]`},
	"comment in JSON":     {`{"RequestId":"R",/* "Code":"InternalError", */"Code":"Throttling"}`, `{"RequestId":"R"/* , "Code":"InternalError" */}`},
	"comma at the end":    {`{"RequestId":"R","Code":"Throttling",}`, `{"RequestId":"R",}`},
	"object as a code":    {`{"RequestId":"R","Code":{"Code":"Throttling"}}`, `{"RequestId":{"RequestId":"R"}}`},
	"number as an id":     {`{"RequestId":1,"Code":"Throttling"}`, `{"RequestId":1}`},
	"nested too deep":     {`{"RequestId":"R","Code":"Throttling","x":` + strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000) + `}`, `{"RequestId":"R","x":` + strings.Repeat(`{"x":`, 200_000) + "1" + strings.Repeat("}", 200_000) + `}`},
	"XML nested too deep": {strings.Repeat("<Error>", 200_000) + strings.Repeat("</Error>", 200_000), responseXML(strings.Repeat("<a>", 200_000) + strings.Repeat("</a>", 200_000))},
	"page":                {"<html><body>Throttling</body></html>", "<html><body>Sign in: <RequestId>R</RequestId></body></html>"},
	"JSON as a text":      {`"{\"RequestId\":\"R\",\"Code\":\"Throttling\"}"`, `"{\"RequestId\":\"R\"}"`},
	"mark within":         {"{\ufeff\"RequestId\":\"R\",\"Code\":\"Throttling\"}", "\ufeff\ufeff{\"RequestId\":\"R\"}"},
	"UTF-16":              {utf16(`{"RequestId":"R","Code":"Throttling"}`), utf16(`{"RequestId":"R"}`)},
}

func utf16(text string) string {
	var b strings.Builder
	b.WriteString("\xff\xfe")
	for _, c := range []byte(text) {
		b.WriteString(string([]byte{c, 0}))
	}
	return b.String()
}

// What can be read in two ways is unknown, at any status, and is sent once.
func TestAmbiguousAnswersAreUnknown(t *testing.T) {
	header := http.Header{"X-Acs-Request-Id": {headerID}, "Date": {"Fri, 02 Jan 2026 03:04:18 GMT"}}
	for name, bodies := range ambiguous {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, status := range []int{400, 403, 429, 503} {
					arrived, err := restartAnswered(t, status, header, bodies.refusal)
					requireUnknown(t, err, arrived, headerID)
					require.NotErrorIs(t, err, ecsreboot.ErrThrottled)
				}
				for _, status := range []int{200, 202} {
					arrived, err := restartAnswered(t, status, header, bodies.consent)
					requireUnknown(t, err, arrived, headerID)
				}
			})
		})
	}
}

// What stands beside a document, or is written in another way, does not change what
// it says.
func TestFormsOfOneAnswer(t *testing.T) {
	for name, forms := range map[string]struct{ refusal, consent string }{
		"JSON":           {`{"RequestId":"R","Code":"DiskError"}`, `{"RequestId":"R"}`},
		"byte order":     {"\ufeff" + `{"RequestId":"R","Code":"DiskError"}`, "\ufeff\r\n" + `{"RequestId":"R"}`},
		"space":          {"\r\n{ \"RequestId\" :\t\"R\" , \"Code\":\"DiskError\" } \n", " {\"RequestId\":\n\"R\"}\t"},
		"lower case":     {`{"requestId":"R","code":"DiskError"}`, `{"requestid":"R"}`},
		"escapes":        {`{"Request\u0049d":"R","\u0043ode":"Disk\u0045rror"}`, `{"RequestId":"\u0052"}`},
		"null":           {`{"RequestId":"R","Code":"DiskError","Message":null,"HostId":null}`, `{"RequestId":"R","Code":null,"Message":null,"errors":null,"Success":null}`},
		"other members":  {`{"RequestId":"R","Code":"DiskError","x":[{"Code":"Throttling"}],"y":-1.5e3,"z":"\\\""}`, `{"x\"":"}","RequestId":"R","Data":{"Code":"InternalError","RequestId":"S"},"y":[[]],"z":"\"}"}`},
		"XML":            {errorXML("<RequestId>R</RequestId><Code>DiskError</Code>"), responseXML("<RequestId>R</RequestId>")},
		"declaration":    {"<?xml version='1.0' encoding='utf-8'?>\n" + errorXML("<RequestId>R</RequestId><Code>DiskError</Code>"), `<?xml version="1.0"?>` + responseXML("<RequestId>R</RequestId>")},
		"XML, space":     {"\ufeff <Error>\n<RequestId>R</RequestId >\t<Code>DiskError</Code>\r\n</Error >\n", "\n" + responseXML(" <RequestId>R</RequestId> ") + " \r\n"},
		"XML, entities":  {errorXML("<RequestId>R</RequestId><Code>Disk&#69;rror</Code><Message>&lt;Code&gt;&amp;</Message>"), responseXML("<RequestId>&#x52;</RequestId>")},
		"XML, others":    {errorXML("<RequestId>R</RequestId><Code>DiskError</Code><Other/><x.y>z</x.y>"), responseXML("<Other></Other><RequestId>R</RequestId>")},
		"success, said":  {`{"RequestId":"R","Code":"DiskError","Success":false}`, `{"RequestId":"R","Success":true}`},
		"success in XML": {errorXML("<RequestId>R</RequestId><Code>DiskError</Code><Success>false</Success>"), responseXML("<RequestId>R</RequestId><Success>true</Success>")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				arrived, err := restartAnswered(t, 403, nil, forms.refusal)
				assert.Equal(t, 1, arrived)
				assertOutcome(t, rejected, err)
				require.ErrorIs(t, err, ecsreboot.ErrDiskError)
				answer, _ := errors.AsType[*ecsreboot.APIError](err)
				assert.Equal(t, "R", answer.RequestID)

				server := newService(t, ecstest.Options{})
				server.Inject(ecstest.Fault{Kind: ecstest.FaultAnswer, Status: 200, Body: forms.consent})
				response, err := newClient(t, server).RebootInstance(t.Context(), request)
				require.NoError(t, err)
				assert.Equal(t, "R", response.RequestID)
			})
		})
	}
}

// XML has one case for each name: in another, it is another name.
func TestXMLNamesHaveOneCase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		header := http.Header{"X-Acs-Request-Id": {headerID}}
		for _, body := range []string{
			errorXML(`<RequestId>R</RequestId><code>Throttling</code>`),
			errorXML(`<RequestId>R</RequestId><CODE>DiskError</CODE>`),
		} {
			arrived, err := restartAnswered(t, 400, header, body)
			requireUnknown(t, err, arrived, "R")
		}
		arrived, err := restartAnswered(t, 200, header, responseXML(`<requestId>R</requestId>`))
		requireUnknown(t, err, arrived, headerID)
	})
}

// speaking are members of which each makes a success none, and whether that is so
// also if its value is true.
var speaking = []struct {
	name   string
	always bool
}{
	{"Code", true},
	{"code", true},
	{"CODE", true},
	{"ErrorCode", true},
	{"errorCode", true},
	{"ErrCode", true},
	{"errcode", true},
	{"error_code", true},
	{"Error", true},
	{"error", true},
	{"errors", true},
	{"LastError", true},
	{"ErrorMessage", true},
	{"ErrMsg", true},
	{"Message", true},
	{"message", true},
	{"Msg", true},
	{"Description", true},
	{"Recommend", true},
	{"Exception", true},
	{"exceptionType", true},
	{"Fault", true},
	{"faultstring", true},
	{"Failed", true},
	{"FailureReason", true},
	{"isFail", true},
	{"Success", false},
	{"success", false},
	{"SUCCESS", false},
	{"isSuccess", false},
	{"Successful", false},
	{"Succeeded", false},
	{"ok", false},
}

// A document that speaks of failure is no success, whatever else it says.
func TestWhatSpeaksOfFailure(t *testing.T) {
	header := http.Header{"X-Acs-Request-Id": {headerID}}
	for n, word := range speaking {
		t.Run(word.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for i, value := range []string{`false`, `""`, `"InternalError"`, `0`, `500`, `[]`, `{}`, `["x"]`, `{"Code":"x"}`, `"false"`} {
					body := fmt.Sprintf(`{"RequestId":"R",%q:%s}`, word.name, value)
					if (i+n)%2 == 0 { // each value stands on both sides
						body = fmt.Sprintf(`{%q:%s,"RequestId":"R","Data":{}}`, word.name, value)
					}
					arrived, err := restartAnswered(t, 200, header, body)
					require.Error(t, err, body)
					require.Equal(t, 1, arrived)
					assertOutcome(t, unknown, err)
				}
				for _, value := range []string{"", "InternalError", "false", "0"} {
					arrived, err := restartAnswered(t, 200, header, responseXML("<RequestId>R</RequestId><"+word.name+">"+value+"</"+word.name+">"))
					requireUnknown(t, err, arrived, "R")
				}
				for _, body := range []string{
					fmt.Sprintf(`{"RequestId":"R",%q:true}`, word.name), responseXML("<RequestId>R</RequestId><" + word.name + ">true</" + word.name + ">"),
				} {
					_, err := restartAnswered(t, 200, header, body)
					assert.Equal(t, word.always, err != nil, body)
				}
				// Nor is a list with it a list.
				server := newService(t, ecstest.Options{})
				server.Inject(ecstest.Fault{Kind: ecstest.FaultAnswer, Times: -1, Body: fmt.Sprintf(`{"RequestId":"R",%q:"x","Instances":{"Instance":[]}}`, word.name)})
				for _, err := range newClient(t, server, quick()).DescribeInstances(t.Context(), ecsreboot.DescribeInstancesRequest{}) {
					require.Error(t, err)
				}
				assert.Len(t, server.Calls(), 4)
			})
		})
	}
	for _, body := range []string{errorXML("<RequestId>R</RequestId>"), errorXML(""), "<Error/>"} {
		arrived, err := restartAnswered(t, 200, http.Header{"X-Acs-Request-Id": {"R"}}, body)
		requireUnknown(t, err, arrived, "R")
	}
}

// A body that is absent, cut short or unreadable is no success, and the request id
// of the header is in the error.
func TestSuccessWithoutAWholeBody(t *testing.T) {
	var zipped bytes.Buffer
	writer := gzip.NewWriter(&zipped)
	_, err := writer.Write([]byte(`{"RequestId":"R"}`))
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	whole := zipped.String()

	for _, test := range []struct{ name, encoding, body, message string }{
		{"absent", "", "", "an answer without a body"},
		{"space", "", " \r\n", "an answer without a body"},
		{"empty object", "", "{}", `not an answer of the service: "{}"`},
		{"empty id", "", `{"RequestId":""}`, `not an answer of the service`},
		{"half of it", "", `{"RequestId":"47`, "not an answer of the service"},
		{"page", "", "<html>Sign in</html>", `not an answer of the service: "<html>Sign in</html>"`},
		{"page behind a mark", "", "\ufeff<html>\x00", `not an answer of the service: "<html>" without the unprintable "\ufeff\x00"`},
		{"mark alone", "", "\u200b", `not an answer of the service: "" without the unprintable "\u200b"`},
		{"gzip, cut in the header", "gzip", whole[:5], "did not arrive"},
		{"gzip, cut in the middle", "gzip", whole[:20], "cut short"},
		{"gzip, cut before its length", "gzip", whole[:len(whole)-1], "cut short"},
		{"gzip, damaged", "gzip", whole[:len(whole)-6] + "x" + whole[len(whole)-5:], "cut short"},
		{"gzip, nothing", "gzip", "", "an answer without a body"},
		{"gzip, undecoded", "br", whole, "not an answer of the service"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				header := http.Header{"X-Acs-Request-Id": {headerID}}
				if test.encoding != "" {
					header.Set("Content-Encoding", test.encoding)
				}
				for _, status := range []int{200, 201} {
					arrived, err := restartAnswered(t, status, header, test.body)
					requireUnknown(t, err, arrived, headerID)
					require.ErrorContains(t, err, test.message)
				}
				arrived, err := restartAnswered(t, 403, header, test.body)
				requireUnknown(t, err, arrived, headerID)
			})
		})
	}
	server := newService(t, ecstest.Options{})
	server.Inject(ecstest.Fault{Kind: ecstest.FaultAnswer, Status: 200, Header: http.Header{"Content-Encoding": {"gzip"}}, Body: whole})
	response, err := newClient(t, server).RebootInstance(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, "R", response.RequestID)

	for _, kind := range []ecstest.FaultKind{ecstest.FaultTruncate, ecstest.FaultStall} {
		synctest.Test(t, func(t *testing.T) {
			server := newService(t, ecstest.Options{})
			server.Inject(ecstest.Fault{Kind: kind})
			_, err := newClient(t, server).RebootInstance(t.Context(), request)
			require.Equal(t, 1, server.Reboots(id))
			requireUnknown(t, err, len(server.Calls()), server.Calls()[0].RequestID)
		})
	}
}

// serviceFailures are codes that speak of the service's own state.
var serviceFailures = []string{
	"InternalError", "UnknownError", "SystemError", "SystemBusy", "ServiceBusy", "ServiceUnavailable", "ServiceUnavailableTemporary",
	"ServiceUnavailable.RegionMaintaining", "RequestTimeout", "OperationTimeout", "Rejected.Throttling", "LimitedOperation.ServiceUnavailable",
	"InternalError.Dispatch", "SystemBusy.Sub", "RequestTimeout.Backend", "Rejected.Throttling.User",
}

// A code that speaks of the service's own state is no refusal, whatever its status
// and its case.
func TestServiceFailuresAreUnknown(t *testing.T) {
	for _, code := range serviceFailures {
		t.Run(code, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newService(t, ecstest.Options{})
				client := newClient(t, server)
				for _, spelled := range []string{code, strings.ToLower(code), strings.ToUpper(code), code[:1] + strings.ToLower(code[1:])} {
					for _, status := range []int{400, 401, 403, 404, 408, 409, 429, 449, 500, 502, 503, 504} {
						before := len(server.Calls())
						server.ClearFaults()
						server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Status: status, Code: spelled, Times: -1})
						_, err := client.RebootInstance(t.Context(), request)
						arrived := server.Calls()[before:]
						requireUnknown(t, err, len(arrived), arrived[0].RequestID)
						require.ErrorIs(t, err, ecsreboot.ErrorCode(spelled))
						require.NotErrorIs(t, err, ecsreboot.ErrThrottled)
					}
					assert.Equal(t, "Look at the instance before sending again.", strings.Replace(ecsreboot.ErrorCode(spelled).Advice(), "Wait some minutes, then look at the instance.", "Look at the instance before sending again.", 1))
				}
			})
		})
	}
	for _, code := range []string{"InternalErrors", "SystemBusyX", "xInternalError", "NoSystemError", "throttling", "THROTTLING.USER"} {
		server := newService(t, ecstest.Options{})
		server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Status: 403, Code: code, Times: -1})
		_, err := newClient(t, server).RebootInstance(t.Context(), request)
		assertOutcome(t, rejected, err)
		require.NotErrorIs(t, err, ecsreboot.ErrThrottled)
		require.Len(t, server.Calls(), 1)
	}
}

// A code with something added is none that this client knows, so it is no refusal.
func TestCodesThatAreNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, code := range []string{
			"InternalError ", " InternalError", "Internal\u200bError", "Throttling\u00a0", "Throttling.\u200bUser", "Throttling.User ", "Disk Error", "Ｔhrottling",
			"Throttling.User\x00", "\u200b", strings.Repeat("x", 200), "SignatureNonceUsed\n", "signatureNONCEused",
		} {
			quoted, err := json.Marshal(code)
			require.NoError(t, err)
			arrived, err := restartAnswered(t, 400, nil, `{"RequestId":"R","Code":`+string(quoted)+`}`)
			requireUnknown(t, err, arrived, "R")
			require.NotErrorIs(t, err, ecsreboot.ErrThrottled, code)
		}
	})
}

// HTTP 503 is a refusal only with a throttling code.
func TestUnavailableIsARefusalOnlyWithAThrottlingCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, code := range []string{
			"IncorrectInstanceStatus", "DiskError", "Forbidden.RAM", "InvalidInstanceId.NotFound", "InvalidTimeStamp.Expired", "IllegalTimestamp",
			"Some.New.Code", "throttling", "Throttled", "DryRunOperation",
		} {
			server := newService(t, ecstest.Options{})
			server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Status: 503, Code: code, Times: -1})
			_, err := newClient(t, server).RebootInstance(t.Context(), request)
			requireUnknown(t, err, len(server.Calls()), server.Calls()[0].RequestID)
			require.ErrorIs(t, err, ecsreboot.ErrorCode(code))
		}
	})
}

// A secret that is a part of a code does not change what the code means, and is not
// shown.
func TestSecretsInCodes(t *testing.T) {
	for _, test := range []struct {
		secret, code string
		status       int
		arrived      int
		outcome      ecsreboot.Outcome
		class        error
	}{
		{"Internal", "InternalError", 403, 1, unknown, nil},
		{"InternalError", "InternalError", 403, 1, unknown, nil},
		{"Throttling", "Throttling", 400, 2, rejected, ecsreboot.ErrThrottled},
		{"Throttling", "Throttling.User", 400, 2, rejected, ecsreboot.ErrThrottled},
		{"User", "Throttling.User", 400, 2, rejected, ecsreboot.ErrThrottled},
		{"Unavailable", "ServiceUnavailable", 403, 1, unknown, nil},
		{"Forbidden", "Forbidden.RAM", 403, 1, rejected, ecsreboot.ErrAccessDenied},
		{"IllegalTimestamp", "IllegalTimestamp", 400, 2, rejected, nil},
		{"InvalidSecurityToken", "InvalidSecurityToken.Malformed", 400, 1, rejected, ecsreboot.ErrUnauthenticated},
	} {
		t.Run(test.secret+" in "+test.code, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newService(t, ecstest.Options{AccessKeyID: "testid", AccessKeySecret: test.secret})
				server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Status: test.status, Code: test.code, Message: "no", Times: -1})
				client := newClient(t, server, ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{MaxAttempts: 2, MaxThrottleWait: time.Hour}))
				_, err := client.RebootInstance(t.Context(), request)
				require.Error(t, err)
				assert.Len(t, server.Calls(), test.arrived)
				assertOutcome(t, test.outcome, err)
				require.ErrorIs(t, err, ecsreboot.ErrorCode(test.code))
				for _, class := range []error{ecsreboot.ErrThrottled, ecsreboot.ErrAccessDenied, ecsreboot.ErrUnauthenticated, ecsreboot.ErrKMSKey} {
					assert.Equal(t, class == test.class, errors.Is(err, class), "%v", class) //nolint:errorlint // sentinels
				}
				answer, ok := errors.AsType[*ecsreboot.APIError](err)
				require.True(t, ok)
				var shown strings.Builder
				shown.WriteString(printed(err))
				for _, verb := range []string{"%s", "%d", "%x", "%q", "%t", "%v", "%+v", "%#v", "%p"} {
					shown.WriteString(fmt.Sprintf(verb, *answer) + fmt.Sprintf(verb, answer) + fmt.Sprintf(verb, []any{*answer}))
				}
				assert.NotContains(t, shown.String(), test.code)
				assert.NotContains(t, string(answer.Code), test.secret)
				assert.NotContains(t, err.Error(), test.secret)
			})
		})
	}
}

// The message of a token's refusal is judged as it was received, too.
func TestSecretInAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newService(t, ecstest.Options{AccessKeyID: "testid", AccessKeySecret: "SecurityToken"})
		server.Inject(ecstest.Fault{Kind: ecstest.FaultError, Status: 400, Code: "InvalidParameter", Message: `The specified parameter "SecurityToken.Expired" is not valid.`})
		_, err := newClient(t, server).RebootInstance(t.Context(), request)
		require.ErrorIs(t, err, ecsreboot.ErrUnauthenticated)
		require.NotContains(t, err.Error(), "SecurityToken")
	})
}

// A list in which a key occurs twice, of the page or of an instance, is none.
func TestListWithAKeyTwice(t *testing.T) {
	const one, oneXML = `{"InstanceId":"i-1","Status":"Running"}`, `<Instance><InstanceId>i-1</InstanceId><Status>Running</Status></Instance>`
	pageXML := func(instances string) string {
		return "<DescribeInstancesResponse><RequestId>R</RequestId><Instances>" + instances + "</Instances></DescribeInstancesResponse>"
	}
	for body, want := range map[string]bool{
		`{"RequestId":"R","Instances":{"Instance":[` + one + `]}}`:                                                      true,
		`{"RequestId":"R","Instances":{"Instance":[` + one + `,{"InstanceId":"i-2","x":[{"a":1},{"a":2}]}]}}`:           true,
		`{"RequestId":"R","Instances":{"Instance":[{"InstanceId":"i-1","Tags":{"Tag":[]},"tag":{"InstanceId":"i"}}]}}`:  true,
		"\ufeff" + `{"RequestId":"R","Instances":{"Instance":[` + one + `]}}`:                                           true,
		`{"RequestId":"R","requestId":"R","Instances":{"Instance":[` + one + `]}}`:                                      false,
		`{"RequestId":"R","NextToken":"","nexttoken":"x","Instances":{"Instance":[` + one + `]}}`:                       false,
		`{"RequestId":"R","Instances":{"Instance":[` + one + `]},"instances":{"Instance":[]}}`:                          false,
		`{"RequestId":"R","Instances":{"Instance":[` + one + `],"instance":[]}}`:                                        false,
		`{"RequestId":"R","Instances":{"Instance":[{"InstanceId":"i-1","Status":"Starting","status":"Running"}]}}`:      false,
		`{"RequestId":"R","Instances":{"Instance":[{"InstanceId":"i-1","Statu\u0073":"Starting","Status":"Running"}]}}`: false,
		`{"RequestId":"R","Instances":{"Instance":[` + one + `,{"InstanceId":"i-2","InstanceId":"i-3"}]}}`:              false,
		`{"RequestId":"R","Instances":{"Instance":[{"InstanceId":"i-1","Statuſ":"Starting","Status":"Running"}]}}`:      false,

		pageXML(oneXML): true,
		pageXML(oneXML + `<Instance><InstanceId>i-2</InstanceId><x><y><z>1</z></y><y>2</y></x></Instance>`): true,
		`<?xml version="1.0" encoding="UTF-8"?>` + pageXML(oneXML):                                          true,
		pageXML(``):                         false, // it lists nothing
		pageXML(`<Instance>i-1</Instance>`): false,
		pageXML(`<instance><InstanceId>i-2</InstanceId></instance>` + oneXML): false,
		pageXML(oneXML + `<!-- -->`):                                          false,
		pageXML(oneXML + `text`):                                              false,
		pageXML(`<Instance><InstanceId><![CDATA[i-1]]></InstanceId><Status>Running</Status></Instance>`):              false,
		pageXML(`<Instance a="b"><InstanceId>i-1</InstanceId><Status>Running</Status></Instance>`):                    false,
		pageXML(`<Instance><InstanceId>i-1</InstanceId><Status>Starting</Status><Status>Running</Status></Instance>`): false,
		pageXML(`<Instance><InstanceId>i-1</InstanceId><Status>Starting</Status><status>Running</status></Instance>`): false,
		pageXML(`<Instance><InstanceId>i-1</InstanceId><Status>Running<b></b></Status></Instance>`):                   false,
		pageXML(`<Instance><InstanceId>i-1</InstanceId><Status><b>Running</b></Status></Instance>`):                   false,
		pageXML(`<Instance><InstanceId>i-1</InstanceId><OperationLocks>security</OperationLocks></Instance>`):         false,
		pageXML(oneXML) + pageXML(oneXML): false,
		strings.Replace(pageXML(oneXML), "<Instances>", "<NextToken></NextToken><nextToken>x</nextToken><Instances>", 1): false,
		strings.Replace(pageXML(oneXML), "<Instances>", "<Instances></Instances><Instances>", 1):                         false,
		strings.Replace(pageXML(oneXML), "<Instances>", "<Code>InternalError</Code><Instances>", 1):                      false,
		strings.ReplaceAll(pageXML(oneXML), "DescribeInstancesResponse", "DescribeInstanceStatusResponse"):               false,
		strings.ReplaceAll(pageXML(oneXML), "Instances>", "Data>"):                                                       false,
		pageXML(strings.Repeat(`<a>`, 1000) + strings.Repeat(`</a>`, 1000)):                                              false,
	} {
		server := newService(t, ecstest.Options{})
		server.Inject(ecstest.Fault{Kind: ecstest.FaultAnswer, Times: -1, Body: body})
		var ids []string
		var failed error
		for instance, err := range newClient(t, server, quick()).DescribeInstances(t.Context(), ecsreboot.DescribeInstancesRequest{}) {
			if failed = err; err == nil {
				ids = append(ids, instance.ID)
			}
		}
		assert.Equal(t, want || body == pageXML(""), failed == nil, body)
		assert.Equal(t, want, slices.Contains(ids, "i-1"), body)
	}
}
