package ecstest

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// setParam edits a parameter of a version 1.0 call after it was signed; an
// empty value takes it away.
func setParam(name, value string) func(*http.Request) {
	return func(r *http.Request) {
		query := r.URL.Query()
		query.Set(name, value)
		if value == "" {
			query.Del(name)
		}
		r.URL.RawQuery = query.Encode()
	}
}

func setHeader(name, value string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set(name, value)
		if value == "" {
			r.Header.Del(name)
		}
	}
}

func resign(c *caller, edit func(url.Values)) func(*http.Request) {
	return func(r *http.Request) {
		query := r.URL.Query()
		query.Del("Signature")
		edit(query)
		query.Set("Signature", signV1(stringToSignV1(r.Method, query), c.secret))
		r.URL.RawQuery = query.Encode()
	}
}

func TestRefusedByTheGateway(t *testing.T) {
	const v1, v3 = true, false
	for _, test := range []struct {
		name    string
		v1      bool
		edit    func(*http.Request)
		change  func(*caller)
		status  int
		code    string
		message string
		legacy  string // status, code and message of the older layer, if they differ
	}{
		{
			name: "no action", v1: v1, edit: setParam("Action", ""), status: 400, code: "MissingAction", message: "Action is mandatory for this action.",
			legacy: `400 MissingParameter The input parameter "Action" that is mandatory for processing this request is not supplied.`,
		},
		{
			name: "no version", v1: v3, edit: setHeader("x-acs-version", ""), status: 400, code: "MissingVersion", message: "Version is mandatory for this action.",
			legacy: `400 MissingParameter The input parameter "Version" that is mandatory for processing this request is not supplied.`,
		},
		{name: "unknown action", v1: v1, edit: setParam("Action", "StartInstanc"), status: 404, code: "InvalidAction.NotFound", message: "Specified api is not found, please check your url and method."},
		{name: "action not implemented", v1: v1, edit: setParam("Action", "DeleteInstance"), status: 404, code: "InvalidAction.NotFound", message: "ecstest does not implement the operation DeleteInstance."},
		{name: "unknown action V3", v1: v3, edit: setHeader("x-acs-action", "rebootInstance"), status: 404, code: "InvalidAction.NotFound", message: "Specified api is not found, please check your url and method."},
		{name: "other version", v1: v1, edit: setParam("Version", "2014-05-27"), status: 404, code: "InvalidAction.NotFound", message: "Specified api is not found, please check your url and method."},
		{name: "path", v1: v3, edit: func(r *http.Request) { r.URL.Path = "/v1" }, status: 404, code: "InvalidAction.NotFound", message: "Specified api is not found, please check your url and method."},
		{
			name: "no nonce", v1: v1, edit: setParam("SignatureNonce", ""), status: 400, code: "MissingSignatureNonce", message: "SignatureNonce is mandatory for this action.",
			legacy: `400 MissingParameter The input parameter "SignatureNonce" that is mandatory for processing this request is not supplied.`,
		},
		{
			name: "no time", v1: v3, edit: setHeader("x-acs-date", ""), status: 400, code: "MissingTimestamp", message: "Timestamp is mandatory for this action.",
			legacy: `400 MissingParameter The input parameter "TimeStamp" that is mandatory for processing this request is not supplied.`,
		},
		{
			name: "bad time", v1: v1, edit: setParam("Timestamp", "2026-01-02 03:04:05"), status: 400, code: "InvalidTimeStamp.Format", message: "Specified time stamp or date value is not well formatted.",
			legacy: `400 IllegalTimestamp The input parameter "Timestamp" that is mandatory for processing this request is not supplied.`,
		},
		{
			name: "old time", v1: v3, change: func(c *caller) { c.now = func() time.Time { return time.Now().Add(-16 * time.Minute) } }, status: 400, code: "InvalidTimeStamp.Expired", message: "Specified time stamp or date value is expired.",
			legacy: `400 IllegalTimestamp The input parameter "Timestamp" that is mandatory for processing this request is not supplied.`,
		},
		{
			name: "early time", v1: v1, change: func(c *caller) { c.now = func() time.Time { return time.Now().Add(16 * time.Minute) } }, status: 400, code: "InvalidTimeStamp.Expired", message: "Specified time stamp or date value is expired.",
			legacy: `400 IllegalTimestamp The input parameter "Timestamp" that is mandatory for processing this request is not supplied.`,
		},
		{
			name: "no key", v1: v1, edit: setParam("AccessKeyId", ""), status: 400, code: "MissingAccessKeyId", message: "AccessKeyId is mandatory for this action.",
			legacy: `400 MissingParameter The input parameter "AccessKeyId" that is mandatory for processing this request is not supplied.`,
		},
		{
			name: "no authorization", v1: v3, edit: setHeader("Authorization", ""), status: 400, code: "MissingAccessKeyId", message: "AccessKeyId is mandatory for this action.",
			legacy: `400 MissingParameter The input parameter "AccessKeyId" that is mandatory for processing this request is not supplied.`,
		},
		{
			name: "unknown key", v1: v3, change: func(c *caller) { c.keyID = "other" }, status: 404, code: "InvalidAccessKeyId.NotFound", message: "Specified access key is not found.",
			legacy: "400 InvalidAccessKeyId.NotFound The specified Access Key ID does not exist.",
		},
		{
			name: "wrong token", v1: v1, change: func(c *caller) { c.token = "other" }, status: 400, code: "InvalidSecurityToken.MismatchWithAccessKey", message: "Specified SecurityToken mismatch with the AccessKey.",
			legacy: `400 InvalidParameter The specified parameter "SecurityToken.MismatchWithAccessKey" is not valid.`,
		},
		{
			name: "empty token", v1: v1, edit: func(r *http.Request) { r.URL.RawQuery += "&SecurityToken=" }, status: 400, code: "InvalidSecurityToken.Malformed", message: "Specified SecurityToken is malformed.",
			legacy: `400 InvalidParameter The specified parameter "SecurityToken.Malformed" is not valid.`,
		},
		{
			name: "no signature", v1: v1, edit: setParam("Signature", ""), status: 400, code: "MissingSignature", message: "Signature is mandatory for this action.",
			legacy: `400 MissingParameter The input parameter "Signature" that is mandatory for processing this request is not supplied.`,
		},
		{
			name: "no signature V3", v1: v3, edit: setHeader("Authorization", "ACS3-HMAC-SHA256 Credential=testid,SignedHeaders=host"), status: 400, code: "MissingSignature", message: "Signature is mandatory for this action.",
			legacy: `400 MissingParameter The input parameter "Signature" that is mandatory for processing this request is not supplied.`,
		},
		{
			name: "method", v1: v1, edit: setParam("SignatureMethod", "HMAC-SHA256"), status: 400, code: "InvalidSignatureMethod", message: "Specified signature method is not valid.",
			legacy: `400 InvalidParamater The specified parameter "SignatureMethod" is not valid.`,
		},
		{
			name: "method V3", v1: v3, edit: setHeader("Authorization", "ACS3-HMAC-SM3 Credential=testid,SignedHeaders=host,Signature=00"), status: 400, code: "InvalidSignatureMethod", message: "Specified signature method is not valid.",
			legacy: `400 InvalidParamater The specified parameter "SignatureMethod" is not valid.`,
		},
		{name: "signature version", v1: v1, edit: setParam("SignatureVersion", "2.0"), status: 400, code: "InvalidParamater", message: `The specified parameter "SignatureVersion" is not valid.`},
		{
			name: "HTTP method", v1: v1, change: func(c *caller) { c.method = http.MethodPut }, status: 400, code: "UnsupportedHTTPMethod", message: "This http method is not supported.",
			legacy: "403 UnsupportedHTTPMethod This http method is not supported.",
		},
		{name: "query", v1: v1, edit: func(r *http.Request) { r.URL.RawQuery += "&a=%zz" }, status: 400, code: "InvalidParameter", message: `The specified parameter "Parameters" is not valid.`},
		{name: "bearer", v1: v3, change: func(c *caller) { c.bearer = "other" }, status: 400, code: "InvalidBearerToken", message: "Specified bearer token is not valid."},
		{
			name: "bearer without type", v1: v3, change: func(c *caller) { c.bearer = "good" }, edit: func(r *http.Request) { r.URL.RawQuery = "InstanceId=" + id }, status: 400, code: "MissingAccessKeyId", message: "AccessKeyId is mandatory for this action.",
			legacy: `400 MissingParameter The input parameter "AccessKeyId" that is mandatory for processing this request is not supplied.`,
		},
	} {
		for _, legacy := range []bool{false, true} {
			t.Run(test.name, func(t *testing.T) {
				s := inMemory(t, Options{LegacyErrors: legacy, BearerToken: "good"})
				c := newCaller(s)
				c.v1, c.edit = test.v1, test.edit
				if test.change != nil {
					test.change(c)
				}
				r := c.reboot(t)
				want := fmt.Sprintf("%d %s %s", test.status, test.code, test.message)
				if legacy && test.legacy != "" {
					want = test.legacy
				}
				require.Equal(t, want, fmt.Sprintf("%d %s %s", r.status, r.code(), r.field("Message")))
				require.Zero(t, s.TotalReboots())
				call := s.Calls()[0]
				require.Equal(t, r.status, call.Status)
				require.Equal(t, r.code(), call.Code)
				require.False(t, call.Acted)
			})
		}
	}
}

