package simulation

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/journal"
	"github.com/ecsreboot/ecsreboot/internal/seam"
)

// fleetDriver restarts a fleet, by one driver after the other.
type fleetDriver struct {
	*world

	design fleetDesign
	plan   fleet.Plan
	disk   *disk
	width  int

	mu     sync.Mutex
	begun  time.Time     // of the run
	ended  bool          // a session said that nothing is left
	report *fleet.Report // of the last session
	random *rand.Rand    // of the hooks
}

func newFleetDriver(t *testing.T, w *world, n int, d fleetDesign) *fleetDriver {
	t.Helper()
	f := &fleetDriver{world: w, design: d, random: rand.New(rand.NewPCG(w.design.Seed, uint64(100+n)))}
	f.disk = newDisk(d.Partial, w.account.note)
	var ids []string
	for _, m := range d.Machines {
		ids = append(ids, m.ID)
	}
	client, _ := w.client(clientDesign{})
	var err error
	f.plan, err = fleet.NewPlan(w.context(), client, fleet.Selection{InstanceIDs: ids, ForceStop: d.Force, GroupBy: fleet.ByZone})
	if err != nil {
		t.Fatal(err)
	}
	f.width = min(max(1, d.Settings.MaxUnavailable.Of(len(ids))), len(ids))
	return f
}

// drive lets one driver after the other do its session.
func (f *fleetDriver) drive() {
	time.Sleep(f.design.Begin)
	for n, s := range f.design.Sessions {
		time.Sleep(s.Wait)
		if f.ended {
			break
		}
		f.session(n, s)
	}
}

// longest is what no session takes longer than.
func (f *fleetDriver) longest() time.Duration {
	return 12*time.Hour + time.Duration(len(f.plan.Targets))*time.Hour
}

// session is one driver. It returns when the driver has ended or crashed.
func (f *fleetDriver) session(n int, d sessionDesign) {
	begin := f.start(d)
	files := f.disk.boot(d.Disk)
	client, net := f.client(d.Client)
	ctx, cancel := context.WithCancel(seam.WithFiles(f.context(), files))
	crashed, over := make(chan struct{}), make(chan struct{})
	control := new(fleet.Control)
	var around sync.WaitGroup
	at := func(after time.Duration, do func()) {
		around.Go(func() {
			timer := time.NewTimer(after)
			defer timer.Stop()
			select {
			case <-timer.C:
				do()
			case <-over:
			}
		})
	}
	var canceled time.Time
	if c := d.Crash; c != nil {
		at(c.At, func() {
			f.account.note("crash of driver %d, power=%t", n, c.Power)
			f.disk.crash(*c)
			net.cut()
			f.world.mu.Lock()
			f.crashes++
			f.world.mu.Unlock()
			close(crashed)
			time.Sleep(c.Lag)
			canceled = time.Now()
			cancel()
		})
	}
	for _, c := range d.Controls {
		at(c.At, map[string]func(){"pause": control.Pause, "unpause": control.Unpause, "stop": control.Stop}[c.What])
	}
	if d.Rival > 0 {
		at(d.Rival, func() { f.rival(over, crashed) })
	}
	at(f.longest(), func() {
		f.violate(ruleDeadline, "session %d has not ended after %v", n, f.longest())
		cancel()
	})
	f.account.note("driver %d begins", n)
	options := f.options(control)
	options.OnEvent = func(e fleet.Event) {
		f.texts.show(e)
		f.account.note("driver %d: %s %s %s %s %s %s", n, e.Kind, e.InstanceID, e.Reason, e.SendID, e.Proof, e.Error)
	}
	ended := make(chan struct{})
	f.behind.Go(func() {
		defer close(ended)
		report, err := begin(ctx, client, f.plan, options)
		returned := time.Now()
		close(over)
		around.Wait() // a crash at the same moment comes first
		cancel()
		f.account.note("driver %d ends: %v", n, err)
		f.texts.show(err)
		f.texts.show(report)
		select {
		case <-crashed:
			if late := returned.Sub(canceled); late > f.patience() {
				f.violate(ruleDeadline, "session %d ends %v after its context", n, late)
			}
		default:
			f.judgeSession(n, report, err)
		}
	})
	select {
	case <-ended:
	case <-crashed:
	}
}

