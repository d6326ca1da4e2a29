package ecstest

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
)

// seen is what DescribeInstances shows of the instance.
func (c *caller) seen(t *testing.T) string {
	t.Helper()
	v := c.list(t, "InstanceIds", `["i-this"]`).Instances.Instance[0]
	return v.Status + " " + v.StartTime[len("2000-01-01T"):]
}

func TestLifeCycle(t *testing.T) {
	// A bubble begins at 2000-01-01T00:00Z; the instance started at 23:00.
	for _, test := range []struct {
		name    string
		profile RebootProfile
		force   string
		seen    map[time.Duration]string // from then on
		reboot  map[time.Duration]int    // a second restart then: its status
	}{
		{
			name: "default",
			seen: map[time.Duration]string{
				0: "Starting 23:00Z", 30*time.Second - 1: "Starting 23:00Z", 30 * time.Second: "Running 00:01Z",
			},
		}, {
			name: "forced", force: "true",
			seen: map[time.Duration]string{10*time.Second - 1: "Starting 23:00Z", 10 * time.Second: "Running 00:01Z"},
		}, {
			name: "path", profile: RebootProfile{Path: []ecsreboot.Status{ecsreboot.StatusStopping, ecsreboot.StatusStopped, ecsreboot.StatusStarting}, Graceful: time.Minute},
			seen: map[time.Duration]string{
				0: "Stopping 23:00Z", 20*time.Second - 1: "Stopping 23:00Z", 20 * time.Second: "Stopped 23:00Z",
				40 * time.Second: "Starting 23:00Z", time.Minute - 1: "Starting 23:00Z", time.Minute: "Running 00:01Z",
			},
		}, {
			name: "uneven", profile: RebootProfile{Path: []ecsreboot.Status{ecsreboot.StatusStopping, ecsreboot.StatusStarting, ecsreboot.StatusPending}, Graceful: 10},
			seen: map[time.Duration]string{2: "Stopping 23:00Z", 3: "Starting 23:00Z", 9: "Pending 23:00Z", 10: "Running 00:00Z"},
		}, {
			name: "too short to share", profile: RebootProfile{Path: []ecsreboot.Status{ecsreboot.StatusStopping, ecsreboot.StatusStarting}, Graceful: 1},
			seen: map[time.Duration]string{0: "Starting 23:00Z", 1: "Running 00:00Z"},
		}, {
			name: "no time", profile: RebootProfile{Graceful: -1},
			seen: map[time.Duration]string{0: "Running 00:00Z"},
		}, {
			name: "start time kept", profile: RebootProfile{KeepStartTime: true},
			seen: map[time.Duration]string{time.Minute: "Running 23:00Z"},
		}, {
			name: "hang", profile: RebootProfile{Path: []ecsreboot.Status{ecsreboot.StatusStopping, ecsreboot.StatusStarting}, Hang: true},
			seen: map[time.Duration]string{0: "Stopping 23:00Z", 15 * time.Second: "Starting 23:00Z", 24 * time.Hour: "Starting 23:00Z"},
		}, {
			name: "hang at once", profile: RebootProfile{Graceful: -1, Hang: true},
			seen: map[time.Duration]string{0: "Starting 23:00Z", time.Hour: "Starting 23:00Z"},
		}, {
			name: "stale", profile: RebootProfile{Stale: 5 * time.Second},
			seen: map[time.Duration]string{0: "Running 23:00Z", 5*time.Second - 1: "Running 23:00Z", 5 * time.Second: "Starting 23:00Z"},
		}, {
			name: "stale to the end", profile: RebootProfile{Graceful: -1, Stale: time.Minute},
			seen: map[time.Duration]string{0: "Running 23:00Z", time.Minute - 1: "Running 23:00Z", time.Minute: "Running 00:00Z"},
		},
	} {
		for at, want := range test.seen {
			t.Run(fmt.Sprint(test.name, " ", at), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := inMemory(t, Options{})
					defer s.Close()
					time.Sleep(50 * time.Second)
					require.NoError(t, s.AddInstance(Instance{ID: "i-this", Reboot: test.profile, StartTime: time.Now().Add(-time.Hour - 50*time.Second)}))
					c := newCaller(s)
					begin := time.Now()
					require.Equal(t, http.StatusOK, c.must(t, actionReboot, "InstanceId", "i-this", "ForceStop", test.force).status)
					time.Sleep(at - time.Since(begin))
					require.Equal(t, want, c.seen(t))
				})
			})
		}
	}
}

func TestRestartDuringARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, Options{})
		defer s.Close()
		require.NoError(t, s.AddInstance(Instance{ID: "i-this", Reboot: RebootProfile{Stale: time.Minute}}))
		c := newCaller(s)
		restart := func() string { return c.must(t, actionReboot, "InstanceId", "i-this").code() }
		require.Empty(t, restart())
		time.Sleep(10 * time.Second)
		require.Equal(t, "Running", c.seen(t)[:7], "reads are stale")
		require.Equal(t, ecsreboot.StatusStarting, s.Status("i-this"), "the truth is not")
		require.Equal(t, "IncorrectInstanceStatus", restart())
		time.Sleep(20 * time.Second)
		require.Empty(t, restart())
		require.Equal(t, 2, s.Reboots("i-this"))
		require.Equal(t, 2, s.TotalReboots())
		require.Equal(t, "Running 23:00Z", c.seen(t), "stale reads show what they showed before")
		time.Sleep(time.Minute)
		require.Equal(t, "Running 00:01Z", c.seen(t))
	})
}

