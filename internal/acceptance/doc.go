// Package acceptance holds the behaviour tests of the client. Each test uses the
// exported API of the root package, against the fake service of package ecstest or
// against a transport that misbehaves. The package has no code outside its tests.
//
//   - Contract (contract): a table of what can happen to a request, with the outcome
//     that the caller gets and the number of requests that arrive.
//   - Answers (answer_*, document_*, success_*, times_*, signature_*): what the service,
//     or a proxy in between, may answer, and what the client sends.
//   - Hostile transports (hostile_*, transport_*): RoundTrippers, connections, contexts
//     and errors that break the rules. No second restart leaves, and no restart that
//     may have left is reported as not sent.
//   - Scenarios (scenario_*): courses of a restart, against a model of what
//     RebootAndWait must conclude. The files wait_*, polls_* and describe_* test its
//     parts.
//   - Canaries (canary, echo_*, keys_kept): known secrets, searched for in everything
//     that the client returns, logs or prints.
//   - Credentials (credentials_*): each source of the default chain, and renewal.
//
// Tests of unexported functions stand beside the code that they test.
package acceptance
