package hook

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

var sample = Instance{
	ID: "i-1", Name: "web 1/a?b&c", IP: "10.0.0.7", PrivateIP: "10.0.0.7", PublicIP: "2001:db8::7", HostName: "web-1.internal",
	Zone: "cn-hangzhou-h", Group: "blue & green", Region: "cn-hangzhou",
}

func TestTemplate(t *testing.T) {
	for text, want := range map[string]string{
		"http://{ip}:8080/healthz":                    "http://10.0.0.7:8080/healthz",
		"https://{hostname}":                          "https://web-1.internal",
		"http://{public_ip}:80/":                      "http://[2001:db8::7]:80/",
		"http://[{public_ip}]/":                       "http://[2001:db8::7]/",
		"http://[{private_ip}]/":                      "http://10.0.0.7/",
		"http://[::1]:8080/{id}":                      "http://[::1]:8080/i-1",
		"http://{id}.{region}.example.com/":           "http://i-1.cn-hangzhou.example.com/",
		"http://lb/drain/{name}/{group}":              "http://lb/drain/web%201%2Fa%3Fb&c/blue%20&%20green",
		"http://lb/drain?name={name}&group={group}":   "http://lb/drain?name=web+1%2Fa%3Fb%26c&group=blue+%26+green",
		"http://lb?{id}":                              "http://lb?i-1",
		"HTTP://user:pass@lb/%7B{zone}%7D?a=b?{id}/?": "http://user:pass@lb/%7Bcn-hangzhou-h%7D?a=b?i-1/?",
	} {
		parsed, err := parseTemplate("--health-url", text)
		require.NoError(t, err, text)
		u, err := parsed.expand(sample)
		require.NoError(t, err, text)
		require.Equal(t, want, u.String())
	}
}

func TestTemplateRefused(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.1/healthz":              `invalid --drain-url "10.0.0.1/healthz": a URL begins with http:// or https://`,
		"ftp://host/":                   "begins with http://",
		"{ip}://host/":                  "begins with http://",
		"http://":                       "it has no host",
		"http:///path":                  "it has no host",
		"http://host/{ID}":              "unknown placeholder {ID}; the placeholders are {id}, {name}, {ip}",
		"http://host/{":                 "{ without }",
		"http://host/{id":               "{ without }",
		"http://host/}":                 "} without {",
		"http://host/{}":                "unknown placeholder {}",
		"http://host/{{id}}":            "unknown placeholder {{id}",
		"http://host:{id}/":             "{id} cannot stand in the port",
		"http://{name}@host/":           "{name} cannot stand in the user",
		"http://host/#{id}":             "a fragment (#) is never sent",
		"http://host/a b":               "a space",
		"http://host\\@evil/":           "a backslash",
		"http://host/\n":                "a control character",
		"http://host/%zz":               "invalid URL escape",
		"http://host:0/":                `invalid port "0"`,
		"http://host:99999/":            `invalid port "99999"`,
		"http://host:/":                 `invalid port ""`,
		"http://-host/":                 "not a valid host",
		"http://127.1/":                 "not a valid host",
		"http://[10.0.0.1]/":            "not a valid host",
		"http://[fe80::1%25eth0]/":      "not a valid host",
		"http://u:secret@host/{x}?k=va": `invalid --drain-url "http://…@host/{x}?…"`,
	} {
		_, err := parseTemplate("--drain-url", text)
		require.ErrorContains(t, err, want, text)
		require.Equal(t, exitcode.Usage, exitcode.Of(err))
	}
}

func TestValuesRefused(t *testing.T) {
	expand := func(text string, i Instance) error {
		parsed, err := parseTemplate("--health-url", text)
		require.NoError(t, err)
		_, err = parsed.expand(i)
		return err
	}
	for placeholder := range strings.FieldsSeq("ip private_ip public_ip hostname name zone group region") {
		require.EqualError(t, expand("http://lb/{"+placeholder+"}", Instance{ID: "i-1"}), "the instance has no value for {"+placeholder+"}")
	}
	for _, name := range []string{
		"evil.com/", "evil.com?", "evil.com#", "a@evil.com", "evil.com:80", "a b", "a\nb", "2130706433", "0x7f000001", "0x7f.1", "127.1", "::1%eth0",
		"[::1", "%6c", "-a", "a..b", ".", strings.Repeat("a.", 127) + "a",
	} {
		require.ErrorContains(t, expand("http://{name}/", Instance{Name: name}), "not a valid host", name)
	}
	for _, name := range []string{".", ".."} {
		require.ErrorContains(t, expand("http://lb/drain/{name}/x", Instance{Name: name}), "a segment of the path")
		require.ErrorContains(t, expand("http://lb/drain/.{name}", Instance{Name: "."}), "a segment of the path")
	}
}

// FuzzTemplate checks that no value of the path and the query changes anything else.
func FuzzTemplate(f *testing.F) {
	for _, name := range []string{"a", "..", "/../x", "?", "#", "@evil", "%2e%2e", "%", "\x00", "é", "a&b=c;d", "\\"} {
		f.Add(name)
	}
	parsed, err := parseTemplate("--health-url", "http://user@lb:81/a/{name}/b?x={name}&y=1")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, name string) {
		u, err := parsed.expand(Instance{Name: name})
		if err != nil {
			return
		}
		require.Equal(t, "lb:81", u.Host)
		require.Equal(t, "user", u.User.String())
		require.Empty(t, u.Fragment)
		segments := strings.Split(u.EscapedPath(), "/")
		require.Len(t, segments, 4)
		plain, err := url.PathUnescape(segments[2])
		require.NoError(t, err)
		require.Equal(t, name, plain)
		query, err := url.ParseQuery(u.RawQuery)
		require.NoError(t, err)
		require.Equal(t, url.Values{"x": {name}, "y": {"1"}}, query)
	})
}
