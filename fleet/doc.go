// Package fleet restarts many instances, a few at a time, without taking down what
// runs on them, and resumes after a crash without restarting anything twice.
//
//	plan, err := fleet.NewPlan(ctx, client, fleet.Selection{Tags: fleet.HasTags(map[string]string{"role": "web"}), GroupBy: fleet.ByZone})
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
// # What a run guarantees
//
// At most MaxUnavailable instances are unavailable at once. An instance is unavailable
// from the beginning of its turn until it is proven healthy: while it is restarting, and
// as long as it is failed or unknown. An instance that was found not to be Running is
// unavailable too.
//
// Some failed instances do not count as unavailable: those that were not restarted and
// are still Running, unless Options.Undrain failed for them, and those that are gone,
// because the service does not list them.
// Only MaxFailed limits these. If MaxUnavailable or MaxUnavailablePerGroup is a
// percentage, it refers to the instances that are not gone.
//
// The canaries go first: one instance, then five. If any of them fails or is unknown,
// the run halts. The exception is a failed canary that was not restarted and is Running
// or gone: another instance takes its place. The failure budget applies to the whole
// run: as soon as the number of failed and unknown instances exceeds MaxFailed, nothing
// more is sent. Restarts in progress are followed to their end, unless the context ends.
//
// An instance is healthy when its restart is proven, as in
// [ecsreboot.Client.RebootAndWait], and the instance has been Running and has passed
// Options.Health for MinReady without a break.
//
// # Crashes
//
// With a journal, no restart leaves before its intent is on disk. After a crash,
// [Resume] does not restart an instance again if its intent is recorded without a
// result; it polls the instance instead. So no instance is restarted more than once, and
// the report names every instance that was not restarted. Without a journal, a crash
// loses the record of what was sent.
//
// Each session records a random ID, and a resumed session a hash of all that the journal
// holds before it. Resume refuses a journal whose hashes do not match, and a journal that
// lacks restarts that the service shows, as a copy or a backup does; see
// [MissingRestartsError].
//
// If the service cannot show what happened to an instance, an operator may know.
// [MarkInstances] records in the journal that an instance is gone, has restarted, or has
// not restarted.
//
// # Who decides
//
// [Run], [Resume] and [Resolve] begin a session. The session gives events to a
// [Planner]. The planner decides from the events alone and returns actions, which
// goroutines of the session carry out. The goroutines report what happens as further
// events. The journal and Options.OnEvent get the same events, so a journal holds the
// whole run: [Load] reads the journal, and package report draws the run.
//
// Engines that run plans by other means, such as workflows, use the Planner,
// [Options.Complete], a [Departure] for each restart, and package fleet/driver.
//
// # The states of an instance
//
// Each instance is in one state, and events change that state. The diagram shows the
// course of a restart. The point of no return, where [Departure.Leave] agrees, lies
// between "intended" and the states to its right:
//
//	waiting --turn--> chosen --intent--> intended --accepted--> accepted --healthy--> healthy
//	chosen  --hook--> drained --intent--> intended
//	drained --failed--> failed-drained --unsent--> waiting
//	                                     intended --doubt--> sent --accepted--> accepted
//	                                                         sent --healthy--> healthy
//	                                                         sent --awaiting--> sent-up
//
//	given up, and certainly not restarted:  given up, and the restart may have happened:
//	chosen   --skipped--> skipped           sent     --failed---> failed-sent      --healthy--> healthy
//	chosen   --skipped--> deferred          sent     --unknown--> unknown-sent     --healthy--> healthy
//	chosen   --failed---> failed-chosen     accepted --failed---> failed-accepted  --healthy--> healthy
//	intended --failed---> failed-intended   accepted --unknown--> unknown-accepted --healthy--> healthy
//
// An instance in failed-intended counts as not restarted. Should a poll nevertheless show
// that it is restarting or has restarted, it moves to failed-sent, unknown-sent or healthy.
//
//	certainly not restarted, and the instance waits again:
//	intended --unsent---> waiting           failed-intended --unsent--> waiting
//	deferred --unsent---> waiting           failed-chosen   --unsent--> waiting
//
// An operator marks the instance between two sessions, for example:
//
//	sent         --marked--> waiting        unknown-sent     --marked--> waiting
//	unknown-sent --marked--> skipped        unknown-accepted --marked--> gone
//
// [MarkInstances] refuses some of the marks that the table below allows.
//
// The turn is not an [Event], but the table lists it as one: it begins when the planner
// returns [ActionRestart]. The states, with the [State] that a [Report] shows for each,
// mean:
//
//	waiting    StateWaiting     its turn has not come, or will come again
//	chosen     StateRestarting  the planner has asked for its restart, and no intent is recorded
//	drained    StateRestarting  as chosen, and Options.Drain was called: a resumed run restarts the instance
//	intended   StateRestarting  the intent is recorded, and nothing shows that the request left
//	sent       StateRestarting  the request may have been sent, and its outcome is unknown
//	accepted   StateRestarting  the service accepted the restart
//	healthy    StateHealthy     the restart is proven, and the instance is healthy
//	failed-…   StateFailed      the instance failed; the rest of the name is how far its restart had got.
//	                            failed-drained: Options.Undrain failed for a drained instance that certainly
//	                            was not restarted; a resumed run calls Options.Undrain again
//	unknown-…  StateUnknown     polls did not show whether the instance restarted, or whether it is healthy
//	skipped    StateSkipped     the run leaves it alone, and so does a resumed run
//	deferred   StateSkipped     it was locked or not Running, and certainly not restarted: a resumed run tries again
//	gone       StateSkipped     an operator has marked it as gone
//
// A state may have an ending that says what is known of the instance:
//
//	-down      a skipped instance is not Running, and is unavailable
//	-up        a failed instance is Running as before, and is not unavailable. sent-up: the
//	           instance was last seen Running, it is not drained, and the run waits for a
//	           witness of the request, so the instance is not unavailable. A resumed run
//	           polls it first: until then, it is unavailable
//	-gone      the service does not list a failed instance, and it is not unavailable
//
// The fields of the events "skipped", "failed" and "awaiting" set the endings; the events
// "down" and "up" do not.
//
// The following table lists all transitions. Any other event is an error and changes
// nothing, with these exceptions, which are always allowed:
//
//   - The events of the run, which name no instance, change no state, except "resume",
//     which changes the states that the table lists for it.
//   - The events "held", "hooked", "console" and "maintenance" change no state.
//   - The event "hook" for Undrain or Failed changes no state; for Drain, the table
//     applies.
//
// The event "failed" leads from a state whose outcome is unknown to failed-intended or
// failed-drained only if its Witness is set: the witness found that the service refused the
// request.
//
// A star after a state stands for the state itself and for its variants with an ending.
//
// A journal does not record the turn, so a planner that replays a journal has no instance
// in the state chosen. Only a planner that lives on from the session before can have an
// instance in chosen when "resume" comes. That planner may not have been given an intent
// that was recorded, so it cannot know whether the request left, and the instance becomes
// sent.
//
//	event     in the states                                                  -> new state
//	turn      waiting                                                        -> chosen
//	hook      waiting chosen drained                                         -> drained
//	intent    waiting chosen drained intended sent*                          -> intended
//	accepted  failed-sent*                                                   -> failed-accepted
//	accepted  unknown-sent                                                   -> unknown-accepted
//	accepted  intended sent* accepted                                        -> accepted
//	doubt     intended sent*                                                 -> sent
//	doubt     accepted                                                       -> same
//	awaiting  sent*                                                          -> sent*
//	awaiting  failed-sent* unknown-sent                                      -> same
//	down      intended                                                       -> sent
//	down      accepted unknown-sent unknown-accepted                         -> same
//	down      sent*                                                          -> sent
//	down      failed-intended* failed-sent*                                  -> failed-sent
//	down      failed-accepted*                                               -> failed-accepted
//	up        intended accepted unknown-sent unknown-accepted                -> same
//	up        sent*                                                          -> sent
//	up        failed-intended*                                               -> failed-intended
//	up        failed-sent*                                                   -> failed-sent
//	up        failed-accepted*                                               -> failed-accepted
//	healthy   intended sent* accepted unknown-sent unknown-accepted failed-intended* failed-sent* failed-accepted* -> healthy
//	failed    waiting chosen drained failed-chosen* failed-drained           -> failed-chosen* failed-drained
//	failed    intended failed-intended*                                      -> failed-intended* failed-drained
//	failed    sent* failed-sent* unknown-sent                                -> failed-sent* failed-intended* failed-drained
//	failed    accepted failed-accepted* unknown-accepted                     -> failed-accepted*
//	unknown   intended sent* failed-intended* failed-sent* unknown-sent       -> unknown-sent
//	unknown   accepted failed-accepted* unknown-accepted                     -> unknown-accepted
//	skipped   waiting chosen drained intended sent*                          -> skipped* deferred*
//	unsent    waiting chosen drained intended sent*                          -> waiting
//	unsent    failed-chosen* failed-intended* failed-drained deferred*       -> waiting
//	marked    waiting chosen drained intended sent* accepted healthy         -> gone
//	marked    failed-chosen* failed-intended* failed-sent* failed-accepted*  -> gone
//	marked    unknown-sent unknown-accepted skipped* deferred* gone          -> gone
//	marked    failed-drained                                                 -> gone skipped waiting
//	marked    waiting chosen drained intended sent* accepted                 -> skipped
//	marked    failed-chosen* failed-intended* failed-sent* failed-accepted*  -> skipped
//	marked    unknown-sent unknown-accepted skipped* deferred* gone          -> skipped
//	marked    chosen drained intended sent* unknown-sent                     -> waiting
//	marked    failed-chosen* failed-intended* failed-sent*                   -> waiting
//	resume    chosen intended sent-up                                        -> sent
package fleet
