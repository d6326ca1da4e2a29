// Package apart runs the code of others, which may block or panic, in goroutines of its
// own.
package apart

import (
	"context"
	"runtime"
	"time"
)

// Grace is how long code that does not return is waited for once its context has ended.
// Code that heeds the context returns by then. A wait can meet two such blocks one after
// the other, and returns within a second nevertheless.
const Grace = 400 * time.Millisecond

// Do calls f in a goroutine of its own and returns what f returned. Do returns false if f
// is still at work when the Grace after the end of ctx is over: f then goes on alone, and
// Do drops what it returns or panics with.
//
// While Do waits, a panic of f and a [runtime.Goexit] in it take place in the goroutine of
// Do, without the stack trace of f.
func Do[T any](ctx context.Context, f func() T) (value T, ok bool) {
	ends := make(chan ending[T], 1)
	go func() {
		var e ending[T]
		defer func() { ends <- e }() // also after a Goexit
		Catch(func() { e.value = f() }, func(value any) { e.broken, e.panicked = true, value })
	}()
	select {
	case e := <-ends:
		return e.take(), true
	case <-ctx.Done():
	}
	timer := time.NewTimer(Grace)
	defer timer.Stop()
	select {
	case e := <-ends:
		return e.take(), true
	case <-timer.C:
		return value, false
	}
}

// ending is how a function ended.
type ending[T any] struct {
	value    T
	broken   bool // it did not return …
	panicked any  // … because of a panic with this value; nil after a Goexit
}

// take returns the value, or ends the goroutine as the function ended its own.
func (e ending[T]) take() T {
	switch {
	case e.panicked != nil:
		panic(e.panicked)
	case e.broken:
		runtime.Goexit()
	}
	return e.value
}
