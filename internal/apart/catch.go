package apart

// Catch calls f. If f panics, Catch recovers, calls broken with the panic's value and
// returns. If f ends its goroutine with [runtime.Goexit], Catch calls broken with nil,
// and the goroutine ends.
func Catch(f func(), broken func(value any)) {
	returned := false
	defer func() {
		if !returned {
			broken(recover())
		}
	}()
	f()
	returned = true
}

// IgnorePanic is deferred where the result of foreign code that panics does not
// matter, or is the zero value.
func IgnorePanic() { _ = recover() }
