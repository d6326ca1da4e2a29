package app

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

// TestBadInput: whatever is wrong with a command line is found before the first request,
// and the error has the flag and its value.
func TestBadInput(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	taken := listener.Addr().String()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, []byte("x\n"), 0o600))
	missing, below := filepath.Join(dir, "missing", "file"), filepath.Join(file, "file")
	region := []string{"--region", "cn-hangzhou"}
	run := append([]string{"run", "--yes", "--all"}, region...)
	restart := append([]string{"restart", "i-0", "i-1", "--yes"}, region...)
	plan := append([]string{"plan", "--all"}, region...)
	for name, test := range map[string]struct {
		command, bad []string
	}{
		"journal":                    {run, []string{"--journal", missing}},
		"journal below a file":       {run, []string{"--journal", below}},
		"journal is a directory":     {run, []string{"--journal", dir}},
		"journal is another file":    {run, []string{"--journal", file}},
		"report":                     {run, []string{"--report", missing}},
		"report below a file":        {run, []string{"--report", below}},
		"report is a directory":      {run, []string{"--report", dir}},
		"page":                       {run, []string{"--page", taken}},
		"page, no address":           {run, []string{"--page", "nonsense"}},
		"metrics":                    {run, []string{"--metrics", taken}},
		"metrics, no address":        {run, []string{"--metrics", "nonsense"}},
		"plan":                       {[]string{"run", "--yes"}, []string{"--plan", missing}},
		"plan is no plan":            {[]string{"run", "--yes"}, []string{"--plan", file}},
		"plan is a directory":        {[]string{"run", "--yes"}, []string{"--plan", dir}},
		"output":                     {plan, []string{"--output", missing}},
		"output is a directory":      {plan, []string{"--output", dir}},
		"restart journal":            {restart, []string{"--journal", missing}},
		"restart journal, directory": {restart, []string{"--journal", dir}},
		"ids-file":                   {append([]string{"restart", "--yes"}, region...), []string{"--ids-file", missing}},
		"ids-file of run":            {append([]string{"run", "--yes"}, region...), []string{"--ids-file", missing}},
		"region":                     {[]string{"run", "--yes", "--all"}, []string{"--region", "cn hangzhou"}},
		"region of restart":          {[]string{"restart", "i-0", "--yes"}, []string{"--region", "cn hangzhou"}},
		"endpoint":                   {run, []string{"--endpoint", "http://example.com"}},
		"endpoint of restart":        {restart, []string{"--endpoint", "http://example.com"}},
		"signature":                  {run, []string{"--signature", "v2"}},
		"self":                       {run, []string{"--self", "i 1"}},
		"status":                     {run, []string{"--status", "Happy"}},
		"tag":                        {run, []string{"--tag", "=x"}},
		"group-by":                   {run, []string{"--group-by", "moon"}},
		"max-unavailable":            {run, []string{"--max-unavailable", "many"}},
		"max-unavailable 0":          {run, []string{"--max-unavailable", "0"}},
		"max-failed":                 {run, []string{"--max-failed", "-1"}},
		"wait-timeout, too short":    {restart, []string{"--wait-timeout", "10s"}},
		"canary":                     {run, []string{"--canary", "1,0"}},
		"min-ready":                  {run, []string{"--min-ready", "-1s"}},
		"ready-timeout":              {run, []string{"--ready-timeout", "10s"}},
		"window":                     {run, []string{"--window", "2-3"}},
		"health-url":                 {run, []string{"--health-url", "ftp://x"}},
		"block-on-alerts":            {run, []string{"--block-on-alerts", "x"}},
		"timeout":                    {run, []string{"--timeout", "soon"}},
		"exclude":                    {run, []string{"--exclude", "i-*"}},
		"wait-timeout":               {restart, []string{"--wait-timeout", "-1s"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 2, func(b *bubble) {
				args := append(append([]string{}, test.command...), test.bad...)
				if test.bad[0] == "--tag" || test.bad[0] == "--status" {
					args = without(args, "--all")
				}
				p := b.process("", args...)
				p.connector.NewClient = func(region string, options ...ecsreboot.Option) (*ecsreboot.Client, error) {
					if _, err := ecsreboot.NewClient(region, options...); err != nil {
						return nil, err
					}
					return b.server.NewClient(options...)
				}
				require.Equal(b, exitcode.Usage, p.run(), p.stderr.String())
				require.Contains(b, p.stderr.String(), test.bad[0])
				require.Contains(b, p.stderr.String(), test.bad[1])
				require.Empty(b, b.server.Calls())
				journals, err := filepath.Glob(filepath.Join(b.dir, Name, "*"))
				require.NoError(b, err)
				require.Empty(b, journals)
			})
		})
	}
}

// TestNotWritable: the directory exists, but takes no file, not even root's.
func TestNotWritable(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc")
	}
	for flag, command := range map[string]string{"--journal": "run", "--report": "run", "--output": "plan"} {
		inBubble(t, 2, func(b *bubble) {
			p := b.process("", command, "--region", "cn-hangzhou", "--all", flag, "/proc/web")
			p.interactive = true
			require.Equal(b, exitcode.Usage, p.run(), p.stderr.String())
			require.Contains(b, p.stderr.String(), flag+" /proc/web: the directory /proc is not writable: ")
			require.Empty(b, b.server.Calls())
		})
	}
	inBubble(t, 2, func(b *bubble) { // the state directory
		b.dir = "/proc"
		p := b.process("", "restart", "i-0", "i-1", "--region", "cn-hangzhou", "--yes")
		require.Equal(b, exitcode.Usage, p.run(), p.stderr.String())
		require.Contains(b, p.stderr.String(), "/proc/ecs-reboot")
		require.Contains(b, p.stderr.String(), "--journal")
		require.Empty(b, b.server.Calls())
	})
}
