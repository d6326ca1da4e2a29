// Package ecstest is a fake of the Alibaba Cloud ECS service for tests: of
// this module, of programs that use it, and of clients in any language.
//
// It speaks the service's wire: RPC signatures 1.0 (HMAC-SHA1) and
// ACS3-HMAC-SHA256, permanent and temporary keys and bearer tokens, GET and
// POST, parameters in the query and in a form, JSON and XML, the documented
// errors. It checks what the service checks: signature, nonce, clock, token
// and flow control. It keeps state: a restart takes time, passes through
// transitional statuses, and is counted, so a test can ask how often an
// instance really restarted.
//
//	server, err := ecstest.NewServer(ecstest.Options{})
//	if err != nil { ... }
//	defer server.Close()
//	err = server.AddInstance(ecstest.Instance{ID: "i-bp67acfmxazb4ph0001"})
//	// point a client at server.URL with the key testid and testsecret
//
// # Operations
//
// RebootInstance, DescribeInstances, DescribeInstanceStatus and
// DescribeInstanceAttribute of API version 2014-05-26. Any other is answered
// 404 InvalidAction.NotFound. Parameters that an operation does not know are
// ignored, as the service ignores them: a misspelt filter lists everything.
//
// # Order of checks
//
// A call is checked for its action, its time stamp, its key, its token, its
// signature and its nonce, then against the flow limit, then for a fault,
// then by the operation. A nonce is used up as soon as it is read, whatever
// becomes of the call.
//
// # Time
//
// NewInMemoryServer uses no socket and may be used inside a testing/synctest
// bubble, where it follows the bubble's clock. Create and close it there.
package ecstest
