package ecsreboot

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/ecsreboot/ecsreboot/internal/document"
	"github.com/ecsreboot/ecsreboot/internal/once"
	"github.com/ecsreboot/ecsreboot/internal/redact"
)

const (
	// maxTextBytes bounds each text that an error keeps of a response.
	maxTextBytes = 1 << 10
	// maxDiagnosticBytes bounds the EncodedDiagnosticMessage.
	maxDiagnosticBytes = 8 << 10
	// maxRetryAfter bounds the hints that are believed.
	maxRetryAfter = 24 * time.Hour
)

// readAnswer reads a response and returns what the decision and the caller need of it.
func readAnswer(op operation, resp *once.Response, r *redact.Scrubber) attempted {
	res := attempted{progress: progress{stage: stageAnswered, status: resp.StatusCode}}
	// A year far off is nobody's clock; stamps made from it would be nonsense.
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil && 1990 < date.Year() && date.Year() < 2100 {
		res.clock, res.progress.serverTime = date, true
	}
	body := document.Trim(resp.Body)
	var answer document.Document
	readable := false
	if resp.BodyErr == nil {
		list := ""
		if op.into != nil {
			list = op.into.list()
		}
		answer, readable = document.Read(op.action, list, body)
	}
	res.requestID = r.ID(answer.RequestID)
	ownID := res.requestID != ""
	if !ownID {
		res.requestID = r.ID(resp.Header.Get("X-Acs-Request-Id"))
	}
	// The decision goes by what was received; only what is shown is scrubbed.
	res.progress.code = ErrorCode(answer.Code)
	res.progress.genuine = res.requestID != ""
	if resp.StatusCode/100 == 2 {
		res.progress.genuine = readable && ownID && !answer.Failure && (op.into == nil || op.into.read(body, r.ID))
		if res.progress.genuine {
			return res
		}
	}

	failure := &APIError{
		Code:         ErrorCode(r.ID(answer.Code)),
		StatusCode:   resp.StatusCode,
		RequestID:    res.requestID,
		HostID:       r.ID(answer.HostID),
		Recommend:    r.ID(answer.Recommend),
		RetryAfter:   retryAfter(resp.Header),
		AccessDenied: cleanDenied(answer.Denied, r),
		Message:      r.Text(cutStringToSign(answer.Text()), maxTextBytes),
	}
	failure.keepReceived(&answer)
	switch {
	case resp.StatusCode/100 == 3:
		failure.Message = r.Text(redirectMessage(resp.Header.Get("Location")), maxTextBytes)
	case failure.Code == "" || failure.Message == "":
		failure.Message = describeBody(resp, r)
	}
	if failure.AccessDenied.Action == "" && errors.Is(failure, ErrAccessDenied) {
		failure.AccessDenied.Action = "ecs:" + op.action
	}
	res.err, res.retryAfter, res.progress.stale = failure, failure.RetryAfter, isStale(failure)
	return res
}

func cleanDenied(d document.Denied, r *redact.Scrubber) AccessDenied {
	if d == (document.Denied{}) {
		return AccessDenied{}
	}
	diagnostic := r.Known(redact.Cut(d.Diagnostic))
	if len(diagnostic) > maxDiagnosticBytes || diagnostic != redact.Printable(diagnostic) {
		diagnostic = "" // a part of it could not be decoded
	}
	return AccessDenied{
		Action:                   r.ID(d.Action),
		PrincipalType:            r.ID(d.PrincipalType),
		PrincipalOwnerID:         r.ID(d.PrincipalOwnerID),
		PrincipalDisplayName:     r.ID(d.PrincipalDisplayName),
		PolicyType:               r.ID(d.PolicyType),
		NoPermissionType:         r.ID(d.NoPermissionType),
		EncodedDiagnosticMessage: diagnostic,
	}
}

// cutStringToSign ends a signature error's message before the string to sign that
// the service echoes: key id and token stand in it.
func cutStringToSign(message string) string {
	lower := strings.ToLower(message)
	for _, mark := range []string{"server string to sign", "server stringtosign", "stringtosign is", "string to sign is", "canonicalrequest is"} {
		if i := strings.Index(lower, mark); i >= 0 && len(lower) == len(message) {
			return strings.TrimRight(message[:i], " ,;:.") + "."
		}
	}
	return message
}

// describeBody describes a body that is no response of the service.
func describeBody(resp *once.Response, r *redact.Scrubber) string {
	switch {
	case resp.BodyErr != nil && len(resp.Body) == 0:
		return "the answer's body did not arrive"
	case errors.Is(resp.BodyErr, once.ErrBodyTooLong):
		return "the answer is longer than any of the service's"
	case resp.BodyErr != nil:
		return "the answer was cut short"
	}
	// Scrubbed before it is cut: half a secret would not be recognized.
	const read, shown = 4 << 10, 120
	begin := string(resp.Body[:min(len(resp.Body), read)])
	text, hidden := r.Text(begin, maxTextBytes), unprintable(begin)
	if text == "" && hidden == "" {
		return "an answer without a body"
	}
	if len(text) > shown {
		text = redact.Beginning(text, shown) + "…"
	}
	text = "not an answer of the service: " + strconv.Quote(text)
	if hidden != "" {
		text += " without the unprintable " + strconv.QuoteToASCII(hidden)
	}
	return text
}

// unprintable returns the first characters of a text that [redact.Printable] drops, each
// once. They are shown apart from the text: within it, they would hide a secret from
// the scrubber.
func unprintable(text string) string {
	const limit = 4
	var found []rune
	for _, c := range text {
		if len(found) < limit && !unicode.IsPrint(c) && !unicode.IsSpace(c) && !slices.Contains(found, c) {
			found = append(found, c)
		}
	}
	return string(found)
}

func redirectMessage(location string) string {
	host := "nowhere"
	if u, err := url.Parse(location); err == nil && u.Host != "" {
		host = "the host " + strconv.Quote(u.Hostname())
	} else if location != "" {
		host = "another path"
	}
	return "redirected to " + host + "; redirects are not followed"
}

// retryAfter returns the largest hint of a response, or 0. All are in milliseconds.
func retryAfter(header http.Header) time.Duration {
	longest := milliseconds(header.Get("X-Acs-Retry-After"))
	for _, name := range []string{"X-Ratelimit-User-Api", "X-Ratelimit-User"} {
		for rest := header.Get(name); rest != ""; {
			var part string
			part, rest, _ = strings.Cut(rest, ",")
			if key, value, _ := strings.Cut(part, ":"); strings.EqualFold(strings.TrimSpace(key), "TimeLeft") {
				longest = max(longest, milliseconds(value))
			}
		}
	}
	return longest
}

func milliseconds(text string) time.Duration {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n <= 0 {
		return 0
	}
	return time.Duration(min(n, int64(maxRetryAfter/time.Millisecond))) * time.Millisecond
}
