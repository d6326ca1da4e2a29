package app

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

// emulate starts the emulator as a process, and returns its URL.
func emulate(t *testing.T, args ...string) (url string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary(t, Name), append([]string{"emulator", "--quiet", "--reboot-time", leastReboot.String()}, args...)...)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_, _ = io.Copy(io.Discard, stdout)
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(line)
}

// TestPractiseRefusals restarts what the emulator has the service refuse.
func TestPractiseRefusals(t *testing.T) {
	t.Parallel()
	url := emulate(t, "--count", "5", "--stopped", "i-00000001", "--locked", "i-00000002", "--expired", "i-00000003", "--deny", "RebootInstance:i-00000004")
	where := []string{"--region", "cn-hangzhou", "--endpoint", url, "--yes"}
	for id, code := range map[string]string{
		"i-00000001": "IncorrectInstanceStatus", "i-00000002": "InstanceLockedForSecurity", "i-00000003": "InstanceExpiredOrInArrears",
		"i-00000004": "Forbidden.RAM",
	} {
		for _, more := range [][]string{nil, {"--no-wait"}, {"--dry-run"}} {
			d := drive(t, append(append([]string{"restart", id}, where...), more...)...)
			require.Equal(t, exitcode.Failed, d.code(t), d.stderr.String())
			require.Contains(t, d.stderr.String(), code, more)
		}
	}
	d := drive(t, append([]string{"restart", "i-00000005"}, where...)...)
	require.Equal(t, exitcode.Done, d.code(t), d.stderr.String())

	d = drive(t, append([]string{
		"run", "--all", "--min-ready", "0", "--canary", "none", "--max-unavailable", "5", "--allow-wide", "--max-failed", "5", "--despite-problems", "--json",
	}, where...)...)
	require.Equal(t, exitcode.Failed, d.code(t), d.stderr.String())
	reasons := map[string]fleet.Reason{}
	for _, left := range d.summary(t).NotRestarted {
		reasons[left.ID] = left.Reason
	}
	require.Equal(t, map[string]fleet.Reason{
		"i-00000001": fleet.ReasonNotRunning, "i-00000002": fleet.ReasonLocked, "i-00000003": fleet.ReasonLocked, "i-00000004": fleet.ReasonDenied,
	}, reasons)
}

// TestPractiseDeniedList: the vendor's service answers a denied list with an empty one.
func TestPractiseDeniedList(t *testing.T) {
	url := emulate(t, "--deny", "DescribeInstances")
	d := drive(t, "run", "--region", "cn-hangzhou", "--endpoint", url, "--all", "--yes")
	require.Equal(t, exitcode.Usage, d.code(t), d.stderr.String())
	require.Contains(t, d.stderr.String(), "finds no instance")
}

// TestPractiseToken: a temporary key is refused without its token.
func TestPractiseToken(t *testing.T) {
	t.Parallel()
	const token = "t0ken-of-the-emulator"
	url := emulate(t, "--security-token", token)
	args := []string{"restart", "i-bp67acfmxazb4ph0001", "--region", "cn-hangzhou", "--endpoint", url, "--yes"}
	d := drive(t, args...)
	require.Equal(t, exitcode.Failed, d.code(t), d.stderr.String())
	require.Contains(t, d.stderr.String(), "SecurityToken")
	d = driveTo(t, func(d *driver) { d.Env = append(d.Env, "ALIBABA_CLOUD_SECURITY_TOKEN="+token) }, args...)
	require.Equal(t, exitcode.Done, d.code(t), d.stderr.String())
	require.NotContains(t, d.stdout.String()+d.stderr.String(), token)
}
