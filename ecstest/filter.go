package ecstest

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// filter is a parameter of DescribeInstances by which it selects instances.
type filter struct {
	name    string
	selects string // for the documentation
	// values are the values that the vendor documents, and unknown is the code for any
	// other; without values, an unknown one selects nothing.
	values  []string
	unknown string
	list    bool // the value is a JSON list, one of which an instance must have
	has     func(v *instanceView, value string) bool
}

var filters = []filter{
	{name: "EipAddresses", selects: "Elastic IP addresses, as a JSON list", list: true, has: func(v *instanceView, ip string) bool { return v.EIPAddress.IPAddress == ip }},
	{name: "ImageId", selects: "image", has: func(v *instanceView, id string) bool { return v.ImageID == id }},
	{name: "InnerIpAddresses", selects: "addresses in the classic network, as a JSON list", list: true, has: func(v *instanceView, ip string) bool {
		return slices.Contains(v.InnerIPAddress.IPAddress, ip)
	}},
	{
		name: "InstanceChargeType", selects: "`PostPaid` or `PrePaid`", values: chargeTypes, unknown: "InvalidInstanceChargeType.NotFound",
		has: func(v *instanceView, kind string) bool { return v.InstanceChargeType == kind },
	},
	{name: "InstanceName", selects: "name, in which `*` stands for any text", has: func(v *instanceView, pattern string) bool { return isNamed(v.InstanceName, pattern) }},
	{
		name: "InstanceNetworkType", selects: "`vpc` or `classic`", values: []string{"classic", "vpc"}, unknown: "InvalidNetworkType.NotFound",
		has: func(v *instanceView, kind string) bool { return v.InstanceNetworkType == kind },
	},
	{name: "InstanceType", selects: "type", has: func(v *instanceView, name string) bool { return v.InstanceType == name }},
	{name: "InstanceTypeFamily", selects: "family of types, such as `ecs.g7`", has: func(v *instanceView, name string) bool { return v.InstanceTypeFamily == name }},
	{
		name: "InternetChargeType", selects: "`PayByTraffic` or `PayByBandwidth`", values: internetChargeTypes, unknown: "InvalidInternetChargeType.ValueNotSupported",
		has: func(v *instanceView, kind string) bool { return v.InternetChargeType == kind },
	},
	{name: "IoOptimized", selects: "`true` for all instances, `false` for none", values: []string{"true", "false"}, unknown: "InvalidParameter", has: func(v *instanceView, is string) bool {
		return strconv.FormatBool(v.IoOptimized) == is
	}},
	{name: "KeyPairName", selects: "key pair", has: func(v *instanceView, name string) bool { return v.KeyPairName == name }},
	{
		name: "LockReason", selects: "reason of a lock", values: []string{"financial", "security", "Recycling", "recycling", "dedicatedhostfinancial", "refunded"}, unknown: "InvalidLockReason.NotFound",
		has: func(v *instanceView, reason string) bool {
			return slices.ContainsFunc(v.OperationLocks.LockReason, func(l lockView) bool { return strings.EqualFold(l.LockReason, reason) })
		},
	},
	{name: "PrivateIpAddresses", selects: "addresses in the VPC, as a JSON list", list: true, has: func(v *instanceView, ip string) bool {
		return slices.Contains(v.VPCAttributes.PrivateIPAddress.IPAddress, ip)
	}},
	{name: "PublicIpAddresses", selects: "fixed public addresses, as a JSON list", list: true, has: func(v *instanceView, ip string) bool {
		return slices.Contains(v.PublicIPAddress.IPAddress, ip)
	}},
	{name: "ResourceGroupId", selects: "resource group", has: func(v *instanceView, id string) bool { return v.ResourceGroupID == id }},
	{name: "SecurityGroupId", selects: "security group", has: func(v *instanceView, id string) bool { return slices.Contains(v.SecurityGroupIDs.SecurityGroupID, id) }},
	{
		name: "Status", selects: "status", values: []string{"Pending", "Running", "Starting", "Stopping", "Stopped"}, unknown: "InvalidStatus.NotFound",
		has: func(v *instanceView, status string) bool { return v.Status == status },
	},
	{name: "VSwitchId", selects: "vSwitch", has: func(v *instanceView, id string) bool { return v.VPCAttributes.VSwitchID == id }},
	{name: "VpcId", selects: "VPC", has: func(v *instanceView, id string) bool { return v.VPCAttributes.VPCID == id }},
	{name: "ZoneId", selects: "zone", has: func(v *instanceView, id string) bool { return v.ZoneID == id }},
}

