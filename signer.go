package ecsreboot

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // signature version 1.0 is defined with HMAC-SHA1
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"
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
func signV3(m message, keys secrets) signed {
	date := m.at.UTC().Format(timeLayout)
	params := m.params
	// All the headers to sign, in the order of their names, which the signature
	// prescribes.
	var buf [9]field
	headers := append(buf[:0],
		field{"host", m.host})
	if keys.securityToken != "" {
		headers = append(headers, field{"x-acs-accesskey-id", keys.accessKeyID})
	}
	headers = append(headers, field{"x-acs-action", m.action})
	if keys.bearerToken != "" {
		headers = append(headers, field{"x-acs-bearer-token", keys.bearerToken})
		params = append(slices.Clone(params), field{"SignatureType", "BEARERTOKEN"})
		sortFields(params)
	}
	headers = append(headers,
		field{"x-acs-content-sha256", emptyPayloadHash},
		field{"x-acs-date", date})
	if keys.securityToken != "" {
		headers = append(headers, field{"x-acs-security-token", keys.securityToken})
	}
	headers = append(headers,
		field{"x-acs-signature-nonce", m.nonce},
		field{"x-acs-version", apiVersion})

	rawQuery := canonicalQuery(params)
	// One array holds every header's value; a slice for each costs twice.
	values := make([]string, 0, len(headers)+2)
	header := make(http.Header, len(headers)+2)
	set := func(name, value string) {
		values = append(values, value)
		header[name] = values[len(values)-1 : len(values) : len(values)]
	}
	for _, h := range headers[1:] { // net/http writes Host itself
		set(acsHeaderName(h.name), h.value)
	}
	if keys.bearerToken != "" {
		return signed{rawQuery: rawQuery, header: header}
	}
	signedHeaders, signature := acs3Signature(http.MethodPost, rawQuery, headers, emptyPayloadHash, keys.accessKeySecret)
	set("Authorization", acs3Algorithm+" Credential="+keys.accessKeyID+",SignedHeaders="+signedHeaders+",Signature="+signature)
	return signed{rawQuery: rawQuery, header: header, signature: signature}
}

// acsHeaderName returns the canonical form in which net/http keeps a header's
// name. The names are constants, so a switch spares the allocation.
func acsHeaderName(name string) string {
	switch name {
	case "x-acs-accesskey-id":
		return "X-Acs-Accesskey-Id"
	case "x-acs-action":
		return "X-Acs-Action"
	case "x-acs-bearer-token":
		return "X-Acs-Bearer-Token"
	case "x-acs-content-sha256":
		return "X-Acs-Content-Sha256"
	case "x-acs-date":
		return "X-Acs-Date"
	case "x-acs-security-token":
		return "X-Acs-Security-Token"
	case "x-acs-signature-nonce":
		return "X-Acs-Signature-Nonce"
	case "x-acs-version":
		return "X-Acs-Version"
	}
	return http.CanonicalHeaderKey(name)
}

// acs3Signature returns the list of signed headers and the signature in lower-case
// hex. The headers must be sorted and their names in lower case.
func acs3Signature(method, rawQuery string, headers []field, payloadHash, secret string) (signedHeaders, signature string) {
	var nameBuf [192]byte
	names := nameBuf[:0]
	for i, h := range headers {
		if i > 0 {
			names = append(names, ';')
		}
		names = append(names, h.name...)
	}

	var canonicalBuf [1024]byte
	canonical := append(canonicalBuf[:0], method...)
	canonical = append(canonical, "\n/\n"...)
	canonical = append(canonical, rawQuery...)
	canonical = append(canonical, '\n')
	for _, h := range headers {
		canonical = append(canonical, h.name...)
		canonical = append(canonical, ':')
		canonical = append(canonical, strings.TrimSpace(h.value)...)
		canonical = append(canonical, '\n')
	}
	canonical = append(canonical, '\n')
	canonical = append(canonical, names...)
	canonical = append(canonical, '\n')
	canonical = append(canonical, payloadHash...)

	digest := sha256.Sum256(canonical)
	toSign := canonical[:0] // was hashed, so its array is free
	toSign = append(toSign, acs3Algorithm+"\n"...)
	toSign = hex.AppendEncode(toSign, digest[:])
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(toSign)
	sum := mac.Sum(digest[:0])
	var hexBuf [2 * sha256.Size]byte
	return string(names), string(hex.AppendEncode(hexBuf[:0], sum))
}

// signV1 signs m with the RPC signature 1.0: everything is a query parameter, the
// signature too.
func signV1(m message, keys secrets) signed {
	params := make([]field, 0, len(m.params)+10)
	params = append(params, m.params...)
	params = append(params,
		field{"Action", m.action},
		field{"Format", "JSON"},
		field{"SignatureNonce", m.nonce},
		field{"Timestamp", m.at.UTC().Format(timeLayout)},
		field{"Version", apiVersion})
	if keys.bearerToken != "" {
		params = append(params,
			field{"BearerToken", keys.bearerToken},
			field{"SignatureType", "BEARERTOKEN"})
		sortFields(params)
		return signed{rawQuery: canonicalQuery(params), header: make(http.Header, 2)}
	}
	params = append(params,
		field{"AccessKeyId", keys.accessKeyID},
		field{"SignatureMethod", "HMAC-SHA1"},
		field{"SignatureVersion", "1.0"})
	if keys.securityToken != "" {
		params = append(params, field{"SecurityToken", keys.securityToken})
	}
	sortFields(params)
	query := canonicalQuery(params)
	signature := rpcSignature(http.MethodPost, query, keys.accessKeySecret)
	rawQuery := query + "&Signature=" + string(appendEncoded(nil, signature))
	return signed{rawQuery: rawQuery, header: make(http.Header, 2), signature: signature}
}

// rpcSignature returns the base64 signature over a canonical query.
func rpcSignature(method, canonicalQuery, secret string) string {
	var buf [1024]byte
	toSign := append(buf[:0], method...)
	toSign = append(toSign, "&%2F&"...)
	toSign = appendEncoded(toSign, canonicalQuery)
	mac := hmac.New(sha1.New, []byte(secret+"&"))
	mac.Write(toSign)
	var sum [sha1.Size]byte
	return base64.StdEncoding.EncodeToString(mac.Sum(sum[:0]))
}

// canonicalQuery joins params, which are sorted, as both signatures want them. An
// empty value keeps its "=".
func canonicalQuery(params []field) string {
	var buf [1024]byte
	query := buf[:0]
	for i, p := range params {
		if i > 0 {
			query = append(query, '&')
		}
		query = appendEncoded(query, p.name)
		query = append(query, '=')
		query = appendEncoded(query, p.value)
	}
	return string(query)
}

// sortFields sorts by the bytes of the names. They are few and almost in order.
func sortFields(fields []field) {
	for i := range fields {
		for j := i; j > 0 && fields[j].name < fields[j-1].name; j-- {
			fields[j], fields[j-1] = fields[j-1], fields[j]
		}
	}
}

// appendEncoded appends text percent-encoded by the rule of both signatures: all
// but letters, digits and -_.~ as %XX with upper-case digits. It differs from
// url.QueryEscape in the space (%20).
func appendEncoded(dst []byte, text string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == '~':
			dst = append(dst, c)
		default:
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	return dst
}
