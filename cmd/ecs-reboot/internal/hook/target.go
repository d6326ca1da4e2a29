package hook

import (
	"cmp"

	"github.com/ecsreboot/ecsreboot/fleet"
)

// newInstance returns the values of a target for hooks. region applies if the target names
// no region.
func newInstance(t fleet.Target, region string) Instance {
	return Instance{
		ID: t.ID, Name: t.Name, IP: t.IP(), PrivateIP: first(t.PrivateIPs), PublicIP: first(t.PublicIPs), HostName: t.HostName,
		Zone: t.Zone, Group: t.Group, Region: cmp.Or(t.Region, region),
	}
}

func first(ips []string) string {
	if len(ips) == 0 {
		return ""
	}
	return ips[0]
}
