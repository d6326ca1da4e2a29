package ecstest

import (
	"errors"
	"net/http"
	"time"
)

const (
	maxClockSkew = 15 * time.Minute
	nonceMemory  = 31 * time.Minute
)

// key is an access key that is, or was, accepted.
type key struct {
	secret  string
	token   string // must come with the key if set
	retired bool
}

// RotateKey makes the given key the only one that the server accepts; with an
// empty securityToken, the key is permanent. After RotateKey, the response to an
// earlier token is InvalidSecurityToken.Expired, and the response to an earlier
// permanent key is InvalidAccessKeyId.Inactive. An empty accessKeyID or
// accessKeySecret is an error.
func (s *Server) RotateKey(accessKeyID, accessKeySecret, securityToken string) error {
	if accessKeyID == "" || accessKeySecret == "" {
		return errors.New("ecstest: RotateKey needs both halves of the key")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, k := range s.keys {
		if k.token != "" {
			s.expired[k.token] = true
		}
		k.retired = true
		s.keys[id] = k
	}
	delete(s.expired, securityToken)
	s.keys[accessKeyID] = key{secret: accessKeySecret, token: securityToken}
	return nil
}

// nonceStore remembers the nonces of the last 31 minutes.
type nonceStore struct {
	seen  map[string]bool
	order []usedNonce
}

type usedNonce struct {
	nonce string
	at    time.Time
}

// use reports whether nonce was not used before.
func (n *nonceStore) use(nonce string, now time.Time) bool {
	for len(n.order) > 0 && now.Sub(n.order[0].at) >= nonceMemory {
		delete(n.seen, n.order[0].nonce)
		n.order = n.order[1:]
	}
	if n.seen[nonce] {
		return false
	}
	if n.seen == nil {
		n.seen = map[string]bool{}
	}
	n.seen[nonce] = true
	n.order = append(n.order, usedNonce{nonce, now})
	return true
}

// authenticate returns the error of a call that the gateway turns away, or nil.
// fresh reports whether the call's nonce was not used before.
func (s *Server) authenticate(req *request, fresh bool) *answer {
	switch {
	case req.method != http.MethodGet && req.method != http.MethodPost:
		return s.gatewayError("UnsupportedHTTPMethod")
	case req.malformed:
		return invalidParameter("Parameters")
	case req.action == "":
		return s.missing("Action")
	case req.version == "":
		return s.missing("Version")
	case req.badFormat:
		return documented("InvalidParameter.Format")
	case operations[req.action].perform == nil || req.version != req.product.version || req.path != "/" && req.path != "":
		unknown := documented("InvalidAction.NotFound")
		if req.version == apiVersion && isAction(req.action) && operations[req.action].perform == nil {
			unknown.message = "ecstest does not implement the operation " + req.action + "."
		}
		return unknown
	case req.nonce == "":
		return s.missing("SignatureNonce")
	}
	if refusal := s.checkTimestamp(req); refusal != nil {
		return refusal
	}
	check := s.checkKey
	if req.bearer {
		check = s.checkBearer
	}
	if refusal := check(req); refusal != nil {
		return refusal
	}
	if !fresh {
		return s.gatewayError("SignatureNonceUsed")
	}
	return nil
}

func (s *Server) checkTimestamp(req *request) *answer {
	if req.timestamp == "" {
		return s.missing("Timestamp")
	}
	stamp, err := time.Parse("2006-01-02T15:04:05Z", req.timestamp)
	if err != nil {
		return s.gatewayError("InvalidTimeStamp.Format")
	}
	// The stamp has whole seconds: the skew is measured in them too.
	if skew := s.now().Truncate(time.Second).Sub(stamp); skew.Abs() > maxClockSkew {
		return s.gatewayError("InvalidTimeStamp.Expired")
	}
	return nil
}

// checkBearer answers InvalidBearerToken, a code of our own: the service
// documents none.
func (s *Server) checkBearer(req *request) *answer {
	if s.options.BearerToken == "" || !sameSecret(req.bearerToken, s.options.BearerToken) {
		return documented("InvalidBearerToken")
	}
	return nil
}

func (s *Server) checkKey(req *request) *answer {
	if req.keyID == "" {
		return s.missing("AccessKeyId")
	}
	s.mu.Lock()
	k, known := s.keys[req.keyID]
	tokenExpired := s.expired[req.securityToken]
	s.mu.Unlock()
	switch {
	case !known:
		return s.gatewayError("InvalidAccessKeyId.NotFound")
	case req.hasToken && req.securityToken == "":
		return s.gatewayError("InvalidSecurityToken.Malformed")
	case tokenExpired:
		return s.gatewayError("InvalidSecurityToken.Expired")
	case k.token != "" && !req.hasToken:
		return s.missing("SecurityToken")
	case !sameSecret(req.securityToken, k.token):
		return s.gatewayError("InvalidSecurityToken.MismatchWithAccessKey")
	case k.retired:
		return s.gatewayError("InvalidAccessKeyId.Inactive")
	case req.style == signatureV3:
		return s.checkSignatureV3(req, k.secret)
	default:
		return s.checkSignatureV1(req, k.secret)
	}
}

func (s *Server) checkSignatureV1(req *request, secret string) *answer {
	for _, name := range []string{"SignatureMethod", "SignatureVersion", "Signature"} {
		if req.params.Get(name) == "" {
			return s.missing(name)
		}
	}
	if req.params.Get("SignatureMethod") != "HMAC-SHA1" {
		return s.gatewayError("InvalidSignatureMethod")
	}
	if req.params.Get("SignatureVersion") != signatureV1 {
		return &answer{status: http.StatusBadRequest, code: "InvalidParamater", message: `The specified parameter "SignatureVersion" is not valid.`}
	}
	stringToSign := stringToSignV1(req.method, req.params)
	if sameSecret(req.params.Get("Signature"), signV1(stringToSign, secret)) {
		return nil
	}
	refusal := s.gatewayError("SignatureDoesNotMatch")
	refusal.message += " server string to sign is:" + stringToSign
	return refusal
}

func (s *Server) checkSignatureV3(req *request, secret string) *answer {
	if req.authorization.algorithm != signatureV3 {
		return s.gatewayError("InvalidSignatureMethod")
	}
	if req.authorization.signature == "" {
		return s.missing("Signature")
	}
	canonical := req.canonicalRequestV3()
	stringToSign := stringToSignV3(canonical)
	bodyHashed := req.header.Get("X-Acs-Content-Sha256") == hashHex(req.body)
	if bodyHashed && sameSecret(req.authorization.signature, signV3(stringToSign, secret)) {
		return nil
	}
	refusal := s.gatewayError("SignatureDoesNotMatch")
	if !s.options.LegacyErrors {
		// The two generations of the signature differ by a word here.
		refusal.message = "Specified signature does not match our calculation."
	}
	refusal.message += " server StringToSign is [" + stringToSign + "] server CanonicalRequest is [" + canonical + "]"
	return refusal
}
