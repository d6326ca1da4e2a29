package hook

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
)

// template is a URL with placeholders. The scheme, the user and the port have none.
type template struct {
	before string // the scheme and the user: "https://user@"
	host   []piece
	port   string // ":8080", or empty
	path   []piece
	query  []piece // without the question mark
	hasQ   bool
}

// piece is a literal text, or a placeholder.
type piece struct{ literal, placeholder string }

// parseTemplate parses the value of a flag. The error is a usage error that names the flag
// and shows the URL without its user and its query.
func parseTemplate(flag, text string) (*template, error) {
	refuse := func(format string, args ...any) (*template, error) {
		return nil, cmdline.Errorf("invalid %s %q: %s", flag, shown(text), fmt.Sprintf(format, args...))
	}
	scheme, rest, found := strings.Cut(text, "://")
	if lower := strings.ToLower(scheme); !found || lower != "http" && lower != "https" {
		return refuse("a URL begins with http:// or https://")
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }) {
		return refuse("it contains a space, a backslash or a control character")
	}
	if strings.Contains(rest, "#") {
		return refuse("a fragment (#) is never sent")
	}
	t := &template{before: scheme + "://"}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	authority, rest := rest[:end], rest[end:]
	if at := strings.LastIndex(authority, "@"); at >= 0 {
		t.before += authority[:at+1]
		authority = authority[at+1:]
	}
	host := authority
	if colon := strings.LastIndex(authority, ":"); colon > strings.LastIndex(authority, "]") {
		host, t.port = authority[:colon], authority[colon:]
	}
	path, query, hasQ := strings.Cut(rest, "?")
	t.hasQ = hasQ
	for _, part := range []struct {
		name, text string
		to         *[]piece
	}{{"user", t.before, nil}, {"port", t.port, nil}, {"host", host, &t.host}, {"path", path, &t.path}, {"query", query, &t.query}} {
		pieces, err := split(part.text)
		if err != nil {
			return refuse("%v", err)
		}
		if part.to != nil {
			*part.to = pieces
			continue
		}
		for _, p := range pieces {
			if p.placeholder != "" {
				return refuse("{%s} cannot stand in the %s", p.placeholder, part.name)
			}
		}
	}
	if host == "" {
		return refuse("it has no host")
	}
	// Any instance that has all values, to see whether the rest is a URL.
	sample := Instance{ID: "i", Name: "n", IP: "192.0.2.1", PrivateIP: "192.0.2.1", PublicIP: "192.0.2.1", HostName: "h", Zone: "z", Group: "g", Region: "r"}
	if _, err := t.expand(sample); err != nil {
		return refuse("%v", err)
	}
	return t, nil
}

// split cuts a text into literals and placeholders.
func split(text string) ([]piece, error) {
	var pieces []piece
	for text != "" {
		literal, rest, found := strings.Cut(text, "{")
		if strings.Contains(literal, "}") {
			return nil, fmt.Errorf("} without {; a brace that is part of the URL is written %%7B or %%7D")
		}
		if literal != "" {
			pieces = append(pieces, piece{literal: literal})
		}
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, fmt.Errorf("{ without }; a brace that is part of the URL is written %%7B or %%7D")
		}
		if _, known := (Instance{}).value(name); !known {
			return nil, fmt.Errorf("unknown placeholder {%s}; the placeholders are %s", name, placeholders)
		}
		pieces, text = append(pieces, piece{placeholder: name}), after
	}
	return pieces, nil
}

// missingError is the error of a hook for an instance that lacks the value of a
// placeholder.
type missingError struct{ placeholder string }

func (e *missingError) Error() string {
	return "the instance has no value for {" + e.placeholder + "}"
}

// fill returns the pieces with the values of an instance.
func fill(pieces []piece, i Instance, escape func(string) string) (string, error) {
	var filled strings.Builder
	for _, p := range pieces {
		if p.placeholder == "" {
			filled.WriteString(p.literal)
			continue
		}
		value, _ := i.value(p.placeholder)
		if value == "" {
			return "", &missingError{p.placeholder}
		}
		filled.WriteString(escape(value))
	}
	return filled.String(), nil
}

// expand returns the URL for an instance.
func (t *template) expand(i Instance) (*url.URL, error) {
	host, err := t.expandHost(i)
	if err != nil {
		return nil, err
	}
	path, err := fill(t.path, i, url.PathEscape)
	if err != nil {
		return nil, err
	}
	if len(t.path) > 1 { // it may have a placeholder
		for segment := range strings.SplitSeq(path, "/") {
			if plain, err := url.PathUnescape(segment); err == nil && (plain == "." || plain == "..") {
				return nil, fmt.Errorf("a value makes %q a segment of the path", plain)
			}
		}
	}
	query, err := fill(t.query, i, url.QueryEscape)
	if err != nil {
		return nil, err
	}
	text := t.before + host + t.port + path
	if t.hasQ {
		text += "?" + query
	}
	u, err := url.Parse(text)
	if err != nil {
		if failed, ok := err.(*url.Error); ok { //nolint:errorlint // it quotes the URL; its cause does not
			err = failed.Err
		}
		return nil, err
	}
	if port := u.Port(); t.port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return nil, fmt.Errorf("invalid port %q", strings.TrimPrefix(t.port, ":"))
		}
	}
	return u, nil
}

// hostName is a host name; a label may have underscores, as some have.
var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$`)

// isNumber is the last label of a host that some resolvers take for an IP address in an
// unusual spelling, such as 2130706433 or 0x7f.1 for 127.0.0.1.
var isNumber = regexp.MustCompile(`(?i)^(.*\.)?(0x[0-9a-f]*|[0-9]+)\.?$`)

// expandHost returns the host for an instance: an IP address or a host name.
func (t *template) expandHost(i Instance) (string, error) {
	host, err := fill(t.host, i, func(s string) string { return s })
	if err != nil {
		return "", err
	}
	literal := len(t.host) == 1 && t.host[0].placeholder == ""
	bare, bracketed := host, false
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		bare, bracketed = host[1:len(host)-1], true
	}
	if address, err := netip.ParseAddr(bare); err == nil && address.Zone() == "" && (!bracketed || address.Is6() || !literal) {
		if address.Is6() {
			return "[" + address.String() + "]", nil
		}
		return address.String(), nil
	}
	const longest = 253
	if bracketed || !hostName.MatchString(host) || isNumber.MatchString(host) || len(host) > longest {
		return "", fmt.Errorf("%q is not a valid host", host)
	}
	return host, nil
}

var (
	shownUser  = regexp.MustCompile(`//[^/?#]*@`)
	shownQuery = regexp.MustCompile(`\?.*`)
)

// shown is a URL as errors show it: without the user and the query, either of which may
// hold a secret.
func shown(text string) string {
	return shownQuery.ReplaceAllString(shownUser.ReplaceAllString(text, "//…@"), "?…")
}
