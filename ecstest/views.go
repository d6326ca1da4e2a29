package ecstest

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

const minute = "2006-01-02T15:04Z" // StartTime and its like carry no seconds

type lockView struct {
	LockReason string
	LockMsg    *string `json:",omitempty" xml:",omitempty"`
}

type locksView struct {
	LockReason []lockView
}

type tagView struct {
	TagKey, TagValue string
}

type tagsView struct {
	Tag []tagView
}

type addressesView struct {
	IPAddress []string `json:"IpAddress" xml:"IpAddress"`
}

type eipView struct {
	IPAddress            string `json:"IpAddress" xml:"IpAddress"`
	AllocationID         string `json:"AllocationId" xml:"AllocationId"`
	InternetChargeType   string
	Bandwidth            int   `json:",omitempty" xml:",omitempty"`
	IsSupportUnassociate *bool `json:",omitempty" xml:",omitempty"`
}

type vpcView struct {
	VPCID            string        `json:"VpcId" xml:"VpcId"`
	VSwitchID        string        `json:"VSwitchId" xml:"VSwitchId"`
	NatIPAddress     string        `json:"NatIpAddress" xml:"NatIpAddress"`
	PrivateIPAddress addressesView `json:"PrivateIpAddress" xml:"PrivateIpAddress"`
}

type groupsView struct {
	SecurityGroupID []string `json:"SecurityGroupId" xml:"SecurityGroupId"`
}

type hostView struct {
	DedicatedHostID   string `json:"DedicatedHostId" xml:"DedicatedHostId"`
	DedicatedHostName string
}

type privateIPView struct {
	PrivateIPAddress string `json:"PrivateIpAddress" xml:"PrivateIpAddress"`
	Primary          bool
}

type interfaceView struct {
	Type               string
	MACAddress         string `json:"MacAddress" xml:"MacAddress"`
	PrimaryIPAddress   string `json:"PrimaryIpAddress" xml:"PrimaryIpAddress"`
	NetworkInterfaceID string `json:"NetworkInterfaceId" xml:"NetworkInterfaceId"`
	PrivateIPSets      struct {
		PrivateIPSet []privateIPView `json:"PrivateIpSet" xml:"PrivateIpSet"`
	} `json:"PrivateIpSets" xml:"PrivateIpSets"`
}

type interfacesView struct {
	NetworkInterface []interfaceView
}

// commonView is what a list and DescribeInstanceAttribute both show of an instance.
type commonView struct {
	InstanceID              string `json:"InstanceId" xml:"InstanceId"`
	InstanceName            string
	Description             string
	HostName                string
	SerialNumber            string
	RegionID                string `json:"RegionId" xml:"RegionId"`
	ZoneID                  string `json:"ZoneId" xml:"ZoneId"`
	ClusterID               string `json:"ClusterId" xml:"ClusterId"`
	Status                  string
	ImageID                 string `json:"ImageId" xml:"ImageId"`
	InstanceType            string
	CPU                     int `json:"Cpu" xml:"Cpu"`
	Memory                  int
	InstanceChargeType      string
	InstanceNetworkType     string
	InternetChargeType      string
	InternetMaxBandwidthIn  int
	InternetMaxBandwidthOut int
	VlanID                  string        `json:"VlanId" xml:"VlanId"`
	SecurityGroupIDs        groupsView    `json:"SecurityGroupIds" xml:"SecurityGroupIds"`
	VPCAttributes           vpcView       `json:"VpcAttributes" xml:"VpcAttributes"`
	InnerIPAddress          addressesView `json:"InnerIpAddress" xml:"InnerIpAddress"`
	PublicIPAddress         addressesView `json:"PublicIpAddress" xml:"PublicIpAddress"`
	EIPAddress              eipView       `json:"EipAddress" xml:"EipAddress"`
	CreationTime            string
	ExpiredTime             string
	StoppedMode             string
	OperationLocks          locksView
	DedicatedHostAttribute  hostView
}

