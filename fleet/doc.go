// Package fleet restarts many instances, a few at a time, without taking down what
// runs on them, and resumes after a crash without restarting anything twice.
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
// # What a run holds to
//
// At most MaxUnavailable instances are unavailable at once. An instance is unavailable
// from its turn on until it is proven healthy: while it is restarting, and as long as
// it is failed or unknown. One that was found not to be Running is unavailable too.
//
// Two kinds of failed instances are not unavailable, so that only MaxFailed limits
// them: one that was not restarted and is Running as before, such as after a refusal,
// and one that is gone. Limits that are shares apply to the instances that are not gone.
//
// The canaries go first: one instance, then five. Any failure among them ends the run,
// except that another instance takes the place of one that was not restarted and is
// Running or gone.
// After them the failure budget applies, over the whole run: once more than MaxFailed
// instances have failed or are unknown, nothing more is sent. Restarts under way are
// followed to their end in every case.
//
// An instance is healthy when its restart is proven, as
// [ecsreboot.Client.RebootAndWait] proves it, and it has been Running and passed
// Options.Health for MinReady without a break.
//
// # Crashes
//
// With a journal, no restart leaves before its intent is on disk. After a crash,
// [Resume] polls the instances whose intent has no end instead of restarting them
// again. So an instance is restarted at most once, and one that was not restarted is
// named. Without a journal, a crash forgets.
//
// What the service cannot show, an operator may know. [MarkInstances] records in the
// journal that an instance is gone, has restarted, or has not restarted.
//
// # Who decides
//
// [Run], [Resume] and [Resolve] begin a session. The session gives events to a
// [Planner], which decides from them alone and answers with actions, and the session
// has goroutines carry the actions out. They report what happens as further events.
// The journal and Options.OnEvent get the same events, so a journal holds the whole
// run: [Load] reads it, and package report draws it.
//
// Engines that run plans by other means, such as workflows, use the Planner,
// [Options.Complete], a [Departure] for each restart, and package fleet/driver.
//
// # The states of an instance
//
// The planner keeps each instance in one state, and events move it. On the way of a
// restart, the [Departure] is the point of no return, between "intended" and what
// follows it:
//
//	waiting --turn--> chosen --intent--> intended --accepted--> accepted --healthy--> healthy
//	chosen  --hook--> drained --intent--> intended
//	drained --failed--> failed-drained --unsent--> waiting
//	                                     intended --doubt--> sent --accepted--> accepted
//	                                                         sent --healthy--> healthy
//
//	given up, and nothing was sent:         given up, and the restart may have happened:
//	chosen   --skipped--> skipped           sent     --failed---> failed-sent      --healthy--> healthy
//	chosen   --skipped--> deferred          sent     --unknown--> unknown-sent     --healthy--> healthy
//	chosen   --failed---> failed-chosen     accepted --failed---> failed-accepted  --healthy--> healthy
//	intended --failed---> failed-intended   accepted --unknown--> unknown-accepted --healthy--> healthy
//
//	nothing was sent, and it waits again:
//	intended --unsent---> waiting           failed-intended --unsent--> waiting
//	deferred --unsent---> waiting           failed-chosen   --unsent--> waiting
//
// an operator marks it between two sessions:
//
//	sent         --marked--> waiting        unknown-sent     --marked--> waiting
//	unknown-sent --marked--> skipped        unknown-accepted --marked--> gone
//
// The turn is not an event: the planner asks for the restart. The states mean,
// next to what a [Report] says:
//
//	waiting    StateWaiting     its turn has not come, or will come again
//	chosen     StateRestarting  the planner has asked for its restart, and no intent is recorded
//	drained    StateRestarting  likewise, and Options.Drain was called: a resumed run restarts it
//	intended   StateRestarting  the intent is recorded, and nothing shows that the request left
//	sent       StateRestarting  the request may have been sent, and its outcome is unknown
//	accepted   StateRestarting  the service accepted the restart
//	healthy    StateHealthy     the restart is proven, and the instance is healthy
//	failed-…   StateFailed      it failed in the state that the name contains; in failed-drained,
//	                            nothing was sent, and a resumed run calls Options.Undrain
//	unknown-…  StateUnknown     polls did not show whether it restarted, or is healthy
//	skipped    StateSkipped     it is left alone, also by a resumed run
//	deferred   StateSkipped     it is left alone for now: a resumed run tries again
//	gone       StateSkipped     an operator has marked it as gone
//
// A state may have an ending that says what is known of the instance:
//
//	-down      a skipped instance is not Running, and is unavailable
//	-up        a failed instance was not restarted and is Running, and is not unavailable
//	-gone      the service does not list a failed instance, and it is not unavailable
//
// This table has all transitions. Any other event in a state is an error, and changes
// nothing. The events "held" and "hooked" change no state, "hook" only for a drain, and
// "resume" only those in the table. A star stands for no ending, and for each ending that the state may have.
//
//	event     in the states                                                  -> new state
//	turn      waiting                                                        -> chosen
//	hook      waiting chosen drained                                         -> drained
//	intent    waiting chosen drained intended sent                           -> intended
//	accepted  intended sent accepted                                         -> accepted
//	doubt     intended sent                                                  -> sent
//	doubt     accepted                                                       -> same
//	down      intended                                                       -> sent
//	down      sent accepted unknown-sent unknown-accepted                    -> same
//	down      failed-intended* failed-sent*                                  -> failed-sent
//	down      failed-accepted*                                               -> failed-accepted
//	up        intended sent accepted unknown-sent unknown-accepted           -> same
//	up        failed-intended*                                               -> failed-intended
//	up        failed-sent*                                                   -> failed-sent
//	up        failed-accepted*                                               -> failed-accepted
//	healthy   intended sent accepted unknown-sent unknown-accepted failed-intended* failed-sent* failed-accepted* -> healthy
//	failed    waiting chosen drained failed-chosen* failed-drained           -> failed-chosen* failed-drained
//	failed    intended failed-intended*                                      -> failed-intended* failed-drained
//	failed    sent failed-sent* unknown-sent                                 -> failed-sent*
//	failed    accepted failed-accepted* unknown-accepted                     -> failed-accepted*
//	unknown   intended sent failed-intended* failed-sent* unknown-sent       -> unknown-sent
//	unknown   accepted failed-accepted* unknown-accepted                     -> unknown-accepted
//	skipped   waiting chosen drained intended sent                           -> skipped* deferred*
//	unsent    waiting chosen drained intended sent                           -> waiting
//	unsent    failed-chosen* failed-intended* failed-drained deferred*       -> waiting
//	marked    waiting chosen drained intended sent accepted healthy          -> gone
//	marked    failed-chosen* failed-intended* failed-sent* failed-accepted*  -> gone
//	marked    unknown-sent unknown-accepted skipped* deferred* gone          -> gone
//	marked    failed-drained                                                 -> gone skipped waiting
//	marked    waiting chosen drained intended sent accepted                  -> skipped
//	marked    failed-chosen* failed-intended* failed-sent* failed-accepted*  -> skipped
//	marked    unknown-sent unknown-accepted skipped* deferred* gone          -> skipped
//	marked    chosen drained intended sent unknown-sent                      -> waiting
//	marked    failed-chosen* failed-intended* failed-sent*                   -> waiting
//	resume    chosen intended                                                -> sent
package fleet
