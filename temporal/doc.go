// Package ecstemporal runs fleets of package fleet as workflows of Temporal: a run
// that survives the machine that drives it, over days, with approvals, on as many
// workers as there are.
//
//	worker, err := ecstemporal.NewWorker(temporal, ecs, ecstemporal.WorkerOptions{})
//	if err != nil {
//		return err
//	}
//	defer worker.Stop()
//	if err := worker.Start(); err != nil {
//		return err
//	}
//	run, err := ecstemporal.Start(ctx, temporal, plan, ecstemporal.StartOptions{})
//	if err != nil {
//		return err
//	}
//	report, err := ecstemporal.GetReport(ctx, temporal, run.GetID())
//
// # Workflows
//
// RollingReboot is a run: it holds the planner of package fleet, and nothing else
// decides. For each 200 targets of the plan it starts a RebootChunk when the first
// of them is asked for, and the chunk starts a RebootOne for each instance, with the
// id reboot/<region>/<instance>, so that no two runs restart one instance at once.
// RollingReboot continues as new while its chunks go on: they speak to each other
// by their ids.
//
// # What it holds to
//
// What package fleet does, with the history of RebootOne in place of the journal:
// that the restart is about to be sent is in the history before it is. The activity
// that sends has one attempt. When it ends without a result, for its worker died or
// the answer was lost, the instance is looked at, and never sent to again. So an
// instance is restarted at most once, and one that was not restarted is named.
//
// A pause, an abort or a halt takes back what was not begun to be sent. To end a run
// early use [Abort]: a run that is terminated leaves its chunks behind, which send
// nothing that was not asked for before, and end when they find nobody to tell.
package ecstemporal
