// Package floor restarts an instance with net/http and credentials-go alone. It is
// what a careful programmer writes by hand for this one call and no other: no
// error classes, no retries, no time limit, no trace.
package floor

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/aliyun/credentials-go/credentials/providers"

	"github.com/ecsreboot/ecsreboot/internal/benchmarks/call"
)

const (
	action        = "RebootInstance"
	version       = "2014-05-26"
	signedHeaders = "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version"
	emptySHA256   = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	maxBody       = 1 << 20
)

type client struct {
	credential     credentials.Credential
	endpoint, host string
	http           *http.Client
}

// New makes the client. It has nothing to repeat calls with.
func New(c call.Config) (call.Restart, error) {
	provider, err := providers.NewStaticAKCredentialsProviderBuilder().WithAccessKeyId(call.AccessKeyID).WithAccessKeySecret(call.AccessKeySecret).Build()
	if err != nil {
		return nil, err
	}
	credential := credentials.FromCredentialsProvider("access_key", provider)
	transport := c.Transport
	if transport == nil {
		transport = &http.Transport{MaxIdleConnsPerHost: 100} // net/http keeps two, for 64 callers
	}
	_, host, _ := strings.Cut(c.Endpoint, "://")
	f := &client{credential: credential, endpoint: c.Endpoint, host: host, http: &http.Client{Transport: transport}}
	return f.restart, nil
}

func (f *client) restart(ctx context.Context, id string) error {
	req, err := f.request(ctx, "DryRun=false&ForceStop=false&InstanceId="+url.QueryEscape(id))
	if err != nil {
		return err
	}
	resp, err := f.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return err
	}
	var answer struct {
		RequestID string `json:"RequestId"`
		Code      string `json:"Code"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("floor: status %d, code %s", resp.StatusCode, answer.Code)
	}
	return nil
}

// request signs by ACS3-HMAC-SHA256.
func (f *client) request(ctx context.Context, query string) (*http.Request, error) {
	keys, err := f.credential.GetCredential()
	if err != nil {
		return nil, err
	}
	nonce, date := rand.Text(), time.Now().UTC().Format(time.RFC3339)
	canonical := make([]byte, 0, 1024)
	for _, part := range [...]string{
		"POST\n/\n", query, "\nhost:", f.host, "\nx-acs-action:" + action + "\nx-acs-content-sha256:" + emptySHA256 + "\nx-acs-date:", date,
		"\nx-acs-signature-nonce:", nonce, "\nx-acs-version:" + version + "\n\n" + signedHeaders + "\n" + emptySHA256,
	} {
		canonical = append(canonical, part...)
	}
	digest := sha256.Sum256(canonical)
	toSign := hex.AppendEncode(append(canonical[:0], "ACS3-HMAC-SHA256\n"...), digest[:])
	mac := hmac.New(sha256.New, []byte(*keys.AccessKeySecret))
	mac.Write(toSign)
	authorization := canonical[:0]
	authorization = append(authorization, "ACS3-HMAC-SHA256 Credential="...)
	authorization = append(authorization, *keys.AccessKeyId...)
	authorization = append(authorization, ",SignedHeaders="+signedHeaders+",Signature="...)
	authorization = hex.AppendEncode(authorization, mac.Sum(digest[:0]))

	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.endpoint+"/?"+query, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", string(authorization))
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "floor/1.0")
	req.Header.Set("X-Acs-Action", action)
	req.Header.Set("X-Acs-Content-Sha256", emptySHA256)
	req.Header.Set("X-Acs-Date", date)
	req.Header.Set("X-Acs-Signature-Nonce", nonce)
	req.Header.Set("X-Acs-Version", version)
	return req, nil
}
