package ecstest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each way to make the same call restarts the instance once.
func TestEveryWayToCall(t *testing.T) {
	const token, bearer = "sts/token+with=chars", "bearer.token"
	for _, way := range []struct {
		name   string
		change func(*caller)
	}{
		{"key", func(*caller) {}},
		{"get", func(c *caller) { c.method = http.MethodGet }},
		{"form", func(c *caller) { c.form = true }},
		{"sts", func(c *caller) { c.token = token }},
		{"sts form", func(c *caller) { c.token, c.form = token, true }},
		{"bearer", func(c *caller) { c.bearer = bearer }},
		{"bearer form", func(c *caller) { c.bearer, c.form = bearer, true }},
	} {
		for _, v1 := range []bool{false, true} {
			t.Run(way.name, func(t *testing.T) {
				o := Options{BearerToken: bearer}
				if strings.HasPrefix(way.name, "sts") {
					o.SecurityToken = token
				}
				s := inMemory(t, o)
				c := newCaller(s)
				c.v1 = v1
				way.change(c)
				r := c.reboot(t, "ForceStop", "True")
				require.Equal(t, http.StatusOK, r.status, r.body)
				require.Equal(t, 1, s.Reboots(id))

				call := s.Calls()[0]
				require.Equal(t, actionReboot, call.Action)
				require.Equal(t, id, call.InstanceID)
				require.True(t, call.ForceStop)
				require.False(t, call.DryRun)
				require.True(t, call.Acted)
				require.Equal(t, c.method, call.Method)
				require.Equal(t, v1, call.SignatureVersion == "1.0")
				require.Equal(t, c.bearer == "", call.AccessKeyID == "testid")
				require.NotEmpty(t, call.Nonce)
				require.Equal(t, 1, call.Conn)
				require.Equal(t, "HTTP/1.1", call.Proto)
				place := call.Query
				if c.form {
					place = call.Form
				}
				require.Equal(t, id, place.Get("InstanceId"))
			})
		}
	}
}

// An official client sends x-acs-action with version 1.0 too.
func TestActionHeaderDoesNotMakeV3(t *testing.T) {
	c := newCaller(inMemory(t, Options{}))
	c.v1 = true
	c.edit = func(r *http.Request) { r.Header.Set("x-acs-action", actionReboot) }
	require.Equal(t, http.StatusOK, c.reboot(t).status)
}

func TestBodyLimit(t *testing.T) {
	s := inMemory(t, Options{})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, strings.NewReader(strings.Repeat("x", maxBody+1)))
	require.NoError(t, err)
	got, err := newCaller(s).send(r)
	require.NoError(t, err)
	require.Equal(t, http.StatusRequestEntityTooLarge, got.status)
	require.Empty(t, s.Calls())
}

func FuzzServeHTTP(f *testing.F) {
	s, err := NewInMemoryServer(Options{BearerToken: "b"})
	require.NoError(f, err)
	defer s.Close()
	require.NoError(f, s.AddInstance(Instance{ID: id}))
	now := time.Now().UTC().Format("2006-01-02T15:04:05Z")
	f.Add("POST", "Action=RebootInstance&Version=2014-05-26&SignatureType=BEARERTOKEN&BearerToken=b&SignatureNonce=1&Timestamp="+now, "", "", "")
	f.Add("GET", "", "ACS3-HMAC-SHA256 Credential=testid,SignedHeaders=a;b,Signature=00", "RebootInstance", "x=1")
	f.Add("PUT", "a=%zz&InstanceIds=[", "ACS3-", "DescribeInstances", "=&;")
	f.Fuzz(func(t *testing.T, method, query, authorization, action, body string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
		r.Method, r.URL.RawQuery = method, query
		r.Header = http.Header{
			"Authorization": {authorization}, "X-Acs-Action": {action}, "X-Acs-Date": {now}, "X-Acs-Version": {apiVersion},
			"X-Acs-Signature-Nonce": {query + body}, "Content-Type": {"application/x-www-form-urlencoded"},
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		s.ForgetCalls()
		require.NotZero(t, w.Code)
		require.NotEmpty(t, w.Header().Get("X-Acs-Request-Id"))
		require.Contains(t, w.Body.String(), w.Header().Get("X-Acs-Request-Id"))
		require.NotEqual(t, http.StatusInternalServerError, w.Code)
	})
}
