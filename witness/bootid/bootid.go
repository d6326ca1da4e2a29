// Package bootid proves a restart by the boot ID of the guest, a random number that Linux
// generates at each boot.
//
// WARNING: this package runs a command in the guest through Cloud Assistant. It needs the
// permission ecs:RunCommand. An identity with this permission for an instance is root on
// the instance, because RAM cannot limit which commands it may run. The rest of module
// witness only reads. Use this package only if the identity may be root on the instances
// anyway. Do not grant ecs:RunCommand only for this proof.
//
// The command is "cat /proc/sys/kernel/random/boot_id". It changes nothing.
//
//   - [Guest.Read] reads the boot ID, and [Guest.Probe] compares it with the one before a
//     restart.
//   - [Guest.Arm] makes the agent report the boot ID at each boot, and [Guest.Boots] counts
//     the boots since then. [Guest.Disarm] ends this.
//
// The package also needs the permission ecs:DescribeInvocationResults, and Disarm needs
// ecs:StopInvocation. The guest must run Linux and the agent of Cloud Assistant.
package bootid

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/witness"
	"github.com/ecsreboot/ecsreboot/witness/internal/call"
)

const (
	command = "cat /proc/sys/kernel/random/boot_id"
	// commandTimeout is how long the command may take in the guest.
	commandTimeout = "30"
	// readTimeout is how long Read waits for the result.
	readTimeout = time.Minute
	pause       = time.Second
	attempts    = 3 // at most, if RunCommand gets no response
	pageSize    = "50"
	maxPages    = 20
	maxToken    = 64
)

var (
	runCommand      = call.Operation{Service: call.ECS, Action: "RunCommand", RAM: "ecs:RunCommand"}
	describeResults = call.Operation{Service: call.ECS, Action: "DescribeInvocationResults", RAM: "ecs:DescribeInvocationResults"}
	stopInvocation  = call.Operation{Service: call.ECS, Action: "StopInvocation", RAM: "ecs:StopInvocation"}
)

// Guest runs the command on instances. It is safe for concurrent use.
type Guest struct{ caller *call.Caller }

// New returns a Guest. If options are invalid, the error is an [ecsreboot.InputError].
func New(options witness.Options) (*Guest, error) {
	caller, err := call.New(call.Config(options))
	if err != nil {
		return nil, err
	}
	return &Guest{caller}, nil
}

// Read runs the command and returns the boot ID. It takes a minute at most.
func (g *Guest) Read(ctx context.Context, region, instanceID string) (string, error) {
	limited, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	invokeID, err := g.run(limited, region, instanceID, rand.Text(), "Once")
	if err != nil {
		return "", err
	}
	for limited.Err() == nil {
		results, err := g.results(limited, region, instanceID, invokeID, false)
		if limited.Err() != nil {
			break
		}
		if err != nil {
			return "", err
		}
		for _, r := range results {
			bootID, done, err := r.bootID()
			if done || err != nil {
				return bootID, err
			}
		}
		sleep(limited, pause)
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	return "", fmt.Errorf("command %s in the guest: no result within %v", call.Line(invokeID), readTimeout)
}

// Probe returns a function for [ecsreboot.WaitOptions].Probe. The argument before is the
// boot ID that [Guest.Read] returned before the restart. The function returns
// [ecsreboot.ProbeRestarted] if the current boot ID is another one.
func (g *Guest) Probe(region, instanceID, before string) func(context.Context, ecsreboot.Observation) (ecsreboot.ProbeResult, error) {
	return func(ctx context.Context, _ ecsreboot.Observation) (ecsreboot.ProbeResult, error) {
		if !isBootID(before) {
			return ecsreboot.ProbePending, &ecsreboot.InputError{Field: "before", Problem: fmt.Sprintf("%q is not a boot ID", call.Line(before))}
		}
		now, err := g.Read(ctx, region, instanceID)
		if err != nil || now == before {
			return ecsreboot.ProbePending, err
		}
		return ecsreboot.ProbeRestarted, nil
	}
}

// Counter identifies a command that reports each boot of an instance. It is plain data that
// can be stored, to count the boots later or in another process.
type Counter struct {
	Region     string `json:"region"`
	InstanceID string `json:"instanceId"`
	InvokeID   string `json:"invokeId"`
}

// Arm makes the agent run the command at each boot from now on. An instance can have 100
// such commands: call [Guest.Disarm] at the end.
//
// The token makes it safe to repeat Arm after a lost response or a crash: for calls with the
// same token, the service arms the instance once, and Arm returns the same Counter. A token
// has up to 64 printable ASCII characters. If the token is empty, a random one is used.
func (g *Guest) Arm(ctx context.Context, region, instanceID, token string) (Counter, error) {
	if token == "" {
		token = rand.Text()
	}
	invokeID, err := g.run(ctx, region, instanceID, token, "EveryReboot")
	if err != nil {
		return Counter{}, err
	}
	return Counter{region, instanceID, invokeID}, nil
}

// Boots returns how many different boots the agent has reported since Arm. A boot is
// included once the agent has run the command in that boot.
func (g *Guest) Boots(ctx context.Context, counter Counter) (int, error) {
	results, err := g.results(ctx, counter.Region, counter.InstanceID, counter.InvokeID, true)
	if err != nil {
		return 0, err
	}
	boots := map[string]bool{}
	for _, r := range results {
		bootID, done, err := r.bootID()
		if err != nil {
			return 0, err
		}
		if done {
			boots[bootID] = true
		}
	}
	return len(boots), nil
}

// Disarm makes the agent stop reporting boots. It is safe to repeat Disarm.
func (g *Guest) Disarm(ctx context.Context, counter Counter) error {
	if err := check(counter.InstanceID, counter.InvokeID); err != nil {
		return err
	}
	var answer struct{}
	_, err := g.caller.Do(ctx, stopInvocation, counter.Region, map[string]string{
		"RegionId": counter.Region, "InvokeId": counter.InvokeID, "InstanceId.1": counter.InstanceID,
	}, &answer)
	return err
}

// run sends the command. If there is no response, it retries with the same token.
func (g *Guest) run(ctx context.Context, region, instanceID, token, mode string) (invokeID string, err error) {
	if err := call.CheckID(instanceID); err != nil {
		return "", err
	}
	if len(token) > maxToken || strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return "", &ecsreboot.InputError{Field: "token", Problem: fmt.Sprintf("%q is not up to %d printable ASCII characters", call.Line(token), maxToken)}
	}
	var answer struct {
		InvokeID string `json:"InvokeId"`
	}
	for attempt := 1; ; attempt++ {
		_, err = g.caller.Do(ctx, runCommand, region, map[string]string{
			"RegionId": region, "InstanceId.1": instanceID, "Name": "ecsreboot-bootid", "Type": "RunShellScript", "Timeout": commandTimeout,
			"CommandContent": base64.StdEncoding.EncodeToString([]byte(command)), "ContentEncoding": "Base64",
			"RepeatMode": mode, "ClientToken": token,
		}, &answer)
		if _, refused := errors.AsType[*ecsreboot.APIError](err); err == nil || refused || errors.Is(err, ecsreboot.ErrInvalidInput) || attempt == attempts || ctx.Err() != nil {
			break
		}
		sleep(ctx, pause)
	}
	if err == nil && answer.InvokeID == "" {
		err = fmt.Errorf("%s: the response has no InvokeId", runCommand.Action)
	}
	return answer.InvokeID, err
}

