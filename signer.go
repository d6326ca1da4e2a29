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
	// SignatureV1 is the older RPC signature 1.0 with HMAC-SHA1, for endpoints and
	// gateways that know no other. The vendor has discontinued V1 in favour of V3. V1
	// puts key id, token and signature into the URL, where proxies log them.
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

// UnmarshalText reads the texts of the constants. Any other text is an error.
func (v *SignatureVersion) UnmarshalText(text []byte) error {
	return unmarshalWord(v, text, SignatureV3, SignatureV1)
}

// field is a query parameter: a name and its value.
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
// The operation, time and nonce are headers; the parameters of ECS stand in the query,
// even of a POST. Every x-acs- header and the host are signed.
func signV3(m message, keys credential.Secrets) signed {
	params, keyID := m.params, ""
	if keys.BearerToken() != "" {
		params = append(slices.Clip(params), field{"SignatureType", "BEARERTOKEN"}) // a copy
	}
	if keys.SecurityToken() != "" {
		keyID = keys.AccessKeyID()
	}
	given := []header{ // in the order of their signed names, which the signature prescribes
		{"host", "Host", m.host},
		{"x-acs-accesskey-id", "X-Acs-Accesskey-Id", keyID},
		{"x-acs-action", "X-Acs-Action", m.action},
		{"x-acs-bearer-token", "X-Acs-Bearer-Token", keys.BearerToken()},
		{"x-acs-content-sha256", "X-Acs-Content-Sha256", emptyPayloadHash},
		{"x-acs-date", "X-Acs-Date", m.at.UTC().Format(time.RFC3339)},
		{"x-acs-security-token", "X-Acs-Security-Token", keys.SecurityToken()},
		{"x-acs-signature-nonce", "X-Acs-Signature-Nonce", m.nonce},
		{"x-acs-version", "X-Acs-Version", apiVersion},
	}
	given = slices.DeleteFunc(given, func(h header) bool { return h.value == "" })
	result := signed{rawQuery: canonicalQuery(params), header: make(http.Header, len(given)+2)}
	values := make([]string, len(given)) // one array for all headers
	for i, h := range given[1:] {        // net/http writes Host itself
		values[i] = h.value
		result.header[h.name] = values[i : i+1 : i+1]
	}
	if keys.BearerToken() == "" {
		authorization := acs3Authorization(http.MethodPost, result.rawQuery, given, emptyPayloadHash, keys)
		result.header["Authorization"] = []string{authorization}
		result.signature = authorization[len(authorization)-hex.EncodedLen(sha256.Size):]
	}
	return result
}

// header is a header with its name as it is signed, in lower case, and as net/http has it.
type header struct{ signedName, name, value string }

// acs3Authorization returns the Authorization header, which ends with the signature
// in lower-case hex. The headers must be sorted by their signed names.
func acs3Authorization(method, rawQuery string, given []header, payloadHash string, keys credential.Secrets) string {
	// The request to be signed is written into one buffer. Concatenated strings take 6 %
	// more of a whole call: see BenchmarkSign and BenchmarkRebootInstance.
	text := make([]byte, 0, 1024)
	text = append(text, method...)
	text = append(text, "\n/\n"...)
	text = append(text, rawQuery...)
	text = append(text, '\n')
	for _, h := range given {
		text = append(text, h.signedName...)
		text = append(text, ':')
		text = append(text, strings.TrimSpace(h.value)...)
		text = append(text, '\n')
	}
	text = append(text, '\n')
	begin := len(text)
	for i, h := range given {
		if i > 0 {
			text = append(text, ';')
		}
		text = append(text, h.signedName...)
	}
	signedHeaders := text[begin:]
	text = append(text, '\n')
	text = append(text, payloadHash...)
	digest := sha256.Sum256(text)

	toSign := make([]byte, 0, 128)
	toSign = append(toSign, acs3Algorithm+"\n"...)
	toSign = hex.AppendEncode(toSign, digest[:])
	mac := hmac.New(sha256.New, []byte(keys.AccessKeySecret()))
	mac.Write(toSign)
	signature := hex.AppendEncode(toSign[:0], mac.Sum(nil))
	return acs3Algorithm + " Credential=" + keys.AccessKeyID() + ",SignedHeaders=" + string(signedHeaders) + ",Signature=" + string(signature)
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
		return signed{rawQuery: canonicalQuery(params), header: make(http.Header)}
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
	return signed{rawQuery: rawQuery, header: make(http.Header), signature: signature}
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
	sort.Sort(byName(params))
	query := make([]byte, 0, 256)
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

// encode percent-encodes text by the rule of both signatures: all but letters, digits
// and -_.~ as %XX with upper-case digits. [url.QueryEscape] differs in the space.
func encode(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}

// byName sorts by the bytes of the names. Each instance of [slices.SortFunc] adds 12 kB to
// a program; [sort.Sort] is in it anyway, for net/http.
type byName []field

func (f byName) Len() int           { return len(f) }
func (f byName) Less(i, j int) bool { return f[i].name < f[j].name }
func (f byName) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }
