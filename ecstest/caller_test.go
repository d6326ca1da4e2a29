package ecstest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// caller is a plain client of its own: it signs a call as its fields say.
type caller struct {
	server         *Server
	client         *http.Client
	v1             bool
	method         string // default POST
	form           bool
	keyID, secret  string
	token, bearer  string
	format, accept string
	nonce          string
	now            func() time.Time
	edit           func(*http.Request) // after signing
}

func newCaller(s *Server) *caller {
	return &caller{
		server: s, client: s.HTTPClient(), method: http.MethodPost, keyID: "testid", secret: "testsecret",
		format: "JSON", now: time.Now,
	}
}

var nonceCounter atomic.Int64

func (c *caller) freshNonce() string {
	if c.nonce != "" {
		return c.nonce
	}
	n := nonceCounter.Add(1)
	return fmt.Sprintf("nonce-%d", n)
}

func (c *caller) request(tb testing.TB, action string, params ...string) *http.Request {
	tb.Helper()
	values := url.Values{}
	for i := 0; i < len(params); i += 2 {
		values.Set(params[i], params[i+1])
	}
	r, err := http.NewRequestWithContext(tb.Context(), c.method, c.server.URL+"/", http.NoBody)
	require.NoError(tb, err)
	if c.v1 {
		c.signOld(r, action, values)
	} else {
		c.signNew(r, action, values)
	}
	if c.edit != nil {
		c.edit(r)
	}
	return r
}

func (c *caller) put(r *http.Request, values url.Values) (body string) {
	if !c.form {
		r.URL.RawQuery = values.Encode()
		return ""
	}
	body = values.Encode()
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return body
}

func (c *caller) signOld(r *http.Request, action string, values url.Values) {
	values.Set("Action", action)
	values.Set("Version", productOf(action).version)
	values.Set("SignatureNonce", c.freshNonce())
	values.Set("Timestamp", c.now().UTC().Format("2006-01-02T15:04:05Z"))
	if c.format != "" {
		values.Set("Format", c.format)
	}
	if c.bearer != "" {
		values.Set("BearerToken", c.bearer)
		values.Set("SignatureType", "BEARERTOKEN")
		c.put(r, values)
		return
	}
	values.Set("AccessKeyId", c.keyID)
	values.Set("SignatureMethod", "HMAC-SHA1")
	values.Set("SignatureVersion", "1.0")
	if c.token != "" {
		values.Set("SecurityToken", c.token)
	}
	values.Set("Signature", signV1(stringToSignV1(c.method, values), c.secret))
	c.put(r, values)
}

func (c *caller) signNew(r *http.Request, action string, values url.Values) {
	h := r.Header
	h.Set("x-acs-action", action)
	h.Set("x-acs-version", productOf(action).version)
	h.Set("x-acs-signature-nonce", c.freshNonce())
	h.Set("x-acs-date", c.now().UTC().Format("2006-01-02T15:04:05Z"))
	if c.accept != "" {
		h.Set("Accept", c.accept)
	}
	if c.bearer != "" {
		h.Set("x-acs-bearer-token", c.bearer)
		values.Set("SignatureType", "BEARERTOKEN")
	}
	if c.token != "" {
		h.Set("x-acs-security-token", c.token)
	}
	body := c.put(r, values)
	h.Set("x-acs-content-sha256", hashHex([]byte(body)))
	if c.bearer != "" {
		return
	}
	req := parseRequest(&http.Request{Method: r.Method, URL: r.URL, Host: r.URL.Host, Header: h}, []byte(body))
	signature := signV3(stringToSignV3(req.canonicalRequestV3()), c.secret)
	h.Set("Authorization", signatureV3+" Credential="+c.keyID+
		",SignedHeaders="+strings.Join(req.headersToSign(), ";")+",Signature="+signature)
}

// reply is an answer that was read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) field(name string) string {
	var all map[string]any
	if json.Unmarshal([]byte(r.body), &all) != nil {
		return ""
	}
	text, _ := all[name].(string)
	return text
}

func (r reply) code() string { return r.field("Code") }

func (c *caller) do(tb testing.TB, action string, params ...string) (reply, error) {
	tb.Helper()
	return c.send(c.request(tb, action, params...))
}

func (c *caller) send(r *http.Request) (reply, error) {
	resp, err := c.client.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(body)}, err
}

func (c *caller) must(tb testing.TB, action string, params ...string) reply {
	tb.Helper()
	r, err := c.do(tb, action, params...)
	require.NoError(tb, err)
	return r
}

func (c *caller) reboot(tb testing.TB, params ...string) reply {
	tb.Helper()
	return c.must(tb, actionReboot, append([]string{"InstanceId", id}, params...)...)
}

const id = "i-bp67acfmxazb4ph0001"

// inMemory is a server with one running instance that restarts in no time.
func inMemory(tb testing.TB, o Options) *Server {
	tb.Helper()
	s, err := NewInMemoryServer(o)
	require.NoError(tb, err)
	tb.Cleanup(s.Close)
	require.NoError(tb, s.AddInstance(Instance{ID: id, Reboot: RebootProfile{Graceful: -1, Forced: -1}}))
	return s
}
