package seconds_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/internal/seconds"
)

func TestDuration(t *testing.T) {
	for text, d := range map[string]time.Duration{
		"0": 0, "1.5": 1500 * time.Millisecond, "-2": -2 * time.Second, "1e-9": time.Nanosecond, "5184000.000000001": 60*24*time.Hour + 1,
	} {
		written, err := json.Marshal(seconds.Duration(d))
		require.NoError(t, err)
		assert.Equal(t, text, string(written))
		again := seconds.Duration(7)
		require.NoError(t, json.Unmarshal(written, &again))
		assert.Equal(t, d, time.Duration(again))
	}
	for _, text := range []string{"1e300", "-1e300", "9223372036.854775807", `"1s"`, "[]"} {
		d := seconds.Duration(7)
		require.Error(t, json.Unmarshal([]byte(text), &d), text)
		assert.Equal(t, seconds.Duration(7), d)
	}
	var field struct {
		D seconds.Duration `json:"d,omitzero"`
	}
	require.NoError(t, json.Unmarshal([]byte(`{"d":null}`), &field))
	written, err := json.Marshal(field)
	require.NoError(t, err)
	assert.Equal(t, "{}", string(written))
}

// FuzzDuration reads what it wrote.
func FuzzDuration(f *testing.F) {
	f.Add(int64(time.Hour + 1))
	f.Fuzz(func(t *testing.T, n int64) {
		n %= 1 << 53
		written, err := json.Marshal(seconds.Duration(n))
		require.NoError(t, err)
		var again seconds.Duration
		require.NoError(t, json.Unmarshal(written, &again))
		assert.Equal(t, seconds.Duration(n), again)
	})
}
