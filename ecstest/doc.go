// Package ecstest is a fake of the Alibaba Cloud ECS service for tests of
// this module, of programs that use this module, and of clients in any
// language.
//
// It speaks the service's wire protocol: RPC signatures 1.0 (HMAC-SHA1) and
// ACS3-HMAC-SHA256, permanent and temporary keys and bearer tokens, GET and
// POST, parameters in the query and in a form, JSON and XML, the documented
// errors. It checks what the service checks: signature, nonce, clock, token
// and flow control. It keeps state: a restart takes time and passes through
// transitional statuses. It counts the restarts that really happen, and drops
// responses on demand.
//
//	server, err := ecstest.NewServer(ecstest.Options{})
//	if err != nil { ... }
//	defer server.Close()
//	err = server.AddInstance(ecstest.Instance{ID: "i-bp67acfmxazb4ph0001"})
//	// point a client at server.URL with the key testid and testsecret
//
// # Operations
//
// The server implements the operations of API version 2014-05-26 that scripts
// call around a restart: RebootInstance, RebootInstances, StopInstance,
// StartInstance, DescribeInstances, DescribeInstanceStatus,
// DescribeInstanceAttribute, DescribeInstancesFullStatus,
// DescribeInstanceHistoryEvents, DescribeRegions and DescribeZones. At the same
// address, it serves what the cloud records of a restart. The API version of a call
// determines the product that serves it:
//
//   - ActionTrail (2020-07-06): LookupEvents shows the calls that arrived.
//   - CloudMonitor (2019-01-01): DescribeSystemEventAttribute shows the changes of
//     status.
//   - Quota Center (2020-05-10): ListProductQuotas shows the rate limits.
//   - ECS: DescribeCloudAssistantStatus shows whether the guest is up. RunCommand,
//     DescribeInvocationResults, DescribeInvocations and StopInvocation read its boot
//     ID, and GetInstanceConsoleOutput shows its console.
//
// The response to any other action is 404 InvalidAction.NotFound; if ECS has the
// action, the message says that ecstest does not implement it.
// Like the service, the server ignores parameters that an operation does not
// know: a misspelt filter lists everything. A documented parameter that the
// server does not implement, such as HpcClusterId, is refused as 400
// NotImplementedByEcstest. A table in docs/testing.md lists the parameters.
//
// ForgetCalls does not delete records. The server keeps records for 90 days, and at
// least the last 20,000 of each kind.
//
// Lists begin with the newest instance. The vendor limits the filters by tag and
// by resource group to 1,000 instances; the server does not, because what a longer
// list looks like is not documented.
//
// # Order of checks
//
// The server checks, in this order, the action, the time stamp, the key, the
// token, the signature and the nonce of a call; then it applies the flow
// limit, then a fault, then the operation. A nonce is used up before the first
// check, as soon as the server has read the whole request, so a call that fails
// a check uses up its nonce too. It may be used again after 31 minutes.
//
// # Time
//
// A server of NewInMemoryServer uses no socket. Inside a testing/synctest
// bubble, such a server follows the bubble's clock; create and close the server
// inside the bubble.
package ecstest
