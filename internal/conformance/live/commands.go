package main

import (
	"slices"
	"strconv"
	"time"
)

// runCommands runs a command, repeats the request, and makes commands wait for a reboot.
func (l *lab) runCommands() (facts, error) {
	f := facts{}
	send := func(name string, r request) (*reply, error) {
		a, err := l.command(r)
		if err == nil {
			l.brief(f, name, a)
		}
		return a, err
	}
	once, err := send("once", l.script("Once", "once"))
	if err != nil {
		return nil, err
	}
	f["fields"], l.guest.once = l.fields(once), once.text("InvokeId")
	if l.guest.once == "" {
		return f, nil
	}
	result, err := l.result(l.guest.once, time.Minute, isEnded)
	if err != nil {
		return nil, err
	}
	l.describe(f, "once", result)
	if l.guest.bootID = bootID(result); l.guest.bootID == "" {
		return f, nil
	}
	l.guest.ran = true
	next, err := send("next", l.script("NextRebootOnly", "next"))
	if err != nil {
		return nil, err
	}
	every, err := send("every", l.script("EveryReboot", "every"))
	if err != nil {
		return nil, err
	}
	l.guest.next, l.guest.every = next.text("InvokeId"), every.text("InvokeId")
	for name, first := range map[string]struct {
		r request
		a *reply
	}{"once": {l.script("Once", "once"), once}, "every": {l.script("EveryReboot", "every"), every}} {
		a, err := send(name+".repeated", first.r)
		if err != nil {
			return nil, err
		}
		f[name+".repeated.sameInvokeId"] = yes(a.text("InvokeId") == first.a.text("InvokeId"))
	}
	for name, r := range map[string]request{
		"otherWithToken": l.script("Once", "once").with("Name", "ecsreboot-live-2"), "badType": l.script("Once", "type").with("Type", "RunNothing"),
		"badMode": l.script("Sometimes", "mode"), "badContent": l.script("Once", "content").with("CommandContent", "%"),
		"unknown": l.script("Once", "unknown").with("InstanceId.1", nobody),
	} {
		if _, err := send(name, r); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// commandStatuses reads the statuses of commands that wait for a reboot, and of one that was
// stopped.
func (l *lab) commandStatuses() (facts, error) {
	f := facts{}
	a, err := l.command(l.script("NextRebootOnly", "stopped"))
	if err != nil {
		return nil, err
	}
	l.brief(f, "armed", a)
	id := a.text("InvokeId")
	for name, id := range map[string]string{"next": l.guest.next, "every": l.guest.every, "armed": id} {
		result, err := l.result(id, 15*time.Second, func(result any) bool { return resultText(result, "InvocationStatus") == "Scheduled" })
		if err != nil {
			return nil, err
		}
		l.describe(f, name, result)
	}
	if a, err = l.stop(id); err != nil {
		return nil, err
	}
	l.brief(f, "stop", a)
	result, err := l.result(id, 30*time.Second, isEnded)
	if err != nil {
		return nil, err
	}
	l.describe(f, "stopped", result)
	_, results, err := l.results("")
	if err != nil {
		return nil, err
	}
	place := func(id string) int {
		return slices.IndexFunc(results, func(result any) bool { return resultText(result, "InvokeId") == id })
	}
	switch newer, older := place(id), place(l.guest.once); {
	case newer < 0 || older < 0:
		f["first"] = "not listed"
	case newer < older:
		f["first"] = "newest"
	default:
		f["first"] = "oldest"
	}
	return f, nil
}

// awaitBoot waits until the agent has run the command that runs at every boot n times.
func (l *lab) awaitBoot(n int) (any, error) {
	return l.result(l.guest.every, bootTimeout, func(result any) bool { return repeats(result) >= n || isEnded(result) })
}

// commandBoot reads the results of the commands that waited for the first restart.
func (l *lab) commandBoot() (facts, error) {
	f := facts{}
	next, err := l.result(l.guest.next, bootTimeout, isEnded)
	if err != nil {
		return nil, err
	}
	if isEnded(next) {
		l.ended(l.guest.next)
	}
	every, err := l.awaitBoot(1)
	if err != nil {
		return nil, err
	}
	l.describe(f, "next", next)
	l.describe(f, "every", every)
	f["next.newBoot"], f["sameBoot"] = yes(bootID(next) != l.guest.bootID), yes(bootID(next) == bootID(every))
	if c := l.course["reboot.accepted"]; resultText(next, "StartTime") != "" {
		if start, err := parseTime(resultText(next, "StartTime")); err == nil {
			f["~secondsAfterRunning"] = strconv.Itoa(int(start.Sub(c.accepted.at.Add(l.wire.offset + c.completed)).Seconds()))
		}
	}
	return f, nil
}

// commandNotRunning reads the result of the command that was sent during the second restart.
func (l *lab) commandNotRunning() (facts, error) {
	f, a := facts{}, l.course["reboot.accepted-xml"].command
	l.brief(f, "accepted", a)
	if id := a.text("InvokeId"); id != "" {
		result, err := l.result(id, time.Minute, isEnded)
		if err != nil {
			return nil, err
		}
		l.describe(f, "result", result)
	}
	_, err := l.awaitBoot(2) // before the next restart
	return f, err
}

// commandResults reads all results after the last restart, and stops the last command.
func (l *lab) commandResults() (facts, error) {
	if _, err := l.awaitBoot(3); err != nil {
		return nil, err
	}
	f := facts{}
	a, last, err := l.results(l.guest.every)
	if err != nil {
		return nil, err
	}
	f["last.fields"], f["last.count"] = l.fields(a), strconv.Itoa(len(last))
	_, history, err := l.results(l.guest.every, "IncludeHistory", "true")
	if err != nil {
		return nil, err
	}
	boots := map[string]bool{}
	for _, result := range history {
		boots[bootID(result)] = true
	}
	f["~history"] = strconv.Itoa(len(history))
	f["history.complete"] = yes(len(last) == 1 && len(history) == repeats(last[0]))
	f["history.boots"] = yes(len(boots) == len(history) && !boots[""] && !boots[l.guest.bootID])
	if a, err = l.stop(l.guest.every); err != nil {
		return nil, err
	}
	l.brief(f, "stop", a)
	result, err := l.result(l.guest.every, 30*time.Second, func(result any) bool {
		return isEnded(result) && !slices.Contains([]string{"", "Running", "Stopping"}, resultText(result, "InvokeRecordStatus"))
	})
	if err != nil {
		return nil, err
	}
	l.describe(f, "stopped", result)
	delete(f, "stopped.repeats")
	const noInvocation = "t-hz0000000nobody0"
	if a, err = l.stop(noInvocation); err != nil {
		return nil, err
	}
	l.brief(f, "stopUnknown", a)
	a, all, err := l.results(noInvocation)
	if err != nil {
		return nil, err
	}
	l.brief(f, "resultsUnknown", a)
	f["resultsUnknown.count"] = strconv.Itoa(len(all))
	if a, err = l.do(request{action: "DescribeInvocations", params: map[string]string{"RegionId": l.region, "InvokeId": l.guest.once}}); err != nil {
		return nil, err
	}
	l.brief(f, "invocation", a)
	f["invocation.fields"] = l.fields(a)
	invocations, _ := at(a.fields, "Invocations", "Invocation").([]any)
	for _, invocation := range invocations {
		f["invocation.invocationStatus"] = l.redactor.name(resultText(invocation, "InvocationStatus"))
		f["invocation.invokeStatus"] = l.redactor.name(resultText(invocation, "InvokeStatus"))
		f["invocation.mode"] = l.redactor.name(resultText(invocation, "RepeatMode"))
	}
	return f, nil
}