// instanceView is an instance in a list of DescribeInstances.
type instanceView struct {
	commonView
	InstanceTypeFamily string
	OSName             string
	OSNameEn           string
	OSType             string
	KeyPairName        string
	ResourceGroupID    string `json:"ResourceGroupId" xml:"ResourceGroupId"`
	StartTime          string
	AutoReleaseTime    string
	IoOptimized        bool
	DeviceAvailable    bool
	DeletionProtection bool
	Recyclable         bool
	SpotStrategy       string
	GPUAmount          int
	GPUSpec            string
	SaleCycle          string
	DeploymentSetID    string `json:"DeploymentSetId" xml:"DeploymentSetId"`
	NetworkInterfaces  interfacesView
	MetadataOptions    struct{ HttpEndpoint, HttpTokens string } //nolint:revive // the service's names
	CPUOptions         cpuView                                   `json:"CpuOptions" xml:"CpuOptions"`
	HibernationOptions struct{ Configured bool }
	// Those of an instance on no dedicated host and without a reservation are empty.
	DedicatedInstanceAttribute struct{ Affinity, Tenancy string }
	EcsCapacityReservationAttr reservationView
	Tags                       *tagsView `json:",omitempty" xml:",omitempty"`
}

type cpuView struct {
	CoreCount, ThreadsPerCore int
	Numa                      string
}

type reservationView struct {
	CapacityReservationID         string `json:"CapacityReservationId" xml:"CapacityReservationId"`
	CapacityReservationPreference string
}

// addressesOf is a list that is empty and not null if there are no addresses.
func addressesOf(ips []string) addressesView { return addressesView{append([]string{}, ips...)} }

type listPayload struct {
	RequestID  string `json:"RequestId" xml:"RequestId"`
	PageNumber int
	PageSize   int
	TotalCount int
	NextToken  string
	Instances  struct {
		Instance []instanceView `json:"Instance" xml:"Instance"`
	}
}

func (p *listPayload) identify(requestID string) { p.RequestID = requestID }

type statusView struct {
	InstanceID string `json:"InstanceId" xml:"InstanceId"`
	Status     string
}

type statusPayload struct {
	RequestID        string `json:"RequestId" xml:"RequestId"`
	PageNumber       int
	PageSize         int
	TotalCount       int
	InstanceStatuses struct {
		InstanceStatus []statusView `json:"InstanceStatus" xml:"InstanceStatus"`
	}
}

func (p *statusPayload) identify(requestID string) { p.RequestID = requestID }

type attributePayload struct {
	RequestID string `json:"RequestId" xml:"RequestId"`
	commonView
	IoOptimized string // what is a boolean in lists
}

func (p *attributePayload) identify(requestID string) { p.RequestID = requestID }

// listed is an instance in a list.
type listed struct {
	instanceView
	place
}

// place is what orders a list: the newest instance comes first.
type place struct {
	created  time.Time
	sequence int // orders instances that were created at once
}

func (p place) compare(other place) int {
	return cmp.Or(other.created.Compare(p.created), other.sequence-p.sequence)
}

// token is the NextToken of a page that ends at p.
func (p place) token() string {
	text := strconv.Itoa(p.sequence) + " " + p.created.UTC().Format(time.RFC3339Nano)
	return base64.StdEncoding.EncodeToString([]byte(text))
}

func parseToken(token string) (p place, err error) {
	text, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		return place{}, err
	}
	sequence, created, _ := strings.Cut(string(text), " ")
	if p.sequence, err = strconv.Atoi(sequence); err != nil {
		return place{}, err
	}
	p.created, err = time.Parse(time.RFC3339Nano, created)
	return p, err
}

