package hook

import (
	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/shell"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// Payload is the input of a hook: the JSON body of a POST for a URL, and environment
// variables for a command.
type Payload struct {
	Hook     Kind     `json:"hook"`
	Instance Instance `json:"instance"`
	Failure  *Failure `json:"failure,omitempty"` // for Failed only
}

// Instance is the instance that a hook is called for.
type Instance struct {
	ID        string `json:"id"`
	Name      string `json:"name,omitempty"`
	IP        string `json:"ip,omitempty"` // PrivateIP, or PublicIP if that is empty
	PrivateIP string `json:"privateIp,omitempty"`
	PublicIP  string `json:"publicIp,omitempty"`
	HostName  string `json:"hostName,omitempty"`
	Zone      string `json:"zone,omitempty"`
	Group     string `json:"group,omitempty"`
	Region    string `json:"region,omitempty"`
}

// Failure is why an instance has failed or is unknown.
type Failure struct {
	State     fleet.State  `json:"state"` // failed or unknown
	Reason    fleet.Reason `json:"reason,omitempty"`
	Code      string       `json:"code,omitempty"`
	Error     string       `json:"error,omitempty"`
	RequestID string       `json:"requestId,omitempty"`
}

func newFailure(e fleet.Event) *Failure {
	f := &Failure{State: fleet.StateFailed, Reason: e.Reason, Code: string(e.Code), Error: e.Error, RequestID: e.RequestID}
	if e.Kind == fleet.EventUnknown {
		f.State = fleet.StateUnknown
	}
	return f
}

// environment returns the variables of a command. Those of a failure are empty for the
// other hooks, so that a command cannot see those of a hook that has started this program.
func (p Payload) environment() []shell.Variable {
	i, f := p.Instance, Failure{}
	if p.Failure != nil {
		f = *p.Failure
	}
	return []shell.Variable{
		{Name: "ECS_HOOK", Value: string(p.Hook)},
		{Name: "ECS_INSTANCE_ID", Value: i.ID},
		{Name: "ECS_INSTANCE_NAME", Value: i.Name},
		{Name: "ECS_INSTANCE_IP", Value: i.IP},
		{Name: "ECS_INSTANCE_PRIVATE_IP", Value: i.PrivateIP},
		{Name: "ECS_INSTANCE_PUBLIC_IP", Value: i.PublicIP},
		{Name: "ECS_INSTANCE_HOSTNAME", Value: i.HostName},
		{Name: "ECS_INSTANCE_ZONE", Value: i.Zone},
		{Name: "ECS_INSTANCE_GROUP", Value: i.Group},
		{Name: "ECS_INSTANCE_REGION", Value: i.Region},
		{Name: "ECS_FAILURE_STATE", Value: string(f.State)},
		{Name: "ECS_FAILURE_REASON", Value: string(f.Reason)},
		{Name: "ECS_FAILURE_CODE", Value: f.Code},
		{Name: "ECS_FAILURE_ERROR", Value: shell.Printable(f.Error)},
		{Name: "ECS_FAILURE_REQUEST_ID", Value: f.RequestID},
	}
}

// value returns what a placeholder stands for, and whether there is such a placeholder.
func (i Instance) value(placeholder string) (string, bool) {
	switch placeholder {
	case "id":
		return i.ID, true
	case "name":
		return i.Name, true
	case "ip":
		return i.IP, true
	case "private_ip":
		return i.PrivateIP, true
	case "public_ip":
		return i.PublicIP, true
	case "hostname":
		return i.HostName, true
	case "zone":
		return i.Zone, true
	case "group":
		return i.Group, true
	case "region":
		return i.Region, true
	}
	return "", false
}

// placeholders lists them for errors.
const placeholders = "{id}, {name}, {ip}, {private_ip}, {public_ip}, {hostname}, {zone}, {group} and {region}"
