package acceptance_test

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/hostile"
)

// hostileKind is one kind of misbehaviour of a caller, a network or a service. A run
// has any number of kinds of each class, except dialers: at most one.
type hostileKind struct {
	name  string
	class string
	apply func(h *hostileRun) bool // false: it is out of the promise
}

const (
	ofWrapper = string(hostile.OfWrapper)
	ofDialer  = string(hostile.OfDialer)
	ofFault   = "fault"
	ofContext = "context"
)

func hostileFault(name string, fault func(h *hostileRun) ecstest.Fault) hostileKind {
	return hostileKind{name, ofFault, func(h *hostileRun) bool {
		f := fault(h)
		if f.Action == "" {
			f.Action = "RebootInstance"
		}
		h.faults = append(h.faults, f)
		return true
	}}
}

func hostileContext(name string, cause func(h *hostileRun) error) hostileKind {
	return hostileKind{name, ofContext, func(h *hostileRun) bool {
		h.cause, h.leaves = cause(h), h.soon()
		return true
	}}
}

// hostileKinds are those of package hostile, then those of services and contexts.
var hostileKinds = func() []hostileKind {
	var all []hostileKind
	for _, kind := range hostile.Kinds() {
		all = append(all, hostileKind{kind.Name, string(kind.Class), func(h *hostileRun) bool { return h.Apply(kind) }})
	}
	return append(all, servicesAndContexts...)
}()

var servicesAndContexts = []hostileKind{
	hostileFault("loses the answer", func(h *hostileRun) ecstest.Fault {
		f := ecstest.Fault{Kind: choose(h, ecstest.FaultDrop, ecstest.FaultFIN, ecstest.FaultHalfStatusLine), Act: h.Is(), Skip: h.UpTo(2), Times: 1 + h.UpTo(2)}
		if !f.Act && h.Is() {
			f.Late = h.oneTime(time.Second, 20*time.Second, 3*minute)
		}
		return f
	}),
	hostileFault("hangs", func(h *hostileRun) ecstest.Fault {
		return ecstest.Fault{Kind: ecstest.FaultHang, Act: h.Is(), Action: choose(h, "RebootInstance", "DescribeInstances"), Skip: h.UpTo(2)}
	}),
	hostileFault("fails", func(h *hostileRun) ecstest.Fault {
		code := choose(h, "InternalError", "ServiceUnavailable", "UnknownError", "SignatureNonceUsed")
		return ecstest.Fault{Kind: ecstest.FaultError, Code: code, Act: h.Is(), Times: 1 + h.UpTo(2)}
	}),
	hostileFault("throttles", func(h *hostileRun) ecstest.Fault {
		return ecstest.Fault{Kind: ecstest.FaultThrottle, Status: choose(h, 0, 503, 429), Hint: h.oneTime(0, time.Second, 20*time.Second), Times: 1 + h.UpTo(4)}
	}),
	hostileFault("answers garbage", func(h *hostileRun) ecstest.Fault {
		f := choose(h, ecstest.Fault{}, ecstest.Fault{Body: "<html>Sign in"}, ecstest.Fault{Status: 403, Body: "<html>"}, ecstest.Fault{Status: 302},
			ecstest.Fault{Status: 400, Body: "<Error><!--<Code>DiskError</Code>--><RequestId>A-1</RequestId></Error>"})
		f.Kind, f.Act = ecstest.FaultAnswer, h.Is()
		return f
	}),
	hostileFault("cuts the answer short", func(h *hostileRun) ecstest.Fault {
		return ecstest.Fault{Kind: choose(h, ecstest.FaultTruncate, ecstest.FaultStall), Action: choose(h, "RebootInstance", "DescribeInstances")}
	}),
	hostileFault("is slow", func(h *hostileRun) ecstest.Fault {
		return ecstest.Fault{Kind: ecstest.FaultDelay, Delay: h.oneTime(time.Second, 29*time.Second, 2*minute), Act: h.Is()}
	}),
	hostileFault("refuses", func(h *hostileRun) ecstest.Fault {
		return ecstest.Fault{Kind: ecstest.FaultError, Code: choose(h, "DiskError", "IncorrectInstanceStatus", "Forbidden.RAM")}
	}),
	hostileFault("refuses the clock", func(h *hostileRun) ecstest.Fault {
		return ecstest.Fault{Kind: ecstest.FaultError, Code: "IllegalTimestamp", Status: 400, Times: 1 + h.UpTo(2)}
	}),
	hostileFault("cannot be read", func(h *hostileRun) ecstest.Fault {
		return ecstest.Fault{Kind: choose(h, ecstest.FaultDrop, ecstest.FaultError, ecstest.FaultAnswer), Action: "DescribeInstances", Skip: h.UpTo(4), Times: h.UpTo(9) - 1}
	}),
	hostileFault("echoes the token", func(h *hostileRun) ecstest.Fault {
		echo := choose(h, func(s string) string { return s }, func(s string) string { return strings.TrimRight(s, "=+") },
			strings.NewReplacer("+", "-", "/", "_").Replace, strings.NewReplacer("+", " ").Replace, strings.ToLower,
			func(s string) string { return s[:len(s)/2] + "\n" + s[len(s)/2:] }, func(s string) string { return s[:len(s)/2+3] })
		return ecstest.Fault{Kind: ecstest.FaultError, Code: "DiskError", Message: "The token " + echo(canaryToken) + " is malformed."}
	}),

	hostileContext("ends with a plain cause", func(*hostileRun) error { return errors.New("enough") }),
	hostileContext("ends with one of our sentinels", func(h *hostileRun) error {
		return fmt.Errorf("the other one was: %w", choose(h, ecsreboot.ErrNotSent, ecsreboot.ErrRejected, ecsreboot.ErrAccepted, ecsreboot.ErrOutcomeUnknown))
	}),
	hostileContext("ends with another call's error", func(h *hostileRun) error { return h.anotherError() }),
	hostileContext("ends with two other calls' errors", func(h *hostileRun) error { return errors.Join(h.anotherError(), h.anotherError()) }),
}
