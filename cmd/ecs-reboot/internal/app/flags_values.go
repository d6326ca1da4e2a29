package app

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// listFlag is a list that grows each time the flag is given.
type listFlag []string

func (l *listFlag) String() string { return strings.Join(*l, ",") }
func (l *listFlag) Type() string   { return "ids" }

func (l *listFlag) Set(text string) error {
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			*l = append(*l, item)
		}
	}
	return nil
}

// tagFlag is a list of conditions, one for each time the flag is given.
type tagFlag struct {
	conditions []fleet.TagCondition
	texts      []string
}

func (t *tagFlag) Type() string   { return "condition" }
func (t *tagFlag) String() string { return strings.Join(t.texts, ",") }

func (t *tagFlag) Set(text string) error {
	condition, err := fleet.ParseTagCondition(text)
	if input, ok := errors.AsType[*ecsreboot.InputError](err); ok {
		return errors.New("it " + input.Problem)
	}
	if err != nil {
		return err
	}
	t.conditions, t.texts = append(t.conditions, condition), append(t.texts, text)
	return nil
}

// canaryFlag are the sizes of the canary stages; nil if they are not given.
type canaryFlag []int

func (c *canaryFlag) Type() string { return "sizes" }

func (c *canaryFlag) String() string {
	if *c != nil && len(*c) == 0 {
		return "none"
	}
	var sizes []string
	for _, size := range *c {
		sizes = append(sizes, strconv.Itoa(size))
	}
	return strings.Join(sizes, ",")
}

func (c *canaryFlag) Set(text string) error {
	*c = canaryFlag{}
	if text == "none" {
		return nil
	}
	for size := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(size))
		if err != nil || n < 1 {
			return errors.New("want the sizes of the stages, such as 1,5, or none")
		}
		*c = append(*c, n)
	}
	return nil
}

// typesFlag is a list of types of system events; nil if the flag is not given.
type typesFlag []string

func (f *typesFlag) Type() string   { return "types" }
func (f *typesFlag) String() string { return strings.Join(*f, ",") }

func (f *typesFlag) Set(text string) error {
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name == "" || strings.ContainsFunc(name, unicode.IsSpace) {
			return errors.New("want types such as " + ecsreboot.EventMaintenanceReboot + ", separated by commas")
		} else if !slices.Contains(*f, name) {
			*f = append(*f, name)
		}
	}
	return nil
}

// timeFlag is a point in time; zero if the flag is not given.
type timeFlag struct{ at time.Time }

func (f *timeFlag) Type() string { return "time" }

func (f *timeFlag) String() string {
	if f.at.IsZero() {
		return ""
	}
	return f.at.Format(time.RFC3339)
}

func (f *timeFlag) Set(text string) error {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", time.DateTime, "2006-01-02 15:04", time.DateOnly} {
		if at, err := time.ParseInLocation(layout, text, time.Local); err == nil && at.Year() > 0 {
			f.at = at
			return nil
		}
	}
	return errors.New("want a time such as 2026-12-01T02:00:00Z, 2026-12-01 or \"2026-12-01 02:00\"")
}
