package ecstest

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
)

var (
	osTypes             = []string{"linux", "windows"}
	chargeTypes         = []string{"PostPaid", "PrePaid"}
	internetChargeTypes = []string{"PayByTraffic", "PayByBandwidth"}
)

var statuses = []ecsreboot.Status{ecsreboot.StatusPending, ecsreboot.StatusStarting, ecsreboot.StatusRunning, ecsreboot.StatusStopping, ecsreboot.StatusStopped}

// Instance is an instance to add to a Server.
type Instance struct {
	ID     string
	Name   string           // default the ID
	Status ecsreboot.Status // default Running
	ZoneID string           // default the region with "-a" added
	// PrivateIPs are the addresses in the VPC, the primary one first; by default one
	// address, different for each instance. InnerIPs are the addresses in the classic
	// network: an instance that has them is in no VPC and has no PrivateIPs.
	PrivateIPs, InnerIPs []string
	// PublicIPs are the fixed public addresses, and EIP is the Elastic IP address.
	// Default none.
	PublicIPs    []string
	EIP          string
	HostName     string // default "iZ", the ID without "i-", and "Z"
	InstanceType string // default "ecs.g7.large"
	// CPU is the number of vCPUs, and Memory is in MiB; by default what InstanceType has.
	CPU, Memory      int
	VPCID            string   // default "vpc-" and the region
	VSwitchID        string   // default "vsw-" and the zone
	SecurityGroupIDs []string // default "sg-" and the region
	ImageID          string   // default an image of Alibaba Cloud Linux, or of Windows
	OSName           string   // default the name of that system
	OSType           string   // "linux", the default, or "windows"
	KeyPairName      string
	Description      string
	// InstanceChargeType is "PrePaid" or "PostPaid", by default "PrePaid" if ExpiredTime is
	// set. InternetChargeType is "PayByTraffic", the default, or "PayByBandwidth".
	InstanceChargeType, InternetChargeType string
	// ResourceGroupID is empty for the default resource group.
	ResourceGroupID string
	// Locks are the lock reasons: "security" makes a restart fail with
	// InstanceLockedForSecurity, "financial" with InstanceExpiredOrInArrears;
	// others are reported but have no effect.
	Locks []string
	// StartTime and CreationTime are an hour and a day before the server's
	// time by default. ExpiredTime is far off by default; from ExpiredTime on, a
	// restart fails with InstanceExpiredOrInArrears. All three are reported to
	// the minute, and CreationTime by DescribeInstanceAttribute to the second.
	StartTime, CreationTime, ExpiredTime time.Time
	StoppedMode                          string // default "KeepCharging" when Stopped, otherwise "Not-applicable"
	Tags                                 map[string]string
	// Events are the system events that are scheduled for the instance.
	Events []ScheduledEvent
	// AgentDelay is how long after a boot the Cloud Assistant agent sends its first
	// heartbeat. Default 5 s; negative means at once. NoAgent means that the instance has
	// no agent.
	AgentDelay time.Duration
	NoAgent    bool
	// ConsoleOutput is the text that GetInstanceConsoleOutput shows.
	ConsoleOutput string
	// RecordsLate is an additional delay until the records of this instance become
	// visible. If RecordsMissing is true, the server keeps no records of this instance.
	RecordsLate    time.Duration
	RecordsMissing bool
	// Reboot also says how long a start takes, and a stop, with and without ForceStop.
	Reboot RebootProfile
}

// RebootProfile is how a restart looks from outside. The zero value passes
// through Starting and takes 30 s, or 10 s with ForceStop.
type RebootProfile struct {
	// Path lists the statuses of the instance during the restart, in order, each
	// for an equal share of the time; default Starting.
	Path []ecsreboot.Status
	// Graceful and Forced are how long the restart takes until the instance is
	// Running again, without and with ForceStop; default 30 s and 10 s; negative
	// means no time at all.
	Graceful, Forced time.Duration
	// Stale is how long reads keep showing the old state after the restart was
	// accepted.
	Stale time.Duration
	// KeepStartTime leaves StartTime as it is. By default, StartTime becomes the
	// time at which the instance is Running again.
	KeepStartTime bool
	// Hang leaves the instance in the last status of Path for good.
	Hang bool
}

// machine is an instance and its last transition. Everything is derived from the
// time that passed, so no goroutine is needed to move it on.
type machine struct {
	Instance
	sequence int // counts up as instances are added
	serial   string
	last     *transition
	stopMode string // of the last StopInstance
	events   []event
	removed  bool
	told     ecsreboot.Status // the status that OnStatus knows
	// noted is how many steps of last were noted, and notedStatus is the status after them.
	noted        int
	notedStatus  ecsreboot.Status
	booted       time.Time // since when the guest runs; zero if it does not run
	bootID       string    // of the guest's last boot
	scheduled    []*task   // the commands that wait for a boot
	ranScheduled bool      // these commands have run since the last boot
	invoked      int       // how many commands have run
	lastInvoked  time.Time // when the last command ran
	lastBeat     time.Time // the agent's last heartbeat before the guest stopped
	timer        *time.Timer
}

