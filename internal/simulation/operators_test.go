package simulation

import (
	"sync"

	"github.com/ecsreboot/ecsreboot"
)

// happen begins everything that happens by the clock: faults, other operators, jumps of
// the clock, and replaced keys.
func (w *world) happen(group *sync.WaitGroup) {
	d := w.design
	for _, f := range d.Faults {
		w.after(group, f.At, func() {
			w.account.note("fault armed: %s act=%t late=%v %s %s %s", f.Fault.Kind, f.Fault.Act, f.Fault.Late, f.Fault.Action, f.Fault.InstanceID, f.Fault.Code)
			w.server.Inject(f.Fault)
		})
	}
	for _, a := range d.Acts {
		w.after(group, a.At, func() { w.act(a) })
	}
	for _, j := range d.Jumps {
		w.after(group, j.At, func() {
			w.account.note("the clock of the service is off by %v", j.Offset)
			w.server.SetClockOffset(j.Offset)
		})
	}
	for _, at := range d.Rotations {
		w.after(group, at, func() {
			n := w.keys.rotate()
			w.account.note("key %d replaces the one before", n)
			if err := w.server.RotateKey(keyOf(n), secretOf(n), tokenOf(n)); err != nil {
				panic(err) // a mistake of the simulation
			}
		})
	}
}

// act is what another operator does to a machine, in whatever state it is: an error
// changes nothing.
func (w *world) act(a act) {
	w.account.note("operator: %s %s", a.Kind, a.Machine)
	w.account.other(a.Machine, func() (starts bool) {
		switch a.Kind {
		case actRestart:
			_ = w.server.Restart(a.Machine, false)
		case actStop:
			_ = w.server.SetStatus(a.Machine, ecsreboot.StatusStopped)
		case actStart:
			before := w.server.Status(a.Machine)
			_ = w.server.SetStatus(a.Machine, ecsreboot.StatusRunning)
			return before != "" && !isRunning(before)
		case actLock:
			_ = w.server.SetLocks(a.Machine, "security")
		case actUnlock:
			_ = w.server.SetLocks(a.Machine)
		case actRelease:
			w.server.RemoveInstance(a.Machine)
			w.account.gone(a.Machine)
		}
		return false
	})
}
