package acceptance_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
)

// tellsSuccess reads a whole body with other means than the client: whether it is an
// object or a document of the service that has a request id and no code. It forgives
// much that the client does not: what the client accepts is a success to it, and not
// the other way round.
func tellsSuccess(body string) bool {
	text := strings.TrimSpace(strings.TrimPrefix(body, "\ufeff"))
	id, code := false, false
	if strings.HasPrefix(text, "<") {
		decoder := xml.NewDecoder(strings.NewReader(text))
		decoder.Strict = false
		for name := ""; ; {
			token, err := decoder.Token()
			if err != nil {
				return id && !code
			}
			switch token := token.(type) {
			case xml.StartElement:
				name = token.Name.Local
				code = code || name == "Code" || name == "Error"
			case xml.CharData:
				id = id || name == "RequestId" && len(token) > 0
			}
		}
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber() // of whatever size
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return false
	}
	for decoder.More() {
		name, err := decoder.Token()
		var value any
		if err != nil || decoder.Decode(&value) != nil {
			return false
		}
		said := value != nil && value != ""
		switch {
		case strings.EqualFold(fmt.Sprint(name), "RequestId"):
			id = id || said // one is enough, of several
		case strings.EqualFold(fmt.Sprint(name), "Code"):
			code = said // the last one counts
		}
	}
	_, err := decoder.Token()
	return err == nil && !decoder.More() && id && !code
}

// FuzzSuccess answers a restart and a dry run with what may be a success. The client
// takes for one what is one, and nothing else.
func FuzzSuccess(f *testing.F) {
	const id = "473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E"
	for i, body := range append([]string{
		`{"RequestId":"` + id + `"}`, ` {"requestid" : "R" , "Other":[{}] }` + "\n", `{"RequestId":"R","Code":"InternalError","Message":"m"}`,
		`{"RequestId":"R","Code":""}`, `{"RequestId":"R","Code":200}`, `{"RequestId":""}`, `{"RequestId":"R"}{}`, `{"RequestId":"R","Code":null}`,
		"<?xml version='1.0' encoding='UTF-8'?><RebootInstanceResponse><RequestId>" + id + "</RequestId></RebootInstanceResponse>",
		"<RebootInstanceResponse><RequestId>R</RequestId><Code>C</Code></RebootInstanceResponse>", "<Response><RequestId/></Response>",
		"<Error><RequestId>R</RequestId><Code>C</Code></Error>", "<html><body>Sign in: <RequestId>R</RequestId></body></html>", `{"RequestId":"` + "\x01\xff" + `"}`,
	}, errorBodies...) {
		f.Add(200+i%3, body, "", int16(-1))
		f.Add(200, body, id, int16(i))
	}
	f.Fuzz(func(t *testing.T, status int, body, headerID string, broken int16) {
		status = 200 + max(-status, status)%100
		header := http.Header{"X-Acs-Request-Id": {headerID}}
		whole := broken < 0 || int(broken) >= len(body)
		client := fuzzClient(t, answered(status, header, body, int(broken)))
		response, err := client.RebootInstance(t.Context(), request)
		if err == nil {
			require.NotEmpty(t, response.RequestID)
			require.False(t, response.DryRun)
			require.LessOrEqual(t, len(response.RequestID), 300)
			require.Equal(t, -1, strings.IndexFunc(response.RequestID, func(r rune) bool { return !unicode.IsPrint(r) }))
			require.True(t, whole, "%q was cut short", body)
			require.True(t, tellsSuccess(body), "%q is no success", body)
		} else {
			require.ErrorIs(t, err, ecsreboot.ErrOutcomeUnknown, "it may have been one")
		}

		// The same as the answer to a dry run is a restart, or nothing.
		dry, dryErr := client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: request.InstanceID, DryRun: true})
		api, ok := errors.AsType[*ecsreboot.APIError](dryErr)
		switch {
		case err == nil:
			require.ErrorIs(t, dryErr, ecsreboot.ErrDryRunIgnored)
			require.ErrorIs(t, dryErr, ecsreboot.ErrAccepted)
		case errors.Is(err, ecsreboot.ErrDryRunOperation):
			require.NoError(t, dryErr)
			require.True(t, dry.DryRun)
		default:
			require.Error(t, dryErr)
			require.Equal(t, ecsreboot.OutcomeNone, ecsreboot.OutcomeOf(dryErr))
			require.True(t, ok)
			require.Equal(t, status, api.StatusCode)
		}
	})
}

var serviceID = regexp.MustCompile(`^[0-9A-F-]{1,64}$`)

// requireID checks that an id comes as it was sent. One that is not made as the ids of
// the service are may look like a secret, and is then removed.
func requireID(t *testing.T, sent, got string) {
	t.Helper()
	if serviceID.MatchString(sent) || !strings.Contains(got, "[redacted]") {
		require.Equal(t, sent, got)
	}
}

// FuzzAccepted writes successes in all ways in which the service does: each is
// accepted, with its request id. So are passed dry runs.
func FuzzAccepted(f *testing.F) {
	f.Add("473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E", "", uint8(0))
	f.Add("b5c8e5a0-0000-5000-8000-000000000000", "the message", uint8(1))
	f.Add("<id>&\"more\"&amp;", "中", uint8(2))
	f.Add("R", "\n", uint8(3))
	f.Fuzz(func(t *testing.T, id, other string, form uint8) {
		printable := func(r rune) bool {
			return r >= ' ' && r <= '~' || r > 0xa0 && unicode.IsPrint(r) && r != unicode.ReplacementChar
		}
		if id == "" || len(id) > 200 || strings.ContainsAny(id, " ") || strings.IndexFunc(id+" "+other, func(r rune) bool { return !printable(r) }) >= 0 {
			return
		}
		var body strings.Builder
		quoted := func(s string) string { text, _ := json.Marshal(s); return string(text) }
		escaped := func(s string) string { var b strings.Builder; _ = xml.EscapeText(&b, []byte(s)); return b.String() }
		write := func(root, code string) string {
			body.Reset()
			switch form % 4 {
			case 0:
				fmt.Fprintf(&body, `{"RequestId":%s,"Other":%s`, quoted(id), quoted(other))
				if code != "" {
					fmt.Fprintf(&body, `,"Code":%s,"Message":"m"`, quoted(code))
				}
				body.WriteString("}")
			case 1:
				fmt.Fprintf(&body, "{\r\n\t%s : {},\r\n\t\"requestId\" : %s", quoted("x"+other), quoted(id))
				if code != "" {
					fmt.Fprintf(&body, " ,\n \"code\" : %s, \"message\":\"m\"", quoted(code))
				}
				body.WriteString("\n}\n")
			default:
				body.WriteString([]string{"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", ""}[form%2])
				fmt.Fprintf(&body, "<%s><Other>%s</Other><RequestId>%s</RequestId>", root, escaped(other), escaped(id))
				if code != "" {
					fmt.Fprintf(&body, "<Code>%s</Code><Message>m</Message>", code)
				}
				fmt.Fprintf(&body, "</%s>", root)
			}
			return body.String()
		}
		response, err := fuzzClient(t, answered(200, nil, write("RebootInstanceResponse", ""), -1)).RebootInstance(t.Context(), request)
		require.NoError(t, err, body.String())
		requireID(t, id, response.RequestID)

		response, err = fuzzClient(t, answered(400, nil, write("Error", "DryRunOperation"), -1)).
			RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: request.InstanceID, DryRun: true})
		require.NoError(t, err, body.String())
		requireID(t, id, response.RequestID)
		require.True(t, response.DryRun)
	})
}
