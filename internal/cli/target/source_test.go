package target_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

const secret = "s3cretS3cretS3cretS3cret"

// atHome makes a home with two profiles, and an environment that says nothing else.
func atHome(t *testing.T) (configFile string) {
	t.Helper()
	home := t.TempDir()
	for _, name := range []string{"HOME", "USERPROFILE"} {
		t.Setenv(name, home)
	}
	for _, name := range []string{
		"ALIBABA_CLOUD_REGION_ID", "ALIBABACLOUD_REGION_ID", "ALICLOUD_REGION_ID", "ALIBABA_CLOUD_PROFILE", "ALIBABA_CLOUD_CONFIG_FILE",
		"ALIBABA_CLOUD_CLI_PROFILE_DISABLED", "ALIBABA_CLOUD_CREDENTIALS_FILE",
		"ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN",
	} {
		t.Setenv(name, "")
	}
	t.Setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
	configFile = filepath.Join(home, ".aliyun", "config.json")
	require.NoError(t, os.Mkdir(filepath.Dir(configFile), 0o700))
	require.NoError(t, os.WriteFile(configFile, []byte(`{"current": "ops", "profiles": [
		{"name": "ops", "mode": "AK", "access_key_id": "LTAI5tOpsOpsOps1", "access_key_secret": "`+secret+`", "region_id": "cn-qingdao"},
		{"name": "web", "mode": "AK", "access_key_id": "LTAI5tWebWebWeb2", "access_key_secret": "`+secret+`", "region_id": "cn-shenzhen"},
		{"name": "bare", "mode": "AK", "access_key_id": "LTAI5tBareBare03", "access_key_secret": "`+secret+`"}
	]}`), 0o600))
	return configFile
}

// TestRegionOrder takes one source after the other away.
func TestRegionOrder(t *testing.T) {
	atHome(t)
	t.Setenv("ALIBABA_CLOUD_REGION_ID", "cn-beijing")
	t.Setenv("ALIBABACLOUD_REGION_ID", "cn-chengdu")
	t.Setenv("ALICLOUD_REGION_ID", "cn-heyuan")
	t.Setenv("ALIBABA_CLOUD_PROFILE", "bare")
	for _, test := range []struct {
		gone         string
		args         []string
		region, from string
	}{
		{"", []string{"--region", "cn-hangzhou"}, "cn-hangzhou", "--region"},
		{"", []string{"--region", "cn-hangzhou", "--profile", "web"}, "cn-hangzhou", "--region"},
		{"", nil, "cn-beijing", "ALIBABA_CLOUD_REGION_ID"},
		{"", []string{"--profile", "web"}, "cn-beijing", "ALIBABA_CLOUD_REGION_ID"},
		{"ALIBABA_CLOUD_REGION_ID", nil, "cn-chengdu", "ALIBABACLOUD_REGION_ID"},
		{"ALIBABACLOUD_REGION_ID", nil, "cn-heyuan", "ALICLOUD_REGION_ID"},
		{"ALICLOUD_REGION_ID", []string{"--profile", "web"}, "cn-shenzhen", `profile "web"`},
		{"", nil, "", ""}, // of the profile of the environment, which has none
		{"ALIBABA_CLOUD_PROFILE", nil, "cn-qingdao", `profile "ops"`},
		{"", []string{"--profile", "bare"}, "", ""},
	} {
		if test.gone != "" {
			t.Setenv(test.gone, "")
		}
		where, err := parse(t, test.args...)
		if test.region == "" {
			require.Equal(t, exitcode.Usage, exitcode.Of(err), "%+v", test)
			require.ErrorContains(t, err, "missing --region")
			continue
		}
		require.NoError(t, err, "%+v", test)
		require.Equal(t, test.region, where.Region, "%+v", test)
		require.Equal(t, test.from, where.RegionFrom, "%+v", test)
	}
}

func TestUnknownProfile(t *testing.T) {
	atHome(t)
	_, err := parse(t, "--region", "cn-hangzhou", "--profile", "wbe")
	require.Equal(t, exitcode.Usage, exitcode.Of(err))
	require.ErrorContains(t, err, "--profile wbe: ")
	require.NotContains(t, err.Error(), secret)
}

// TestDebug calls a service, which accepts each of the keys in turn.
func TestDebug(t *testing.T) {
	configFile := atHome(t)
	for name, test := range map[string]struct {
		args, env     []string // env: key ID, secret, token
		keyID, source string
	}{
		"a profile":           {args: []string{"--profile", "web"}, keyID: "LTAI5tWebWebWeb2", source: fmt.Sprintf("profile %q of %s", "web", configFile)},
		"the current profile": {keyID: "LTAI5tOpsOpsOps1", source: fmt.Sprintf("profile %q of %s", "ops", configFile)},
		"the environment":     {env: []string{"LTAI5tEnvEnvEnv4", secret, ""}, keyID: "LTAI5tEnvEnvEnv4", source: "environment"},
		"a token":             {env: []string{"STS.NUTokTokTok5", secret, "t0kenT0kenT0kenT0ken"}, keyID: "STS.NUTokTokTok5", source: "environment"},
	} {
		t.Run(name, func(t *testing.T) {
			o := ecstest.Options{AccessKeyID: test.keyID, AccessKeySecret: secret}
			if test.env != nil {
				t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", test.env[0])
				t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", test.env[1])
				t.Setenv("ALIBABA_CLOUD_SECURITY_TOKEN", test.env[2])
				o.SecurityToken = test.env[2]
			}
			server, err := ecstest.NewServer(o)
			require.NoError(t, err)
			defer server.Close()
			require.NoError(t, server.AddInstance(ecstest.Instance{ID: "i-1"}))
			call := func(args ...string) string {
				where, err := parse(t, append([]string{"--region", "cn-hangzhou", "--endpoint", server.URL}, append(args, test.args...)...)...)
				require.NoError(t, err)
				var notes strings.Builder
				client, err := ecsreboot.NewClient(where.Region, where.Options("test", func(format string, args ...any) { fmt.Fprintf(&notes, format, args...) })...)
				require.NoError(t, err)
				defer client.CloseIdleConnections()
				_, err = client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: "i-1", DryRun: true})
				require.NoError(t, err)
				return notes.String()
			}
			require.Empty(t, call(), "without --debug")
			notes := call("--debug")
			require.Equal(t, 1, strings.Count(notes, "\n"), notes)
			require.Contains(t, notes, "credentials from ")
			require.Contains(t, notes, test.source)
			require.Contains(t, notes, test.keyID[:4])
			require.NotContains(t, notes, test.keyID, "it is masked")
			require.NotContains(t, notes, secret)
			require.NotContains(t, notes, "t0ken")
		})
	}
}
