package ecsreboot

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ecsreboot/ecsreboot/internal/logvalue"
	"github.com/ecsreboot/ecsreboot/internal/redact"
	"github.com/ecsreboot/ecsreboot/internal/wildcard"
)

// Status is the status of an instance, as the API spells it. There is no status for a
// restart: a restarting instance is Stopping, Stopped or Starting, or several of these in
// turn.
type Status string

// The statuses of the API.
const (
	StatusPending  Status = "Pending"
	StatusStarting Status = "Starting"
	StatusRunning  Status = "Running"
	StatusStopping Status = "Stopping"
	StatusStopped  Status = "Stopped"
)

// Instance has the fields of an instance that matter for a restart.
type Instance struct {
	ID     string `json:"id"`
	Name   string `json:"name,omitempty"`
	Status Status `json:"status"` // empty if the service does not list the instance, see [Instance.Listed]
	Zone   string `json:"zone,omitempty"`
	// PrivateIPs are the addresses in the VPC, the primary one first, or in the classic
	// network. PublicIPs are the public address of the instance and its Elastic IP address.
	// Both leave out what is not a valid IP address.
	PrivateIPs []string `json:"privateIps,omitempty"`
	PublicIPs  []string `json:"publicIps,omitempty"`
	HostName   string   `json:"hostName,omitempty"` // in the guest
	// Locks are the reasons why the instance is locked, as the service writes them:
	// "security", "financial", "recycling" or "Recycling", "dedicatedhostfinancial",
	// "refunded", or one that is not documented yet. Locks is empty if there are none.
	// The case of the letters does not matter. A lock with unprintable characters is
	// quoted. See [Instance.Refusal].
	Locks []string `json:"locks,omitempty"`
	// StartTime is when the instance was last started, to the minute.
	StartTime    time.Time `json:"startTime,omitzero"`
	CreationTime time.Time `json:"creationTime,omitzero"` // to the minute
	// ExpiredTime is when the subscription ends, to the minute. For instances without a
	// subscription, it is far in the future.
	ExpiredTime time.Time         `json:"expiredTime,omitzero"`
	StoppedMode string            `json:"stoppedMode,omitempty"` // "KeepCharging", "StopCharging" or "Not-applicable"
	Tags        map[string]string `json:"tags,omitempty"`

	Region          string `json:"region,omitempty"` // of the client, if the service names none
	VPCID           string `json:"vpcId,omitempty"`  // empty in the classic network
	InstanceType    string `json:"instanceType,omitempty"`
	ResourceGroupID string `json:"resourceGroupId,omitempty"` // empty in the default resource group
}

// LogValue gives slog the fields of the JSON.
func (i Instance) LogValue() slog.Value { return logvalue.Of(i) }

// String describes the instance in a line, such as
// `i-1 "web": Running, started 2026-01-02T03:04Z`.
func (i Instance) String() string {
	text := i.ID
	if i.Name != "" {
		text += " " + strconv.Quote(i.Name)
	}
	return text + ": " + statusText(i.Status) + started(i.StartTime) + locksText(i.Locks)
}

// Listed reports whether the service listed the instance. The service does not list
// instances that do not exist, that belong to another account or region, or that the
// caller may not read; in the last case it reports no error.
func (i Instance) Listed() bool { return i.Status != "" }

// lockCode returns the code with which the service refuses to restart an instance because
// of its locks, or because it has expired by now; empty if they allow a restart. The vendor
// documents no refusal for the other locks, so the service decides about them.
func lockCode(locks []string, expires, now time.Time) ErrorCode {
	has := func(reason string) bool {
		return slices.ContainsFunc(locks, func(lock string) bool { return strings.EqualFold(lock, reason) })
	}
	switch {
	case has("security"):
		return ErrInstanceLockedForSecurity
	case has("financial"), !expires.IsZero() && expires.Before(now):
		return ErrInstanceExpiredOrInArrears
	}
	return ""
}

