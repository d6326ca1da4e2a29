// Package cmdline checks command lines, strictly: a restart must not happen
// because a script passed an empty variable or put a flag in the wrong place. Its
// errors are usage errors of package exitcode.
package cmdline

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

// Errorf returns an [exitcode.UsageError].
func Errorf(format string, args ...any) error {
	return &exitcode.UsageError{Problem: fmt.Sprintf(format, args...)}
}

// NewFlagSet returns a flag set that prints nothing by itself.
func NewFlagSet(program string) *flag.FlagSet {
	flags := flag.NewFlagSet(program, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return flags
}

// Parse parses the flags. It returns [flag.ErrHelp] for -h, and a usage error if a
// flag is invalid or empty.
func Parse(flags *flag.FlagSet, args []string) error {
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return InvalidFlag(err)
	}
	return RejectEmpty(flags)
}

// InvalidFlag returns the usage error for an error of package flag, which spells flags
// with one dash.
func InvalidFlag(err error) error {
	text := err.Error()
	for _, before := range []string{"flag provided but not defined: ", "flag needs an argument: ", " for flag ", " for "} {
		text = strings.Replace(text, before+"-", before+"--", 1)
	}
	return Errorf("%s", text)
}

// ParseID parses the flags and returns the only argument after them, the id of an
// instance.
func ParseID(flags *flag.FlagSet, args []string) (string, error) {
	if err := Parse(flags, args); err != nil {
		return "", err
	}
	return OnlyID(flags.Args())
}

// OnlyID returns the instance id that is the only argument.
func OnlyID(args []string) (string, error) {
	if err := RejectFlags(args); err != nil {
		return "", err
	}
	if len(args) > 1 {
		return "", Errorf("%d arguments after the flags, want one instance id", len(args))
	}
	return args[0], CheckID(args[0])
}

// CheckID rejects what cannot be an instance id.
func CheckID(id string) error {
	if id == "" {
		return Errorf("empty instance id")
	}
	for _, c := range id {
		if unicode.IsSpace(c) || !unicode.IsPrint(c) {
			return Errorf("invalid instance id %q: it contains %q", id, c)
		}
	}
	return nil
}

// RejectFlags rejects an empty list of arguments, and arguments after the first one
// that look like flags. Package flag stops at the first argument, so it would
// ignore a --dry-run that follows.
func RejectFlags(args []string) error {
	if len(args) == 0 {
		return Errorf("missing instance id")
	}
	for _, arg := range args[1:] {
		if strings.HasPrefix(arg, "-") {
			return Errorf("flag %s after the instance id; flags go before it", strconv.Quote(arg))
		}
	}
	return nil
}

// RejectEmpty rejects flags with an empty value: an unset variable of a script must
// not select a default.
func RejectEmpty(flags *flag.FlagSet) error {
	var empty []string
	flags.Visit(func(f *flag.Flag) {
		if f.Value.String() == "" {
			empty = append(empty, "--"+f.Name)
		}
	})
	if len(empty) > 0 {
		return Errorf("empty value of %s", strings.Join(empty, ", "))
	}
	return nil
}

// Given returns the names of the flags that the command line sets.
func Given(flags *flag.FlagSet) map[string]bool {
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	return given
}

// HasSwitch reports whether the arguments contain a boolean flag, such as json,
// even where package flag stopped parsing before it.
func HasSwitch(args []string, name string) bool {
	for _, arg := range args {
		found, value, hasValue := strings.Cut(arg, "=")
		if found != "-"+name && found != "--"+name {
			continue
		}
		if on, err := strconv.ParseBool(value); !hasValue || err == nil && on {
			return true
		}
	}
	return false
}
