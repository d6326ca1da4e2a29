// Package embedded runs a Temporal server in this process, on loopback, for tests
// and trials: the real one, with SQLite in memory or in a file in place of a
// database. It is not for production.
package embedded

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"strconv"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	sqliteschema "go.temporal.io/server/schema/sqlite"
	"go.temporal.io/server/temporal"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Namespace is the one that there is.
const Namespace = "default"

// The search attributes of package ecstemporal are registered.
var searchAttributes = map[string]enums.IndexedValueType{
	"EcsrebootPlanDigest": enums.INDEXED_VALUE_TYPE_KEYWORD,
	"EcsrebootGroup":      enums.INDEXED_VALUE_TYPE_KEYWORD,
}

// Options describe a server. The zero value is one on a free port that keeps its
// state in memory.
type Options struct {
	// Address is the IPv4 loopback host:port to serve on. Port 0 is a free one.
	Address string
	// File is the SQLite database that keeps the state; it is made if it is not
	// there. Empty keeps it in memory.
	File string
	// Settings replace dynamic configuration of the server, by its keys.
	Settings map[dynamicconfig.Key]any
}

// Server is a Temporal server that runs.
type Server struct {
	// Address is the host:port of its frontend.
	Address string

	internal temporal.Server
}

// retention is for how long the server knows of workflows that are over.
const retention = 7 * 24 * time.Hour

// Start starts a server, and returns when it takes requests.
func Start(options Options) (*Server, error) {
	port, err := portOf(options.Address)
	if err != nil {
		return nil, err
	}
	s := &Server{Address: net.JoinHostPort(loopback, strconv.Itoa(port))}
	store := storeOf(options.File)
	c, err := configuration(port, store)
	if err != nil {
		return nil, err
	}
	namespace, err := sqliteschema.NewNamespaceConfig(clusterName, Namespace, false, searchAttributes)
	if err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	namespace.Detail.Config.Retention = durationpb.New(retention)
	if err := sqliteschema.CreateNamespaces(store, namespace); err != nil {
		return nil, fmt.Errorf("embedded: the namespace was not made: %w", err)
	}
	settings := dynamicconfig.StaticClient{
		// Or else attributes that are registered count only after a while.
		dynamicconfig.ForceSearchAttributesCacheRefreshOnRead.Key(): true,
	}
	maps.Copy(settings, options.Settings)
	s.internal, err = temporal.NewServer(
		temporal.WithConfig(c),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(hostsOf(c)),
		temporal.WithLogger(log.NewNoopLogger()),
		temporal.WithDynamicConfigClient(settings),
	)
	if err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	if err := s.internal.Start(); err != nil {
		return nil, fmt.Errorf("embedded: the server does not start: %w", err)
	}
	return s, nil
}

// Stop ends the server. What is in a file can be served again.
func (s *Server) Stop() error { return s.internal.Stop() }

// portOf is the port to serve on, a free one if none is asked for.
func portOf(address string) (int, error) {
	if address == "" {
		return listenable("0")
	}
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return 0, fmt.Errorf("embedded: %w", err)
	}
	if host != loopback && host != "localhost" {
		return 0, fmt.Errorf("embedded: it serves on %s only, not on %s", loopback, host)
	}
	return listenable(text)
}

// storeOf is where the state is kept.
func storeOf(file string) *config.SQL {
	store := &config.SQL{PluginName: sqlite.PluginName, DatabaseName: file}
	if file == "" {
		// The name must differ from those of other servers of this process.
		store.DatabaseName = "embedded-" + strconv.FormatUint(rand.Uint64(), 36) //nolint:gosec // no secret
		store.ConnectAttributes = map[string]string{"mode": "memory", "cache": "shared"}
		return store
	}
	store.ConnectAttributes = map[string]string{"mode": "rwc", "setup": "true", "journal_mode": "wal", "synchronous": "normal"}
	return store
}