func check(instanceID, invokeID string) error {
	if invokeID == "" {
		return &ecsreboot.InputError{Field: "InvokeID", Problem: "is empty"}
	}
	return call.CheckID(instanceID)
}

// result is the result of one execution of the command.
type result struct {
	InvokeID         string `json:"InvokeId"`
	InstanceID       string `json:"InstanceId"`
	InvocationStatus string
	ErrorCode        string
	ExitCode         int64
	Output           string // base64
}

func (g *Guest) results(ctx context.Context, region, instanceID, invokeID string, history bool) ([]result, error) {
	if err := check(instanceID, invokeID); err != nil {
		return nil, err
	}
	parameters := map[string]string{"RegionId": region, "InvokeId": invokeID, "InstanceId": instanceID, "MaxResults": pageSize, "ContentEncoding": "Base64"}
	if history {
		parameters["IncludeHistory"] = "true"
	}
	var all []result
	for range maxPages {
		var page struct {
			Invocation struct {
				NextToken         string
				InvocationResults struct{ InvocationResult []result }
			}
		}
		if _, err := g.caller.Do(ctx, describeResults, region, parameters, &page); err != nil {
			return nil, err
		}
		for _, r := range page.Invocation.InvocationResults.InvocationResult {
			if r.InvokeID == invokeID && r.InstanceID == instanceID {
				all = append(all, r)
			}
		}
		if page.Invocation.NextToken == "" {
			return all, nil
		}
		parameters["NextToken"] = page.Invocation.NextToken
	}
	return nil, fmt.Errorf("%s: the list of results does not end", describeResults.Action)
}

// bootID returns the boot ID that the command printed. done is false if the command has not
// run yet.
func (r *result) bootID() (bootID string, done bool, err error) {
	switch r.InvocationStatus {
	case "Pending", "Running", "Scheduled", "Stopping":
		if r.Output == "" {
			return "", false, nil
		}
	case "Cancelled", "Terminated":
		if r.Output == "" { // Disarm before the first boot
			return "", false, nil
		}
	case "Success":
	default:
		return "", false, fmt.Errorf("the command in the guest failed: %s, %s, exit code %d", call.Line(r.InvocationStatus), call.Line(r.ErrorCode), r.ExitCode)
	}
	output, err := base64.StdEncoding.DecodeString(r.Output)
	bootID = strings.TrimSpace(string(output))
	if err != nil || !isBootID(bootID) {
		return "", false, fmt.Errorf("the command in the guest printed %q, which is not a boot ID", call.Line(bootID))
	}
	return bootID, true, nil
}

var bootIDs = regexp.MustCompile(`\A[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\z`)

func isBootID(text string) bool { return bootIDs.MatchString(text) }

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
