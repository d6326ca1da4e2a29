// Package openapi restarts an instance with CallApiWithCtx of the vendor's
// darabonba-openapi, on which the SDKs that it generates today are built.
package openapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/alibabacloud-go/darabonba-openapi/v2/client"
	"github.com/alibabacloud-go/darabonba-openapi/v2/models"
	"github.com/alibabacloud-go/tea/dara"

	"github.com/ecsreboot/ecsreboot/internal/benchmarks/call"
)

const (
	// Autoretry is the switch that the vendor documents, with three attempts.
	Autoretry = "RuntimeOptions.Autoretry"
	// RetryOptions is the switch that its code has, with three attempts for the codes
	// of failures that may pass.
	RetryOptions = "Config.RetryOptions"
)

// New makes the client.
func New(c call.Config) (call.Restart, error) {
	config := Config(c)
	service, err := client.NewClient(config)
	if err != nil {
		return nil, err
	}
	runtime := Runtime(c)
	params := &models.Params{
		Action: new("RebootInstance"), Version: new("2014-05-26"), Protocol: config.Protocol, Pathname: new("/"),
		Method: new("POST"), AuthType: new("AK"), Style: new("RPC"), ReqBodyType: new("formData"), BodyType: new("json"),
	}
	return func(ctx context.Context, id string) error {
		request := &models.OpenApiRequest{Query: map[string]*string{"InstanceId": &id}}
		_, err := service.CallApiWithCtx(ctx, params, request, runtime)
		return err
	}, nil
}

// Config configures a client of the vendor. All of its generated clients take it.
func Config(c call.Config) *models.Config {
	scheme, host, _ := strings.Cut(c.Endpoint, "://")
	config := &models.Config{
		AccessKeyId: new(call.AccessKeyID), AccessKeySecret: new(call.AccessKeySecret),
		RegionId: new(call.Region), Endpoint: &host, Protocol: &scheme,
	}
	if c.Transport != nil {
		config.HttpClient = &httpClient{http.Client{Transport: c.Transport}}
	}
	if c.Retry == RetryOptions {
		config.RetryOptions = &dara.RetryOptions{Retryable: true, RetryCondition: []*dara.RetryCondition{{
			MaxAttempts: 3,
			MaxDelay:    dara.MAX_DELAY_TIME,
			ErrorCode:   []string{"ServiceUnavailable", "InternalError", "Throttling", "Throttling.User"},
		}}}
	}
	return config
}

// Runtime returns the options of each call of a client.
func Runtime(c call.Config) *dara.RuntimeOptions {
	runtime := new(dara.RuntimeOptions)
	if c.Retry == Autoretry {
		runtime.Autoretry, runtime.MaxAttempts = new(true), new(3)
	}
	return runtime
}

// httpClient does what the SDK's HTTP client does, with another transport.
type httpClient struct{ http.Client }

func (c *httpClient) Call(req *http.Request, _ *http.Transport) (*http.Response, error) {
	return c.Do(req) //nolint:gosec // to where the SDK wants it
}
