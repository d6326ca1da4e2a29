// Package ecstemporal executes runs of package fleet as workflows of Temporal. Such a run
// survives the machine that drives it, can take days, waits for approvals, and uses all
// the workers that are running.
//
//	worker, err := ecstemporal.NewWorker(temporal, ecs, ecstemporal.WorkerOptions{})
//	err = worker.Start() // call worker.Stop when done
//	run, err := ecstemporal.Start(ctx, temporal, plan, ecstemporal.StartOptions{})
//	report, err := ecstemporal.GetReport(ctx, temporal, run.GetID())
//
// # Workflows
//
// RollingReboot is the workflow of a run. It contains the planner of package fleet, and
// only the planner decides. For each restart that the planner asks for, RollingReboot
// starts a workflow RebootOne with the ID reboot/<region>/<instance>, so that no two runs
// restart an instance at the same time. RebootOne reports its status by signals.
// Therefore RollingReboot can continue as new, to keep its history short, while restarts
// are in flight.
//
// # Guarantees
//
// The guarantees are those of package fleet, with the history of RebootOne in place of
// the journal: before a restart is sent, that history records the intent. Temporal never
// retries the activity that sends the restart. If that activity ends without a result,
// because its worker died or the response was lost, RebootOne polls the instance and never
// sends the restart again. So a run restarts an instance at most once, and the report
// names every instance that was not restarted.
//
// If the workers have a Witness, it is asked about such a restart; see
// [WorkerOptions].Witness. RebootOne chooses the beginning of the send ID before it
// schedules the activity, so that the witness finds the request even if the worker died. The
// send IDs of a run begin with Report.ID and a hyphen. Only if the witness says that the
// service refused the request, and if a retry may succeed, the instance gets another turn.
//
// A pause, an abort, a halt, and the end of the maintenance window revoke every restart
// that no worker has begun to send. To end a run early, use [Abort]. If a run is
// terminated instead, the restarts in flight are followed, but their results are not
// reported.
package ecstemporal
