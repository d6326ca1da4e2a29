package witness

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
)

var errAmbiguous = errors.New("an object has the same member twice")

// decode reads a record from which a finding may follow. It refuses an object in which a
// member occurs twice, in any case, because readers of JSON disagree about its value.
func decode(raw json.RawMessage, record any) error {
	if err := json.Unmarshal(raw, record); err != nil {
		return err
	}
	members := json.NewDecoder(bytes.NewReader(raw))
	if begin, err := members.Token(); err != nil || begin != json.Delim('{') {
		return err
	}
	seen := map[string]bool{}
	for members.More() {
		name, err := members.Token()
		if err != nil {
			return err
		}
		folded := strings.ToLower(name.(string)) // in an object, as json.Unmarshal has found
		if seen[folded] {
			return errAmbiguous
		}
		seen[folded] = true
		var value json.RawMessage
		if err := members.Decode(&value); err != nil {
			return err
		}
	}
	return nil
}
