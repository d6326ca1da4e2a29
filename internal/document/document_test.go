package document_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/internal/document"
)

const action = "RebootInstance"

// What is a byte short of a consent is none, nor is a document with an error in it.
func TestNoConsent(t *testing.T) {
	for _, body := range []string{
		`{"RequestId":"473469C7"`, `{"RequestId":"473469C7-AA6F",`, `{"RequestId":"473469C7-AA6F","`, `{"RequestId":"473469C7"]`, `{"RequestId":"AB""}`,
		`<RebootInstanceResponse><RequestId>R</RequestId><Code>OperationDenied</RebootInstanceResponse>`,
		`<RebootInstanceResponse><Code>InternalError<RequestId>R</RequestId></RebootInstanceResponse>`,
		`<RebootInstanceResponse><RequestId>R</RequestId><Code type="s">X</Code></RebootInstanceResponse>`,
		`<ErrorResponse><RequestId>R</RequestId><Message>m</Message></ErrorResponse>`,
	} {
		_, ok := document.Read(action, "", []byte(body))
		assert.False(t, ok, body)
	}
}

// The same document is read the same, as JSON in any case and as XML.
func TestForms(t *testing.T) {
	want := document.Document{
		RequestID: "R", Code: "Forbidden.RAM", Message: "no", HostID: "h", Recommend: "u", Failure: true,
		Denied: document.Denied{
			Action: "ecs:RebootInstance", PrincipalType: "SubUser", PrincipalOwnerID: "1", PrincipalDisplayName: "2",
			PolicyType: "P", NoPermissionType: "ImplicitDeny", Diagnostic: "E",
		},
	}
	const detail = `{"AuthAction":"ecs:RebootInstance","AuthPrincipalType":"SubUser","AuthPrincipalOwnerId":"1","AuthPrincipalDisplayName":"2",` +
		`"PolicyType":"P","NoPermissionType":"ImplicitDeny","EncodedDiagnosticMessage":"E"}`
	for name, body := range map[string]string{
		"JSON":       `{"RequestId":"R","Code":"Forbidden.RAM","Message":"no","HostId":"h","Recommend":"u","AccessDeniedDetail":` + detail + `}`,
		"lower case": strings.ToLower(`{"RequestId":`) + `"R","code":"Forbidden.RAM","message":"no","hostid":"h","recommend":"u","accessDeniedDetail":` + detail + `}`,
		"escapes":    `{ "Request\u0049d" : "\u0052" , "Code":"Forbidden\u002eRAM","Message":"no","HostId":"h","Recommend":"u","x":[{"Code":"\"]"}],"AccessDeniedDetail":` + detail + `}`,
		"XML": `<?xml version="1.0" encoding="UTF-8"?><Error><RequestId>R</RequestId><HostId>h</HostId><Code>Forbidden.RAM</Code><Message>n&#111;</Message><Recommend>u</Recommend>` +
			`<AccessDeniedDetail> <AuthAction>ecs:RebootInstance</AuthAction><AuthPrincipalType>SubUser</AuthPrincipalType><AuthPrincipalOwnerId>1</AuthPrincipalOwnerId>` +
			`<AuthPrincipalDisplayName>2</AuthPrincipalDisplayName><PolicyType>P</PolicyType><NoPermissionType>ImplicitDeny</NoPermissionType>` +
			`<EncodedDiagnosticMessage>E</EncodedDiagnosticMessage></AccessDeniedDetail></Error>`,
	} {
		got, ok := document.Read(action, "", []byte(body))
		require.True(t, ok, name)
		assert.Equal(t, want, got, name)
		assert.Equal(t, "no", got.Text())
	}
	got, ok := document.Read(action, "", []byte(`{"RequestId":"R","Code":403,"Description":"d","Message":null,"AccessDeniedDetail":"text"}`))
	require.True(t, ok)
	assert.Equal(t, document.Document{RequestID: "R", Code: "403", Description: "d", Failure: true}, got)
	assert.Equal(t, "d", got.Text())
}

