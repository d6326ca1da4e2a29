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

		"Started Forward Password Requests to Wall Directory Watch.": "Started Forward Password Requests to Wall Directory Watch.",
		"no key for token ring, secret sauce":                        "no key for token ring, secret sauce",
	} {
		text, cut := console.Clean(raw)
		require.Equal(t, want, text)
		require.False(t, cut)
		again, _ := console.Clean(text)
		require.Equal(t, want, again, "a text that was cleaned stays as it is")
	}
}

// Programs that run at boot print passwords in many ways, and terminals take part in them.
func TestCleanSecrets(t *testing.T) {
	const secret = "tiger-lamp"
	for _, raw := range []string{
		"cloud-init[812]: Set the following 'random' passwords\nroot:" + secret + "\nubuntu:" + secret + "\n",
		"[ 12.3] cloud-init[812]: Set the following 'random' passwords\n[ 12.3] cloud-init[812]: root:" + secret + "\n",
		"A temporary password is generated for root@localhost: " + secret,
		"The generated password for the elastic built-in superuser is : " + secret,
		"Password for user admin (uid=0): " + secret,
		"Please use the following password to proceed:\n\n" + secret + "\n",
		"[ 1.2] password:\n[ 1.3] " + secret,
		"root password set to " + secret,
		"your password is " + secret,
		"password: :" + secret,
		`password="a\"` + secret + `"`,
		"| password | " + secret + " |",
		"password：" + secret,
		"初始密码：" + secret,
		"root 密码为 " + secret,
		"kubeadm join 10.0.0.1:6443 --token " + secret + " --discovery-token-ca-cert-hash sha256:ab",
		"sshpass -p " + secret + " ssh root@b",
		"echo root:" + secret + " | chpasswd",
		"root:$6$abcdefgh$" + strings.ReplaceAll(secret, "-", ".") + ":19000:0",
		"-----BEGIN PGP PRIVATE KEY BLOCK-----\n" + secret + "\n-----END PGP PRIVATE KEY BLOCK-----\n",
		"pass\x1b(Bword: " + secret,
		"pass\x1b7word: " + secret,
		"pass\u009b1mword: " + secret,
		"pass\x1bP1;2q\x1b\\word: " + secret,
		"p\bpa\bas\bss\bsw\bwo\bor\brd\bd: " + secret,
		"p\x00a\x00s\x00s\x00w\x00o\x00r\x00d\x00:\x00 \x00" + secret,
	} {
		text, cut := console.Clean(raw)
		require.NotContains(t, strings.ReplaceAll(text, ".", "-"), secret, raw)
		require.False(t, cut)
		again, _ := console.Clean(text)
		require.Equal(t, text, again)
	}
}

// What is read begins with the value of a name that is not read.
func TestCleanAfterTheCut(t *testing.T) {
	const secret = "tiger-lamp"
	for size, fills := range map[int][]string{
		32 << 10:  {"\x00", "\x1b[K", "\x1b[K\n", " "},
		256 << 10: {"\x00", "\x1b[K\n"},
	} {
		for rest, name := range map[string]string{
			secret + "\n":              "password: ",
			":\n" + secret + "\n":      "password",
			": " + secret + " ":        "password",
			"word:\n\n" + secret + " ": "pass",
		} {
			for _, fill := range fills {
				behind := strings.Repeat(fill, (size-len(rest))/len(fill))
				text, _ := console.Clean(name + rest + behind)
				require.NotContains(t, text, secret)
			}
		}
	}
	text, cut := console.Clean(strings.Repeat("a line of the kernel\n", 1000) + strings.Repeat("\x1b[K", 60_000) + "the end\n")
	require.True(t, cut)
	require.True(t, strings.HasSuffix(text, "a line of the kernel\nthe end\n"), text)
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
	text, _ = console.Clean(strings.Repeat("word ", 10_000) + "the end")
	require.True(t, strings.HasSuffix(text, " word the end"), "also of a long line")
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
