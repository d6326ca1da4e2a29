package ecsreboot

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/internal/credential"
	"github.com/ecsreboot/ecsreboot/internal/document"
	"github.com/ecsreboot/ecsreboot/internal/once"
	"github.com/ecsreboot/ecsreboot/internal/redact"
)

// The floor is what a careful programmer writes by hand for this one call and no
// other: no errors told apart, no retries, no time limit, no trace.
type floor struct {
	credential credentials.Credential
	endpoint   string
	host       string
	http       *http.Client
}

func (f *floor) reboot(ctx context.Context, id string) (string, error) {
	keys, err := f.credential.GetCredential()
	if err != nil {
		return "", err
	}
	nonce := uuid.NewString()
	date := time.Now().UTC().Format(time.RFC3339)
	query := "DryRun=false&ForceStop=false&InstanceId=" + encode(id)

	const signedHeaders = "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version"
	canonical := make([]byte, 0, 1024)
	canonical = append(canonical, "POST\n/\n"...)
	canonical = append(canonical, query...)
	canonical = append(canonical, "\nhost:"...)
	canonical = append(canonical, f.host...)
	canonical = append(canonical, "\nx-acs-action:RebootInstance\nx-acs-content-sha256:"+emptyPayloadHash+"\nx-acs-date:"...)
	canonical = append(canonical, date...)
	canonical = append(canonical, "\nx-acs-signature-nonce:"...)
	canonical = append(canonical, nonce...)
	canonical = append(canonical, "\nx-acs-version:"+apiVersion+"\n\n"+signedHeaders+"\n"+emptyPayloadHash...)
	digest := sha256.Sum256(canonical)
	toSign := canonical[:0]
	toSign = append(toSign, "ACS3-HMAC-SHA256\n"...)
	toSign = hex.AppendEncode(toSign, digest[:])
	mac := hmac.New(sha256.New, []byte(*keys.AccessKeySecret))
	mac.Write(toSign)
	authorization := canonical[:0]
	authorization = append(authorization, "ACS3-HMAC-SHA256 Credential="...)
	authorization = append(authorization, *keys.AccessKeyId...)
	authorization = append(authorization, ",SignedHeaders="+signedHeaders+",Signature="...)
	authorization = hex.AppendEncode(authorization, mac.Sum(digest[:0]))

	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.endpoint+"/?"+query, http.NoBody)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", string(authorization))
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "floor/1.0")
	req.Header.Set("X-Acs-Action", "RebootInstance")
	req.Header.Set("X-Acs-Content-Sha256", emptyPayloadHash)
	req.Header.Set("X-Acs-Date", date)
	req.Header.Set("X-Acs-Signature-Nonce", nonce)
	req.Header.Set("X-Acs-Version", apiVersion)
	resp, err := f.http.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, once.MaxBody))
	if err != nil {
		return "", err
	}
	var answer struct {
		RequestID string `json:"RequestId"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", err
	}
	return answer.RequestID, nil
}

const (
	benchID   = "i-bp67acfmxazb4ph0001"
	benchBody = `{"RequestId":"473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E"}`
)

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// inMemory answers at once, so that what remains is the client's own cost.
func inMemory(status int, body string) http.RoundTripper {
	return roundTripFunc(func(req *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
			Header:        http.Header{"Content-Type": {"application/json;charset=utf-8"}, "Date": {"Fri, 02 Jan 2026 03:04:05 GMT"}},
			ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
		}, nil
	})
}

func benchClients(tb testing.TB, endpoint string, transport func() http.RoundTripper, options ...Option) (*Client, *floor) {
	tb.Helper()
	credential, err := credentials.NewCredential(new(credentials.Config).
		SetType("access_key").SetAccessKeyId("testid").SetAccessKeySecret("testsecret"))
	require.NoError(tb, err)
	options = append([]Option{
		WithEndpoint(endpoint), WithCredential(credential),
		WithHTTPClient(&http.Client{Transport: transport()}),
	}, options...)
	client, err := NewClient("cn-hangzhou", options...)
	require.NoError(tb, err)
	_, host, _ := strings.Cut(endpoint, "://")
	return client, &floor{credential: credential, endpoint: endpoint, host: host, http: &http.Client{Transport: transport()}}
}

// BenchmarkRebootInstance compares the whole client-side cost of a call with the
// floor's: compare client=floor with client=ours of one run.
func BenchmarkRebootInstance(b *testing.B) {
	client, base := benchClients(b, "https://ecs.cn-beijing.aliyuncs.com", func() http.RoundTripper { return inMemory(http.StatusOK, benchBody) })
	b.Run("client=floor", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := base.reboot(b.Context(), benchID); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("client=ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := client.RebootInstance(b.Context(), RebootInstanceRequest{InstanceID: benchID}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// loopbackServer answers every request at once and counts its connections.
func loopbackServer(tb testing.TB) (endpoint string, connections *atomic.Int64) {
	tb.Helper()
	connections = new(atomic.Int64)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json;charset=utf-8")
		_, _ = io.WriteString(w, benchBody)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	tb.Cleanup(server.Close)
	return server.URL, connections
}

// BenchmarkLoopback is the same over sockets, one call at a time and 64 at once.
// The floor has a transport tuned as ours is.
func BenchmarkLoopback(b *testing.B) {
	for _, concurrency := range []int{1, 64} {
		endpoint, _ := loopbackServer(b)
		client, base := benchClients(b, endpoint, func() http.RoundTripper { return &http.Transport{MaxIdleConnsPerHost: 100} })
		run := func(name string, call func(context.Context) error) {
			b.Run(fmt.Sprintf("concurrency=%d/client=%s", concurrency, name), func(b *testing.B) {
				b.ReportAllocs()
				var left atomic.Int64
				left.Store(int64(b.N))
				var group sync.WaitGroup
				for range concurrency {
					group.Go(func() {
						for left.Add(-1) >= 0 {
							if err := call(b.Context()); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				group.Wait()
			})
		}
		run("floor", func(ctx context.Context) error {
			_, err := base.reboot(ctx, benchID)
			return err
		})
		run("ours", func(ctx context.Context) error {
			_, err := client.RebootInstance(ctx, RebootInstanceRequest{InstanceID: benchID})
			return err
		})
	}
}

// BenchmarkConnections reports how many connections 2,000 calls at concurrency 64
// open.
func BenchmarkConnections(b *testing.B) {
	var opened int64
	for range b.N {
		endpoint, connections := loopbackServer(b)
		client, _ := benchClients(b, endpoint, func() http.RoundTripper { return nil })
		callMany(b, client, 64, 2000)
		client.CloseIdleConnections()
		opened += connections.Load()
	}
	b.ReportMetric(float64(opened)/float64(b.N), "connections/op")
}

func callMany(tb testing.TB, client *Client, concurrency, calls int) {
	tb.Helper()
	var left atomic.Int64
	left.Store(int64(calls))
	var group sync.WaitGroup
	for range concurrency {
		group.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := client.RebootInstance(tb.Context(), RebootInstanceRequest{InstanceID: benchID}); err != nil {
					tb.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}

func BenchmarkSign(b *testing.B) {
	keys := credential.AccessKey("testid", "testsecret", "")
	m := vectorMessage()
	b.Run("version=V3", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			signV3(m, keys)
		}
	})
	b.Run("version=V1", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			signV1(m, keys)
		}
	})
}

func BenchmarkCredentials(b *testing.B) {
	client, base := benchClients(b, "https://ecs.cn-beijing.aliyuncs.com", func() http.RoundTripper { return nil })
	b.Run("source=credentials-go", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := base.credential.GetCredential(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("source=static", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := client.fetchCredentials(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkErrorAnswer(b *testing.B) {
	body := `{"RequestId":"473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E","Message":"The current status of the resource does not support this operation.","Recommend":"https://api.aliyun.com/troubleshoot?q=IncorrectInstanceStatus&product=Ecs&requestId=473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E","HostId":"ecs.cn-beijing.aliyuncs.com","Code":"IncorrectInstanceStatus"}`
	transport := inMemory(http.StatusForbidden, body)
	op := operation{action: "RebootInstance"}
	r := redact.New("testid", "testsecret", strings.Repeat("5a", 32))
	b.ReportAllocs()
	for b.Loop() {
		resp, err := transport.RoundTrip(nil)
		if err != nil {
			b.Fatal(err)
		}
		if res := readAnswer(op, once.Read(resp), r); res.progress.code != ErrIncorrectInstanceStatus {
			b.Fatal(res.progress)
		}
	}
}

// BenchmarkPage reads a page of 100 instances, each with the 60 or so keys that the
// service sends. part=decode is what encoding/json takes for it, part=unique is what
// it costs to find keys that occur twice.
func BenchmarkPage(b *testing.B) {
	var instance strings.Builder
	instance.WriteString(`{"InstanceId":"i-bp67acfmxazb4ph0001","Status":"Running","StartTime":"2017-12-10T04:04Z","ExpiredTime":"2099-12-31T15:59Z",` +
		`"OperationLocks":{"LockReason":[]},"Tags":{"Tag":[{"TagKey":"role","TagValue":"web"}]},"InstanceName":"web","ZoneId":"cn-hangzhou-g"`)
	for i := range 50 {
		fmt.Fprintf(&instance, `,"SomeOtherKey%d":"some text of usual length"`, i)
	}
	instance.WriteString("}")
	instances := strings.Repeat(instance.String()+",", 99) + instance.String()
	body := []byte(`{"RequestId":"473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E","NextToken":"","Instances":{"Instance":[` + instances + `]}}`)
	b.Run("part=decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var page wirePage[wireReading]
			if json.Unmarshal(body, &page) != nil {
				b.Fatal("unreadable")
			}
		}
	})
	b.Run("part=unique", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if !document.UniqueNames(body, "Instances", "Instance") {
				b.Fatal("a key occurs twice")
			}
		}
	})
	b.Run("part=all", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var page wirePage[wireReading]
			op := operation{action: "DescribeInstances", into: &page}
			if res := readAnswer(op, once.Read(response(http.StatusOK, string(body))), redact.New("")); res.err != nil {
				b.Fatal(res.err)
			}
		}
	})
}
