package witness

import (
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/aliyun/credentials-go/credentials"

	"github.com/ecsreboot/ecsreboot/witness/internal/call"
)

// Options configures how a part of this package calls its service. The zero value is ready
// to use.
type Options struct {
	// Credential signs the requests. The method Credential of an [ecsreboot.Client] returns
	// the credential of that client. If Credential is nil, the default chain of
	// credentials-go is used. That chain is more lenient than the chain of a client: it skips
	// a source that is unusable.
	Credential credentials.Credential
	// Endpoint is a URL that replaces the public endpoints of all regions, for example the
	// URL of an ecstest.Server. Plain http is accepted for a loopback host only.
	Endpoint string
	// HTTPClient sends the requests. A copy of the client is used, which follows no redirects
	// and keeps no cookies. If HTTPClient is nil, a client like http.DefaultClient is used.
	HTTPClient *http.Client
	// Timeout limits one request, including the time for credentials. Default 15 s.
	Timeout time.Duration
}

func (o Options) caller() (*call.Caller, error) { return call.New(call.Config(o)) }

// jittered varies d by up to a sixth, so that many calls do not happen at the same time.
func jittered(d time.Duration) time.Duration {
	return d + rand.N(d/3) - d/6 //nolint:gosec // jitter needs no secrecy
}
