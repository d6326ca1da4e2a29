package console_test

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/internal/console"
)

// pem is a line of a private key.
const pem = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW"

func TestClean(t *testing.T) {
	for raw, want := range map[string]string{
		"":                           "",
		"[ 1.0] one\r\n\ttwo\x00":    "[ 1.0] one\n two",
		"\x1b[1;31mfailed\x1b[0m":    "failed",
		"kept   as  it is\n":         "kept   as  it is\n",
		"password: hunter2 set":      "password: *** set",
		`root password is: "a b"`:    "root password is: ***",
		"curl https://u:hunter2@b/x": "curl https://[redacted]@b/x",
		"GET https://b/x?Expires=1&Signature=abcdEFGH12345678ijkl": "GET https://b/x?Expires=1&Signature=[redacted]",
		"-----BEGIN RSA PRIVATE KEY-----\n" + pem + "\n":           "***",
		"root=UUID=1d6e8c4c-5b6f-4a1a-9a59-0d2f2f6e9d52 ro":        "root=UUID=1d6e8c4c-5b6f-4a1a-9a59-0d2f2f6e9d52 ro",
		"Kernel panic - not syncing: VFS":                          "Kernel panic - not syncing: VFS",
	} {
		text, cut := console.Clean(raw)
		require.Equal(t, want, text)
		require.False(t, cut)
		again, _ := console.Clean(text)
		require.Equal(t, want, again, "a text that was cleaned stays as it is")
	}
}

func TestCleanBounds(t *testing.T) {
	key := strings.Repeat(pem+"\n", 2000)
	for name, raw := range map[string]string{
		"lines":              strings.Repeat("[ 1.0] a line of the kernel\n", 10_000),
		"one line":           strings.Repeat("ü x ", 50_000),
		"a key without head": "-----BEGIN RSA PRIVATE KEY-----\n" + key + "-----END RSA PRIVATE KEY-----\nthe end\n",
		"secrets":            strings.Repeat("token=hunter2\n", 20_000),
	} {
		begin := time.Now()
		text, cut := console.Clean(raw)
		t.Logf("%s: %v", name, time.Since(begin))
		require.True(t, cut)
		require.LessOrEqual(t, len(text), console.Max)
		require.True(t, utf8.ValidString(text))
		require.False(t, strings.Contains(text, "hunter2") || strings.Contains(text, pem[:20]), name)
		require.Equal(t, name == "a key without head", text == "***\nthe end\n")
	}
	text, _ := console.Clean(strings.Repeat("x\n", 10_000) + "the end\n")
	require.True(t, strings.HasSuffix(text, "x\nthe end\n"), "the end is kept")
}

func FuzzClean(f *testing.F) {
	f.Add("password: \"a\nb\" \x1b[1m-----BEGIN PRIVATE KEY-----\nLTAI5tAbCdEfGhIjKlMn token=x &amp;\xff")
	f.Fuzz(func(t *testing.T, raw string) {
		text, _ := console.Clean(raw)
		require.LessOrEqual(t, len(text), console.Max)
		require.Equal(t, -1, strings.IndexFunc(text, func(c rune) bool { return c != '\n' && !unicode.IsPrint(c) }))
		require.True(t, utf8.ValidString(text))
	})
}