// firstOf returns the first parameter that is set and is one of the documented names. A
// name that ends with ".N" stands for a numbered list.
func (r *request) firstOf(names []string) string {
	for _, name := range slices.Sorted(maps.Keys(r.params)) {
		if r.params.Get(name) != "" && isOneOf(name, names) {
			return name
		}
	}
	return ""
}

func isOneOf(name string, names []string) bool {
	return slices.ContainsFunc(names, func(known string) bool {
		list, numbered := strings.CutSuffix(known, "N")
		return name == known || numbered && strings.HasPrefix(name, list)
	})
}

// unclear says what of the request has no documented meaning: a parameter with two
// values, or a numbered list with a gap, of which a reader of numbers would miss the
// rest. It returns "" if there is no such thing.
func (r *request) unclear(names []string) string {
	if r.action == actionList {
		names = slices.Clone(names)
		for _, f := range filters {
			names = append(names, f.name)
		}
	}
	numbered := map[string]int{}
	for _, name := range slices.Sorted(maps.Keys(r.params)) {
		values := r.params[name]
		if isOneOf(name, names) && slices.ContainsFunc(values, func(v string) bool { return v != values[0] }) {
			return "several values of the parameter " + name
		}
		if list, number, _ := strings.Cut(name, "."); slices.Contains(names, list+".N") && isNumber.MatchString(number) {
			numbered[list]++
		}
	}
	for _, list := range slices.Sorted(maps.Keys(numbered)) {
		if numbered[list] != len(r.repeated(list)) {
			return "a gap in the numbers of " + list + ".N"
		}
	}
	return ""
}

var isNumber = regexp.MustCompile(`\A[0-9]+\z`)

// notImplementedCode is a code that only ecstest has.
const notImplementedCode = "NotImplementedByEcstest"

// notImplemented is no answer of the service: an ignored parameter would list everything.
func (r *request) notImplemented(what string) *answer {
	return &answer{
		status: http.StatusBadRequest, code: notImplementedCode,
		message: "ecstest does not implement " + what + " of " + r.action,
	}
}

// filter returns what reports whether an instance has all that the request asks for; it
// does not look at the ids.
func (r *request) filter() (keep func(*instanceView) bool, refusal *answer) {
	var conditions []func(*instanceView) bool
	for _, f := range filters {
		value := r.params.Get(f.name)
		if value == "" {
			continue
		}
		wanted := []string{value}
		if f.list {
			if wanted, refusal = r.addresses(f.name); refusal != nil {
				return nil, refusal
			}
		}
		if len(f.values) > 0 && !slices.Contains(f.values, value) {
			if f.unknown == "InvalidParameter" {
				return nil, invalidParameter(f.name)
			}
			return nil, documented(f.unknown)
		}
		conditions = append(conditions, func(v *instanceView) bool {
			return slices.ContainsFunc(wanted, func(value string) bool { return f.has(v, value) })
		})
	}
	tagged, refusal := r.tagged()
	if refusal != nil {
		return nil, refusal
	}
	between, refusal := r.between()
	if refusal != nil {
		return nil, refusal
	}
	return func(v *instanceView) bool {
		return tagged(v.Tags) && between(v) && !slices.ContainsFunc(conditions, func(has func(*instanceView) bool) bool { return !has(v) })
	}, nil
}

// addresses reads a JSON list of addresses. The vendor documents that such a parameter
// has an effect only in one kind of network, but not what it does in the other.
func (r *request) addresses(name string) (ips []string, refusal *answer) {
	kinds := map[string]string{"InnerIpAddresses": "vpc", "PrivateIpAddresses": "classic", "EipAddresses": "classic"}
	if kind := r.params.Get("InstanceNetworkType"); kind != "" && kind == kinds[name] {
		return nil, r.notImplemented("the parameter " + name + " with InstanceNetworkType " + kind)
	}
	if json.Unmarshal([]byte(r.params.Get(name)), &ips) != nil || ips == nil || len(ips) > maxIDs || slices.Contains(ips, "") {
		return nil, invalidParameter(name)
	}
	return ips, nil
}

