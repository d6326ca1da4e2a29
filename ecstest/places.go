package ecstest

import (
	"maps"
	"net/http"
	"slices"
)

type regionView struct {
	RegionID       string `json:"RegionId" xml:"RegionId"`
	LocalName      string
	RegionEndpoint string
	Status         string
}

type regionsPayload struct {
	RequestID string `json:"RequestId" xml:"RequestId"`
	Regions   struct {
		Region []regionView
	}
}

func (p *regionsPayload) identify(requestID string) { p.RequestID = requestID }

var languages = []string{"zh-CN", "en-US", "ja"}

// describeRegions shows the server's region. Its endpoint is the host that was called, so
// that a client that follows it stays with this server.
func (s *Server) describeRegions(req *request, _ *ReceivedCall) *answer {
	for name, known := range map[string]struct {
		values  []string
		unknown string
	}{
		"InstanceChargeType": {chargeTypes, "Invalid.InstanceChargeType"},
		"ResourceType":       {[]string{"instance", "disk", "reservedinstance", "scu"}, "InvalidResourceType.NotFound"},
		"AcceptLanguage":     {languages, "InvalidAcceptLanguage.NotFound"},
	} {
		if value := req.params.Get(name); value != "" && !slices.Contains(known.values, value) {
			return documented(known.unknown)
		}
	}
	var body regionsPayload
	body.Regions.Region = []regionView{}
	if s.allowed(req.action, "") {
		body.Regions.Region = []regionView{{s.options.Region, s.options.Region, req.host, "available"}}
	}
	return &answer{status: http.StatusOK, payload: &body}
}

type zoneView struct {
	ZoneID                    string `json:"ZoneId" xml:"ZoneId"`
	LocalName                 string
	ZoneType                  string
	AvailableResourceCreation struct {
		ResourceTypes []string
	}
	AvailableInstanceTypes struct {
		InstanceTypes []string
	}
	AvailableDiskCategories struct {
		DiskCategories []string
	}
}

type zonesPayload struct {
	RequestID string `json:"RequestId" xml:"RequestId"`
	Zones     struct {
		Zone []zoneView
	}
}

func (p *zonesPayload) identify(requestID string) { p.RequestID = requestID }

// describeZones shows the zones that have instances, each with their types.
func (s *Server) describeZones(req *request, _ *ReceivedCall) *answer {
	if refusal := s.checkRegion(req); refusal != nil {
		return refusal
	}
	if value := req.params.Get("AcceptLanguage"); value != "" && !slices.Contains(languages, value) {
		return documented("InvalidAcceptLanguage.NotFound")
	}
	types := map[string]map[string]bool{}
	for _, l := range s.list(req, nil, func(*instanceView) bool { return true }) {
		if types[l.ZoneID] == nil {
			types[l.ZoneID] = map[string]bool{}
		}
		types[l.ZoneID][l.InstanceType] = true
	}
	body := zonesPayload{}
	body.Zones.Zone = []zoneView{}
	for _, id := range slices.Sorted(maps.Keys(types)) {
		v := zoneView{ZoneID: id, LocalName: id, ZoneType: "AvailabilityZone"}
		v.AvailableResourceCreation.ResourceTypes = []string{"Instance", "Disk", "VSwitch"}
		v.AvailableInstanceTypes.InstanceTypes = slices.Sorted(maps.Keys(types[id]))
		v.AvailableDiskCategories.DiskCategories = []string{"cloud_essd", "cloud_efficiency"}
		body.Zones.Zone = append(body.Zones.Zone, v)
	}
	return &answer{status: http.StatusOK, payload: &body}
}
