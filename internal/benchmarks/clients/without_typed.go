//go:build race

package clients

// Typed reports whether All has the typed client.
const Typed = false

// typedClients returns nothing: compiling the typed SDK once more, for the race detector,
// takes most of a minute and 2 GiB.
func typedClients() []Client { return nil }