// locksText names locks at the end of an error's text; empty if there are none.
func locksText(locks []string) string {
	if len(locks) == 0 {
		return ""
	}
	const shown, longest = 8, 64 // the service documents five, of at most 22 letters
	text := "; locked:"
	for n, lock := range locks {
		if n == shown {
			return text + fmt.Sprintf(" and %d more", len(locks)-shown)
		}
		text += fmt.Sprintf(" %q", redact.Line(lock, longest))
	}
	return text
}

// withLocks adds to an error the locks of the instance that it is of.
func withLocks(err error, locks []string) error {
	if text := locksText(locks); text != "" {
		return fmt.Errorf("%w%s", err, text)
	}
	return err
}

// DescribeInstancesRequest selects the instances of the client's region that match all
// its fields.
type DescribeInstancesRequest struct {
	// InstanceIDs are the ids of the instances, any number of them; the client requests
	// 100 at a time. If empty, every instance of the region is selected.
	InstanceIDs []string `json:"instanceIds,omitempty"`
	// Name is the name of the instances; "*" in it stands for any text. Empty means all.
	Name string `json:"name,omitempty"`
	// Tags are the tags that an instance must have, up to 20. A tag with an empty value
	// matches every value of its key.
	Tags   map[string]string `json:"tags,omitempty"`
	Zone   string            `json:"zone,omitempty"`   // such as "cn-hangzhou-h"; empty means all
	Status Status            `json:"status,omitempty"` // empty means all

	VPCID        string `json:"vpcId,omitempty"`        // empty means all
	InstanceType string `json:"instanceType,omitempty"` // such as "ecs.g7.large"; empty means all
	// ResourceGroupID is the ID of a resource group. The service cannot filter by the
	// default resource group. Empty means all.
	ResourceGroupID string `json:"resourceGroupId,omitempty"`
}

// LogValue gives slog the fields of the JSON.
func (r DescribeInstancesRequest) LogValue() slog.Value { return logvalue.Of(r) }

// maxInstanceIDs is how many ids the service takes in one call.
const maxInstanceIDs = 100

// DescribeInstances reads instances, page by page as they are consumed.
//
// If the request has ids, the sequence contains each id once, in the order of the
// service. The client requests 100 ids at a time. Instances that the service does not
// list come after the others of the same 100 ids, with an empty Status. An id whose
// instance exists but does not match the other fields is also yielded with an empty
// Status. DescribeInstances drops instances that the service lists although they do not
// match, so that a filter that the service ignores does not select the whole account.
//
// The vendor limits the filters by Tags and by ResourceGroupID to 1,000 matching
// instances, and does not say what a longer list looks like. Filter such lists yourself.
//
// An error ends the sequence. The error is an [OperationError] without an outcome,
// because a read changes nothing. The client retries reads after every temporary failure.
//
// A list that seems endless is an error. The limits below also apply to [Client.Check]
// and to all waits. A list is taken to be endless after:
//
//   - 10 empty pages in a row
//   - a page token that repeats
//   - without ids: 10,000 pages (a million instances)
//   - with ids: n + 10 pages for a batch of n ids (n is at most 100)
//
// DescribeInstances needs the RAM action ecs:DescribeInstances. Without that permission,
// the service lists nothing and reports no error.
func (c *Client) DescribeInstances(ctx context.Context, request DescribeInstancesRequest) iter.Seq2[Instance, error] {
	return func(yield func(Instance, error) bool) {
		if err := checkContext(ctx); err != nil {
			yield(Instance{}, &OperationError{Operation: "DescribeInstances", Err: err})
			return
		}
		for _, id := range request.InstanceIDs {
			if err := checkInstanceID(id); err != nil {
				yield(Instance{}, &OperationError{Operation: "DescribeInstances", InstanceID: id, Err: err})
				return
			}
		}
		if err := request.check(); err != nil {
			yield(Instance{}, &OperationError{Operation: "DescribeInstances", Err: err})
			return
		}
		q := query{filter: request.filter(), matches: request.matches}
		if len(request.InstanceIDs) == 0 {
			c.pages(ctx, q, yield)
			return
		}
		ids := slices.Compact(slices.Sorted(slices.Values(request.InstanceIDs)))
		for q.ids = range slices.Chunk(ids, maxInstanceIDs) {
			if !c.pages(ctx, q, yield) {
				return
			}
		}
	}
}

