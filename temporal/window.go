package ecstemporal

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// checkLocation refuses a location that workers cannot find by its name.
func checkLocation(w *fleet.Window) error {
	if w == nil {
		return nil
	}
	name := w.Location.String()
	if _, err := time.LoadLocation(name); err != nil || name == "Local" {
		return input("Window", "has the location "+name+", which workers cannot look up in the IANA time zone database")
	}
	return nil
}

// windowState is whether the window is open, and until when that is so.
type windowState struct {
	Open  bool      `json:"open"`
	Until time.Time `json:"until"`
	Error string    `json:"error,omitempty"`
}

// windowAt evaluates a window. It is closed if the worker does not know its location.
func windowAt(w fleet.Window, now time.Time) windowState {
	open, until := w.At(now)
	state := windowState{Open: open, Until: until.UTC()}
	anyPlan := fleet.Plan{Targets: []fleet.Target{{ID: "i"}}}
	if _, err := (fleet.Options{Settings: fleet.Settings{Window: &w}}).Complete(anyPlan); err != nil {
		state.Error = text(err)
	}
	return state
}

// windowRetry is when a window is evaluated again whose result was not recorded.
const windowRetry = time.Minute

// checkWindow pauses the run if the window is closed, and ends that pause if it is
// open. Workers may have different time zone databases, so the history keeps the
// result.
func (r *run) checkWindow(ctx workflow.Context) {
	now := workflow.Now(ctx)
	recorded := workflow.SideEffect(ctx, func(workflow.Context) any { return windowAt(*r.head.Settings.Window, now) })
	if err := recorded.Get(&r.window); err != nil {
		r.window = windowState{Until: now.Add(windowRetry), Error: err.Error()}
	}
	switch {
	case r.window.Open && r.planner.IsPaused(fleet.ReasonWindow):
		r.take(ctx, fleet.Event{Kind: fleet.EventContinue, Reason: fleet.ReasonWindow})
	case !r.window.Open && !r.planner.IsPaused(fleet.ReasonWindow):
		r.take(ctx, fleet.Event{Kind: fleet.EventPause, Reason: fleet.ReasonWindow, Error: r.window.Error})
	}
}

// keepWindow checks the window whenever it opens or closes.
func (r *run) keepWindow(ctx workflow.Context) {
	for !r.ended && workflow.Sleep(ctx, max(time.Second, r.window.Until.Sub(workflow.Now(ctx)))) == nil {
		if !r.ended {
			r.checkWindow(ctx)
			r.act(ctx)
		}
	}
}
