// Package acceptance holds the behaviour tests of the client: each test uses the
// exported API of the root package against the fake service of package ecstest, or
// against a transport that misbehaves. The package has no code outside of its tests.
//
//   - The contract (contract_test.go) is the table of what can happen to a request:
//     what the caller is told, and how many requests arrive.
//   - Answers (answer_*, document_*, success_*, list_*, times_*, wire_*, …_fuzz_test.go)
//     are what the service, or something between, may answer.
//   - Hostile transports (hostile_*, connect_*, idle_*, once_*, transport_*, narrow_*)
//     are RoundTrippers, connections, contexts and errors that keep no rule: whatever
//     they do, no second restart leaves, and none is reported as not sent wrongly.
//   - Scenarios (scenario_*) play the courses of a restart against a model of what
//     RebootAndWait must conclude; wait_*, watch_*, follow_*, reading_* and evidence_*
//     test its parts.
//   - Canaries (canary_*, echo_*, keys_kept_*) put known secrets everywhere and look
//     for them in everything that the client returns, logs or prints.
//   - Credentials (credentials_*) are taken from each source of the default chain.
//
// Tests of what is not exported stand beside the code that they test.
package acceptance
