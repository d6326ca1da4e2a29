package emulator

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The actions that the service has, by whether they are denied for single instances.
var actions = map[string]bool{
	"RebootInstance": true, "RebootInstances": true, "StopInstance": true, "StartInstance": true, "DescribeInstanceAttribute": true,
	"DescribeInstances": false, "DescribeInstanceStatus": false, "DescribeInstancesFullStatus": false, "DescribeInstanceHistoryEvents": false,
	"DescribeRegions": false, "DescribeZones": false, "LookupEvents": false, "ListProductQuotas": false,
	"DescribeSystemEventAttribute": false, "DescribeCloudAssistantStatus": true,
	"RunCommand": true, "StopInvocation": true, "DescribeInvocationResults": false, "DescribeInvocations": false, "GetInstanceConsoleOutput": true,
}

// denial is an action that RAM denies: for the instances, or for all if there are none.
type denial struct {
	action string
	ids    idList
}

// denyList is a flag.Value.
type denyList []denial

func (l *denyList) String() string { return "" }

func (l *denyList) Set(text string) error {
	action, ids, some := strings.Cut(text, ":")
	d := denial{action: action}
	single, known := actions[action]
	switch {
	case !known:
		return fmt.Errorf("unknown action %q", action)
	case some && !single:
		return errors.New("a list is denied as a whole")
	case some:
		if err := d.ids.Set(ids); err != nil {
			return err
		}
	}
	*l = append(*l, d)
	return nil
}

// deny makes the service refuse what --deny says.
func (s *Settings) deny() error {
	for _, d := range s.denied {
		for _, id := range d.ids {
			if indexOf(s.Instances, id) < 0 {
				return notServed("deny", d.action+":"+id)
			}
		}
	}
	if len(s.denied) == 0 {
		return nil
	}
	s.Options.Allow = func(action, id string) bool {
		return !slices.ContainsFunc(s.denied, func(d denial) bool {
			return d.action == action && (len(d.ids) == 0 || slices.Contains(d.ids, id))
		})
	}
	return nil
}
