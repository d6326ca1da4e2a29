package endpoint_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/internal/endpoint"
)

func TestRegionHost(t *testing.T) {
	for region, want := range map[string]string{
		"cn-beijing":            "ecs.cn-beijing.aliyuncs.com",
		"cn-hangzhou":           "ecs-cn-hangzhou.aliyuncs.com",
		"ap-southeast-1":        "ecs.ap-southeast-1.aliyuncs.com",
		"us-east-1":             "ecs.us-east-1.aliyuncs.com",
		"cn-shanghai-finance-1": "ecs-cn-hangzhou.aliyuncs.com",
		"cn-north-2-gov-1":      "ecs.aliyuncs.com",
		"cn-newly-opened-7":     "ecs.cn-newly-opened-7.aliyuncs.com",
	} {
		assert.Equal(t, want, endpoint.Host(region, false))
		assert.Equal(t, "ecs-vpc."+region+".aliyuncs.com", endpoint.Host(region, true), "VPC is really VPC")
	}
}

func TestCheckRegion(t *testing.T) {
	for _, region := range []string{"cn-hangzhou", "cn-beijing-finance-1", "ap-northeast-2", "cn-wuhan-lr", "cn-hangzhou-bj-b01"} {
		assert.Empty(t, endpoint.RegionProblem(region), region)
	}
	for region, problem := range map[string]string{
		"":                            "is empty",
		"cn-hang zhou":                `' '`,
		"cn-hangzhou\n":               `'\n'`,
		"CN-Hangzhou":                 `'C'`,
		"cn_hangzhou":                 `'_'`,
		"cn--hangzhou":                "a hyphen too many",
		"-cn-hangzhou":                "a hyphen too many",
		"cn-hangzhou-":                "a hyphen too many",
		"hangzhou":                    `an id such as "cn-hangzhou"`,
		"1-2":                         `an id such as "cn-hangzhou"`,
		"cn-hangzhou.evil.com/":       `'.'`,
		"cn-hängzhou":                 `'ä'`,
		strings.Repeat("cn-a", 30):    "120 bytes long",
		"ecs.cn-beijing.aliyuncs.com": `'.'`,
	} {
		assert.Contains(t, endpoint.RegionProblem(region), problem)
	}
}

func TestParseEndpoint(t *testing.T) {
	for given, want := range map[string]string{
		"https://ecs.cn-beijing.aliyuncs.com":      "https://ecs.cn-beijing.aliyuncs.com",
		"https://ECS.cn-beijing.aliyuncs.com/":     "https://ecs.cn-beijing.aliyuncs.com",
		"HTTPS://ecs.cn-beijing.aliyuncs.com:443":  "https://ecs.cn-beijing.aliyuncs.com",
		"https://ecs.cn-beijing.aliyuncs.com:8443": "https://ecs.cn-beijing.aliyuncs.com:8443",
		"https://10.0.0.1":                         "https://10.0.0.1",
		"https://[2001:db8::1]:443/":               "https://[2001:db8::1]",
		"https://[2001:db8::1]:8443":               "https://[2001:db8::1]:8443",
		"http://127.0.0.1:8080":                    "http://127.0.0.1:8080",
		"http://127.1.2.3":                         "http://127.1.2.3",
		"http://localhost:80":                      "http://localhost",
		"http://LOCALHOST:1":                       "http://localhost:1",
		"http://[::1]:8080":                        "http://[::1]:8080",
		"http://[::ffff:127.0.0.1]:8080":           "http://[::ffff:127.0.0.1]:8080",
	} {
		scheme, host, problem := endpoint.Parse(given)
		require.Empty(t, problem, given)
		assert.Equal(t, want, scheme+"://"+host, given)
	}
	for given, want := range map[string]string{
		"":                                   "is empty",
		"ecs.cn-beijing.aliyuncs.com":        "scheme and host",
		"ecs.cn-beijing.aliyuncs.com:443":    "scheme and host",
		"ftp://ecs.cn-beijing.aliyuncs.com":  "scheme and host",
		"https:ecs.cn-beijing":               "scheme and host",
		"https://":                           "scheme and host",
		"https://:443":                       "no usable host",
		"http://ecs.cn-beijing.aliyuncs.com": "must be https",
		"http://localhost.evil.com":          "must be https",
		"http://127.0.0.1.evil.com":          "must be https",
		"http://10.0.0.1":                    "must be https",
		"https://me:pass-word@127.0.0.1":     "user name or password",
		"https://127.0.0.1/path":             "must not have a path",
		"https://127.0.0.1/?q":               "must not have a query",
		"https://127.0.0.1?":                 "must not have a query",
		"https://127.0.0.1/#f":               "must not have a query or fragment",
		"https://中国":                         "no usable host name",
		"https://[fe80::1%25eth0]":           "no usable host",
		"http://ecs.localhost":               "must be https",
		"https://h:0":                        "a port outside 1 to 65535",
		"https://h:65536":                    "a port outside 1 to 65535",
		"https://a..b":                       "no usable host",
		"https://a<b":                        "no usable host",
		"https://a\"b":                       "no usable host",
		"https://a b":                        "is not a URL",
		"https://127.0.0.1:port":             "is not a URL",
		"https://me:pass-word@\x7f":          "is not a URL",
	} {
		_, _, problem := endpoint.Parse(given)
		assert.Contains(t, problem, want, given)
		assert.NotContains(t, problem, "pass-word")
	}
}

// An endpoint that is accepted parses to itself, is https or loopback, and holds
// nothing that would change the signed host.
func FuzzParseEndpoint(f *testing.F) {
	f.Add("https://ecs.cn-beijing.aliyuncs.com")
	f.Add("http://[::1]:8080/")
	f.Add("https://user@host:1/?#")
	f.Fuzz(func(t *testing.T, given string) {
		scheme, host, problem := endpoint.Parse(given)
		if problem != "" {
			return
		}
		scheme2, host2, problem := endpoint.Parse(scheme + "://" + host)
		require.Empty(t, problem, host)
		require.Equal(t, scheme+host, scheme2+host2)
		require.NotContains(t, host, "@")
		require.NotContains(t, host, "/")
		require.Equal(t, strings.ToLower(host), host)
		require.Contains(t, []string{"http", "https"}, scheme)
	})
}