func TestSignatureErrorEchoesTheStringToSign(t *testing.T) {
	for _, test := range []struct {
		v1, legacy bool
		code, text string
	}{
		{true, false, "SignatureDoesNotMatch", "Specified signature is not matched with our calculation. server string to sign is:POST&%2F&AccessKeyId%3Dtestid%26Action%3DRebootInstance%26"},
		{true, true, "IncompleteSignature", "The request signature does not conform to Aliyun standards. server string to sign is:POST&%2F&AccessKeyId%3Dtestid%26"},
		{false, false, "SignatureDoesNotMatch", "Specified signature does not match our calculation. server StringToSign is [ACS3-HMAC-SHA256\n"},
		{false, true, "IncompleteSignature", "The request signature does not conform to Aliyun standards. server StringToSign is [ACS3-HMAC-SHA256\n"},
	} {
		c := newCaller(inMemory(t, Options{LegacyErrors: test.legacy}))
		c.v1, c.secret = test.v1, "wrong"
		r := c.reboot(t)
		require.Equal(t, http.StatusBadRequest, r.status)
		require.Equal(t, test.code, r.code())
		require.True(t, strings.HasPrefix(r.field("Message"), test.text), r.field("Message"))
		if !test.v1 {
			require.Contains(t, r.field("Message"), "] server CanonicalRequest is [POST\n/\nInstanceId="+id+"\nhost:")
		}
		require.NotContains(t, r.body, "testsecret")
	}
}

