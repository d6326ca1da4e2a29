package ecsreboot

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // signature version 1.0 is defined with HMAC-SHA1
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/credential"
)

// apiVersion is the version of the ECS API whose operations this package calls.
const apiVersion = "2014-05-26"

const (
	acs3Algorithm = "ACS3-HMAC-SHA256"
	timeLayout    = "2006-01-02T15:04:05Z"
	// emptyPayloadHash is the SHA-256 of a request without a body.
	emptyPayloadHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// SignatureVersion selects how requests are signed.
type SignatureVersion uint8

const (
	// SignatureV3 is ACS3-HMAC-SHA256, the default. Key id, token and signature
	// travel in headers, so that no URL holds a secret.
	SignatureV3 SignatureVersion = iota
	// SignatureV1 is the older RPC signature 1.0 with HMAC-SHA1, for endpoints
	// and gateways that know no other. The vendor has discontinued it in favour
	// of V3, and it puts key id, token and signature into the URL, where proxies
	// log them.
	SignatureV1
)

// String returns "V3" or "V1".
func (v SignatureVersion) String() string {
	switch v {
	case SignatureV3:
		return "V3"
	case SignatureV1:
		return "V1"
	}
	return "SignatureVersion(" + strconv.Itoa(int(v)) + ")"
}

// MarshalText returns what [SignatureVersion.String] returns.
func (v SignatureVersion) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what [SignatureVersion.MarshalText] writes for the versions that
// exist.
func (v *SignatureVersion) UnmarshalText(text []byte) error {
	return unmarshalWord(v, text, SignatureV3, SignatureV1)
}

// field is a name and its value: a query parameter or a header.
type field struct{ name, value string }

// message is a request before it is signed. All its parameters are sorted by
// name.
type message struct {
	host   string // as it stands in the Host header
	action string
	params []field
	at     time.Time
	nonce  string
}

// signed is what a signature adds to a request.
type signed struct {
	rawQuery  string
	header    headers
	signature string // known so that it can be kept out of error texts; empty for bearer tokens
}

// headers is a header under construction. One array holds all the values: a slice
// for each costs twice.
type headers struct {
	http.Header

	values []string
}

func newHeaders(n int) headers {
	return headers{make(http.Header, n), make([]string, 0, n)}
}

// put sets a header, whose key is in the canonical form.
func (h *headers) put(key, value string) {
	h.values = append(h.values, value)
	last := len(h.values)
	h.Header[key] = h.values[last-1 : last : last]
}

// unsignedHeaders is how many headers a request has that are not signed.
const unsignedHeaders = 2

// signedHeader is a header that the signature covers: its name in lower case, and
// as net/http keeps it.
type signedHeader struct{ name, key, value string }

// signV3 signs m with ACS3-HMAC-SHA256.
//
// The operation, time and nonce are headers; the parameters of ECS stand in the
// query, also of a POST. Every x-acs- header and the host are signed.
func signV3(m message, keys credential.Secrets) signed {
	params := m.params
	if keys.BearerToken() != "" {
		params = append(slices.Clip(params), field{"SignatureType", "BEARERTOKEN"}) // a copy
	}
	// In the order of their names, which the signature prescribes. The ones without
	// a value are left out.
	all := [...]signedHeader{
		{"host", "Host", m.host},
		{"x-acs-accesskey-id", "X-Acs-Accesskey-Id", ""},
		{"x-acs-action", "X-Acs-Action", m.action},
		{"x-acs-bearer-token", "X-Acs-Bearer-Token", keys.BearerToken()},
		{"x-acs-content-sha256", "X-Acs-Content-Sha256", emptyPayloadHash},
		{"x-acs-date", "X-Acs-Date", m.at.UTC().Format(timeLayout)},
		{"x-acs-security-token", "X-Acs-Security-Token", keys.SecurityToken()},
		{"x-acs-signature-nonce", "X-Acs-Signature-Nonce", m.nonce},
		{"x-acs-version", "X-Acs-Version", apiVersion},
	}
	if keys.SecurityToken() != "" {
		all[1].value = keys.AccessKeyID()
	}
	given := all[:0]
	for _, h := range all {
		if h.value != "" {
			given = append(given, h)
		}
	}
	result := signed{rawQuery: canonicalQuery(params), header: newHeaders(len(given) + unsignedHeaders)}
	for _, h := range given[1:] { // net/http writes Host itself
		result.header.put(h.key, h.value)
	}
	if keys.BearerToken() == "" {
		authorization := acs3Authorization(http.MethodPost, result.rawQuery, given, emptyPayloadHash, keys)
		result.header.put("Authorization", authorization)
		result.signature = authorization[len(authorization)-hex.EncodedLen(sha256.Size):]
	}
	return result
}

// acs3Authorization returns the Authorization header, which ends with the signature
// in lower-case hex. The headers must be sorted by their names.
func acs3Authorization(method, rawQuery string, given []signedHeader, payloadHash string, keys credential.Secrets) string {
	text := bytes.NewBuffer(make([]byte, 0, 1024))
	text.WriteString(method)
	text.WriteString("\n/\n")
	text.WriteString(rawQuery)
	text.WriteByte('\n')
	for _, h := range given {
		text.WriteString(h.name)
		text.WriteByte(':')
		text.WriteString(strings.TrimSpace(h.value))
		text.WriteByte('\n')
	}
	text.WriteByte('\n')
	writeNames(text, given)
	text.WriteByte('\n')
	text.WriteString(payloadHash)

	digest := sha256.Sum256(text.Bytes())
	text.Reset()
	text.WriteString(acs3Algorithm + "\n")
	writeHex(text, digest[:])
	mac := hmac.New(sha256.New, []byte(keys.AccessKeySecret()))
	mac.Write(text.Bytes())
	sum := mac.Sum(digest[:0])

	text.Reset()
	text.WriteString(acs3Algorithm + " Credential=")
	text.WriteString(keys.AccessKeyID())
	text.WriteString(",SignedHeaders=")
	writeNames(text, given)
	text.WriteString(",Signature=")
	writeHex(text, sum)
	return text.String()
}

func writeNames(text *bytes.Buffer, given []signedHeader) {
	for i, h := range given {
		if i > 0 {
			text.WriteByte(';')
		}
		text.WriteString(h.name)
	}
}

func writeHex(text *bytes.Buffer, sum []byte) {
	var digits [2 * sha256.Size]byte
	text.Write(digits[:hex.Encode(digits[:], sum)])
}

// signV1 signs m with the RPC signature 1.0: everything is a query parameter, the
// signature too.
func signV1(m message, keys credential.Secrets) signed {
	params := make([]field, 0, len(m.params)+10)
	params = append(params, m.params...)
	params = append(params,
		field{"Action", m.action},
		field{"Format", "JSON"},
		field{"SignatureNonce", m.nonce},
		field{"Timestamp", m.at.UTC().Format(timeLayout)},
		field{"Version", apiVersion})
	if keys.BearerToken() != "" {
		params = append(params,
			field{"BearerToken", keys.BearerToken()},
			field{"SignatureType", "BEARERTOKEN"})
		return signed{rawQuery: canonicalQuery(params), header: newHeaders(unsignedHeaders)}
	}
	params = append(params,
		field{"AccessKeyId", keys.AccessKeyID()},
		field{"SignatureMethod", "HMAC-SHA1"},
		field{"SignatureVersion", "1.0"})
	if keys.SecurityToken() != "" {
		params = append(params, field{"SecurityToken", keys.SecurityToken()})
	}
	query := canonicalQuery(params)
	signature := rpcSignature(http.MethodPost, query, keys.AccessKeySecret())
	rawQuery := query + "&Signature=" + encode(signature)
	return signed{rawQuery: rawQuery, header: newHeaders(unsignedHeaders), signature: signature}
}

// rpcSignature returns the base64 signature over a canonical query.
func rpcSignature(method, canonicalQuery, secret string) string {
	mac := hmac.New(sha1.New, []byte(secret+"&"))
	mac.Write([]byte(method + "&%2F&" + encode(canonicalQuery)))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// canonicalQuery sorts params and joins them as both signatures want it. An empty
// value keeps its "=".
func canonicalQuery(params []field) string {
	sortFields(params)
	query := bytes.NewBuffer(make([]byte, 0, 1024))
	for i, p := range params {
		if i > 0 {
			query.WriteByte('&')
		}
		query.WriteString(encode(p.name))
		query.WriteByte('=')
		query.WriteString(encode(p.value))
	}
	return query.String()
}

// sortFields sorts by the bytes of the names. They are few and almost in order.
func sortFields(fields []field) {
	for i := range fields {
		for j := i; j > 0 && fields[j].name < fields[j-1].name; j-- {
			fields[j], fields[j-1] = fields[j-1], fields[j]
		}
	}
}

// encode percent-encodes text by the rule of both signatures: all but letters, digits
// and -_.~ as %XX with upper-case digits. [url.QueryEscape] differs in the space.
func encode(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}
