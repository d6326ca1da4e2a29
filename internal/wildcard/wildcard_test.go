package wildcard_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/internal/wildcard"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "web-1", true},
		{"web", "web", true},
		{"web", "Web", false},
		{"web", "web-1", false},
		{"web-*", "web-", true},
		{"web-*", "web-1", true},
		{"web-*", "my-web-1", false},
		{"*-1", "web-1", true},
		{"*-1", "web-1-1", true},
		{"*-1", "web-12", false},
		{"w*b*1", "web-1", true},
		{"w**1", "web-1", true},
		{"*aab", "aaaab", true},
		{"?", "", false},
		{"?", "服", true},
		{"web-?", "web-12", false},
		{"web-??", "web-12", true},
		{"?*", "", false},
		{"[ab].", "[ab].", true},
		{"[ab]", "a", false},
	} {
		require.Equal(t, c.want, wildcard.Match(c.pattern, c.text), "%q, %q", c.pattern, c.text)
	}
}

// FuzzMatch compares with a regular expression.
func FuzzMatch(f *testing.F) {
	f.Add("w*b-?", "web-1")
	f.Add("*a*a*b", "aaaaaaab")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 50 || len(text) > 200 {
			return
		}
		pattern, text = strings.ToValidUTF8(pattern, "-"), strings.ToValidUTF8(text, "-")
		quoted := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(pattern))
		want := regexp.MustCompile(`(?s)\A` + quoted + `\z`).MatchString(text)
		require.Equal(t, want, wildcard.Match(pattern, text), "%q, %q", pattern, text)
	})
}
