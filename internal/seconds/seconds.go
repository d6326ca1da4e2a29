// Package seconds writes durations as numbers of seconds, in JSON whose keys end in
// "Seconds".
package seconds

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// Duration is a time.Duration whose JSON is a number of seconds, such as 1.5. What is
// written is read back to the nanosecond up to a duration of some three months.
type Duration time.Duration

// MarshalJSON writes the seconds.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).Seconds()) }

// UnmarshalJSON reads a number of seconds.
func (d *Duration) UnmarshalJSON(text []byte) error {
	value := time.Duration(*d).Seconds()
	if err := json.Unmarshal(text, &value); err != nil {
		return err
	}
	nanoseconds := math.Round(value * float64(time.Second))
	if math.Abs(nanoseconds) >= math.MaxInt64 { // the float64 next to it, which no int64 holds
		return fmt.Errorf("a duration of %v seconds is out of range", value)
	}
	*d = Duration(nanoseconds)
	return nil
}
