package fleet_test

import (
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// FuzzLimit reads a limit off any text. One that is refused is the zero Limit; one
// that is accepted means the number that stands there, and is written so that it is
// read again.
func FuzzLimit(f *testing.F) {
	for _, text := range []string{
		"", "0", "3", "+7", "-0", "2%", "2.5%", "100%", "0.01%", "33.333333333333336%", "1e1%", "1e-400%", "-1e-400%", "1e-9999999999999%", "007", "1_0%", "0e99999999999999999999%", "0x1p-2%", "29%",
		"-1", "1.5", "101%", "NaN%", "Inf%", "%", "2%%", " 3", "1_000", "9223372036854775807", "9223372036854775808",
	} {
		f.Add(text, uint32(100))
		f.Add(text, uint32(49))
	}
	f.Fuzz(func(t *testing.T, text string, size uint32) {
		n := int(size % 10_000_000)
		limit, err := fleet.ParseLimit(text)
		if err != nil {
			require.True(t, limit.IsZero())
			require.ErrorContains(t, err, "fleet: ")
			return
		}
		require.Equal(t, text == "", limit.IsZero())

		again, err := fleet.ParseLimit(limit.String())
		require.NoError(t, err, limit)
		require.Equal(t, limit, again)
		encoded, err := json.Marshal(struct{ Limit fleet.Limit }{limit})
		require.NoError(t, err)
		var decoded struct{ Limit fleet.Limit }
		require.NoError(t, json.Unmarshal(encoded, &decoded))
		require.Equal(t, limit, decoded.Limit)

		number, isShare := strings.CutSuffix(text, "%")
		if text == "" {
			number = "0"
		}
		const bits = 200
		base := 10
		if strings.ContainsAny(number, "xX") {
			base = 0
		}
		exact, _, err := big.ParseFloat(strings.ReplaceAll(number, "_", ""), base, bits, big.ToNearestEven)
		if err != nil { // an exponent such as no other reader takes, of next to nothing
			require.True(t, strings.ContainsAny(number, "eEpP"), "%v", err)
			exact = new(big.Float)
		}
		if isShare {
			exact.Mul(exact, big.NewFloat(float64(n)).SetPrec(bits))
			exact.Quo(exact, big.NewFloat(100))
		}
		if exact.Sign() < 0 { // -1e-400 is read as 0
			require.Positive(t, exact.Cmp(big.NewFloat(-math.SmallestNonzeroFloat64)))
			exact = new(big.Float)
		}
		// Rounded down, except for the precision that storing the share loses.
		slack := new(big.Float).Add(exact, big.NewFloat(2e-9+float64(n)*1e-15))
		least, _ := exact.Int(nil)
		most, _ := slack.Int(nil)
		got := big.NewInt(int64(limit.Of(n)))
		require.GreaterOrEqual(t, got.Cmp(least), 0, "%s of %d is %v, not %v", text, n, got, least)
		require.LessOrEqual(t, got.Cmp(most), 0, "%s of %d is %v, not %v", text, n, got, least)
		if isShare {
			require.LessOrEqual(t, limit.Of(n), n)
			require.LessOrEqual(t, limit.Of(n), limit.Of(n+1), "more of more")
		}
	})
}
