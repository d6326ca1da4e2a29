// Package document reads the documents of the service strictly: JSON objects and XML
// elements that can be read in one way only.
//
// The client retries or confirms a restart by what a response says, so two readers of
// one response must not understand different things. Lenient readers do: encoding/json
// takes the last of several equal keys, in whatever case, and what an XML reader makes
// of comments, CDATA, entities and nested elements differs from reader to reader. [Read]
// refuses all of these, except the elements of a list, which [JSON] turns into JSON. A refused document is not repaired: the client treats the
// response as unreadable, so the outcome of the request is unknown.
//
// A success has nothing in it that speaks of failure, not only no code. failureSigns
// lists what does.
//
// The package decides nothing else. It knows neither error codes nor operations, and it
// does not scrub what it returns.
package document
