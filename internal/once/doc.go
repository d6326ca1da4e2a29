// Package once is the transport of the client. It lets the request of a restart
// leave at most once, and it knows whether the request left.
//
// A restart has no idempotency token: a request that arrives twice restarts the
// instance twice. Three parties could send it twice: net/http, which repeats some
// requests by itself; a RoundTripper of the caller, which may repeat what fails; and a
// copy of the request that such a RoundTripper left behind. Each of them is stopped at
// the last place where that is possible.
//
// # The rules of the transport
//
// Requests are POSTs over HTTP/1.1, because net/http repeats GETs and requests of
// HTTP/2 connections. Headers that mark a request as repeatable are removed.
// Connections are given up before the service drops them, those of restarts earlier
// than those of reads, because the outcome of a restart that meets a dying connection
// is unknown. Redirects are not followed.
//
// # The guard and the connection
//
// The guard stands beneath all wrappers and above net/http's transport. It lets each
// attempt of a restart through once. What passes beside it, or is repeated beneath it,
// is stopped by the connection: net/http reports each connection to the hooks of
// net/http/httptrace before it writes to it. The first connection of an attempt is
// taken for the one over which the request left, whatever the connection says about
// the bytes that it wrote. Any further connection is closed before anything is written
// to it, and the attempt ends.
//
// The hooks are on the context of the attempt, so a transport that a wrapper brings
// along meets them too. Because a wrapper can replace, change or hide these hooks, the
// guard beneath wrappers puts one of its own on the request that it passes on, and passes
// its report on to the hooks that it found there. A wrapper that composes hooks therefore
// reports the same connection twice, which counts as one.
//
// An attempt that is over is revoked: a request of it that is still on its way is
// refused by the guard, and its connection is closed.
//
// # What is proven
//
// A request certainly did not leave if the guard passed it to an [http.Transport]
// under the rules above, no connection was reported, and the error is the one that this
// transport returned. Any other failure leaves the outcome unknown.
//
// The package cannot stop a RoundTripper that sends by other means than net/http, or by
// net/http with another context than that of the request.
package once
