package ecsreboot

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"time"
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
	ID     string
	Status Status // empty if the service does not list the instance, see [Instance.Listed]
	Zone   string
	// Locks are the reasons why operations are locked, such as "security" or
	// "financial"; empty if there are none.
	Locks []string
	// StartTime is when the instance was last started, to the minute.
	StartTime    time.Time
	CreationTime time.Time // to the minute
	// ExpiredTime is when the subscription ends; for other instances it lies far
	// in the future. To the minute.
	ExpiredTime time.Time
	StoppedMode string // "KeepCharging", "StopCharging" or "Not-applicable"
}

// Listed reports whether the service listed the instance. It does not list an
// instance that does not exist, that belongs to another account or region, and,
// without saying so, any that the caller may not read.
func (i Instance) Listed() bool { return i.Status != "" }

// locked returns the code with which the service refuses to restart the instance,
// as far as its locks and its expiry tell; empty if they do not.
func (i Instance) locked(now time.Time) ErrorCode {
	switch {
	case slices.Contains(i.Locks, "security"):
		return ErrInstanceLockedForSecurity
	case slices.Contains(i.Locks, "financial"), !i.ExpiredTime.IsZero() && i.ExpiredTime.Before(now):
		return ErrInstanceExpiredOrInArrears
	}
	return ""
}

// DescribeInstancesRequest asks for instances of the client's region.
type DescribeInstancesRequest struct {
	// InstanceIDs are the instances to look at, any number; they are asked for
	// 100 at a time. None means every instance of the region.
	InstanceIDs []string
}

// maxInstanceIDs is how many ids the service takes in one call.
const maxInstanceIDs = 100

// DescribeInstances reads instances, page by page as they are consumed.
//
// Of the ids asked for, each comes once, in the order of the service; those that
// the service does not list come last of their hundred, with an empty Status. An
// error ends the sequence; it is an [OperationError] without an outcome, as a read
// changes nothing. Reads are sent again after every failure that may pass.
//
// Needs the RAM action ecs:DescribeInstances; without it the service lists
// nothing, and does not say why.
func (c *Client) DescribeInstances(ctx context.Context, request DescribeInstancesRequest) iter.Seq2[Instance, error] {
	return func(yield func(Instance, error) bool) {
		for _, id := range request.InstanceIDs {
			if err := checkInstanceID(id); err != nil {
				yield(Instance{}, &OperationError{Operation: "DescribeInstances", InstanceID: id, Err: err})
				return
			}
		}
		if len(request.InstanceIDs) == 0 {
			c.pages(ctx, nil, yield)
			return
		}
		ids := slices.Compact(slices.Sorted(slices.Values(request.InstanceIDs)))
		for chunk := range slices.Chunk(ids, maxInstanceIDs) {
			if !c.pages(ctx, chunk, yield) {
				return
			}
		}
	}
}

// pages reads all pages of one list and reports whether to go on.
func (c *Client) pages(ctx context.Context, ids []string, yield func(Instance, error) bool) bool {
	missing := make(map[string]bool, len(ids))
	for _, id := range ids {
		missing[id] = true
	}
	seen, tokens := make(map[string]bool), make(map[string]bool)
	token := ""
	for {
		page, err := c.describePage(ctx, ids, token, c.retry.MaxAttempts)
		if err != nil {
			yield(Instance{}, err)
			return false
		}
		for _, instance := range page.instances {
			// The ids decide, not the place in the list: a filter that got lost on
			// the way would list every instance of the account.
			if seen[instance.ID] || ids != nil && !missing[instance.ID] {
				continue
			}
			seen[instance.ID] = true
			delete(missing, instance.ID)
			if !yield(instance, nil) {
				return false
			}
		}
		if ids != nil && len(missing) == 0 || page.nextToken == "" {
			break
		}
		if tokens[page.nextToken] {
			yield(Instance{}, &OperationError{Operation: "DescribeInstances", Err: errors.New("the service gave the same page token twice")})
			return false
		}
		token = page.nextToken
		tokens[token] = true
	}
	for _, id := range ids {
		if missing[id] && !yield(Instance{ID: id}, nil) {
			return false
		}
	}
	return true
}

