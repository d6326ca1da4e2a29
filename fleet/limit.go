package fleet

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Limit is a number of instances, or a percentage. The zero value means the default of
// the field that has this value; Count(0) means no instance.
type Limit struct {
	given   bool
	count   int
	percent float64
}

// Count returns a limit of n instances.
func Count(n int) Limit { return Limit{given: true, count: n} }

// Percent returns a limit of p percent of the instances, rounded down; some fields raise
// it to at least 1.
func Percent(p float64) Limit { return Limit{given: true, percent: p} }

// ParseLimit parses "3" or "2.5%". The empty string is the zero Limit.
func ParseLimit(text string) (Limit, error) {
	var l Limit
	err := l.UnmarshalText([]byte(text))
	return l, err
}

// Of returns the number of instances that the limit allows out of n.
func (l Limit) Of(n int) int {
	if l.percent > 0 {
		// A share such as 29 % of 100 must not be 28 because of how it is stored.
		return int(math.Floor(float64(n)*l.percent/100 + 1e-9))
	}
	return l.count
}

// IsZero reports whether the limit means the default.
func (l Limit) IsZero() bool { return l == Limit{} }

// String returns "3", "2.5%", or "" for the zero Limit.
func (l Limit) String() string {
	switch {
	case l.IsZero():
		return ""
	case l.percent != 0:
		return strconv.FormatFloat(l.percent, 'g', -1, 64) + "%"
	}
	return strconv.Itoa(l.count)
}

// MarshalText encodes the limit as [Limit.String] does.
func (l Limit) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText decodes what [Limit.MarshalText] encodes.
func (l *Limit) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "" {
		*l = Limit{}
		return nil
	}
	if share, ok := strings.CutSuffix(s, "%"); ok {
		p, err := strconv.ParseFloat(share, 64)
		if err != nil || !(p >= 0 && p <= 100) {
			return fmt.Errorf("fleet: %q is no share from 0%% to 100%%", s)
		}
		if p == 0 {
			*l = Count(0)
			return nil
		}
		*l = Percent(p)
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return fmt.Errorf("fleet: %q is neither a number of instances, as 3, nor a share of them, as 2%%", s)
	}
	*l = Count(n)
	return nil
}

// problem says what is wrong with a limit that a program made; "" if nothing is.
func (l Limit) problem() string {
	switch {
	case l.count < 0:
		return fmt.Sprintf("is %d, which is below 0", l.count)
	case l.given && l.percent != 0 && !(l.percent > 0 && l.percent <= 100):
		return fmt.Sprintf("is %v %%, which is no share from 0 to 100", l.percent)
	}
	return ""
}
