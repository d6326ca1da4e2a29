package report_test

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/report"
)

// tokens reads a page as a browser would that makes no allowances: what is no tag,
// no attribute in quotes and no text without < is an error.
type tokens struct {
	rest  string
	open  []string
	names map[string]bool // of tags and attributes
	texts []string        // and values, unescaped
}

const nameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-:"

func (k *tokens) name() string {
	n := len(k.rest) - len(strings.TrimLeft(k.rest, nameCharacters))
	name := k.rest[:n]
	k.rest = k.rest[n:]
	return name
}

func (k *tokens) takes(prefix string) bool {
	rest, found := strings.CutPrefix(k.rest, prefix)
	k.rest = rest
	return found
}

// optional are the tags that need no end, void those that have none.
var (
	optional = []string{"li", "tr", "td", "th"}
	void     = []string{"meta", "input"}
)

func (k *tokens) run() error {
	if !k.takes("<!DOCTYPE html>") {
		return errors.New("no document type")
	}
	for k.rest != "" {
		text, _, _ := strings.Cut(k.rest, "<")
		k.rest = k.rest[len(text):]
		if err := k.text(text); err != nil {
			return err
		}
		if err := k.tag(); err != nil {
			return fmt.Errorf("%w, before %.60q", err, k.rest)
		}
	}
	if len(k.open) > 0 {
		return fmt.Errorf("%v have no end", k.open)
	}
	return nil
}

// text takes text, in which every & must begin an escape.
func (k *tokens) text(text string) error {
	for part := range strings.SplitSeq(text, "&") {
		if len(part) == len(text) {
			break
		}
		text = text[min(len(text), len(part)+1):]
		if name, _, found := strings.Cut(text, ";"); text != "" && (!found || html.UnescapeString("&"+name+";") == "&"+name+";") {
			return fmt.Errorf("an & that escapes nothing, before %.60q", text)
		}
	}
	return nil
}

func (k *tokens) tag() error {
	switch {
	case k.rest == "":
		return nil
	case k.takes("</"):
		name := k.name()
		if !k.takes(">") {
			return errors.New("an end without an end")
		}
		for len(k.open) > 0 {
			last := k.open[len(k.open)-1]
			k.open = k.open[:len(k.open)-1]
			if last == name {
				return nil
			}
			if !slices.Contains(optional, last) {
				return fmt.Errorf("<%s> ends as </%s>", last, name)
			}
		}
		return fmt.Errorf("</%s> without a beginning", name)
	case !k.takes("<"):
		return errors.New("no tag")
	}
	name := k.name()
	if name == "" {
		return errors.New("a < that begins no tag")
	}
	k.names[name] = true
	for {
		k.rest = strings.TrimLeft(k.rest, " \n")
		switch {
		case k.takes("/>"):
			return nil
		case k.takes(">"):
			if name == "style" || name == "script" { // what is in there is raw
				_, rest, found := strings.Cut(k.rest, "</"+name+">")
				if k.rest = rest; !found {
					return errors.New("no end")
				}
			} else if !slices.Contains(void, name) {
				k.open = append(k.open, name)
			}
			return nil
		}
		attribute := k.name()
		if attribute == "" {
			return errors.New("what is no attribute")
		}
		k.names[name+" "+attribute] = true
		if !k.takes("=") {
			continue
		}
		value, rest, found := strings.Cut(strings.TrimPrefix(k.rest, `"`), `"`)
		if !found || k.rest[0] != '"' {
			return errors.New("a value without quotes")
		}
		k.rest = rest
		if err := k.text(value); err != nil {
			return err
		}
		k.texts = append(k.texts, html.UnescapeString(value))
	}
}

// hostileHistory is a history in which everything that can be text is the text, in
// places of all kinds.
func hostileHistory(text string, shape uint16) *fleet.History {
	pick := func(bit int) string {
		if shape&(1<<bit) != 0 {
			return text
		}
		return "plain"
	}
	plan := fleet.Plan{Region: pick(0), Endpoint: pick(1), ForceStop: shape&1 != 0}
	events := []fleet.Event{
		{Kind: fleet.EventPause, Reason: fleet.Reason("w" + pick(2)), Error: pick(3)},
		{Kind: fleet.EventContinue, Reason: fleet.Reason("w" + pick(2))},
		{Kind: fleet.EventHalt, Reason: fleet.Reason("h" + pick(4)), Error: pick(5)},
	}
	kinds := []fleet.EventKind{fleet.EventFailed, fleet.EventUnknown, fleet.EventSkipped, fleet.EventUnsent, fleet.EventHealthy, fleet.EventHeld, fleet.EventDown}
	for i, kind := range kinds {
		id := fmt.Sprintf("%s%d", pick(6), i)
		plan.Targets = append(plan.Targets, fleet.Target{ID: id, Name: pick(7), Zone: pick(8), Group: fmt.Sprintf("%s%d", pick(9), i%3)})
		events = append(
			events,
			fleet.Event{Kind: fleet.EventIntent, InstanceID: id, Attempt: 1 + i%3},
			fleet.Event{
				Kind: kind, InstanceID: id, Reason: fleet.Reason(pick(10)), Code: ecsreboot.ErrorCode(pick(11)), Error: pick(12),
				RequestID: pick(13), Proof: ecsreboot.Proof(pick(14)),
			},
		)
	}
	events = append(events, fleet.Event{Kind: fleet.EventEnd, Reason: fleet.Reason(pick(15))}, fleet.Event{Kind: fleet.EventKind(text)})
	history := script(plan, events...)
	history.Events[0].Program, history.Events[0].Hooks = pick(3), []fleet.Hook{fleet.Hook(pick(5))}
	return history
}

// FuzzPage writes pages of histories with any texts. No text may change what the
// page is made of, and each must come out of the page as it went in.
func FuzzPage(f *testing.F) {
	for _, text := range []string{
		"", "plain", `</title><script>alert(1)</script>"'><img src=x onerror=alert(2)>&{{.}}`, "<!--", "]]>", "</style>", "a&amp;b&lt", "&#60;",
		"\x00\x01\u2028\ufeff", "'`=/ onload=x", "javascript:alert(1)", "中\xff\xfe", "\r\n\t", strings.Repeat("x", 3000), "+ADw-", "%3c",
	} {
		f.Add(text, uint16(0xffff), "rolling", "run.journal")
		f.Add(text, uint16(0x5555), text, text)
	}
	known := &tokens{rest: write(f, hostileHistory("plain", 0), options), names: make(map[string]bool)}
	require.NoError(f, known.run())
	f.Fuzz(func(t *testing.T, text string, shape uint16, program, journal string) {
		history := hostileHistory(text, shape)
		var page bytes.Buffer
		require.NoError(t, report.HTML(&page, history, report.Options{Program: program, Journal: journal, Location: time.UTC}))
		found := &tokens{rest: page.String(), names: make(map[string]bool)}
		require.NoError(t, found.run())
		for name := range found.names {
			require.True(t, known.names[name], "%q is none of the page's own", name)
		}
		var data bytes.Buffer
		require.NoError(t, report.JSON(&data, history))
		require.NotRegexp(t, `[^\\]":null[,}]`, data.String())
		if !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\r") { // which HTML cannot hold
			return
		}
		requireAgrees(t, page.String(), history)
		for i := range 7 {
			title := fmt.Sprintf("%s (%s): ", history.Plan.Targets[i].ID, history.Plan.Targets[i].Name)
			if history.Plan.Targets[i].Name != "" {
				require.True(t, slices.ContainsFunc(found.texts, func(s string) bool { return strings.HasPrefix(s, title) }), title)
			}
		}
	})
}
