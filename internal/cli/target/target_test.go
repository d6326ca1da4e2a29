package target_test

import (
	"context"
	"flag"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	"github.com/ecsreboot/ecsreboot/internal/cli/target"
)

// parse is what a program does with its flags.
func parse(t *testing.T, args ...string) (*target.Target, error) {
	t.Helper()
	var where target.Target
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	where.AddFlags(flags)
	require.NoError(t, flags.Parse(args))
	if err := cmdline.RejectEmpty(flags); err != nil {
		return nil, err
	}
	return &where, where.Check()
}

func TestContradictions(t *testing.T) {
	for _, args := range [][]string{
		{},
		{"--region", ""},
		{"--emulate", "--region", "cn-hangzhou"},
		{"--emulate", "--endpoint", "https://ecs.local"},
		{"--emulate", "--vpc"},
		{"--region", "cn-hangzhou", "--vpc", "--endpoint", "https://ecs.local"},
		{"--region", "cn-hangzhou", "--timeout", "-1s"},
		{"--region", "cn-hangzhou", "--signature", "v2"},
	} {
		_, err := parse(t, args...)
		require.Equal(t, exitcode.Usage, exitcode.Of(err), "%v: %v", args, err)
	}
}

func TestOptions(t *testing.T) {
	for endpoint, args := range map[string][]string{
		"https://ecs.cn-beijing.aliyuncs.com":     {"--region", "cn-beijing"},
		"https://ecs-vpc.cn-beijing.aliyuncs.com": {"--region", "cn-beijing", "--vpc"},
		"https://ecs.local":                       {"--region", "cn-beijing", "--endpoint", "https://ecs.local"},
	} {
		where, err := parse(t, args...)
		require.NoError(t, err)
		client, err := ecsreboot.NewClient(where.Region, where.Options("test", nil)...)
		require.NoError(t, err)
		require.Equal(t, endpoint, client.Endpoint())
	}
}

func TestLimit(t *testing.T) {
	where, err := parse(t, "--emulate", "--timeout", "1ns")
	require.NoError(t, err)
	ctx, cancel := where.Limit(t.Context())
	defer cancel()
	<-ctx.Done()
	require.EqualError(t, context.Cause(ctx), "--timeout 1ns is over: context deadline exceeded")
	require.ErrorIs(t, context.Cause(ctx), context.DeadlineExceeded)

	where.Timeout = 0
	ctx, cancel = where.Limit(t.Context())
	defer cancel()
	_, limited := ctx.Deadline()
	require.False(t, limited)

	where, err = parse(t, "--emulate")
	require.NoError(t, err)
	ctx, cancel = where.Limit(t.Context())
	defer cancel()
	deadline, _ := ctx.Deadline()
	require.WithinDuration(t, time.Now().Add(target.DefaultTimeout), deadline, time.Minute)
}
