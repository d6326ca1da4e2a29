// Package fleet restarts many instances, a few at a time, without taking down what
// runs on them, and goes on after a crash without restarting anything twice.
//
//	plan, err := fleet.NewPlan(ctx, client, fleet.Selection{Tags: map[string]string{"role": "web"}, GroupBy: fleet.ByZone})
//	if err != nil {
//		return err
//	}
//	report, err := fleet.Run(ctx, client, plan, fleet.Options{Journal: "web.journal"})
//	if err != nil {
//		return err
//	}
//	for _, left := range report.NotRestarted() {
//		fmt.Println(left.ID, left.State, left.Reason, left.Error)
//	}
//	return report.Err()
//
// # What it holds to
//
// At most MaxUnavailable instances are unavailable at once, counting everything
// that is not proven healthy: what is restarting, what failed, what is unknown,
// and what was found not to be Running. First go the canaries: one instance, then
// five, and any failure among them ends the run. Then the failure budget counts,
// over the run as a whole: with more than MaxFailed instances failed or unknown,
// nothing more is sent. Restarts under way are followed to their end in every case.
//
// An instance counts as healthy when its restart is proven, as
// [ecsreboot.Client.RebootAndWait] does, and it has been Running, and
// Options.Health content, for MinReady without a break.
//
// # Crashes
//
// With a journal, no restart leaves before the intent is on disk. After a crash,
// [Resume] looks at the instances whose intent has no end instead of restarting
// them again. So an instance is restarted at most once, and one that was not
// restarted is named. Without a journal a crash forgets.
//
// # Who decides
//
// A [Planner] decides, from events alone; a run acts, and tells what happens as
// [Event] values: to the journal, to Options.OnEvent, and to the planner. What a
// run knows follows from its events, so a journal tells the whole story: [Load]
// reads it, and package report draws it.
package fleet