// view is what reads show of m at now. The lock is held.
func (s *Server) view(m *machine, now time.Time) listed {
	status, start := m.shown(now)
	v := instanceView{
		commonView: commonView{
			InstanceID: m.ID, InstanceName: m.Name, Description: m.Description, HostName: m.HostName, SerialNumber: m.serial,
			RegionID: s.options.Region, ZoneID: m.ZoneID, Status: string(status), StoppedMode: m.StoppedMode,
			ImageID: m.ImageID, InstanceType: m.InstanceType, CPU: m.CPU, Memory: m.Memory,
			InstanceChargeType: m.InstanceChargeType, InternetChargeType: m.InternetChargeType, InstanceNetworkType: "vpc",
			SecurityGroupIDs: groupsView{append([]string{}, m.SecurityGroupIDs...)},
			VPCAttributes:    vpcView{VPCID: m.VPCID, VSwitchID: m.VSwitchID, PrivateIPAddress: addressesOf(m.PrivateIPs)},
			InnerIPAddress:   addressesOf(m.InnerIPs), PublicIPAddress: addressesOf(m.PublicIPs), EIPAddress: eipView{IPAddress: m.EIP},
			CreationTime: m.CreationTime.UTC().Format(minute),
			ExpiredTime:  m.ExpiredTime.UTC().Format(minute),
		},
		InstanceTypeFamily: family(m.InstanceType), OSName: m.OSName, OSNameEn: m.OSName, OSType: m.OSType,
		KeyPairName: m.KeyPairName, ResourceGroupID: m.ResourceGroupID, StartTime: start.UTC().Format(minute),
		IoOptimized: true, DeviceAvailable: true, SpotStrategy: "NoSpot", NetworkInterfaces: m.networkInterfaces(),
	}
	v.CPUOptions.CoreCount, v.CPUOptions.ThreadsPerCore = max(m.CPU/2, 1), min(m.CPU, 2)
	v.MetadataOptions.HttpEndpoint, v.MetadataOptions.HttpTokens = "enabled", "optional"
	if len(m.InnerIPs) > 0 {
		v.InstanceNetworkType = "classic"
	}
	if len(m.PublicIPs) > 0 {
		v.InternetMaxBandwidthIn, v.InternetMaxBandwidthOut = 100, 5
	}
	if m.EIP != "" {
		v.EIPAddress = eipView{m.EIP, "eip-" + m.suffix(), "PayByTraffic", 5, new(true)}
	}
	switch {
	case status == ecsreboot.StatusStopped:
		v.StoppedMode = cmp.Or(m.stopMode, m.StoppedMode, "KeepCharging")
	case v.StoppedMode == "":
		v.StoppedMode = "Not-applicable"
	}
	v.OperationLocks.LockReason = []lockView{} // an empty list, not null
	for _, reason := range m.Locks {
		v.OperationLocks.LockReason = append(v.OperationLocks.LockReason, lockView{reason, new("")})
	}
	if len(m.Tags) > 0 {
		v.Tags = new(tagsView)
	}
	for _, key := range slices.Sorted(maps.Keys(m.Tags)) {
		v.Tags.Tag = append(v.Tags.Tag, tagView{key, m.Tags[key]})
	}
	return listed{v, place{m.CreationTime, m.sequence}}
}

// suffix is the ID without its prefix, for the IDs of what belongs to the instance.
func (m *machine) suffix() string { return strings.TrimPrefix(m.ID, "i-") }

// serialNumber is a UUID that is the same each time.
func serialNumber(id string) string {
	sum := sha256.Sum256([]byte(id))
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// networkInterfaces has the one interface of an instance in a VPC.
func (m *machine) networkInterfaces() interfacesView {
	if len(m.PrivateIPs) == 0 {
		return interfacesView{[]interfaceView{}}
	}
	i := interfaceView{
		Type: "Primary", PrimaryIPAddress: m.PrivateIPs[0], NetworkInterfaceID: "eni-" + m.suffix(),
		MACAddress: fmt.Sprintf("00:16:3e:%02x:%02x:%02x", byte(m.sequence>>16), byte(m.sequence>>8), byte(m.sequence)), //nolint:gosec // the low bytes
	}
	for n, ip := range m.PrivateIPs {
		i.PrivateIPSets.PrivateIPSet = append(i.PrivateIPSets.PrivateIPSet, privateIPView{ip, n == 0})
	}
	return interfacesView{[]interfaceView{i}}
}

// attribute is what DescribeInstanceAttribute shows of m at now: no StartTime, no tags
// and no resource group, and a CreationTime with seconds. The lock is held.
func (s *Server) attribute(m *machine, now time.Time) *attributePayload {
	v := s.view(m, now).commonView
	v.CreationTime = m.CreationTime.UTC().Format(time.RFC3339)
	v.EIPAddress.IsSupportUnassociate = nil
	for n := range v.OperationLocks.LockReason {
		v.OperationLocks.LockReason[n].LockMsg = nil
	}
	return &attributePayload{commonView: v, IoOptimized: "true"}
}
