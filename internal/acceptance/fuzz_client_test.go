package acceptance_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

// The credentials of the fuzz targets. All of them have what URLs, JSON and base64
// write in other ways.
const (
	fuzzKeyID  = "LTAI5tFuzzedKq7Zw3Xv9RhB"
	fuzzSecret = "sEcReT/fuzzed+0=aB3dE6gH9"
	fuzzToken  = "CAIStOkEn/fuzzed+1=kL2mN5oP8qR1sT4"
)

// fuzzClient makes one attempt for each call, waits for nothing, and reaches no
// network.
func fuzzClient(tb testing.TB, way http.RoundTripper, options ...ecsreboot.Option) *ecsreboot.Client {
	tb.Helper()
	credential, err := credentials.NewCredential(new(credentials.Config).SetType("sts").
		SetAccessKeyId(fuzzKeyID).SetAccessKeySecret(fuzzSecret).SetSecurityToken(fuzzToken))
	require.NoError(tb, err)
	client, err := ecsreboot.NewClient("cn-hangzhou", append([]ecsreboot.Option{
		ecsreboot.WithCredential(credential),
		ecsreboot.WithHTTPClient(&http.Client{Transport: way}),
		ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{MaxAttempts: -1, BaseDelay: -1, MaxThrottleWait: -1}),
	}, options...)...)
	require.NoError(tb, err)
	return client
}

// answered is a way on which every request meets the same answer. The body breaks
// off after so many bytes, unless that is negative.
func answered(status int, header http.Header, body string, broken int) http.RoundTripper {
	return roundTripFunc(func(req *http.Request) (*http.Response, error) {
		resp := &http.Response{
			StatusCode: status, Header: header.Clone(), Request: req,
			ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
		}
		if broken >= 0 {
			resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(body[:min(broken, len(body))]), iotest.ErrReader(io.ErrUnexpectedEOF)))
		}
		return resp, nil
	})
}

// served is a way to a server without a network between. It may change the request.
func served(server *ecstest.Server, change func(*http.Request)) http.RoundTripper {
	return roundTripFunc(func(req *http.Request) (*http.Response, error) {
		req = req.Clone(req.Context())
		req.Body = http.NoBody
		if change != nil {
			change(req)
		}
		w := httptest.NewRecorder()
		server.ServeHTTP(w, req)
		return w.Result(), nil
	})
}
