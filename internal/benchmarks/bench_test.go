package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/internal/benchmarks/call"
	"github.com/ecsreboot/ecsreboot/internal/benchmarks/clients"
)

// inMemory answers at once, so that what remains is the client's own cost.
type inMemory struct{}

func (inMemory) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header:        http.Header{"Content-Type": {"application/json;charset=utf-8"}, "Date": {"Fri, 02 Jan 2026 03:04:05 GMT"}},
		ContentLength: int64(len(answerBody)), Body: io.NopCloser(strings.NewReader(answerBody)),
	}, nil
}

// BenchmarkCall is the whole client-side cost of a call.
func BenchmarkCall(b *testing.B) {
	for _, client := range clients.All() {
		b.Run("client="+client.Name, func(b *testing.B) {
			restart, err := client.New(call.Config{Endpoint: "http://127.0.0.1:1", Transport: inMemory{}})
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				if err := restart(b.Context(), instanceID); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkTransport is the part of BenchmarkCall that is not the client's: net/http's
// own client, and what answers.
func BenchmarkTransport(b *testing.B) {
	b.Run("client=none", func(b *testing.B) {
		client := &http.Client{Transport: inMemory{}}
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://127.0.0.1:1/", http.NoBody)
		require.NoError(b, err)
		b.ReportAllocs()
		for b.Loop() {
			resp, err := client.Do(req)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				b.Fatal(err)
			}
			if err := resp.Body.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkLoopback is the same over sockets, with the transport that each client
// has by itself.
func BenchmarkLoopback(b *testing.B) {
	for _, load := range []struct {
		scheme  string
		callers int
	}{{"http", 1}, {"http", 64}, {"https", 64}} {
		for _, client := range clients.All() {
			b.Run(fmt.Sprintf("scheme=%s/callers=%d/client=%s", load.scheme, load.callers, client.Name), func(b *testing.B) {
				server, err := startService()
				require.NoError(b, err)
				restart, err := client.New(call.Config{Endpoint: server.url[load.scheme]})
				require.NoError(b, err)
				connections, serverCPU := server.usage(b)
				cpu := cpuTime()
				b.ReportAllocs()
				b.ResetTimer()
				callAll(b, load.callers, restart)
				b.StopTimer()
				cpu = cpuTime() - cpu
				connectionsAfter, serverCPUAfter := server.usage(b)
				calls := float64(b.N)
				b.ReportMetric(calls/b.Elapsed().Seconds(), "calls/s")
				b.ReportMetric(float64(cpu)/calls, "client-cpu-ns/op")
				b.ReportMetric(float64(serverCPUAfter-serverCPU)/calls, "server-cpu-ns/op")
				b.ReportMetric(1000*float64(connectionsAfter-connections)/calls, "connections/1000-calls")
			})
		}
	}
}

// callAll makes b.N calls by so many goroutines.
func callAll(b *testing.B, callers int, restart call.Restart) {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(b.N))
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for left.Add(-1) >= 0 {
				if err := restart(b.Context(), instanceID); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}