// transition is a restart, a start or a stop.
type transition struct {
	at, startTime time.Time
	took          time.Duration
	path          []ecsreboot.Status
	end           ecsreboot.Status
	oldStatus     ecsreboot.Status
	oldStart      time.Time
}

// AddInstance adds an instance. An empty id, an id that already exists, an
// unknown status, including one in Reboot.Path, an unknown OSType or charge type, and
// a tag with an empty key are errors.
func (s *Server) AddInstance(i Instance) error {
	if i.ID == "" {
		return errors.New("ecstest: an instance needs an id")
	}
	for _, field := range []struct {
		name, value string
		known       []string
	}{
		{"OSType", i.OSType, osTypes},
		{"InstanceChargeType", i.InstanceChargeType, chargeTypes},
		{"InternetChargeType", i.InternetChargeType, internetChargeTypes},
	} {
		if field.value != "" && !slices.Contains(field.known, field.value) {
			return fmt.Errorf("ecstest: instance %s: unknown %s %q", i.ID, field.name, field.value)
		}
	}
	for _, status := range append([]ecsreboot.Status{i.Status}, i.Reboot.Path...) {
		if status != "" && !slices.Contains(statuses, status) {
			return unknownStatus(i.ID, status)
		}
	}
	if slices.Contains(i.Reboot.Path, "") {
		return unknownStatus(i.ID, "")
	}
	if _, ok := i.Tags[""]; ok {
		return fmt.Errorf("ecstest: instance %s: a tag needs a key", i.ID)
	}
	i.Locks = slices.Clone(i.Locks)
	i.Tags = maps.Clone(i.Tags)
	i.PrivateIPs, i.InnerIPs, i.PublicIPs = slices.Clone(i.PrivateIPs), slices.Clone(i.InnerIPs), slices.Clone(i.PublicIPs)
	i.SecurityGroupIDs = slices.Clone(i.SecurityGroupIDs)
	i.Reboot.Path = slices.Clone(i.Reboot.Path)

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.machines[i.ID] != nil {
		return fmt.Errorf("ecstest: instance %s was added before", i.ID)
	}
	if len(i.InnerIPs) > 0 && (len(i.PrivateIPs) > 0 || i.VPCID != "" || i.VSwitchID != "" || i.EIP != "") {
		return fmt.Errorf("ecstest: instance %s: an instance of the classic network has no VPCID, no VSwitchID, no PrivateIPs and no EIP", i.ID)
	}
	s.fillDefaults(&i)
	s.added++
	m := &machine{Instance: i, sequence: s.added, serial: serialNumber(i.ID), told: i.Status}
	for n, e := range i.Events {
		m.events = append(m.events, s.scheduled(m, n, e))
	}
	s.setGuest(m)
	s.machines[i.ID] = m
	return nil
}

func (s *Server) fillDefaults(i *Instance) {
	now := time.Now().Add(s.offset)
	if i.Name == "" {
		i.Name = i.ID
	}
	if i.Status == "" {
		i.Status = ecsreboot.StatusRunning
	}
	if i.ZoneID == "" {
		i.ZoneID = s.options.Region + "-a"
	}
	s.fillNetwork(i)
	i.fillHardware()
	i.fillSystem()
	if i.StartTime.IsZero() {
		i.StartTime = now.Add(-time.Hour)
	}
	if i.CreationTime.IsZero() {
		i.CreationTime = now.Add(-24 * time.Hour)
	}
	if i.InternetChargeType == "" {
		i.InternetChargeType = "PayByTraffic"
	}
	if i.InstanceChargeType == "" {
		i.InstanceChargeType = "PrePaid"
		if i.ExpiredTime.IsZero() {
			i.InstanceChargeType = "PostPaid"
		}
	}
	if i.ExpiredTime.IsZero() {
		i.ExpiredTime = time.Date(2099, time.December, 31, 15, 59, 0, 0, time.UTC) // the service's "never"
	}
	i.AgentDelay = orDefault(i.AgentDelay, 5*time.Second)
	r := &i.Reboot
	if len(r.Path) == 0 {
		r.Path = []ecsreboot.Status{ecsreboot.StatusStarting}
	}
	if r.Graceful == 0 {
		r.Graceful = 30 * time.Second
	}
	if r.Forced == 0 {
		r.Forced = 10 * time.Second
	}
}

// fillNetwork gives the n-th instance the address 10.0.0.0 + n.
func (s *Server) fillNetwork(i *Instance) {
	if i.HostName == "" {
		i.HostName = "iZ" + strings.TrimPrefix(i.ID, "i-") + "Z"
	}
	if len(i.SecurityGroupIDs) == 0 {
		i.SecurityGroupIDs = []string{"sg-" + s.options.Region}
	}
	if len(i.InnerIPs) > 0 {
		return
	}
	if i.VSwitchID == "" {
		i.VSwitchID = "vsw-" + i.ZoneID
	}
	if i.VPCID == "" {
		i.VPCID = "vpc-" + s.options.Region
	}
	if len(i.PrivateIPs) == 0 {
		n := s.added + 1
		i.PrivateIPs = []string{netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}).String()} //nolint:gosec // the low bytes
	}
}

