package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxCommands limits the commands that a run sends to the guest, whatever happens.
const maxCommands = 12

// script is the only command that runs in the guest. It prints the boot ID and changes nothing.
const script = "cat /proc/sys/kernel/random/boot_id"

// bootTimeout is how long to wait for a command that runs at a boot.
const bootTimeout = 3 * time.Minute

// guest is what the kit knows of the commands in the guest.
type guest struct {
	ran               bool     // the first command ran
	once, next, every string   // invocation IDs
	bootID            string   // before the first restart
	token             string   // each ClientToken of this run begins with it
	armed             []string // invocation IDs of the commands that may wait for a reboot
	sent              int      // requests for commands
}

// inGuest returns an experiment that runs commands in the guest.
func inGuest(id string, commands int, run func(*lab) (facts, error)) experiment {
	return experiment{id: id, commands: commands, run: run, skip: func(l *lab) string {
		switch {
		case !l.commands:
			return "-commands is not given"
		case id != "command.run" && !l.guest.ran:
			return "the first command did not run in the guest"
		}
		return ""
	}}
}

// script returns a request that runs the script in the guest.
func (l *lab) script(mode, token string) request {
	if l.guest.token == "" {
		l.guest.token = newNonce()
	}
	return request{action: "RunCommand", params: map[string]string{
		"RegionId": l.region, "InstanceId.1": l.instance, "Name": "ecsreboot-live", "Type": "RunShellScript", "Timeout": "30",
		"CommandContent": base64.StdEncoding.EncodeToString([]byte(script)), "ContentEncoding": "Base64",
		"RepeatMode": mode, "ClientToken": l.guest.token + "-" + token,
	}}
}

// command sends a request to run a command. No other function sends such a request.
func (l *lab) command(r request) (*reply, error) {
	if l.guest.sent >= maxCommands {
		return nil, unexpected("%d commands were sent to the guest already", l.guest.sent)
	}
	l.guest.sent++
	a, err := l.do(r)
	if err == nil && a.status == http.StatusOK && a.text("InvokeId") == "" {
		err = unexpected("the service accepted a command, but the response has no invocation ID")
	}
	if err != nil {
		if r.params["RepeatMode"] != "Once" {
			err = fmt.Errorf("%w; the command ecsreboot-live may wait for a reboot of the instance: look for it in Cloud Assistant and stop it", err)
		}
		return nil, err
	}
	if id := a.text("InvokeId"); id != "" && r.params["RepeatMode"] != "Once" && !slices.Contains(l.guest.armed, id) {
		l.guest.armed = append(l.guest.armed, id)
	}
	return a, nil
}

// stop stops a command that waits for a reboot.
func (l *lab) stop(id string) (*reply, error) {
	a, err := l.do(request{action: "StopInvocation", params: map[string]string{"RegionId": l.region, "InvokeId": id, "InstanceId.1": l.instance}})
	if err == nil && a.status == http.StatusOK {
		l.ended(id)
	}
	return a, err
}

// ended records that a command does not wait for a reboot any more.
func (l *lab) ended(id string) {
	l.guest.armed = slices.DeleteFunc(l.guest.armed, func(armed string) bool { return armed == id })
}

// disarm stops the commands that still wait for a reboot, even after an interrupt.
func (l *lab) disarm() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), 30*time.Second)
	defer cancel()
	l.ctx = ctx
	var left []error
	for _, id := range slices.Clone(l.guest.armed) {
		if a, err := l.stop(id); err != nil || a.status != http.StatusOK {
			left = append(left, fmt.Errorf("the command %s may still run at a reboot of the instance: stop it in Cloud Assistant", id))
		}
	}
	return errors.Join(left...)
}

// results reads the results of a command on the instance.
func (l *lab) results(id string, more ...string) (*reply, []any, error) {
	r := request{action: "DescribeInvocationResults", params: map[string]string{
		"RegionId": l.region, "InvokeId": id, "InstanceId": l.instance, "MaxResults": "50", "ContentEncoding": "Base64",
	}}
	a, err := l.do(r.with(more...))
	if err != nil {
		return nil, nil, err
	}
	results, _ := at(a.fields, "Invocation", "InvocationResults", "InvocationResult").([]any)
	return a, results, nil
}

// result reads the result of a command until done returns true or the limit has passed, and
// returns the last result.
func (l *lab) result(id string, limit time.Duration, done func(result any) bool) (any, error) {
	begin := time.Now()
	for {
		_, results, err := l.results(id)
		if err != nil {
			return nil, err
		}
		var result any
		if len(results) > 0 {
			result = results[0]
		}
		if done(result) || time.Since(begin) > limit {
			return result, nil
		}
		if err := l.sleep(time.Second); err != nil {
			return nil, err
		}
	}
}

func resultText(result any, name string) string {
	text, _ := at(result, name).(string)
	return text
}

func repeats(result any) int {
	n, _ := at(result, "Repeats").(float64)
	return int(n)
}

// isEnded reports whether a command will not run any more.
func isEnded(result any) bool {
	return !slices.Contains([]string{"", "Pending", "Running", "Scheduled", "Stopping"}, resultText(result, "InvocationStatus"))
}

var bootIDs = regexp.MustCompile(`\A[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\z`)

// bootID returns the boot ID in the output of a command, or "".
func bootID(result any) string {
	output, err := base64.StdEncoding.DecodeString(resultText(result, "Output"))
	if id := strings.TrimSpace(string(output)); err == nil && bootIDs.MatchString(id) {
		return id
	}
	return ""
}

// describe adds the facts of a result, without its output.
func (l *lab) describe(f facts, prefix string, result any) {
	f[prefix+".invocationStatus"] = l.redactor.name(resultText(result, "InvocationStatus"))
	f[prefix+".recordStatus"] = l.redactor.name(resultText(result, "InvokeRecordStatus"))
	f[prefix+".errorCode"] = l.redactor.name(resultText(result, "ErrorCode"))
	f[prefix+".repeats"] = strconv.Itoa(repeats(result))
	switch {
	case bootID(result) != "":
		f[prefix+".output"] = "a boot ID"
	case resultText(result, "Output") == "":
		f[prefix+".output"] = "none"
	default:
		f[prefix+".output"] = "something else"
	}
}
