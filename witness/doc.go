// Package witness reads the records that Alibaba Cloud keeps of a restart. The records
// resolve the outcome of a restart request whose response was lost, and show when a
// restarted instance is ready.
//
//	trail, err := witness.NewActionTrail(witness.Options{Credential: client.Credential()})
//	…
//	result, err := client.RebootAndWait(ctx, request, ecsreboot.WaitOptions{Witness: trail})
//
// The parts of the package are:
//
//   - [ActionTrail] finds the request in the audit log, which shows whether the service
//     accepted or refused it. The log shows a request after about 10 minutes.
//   - [StateChanges] finds the changes of the instance's status that CloudMonitor
//     recorded. They prove a restart that all polls missed.
//   - [All] combines several witnesses.
//   - [Heartbeats] is a probe: an instance is ready if its Cloud Assistant agent has sent
//     a heartbeat since the start.
//   - [Quotas] reads the account's rate limits, so that a client respects them from the
//     first call.
//   - [Console] reads the console of an instance that did not come back. [ConsoleIn] does
//     that for the report of a fleet's run.
//
// Package bootid compares the boot ID of the guest before and after a restart. It is a
// separate package because it runs commands as root on the instance.
//
// Each part needs a separate permission: see docs/ram.md in the repository. Each call is one
// attempt of the vendor's generic client. A part retries a call only if the service refused
// the time stamp, and then once. Errors contain no secret.
//
// If the environment variable DEBUG contains "tea" or "dara", the vendor's client prints
// signed requests to the standard output. Leave it unset.
package witness
