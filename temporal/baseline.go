package ecstemporal

import (
	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

func reading(b ecsreboot.Baseline) *fleet.Reading {
	return &fleet.Reading{Status: b.Status, StartTime: b.StartTime, Locks: b.Locks, At: b.TakenAt, ServiceTime: b.ServiceTime}
}

func baselineOf(id string, r fleet.Reading) ecsreboot.Baseline {
	return ecsreboot.Baseline{InstanceID: id, Status: r.Status, StartTime: r.StartTime, Locks: r.Locks, TakenAt: r.At, ServiceTime: r.ServiceTime}
}
