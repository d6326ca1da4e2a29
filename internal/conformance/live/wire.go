package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // the algorithm of signature 1.0
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// credentials are an access key, with a token if it is temporary, and perhaps a bearer token.
type credentials struct{ id, secret, token, bearer string }

// wire signs and sends single requests without the client of this project, so that each
// request is exactly what the experiment needs. Nothing is retried.
type wire struct {
	http     *http.Client
	endpoint string // scheme and host
	key      credentials
	offset   time.Duration // the service's clock minus the local clock
}

// request is a request, with the errors that an experiment makes on purpose.
type request struct {
	endpoint string // default: that of the wire
	action   string
	version  string // default: that of ECS
	method   string // default POST, because net/http repeats a GET if the connection breaks
	params   map[string]string
	v1       bool   // signature 1.0 instead of ACS3
	format   string // the Format of signature 1.0; default JSON, "-" for none
	xml      bool   // with ACS3, accept XML

	key     *credentials
	bearer  bool
	skew    time.Duration
	stamp   string // replaces the time
	nonce   string
	without string // a common parameter of signature 1.0 to leave out
	hash    string // replaces the signature method of signature 1.0
	floods  bool   // the request may be throttled
}

// reply is a response, read to its end.
type reply struct {
	status int
	header http.Header
	body   []byte
	sent   time.Time
	at     time.Time
	fields map[string]any // the fields of a JSON body, or the children of the root of an XML body
	root   string         // the root of an XML body
}

const ecsVersion = "2014-05-26"

func (w *wire) send(ctx context.Context, r request) (*reply, error) {
	key := w.key
	if r.key != nil {
		key = *r.key
	}
	if r.endpoint == "" {
		r.endpoint = w.endpoint
	}
	if r.version == "" {
		r.version = ecsVersion
	}
	if r.method == "" {
		r.method = http.MethodPost
	}
	if r.nonce == "" {
		r.nonce = newNonce()
	}
	if r.stamp == "" {
		r.stamp = time.Now().Add(w.offset + r.skew).UTC().Format("2006-01-02T15:04:05Z")
	}
	out, err := http.NewRequestWithContext(ctx, r.method, r.endpoint+"/", http.NoBody)
	if err != nil {
		return nil, err
	}
	out.Header.Set("User-Agent", userAgent)
	if r.v1 {
		out.URL.RawQuery = r.queryV1(key).Encode()
	} else {
		r.signV3(out, key)
	}
	sent := time.Now()
	in, err := w.http.Do(out)
	if err != nil {
		// The error contains the URL, which contains the key and the signature.
		if broken, ok := errors.AsType[*url.Error](err); ok {
			err = broken.Err
		}
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(in.Body, 1<<22))
	if err := errors.Join(err, in.Body.Close()); err != nil {
		return nil, err
	}
	answer := &reply{status: in.StatusCode, header: in.Header, body: body, sent: sent, at: time.Now()}
	answer.parse()
	return answer, nil
}

// userAgent is the User-Agent of each request. ActionTrail shows it.
const userAgent = "ecsreboot-live/1"

func newNonce() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}

func encode(s string) string {
	return strings.NewReplacer("+", "%20", "*", "%2A", "%7E", "~").Replace(url.QueryEscape(s))
}

func canonical(params url.Values) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(params)) {
		pairs = append(pairs, encode(name)+"="+encode(params.Get(name)))
	}
	return strings.Join(pairs, "&")
}

func (r request) queryV1(key credentials) url.Values {
	q := url.Values{}
	for name, value := range r.params {
		q.Set(name, value)
	}
	q.Set("Action", r.action)
	q.Set("Version", r.version)
	switch r.format {
	case "":
		q.Set("Format", "JSON")
	case "-":
	default:
		q.Set("Format", r.format)
	}
	q.Set("AccessKeyId", key.id)
	q.Set("SignatureMethod", "HMAC-SHA1")
	if r.hash != "" {
		q.Set("SignatureMethod", r.hash)
	}
	q.Set("SignatureVersion", "1.0")
	q.Set("SignatureNonce", r.nonce)
	q.Set("Timestamp", r.stamp)
	if key.token != "" {
		q.Set("SecurityToken", key.token)
	}
	q.Del(r.without)
	mac := hmac.New(sha1.New, []byte(key.secret+"&"))
	mac.Write([]byte(r.method + "&%2F&" + encode(canonical(q))))
	q.Set("Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return q
}

func (r request) signV3(out *http.Request, key credentials) {
	q := url.Values{}
	for name, value := range r.params {
		q.Set(name, value)
	}
	h := out.Header
	h.Set("Accept", "application/json")
	if r.xml {
		h.Set("Accept", "application/xml")
	}
	h.Set("X-Acs-Action", r.action)
	h.Set("X-Acs-Version", r.version)
	h.Set("X-Acs-Date", r.stamp)
	h.Set("X-Acs-Signature-Nonce", r.nonce)
	h.Set("X-Acs-Content-Sha256", hash(""))
	if r.bearer {
		h.Set("X-Acs-Bearer-Token", key.bearer)
		q.Set("SignatureType", "BEARERTOKEN")
		out.URL.RawQuery = canonical(q)
		return
	}
	if key.token != "" {
		h.Set("X-Acs-Security-Token", key.token)
	}
	out.URL.RawQuery = canonical(q)
	names := []string{"host"}
	for name := range h {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-acs-") {
			names = append(names, lower)
		}
	}
	slices.Sort(names)
	var headers strings.Builder
	for _, name := range names {
		value := h.Get(name)
		if name == "host" {
			value = out.URL.Host
		}
		headers.WriteString(name + ":" + value + "\n")
	}
	text := strings.Join([]string{r.method, "/", out.URL.RawQuery, headers.String(), strings.Join(names, ";"), hash("")}, "\n")
	mac := hmac.New(sha256.New, []byte(key.secret))
	mac.Write([]byte("ACS3-HMAC-SHA256\n" + hash(text)))
	h.Set("Authorization", fmt.Sprintf("ACS3-HMAC-SHA256 Credential=%s,SignedHeaders=%s,Signature=%x", key.id, strings.Join(names, ";"), mac.Sum(nil)))
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// parse reads the body as XML or JSON, by its first character.
func (a *reply) parse() {
	body := bytes.TrimSpace(a.body)
	if len(body) == 0 || body[0] != '<' {
		_ = json.Unmarshal(body, &a.fields) // other texts have no fields
		return
	}
	decoder, depth, name := xml.NewDecoder(bytes.NewReader(body)), 0, ""
	a.fields = map[string]any{}
	for {
		token, err := decoder.Token()
		if err != nil {
			return
		}
		switch token := token.(type) {
		case xml.StartElement:
			depth++
			switch depth {
			case 1:
				a.root = token.Name.Local
			case 2:
				name = token.Name.Local
				a.fields[name] = ""
			}
		case xml.EndElement:
			depth--
		case xml.CharData:
			if depth == 2 {
				a.fields[name] = string(token)
			}
		}
	}
}

func (a *reply) text(name string) string {
	text, _ := a.fields[name].(string)
	return text
}

// at returns the value at a path of names in a JSON object.
func at(value any, names ...string) any {
	for _, name := range names {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value
}

// paths adds to found the paths of all names in value.
func paths(value any, prefix string, found map[string]bool) {
	switch value := value.(type) {
	case map[string]any:
		for name, inner := range value {
			path := name
			if prefix != "" {
				path = prefix + "." + name
			}
			found[path] = true
			paths(inner, path, found)
		}
	case []any:
		for _, inner := range value {
			paths(inner, prefix, found)
		}
	}
}
