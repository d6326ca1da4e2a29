package ecstest

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
)

// A stop and a start pass through their statuses, and only the start moves StartTime.
func TestStopAndStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := many(t, 0)
		defer s.Close()
		require.NoError(t, s.AddInstance(Instance{ID: "i-this", StartTime: time.Now().Add(-time.Hour)}))
		c := newCaller(s)
		mode := func() string { return c.list(t).Instances.Instance[0].StoppedMode }

		require.Equal(t, "DryRunOperation", c.must(t, actionStop, "InstanceId", "i-this", "DryRun", "true").code())
		require.Equal(t, "IncorrectInstanceStatus", c.must(t, actionStart, "InstanceId", "i-this").code())
		require.Equal(t, http.StatusOK, c.must(t, actionStop, "InstanceId", "i-this", "StoppedMode", "StopCharging").status)
		require.Equal(t, "Stopping 23:00Z", c.seen(t))
		require.Equal(t, "Not-applicable", mode())
		require.Equal(t, "IncorrectInstanceStatus", c.must(t, actionStop, "InstanceId", "i-this").code())
		require.Equal(t, "IncorrectInstanceStatus", c.must(t, actionReboot, "InstanceId", "i-this").code())
		time.Sleep(30 * time.Second)
		require.Equal(t, "Stopped 23:00Z", c.seen(t))
		require.Equal(t, "StopCharging", mode())

		require.Equal(t, "DryRunOperation", c.must(t, actionStart, "InstanceId", "i-this", "DryRun", "true").code())
		require.Equal(t, http.StatusOK, c.must(t, actionStart, "InstanceId", "i-this").status)
		require.Equal(t, "Starting 23:00Z", c.seen(t))
		time.Sleep(30 * time.Second)
		require.Equal(t, "Running 00:01Z", c.seen(t))

		require.Equal(t, http.StatusOK, c.must(t, actionStop, "InstanceId", "i-this", "ForceStop", "true").status)
		time.Sleep(10 * time.Second)
		require.Equal(t, "Stopped 00:01Z", c.seen(t))
		require.Equal(t, "KeepCharging", mode())
		require.Zero(t, s.TotalReboots(), "neither is a restart")
	})
}

func TestPowerRefused(t *testing.T) {
	s := inMemory(t, Options{Allow: func(_, id string) bool { return id != "i-denied" }})
	for _, i := range []Instance{
		{ID: "i-denied"},
		{ID: "i-locked", Locks: []string{"security"}},
		{ID: "i-stopped", Status: ecsreboot.StatusStopped},
		{ID: "i-locked-stopped", Locks: []string{"security"}, Status: ecsreboot.StatusStopped},
		{ID: "i-expired", Status: ecsreboot.StatusStopped, ExpiredTime: time.Now().Add(-time.Hour)},
	} {
		require.NoError(t, s.AddInstance(i))
	}
	c := newCaller(s)
	for _, test := range []struct {
		action string
		params []string
		status int
		code   string
	}{
		{actionStop, nil, 400, "MissingParameter"},
		{actionStop, []string{"InstanceId", id, "ForceStop", "x"}, 400, "InvalidParameter"},
		{actionStop, []string{"InstanceId", id, "ConfirmStop", "x"}, 400, "InvalidParameter"},
		{actionStop, []string{"InstanceId", id, "StoppedMode", "x"}, 400, "InvalidParameter"},
		{actionStop, []string{"InstanceId", id, "DryRun", "x"}, 400, "InvalidParameter"},
		{actionStop, []string{"InstanceId", id, "Hibernate", "true"}, 400, "NotImplementedByEcstest"},
		{actionStop, []string{"InstanceId", "i-none"}, 404, "InvalidInstanceId.NotFound"},
		{actionStop, []string{"InstanceId", "i-denied"}, 403, "Forbidden.RAM"},
		{actionStop, []string{"InstanceId", "i-locked"}, 200, ""},
		{actionStart, []string{"InstanceId", "i-locked-stopped"}, 403, "InstanceLockedForSecurity"},
		{actionStart, []string{"InstanceId", "i-expired"}, 403, "InstanceExpired"},
		{actionStart, []string{"InstanceId", "i-none"}, 404, "InvalidInstanceId.NotFound"},
		{actionStart, []string{"InstanceId", "i-stopped", "InitLocalDisk", "true"}, 400, "NotImplementedByEcstest"},
		{actionReboots, []string{"InstanceId.1", id}, 400, "MissingParameter"},
		{actionReboots, []string{"RegionId", "cn-hangzhou"}, 403, "InvalidInstanceId.NotFound"},
		{actionReboots, []string{"RegionId", "cn-hangzhou", "InstanceId.1", id, "ForceReboot", "x"}, 400, "InvalidParameter"},
		{actionReboots, []string{"RegionId", "cn-hangzhou", "InstanceId.1", id, "DryRun", "x"}, 400, "InvalidParameter"},
		{actionReboots, []string{"RegionId", "cn-hangzhou", "InstanceId.1", id, "BatchOptimization", "x"}, 400, "InvalidParameter"},
		{actionReboots, []string{"RegionId", "cn-hangzhou", "InstanceId.1", id, "InstanceId.2", "i-denied"}, 403, "Forbidden.RAM"},
		{actionReboots, []string{"RegionId", "cn-hangzhou", "InstanceId.1", id, "InstanceId.2", "i-none"}, 404, "InvalidInstanceId.NotFound"},
		{actionReboots, []string{"RegionId", "cn-hangzhou", "InstanceId.1", id, "InstanceId.2", "i-stopped", "DryRun", "true"}, 403, "IncorrectInstanceStatus"},
		{actionReboots, []string{"RegionId", "cn-hangzhou", "InstanceId.1", id, "DryRun", "true"}, 400, "DRYRUN.SUCCESS"},
		{actionReboots, []string{"RegionId", "cn-hangzhou", "InstanceId.1", "i-none", "DryRun", "true", "BatchOptimization", "SuccessFirst"}, 400, "DRYRUN.SUCCESS"},
		{actionRegions, []string{"ResourceType", "x"}, 404, "InvalidResourceType.NotFound"},
		{actionRegions, []string{"AcceptLanguage", "x"}, 404, "InvalidAcceptLanguage.NotFound"},
		{actionRegions, []string{"InstanceChargeType", "x"}, 403, "Invalid.InstanceChargeType"},
		{actionZones, nil, 400, "MissingParameter"},
		{actionZones, []string{"RegionId", "cn-hangzhou", "AcceptLanguage", "x"}, 404, "InvalidAcceptLanguage.NotFound"},
	} {
		r := c.must(t, test.action, test.params...)
		require.Equal(t, test.status, r.status, test.params)
		if test.code != "" {
			require.Equal(t, test.code, r.code(), test.params)
		}
	}
	require.Zero(t, s.TotalReboots())
}

