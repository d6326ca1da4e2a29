package ecsreboot

import (
	"cmp"
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

	"github.com/ecsreboot/ecsreboot/internal/redact"
)

// Status is the status of an instance, as the API has it. There is none for a
// restart: an instance that restarts is Starting, Stopping, or both in turn.
type Status string

// The statuses of the API.
const (
	StatusPending  Status = "Pending"
	StatusStarting Status = "Starting"
	StatusRunning  Status = "Running"
	StatusStopping Status = "Stopping"
	StatusStopped  Status = "Stopped"
)

// Instance is what a restart needs to know of an instance.
type Instance struct {
	ID     string `json:"id"`
	Name   string `json:"name,omitempty"`
	Status Status `json:"status"` // empty if the service does not list the instance, see [Instance.Listed]
	Zone   string `json:"zone,omitempty"`
	// Locks are the reasons why operations are locked, as the service writes them:
	// "security", "financial", "recycling" or "Recycling", "dedicatedhostfinancial",
	// "refunded", or one that is not documented yet. It is empty if there are none.
	// The case of their letters does not matter. One that had to be made fit to print
	// is in quotes. See [Instance.Refusal].
	Locks []string `json:"locks,omitempty"`
	// StartTime is when the instance was last started, to the minute.
	StartTime    time.Time `json:"startTime,omitzero"`
	CreationTime time.Time `json:"creationTime,omitzero"` // to the minute
	// ExpiredTime is when the subscription ends; for other instances it lies far
	// in the future. To the minute.
	ExpiredTime time.Time         `json:"expiredTime,omitzero"`
	StoppedMode string            `json:"stoppedMode,omitempty"` // "KeepCharging", "StopCharging" or "Not-applicable"
	Tags        map[string]string `json:"tags,omitempty"`
}

// LogValue gives slog the fields of the instance that are not empty under stable keys.
func (i Instance) LogValue() slog.Value {
	var a attributes
	a.add(slog.String("id", i.ID))
	a.text("name", i.Name)
	a.add(slog.String("status", string(i.Status)))
	a.text("zone", i.Zone)
	a.texts("locks", i.Locks)
	a.time("start_time", i.StartTime)
	a.time("creation_time", i.CreationTime)
	a.time("expired_time", i.ExpiredTime)
	a.text("stopped_mode", i.StoppedMode)
	if len(i.Tags) > 0 {
		a.add(slog.Any("tags", i.Tags))
	}
	return a.group()
}

// String describes the instance in a line, such as
// `i-1 "web": Running, started 2026-01-02T03:04Z`.
func (i Instance) String() string {
	text := i.ID
	if i.Name != "" {
		text += " " + strconv.Quote(i.Name)
	}
	return text + ": " + statusText(i.Status) + started(i.StartTime) + locksText(i.Locks)
}

// Listed reports whether the service listed the instance. It does not list an
// instance that does not exist, that belongs to another account or region, and,
// without saying so, any that the caller may not read.
func (i Instance) Listed() bool { return i.Status != "" }

// locked returns the code with which the service refuses to restart the instance,
// as far as its locks and its expiry tell; empty if they do not. Of the other locks,
// the vendor documents no refusal of a restart: the service decides about them.
func (i Instance) locked(now time.Time) ErrorCode {
	switch {
	case i.hasLock("security"):
		return ErrInstanceLockedForSecurity
	case i.hasLock("financial"), !i.ExpiredTime.IsZero() && i.ExpiredTime.Before(now):
		return ErrInstanceExpiredOrInArrears
	}
	return ""
}

func (i Instance) hasLock(reason string) bool {
	return slices.ContainsFunc(i.Locks, func(lock string) bool { return strings.EqualFold(lock, reason) })
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

// DescribeInstancesRequest asks for instances of the client's region. Only those
// are listed that match all its fields.
type DescribeInstancesRequest struct {
	// InstanceIDs are the instances to look at, any number; they are asked for
	// 100 at a time. None means every instance of the region.
	InstanceIDs []string `json:"instanceIds,omitempty"`
	// Tags are what the instances must be tagged with, up to 20: each key with its
	// value, or with any value where it is empty.
	Tags   map[string]string `json:"tags,omitempty"`
	Zone   string            `json:"zone,omitempty"`   // such as "cn-hangzhou-h"; empty means all
	Status Status            `json:"status,omitempty"` // empty means all
}

// LogValue gives slog the fields of the request that are set under stable keys.
func (r DescribeInstancesRequest) LogValue() slog.Value {
	var a attributes
	a.texts("instance_ids", r.InstanceIDs)
	if len(r.Tags) > 0 {
		a.add(slog.Any("tags", r.Tags))
	}
	a.text("zone", r.Zone)
	a.text("status", string(r.Status))
	return a.group()
}

// maxInstanceIDs is how many ids the service takes in one call.
const maxInstanceIDs = 100

// DescribeInstances reads instances, page by page as they are consumed.
//
// Of the ids asked for, each comes once, in the order of the service; those that
// the service does not list come last of their hundred, with an empty Status. With
// Tags, Zone or Status those are also the ones that exist and do not match. What
// the service lists although it does not match is left out: a filter that got lost
// on the way must not select the whole account.
//
// An error ends the sequence; it is an [OperationError] without an outcome, as a
// read changes nothing. Reads are sent again after every failure that may pass.
//
// A list that does not end is an error: after 10 empty pages in a row, when a page
// token comes twice, after 10,000 pages (a million instances) of a list without ids, and
// after 10 pages more than there are ids in a request, of which each has up to 100. The
// same limits end the lists of [Client.Check] and of all waits.
//
// Needs the RAM action ecs:DescribeInstances; without it the service lists
// nothing, and does not say why.
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
	if !utf8.ValidString(r.Zone) || strings.TrimSpace(r.Zone) != r.Zone {
		return refuse("Zone", fmt.Sprintf("is %q, which is no id of a zone", r.Zone))
	}
	return nil
}

// filter returns the parameters of the request, except the ids.
func (r DescribeInstancesRequest) filter() []field {
	fields := make([]field, 0, 2+2*len(r.Tags))
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, field{name, value})
		}
	}
	add("Status", string(r.Status))
	add("ZoneId", r.Zone)
	for n, key := range slices.Sorted(maps.Keys(r.Tags)) {
		tag := "Tag." + strconv.Itoa(n+1)
		add(tag+".Key", key)
		add(tag+".Value", r.Tags[key])
	}
	slices.SortFunc(fields, func(a, b field) int { return cmp.Compare(a.name, b.name) }) // Tag.10 comes before Tag.2
	return fields
}

// matches reports whether an instance has the tags, zone and status of the request. It
// ignores the ids.
func (r DescribeInstancesRequest) matches(i Instance) bool {
	for key, value := range r.Tags {
		if got, ok := i.Tags[key]; !ok || value != "" && got != value {
			return false
		}
	}
	return (r.Status == "" || r.Status == i.Status) && (r.Zone == "" || r.Zone == i.Zone)
}
