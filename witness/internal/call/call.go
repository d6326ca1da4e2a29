// Package call calls the vendor's APIs through the vendor's generic client. It makes one
// attempt for each call, respects the context, and returns errors without secrets.
package call

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/aliyun/credentials-go/credentials"

	"github.com/ecsreboot/ecsreboot"
)

// Config has the fields of witness.Options, so that one converts to the other.
type Config struct {
	Credential credentials.Credential
	Endpoint   string
	HTTPClient *http.Client
	Timeout    time.Duration
}

const (
	defaultTimeout = 15 * time.Second
	maxBody        = 8 << 20
	maxRegion      = 63 // a label of a host name
)

// Service is a service of the cloud.
type Service struct {
	Version string
	Host    func(region string) string
	// Form is set if the parameters are in the body.
	Form bool
}

// The services.
var (
	ActionTrail  = Service{Version: "2020-07-06", Host: inRegion("actiontrail")}
	CloudMonitor = Service{Version: "2019-01-01", Host: inRegion("metrics")}
	ECS          = Service{Version: "2014-05-26", Host: hostOfECS}
	Quotas       = Service{Version: "2020-05-10", Host: func(string) string { return "quotas.aliyuncs.com" }, Form: true}
)

func inRegion(name string) func(string) string {
	return func(region string) string { return name + "." + region + ".aliyuncs.com" }
}

// hostOfECS returns the host that the vendor's SDKs use.
func hostOfECS(region string) string {
	switch region {
	case "cn-hangzhou", "cn-shanghai-finance-1", "cn-shenzhen-finance-1":
		return "ecs-cn-hangzhou.aliyuncs.com"
	case "cn-beijing-gov-1", "cn-hangzhou-finance", "cn-north-2-gov-1":
		return "ecs.aliyuncs.com"
	}
	return "ecs." + region + ".aliyuncs.com"
}

// Operation is an operation of a service.
type Operation struct {
	Service Service
	Action  string
	RAM     string // the permission that it needs
}

// Caller makes calls. It is safe for concurrent use.
type Caller struct {
	credential   credentials.Credential
	scheme, host string // if empty, those of the service
	client       http.Client
	timeout      time.Duration
	away         atomic.Int64 // the service's clock less ours, in nanoseconds; 0 if ours is good enough
}

// New checks the configuration. Its errors are [ecsreboot.InputError].
func New(c Config) (*Caller, error) {
	caller := &Caller{credential: c.Credential, timeout: c.Timeout, client: http.Client{Transport: newTransport()}}
	switch value := reflect.ValueOf(c.Credential); {
	case c.Credential == nil:
		chain, err := credentials.NewCredential(nil)
		if err != nil {
			return nil, fmt.Errorf("%w: %s", ecsreboot.ErrCredentials, clean(err.Error(), nil))
		}
		caller.credential = chain
	case value.Kind() == reflect.Pointer && value.IsNil():
		return nil, &ecsreboot.InputError{Field: "Credential", Problem: "is a nil pointer"}
	}
	switch {
	case c.Timeout < 0:
		return nil, &ecsreboot.InputError{Field: "Timeout", Problem: fmt.Sprintf("is %v; it cannot be negative", c.Timeout)}
	case c.Timeout == 0:
		caller.timeout = defaultTimeout
	}
	if c.Endpoint != "" {
		var problem string
		if caller.scheme, caller.host, problem = parseEndpoint(c.Endpoint); problem != "" {
			return nil, &ecsreboot.InputError{Field: "Endpoint", Problem: problem}
		}
	}
	if c.HTTPClient != nil {
		caller.client = *c.HTTPClient
	}
	caller.client.Jar = nil
	caller.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return caller, nil
}

func newTransport() http.RoundTripper {
	if transport, ok := http.DefaultTransport.(*http.Transport); ok {
		return transport.Clone()
	}
	return http.DefaultTransport
}

// parseEndpoint returns the scheme and host of an endpoint, or the problem with it. The
// problem does not quote the text, which may contain a password.
func parseEndpoint(text string) (scheme, host, problem string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return "", "", `must be a URL with scheme and host, such as "https://actiontrail.cn-beijing.aliyuncs.com"`
	case u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", "", "must have only a scheme, a host and a port"
	case u.Scheme == "http" && u.Hostname() != "127.0.0.1" && u.Hostname() != "::1" && u.Hostname() != "localhost":
		return "", "", "must be https: plain http is accepted for a loopback host only"
	}
	return u.Scheme, u.Host, ""
}

// CheckRegion returns an [ecsreboot.InputError] for a text that is not a region ID.
func CheckRegion(region string) error {
	if region == "" || len(region) > maxRegion || strings.Trim(region, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" ||
		strings.Contains("-"+region+"-", "--") || !strings.Contains(region, "-") {
		return &ecsreboot.InputError{Field: "Region", Problem: fmt.Sprintf(`%q is not an ID such as "cn-hangzhou"`, Line(region))}
	}
	return nil
}

// CheckID returns an [ecsreboot.InputError] for a text that is not an instance ID.
func CheckID(id string) error {
	if id == "" || len(id) > 128 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
		return &ecsreboot.InputError{Field: "InstanceID", Problem: fmt.Sprintf("%q is not an ID", Line(id))}
	}
	return nil
}

// reply is what the vendor's client made of a response.
type reply struct {
	body string
	err  error
	hook *hook
	keys *keeper
}

