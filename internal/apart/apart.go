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
	ends := make(chan Ending[T], 1)
	Go(f, func(e Ending[T]) { ends <- e })
	select {
	case e := <-ends:
		return e.Take(), true
	case <-ctx.Done():
	}
	timer := time.NewTimer(Grace)
	defer timer.Stop()
	select {
	case e := <-ends:
		return e.Take(), true
	case <-timer.C:
		return value, false
	}
}

// Ending is how a function ended.
type Ending[T any] struct {
	Value    T    // what it returned
	Exited   bool // it did not return …
	Panicked any  // … because of a panic with this value; nil after a [runtime.Goexit]
}

// Go calls f in a goroutine of its own, and then done in the same goroutine, however f
// ended.
func Go[T any](f func() T, done func(Ending[T])) {
	go func() {
		e := Ending[T]{Exited: true}
		defer func() { // also after a Goexit
			if e.Exited {
				e.Panicked = recover()
			}
			done(e)
		}()
		e.Value = f()
		e.Exited = false
	}()
}

// Take returns the value, or ends the goroutine as the function ended its own.
func (e Ending[T]) Take() T {
	switch {
	case e.Panicked != nil:
		panic(e.Panicked)
	case e.Exited:
		runtime.Goexit()
	}
	return e.Value
}
