package credential

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSplitCommand(t *testing.T) {
	for _, c := range []struct {
		command       string
		unix, windows []string // nil: refused
	}{
		{"tool", []string{"tool"}, []string{"tool"}},
		{"  tool  -a\tb\n", []string{"tool", "-a", "b"}, []string{"tool", "-a", "b"}},
		{`tool "" ''`, []string{"tool", "", ""}, []string{"tool", "", ""}},
		{`"a tool" 'b c'd`, []string{"a tool", "b cd"}, []string{"a tool", "b cd"}},
		{`tool 'a"b' "c'd"`, []string{"tool", `a"b`, "c'd"}, []string{"tool", `a"b`, "c'd"}},
		{`C:\tools\t.exe a\ b`, []string{`C:toolst.exe`, "a b"}, []string{`C:\tools\t.exe`, `a\`, "b"}},
		{`"C:\Program Files\t.exe"`, []string{`C:\Program Files\t.exe`}, []string{`C:\Program Files\t.exe`}},
		{`tool "a\"b\\c\$\d"`, []string{"tool", `a"b\c$\d`}, []string{"tool", `a"b\\c\$\d`}},
		{`tool 'a\'`, []string{"tool", `a\`}, []string{"tool", `a\`}},
		{"tool a\\\nb", []string{"tool", "ab"}, []string{"tool", `a\`, "b"}},
		{"tool \\\n b", []string{"tool", "b"}, []string{"tool", `\`, "b"}},
		{"tool \"a\\\nb\"", []string{"tool", "ab"}, []string{"tool", "a\\\nb"}},
		{`tool \"a`, []string{"tool", `"a`}, nil},
		{`tool a\`, nil, []string{"tool", `a\`}},
		{`tool "a\`, nil, nil},
		{`tool 'a`, nil, nil},
		{`tool "a`, nil, nil},
		{``, nil, nil},
		{" \t", nil, nil},
		{`"" a`, nil, nil},
		{"tool $HOME `x` *", []string{"tool", "$HOME", "`x`", "*"}, []string{"tool", "$HOME", "`x`", "*"}},
	} {
		for want, windows := range map[*[]string]bool{&c.unix: false, &c.windows: true} {
			got, err := splitCommand(c.command, windows)
			assert.Equal(t, *want, got, "%q, Windows %v", c.command, windows)
			assert.Equal(t, *want == nil, err != nil, "%q, Windows %v: %v", c.command, windows, err)
		}
	}
}

// The texts are credentials-go's.
func TestSaysNoRole(t *testing.T) {
	const role = "http://100.100.100.200/latest/meta-data/ram/security-credentials/"
	for text, want := range map[string]bool{
		`get role name failed: Get "` + role + `?": dial tcp 100.100.100.200:80: i/o timeout`:                  true,
		`get metadata token failed: Put "http://100.100.100.200/latest/api/token?": context deadline exceeded`: true,
		"get role name failed: GET " + role + " 404":                                                           true,
		"get role name failed: GET " + role + " 403":                                                           false,
		"get role name failed: GET " + role + " 503":                                                           false,
		`refresh Ecs sts token err: Get "` + role + `r?": dial tcp 100.100.100.200:80: i/o timeout`:            false,
		"refresh Ecs sts token err, httpStatus: 404, message = none":                                           false,
	} {
		assert.Equal(t, want, saysNoRole(text), text)
	}
}
