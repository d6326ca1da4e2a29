package conformance_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"maps"
	"strconv"
	"strings"
	"testing"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/alibabacloud-go/tea/tea"
	"github.com/aliyun/credentials-go/credentials"
	"github.com/stretchr/testify/require"
)

// darabonba is darabonba-openapi, the core of the vendor's current SDKs, called as
// their generated code calls it.
type darabonba struct {
	t      *testing.T
	client *openapi.Client
	place  place
	format string
}

// place is where the parameters of an operation stand.
type place int

const (
	inQuery place = iota
	inForm
)

// darabonbaClient signs with the algorithm: "v2" is signature 1.0, "" is ACS3.
func darabonbaClient(algorithm string, at place, format string) func(*testing.T, string, key) vendorClient {
	return func(t *testing.T, endpoint string, k key) vendorClient {
		config := new(credentials.Config)
		switch {
		case k.bearer != "":
			config.SetType("bearer").SetBearerToken(k.bearer)
		case k.token != "":
			config.SetType("sts").SetAccessKeyId(k.id).SetAccessKeySecret(k.secret).SetSecurityToken(k.token)
		default:
			config.SetType("access_key").SetAccessKeyId(k.id).SetAccessKeySecret(k.secret)
		}
		credential, err := credentials.NewCredential(config)
		require.NoError(t, err)
		client, err := openapi.NewClient(&openapi.Config{
			Credential: credential, Endpoint: new(strings.TrimPrefix(endpoint, "http://")),
			RegionId: new(region), Protocol: new("http"), SignatureAlgorithm: new(algorithm),
		})
		require.NoError(t, err)
		// The vendor's own error types, rather than the older ones they come in.
		client.DisableSDKError = new(true)
		return &darabonba{t: t, client: client, place: at, format: format}
	}
}

func (d *darabonba) reboot(id string, dryRun bool) reply {
	return d.call("RebootInstance", map[string]string{"InstanceId": id, "DryRun": strconv.FormatBool(dryRun), "ForceStop": "false"})
}

func (d *darabonba) instances(ids []string, tags map[string]string, nextToken string) reply {
	params := map[string]string{"RegionId": region, "MaxResults": "10"}
	if ids != nil {
		params["InstanceIds"] = jsonOf(d.t, ids)
	}
	if nextToken != "" {
		params["NextToken"] = nextToken
	}
	n := 0
	for name, value := range tags {
		n++
		params["Tag."+strconv.Itoa(n)+".Key"], params["Tag."+strconv.Itoa(n)+".Value"] = name, value
	}
	return d.call("DescribeInstances", params)
}

func (d *darabonba) statuses(ids ...string) reply {
	params := map[string]string{"RegionId": region}
	for n, id := range ids {
		params["InstanceId."+strconv.Itoa(n+1)] = id
	}
	return d.call("DescribeInstanceStatus", params)
}

func (d *darabonba) call(action string, params map[string]string) reply {
	request := new(openapi.OpenApiRequest)
	if d.place == inForm {
		form := make(map[string]any)
		for name, value := range params {
			form[name] = value
		}
		request.Body = form
	} else {
		request.Query = maps.Collect(func(yield func(string, *string) bool) {
			for name, value := range params {
				if !yield(name, new(value)) {
					return
				}
			}
		})
	}
	bodyType := "json"
	if d.format == "xml" {
		// The SDK knows no XML, but lets its callers ask for it and read it.
		bodyType = "string"
		if tea.StringValue(d.client.SignatureAlgorithm) == "v2" {
			request.Query["Format"] = new("XML")
		} else {
			request.Headers = map[string]*string{"accept": new("application/xml")}
		}
	}
	result, err := d.client.CallApi(&openapi.Params{
		Action: new(action), Version: new("2014-05-26"), Protocol: new("HTTP"), Pathname: new("/"), Method: new("POST"),
		AuthType: new("AK"), Style: new("RPC"), ReqBodyType: new("formData"), BodyType: new(bodyType),
	}, request, new(dara.RuntimeOptions))
	if err != nil {
		return d.failure(err)
	}
	var r reply
	if text, ok := result["body"].(string); ok {
		require.NoError(d.t, xml.Unmarshal([]byte(text), &r.body), text)
	} else {
		text, err := json.Marshal(result["body"])
		require.NoError(d.t, err)
		require.NoError(d.t, json.Unmarshal(text, &r.body))
	}
	r.requestID = r.RequestID
	return r
}

// failure reads the three kinds of errors that the SDK makes of answers.
func (d *darabonba) failure(err error) reply {
	if failed, ok := errors.AsType[*openapi.ThrottlingError](err); ok {
		return reply{
			err: err, requestID: tea.StringValue(failed.RequestId), code: tea.StringValue(failed.Code), message: tea.StringValue(failed.Message),
			status: tea.IntValue(failed.StatusCode), retryAfter: tea.Int64Value(failed.RetryAfter),
		}
	}
	if failed, ok := errors.AsType[*openapi.ClientError](err); ok {
		return reply{
			err: err, requestID: tea.StringValue(failed.RequestId), code: tea.StringValue(failed.Code), message: tea.StringValue(failed.Message),
			status: tea.IntValue(failed.StatusCode), denied: failed.AccessDeniedDetail,
		}
	}
	if failed, ok := errors.AsType[*openapi.ServerError](err); ok {
		return reply{
			err: err, requestID: tea.StringValue(failed.RequestId), code: tea.StringValue(failed.Code), message: tea.StringValue(failed.Message),
			status: tea.IntValue(failed.StatusCode),
		}
	}
	return reply{err: err}
}
