package ecstest

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the algorithm of signature version 1.0
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// percentEncode leaves the unreserved characters of RFC 3986 as they are.
func percentEncode(s string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == '~':
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	return b.String()
}

// canonicalQuery encodes decoded values anew, since clients differ in how they
// encode on the wire (a space as + or %20) but not in what they sign.
func canonicalQuery(params url.Values) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(params)) {
		for _, value := range params[name] {
			pairs = append(pairs, percentEncode(name)+"="+percentEncode(value))
		}
	}
	return strings.Join(pairs, "&")
}

// stringToSignV1 is what signature version 1.0 signs; params holds everything
// of the query and the form.
func stringToSignV1(method string, params url.Values) string {
	signed := maps.Clone(params)
	delete(signed, "Signature")
	return method + "&%2F&" + percentEncode(canonicalQuery(signed))
}

func signV1(stringToSign, secret string) string {
	mac := hmac.New(sha1.New, []byte(secret+"&"))
	mac.Write([]byte(stringToSign))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// authorization is the ACS3 Authorization header.
type authorization struct {
	algorithm, keyID, signature string
	signedHeaders               []string
}

func parseAuthorization(header string) authorization {
	algorithm, rest, _ := strings.Cut(header, " ")
	a := authorization{algorithm: algorithm}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			a.keyID = value
		case "SignedHeaders":
			a.signedHeaders = strings.Split(value, ";")
		case "Signature":
			a.signature = value
		}
	}
	return a
}

// headersToSign are those the client signed and those it has to sign. One that
// the client left out makes the signatures differ.
func (r *request) headersToSign() []string {
	names := []string{"host", "x-acs-action", "x-acs-content-sha256", "x-acs-date", "x-acs-signature-nonce", "x-acs-version"}
	for name := range r.header {
		name = strings.ToLower(name)
		if strings.HasPrefix(name, "x-acs-") || name == "content-type" {
			names = append(names, name)
		}
	}
	for _, name := range r.authorization.signedHeaders {
		names = append(names, strings.ToLower(name))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (r *request) canonicalRequestV3() string {
	names := r.headersToSign()
	var headers strings.Builder
	for _, name := range names {
		headers.WriteString(name + ":" + r.canonicalHeader(name) + "\n")
	}
	path := r.path
	if path == "" {
		path = "/"
	}
	return strings.Join([]string{
		r.method, path, canonicalQuery(r.query), headers.String(), strings.Join(names, ";"), hashHex(r.body),
	}, "\n")
}

func (r *request) canonicalHeader(name string) string {
	if name == "host" {
		return r.host // net/http keeps it out of the headers
	}
	var values []string
	for _, value := range r.header.Values(name) {
		values = append(values, strings.TrimSpace(value))
	}
	slices.Sort(values)
	return strings.Join(values, ",")
}

func stringToSignV3(canonicalRequest string) string {
	return signatureV3 + "\n" + hashHex([]byte(canonicalRequest))
}

func signV3(stringToSign, secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(stringToSign))
	return hex.EncodeToString(mac.Sum(nil))
}

func hashHex(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func sameSecret(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }
