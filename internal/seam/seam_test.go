package seam_test

import (
	"bytes"
	"crypto/rand"
	mathrand "math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecsreboot/ecsreboot/internal/seam"
)

func TestSeededSource(t *testing.T) {
	draw := func() []any {
		ctx := seam.WithRandom(t.Context(), mathrand.NewChaCha8([32]byte{7}))
		return []any{seam.Text(ctx), seam.Jitter(ctx, time.Minute), seam.Text(ctx), seam.Random(ctx)}
	}
	first, second := draw(), draw()
	assert.Equal(t, first, second)
	assert.NotEqual(t, first[0], first[2])
	assert.Len(t, first[0], len(rand.Text()))
	assert.Regexp(t, "^[A-Z2-7]+$", first[0])
}

func TestWithoutSeam(t *testing.T) {
	assert.Equal(t, rand.Reader, seam.Random(t.Context()))
	assert.NotEqual(t, seam.Text(t.Context()), seam.Text(t.Context()))
	assert.Nil(t, seam.Files(t.Context()))
}

func TestJitterIsBelowItsBound(t *testing.T) {
	seeded := seam.WithRandom(t.Context(), mathrand.NewChaCha8([32]byte{}))
	highest := seam.WithRandom(t.Context(), bytes.NewReader(bytes.Repeat([]byte{0xff}, 8)))
	assert.Less(t, seam.Jitter(highest, time.Second), time.Second)
	for range 1000 {
		for _, jitter := range []time.Duration{seam.Jitter(seeded, 10), seam.Jitter(t.Context(), 10)} {
			assert.GreaterOrEqual(t, jitter, time.Duration(0))
			assert.Less(t, jitter, time.Duration(10))
		}
	}
}

func TestFiles(t *testing.T) {
	assert.Equal(t, "a disk", seam.Files(seam.WithFiles(t.Context(), "a disk")))
}
