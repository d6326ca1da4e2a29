package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// trace is the redacted result of a run.
type trace struct {
	Kit       int    `json:"kit"`
	Date      string `json:"date"`
	Region    string `json:"region"`
	Instances int    `json:"instances"` // number of instances in the region, 300 at most
	Restarts  int    `json:"restarts"`  // number of requests for a restart that were sent
	Rows      []row  `json:"rows"`
	Stopped   string `json:"stopped,omitempty"` // why the run ended early; empty if it did not
}

// row is the result of one experiment. Facts whose names end with "Ms" are in milliseconds.
// Facts whose names begin with "~" are for readers and are not compared.
type row struct {
	ID       string            `json:"id"`
	Facts    map[string]string `json:"facts,omitempty"`
	Timeline []moment          `json:"timeline,omitempty"`
	Skipped  string            `json:"skipped,omitempty"`
}

// row returns the row with the ID, or an empty row.
func (t *trace) row(id string) row {
	for _, r := range t.Rows {
		if r.ID == id {
			return r
		}
	}
	return row{}
}

type moment struct {
	Ms     int64  `json:"ms"`
	Status string `json:"status"`
}

// redactor removes from texts what must not leave the machine.
type redactor struct {
	secrets []string // a trace that holds one of these is not written
	hidden  []string // the secrets, and the values that the responses named
}

// hide adds values to remove. It ignores short values, because they occur within words.
func (r *redactor) hide(values ...string) {
	for _, value := range values {
		if len(value) >= 6 && !slices.Contains(r.hidden, value) {
			r.hidden = append(r.hidden, value)
		}
	}
	// The longest first, so that no part of a value remains after another value that it
	// contains was removed.
	slices.SortFunc(r.hidden, func(a, b string) int { return len(b) - len(a) })
}

// keep adds secrets.
func (r *redactor) keep(secrets ...string) {
	for _, secret := range secrets {
		if secret != "" {
			r.secrets = append(r.secrets, secret)
		}
	}
	r.hide(secrets...)
}

// naming matches the names of fields whose values may identify the owner of the instance.
var naming = regexp.MustCompile(`(Id|ID|Ids|Name|Address|Ip|IP|Mac|Number|Description|Owner|Key|Value|Token|Output|Username)$`)

// known are the names of fields whose values the vendor defines.
var known = []string{"RegionId", "ZoneId", "eventName", "QuotaName"}

// enumerations are the names of objects whose Name the vendor defines, such as Running.
var enumerations = []string{"Status", "HealthStatus", "EventType", "EventCycleStatus"}

// learn hides the values in a response that may identify its owner.
func (r *redactor) learn(value any, name string) {
	switch value := value.(type) {
	case map[string]any:
		if slices.Contains(enumerations, name) {
			return
		}
		for name, inner := range value {
			r.learn(inner, name)
		}
	case []any:
		for _, inner := range value {
			r.learn(inner, name)
		}
	case string:
		if naming.MatchString(name) && !slices.Contains(known, name) {
			r.hide(value)
		}
	}
}

var (
	// personal matches what looks like an address, an account, a key or a resource.
	personal = regexp.MustCompile(`\d{1,3}(\.\d{1,3}){3}|[0-9a-fA-F]{0,4}(:[0-9a-fA-F]{0,4}){3,}|\d{8,}|\b[a-z]{1,6}-[0-9a-z]{12,}\b|\b(LTAI|STS\.)\w+|[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-\w+`)
	// plainWord matches a word or a short number in a sentence, with its punctuation.
	plainWord = regexp.MustCompile(`^["'(\[]*([A-Za-z][A-Za-z.'-]{0,23}|\d{1,3})["')\],.:;]*$`)
	// plainName matches the name of a field or a header, or a code.
	plainName = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9._-]{0,80}|\d{3})$`)
)

const removed = "…"

// without removes value from text, in upper and lower case, because net/http changes the case
// of header names.
func without(text, value string) string {
	var kept strings.Builder
	value = lower(value)
	for {
		i := strings.Index(lower(text), value)
		if i < 0 {
			kept.WriteString(text)
			return kept.String()
		}
		kept.WriteString(text[:i] + removed)
		text = text[i+len(value):]
	}
}

// lower changes only ASCII letters, so that the length stays the same.
func lower(text string) string {
	b := []byte(text)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// withoutSecrets removes only the secrets, for the terminal of the owner, who may see the rest.
func (r *redactor) withoutSecrets(text string) string {
	for _, secret := range r.secrets {
		text = without(text, secret)
	}
	return text
}

func (r *redactor) clean(text string) string {
	for _, value := range r.hidden {
		text = without(text, value)
	}
	return personal.ReplaceAllString(text, removed)
}

// sentence keeps the plain words of a message, up to the place where the service repeats the
// request.
func (r *redactor) sentence(text string) string {
	for _, echo := range []string{"server string to sign", "server StringToSign", "server CanonicalRequest"} {
		text, _, _ = strings.Cut(text, echo)
	}
	words := strings.Fields(r.clean(text))
	words = words[:min(len(words), 40)]
	for i, word := range words {
		if !plainWord.MatchString(word) {
			words[i] = removed
		}
	}
	return strings.Join(words, " ")
}

// name returns a text that looks like a name, and otherwise removes it.
func (r *redactor) name(text string) string {
	if text = r.clean(text); text != "" && !plainName.MatchString(text) {
		return removed
	}
	return text
}

// names redacts each name, and joins the names.
func (r *redactor) names(all []string) string {
	kept := make([]string, 0, len(all))
	for _, name := range all {
		kept = append(kept, r.name(name))
	}
	slices.Sort(kept)
	return strings.Join(slices.Compact(kept), ",")
}

// write returns the trace as JSON, or an error if the trace holds something that must not leave
// the machine. Each fact is already redacted; this is a second check.
func (r *redactor) write(t *trace) ([]byte, error) {
	data, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return nil, err
	}
	for i, secret := range r.secrets {
		quoted, _ := json.Marshal(secret) // it never fails for a string
		if strings.Contains(lower(string(data)), lower(string(quoted[1:len(quoted)-1]))) {
			return nil, fmt.Errorf("the trace holds hidden value %d of %d and is not written", i+1, len(r.secrets))
		}
	}
	if personal.Match(data) {
		return nil, fmt.Errorf("the trace holds what looks like an address, an ID or a key and is not written")
	}
	return append(data, '\n'), nil
}
