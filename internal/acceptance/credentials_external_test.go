//go:build unix

package acceptance_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
)

// onStdout runs something and returns what it printed on standard output.
func onStdout(t *testing.T, run func()) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stdout")
	file, err := os.Create(path)
	require.NoError(t, err)
	before := os.Stdout
	defer func() { os.Stdout = before }()
	os.Stdout = file
	run()
	assert.Same(t, file, os.Stdout)
	require.NoError(t, file.Close())
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// shellProfile is an External profile that runs a shell script.
func shellProfile(h home, text string) fields {
	return commandProfile(`sh "` + h.write("a command.sh", text) + `" one 'two words'`)
}

func chainAnswer(extra string) string {
	return fmt.Sprintf(`{"mode":"StsToken","access_key_id":%q,"access_key_secret":%q,"sts_token":%q%s}`, chainKey, chainSecret, chainToken, extra)
}

// The command of an External profile runs by itself: its arguments, its environment, no
// input. Nothing of what it says is printed or written to config.json.
func TestExternalProfile(t *testing.T) {
	for name, c := range map[string]struct {
		extra string
		runs  int // for two calls
	}{
		"no expiry":         {"", 2},
		"an hour":           {`,"expiration":"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `"`, 1},
		"two minutes":       {`,"expiration":"` + time.Now().Add(2*time.Minute).UTC().Format(time.RFC3339) + `"`, 2},
		"another time zone": {`,"expiration":"2999-01-01T00:00:00+08:00"`, 1},
		"no time":           {`,"expiration":"soon"`, 2},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			h.somebodyElse()
			t.Setenv("ANSWER", chainAnswer(c.extra))
			runs := filepath.Join(h.path, "runs")
			config := profiles(shellProfile(h, `[ "$1,$2,$#,$(cat)" = "one,two words,2," ] || exit 1
echo run >>`+runs+`
echo hint >&2
echo "$ANSWER"`))
			path := h.config(config)
			server := newSocketService(t, chainOptions)
			client := chainClient(t, server)
			assert.Empty(t, onStdout(t, func() {
				for range 2 {
					_, err := client.RebootInstance(t.Context(), ecsreboot.RebootInstanceRequest{InstanceID: id, DryRun: true})
					require.NoError(t, err)
				}
			}))
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, config, string(text))
			text, err = os.ReadFile(runs)
			require.NoError(t, err)
			assert.Equal(t, 4*c.runs, len(text))
		})
	}
}

// What the command prints that is no answer is in no output and no error.
func TestExternalProfileFails(t *testing.T) {
	for name, c := range map[string]struct{ script, says string }{
		"hint before":   {"echo 'Using cached login.'; echo '" + chainAnswer("") + "'", "standard error"},
		"hint behind":   {"echo '" + chainAnswer("") + "'; echo done", "JSON"},
		"two answers":   {"echo '" + chainAnswer("") + chainAnswer("") + "'", "JSON"},
		"cut short":     {"printf '%s' '" + chainAnswer("")[:60] + "'", "JSON"},
		"nothing":       {":", "JSON"},
		"no secret":     {`echo '{"access_key_id":"` + chainKey + `"}'`, "access_key_secret"},
		"no token":      {`echo '{"mode":"StsToken","access_key_id":"` + chainKey + `","access_key_secret":"` + chainSecret + `"}'`, "sts_token"},
		"another type":  {`echo '{"access_key_id":"` + chainKey + `","access_key_secret":["` + chainSecret + `"]}'`, "JSON"},
		"failure":       {"echo '" + chainAnswer("") + "'; echo 'please sign in' >&2; exit 7", "exit status 7; its standard error: please sign in"},
		"killed":        {"kill -9 $$", "signal: killed"},
		"secret on err": {"echo 'AccessKeySecret: " + chainSecret + "' >&2; exit 1", "[redacted]"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			h.somebodyElse()
			h.config(profiles(shellProfile(h, c.script)))
			server := newSocketService(t, chainOptions)
			var err error
			assert.Empty(t, onStdout(t, func() { _, err = chainClient(t, server).RebootInstance(t.Context(), request) }))
			require.ErrorIs(t, err, ecsreboot.ErrCredentials)
			require.ErrorContains(t, err, `profile "p"`)
			require.ErrorContains(t, err, c.says)
			assert.NotContains(t, err.Error(), chainSecret)
			assert.NotContains(t, err.Error(), chainToken)
			assert.Empty(t, server.Calls())
		})
	}
}