// instancePage is one answer of DescribeInstances.
type instancePage struct {
	instances []Instance
	nextToken string
	clock     time.Time // the service's, zero if it did not tell
	sentAt    time.Time // when the request left, by ours
}

// describePage reads one page of the given instances, or of all.
func (c *Client) describePage(ctx context.Context, ids []string, token string, attempts int) (instancePage, error) {
	params := make([]field, 0, 4)
	if ids != nil {
		// A JSON array; a bare id is refused, and a parameter InstanceId ignored.
		list, err := json.Marshal(ids)
		if err != nil {
			return instancePage{}, &OperationError{Operation: "DescribeInstances", Err: err}
		}
		params = append(params, field{"InstanceIds", string(list)})
	}
	params = append(params, field{"MaxResults", "100"})
	if token != "" {
		params = append(params, field{"NextToken", token})
	}
	params = append(params, field{"RegionId", c.region})
	op := operation{action: "DescribeInstances", params: params, repeatable: true, gate: &c.describeGate, attempts: attempts}
	if len(ids) == 1 {
		op.instanceID = ids[0]
	}
	var wire wirePage
	op.into = &wire
	res, err := c.do(ctx, op)
	if err != nil {
		return instancePage{}, err
	}
	page := instancePage{nextToken: wire.NextToken, clock: res.clock, sentAt: res.sentAt, instances: make([]Instance, len(wire.Instances.Instance))}
	for i, instance := range wire.Instances.Instance {
		page.instances[i] = instance.instance()
	}
	return page, nil
}

// now is the time of the page by the service's clock, which is what an expiry is
// measured by, or else by ours.
func (p instancePage) now() time.Time {
	if p.clock.IsZero() {
		return time.Now()
	}
	return p.clock
}

// lookUp reads one instance, on whatever page it stands, and returns it with its
// page. One that is not listed has no status.
func (c *Client) lookUp(ctx context.Context, id string, attempts int) (Instance, instancePage, error) {
	tokens := make(map[string]bool)
	for token := ""; ; {
		page, err := c.describePage(ctx, []string{id}, token, attempts)
		if err != nil {
			return Instance{}, instancePage{}, err
		}
		for _, instance := range page.instances {
			if instance.ID == id {
				return instance, page, nil
			}
		}
		if token = page.nextToken; token == "" || tokens[token] {
			return Instance{ID: id}, page, nil
		}
		tokens[token] = true
	}
}

// wirePage is the body of an answer: lists are wrapped twice.
type wirePage struct {
	RequestID string `json:"RequestId"`
	NextToken string `json:"NextToken"`
	Instances struct {
		Instance []wireInstance `json:"Instance"`
	} `json:"Instances"`
}

type wireInstance struct {
	InstanceID     string `json:"InstanceId"`
	Status         string `json:"Status"`
	ZoneID         string `json:"ZoneId"`
	StartTime      string `json:"StartTime"`
	CreationTime   string `json:"CreationTime"`
	ExpiredTime    string `json:"ExpiredTime"`
	StoppedMode    string `json:"StoppedMode"`
	OperationLocks struct {
		LockReason []struct {
			LockReason string `json:"LockReason"`
		} `json:"LockReason"`
	} `json:"OperationLocks"`
}

func (w wireInstance) instance() Instance {
	i := Instance{
		ID:           w.InstanceID,
		Status:       Status(w.Status),
		Zone:         w.ZoneID,
		StartTime:    parseMinute(w.StartTime),
		CreationTime: parseMinute(w.CreationTime),
		ExpiredTime:  parseMinute(w.ExpiredTime),
		StoppedMode:  w.StoppedMode,
	}
	for _, lock := range w.OperationLocks.LockReason {
		i.Locks = append(i.Locks, lock.LockReason)
	}
	return i
}

// parseMinute reads a time of the service: 2017-12-10T04:04Z, or with seconds, as
// one of its pages claims. An unreadable time is zero: it proves nothing.
func parseMinute(text string) time.Time {
	for _, layout := range []string{"2006-01-02T15:04Z", timeLayout} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.Truncate(time.Minute) // seconds on one page must not look later than none on another
		}
	}
	return time.Time{}
}
