// Package conformance holds tests only: the vendor's SDKs and clients in other
// languages against ecstest, and the client of this project against the vendor's
// signing code and against real proxies. It is a module of its own so that nobody
// else needs what it needs.
// The program live compares ecstest with the real service.
package conformance
