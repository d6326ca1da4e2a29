package emulator

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot/ecstest"
)

// faultList is a flag.Value.
type faultList []ecstest.Fault

func (l *faultList) String() string { return "" }

func (l *faultList) Set(text string) error {
	fault, err := parseFault(text)
	if err == nil {
		*l = append(*l, fault)
	}
	return err
}

// parseFault parses kind[:times][,option]... The option body= takes all the rest.
func parseFault(text string) (ecstest.Fault, error) {
	var f ecstest.Fault
	text, f.Body, _ = strings.Cut(text, ",body=")
	head, options, hasOptions := strings.Cut(text, ",")
	kind, times, counted := strings.Cut(head, ":")
	f.Kind = ecstest.FaultKind(kind)
	if !slices.Contains(ecstest.FaultKinds(), f.Kind) {
		return f, fmt.Errorf("unknown kind %q", kind)
	}
	if counted {
		n, err := strconv.Atoi(times)
		switch {
		case times == "all":
			n = -1
		case err != nil || n < 1:
			return f, fmt.Errorf("invalid times %q, want a positive number or all", times)
		}
		f.Times = n
	}
	if !hasOptions {
		return f, nil
	}
	for option := range strings.SplitSeq(options, ",") {
		if err := setOption(&f, option); err != nil {
			return f, fmt.Errorf("option %q: %w", option, err)
		}
	}
	return f, nil
}

func setOption(f *ecstest.Fault, option string) (err error) {
	name, value, hasValue := strings.Cut(option, "=")
	if hasValue == (name == "act" || name == "real") {
		return errors.New("act and real take no value, every other option takes one")
	}
	switch name {
	case "act":
		f.Act = true
	case "real":
		f.Real = true
	case "action":
		if _, known := actions[value]; !known {
			return fmt.Errorf("unknown action %q", value)
		}
		f.Action = value
	case "id":
		f.InstanceID = value
	case "skip":
		f.Skip, err = strconv.Atoi(value)
	case "delay":
		f.Delay, err = time.ParseDuration(value)
	case "hint":
		f.Hint, err = time.ParseDuration(value)
	case "status":
		f.Status, err = strconv.Atoi(value)
	case "code":
		f.Code = value
	case "refuse":
		if value == "" {
			return errors.New("missing the code of the refusal, such as DiskError")
		}
		f.Refuse = value
	default:
		return errors.New("unknown option")
	}
	return err
}
