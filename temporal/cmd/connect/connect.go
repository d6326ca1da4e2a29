// Package connect is what the programs of this module have in common: how they find
// the Temporal server and prove who they are.
package connect

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"

	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	ecstemporal "github.com/ecsreboot/ecsreboot/temporal"
)

// Flags say which server to speak to, by the flags that [Help] describes. What no
// flag says, the environment does, and then the configuration file of Temporal's
// own programs.
type Flags struct {
	TaskQueue string

	address, namespace string
	tls                tlsFlag
	apiKeyFile         string
}

// tlsFlag is -tls and what belongs to it.
type tlsFlag struct {
	on, given                       bool
	cert, key, serverCA, serverName string
}

func (t *tlsFlag) String() string { return strconv.FormatBool(t.on) }

// IsBoolFlag lets -tls stand for -tls=true.
func (*tlsFlag) IsBoolFlag() bool { return true }

func (t *tlsFlag) Set(text string) (err error) {
	t.given = true
	t.on, err = strconv.ParseBool(text)
	return err
}

// Add adds the flags.
func (f *Flags) Add(flags *flag.FlagSet) {
	flags.StringVar(&f.address, "address", "", "")
	flags.StringVar(&f.namespace, "namespace", "", "")
	flags.StringVar(&f.TaskQueue, "task-queue", ecstemporal.DefaultTaskQueue, "")
	flags.Var(&f.tls, "tls", "")
	flags.StringVar(&f.tls.cert, "tls-cert", "", "")
	flags.StringVar(&f.tls.key, "tls-key", "", "")
	flags.StringVar(&f.tls.serverCA, "tls-ca", "", "")
	flags.StringVar(&f.tls.serverName, "tls-server-name", "", "")
	flags.StringVar(&f.apiKeyFile, "api-key-file", "", "")
}

// Check refuses what contradicts itself.
func (f *Flags) Check() error {
	details := f.tls.cert + f.tls.key + f.tls.serverCA + f.tls.serverName
	switch {
	case f.TaskQueue == "":
		return cmdline.Errorf("-task-queue is empty")
	case f.tls.given && !f.tls.on && details != "":
		return cmdline.Errorf("-tls=false contradicts the other -tls flags")
	case (f.tls.cert == "") != (f.tls.key == ""):
		return cmdline.Errorf("-tls-cert and -tls-key belong together")
	}
	return nil
}

// Dial connects, and fails if the server is not there. Its log goes to logger.
func (f *Flags) Dial(ctx context.Context, logger *slog.Logger) (client.Client, error) {
	options, err := f.options(envconfig.EnvLookupOS)
	if err != nil {
		return nil, err
	}
	options.Logger = log.NewStructuredLogger(logger)
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("no Temporal server answers at %s, namespace %s: %w", orDefault(options.HostPort, client.DefaultHostPort), orDefault(options.Namespace, client.DefaultNamespace), err)
	}
	return c, nil
}

func orDefault(text, standard string) string {
	if text == "" {
		return standard
	}
	return text
}

// options are those of the flags over those of the environment.
func (f *Flags) options(environment envconfig.EnvLookup) (client.Options, error) {
	profile, err := envconfig.LoadClientConfigProfile(envconfig.LoadClientConfigProfileOptions{EnvLookup: environment})
	if err != nil {
		return client.Options{}, cmdline.Errorf("the configuration of Temporal: %v", err)
	}
	if f.address != "" {
		profile.Address = f.address
	}
	if f.namespace != "" {
		profile.Namespace = f.namespace
	}
	f.tls.apply(&profile)
	if f.apiKeyFile != "" {
		if profile.APIKey, err = readKey(f.apiKeyFile); err != nil {
			return client.Options{}, cmdline.Errorf("-api-key-file: %v", err)
		}
	}
	options, err := profile.ToClientOptions(envconfig.ToClientOptionsRequest{})
	if err != nil {
		return client.Options{}, cmdline.Errorf("the configuration of Temporal: %v", err)
	}
	if profile.APIKey != "" && options.ConnectionOptions.TLS == nil {
		return client.Options{}, cmdline.Errorf("an API key is not sent without TLS, which -tls=false or TEMPORAL_TLS turns off")
	}
	if f.apiKeyFile != "" {
		// Read anew for each call, so that the key may be replaced while a worker runs.
		options.Credentials = client.NewAPIKeyDynamicCredentials(func(context.Context) (string, error) { return readKey(f.apiKeyFile) })
	}
	return options, nil
}

func (t *tlsFlag) apply(profile *envconfig.ClientConfigProfile) {
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

// readKey reads a file that holds an API key and nothing else.
func readKey(name string) (string, error) {
	const longest = 64 << 10
	file, err := os.Open(name) //nolint:gosec // it is the user's
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
		return "", fmt.Errorf("%s is empty", name)
	case strings.ContainsAny(key, "\r\n\t "):
		return "", fmt.Errorf("%s holds more than a key", name)
	}
	return key, nil
}