// family is the first two parts of an instance type, such as ecs.g7 of ecs.g7.large.
func family(instanceType string) string {
	if end := strings.LastIndexByte(instanceType, '.'); end > 0 {
		return instanceType[:end]
	}
	return instanceType
}

// fillHardware gives the instance the vCPUs and the memory of its type, as far as the
// type's name tells them: the family's letter says how many GiB a vCPU has, and the last
// part how many vCPUs there are.
func (i *Instance) fillHardware() {
	if i.InstanceType == "" {
		i.InstanceType = "ecs.g7.large"
	}
	cpu, gib := 2, 4
	switch size := strings.TrimPrefix(i.InstanceType, family(i.InstanceType)+"."); size {
	case "small":
		cpu = 1
	case "xlarge":
		cpu = 4
	default:
		if n, err := strconv.Atoi(strings.TrimSuffix(size, "xlarge")); err == nil {
			cpu = 4 * n
		}
	}
	switch name := strings.TrimPrefix(i.InstanceType, "ecs."); {
	case strings.HasPrefix(name, "c"):
		gib = 2
	case strings.HasPrefix(name, "r"):
		gib = 8
	}
	if i.CPU == 0 {
		i.CPU = cpu
	}
	if i.Memory == 0 {
		i.Memory = i.CPU * gib * 1024
	}
}

func (i *Instance) fillSystem() {
	if i.OSType == "" {
		i.OSType = "linux"
	}
	image, name := "aliyun_3_x64_20G_alibase_20250117.vhd", "Alibaba Cloud Linux 3.2104 LTS 64 bit"
	if i.OSType == "windows" {
		image, name = "win2022_21H2_x64_dtc_en-us_40G_alibase_20250117.vhd", "Windows Server 2022 Data Center Edition 64 bit English Version"
	}
	if i.ImageID == "" {
		i.ImageID = image
	}
	if i.OSName == "" {
		i.OSName = name
	}
}

func unknownStatus(id string, status ecsreboot.Status) error {
	return fmt.Errorf("ecstest: instance %s: unknown status %q", id, status)
}

// change applies f to an instance and reports a changed status to OnStatus.
func (s *Server) change(id string, f func(m *machine)) error {
	s.mu.Lock()
	m := s.machines[id]
	if m == nil {
		s.mu.Unlock()
		return fmt.Errorf("ecstest: there is no instance %s", id)
	}
	f(m)
	s.mu.Unlock()
	s.follow(m)
	return nil
}

// SetStatus puts an instance into a status at once; a restart that is in
// progress ends. The status stays until the next SetStatus or restart. A change
// to Running sets StartTime to the present, as a start does, unless
// KeepStartTime is set.
func (s *Server) SetStatus(id string, status ecsreboot.Status) error {
	if !slices.Contains(statuses, status) {
		return unknownStatus(id, status)
	}
	return s.change(id, func(m *machine) {
		now := time.Now()
		s.note(m, now)
		old, start := m.state(now)
		if status == ecsreboot.StatusRunning && old != ecsreboot.StatusRunning && !m.Reboot.KeepStartTime {
			start = now.Add(s.offset)
		}
		m.Status, m.StartTime, m.last = status, start, nil
		if status != ecsreboot.StatusRunning {
			m.leave(now, s.offset)
		} else if m.booted.IsZero() {
			m.boot(now)
		}
		s.noteStatus(m, now, status)
	})
}

// SetLocks replaces the lock reasons of an instance; without reasons, the
// instance is unlocked.
func (s *Server) SetLocks(id string, reasons ...string) error {
	return s.change(id, func(m *machine) { m.Locks = slices.Clone(reasons) })
}

// SetTags replaces the tags of an instance.
func (s *Server) SetTags(id string, tags map[string]string) error {
	return s.change(id, func(m *machine) { m.Tags = maps.Clone(tags) })
}

// RemoveInstance makes an instance vanish. Its restarts stay counted.
func (s *Server) RemoveInstance(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.machines[id]; m != nil {
		m.removed = true
		m.stopTimer()
		now := time.Now()
		s.note(m, now)
		m.runScheduled(now, s.offset)
		for _, k := range m.scheduled {
			k.scheduled, k.errorCode, k.reason = false, "InstanceReleased", "ecstest: the instance is gone"
		}
		s.noteStatus(m, now, "Deleted")
		delete(s.machines, id)
	}
}

// Status returns the true status of an instance, whatever reads show, and ""
// if there is no such instance.
func (s *Server) Status(id string) ecsreboot.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.machines[id]
	if m == nil {
		return ""
	}
	status, _ := m.state(time.Now())
	return status
}

// Reboots returns how often an instance really restarted.
func (s *Server) Reboots(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reboots[id]
}

// TotalReboots returns how often any instance really restarted.
func (s *Server) TotalReboots() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}