// start decides how a session begins, by what the disk holds. It removes a journal whose
// creation was cut short.
func (f *fleetDriver) start(d sessionDesign) func(context.Context, *ecsreboot.Client, fleet.Plan, fleet.Options) (*fleet.Report, error) {
	contents, err := journal.Read(journalPath, journal.Options{FS: f.disk})
	switch {
	case err == nil && len(contents.Records) > 0 && d.Resolve:
		return fleet.Resolve
	case err == nil && len(contents.Records) > 0:
		return fleet.Resume
	case errors.Is(err, os.ErrNotExist), errors.Is(err, journal.ErrNoRecords):
		if sentBy := f.begun; !sentBy.IsZero() && f.restartsOfRun() > 0 {
			f.violate(ruleIntent, "the journal is lost: %v", err)
		}
		_ = f.disk.Remove(journalPath)
		f.begun = time.Now()
		return fleet.Run
	default:
		f.violate(ruleIntent, "the journal cannot be read: %v", err)
		return fleet.Run
	}
}

// restartsOfRun counts the requests that arrived for machines of the fleet.
func (f *fleetDriver) restartsOfRun() int {
	n := 0
	for _, c := range f.server.Calls() {
		if c.Action == "RebootInstance" && !c.DryRun && f.has(c.InstanceID) {
			n++
		}
	}
	return n
}

func (f *fleetDriver) has(id string) bool {
	for _, t := range f.plan.Targets {
		if t.ID == id {
			return true
		}
	}
	return false
}

func (f *fleetDriver) options(control *fleet.Control) fleet.Options {
	o := fleet.Options{Settings: f.design.Settings, Journal: journalPath, Control: control, Witness: f.witness(f.design.Witness)}
	if f.design.Hooks {
		o.Drain, o.Undrain = f.hook(true), f.hook(false)
		o.Failed = func(context.Context, fleet.Target, fleet.Event) error { return nil }
	}
	return o
}

// hook speaks to a load balancer, which takes its time and may fail. It has its effect
// first when it takes a machine out, and last when it puts one in.
func (f *fleetDriver) hook(out bool) func(context.Context, fleet.Target) error {
	return func(ctx context.Context, target fleet.Target) error {
		f.mu.Lock()
		takes, fails := time.Duration(f.random.Int64N(int64(20*time.Second))), f.random.IntN(100) < 3
		f.mu.Unlock()
		if out {
			f.service(target.ID, true)
		}
		select {
		case <-time.After(takes):
		case <-ctx.Done():
			return ctx.Err()
		}
		if fails {
			return errors.New("the balancer is busy; its key is " + secretOf(0))
		}
		if !out {
			f.service(target.ID, false)
		}
		return nil
	}
}

// rival is another driver that tries to resume the run while this one drives it.
func (f *fleetDriver) rival(over, crashed <-chan struct{}) {
	client, _ := f.client(clientDesign{})
	f.account.note("a rival tries to resume the run")
	ctx, cancel := context.WithTimeout(seam.WithFiles(f.context(), f.disk.Mount()), time.Minute)
	defer cancel()
	report, err := fleet.Resume(ctx, client, f.plan, f.options(nil))
	f.texts.show(err)
	f.account.note("the rival ends: %v", err)
	select {
	case <-over:
	case <-crashed:
	default:
		if err == nil || report != nil && report.Sessions > 1 && !errors.Is(err, journal.ErrLocked) && !errors.Is(err, fleet.ErrJournal) {
			f.violate(ruleExclusive, "a rival drove the run: %v", err)
		}
	}
}

// history is what the disk has of the run, in events.
func (f *fleetDriver) history() (*fleet.History, error) {
	contents, err := journal.Read(journalPath, journal.Options{FS: f.disk})
	if err != nil {
		return nil, err
	}
	h := &fleet.History{Plan: f.plan, Events: make([]fleet.Event, len(contents.Records)), Torn: len(contents.Torn)}
	for i, record := range contents.Records {
		if err := json.Unmarshal(record, &h.Events[i]); err != nil {
			return nil, err
		}
	}
	return h, nil
}
