package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// trace is what a run saw, redacted.
type trace struct {
	Kit       int    `json:"kit"`
	Date      string `json:"date"`
	Region    string `json:"region"`
	Instances int    `json:"instances"` // of the region, 300 at most
	Restarts  int    `json:"restarts"`  // requests for a restart that were sent
	Rows      []row  `json:"rows"`
	Stopped   string `json:"stopped,omitempty"` // why, if the run did not reach its end
}

// row is what was seen of one claim of the table of behaviors. Facts that end with "Ms" are
// milliseconds, and facts that begin with "~" are for readers and not compared.
type row struct {
	ID       string            `json:"id"`
	Facts    map[string]string `json:"facts,omitempty"`
	Timeline []moment          `json:"timeline,omitempty"`
	Skipped  string            `json:"skipped,omitempty"`
}

// row is the row with the ID, or an empty one.
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

// redactor takes out of texts what must not leave the machine.
type redactor struct {
	secrets []string // no trace is written that holds one of them
	hidden  []string // these, and what the responses named
}

// hide adds values to take out. Short ones are left: they would take words apart.
func (r *redactor) hide(values ...string) {
	for _, value := range values {
		if len(value) >= 6 && !slices.Contains(r.hidden, value) {
			r.hidden = append(r.hidden, value)
		}
	}
	// The longest first, so that none is left in part because another is a part of it.
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

// naming is a name of a field whose value may say whose instance this is.
var naming = regexp.MustCompile(`(Id|ID|Ids|Name|Address|Ip|IP|Mac|Number|Description|Owner|Key|Value|Token|Output|Username)$`)

// known are the names of fields whose values are the vendor's words.
var known = []string{"RegionId", "ZoneId", "eventName", "QuotaName"}

// enumerations are the names of objects whose Name is the vendor's word, such as Running.
var enumerations = []string{"Status", "HealthStatus", "EventType", "EventCycleStatus"}

// learn hides the values in a response that may say whose it is.
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
	// personal is what looks like an address, an account, a key or a resource.
	personal = regexp.MustCompile(`\d{1,3}(\.\d{1,3}){3}|[0-9a-fA-F]{0,4}(:[0-9a-fA-F]{0,4}){3,}|\d{8,}|\b[a-z]{1,6}-[0-9a-z]{12,}\b|\b(LTAI|STS\.)\w+|[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-\w+`)
	// plainWord is a word or a short number of a sentence, with its punctuation.
	plainWord = regexp.MustCompile(`^["'(\[]*([A-Za-z][A-Za-z.'-]{0,23}|\d{1,3})["')\],.:;]*$`)
	// plainName is a name of a field or a header, or a code.
	plainName = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9._-]{0,80}|\d{3})$`)
)

const removed = "…"

// without takes value out of text, in upper and lower case: net/http changes the case of the
// names of headers.
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

// lower changes ASCII letters only, so that the length stays.
func lower(text string) string {
	b := []byte(text)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// withoutSecrets is for the terminal of the owner, who may see all else.
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

// sentence keeps the plain words of a message, up to where the service repeats what was sent.
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

// name keeps a name that looks like one.
func (r *redactor) name(text string) string {
	if text = r.clean(text); text != "" && !plainName.MatchString(text) {
		return removed
	}
	return text
}

// names joins names, each redacted.
func (r *redactor) names(all []string) string {
	kept := make([]string, 0, len(all))
	for _, name := range all {
		kept = append(kept, r.name(name))
	}
	slices.Sort(kept)
	return strings.Join(slices.Compact(kept), ",")
}

// write returns the trace as JSON, or an error if something is in it that must not be. The
// facts are redacted one by one; this is the second line.
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
