// Package metrics serves the metrics of a run or of a worker to Prometheus. Module otel
// records them; their names are its names in the form of Prometheus, such as
// fleet_unavailable.
package metrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	ecsotel "github.com/ecsreboot/ecsreboot/otel"
)

// Server serves the metrics of one process on /metrics.
type Server struct {
	telemetry *ecsotel.Telemetry
	provider  *sdkmetric.MeterProvider
	address   string
	server    *http.Server
	served    chan struct{}
}

// closePatience is how long Close waits for a scrape in progress.
const closePatience = 2 * time.Second

// Listen begins to serve on a TCP address such as :9464. An address that cannot be listened
// on is a usage error.
func Listen(address string) (*Server, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, cmdline.Errorf("--metrics %s: %v", address, err)
	}
	s, err := newServer(listener.Addr().String())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("metrics: %w", err), listener.Close())
	}
	go func() {
		defer close(s.served)
		_ = s.server.Serve(listener) // until Close
	}()
	return s, nil
}

func newServer(address string) (*Server, error) {
	registry := prometheus.NewRegistry()
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry), otelprometheus.WithoutScopeInfo(), otelprometheus.WithoutTargetInfo())
	if err != nil {
		return nil, err
	}
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter))
	telemetry, err := ecsotel.New(ecsotel.Options{TracerProvider: noop.NewTracerProvider(), MeterProvider: provider})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return &Server{
		telemetry: telemetry, provider: provider, address: address, served: make(chan struct{}),
		server: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second},
	}, nil
}

// URL returns the URL of the metrics.
func (s *Server) URL() string { return "http://" + s.address + "/metrics" }

// ClientOption records the metrics of the calls of a client.
func (s *Server) ClientOption() ecsreboot.Option { return s.telemetry.ClientOption() }

// Observe records the pace of clients. Call it once for each client.
func (s *Server) Observe(clients ...*ecsreboot.Client) error {
	for _, client := range clients {
		if _, err := s.telemetry.ObservePace(client); err != nil {
			return fmt.Errorf("metrics: %w", err)
		}
	}
	return nil
}

// FleetEvents returns a context and a hook that record the metrics of one run; see
// [ecsotel.Telemetry.FleetEvents].
func (s *Server) FleetEvents(ctx context.Context, next func(fleet.Event)) (context.Context, func(fleet.Event)) {
	return s.telemetry.FleetEvents(ctx, next)
}

// Close ends the service. A scrape in progress may end before, for 2 s at most.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	err := errors.Join(s.server.Shutdown(ctx), s.server.Close())
	<-s.served
	return errors.Join(err, s.provider.Shutdown(ctx))
}
