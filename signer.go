package ecsreboot

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // signature version 1.0 is defined with HMAC-SHA1
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/credential"
)

// apiVersion is the version of the ECS API whose operations this package calls.
const apiVersion = "2014-05-26"

const (
	acs3Algorithm = "ACS3-HMAC-SHA256"
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
	header    http.Header
	signature string // known so that it can be kept out of error texts; empty for bearer tokens
}

// signV3 signs m with ACS3-HMAC-SHA256.
//
// The operation, time and nonce are headers; the parameters of ECS stand in the
// query, also of a POST. Every x-acs- header and the host are signed.
func signV3(m message, keys credential.Secrets) signed {
	params, keyID := m.params, ""
	if keys.BearerToken() != "" {
		params = append(slices.Clip(params), field{"SignatureType", "BEARERTOKEN"}) // a copy
		sortFields(params)
	}
	if keys.SecurityToken() != "" {
		keyID = keys.AccessKeyID()
	}
	given := []field{ // in the order of their names, which the signature prescribes
		{"Host", m.host},
		{"X-Acs-Accesskey-Id", keyID},
		{"X-Acs-Action", m.action},
		{"X-Acs-Bearer-Token", keys.BearerToken()},
		{"X-Acs-Content-Sha256", emptyPayloadHash},
		{"X-Acs-Date", m.at.UTC().Format(time.RFC3339)},
		{"X-Acs-Security-Token", keys.SecurityToken()},
		{"X-Acs-Signature-Nonce", m.nonce},
		{"X-Acs-Version", apiVersion},
	}
	given = slices.DeleteFunc(given, func(h field) bool { return h.value == "" })
	result := signed{rawQuery: canonicalQuery(params), header: make(http.Header, len(given)+2)}
	values := make([]string, len(given)) // one array for all headers
	for i, h := range given[1:] {        // net/http writes Host itself
		values[i] = h.value
		result.header[h.name] = values[i : i+1 : i+1]
	}
	if keys.BearerToken() == "" {
		authorization := acs3Authorization(http.MethodPost, result.rawQuery, given, emptyPayloadHash, keys)
		result.header.Set("Authorization", authorization)
		result.signature = authorization[len(authorization)-hex.EncodedLen(sha256.Size):]
	}
	return result
}

// acs3Authorization returns the Authorization header, which ends with the signature
// in lower-case hex. The headers must be sorted by their names.
func acs3Authorization(method, rawQuery string, given []field, payloadHash string, keys credential.Secrets) string {
	request := make([]byte, 0, 1024)
	request = append(request, method...)
	request = append(request, "\n/\n"...)
	request = append(request, rawQuery...)
	request = append(request, '\n')
	for _, h := range given {
		request = appendLower(request, h.name)
		request = append(request, ':')
		request = append(request, strings.TrimSpace(h.value)...)
		request = append(request, '\n')
	}
	request = append(request, '\n')
	begin := len(request)
	for i, h := range given {
		if i > 0 {
			request = append(request, ';')
		}
		request = appendLower(request, h.name)
	}
	signedHeaders := request[begin:]
	request = append(request, '\n')
	request = append(request, payloadHash...)

	digest := sha256.Sum256(request)
	mac := hmac.New(sha256.New, []byte(keys.AccessKeySecret()))
	mac.Write(hex.AppendEncode([]byte(acs3Algorithm+"\n"), digest[:]))
	return acs3Algorithm + " Credential=" + keys.AccessKeyID() + ",SignedHeaders=" + string(signedHeaders) +
		",Signature=" + string(hex.AppendEncode(nil, mac.Sum(nil)))
}

// appendLower appends an ASCII text in lower case.
func appendLower(b []byte, text string) []byte {
	for i := range len(text) {
		c := text[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
}

// signV1 signs m with the RPC signature 1.0: everything is a query parameter, the
// signature too.
func signV1(m message, keys credential.Secrets) signed {
	params := append(slices.Clip(m.params), // a copy
		field{"Action", m.action},
		field{"Format", "JSON"},
		field{"SignatureNonce", m.nonce},
		field{"Timestamp", m.at.UTC().Format(time.RFC3339)},
		field{"Version", apiVersion})
	if keys.BearerToken() != "" {
		params = append(params,
			field{"BearerToken", keys.BearerToken()},
			field{"SignatureType", "BEARERTOKEN"})
		sortFields(params)
		return signed{rawQuery: canonicalQuery(params), header: make(http.Header)}
	}
	params = append(params,
		field{"AccessKeyId", keys.AccessKeyID()},
		field{"SignatureMethod", "HMAC-SHA1"},
		field{"SignatureVersion", "1.0"})
	if keys.SecurityToken() != "" {
		params = append(params, field{"SecurityToken", keys.SecurityToken()})
	}
	sortFields(params)
	query := canonicalQuery(params)
	signature := rpcSignature(http.MethodPost, query, keys.AccessKeySecret())
	rawQuery := query + "&Signature=" + encode(signature)
	return signed{rawQuery: rawQuery, header: make(http.Header), signature: signature}
}

// rpcSignature returns the base64 signature over a canonical query.
func rpcSignature(method, canonicalQuery, secret string) string {
	mac := hmac.New(sha1.New, []byte(secret+"&"))
	mac.Write([]byte(method + "&%2F&" + encode(canonicalQuery)))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// canonicalQuery joins sorted params as both signatures want it. An empty value keeps
// its "=".
func canonicalQuery(params []field) string {
	query := make([]byte, 0, 512)
	for i, p := range params {
		if i > 0 {
			query = append(query, '&')
		}
		query = append(query, encode(p.name)...)
		query = append(query, '=')
		query = append(query, encode(p.value)...)
	}
	return string(query)
}

// sortFields sorts by the bytes of the names.
func sortFields(fields []field) { sort.Sort(byName(fields)) }

// byName adds less to a program than an instance of [slices.SortFunc] would.
type byName []field

func (b byName) Len() int           { return len(b) }
func (b byName) Less(i, j int) bool { return b[i].name < b[j].name }
func (b byName) Swap(i, j int)      { b[i], b[j] = b[j], b[i] }

// encode percent-encodes text by the rule of both signatures: all but letters, digits
// and -_.~ as %XX with upper-case digits. [url.QueryEscape] differs in the space.
func encode(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}