// The server's clock dates a start; how long it takes does not depend on it.
func TestLifeCycleAndClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, Options{})
		defer s.Close()
		require.NoError(t, s.AddInstance(Instance{ID: "i-this"}))
		s.SetClockOffset(10 * time.Minute)
		c := newCaller(s)
		c.must(t, actionReboot, "InstanceId", "i-this")
		s.SetClockOffset(0)
		require.Equal(t, ecsreboot.StatusStarting, s.Status("i-this"))
		time.Sleep(30 * time.Second)
		require.Equal(t, "Running 00:10Z", c.seen(t))
	})
}

func TestSetStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, Options{})
		defer s.Close()
		require.NoError(t, s.AddInstance(Instance{ID: "i-this"}))
		c := newCaller(s)
		c.must(t, actionReboot, "InstanceId", "i-this")
		require.NoError(t, s.SetStatus("i-this", ecsreboot.StatusStopped))
		time.Sleep(time.Minute)
		require.Equal(t, "Stopped 23:00Z", c.seen(t), "the restart is over")
		require.NoError(t, s.SetStatus("i-this", ecsreboot.StatusRunning))
		require.Equal(t, "Running 00:01Z", c.seen(t))
		time.Sleep(time.Minute)
		require.NoError(t, s.SetStatus("i-this", ecsreboot.StatusRunning))
		require.Equal(t, "Running 00:01Z", c.seen(t), "it ran before")

		require.Error(t, s.SetStatus("i-this", "Rebooting"))
		require.Error(t, s.SetStatus("i-none", ecsreboot.StatusRunning))
		require.Error(t, s.SetLocks("i-none"))
		s.RemoveInstance("i-none")
		s.RemoveInstance("i-this")
		require.Empty(t, s.Status("i-this"))
		require.Equal(t, 1, s.Reboots("i-this"), "counted for good")
	})
}

func TestRestartByOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []ecsreboot.Status
		s := inMemory(t, Options{OnStatus: func(_ string, status ecsreboot.Status) { told = append(told, status) }})
		defer s.Close()
		require.NoError(t, s.AddInstance(Instance{ID: "i-this"}))
		s.Inject(Fault{Kind: FaultDrop})
		require.NoError(t, s.Restart("i-this", true))
		require.Equal(t, ecsreboot.StatusStarting, s.Status("i-this"))
		require.ErrorContains(t, s.Restart("i-this", true), "IncorrectInstanceStatus")
		require.ErrorContains(t, s.Restart("i-none", false), "InvalidInstanceId.NotFound")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Equal(t, ecsreboot.StatusRunning, s.Status("i-this"))
		require.Equal(t, []ecsreboot.Status{ecsreboot.StatusStarting, ecsreboot.StatusRunning}, told)
		require.Equal(t, 1, s.Reboots("i-this"))
		require.Equal(t, 1, s.TotalReboots())
		require.Empty(t, s.Calls())
	})
}

func TestAddInstance(t *testing.T) {
	s := inMemory(t, Options{})
	require.Error(t, s.AddInstance(Instance{}))
	require.ErrorContains(t, s.AddInstance(Instance{ID: id}), id)
	require.ErrorContains(t, s.AddInstance(Instance{ID: "i-a", Status: "running"}), `"running"`)
	require.ErrorContains(t, s.AddInstance(Instance{ID: "i-a", Reboot: RebootProfile{Path: []ecsreboot.Status{"Rebooting"}}}), `"Rebooting"`)
	require.Error(t, s.AddInstance(Instance{ID: "i-a", Reboot: RebootProfile{Path: []ecsreboot.Status{""}}}))
	require.NoError(t, s.AddInstance(Instance{ID: "i-a"}))
}

func TestOnStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var told []string
		var s *Server
		s = inMemory(t, Options{OnStatus: func(id string, status ecsreboot.Status) {
			told = append(told, fmt.Sprint(id, " ", status, " ", time.Since(begin)))
			if status == ecsreboot.StatusStopped {
				require.NoError(t, s.SetStatus(id, ecsreboot.StatusPending), "a callback may script on")
			}
		}})
		require.NoError(t, s.AddInstance(Instance{
			ID: "i-this", Reboot: RebootProfile{Path: []ecsreboot.Status{ecsreboot.StatusStopping, ecsreboot.StatusStarting}, Graceful: 20 * time.Second, Stale: 3 * time.Second},
		}))
		c := newCaller(s)
		c.must(t, actionReboot, "InstanceId", "i-this")
		time.Sleep(time.Minute)
		require.NoError(t, s.SetStatus("i-this", ecsreboot.StatusStopped))
		require.NoError(t, s.SetStatus("i-this", ecsreboot.StatusRunning))
		c.must(t, actionReboot, "InstanceId", "i-this")
		s.RemoveInstance("i-this")
		c.reboot(t) // takes no time: nothing is seen
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []string{
			"i-this Stopping 3s", "i-this Starting 10s", "i-this Running 20s",
			"i-this Stopped 1m0s", "i-this Pending 1m0s", "i-this Running 1m0s",
		}, told)
		require.NoError(t, s.AddInstance(Instance{ID: "i-last"}))
		c.must(t, actionReboot, "InstanceId", "i-last")
		s.Close() // with a timer pending
	})
}
