// Package durable connects to a Temporal server, and follows and controls durable runs.
package durable

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"

	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	ecstemporal "github.com/ecsreboot/ecsreboot/temporal"
)

// FromEnvironment is the value of --temporal that takes the address from the environment.
const FromEnvironment = "env"

// Server is the Temporal server that the flags of a command name. Values that no flag gives
// come from the environment, or otherwise from the configuration file of Temporal's
// programs.
type Server struct {
	TaskQueue string

	address, namespace string
	tls                tlsFlags
	apiKeyFile         string
}

// tlsFlags are --temporal-tls and the flags that belong to it.
type tlsFlags struct {
	on, given                       bool
	cert, key, serverCA, serverName string
}

// AddFlags adds the flags.
func (s *Server) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&s.address, "temporal", "", "`address` of the Temporal server, such as 127.0.0.1:7233. "+
		"The value env means the address in TEMPORAL_ADDRESS or in Temporal's configuration file")
	flags.StringVar(&s.namespace, "temporal-namespace", "", "`namespace` on the server. Default: that in TEMPORAL_NAMESPACE or in the configuration file, and otherwise default")
	flags.Var(&s.tls, "temporal-tls", "use TLS. An API key and the flags below turn TLS on as well")
	flags.Lookup("temporal-tls").NoOptDefVal = "true"
	flags.StringVar(&s.tls.cert, "temporal-tls-cert", "", "`file` with the client's certificate")
	flags.StringVar(&s.tls.key, "temporal-tls-key", "", "`file` with the private key of that certificate")
	flags.StringVar(&s.tls.serverCA, "temporal-tls-ca", "", "`file` with the CA certificate that verifies the server")
	flags.StringVar(&s.tls.serverName, "temporal-tls-server-name", "", "`name` that the server's certificate must be valid for")
	flags.StringVar(&s.apiKeyFile, "temporal-api-key-file", "", "`file` with an API key; each call reads it again")
}

// Args returns the arguments that give another command the same server.
func (s *Server) Args() []string {
	args := []string{"--temporal", s.address}
	if s.namespace != "" {
		args = append(args, "--temporal-namespace", s.namespace)
	}
	if s.tls.given {
		args = append(args, "--temporal-tls="+s.tls.String())
	}
	for _, file := range []struct{ flag, value string }{
		{"tls-cert", s.tls.cert}, {"tls-key", s.tls.key}, {"tls-ca", s.tls.serverCA}, {"tls-server-name", s.tls.serverName}, {"api-key-file", s.apiKeyFile},
	} {
		if file.value != "" {
			args = append(args, "--temporal-"+file.flag, file.value)
		}
	}
	return args
}

// AddTaskQueue adds the flag of the task queue.
func (s *Server) AddTaskQueue(flags *pflag.FlagSet) {
	flags.StringVar(&s.TaskQueue, "task-queue", ecstemporal.DefaultTaskQueue, "task `queue` of the workers. Default: "+ecstemporal.DefaultTaskQueue)
}

// Given reports whether the command line asks for a Temporal server.
func (s *Server) Given() bool { return s.address != "" }

func (t *tlsFlags) String() string { return strconv.FormatBool(t.on) }

// Type names the kind of value, for the help page.
func (*tlsFlags) Type() string { return "bool" }

// Set parses the value of --temporal-tls.
func (t *tlsFlags) Set(text string) (err error) {
	t.given = true
	t.on, err = strconv.ParseBool(text)
	return err
}

// Check refuses flags that contradict each other.
func (s *Server) Check() error {
	details := s.tls.cert + s.tls.key + s.tls.serverCA + s.tls.serverName
	switch {
	case s.tls.given && !s.tls.on && details != "":
		return cmdline.Errorf("--temporal-tls=false contradicts the other --temporal-tls flags")
	case (s.tls.cert == "") != (s.tls.key == ""):
		return cmdline.Errorf("--temporal-tls-cert and --temporal-tls-key belong together")
	}
	return nil
}

// Dial connects to the server, and fails if no server responds. The SDK logs to logger.
func (s *Server) Dial(ctx context.Context, logger *slog.Logger) (client.Client, error) {
	options, err := s.options(envconfig.EnvLookupOS)
	if err != nil {
		return nil, err
	}
	options.Logger = log.NewStructuredLogger(logger)
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("no Temporal server responds at %s, namespace %s: %w", orDefault(options.HostPort, client.DefaultHostPort), orDefault(options.Namespace, client.DefaultNamespace), err)
	}
	return c, nil
}

func orDefault(text, standard string) string {
	if text == "" {
		return standard
	}
	return text
}

// options returns the options from the flags, and the others from the environment.
func (s *Server) options(environment envconfig.EnvLookup) (client.Options, error) {
	profile, err := envconfig.LoadClientConfigProfile(envconfig.LoadClientConfigProfileOptions{EnvLookup: environment})
	if err != nil {
		return client.Options{}, cmdline.Errorf("invalid configuration of Temporal: %v", err)
	}
	if s.address != "" && s.address != FromEnvironment {
		profile.Address = s.address
	}
	if s.namespace != "" {
		profile.Namespace = s.namespace
	}
	s.tls.apply(&profile)
	if s.apiKeyFile != "" {
		if profile.APIKey, err = readKey(s.apiKeyFile); err != nil {
			return client.Options{}, cmdline.Errorf("--temporal-api-key-file: %v", err)
		}
	}
	options, err := profile.ToClientOptions(envconfig.ToClientOptionsRequest{})
	if err != nil {
		return client.Options{}, cmdline.Errorf("invalid configuration of Temporal: %v", err)
	}
	if profile.APIKey != "" && options.ConnectionOptions.TLS == nil {
		return client.Options{}, cmdline.Errorf("an API key needs TLS, which --temporal-tls=false or TEMPORAL_TLS turns off")
	}
	if s.apiKeyFile != "" {
		// The file is read for each call, so that the key can be replaced while a worker runs.
		options.Credentials = client.NewAPIKeyDynamicCredentials(func(context.Context) (string, error) { return readKey(s.apiKeyFile) })
	}
	return options, nil
}

func (t *tlsFlags) apply(profile *envconfig.ClientConfigProfile) {
	if !t.given && t.cert+t.key+t.serverCA+t.serverName == "" {
		return
	}
	if t.given && !t.on {
		profile.TLS = &envconfig.ClientConfigTLS{Disabled: true}
		return
	}
	if profile.TLS == nil {
		profile.TLS = new(envconfig.ClientConfigTLS)
	}
	is := profile.TLS
	is.Disabled = false
	if t.cert != "" {
		is.ClientCertPath, is.ClientCertData, is.ClientKeyPath, is.ClientKeyData = t.cert, nil, t.key, nil
	}
	if t.serverCA != "" {
		is.ServerCACertPath, is.ServerCACertData = t.serverCA, nil
	}
	if t.serverName != "" {
		is.ServerName = t.serverName
	}
}

// readKey reads a file that contains an API key and nothing else.
func readKey(name string) (string, error) {
	const longest = 64 << 10
	file, err := os.Open(name) //nolint:gosec // the user names it
	if err != nil {
		return "", err
	}
	defer file.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(file, longest))
	key := strings.TrimSpace(string(text))
	switch {
	case err != nil:
		return "", err
	case key == "":
		return "", fmt.Errorf("%q is empty", name)
	case strings.ContainsAny(key, "\r\n\t "):
		return "", fmt.Errorf("%q contains more than a key", name)
	}
	return key, nil
}
