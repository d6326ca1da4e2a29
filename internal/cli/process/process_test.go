package process

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

func TestGuard(t *testing.T) {
	var stderr bytes.Buffer
	require.Equal(t, 4, guard("ecs-reboot", &stderr, func() int { return 4 }))
	require.Empty(t, stderr.String())
	require.Equal(t, exitcode.Unknown, guard("ecs-reboot", &stderr, func() int { panic("a bug") }))
	require.Contains(t, stderr.String(), "ecs-reboot: panic: a bug\nA restart may have been sent: look at the instance before you send another.")
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestPrintResult(t *testing.T) {
	var stdout, stderr bytes.Buffer
	PrintResult(&stdout, &stderr, "ecs-reboot", "restarted\n")
	require.Equal(t, "restarted\n", stdout.String())
	require.Empty(t, stderr.String())
	PrintResult(broken{}, &stderr, "ecs-reboot", "restarted\n")
	require.Equal(t, "ecs-reboot: failed to write the result to stdout: broken pipe\nrestarted\n", stderr.String())
}