// Do sends one request, decodes the JSON of the response into answer, and returns the
// Date of the response, which is zero if there is none. Do returns when ctx ends, even if
// the credential provider or the HTTP client does not.
//
// If the service refuses the time of the request, Do takes the time from the response and
// sends the request once more.
func (c *Caller) Do(ctx context.Context, op Operation, region string, parameters map[string]string, answer any) (date time.Time, err error) {
	for range 2 {
		date, err = c.once(ctx, op, region, parameters, answer)
		wrong := errors.Is(err, ecsreboot.ErrInvalidTimeStampExpired) || errors.Is(err, ecsreboot.ErrIllegalTimestamp)
		if !wrong || date.IsZero() {
			break
		}
		c.away.Store(int64(time.Until(date)))
	}
	return date, err
}

func (c *Caller) once(ctx context.Context, op Operation, region string, parameters map[string]string, answer any) (time.Time, error) {
	if err := CheckRegion(region); err != nil {
		return time.Time{}, err
	}
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	replies := make(chan reply, 1)
	go func() {
		r := reply{hook: &hook{client: &c.client}, keys: &keeper{Credential: c.credential}}
		defer func() {
			if recover() != nil { // the value may be a secret
				r.err = errors.New("the client panicked")
			}
			replies <- r
		}()
		r.body, r.err = c.send(limited, op, region, parameters, r.hook, r.keys)
	}()
	var r reply
	select {
	case r = <-replies:
	case <-limited.Done():
	}
	switch {
	case ctx.Err() != nil:
		return time.Time{}, &Error{Action: op.Action, Err: ctx.Err()}
	case limited.Err() != nil:
		return time.Time{}, &Error{Action: op.Action, Err: fmt.Errorf("no response within %v", c.timeout)}
	case r.err != nil:
		return r.hook.date, failure(op, r)
	case r.hook.status != http.StatusOK:
		return time.Time{}, &Error{Action: op.Action, Err: fmt.Errorf("the response has the status code %d", r.hook.status)}
	}
	if err := json.Unmarshal([]byte(r.body), answer); err != nil {
		return time.Time{}, &Error{Action: op.Action, Err: fmt.Errorf("the response cannot be read: %s", clean(err.Error(), r.keys.secrets))}
	}
	return r.hook.date, nil
}

// send makes the request as the vendor's generated code does.
func (c *Caller) send(ctx context.Context, op Operation, region string, parameters map[string]string, h *hook, keys *keeper) (string, error) {
	scheme, host := c.scheme, c.host
	if host == "" {
		scheme, host = "https", op.Service.Host(region)
	}
	client, err := openapi.NewClient(&openapi.Config{
		Credential: keys, Endpoint: &host, RegionId: &region, Protocol: &scheme, HttpClient: h,
		UserAgent: new("ecsreboot-witness/" + ecsreboot.Version), RetryOptions: new(dara.RetryOptions),
	})
	if err != nil {
		return "", err
	}
	client.DisableSDKError = new(true)
	request := new(openapi.OpenApiRequest)
	if op.Service.Form {
		form := make(map[string]any, len(parameters))
		for name, value := range parameters {
			form[name] = value
		}
		request.Body = form
	} else {
		request.Query = make(map[string]*string, len(parameters))
		for name, value := range parameters {
			request.Query[name] = &value
		}
	}
	if away := time.Duration(c.away.Load()); away != 0 {
		request.Headers = map[string]*string{"x-acs-date": new(time.Now().Add(away).UTC().Format("2006-01-02T15:04:05Z"))}
	}
	result, err := client.CallApiWithCtx(ctx, &openapi.Params{
		Action: &op.Action, Version: &op.Service.Version, Protocol: &scheme, Pathname: new("/"), Method: new(http.MethodPost),
		AuthType: new("AK"), Style: new("RPC"), ReqBodyType: new("formData"), BodyType: new("string"),
	}, request, new(dara.RuntimeOptions))
	if err != nil {
		return "", err
	}
	body, ok := result["body"].(string)
	if !ok {
		return "", errors.New("the response has no body")
	}
	return body, nil
}

// hook sends the request of one call for the vendor's client.
type hook struct {
	client *http.Client
	status int
	date   time.Time
}

// Call ignores the transport, because the vendor's client makes a new one for each call.
func (h *hook) Call(request *http.Request, _ *http.Transport) (*http.Response, error) {
	response, err := h.client.Do(request) //nolint:gosec // the host is that of a region, or the caller's Endpoint
	if err != nil {
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err // without the URL, which may be signed
		}
		return nil, err
	}
	h.status = response.StatusCode
	h.date, _ = http.ParseTime(response.Header.Get("Date")) // zero if there is none
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(response.Body, maxBody), response.Body}
	return response, nil
}

// keeper remembers the secrets of one call.
type keeper struct {
	credentials.Credential

	secrets []string
}

// GetCredential returns the credential of the caller's provider.
func (k *keeper) GetCredential() (*credentials.CredentialModel, error) {
	model, err := k.Credential.GetCredential()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ecsreboot.ErrCredentials, err)
	}
	if model == nil {
		return nil, fmt.Errorf("%w: the provider returned none", ecsreboot.ErrCredentials)
	}
	for _, secret := range []*string{model.AccessKeySecret, model.SecurityToken, model.BearerToken} {
		if secret != nil && *secret != "" {
			k.secrets = append(k.secrets, *secret)
		}
	}
	return model, nil
}