func TestNonce(t *testing.T) {
	for _, v1 := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := inMemory(t, Options{})
			c := newCaller(s)
			c.v1, c.nonce = v1, "same"
			require.Equal(t, http.StatusOK, c.reboot(t).status)
			time.Sleep(nonceMemory - time.Second)
			r := c.reboot(t)
			require.Equal(t, http.StatusBadRequest, r.status)
			require.Equal(t, "SignatureNonceUsed", r.code())
			require.Equal(t, "Specified signature nonce was used already.", r.field("Message"))
			time.Sleep(time.Second)
			require.Equal(t, http.StatusOK, c.reboot(t).status)
			require.Equal(t, 2, s.Reboots(id))
			require.Len(t, s.nonces.order, 1, "what is too old is forgotten")
			require.Len(t, s.nonces.seen, 1)
			s.Close()
		})
	}
}

// A call that fails uses up its nonce too.
func TestNonceIsUsedOnReceipt(t *testing.T) {
	c := newCaller(inMemory(t, Options{}))
	c.nonce, c.secret = "same", "wrong"
	require.Equal(t, "SignatureDoesNotMatch", c.reboot(t).code())
	c.secret = "testsecret"
	require.Equal(t, "SignatureNonceUsed", c.reboot(t).code())
}

func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, Options{})
		c := newCaller(s)
		for _, skew := range []time.Duration{maxClockSkew, -maxClockSkew} {
			s.SetClockOffset(skew)
			require.Equal(t, http.StatusOK, c.reboot(t).status, "15 minutes are still good")
			s.SetClockOffset(skew + skew/900) // a second more
			r := c.reboot(t)
			require.Equal(t, "InvalidTimeStamp.Expired", r.code())
			date, err := http.ParseTime(r.header.Get("Date"))
			require.NoError(t, err)
			require.True(t, date.Equal(time.Now().Add(skew+skew/900)), "Date is the server's clock")
			corrected := newCaller(s)
			corrected.now = func() time.Time { return date }
			require.Equal(t, http.StatusOK, corrected.reboot(t).status)
		}
		s.Close()
	})
}