// timeFilters are Filter.1 to Filter.4, each with the only key that it may have. The
// times that they name belong to what they select.
var timeFilters = []struct {
	key string
	has func(v *instanceView, value string) bool
}{
	{"CreationStartTime", func(v *instanceView, from string) bool { return v.CreationTime >= from }},
	{"CreationEndTime", func(v *instanceView, until string) bool { return v.CreationTime <= until }},
	{"ExpiredStartTime", func(v *instanceView, from string) bool { return v.ExpiredTime >= from }},
	{"ExpiredEndTime", func(v *instanceView, until string) bool { return v.ExpiredTime <= until }},
}

// between reads Filter.N. All its times are of the same length, so that they are ordered
// as texts are.
func (r *request) between() (has func(*instanceView) bool, refusal *answer) {
	var conditions []func(*instanceView) bool
	for n, f := range timeFilters {
		name := "Filter." + strconv.Itoa(n+1)
		key, value := r.params.Get(name+".Key"), r.params.Get(name+".Value")
		if key == "" && value == "" {
			continue
		}
		if key != f.key {
			return nil, documented("InvalidFilterKey.NotFound")
		}
		// Parse also takes an hour of one digit, which text does not order.
		if t, err := time.Parse(minute, value); err != nil || t.Format(minute) != value {
			return nil, documented("InvalidFilterValue")
		}
		conditions = append(conditions, func(v *instanceView) bool { return f.has(v, value) })
	}
	return func(v *instanceView) bool {
		return !slices.ContainsFunc(conditions, func(has func(*instanceView) bool) bool { return !has(v) })
	}, nil
}

// isNamed is the filter InstanceName, in which "*" stands for any text. Whether the
// service heeds the case of letters is not documented; this server does.
func isNamed(name, pattern string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return name == pattern
	}
	rest, isPrefix := strings.CutPrefix(name, parts[0])
	for _, part := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(rest, part)
		if !found {
			return false
		}
		rest = after
	}
	return isPrefix && strings.HasSuffix(rest, parts[len(parts)-1])
}

// maxTags is how many tags one query may name.
const maxTags = 20

// wantedTag is a tag of a query; one without a value stands for any value.
type wantedTag struct {
	key, value string
	anyValue   bool
}

func (w wantedTag) is(t tagView) bool {
	return t.TagKey == w.key && (w.anyValue || t.TagValue == w.value)
}

// tagged reads Tag.N.Key and Tag.N.Value, whose last part may also be written in lower
// case. It returns a function that reports whether an instance has all these tags at
// once, as the vendor documents it; so two values of one key select nothing. It refuses a
// gap in the numbers: the vendor does not document what that selects.
func (r *request) tagged() (has func(*tagsView) bool, refusal *answer) {
	var wanted []wantedTag
	for _, n := range r.tagNumbers() {
		name := "Tag." + strconv.Itoa(n)
		param := func(upper, lower string) (value string, given bool) {
			return cmp.Or(r.params.Get(name+upper), r.params.Get(name+lower)), r.params.Has(name+upper) || r.params.Has(name+lower)
		}
		key, _ := param(".Key", ".key")
		value, hasValue := param(".Value", ".value")
		switch {
		case key == "":
			return nil, documented("InvalidTag.Mismatch")
		case n > maxTags:
			return nil, documented("InvalidTagCount")
		case n != len(wanted)+1: // 0 too
			return nil, r.notImplemented("a gap in the numbers of Tag.N")
		}
		wanted = append(wanted, wantedTag{key, value, !hasValue})
	}
	return func(tags *tagsView) bool {
		return !slices.ContainsFunc(wanted, func(w wantedTag) bool { return tags == nil || !slices.ContainsFunc(tags.Tag, w.is) })
	}, nil
}

var tagParameter = regexp.MustCompile(`\ATag\.(0|[1-9][0-9]{0,8})\.([Kk]ey|[Vv]alue)\z`)

// tagNumbers returns the numbers of the tags that the request names, in order.
func (r *request) tagNumbers() []int {
	var numbers []int
	for name := range r.params {
		if found := tagParameter.FindStringSubmatch(name); found != nil {
			n, _ := strconv.Atoi(found[1])
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers)
}
