// Package conformance holds tests only: the vendor's SDKs against ecstest, and
// the client of this project against the vendor's signing code and against real
// proxies. It is a module of its own so that nobody else needs what it needs.
package conformance