// What can be read in two ways, or as no document of the action, is not read.
func TestRefused(t *testing.T) {
	xml := func(inner string) string { return "<Error><RequestId>R</RequestId>" + inner + "</Error>" }
	for _, body := range []string{
		"", "null", "[]", "{", `{"RequestId":"R"}x`, " {}",
		`{"RequestId":"R","Code":"A","Code":"B"}`, `{"RequestId":"R","Code":"A","cODE":null}`, `{"Other s":1,"Other ſ":2}`,
		`{"RequestId":1}`, `{"RequestId":{}}`, `{"Code":true}`, `{"Code":["A"]}`, `{"HostId":7}`,
		`{"Code":"A","AccessDeniedDetail":{"PolicyType":"a","policyType":"b"}}`,
		"<RebootInstanceResponse/>x", "<StartInstanceResponse/>", "<error/>", "<a:Error xmlns:a='u'/>", "<Error xmlns='u'/>", "<Error a='b'/>", "<Error/><Error/>",
		"<Error>x</Error>", "<Error>", "<Error></error>", `<?xml version="1.0" encoding="GBK"?><Error/>`, "<!DOCTYPE x><Error/>", "<?x?><Error/>", `<Error/><?xml version="1.0"?>`,
		xml("<!-- c -->"), xml("<Code><![CDATA[A]]></Code>"), xml("<Code>A</Code><Code>B</Code>"), xml("<Code>A</Code><code>B</code>"), xml("<Code>A<b/></Code>"),
		xml("<Code>&nbsp;</Code>"), xml("<AccessDeniedDetail>x<PolicyType/></AccessDeniedDetail>"), xml("<AccessDeniedDetail><PolicyType/>x</AccessDeniedDetail>"),
		xml("<AccessDeniedDetail><PolicyType><b/></PolicyType></AccessDeniedDetail>"), xml("<AccessDeniedDetail><PolicyType/><policyType/></AccessDeniedDetail>"),
	} {
		got, ok := document.Read(action, "", []byte(body))
		assert.False(t, ok, body)
		assert.Zero(t, got, "nothing of it, rather than half of it")
	}
}

// Each sign of failure is one, in any form that is not null.
func TestFailure(t *testing.T) {
	for member, want := range map[string]bool{
		`"Other":"x"`: false, `"Data":{"Code":"A"}`: false, `"Terror":1`: true, `"lastError":0`: true, `"errCode":""`: true, `"Error":null`: false,
		`"Code":""`: true, `"CODE":null`: false, `"Decode":1`: false, `"msg":1`: true, `"faultstring":""`: true, `"default":""`: false, `"isFailed":false`: true,
		`"Exceptions":[]`: true, `"Success":true`: false, `"success":"TRUE"`: false, `"isSuccess":false`: true, `"Success":1`: true, `"Success":null`: false,
		`"ok":true`: false, `"OK":"no"`: true, `"token":1`: false, `"Recommend":""`: true, `"AccessDeniedDetail":{}`: true,
	} {
		got, ok := document.Read(action, "", []byte(`{"RequestId":"R",`+member+`}`))
		require.True(t, ok, member)
		assert.Equal(t, want, got.Failure, member)
	}
	got, ok := document.Read(action, "", []byte("<Error></Error>"))
	assert.True(t, ok && got.Failure, "the root speaks of failure")
}

func TestTrim(t *testing.T) {
	assert.Equal(t, "{}", string(document.Trim([]byte("\ufeff \r\n{}\t"))))
	assert.Equal(t, "\u00a0{}", string(document.Trim([]byte("\u00a0{}"))), "which is no space of JSON")
	assert.Empty(t, document.Trim([]byte("\ufeff")))
}

func TestUniqueNames(t *testing.T) {
	for page, want := range map[string]bool{
		`{}`:                        true,
		`{"List":null}`:             true,
		`{"List":{"Item":{}}}`:      true,
		`{"List":{"Item":[1,"a"]}}`: true,
		`{"list":{"ITEM":[{"a":1,"b":{"a":1,"A":2}},{"a":1}]}}`:              true, // of a member of an instance, nothing is decided by
		`{"List":{"Item":[],"item":[]}}`:                                     false,
		`{"List":{"Other":1,"oth\u0065r":2}}`:                                false,
		`{"List":{"Item":[{"a":1},{"a":[1,{"b":"]}"}], "A" : 2}]}}`:          false,
		`{"Other":{"a":1,"A":2}}`:                                            true,
		`{"List":{"Item":[{"a":1,"b":2,"c":3},{"a":1,"b":2,"c":3}]}}`:        true,
		`{"List":{"Item":[{"a":1,"b":2},{"a":1,"b":2,"B":3}]}}`:              false,
		`{"List":{"Item":[{"a":1,"b":2},{"a":1,"c":2,"A":3}]}}`:              false,
		`{"List":{"Item":[{"a":1,"b":2},{"b":1,"a":2},{"b":1}]}}`:            true,
		`{"List":{"Item":[{"a":1,"b":2},{"b":1,"a":2},{"b":1,"B":2}]}}`:      false,
		`{"List":{"Item":[{"a":1,"b":2},{"a":1},{"a":1,"b":2,"\u0062":3}]}}`: false,
	} {
		assert.Equal(t, want, document.UniqueNames([]byte(page), "List", "Item"), page)
	}
}

