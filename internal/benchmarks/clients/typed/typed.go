// Package typed restarts an instance with the vendor's ecs-20140526, the SDK that the vendor
// generates for ECS today.
package typed

import (
	"context"
	"errors"

	"github.com/alibabacloud-go/ecs-20140526/v7/client"
	"github.com/alibabacloud-go/tea/dara"

	"github.com/ecsreboot/ecsreboot/internal/benchmarks/call"
	"github.com/ecsreboot/ecsreboot/internal/benchmarks/clients/openapi"
)

// New makes the client. Its switches for retries are those of openapi, on which it is built.
func New(c call.Config) (call.Restart, error) {
	service, err := NewService(c)
	if err != nil {
		return nil, err
	}
	return service.Restart, nil
}

// Service is the client with the two calls that a program needs to restart an instance and to
// wait for it.
type Service struct {
	client  *client.Client
	runtime *dara.RuntimeOptions
}

// NewService makes the client.
func NewService(c call.Config) (*Service, error) {
	made, err := client.NewClient(openapi.Config(c))
	if err != nil {
		return nil, err
	}
	return &Service{client: made, runtime: openapi.Runtime(c)}, nil
}

// Restart restarts an instance.
func (s *Service) Restart(ctx context.Context, id string) error {
	_, err := s.client.RebootInstanceWithContext(ctx, &client.RebootInstanceRequest{InstanceId: &id}, s.runtime)
	return err
}

// Status returns the status of an instance.
func (s *Service) Status(ctx context.Context, id string) (string, error) {
	request := &client.DescribeInstanceStatusRequest{RegionId: new(call.Region), InstanceId: []*string{&id}}
	response, err := s.client.DescribeInstanceStatusWithContext(ctx, request, s.runtime)
	if err != nil {
		return "", err
	}
	for _, instance := range response.Body.InstanceStatuses.InstanceStatus {
		if dara.StringValue(instance.InstanceId) == id {
			return dara.StringValue(instance.Status), nil
		}
	}
	return "", errors.New("no such instance: " + id)
}
