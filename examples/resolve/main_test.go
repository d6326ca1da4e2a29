package main

import (
	"bytes"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/command"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	"github.com/ecsreboot/ecsreboot/internal/cli/service"
)

const id = "i-bp67acfmxazb4ph0001"

func invoke(t *testing.T, connector service.Connector, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), command.New("resolve", usage, args, connector, &out, &errs))
	return code, out.String(), errs.String()
}

func TestEmulate(t *testing.T) {
	connector := service.Connector{NewServer: ecstest.NewInMemoryServer}
	synctest.Test(t, func(t *testing.T) {
		code, stdout, stderr := invoke(t, connector, "-emulate", id)
		require.Equal(t, exitcode.Done, code, stderr)
		require.Equal(t, id+": response lost, but restarted, proven by its status\n", stdout)
		require.Contains(t, stderr, "the service restarted the instance once\n")
	})
	synctest.Test(t, func(t *testing.T) {
		code, stdout, stderr := invoke(t, connector, "-emulate", "-lost", "request", id)
		require.Equal(t, exitcode.Unknown, code, "the service may still get the request")
		require.Empty(t, stdout)
		require.Contains(t, stderr, "the service restarted the instance 0 times\n")
		require.Contains(t, stderr, "Look at the instance before you send another restart.")
	})
}

// Only an unknown outcome is resolved.
func TestKnownOutcomes(t *testing.T) {
	for name, test := range map[string]struct {
		instance ecstest.Instance
		code     int
		calls    int
	}{
		"accepted": {code: exitcode.Done, calls: 1},
		"refused":  {instance: ecstest.Instance{Status: ecsreboot.StatusStopped}, code: exitcode.Failed, calls: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, err := ecstest.NewInMemoryServer(ecstest.Options{})
				require.NoError(t, err)
				defer server.Close()
				test.instance.ID = id
				require.NoError(t, server.AddInstance(test.instance))
				code, _, stderr := invoke(t, service.Connector{NewClient: func(_ string, options ...ecsreboot.Option) (*ecsreboot.Client, error) {
					return server.NewClient(options...)
				}}, "-region", "cn-hangzhou", id)
				require.Equal(t, test.code, code, stderr)
				require.Len(t, server.Calls(), test.calls)
			})
		})
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {id}, {"-emulate"}, {"-emulate", "-lost", "both", id}} {
		code, _, stderr := invoke(t, service.Connector{}, args...)
		require.Equal(t, exitcode.Usage, code, stderr)
	}
}
