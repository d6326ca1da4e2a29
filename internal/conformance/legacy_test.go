package conformance_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	sdkerrors "github.com/aliyun/alibaba-cloud-sdk-go/sdk/errors"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/responses"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
	"github.com/stretchr/testify/require"
)

// legacy is alibaba-cloud-sdk-go with its typed ECS client.
type legacy struct {
	t                        *testing.T
	client                   *ecs.Client
	endpoint, format, method string
}

// legacyClient asks for answers in the format; an empty method is the SDK's own.
func legacyClient(format, method string) func(*testing.T, string, key) vendorClient {
	return func(t *testing.T, endpoint string, k key) vendorClient {
		var credential auth.Credential
		switch {
		case k.bearer != "":
			credential = credentials.NewBearerTokenCredential(k.bearer)
		case k.token != "":
			credential = credentials.NewStsTokenCredential(k.id, k.secret, k.token)
		default:
			credential = credentials.NewAccessKeyCredential(k.id, k.secret)
		}
		config := sdk.NewConfig().WithAutoRetry(false)
		config.HttpTransport = separateTransport(t)
		client, err := ecs.NewClientWithOptions(region, config, credential)
		require.NoError(t, err)
		t.Cleanup(client.Shutdown)
		return &legacy{t: t, client: client, endpoint: strings.TrimPrefix(endpoint, "http://"), format: format, method: method}
	}
}

func (l *legacy) prepare(request *requests.RpcRequest) {
	request.Domain = l.endpoint
	request.AcceptFormat = l.format
	if l.method != "" {
		request.Method = l.method
	}
}

func (l *legacy) reboot(id string, dryRun bool) reply {
	request := ecs.CreateRebootInstanceRequest()
	l.prepare(request.RpcRequest)
	request.InstanceId, request.DryRun = id, requests.NewBoolean(dryRun)
	response, err := l.client.RebootInstance(request)
	if err != nil {
		return l.failure(err)
	}
	return l.success(response, response.RequestId)
}

func (l *legacy) instances(ids []string, tags map[string]string, nextToken string) reply {
	request := ecs.CreateDescribeInstancesRequest()
	l.prepare(request.RpcRequest)
	request.MaxResults = requests.NewInteger(10)
	request.NextToken = nextToken
	if ids != nil {
		request.InstanceIds = jsonOf(l.t, ids)
	}
	if tags != nil {
		request.Tag = new([]ecs.DescribeInstancesTag)
		for name, value := range tags {
			*request.Tag = append(*request.Tag, ecs.DescribeInstancesTag{Key: name, Value: value})
		}
	}
	response, err := l.client.DescribeInstances(request)
	if err != nil {
		return l.failure(err)
	}
	r := l.success(response, response.RequestId)
	// The SDK's own types, and not only ours, read the whole of it.
	require.Len(l.t, response.Instances.Instance, len(r.Instances.Instance))
	require.Equal(l.t, r.NextToken, response.NextToken)
	for n, instance := range response.Instances.Instance {
		got := r.Instances.Instance[n]
		require.Equal(l.t, got.InstanceID, instance.InstanceId)
		require.Equal(l.t, got.Status, instance.Status)
		require.Equal(l.t, got.StartTime, instance.StartTime)
		require.True(l.t, slices.EqualFunc(got.Tags.Tag, instance.Tags.Tag, func(a struct{ TagKey, TagValue string }, b ecs.Tag) bool {
			return a.TagKey == b.TagKey && a.TagValue == b.TagValue
		}))
		require.True(l.t, slices.EqualFunc(got.OperationLocks.LockReason, instance.OperationLocks.LockReason, func(a struct{ LockReason string }, b ecs.LockReason) bool {
			return a.LockReason == b.LockReason
		}))
	}
	return r
}

func (l *legacy) statuses(ids ...string) reply {
	request := ecs.CreateDescribeInstanceStatusRequest()
	l.prepare(request.RpcRequest)
	request.InstanceId = &ids
	response, err := l.client.DescribeInstanceStatus(request)
	if err != nil {
		return l.failure(err)
	}
	r := l.success(response, response.RequestId)
	require.Len(l.t, response.InstanceStatuses.InstanceStatus, len(r.InstanceStatuses.InstanceStatus))
	for n, status := range response.InstanceStatuses.InstanceStatus {
		require.Equal(l.t, r.InstanceStatuses.InstanceStatus[n].InstanceID, status.InstanceId)
		require.Equal(l.t, r.InstanceStatuses.InstanceStatus[n].Status, status.Status)
	}
	return r
}

func (l *legacy) success(response responses.AcsResponse, requestID string) reply {
	r := reply{requestID: requestID, status: response.GetHttpStatus()}
	read := json.Unmarshal
	if l.format == "XML" {
		read = xml.Unmarshal
	}
	require.NoError(l.t, read(response.GetHttpContentBytes(), &r.body))
	return r
}

func (l *legacy) failure(err error) reply {
	failed, ok := errors.AsType[*sdkerrors.ServerError](err)
	if !ok {
		return reply{err: err}
	}
	r := reply{err: err, requestID: failed.RequestId(), code: failed.ErrorCode(), message: failed.Message(), status: failed.HttpStatus(), denied: failed.AccessDeniedDetail()}
	if l.format == "XML" {
		// The SDK reads errors in JSON only and hands on the text of others.
		var e xmlError
		if xml.Unmarshal([]byte(failed.Message()), &e) == nil {
			require.NotEmpty(l.t, e.HostID)
			r.requestID, r.code, r.message = e.RequestID, e.Code, e.Message
		}
	}
	return r
}
