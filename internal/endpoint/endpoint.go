// Package endpoint knows the hosts of ECS and what may be one.
package endpoint

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// publicHosts are the regions whose public host does not follow the rule
// ecs.<region>.aliyuncs.com, as the vendor's SDKs have them. Regions internal to
// the vendor are left to the endpoints that callers give.
var publicHosts = map[string]string{
	"cn-hangzhou":           "ecs-cn-hangzhou.aliyuncs.com",
	"cn-shanghai-finance-1": "ecs-cn-hangzhou.aliyuncs.com",
	"cn-shenzhen-finance-1": "ecs-cn-hangzhou.aliyuncs.com",
	"cn-beijing-gov-1":      "ecs.aliyuncs.com",
	"cn-hangzhou-finance":   "ecs.aliyuncs.com",
	"cn-north-2-gov-1":      "ecs.aliyuncs.com",
}

// Host returns the host of ECS in a region. A VPC host always follows the
// rule and never falls back to the public one: a machine without a way to the
// internet must fail, not hang.
func Host(region string, vpc bool) string {
	if vpc {
		return "ecs-vpc." + region + ".aliyuncs.com"
	}
	if host, ok := publicHosts[region]; ok {
		return host
	}
	return "ecs." + region + ".aliyuncs.com"
}

const maxRegionLength = 63 // a label of a host name

// RegionProblem says why a text cannot be a region id, such as "cn-hangzhou ",
// "CN-Hangzhou" or a host name. It is empty for one that can. Whether the region exists
// shows when its host is looked up.
func RegionProblem(region string) string {
	switch {
	case region == "":
		return `is empty; it is an id such as "cn-hangzhou"`
	case len(region) > maxRegionLength:
		return fmt.Sprintf("is %d bytes long, the limit is %d", len(region), maxRegionLength)
	}
	for _, c := range region {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return fmt.Sprintf("%q holds %q; a region id has lower-case letters, digits and hyphens", region, c)
		}
	}
	switch {
	case strings.Contains("-"+region+"-", "--"):
		return fmt.Sprintf("%q has a hyphen too many", region)
	case region[0] < 'a', !strings.Contains(region, "-"):
		return fmt.Sprintf(`%q is not an id such as "cn-hangzhou"`, region)
	}
	return ""
}

// Parse returns the scheme and the host of an endpoint, or says what is wrong with it.
// Plain http is for loopback hosts alone: it would show the credentials, or a request to
// replay, to the network.
func Parse(endpoint string) (scheme, host, problem string) {
	// The text may hold a password (https://user:password@host), so the problem does
	// not quote it.
	refuse := func(problem string) (string, string, string) { return "", "", problem }
	if endpoint == "" {
		return refuse("is empty")
	}
	u, parseErr := url.Parse(endpoint)
	switch {
	case parseErr != nil:
		return refuse(`is not a URL such as "https://ecs.cn-beijing.aliyuncs.com"`)
	case u.Scheme != "https" && u.Scheme != "http" || u.Opaque != "" || u.Host == "":
		return refuse(`must be a URL with scheme and host, such as "https://ecs.cn-beijing.aliyuncs.com"`)
	case u.User != nil:
		return refuse("must not hold a user name or password")
	case u.Path != "" && u.Path != "/":
		return refuse("must not have a path")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return refuse("must not have a query or fragment")
	}
	name := strings.ToLower(u.Hostname())
	if !isHostName(name) {
		return refuse("has no usable host name")
	}
	if port := u.Port(); port != "" {
		if n, portErr := strconv.ParseUint(port, 10, 16); portErr != nil || n == 0 {
			return refuse("has a port outside 1 to 65535")
		}
	}
	if u.Scheme == "http" && !isLoopback(name) {
		return refuse("must be https: plain http is accepted for a loopback host only")
	}
	host = strings.ToLower(u.Host)
	if port := u.Port(); port == "" || u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		host = strings.TrimSuffix(strings.TrimSuffix(host, port), ":")
	}
	return u.Scheme, host, ""
}

// isHostName accepts addresses, and names in the characters that DNS knows: the
// host is signed as it is sent, and net/http would rewrite others.
func isHostName(name string) bool {
	if addr, err := netip.ParseAddr(name); err == nil {
		return addr.Zone() == ""
	}
	return !strings.Contains("."+name+".", "..") && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == ""
}

// isLoopback reports whether a host stays on this machine, without asking a name
// server.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
