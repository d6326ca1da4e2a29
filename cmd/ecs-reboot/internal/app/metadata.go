package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
)

const (
	metadataURL = "http://100.100.100.200"
	// metadataPatience limits the requests to the metadata service. On an instance, it
	// responds within milliseconds; elsewhere, there is no such service.
	metadataPatience = 200 * time.Millisecond
)

// askMetadata asks the metadata service for the id of the instance that this
// program runs on.
func askMetadata(ctx context.Context) (string, error) {
	// No proxy: a proxy on another instance would return its own ID.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return instanceID(ctx, client, metadataURL)
}

func instanceID(ctx context.Context, client *http.Client, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataPatience)
	defer cancel()
	header := http.Header{"X-Aliyun-Ecs-Metadata-Token-Ttl-Seconds": {"60"}}
	token, err := ask(ctx, client, http.MethodPut, url+"/latest/api/token", header)
	if ctx.Err() != nil {
		return "", err
	}
	header = http.Header{}
	if err == nil { // otherwise the service may accept requests without a token
		header.Set("X-aliyun-ecs-metadata-token", token)
	}
	id, err := ask(ctx, client, http.MethodGet, url+"/latest/meta-data/instance-id", header)
	if err != nil {
		return "", err
	}
	return id, cmdline.CheckID(id)
}

func ask(ctx context.Context, client *http.Client, method, url string, header http.Header) (string, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if err != nil {
		return "", err
	}
	request.Header = header
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	const most = 1024
	body, err := io.ReadAll(io.LimitReader(response.Body, most))
	switch {
	case err != nil:
		return "", err
	case response.StatusCode != http.StatusOK:
		return "", fmt.Errorf("%s responded with %s", url, response.Status)
	case len(body) == most:
		return "", errors.New("the response is not an instance ID")
	}
	return strings.TrimSpace(string(body)), nil
}

// self returns the ID of the instance that this program runs on; empty if it is unknown.
func (p *program) self(ctx context.Context, s *settings) string {
	switch {
	case s.selfID != "":
		return s.selfID
	case s.Emulate, strings.EqualFold(p.getenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED"), "true"):
		return ""
	}
	id, err := p.ownID(ctx)
	if err != nil {
		return "" // most probably, this is not an instance
	}
	return id
}
