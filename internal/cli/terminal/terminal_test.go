package terminal

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIsTerminal(t *testing.T) {
	require.False(t, isTerminal(strings.NewReader("")))
	file, err := os.Create(t.TempDir() + "/answers")
	require.NoError(t, err)
	defer file.Close()
	require.False(t, isTerminal(file))
}

func TestRedraws(t *testing.T) {
	for env, want := range map[string]bool{
		"TERM=xterm":          true,
		"TERM=xterm CI=false": true,
		"TERM=xterm CI=0":     true,
		"TERM=xterm CI=true":  false,
		"TERM=xterm CI=1":     false,
		"TERM=dumb":           false,
		"":                    false,
	} {
		getenv := func(name string) string {
			for entry := range strings.FieldsSeq(env) {
				if key, value, _ := strings.Cut(entry, "="); key == name {
					return value
				}
			}
			return ""
		}
		require.Equal(t, want, redraws(getenv), env)
	}
}