func TestSecurityToken(t *testing.T) {
	for _, v1 := range []bool{false, true} {
		s := inMemory(t, Options{SecurityToken: "first"})
		c := newCaller(s)
		c.v1 = v1
		require.Equal(t, "MissingSecurityToken", c.reboot(t).code())
		c.token = "first"
		require.Equal(t, http.StatusOK, c.reboot(t).status)

		require.Error(t, s.RotateKey("id", "", "token"))
		require.NoError(t, s.RotateKey("second-id", "second-secret", "second"))
		require.Equal(t, "InvalidSecurityToken.Expired", c.reboot(t).code())
		c.token = "second"
		require.Equal(t, "InvalidSecurityToken.MismatchWithAccessKey", c.reboot(t).code())
		c.keyID, c.secret = "second-id", "second-secret"
		require.Equal(t, http.StatusOK, c.reboot(t).status)

		require.NoError(t, s.RotateKey("permanent", "secret", ""))
		c.keyID, c.secret, c.token = "permanent", "secret", ""
		require.Equal(t, http.StatusOK, c.reboot(t).status)
		require.NoError(t, s.RotateKey("next", "secret", ""))
		require.Equal(t, "InvalidAccessKeyId.Inactive", c.reboot(t).code())
		require.Equal(t, 3, s.Reboots(id))
	}
}

func TestSecurityTokenLegacyErrors(t *testing.T) {
	s := inMemory(t, Options{SecurityToken: "first", LegacyErrors: true})
	c := newCaller(s)
	r := c.reboot(t)
	require.Equal(t, "MissingParameter", r.code())
	require.Equal(t, missingText("SecurityToken"), r.field("Message"))
	require.NoError(t, s.RotateKey("testid", "testsecret", "second"))
	c.token = "first"
	r = c.reboot(t)
	require.Equal(t, "InvalidParameter", r.code())
	require.Equal(t, `The specified parameter "SecurityToken.Expired" is not valid.`, r.field("Message"))
}

// Names of parameters count in the signature as they are written.
func TestParameterNamesAreCaseSensitive(t *testing.T) {
	c := newCaller(inMemory(t, Options{}))
	c.v1 = true
	c.edit = resign(c, func(query url.Values) {
		query.Set("TimeStamp", query.Get("Timestamp"))
		query.Del("Timestamp")
	})
	require.Equal(t, "MissingTimestamp", c.reboot(t).code())
}
