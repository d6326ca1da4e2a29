package apart_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/internal/apart"
)

var errBroken = errors.New("broken")

// inGoroutine calls f in a goroutine, and returns once that has ended.
func inGoroutine(f func()) {
	var group sync.WaitGroup
	group.Go(f)
	group.Wait()
}

// Catch reports a panic and a Goexit, each with its value, and nothing else.
func TestCatch(t *testing.T) {
	for name, c := range map[string]struct {
		f      func()
		broken bool
		value  any
		goesOn bool
	}{
		"returns": {f: func() {}, goesOn: true},
		"panics":  {f: func() { panic(errBroken) }, broken: true, value: errBroken, goesOn: true},
		"exits":   {f: runtime.Goexit, broken: true},
	} {
		t.Run(name, func(t *testing.T) {
			broken, goesOn := 0, false
			inGoroutine(func() {
				apart.Catch(c.f, func(value any) {
					broken++
					assert.Equal(t, c.value, value)
				})
				goesOn = true
			})
			assert.Equal(t, c.broken, broken == 1)
			assert.LessOrEqual(t, broken, 1)
			assert.Equal(t, c.goesOn, goesOn)
		})
	}
}

// Do ends as the function does while it waits.
func TestDo(t *testing.T) {
	got, ok := apart.Do(t.Context(), func() int { return 7 })
	assert.True(t, ok)
	assert.Equal(t, 7, got)

	require.PanicsWithValue(t, errBroken, func() {
		apart.Do(t.Context(), func() int { panic(errBroken) })
	})

	goesOn := false
	inGoroutine(func() {
		apart.Do(t.Context(), func() int {
			runtime.Goexit()
			return 0
		})
		goesOn = true
	})
	assert.False(t, goesOn)
}

// Do leaves a function alone that does not return within the Grace after the end of the
// context, whatever becomes of it.
func TestDoLeaves(t *testing.T) {
	for name, c := range map[string]struct {
		lasts  time.Duration
		broken bool
		want   bool
	}{
		"in time":          {lasts: time.Second + apart.Grace - 1, want: true},
		"late":             {lasts: time.Second + apart.Grace + 1},
		"panics when late": {lasts: time.Minute, broken: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				got, ok := apart.Do(ctx, func() int {
					time.Sleep(c.lasts)
					if c.broken {
						panic(errBroken)
					}
					return 7
				})
				assert.Equal(t, c.want, ok)
				assert.Equal(t, c.want, got == 7)
				time.Sleep(time.Hour)
			})
		})
	}
}
