//go:build unix

package e2e

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	ecstemporal "github.com/ecsreboot/ecsreboot/temporal"
)

// A worker that is suspended while it sends, for longer than the server waits for it,
// sends nothing when it wakes up that others have given up. (SIGSTOP is also what a
// laptop's lid, a virtual machine's migration, and a debugger do to it.)
func TestSuspendedWhileSending(t *testing.T) {
	t.Parallel()
	for name, point := range map[string]struct {
		action string // the worker sleeps as this is answered to it
		once   bool   // the restart was carried out by then
	}{
		"before": {"DescribeInstances", false}, // the last reading before the restart leaves
		"after":  {"RebootInstance", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, ecstest.Options{})
			server := temporalServer(t)
			c := dial(t, server)
			queue := "suspend-" + name
			plan := s.add(t, queue, 1, quick(shortest))
			set := settings(1)
			set.SendTimeout = 5 * time.Second
			run, err := ecstemporal.Start(t.Context(), c, plan, ecstemporal.StartOptions{WorkflowID: queue, TaskQueue: queue, Settings: set})
			require.NoError(t, err)

			sleeper := startWorker(t, server, queue, s.URL)
			asleep := make(chan struct{})
			var once sync.Once
			first := plan.Targets[0].ID
			calls := 0
			s.mu.Lock()
			s.onCall = func(call ecstest.ReceivedCall) {
				if call.Action != point.action || !strings.Contains(call.InstanceID, first) {
					return
				}
				// Its first reading is that of the snapshot, the second belongs to the send.
				if calls++; point.action == "RebootInstance" || calls == 2 {
					once.Do(func() {
						suspend(t, sleeper)
						close(asleep)
					})
				}
			}
			s.mu.Unlock()
			select {
			case <-asleep:
			case <-time.After(soon):
				t.Fatal("it does not send")
			}
			startWorker(t, server, queue, s.URL)
			wantReboots := 0
			if point.once {
				wantReboots = 1
			}
			until(t, func() bool { return s.Reboots(first) == wantReboots }, "what was answered took effect")

			// The server gives the send up, and the other worker looks, and goes on.
			const grace = 15 * time.Second
			time.Sleep(set.SendTimeout + grace + set.UnknownGrace + quiet)
			require.Equal(t, wantReboots, s.Reboots(first))
			require.NoError(t, sleeper.Process.Signal(syscall.SIGCONT))
			report := finish(t, c, run)
			time.Sleep(quiet)
			a := judge(t, s, report)
			require.Equal(t, wantReboots, s.Reboots(first), "it was too late to send")
			t.Logf("%+v", report.Records[0])
			if point.once {
				require.NoError(t, report.Err(), "%+v", report.NotRestarted())
			} else {
				require.Equal(t, fleet.StateUnknown, report.Records[0].State)
				require.Equal(t, 1, a.named)
			}
		})
	}
}

// suspend returns when the process sleeps: that takes a moment on a machine with much
// to do, in which it could go on.
func suspend(t *testing.T, p *process) {
	t.Helper()
	_ = p.Process.Signal(syscall.SIGSTOP)
	for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Process.Pid))
		if err != nil { // a system without /proc
			time.Sleep(500 * time.Millisecond)
			return
		}
		if _, state, _ := strings.Cut(string(stat), ") "); strings.HasPrefix(state, "T") {
			return
		}
	}
	t.Error("the worker does not sleep")
}
