// Package credential makes the credentials of credentials-go safe to use: [Supply]
// hands out [Secrets], whose printed form shows none.
//
// # The guard
//
// GetCredential of credentials-go takes no context, may block for as long as its
// provider likes, races with itself and can panic. So a guard calls each credential from
// one goroutine at a time, and everybody who needs the result waits for that goroutine
// under a context of their own. Clients that share a credential share its guard.
//
// # The default chain
//
// Without a credential of the caller, a chain looks for one where credentials-go's
// default chain does, in the same order, but strictly: a source that is there and cannot
// be used is an error, and never a reason to act as somebody else.
//
// # Errors
//
// The error of a provider can quote keys and signed URLs. An [Error] quotes it without
// secrets.
package credential