// A batch restarts all or none, or whichever it can.
func TestRebootInstances(t *testing.T) {
	s := many(t, 3)
	require.NoError(t, s.SetStatus("i-002", ecsreboot.StatusStopped))
	c := newCaller(s)
	reboot := func(params ...string) rebootsPayload {
		return decode[rebootsPayload](t, c.must(t, actionReboots, append([]string{"RegionId", "cn-hangzhou"}, params...)...))
	}
	got := reboot("InstanceId.1", "i-001", "InstanceId.2", "i-001")
	require.Equal(t, []rebootedView{{"i-001", "Running", "Starting", "200", "success"}}, got.InstanceResponses.InstanceResponse)
	require.True(t, s.Calls()[0].Acted)
	require.Equal(t, []string{"i-001"}, s.Calls()[0].Restarted)
	require.Equal(t, "i-001,i-001", s.Calls()[0].InstanceID)

	got = reboot("InstanceId.1", "i-000", "InstanceId.2", "i-002", "InstanceId.3", "i-none", "BatchOptimization", "SuccessFirst", "ForceReboot", "true")
	require.Equal(t, []rebootedView{
		{"i-000", "Running", "Starting", "200", "success"},
		{"i-002", "Stopped", "Stopped", "IncorrectInstanceStatus", problems["IncorrectInstanceStatus"].message},
		{"i-none", "", "", "InvalidInstanceId.NotFound", problems["InvalidInstanceId.NotFound"].message},
	}, got.InstanceResponses.InstanceResponse)
	require.Equal(t, 1, s.Reboots("i-000"))
	require.Equal(t, 2, s.TotalReboots())
}

func TestRegionsAndZones(t *testing.T) {
	s := many(t, 2)
	require.NoError(t, s.AddInstance(Instance{ID: "i-z", ZoneID: "cn-hangzhou-z", InstanceType: "ecs.c8y.small"}))
	c := newCaller(s)
	require.JSONEq(t, `{"RequestId":"ID","Regions":{"Region":[{"RegionId":"cn-hangzhou","LocalName":"cn-hangzhou","RegionEndpoint":"127.0.0.1:1","Status":"available"}]}}`,
		body(t, c.must(t, actionRegions, "AcceptLanguage", "en-US"), "application/json;charset=utf-8"))
	const kinds = `"ZoneType":"AvailabilityZone","AvailableResourceCreation":{"ResourceTypes":["Instance","Disk","VSwitch"]},"AvailableDiskCategories":{"DiskCategories":["cloud_essd","cloud_efficiency"]}`
	require.JSONEq(t, `{"RequestId":"ID","Zones":{"Zone":[
		{"ZoneId":"cn-hangzhou-a","LocalName":"cn-hangzhou-a","AvailableInstanceTypes":{"InstanceTypes":["ecs.g7.large"]},`+kinds+`},
		{"ZoneId":"cn-hangzhou-z","LocalName":"cn-hangzhou-z","AvailableInstanceTypes":{"InstanceTypes":["ecs.c8y.small"]},`+kinds+`}]}}`,
		body(t, c.must(t, actionZones, "RegionId", "cn-hangzhou"), "application/json;charset=utf-8"))
}