// pages reads all pages of one list and reports whether to go on.
func (c *Client) pages(ctx context.Context, q query, yield func(Instance, error) bool) bool {
	missing := make(map[string]bool, len(q.ids))
	for _, id := range q.ids {
		missing[id] = true
	}
	seen := make(map[string]bool)
	var list pager
	for more := true; more; {
		page, err := describePage[wireInstance](ctx, c, q, c.retry.MaxAttempts)
		if err != nil {
			yield(Instance{}, err)
			return false
		}
		for _, instance := range page.instances {
			// The ids decide, not the place in the list: a filter that got lost on
			// the way would list every instance of the account.
			if seen[instance.ID] || q.ids != nil && !missing[instance.ID] || !q.matches(instance) {
				continue
			}
			seen[instance.ID] = true
			delete(missing, instance.ID)
			if !yield(instance, nil) {
				return false
			}
		}
		if q.ids != nil && len(missing) == 0 {
			break
		}
		if more, err = list.follow(&q, page); err != nil {
			yield(Instance{}, err)
			return false
		}
	}
	for _, id := range q.ids {
		if missing[id] && !yield(Instance{ID: id}, nil) {
			return false
		}
	}
	return true
}

// maxTags is how many tags the service takes in one query.
const maxTags = 20

// check refuses what would not select what it says. The service judges the rest.
func (r DescribeInstancesRequest) check() error {
	refuse := func(field, problem string) error { return &InputError{Field: field, Problem: problem} }
	if len(r.Tags) > maxTags {
		return refuse("Tags", fmt.Sprintf("holds %d tags, the limit is %d", len(r.Tags), maxTags))
	}
	for key, value := range r.Tags {
		switch {
		case key == "":
			return refuse("Tags", "holds an empty key")
		case !utf8.ValidString(key), !utf8.ValidString(value):
			return refuse("Tags", fmt.Sprintf("holds what is not valid UTF-8 (%q: %q)", key, value))
		}
	}
	switch r.Status {
	case "", StatusPending, StatusStarting, StatusRunning, StatusStopping, StatusStopped:
	default:
		return refuse("Status", fmt.Sprintf("is %q, which no instance can be", r.Status))
	}
	if strings.Contains(r.Name, "?") {
		return refuse("Name", fmt.Sprintf("is %q, but the only wildcard of the service is *", r.Name))
	}
	for _, f := range []field{
		{"Name", r.Name}, {"VPCID", r.VPCID}, {"InstanceType", r.InstanceType}, {"ResourceGroupID", r.ResourceGroupID}, {"Zone", r.Zone},
	} {
		if !utf8.ValidString(f.value) || strings.TrimSpace(f.value) != f.value {
			return refuse(f.name, fmt.Sprintf("is %q, which matches no instance", f.value))
		}
	}
	return nil
}

// filter returns the parameters of the request, except the ids.
func (r DescribeInstancesRequest) filter() []field {
	fields := make([]field, 0, 6+2*len(r.Tags))
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, field{name, value})
		}
	}
	add("InstanceName", r.Name)
	add("InstanceType", r.InstanceType)
	add("ResourceGroupId", r.ResourceGroupID)
	add("Status", string(r.Status))
	add("VpcId", r.VPCID)
	add("ZoneId", r.Zone)
	for n, key := range slices.Sorted(maps.Keys(r.Tags)) {
		tag := "Tag." + strconv.Itoa(n+1)
		add(tag+".Key", key)
		add(tag+".Value", r.Tags[key])
	}
	return fields
}

// matches reports whether an instance has what the request asks for. It ignores the ids.
func (r DescribeInstancesRequest) matches(i Instance) bool {
	for key, value := range r.Tags {
		if got, ok := i.Tags[key]; !ok || value != "" && got != value {
			return false
		}
	}
	is := func(want, got string) bool { return want == "" || want == got }
	return is(string(r.Status), string(i.Status)) && is(r.Zone, i.Zone) && is(r.VPCID, i.VPCID) &&
		is(r.InstanceType, i.InstanceType) && is(r.ResourceGroupID, i.ResourceGroupID) &&
		(r.Name == "" || wildcard.Match(r.Name, i.Name))
}
