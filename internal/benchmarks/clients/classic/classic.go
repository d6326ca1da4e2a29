// Package classic restarts an instance with the vendor's alibaba-cloud-sdk-go.
package classic

import (
	"context"
	"net/http"
	"strings"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"

	"github.com/ecsreboot/ecsreboot/internal/benchmarks/call"
)

// AutoRetry is the SDK's switch, with its default of three repetitions.
const AutoRetry = "AutoRetry"

// New makes the client.
func New(c call.Config) (call.Restart, error) {
	config := sdk.NewConfig().WithAutoRetry(c.Retry == AutoRetry)
	if c.Transport != nil {
		// In the open, an *http.Transport would get the SDK's own dialer.
		config.Transport = opaque{c.Transport}
	}
	client, err := ecs.NewClientWithOptions(call.Region, config, credentials.NewAccessKeyCredential(call.AccessKeyID, call.AccessKeySecret))
	if err != nil {
		return nil, err
	}
	scheme, host, _ := strings.Cut(c.Endpoint, "://")
	return func(_ context.Context, id string) error {
		request := ecs.CreateRebootInstanceRequest()
		request.Scheme, request.Domain = scheme, host
		request.InstanceId = id
		_, err := client.RebootInstance(request)
		return err
	}, nil
}

type opaque struct{ http.RoundTripper }
