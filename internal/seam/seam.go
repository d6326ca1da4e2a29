// Package seam carries in a context what internal/simulation replaces below the exported
// API: the source of random numbers, and the file system of a run's journal.
//
// Only packages of this module can import it, so no caller can weaken the nonces and the
// send IDs. A context without a seam has the system's random numbers and files.
package seam

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"io"
	weak "math/rand/v2"
	"time"
)

type (
	randomKey struct{}
	filesKey  struct{}
)

// WithRandom returns a context with a source of random numbers. The source must be safe
// for concurrent use, and its Read must not fail.
func WithRandom(ctx context.Context, source io.Reader) context.Context {
	return context.WithValue(ctx, randomKey{}, source)
}

// Random returns the source of ctx, or that of crypto/rand.
func Random(ctx context.Context) io.Reader {
	if source, ok := ctx.Value(randomKey{}).(io.Reader); ok {
		return source
	}
	return rand.Reader
}

// Text returns a random text like [rand.Text].
func Text(ctx context.Context) string {
	source, ok := ctx.Value(randomKey{}).(io.Reader)
	if !ok {
		return rand.Text()
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	text := make([]byte, 26)
	_, _ = io.ReadFull(source, text) // a source does not fail
	for i := range text {
		text[i] = alphabet[text[i]%32]
	}
	return string(text)
}

// Jitter returns a random duration below bound, which must be positive.
func Jitter(ctx context.Context, bound time.Duration) time.Duration {
	source, ok := ctx.Value(randomKey{}).(io.Reader)
	if !ok {
		return weak.N(bound) //nolint:gosec // jitter needs no secrecy
	}
	var drawn [8]byte
	_, _ = io.ReadFull(source, drawn[:]) // a source does not fail
	return time.Duration(binary.NativeEndian.Uint64(drawn[:])>>1) % bound
}

// WithFiles returns a context with a file system for the journals of runs, which is a
// journal.FS of package fleet/journal.
func WithFiles(ctx context.Context, files any) context.Context {
	return context.WithValue(ctx, filesKey{}, files)
}

// Files returns the file system of ctx, or nil.
func Files(ctx context.Context) any { return ctx.Value(filesKey{}) }
