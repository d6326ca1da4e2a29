package ecstest

import (
	"maps"
	"slices"
	"time"
)

const minute = "2006-01-02T15:04Z" // StartTime and its like carry no seconds

type lockView struct {
	LockReason string
	LockMsg    string
}

type locksView struct {
	LockReason []lockView `json:"LockReason" xml:"LockReason"`
}

type tagView struct {
	TagKey, TagValue string
}

type tagsView struct {
	Tag []tagView `json:"Tag" xml:"Tag"`
}

type instanceView struct {
	InstanceID     string `json:"InstanceId" xml:"InstanceId"`
	InstanceName   string
	RegionID       string `json:"RegionId" xml:"RegionId"`
	ZoneID         string `json:"ZoneId" xml:"ZoneId"`
	Status         string
	StartTime      string `json:",omitempty" xml:",omitempty"`
	CreationTime   string
	ExpiredTime    string
	StoppedMode    string
	OperationLocks locksView
	Tags           *tagsView `json:",omitempty" xml:",omitempty"`
}

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
	instanceView
}

func (p *attributePayload) identify(requestID string) { p.RequestID = requestID }

// listed is an instance in a list, with what orders the list.
type listed struct {
	instanceView
	sequence int
}

// view is what reads show of m at now. The lock is held.
func (s *Server) view(m *machine, now time.Time) listed {
	status, start := m.shown(now)
	v := instanceView{
		InstanceID: m.ID, InstanceName: m.Name, RegionID: s.options.Region, ZoneID: m.ZoneID, Status: string(status), StoppedMode: m.StoppedMode,
		StartTime:    start.UTC().Format(minute),
		CreationTime: m.CreationTime.UTC().Format(minute),
		ExpiredTime:  m.ExpiredTime.UTC().Format(minute),
	}
	v.OperationLocks.LockReason = []lockView{} // an empty list, not null
	for _, reason := range m.Locks {
		v.OperationLocks.LockReason = append(v.OperationLocks.LockReason, lockView{LockReason: reason})
	}
	v.Tags = &tagsView{Tag: []tagView{}}
	for _, key := range slices.Sorted(maps.Keys(m.Tags)) {
		v.Tags.Tag = append(v.Tags.Tag, tagView{key, m.Tags[key]})
	}
	return listed{v, m.sequence}
}
