// Package ours restarts an instance with this project's client.
package ours

import (
	"context"
	"net/http"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/aliyun/credentials-go/credentials/providers"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/internal/benchmarks/call"
)

// MaxAttempts more than doubles the attempts that a call may take.
const MaxAttempts = "RetryPolicy.MaxAttempts 10"

// New makes the client.
func New(c call.Config) (call.Restart, error) {
	// As NewCredential does it for an access key, without linking the other kinds.
	provider, err := providers.NewStaticAKCredentialsProviderBuilder().WithAccessKeyId(call.AccessKeyID).WithAccessKeySecret(call.AccessKeySecret).Build()
	if err != nil {
		return nil, err
	}
	credential := credentials.FromCredentialsProvider("access_key", provider)
	options := []ecsreboot.Option{ecsreboot.WithEndpoint(c.Endpoint), ecsreboot.WithCredential(credential)}
	if c.Transport != nil {
		options = append(options, ecsreboot.WithHTTPClient(&http.Client{Transport: c.Transport}))
	}
	if c.Retry == MaxAttempts {
		options = append(options, ecsreboot.WithRetryPolicy(ecsreboot.RetryPolicy{MaxAttempts: 10}))
	}
	client, err := ecsreboot.NewClient(call.Region, options...)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, id string) error {
		_, err := client.RebootInstance(ctx, ecsreboot.RebootInstanceRequest{InstanceID: id})
		return err
	}, nil
}