// A page in XML becomes the JSON that says the same.
func TestJSON(t *testing.T) {
	shapes := map[string]string{"List": "Item", "Set": "Text", "Object": ""}
	page := func(inner string) []byte { return []byte("<P><RequestId>R</RequestId>" + inner + "</P>") }
	for inner, want := range map[string]string{
		``:                                `{"RequestId":"R"}`,
		`<List/>`:                         `{"RequestId":"R","List":{"Item":[]}}`,
		`<List><Item>a "b"</Item></List>`: `{"RequestId":"R","List":{"Item":["a \"b\""]}}`,
		`<List> <Item/> <Item/></List>`:   `{"RequestId":"R","List":{"Item":["",""]}}`,
		`<List><item/><Item><A>1</A></Item><Other>x</Other></List>`:                            `{"RequestId":"R","List":{"item":"","Other":"x","Item":[{"A":"1"}]}}`,
		`<List><Item><Set/><Object/><A>&#62;</A><A/></Item></List>`:                            `{"RequestId":"R","List":{"Item":[{"Set":{"Text":[]},"Object":{},"A":"\u003e","A":""}]}}`,
		`<List><Item><Set><Text>1</Text><Text>2</Text></Set><X><Set>t</Set></X></Item></List>`: `{"RequestId":"R","List":{"Item":[{"Set":{"Text":["1","2"]},"X":{"Set":"t"}}]}}`,
	} {
		_, ok := document.Read("", "List", []byte(strings.ReplaceAll(string(page(inner)), "P>", "Response>")))
		require.True(t, ok, inner)
		got, ok := document.JSON(page(inner), "List", shapes)
		require.True(t, ok, inner)
		assert.Equal(t, want, string(got), inner)
	}
	for _, inner := range []string{
		`<List>text</List><Other><A/></Other>`, `<List><Item a="b"/></List>`, `<List><Item><!-- --></Item></List>`, `<List><Item>x<A/></Item></List>`,
		`<List><Item><A/>x</Item></List>`, `<List><Item><![CDATA[x]]></Item></List>`, `<list><Item/></list>`, `<List>` + strings.Repeat("<A>", 20) + strings.Repeat("</A>", 20) + `</List>`,
	} {
		_, ok := document.JSON(page(inner), "List", shapes)
		assert.False(t, ok, inner)
		_, ok = document.Read("", "List", []byte(strings.ReplaceAll(string(page(inner)), "P>", "Response>")))
		assert.False(t, ok, inner)
	}
	_, ok := document.Read("", "List", []byte(`<Error><List><Item/></List></Error>`))
	assert.False(t, ok, "an error has no list")
}

// FuzzJSON checks that whatever is read of a page in XML becomes valid JSON.
func FuzzJSON(f *testing.F) {
	f.Add([]byte(`<P><RequestId>R</RequestId><List><Item><A>1</A><Set><Text>x</Text></Set></Item><Item/></List></P>`))
	f.Add([]byte(`<P><List><Item>&#x9;"\</Item><ä>é</ä></List></P>`))
	f.Fuzz(func(t *testing.T, page []byte) {
		if got, ok := document.JSON(page, "List", map[string]string{"List": "Item", "Set": "Text", "Object": ""}); ok {
			require.True(t, json.Valid(got), string(got))
			document.UniqueNames(got, "List", "Item")
		}
	})
}

// FuzzRead holds what is read of a JSON object against its tokens, as encoding/json
// finds them.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"RequestId":"473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E"}`))
	f.Add([]byte(`{ "requestId" : "R" , "C\u006fde":403,"Message":"\ud800 \"}","x":[{"Code":1}],"AccessDeniedDetail":{"PolicyType":"p"}}`))
	f.Add([]byte(`<Error><RequestId>R</RequestId><Code>C</Code><AccessDeniedDetail><PolicyType>p</PolicyType></AccessDeniedDetail></Error>`))
	f.Add([]byte(`{"List":{"Item":[{"a":1},{"a":2,"A":3}]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		body = document.Trim(body)
		got, ok := document.Read(action, "", body)
		if !json.Valid(body) || body[0] != '{' {
			require.False(t, ok && !strings.HasPrefix(string(body), "<"))
			return
		}
		document.UniqueNames(body, "List", "Item") // ends, and does not panic
		if !ok {
			return
		}
		read := map[string]string{
			"RequestId": got.RequestID, "Code": got.Code, "Message": got.Message, "Description": got.Description, "HostId": got.HostID, "Recommend": got.Recommend,
		}
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.UseNumber()
		_, err := decoder.Token()
		require.NoError(t, err)
		var names []string
		for decoder.More() {
			name, err := decoder.Token()
			require.NoError(t, err)
			var value any
			require.NoError(t, decoder.Decode(&value))
			for _, other := range names {
				require.False(t, strings.EqualFold(other, name.(string)), "%q and %q", other, name)
			}
			names = append(names, name.(string))
			for field, text := range read {
				if strings.EqualFold(field, name.(string)) {
					require.True(t, value == nil && text == "" || fmt.Sprint(value) == text, "%s: %q", field, text)
					delete(read, field)
				}
			}
		}
		for field, text := range read {
			require.Empty(t, text, field)
		}
	})
}
