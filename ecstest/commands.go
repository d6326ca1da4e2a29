package ecstest

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ecsreboot/ecsreboot"
)

const (
	onlyOnce    = "Once"
	nextReboot  = "NextRebootOnly"
	everyReboot = "EveryReboot"

	shellScript = "RunShellScript"

	invocationMemory = 28 * 24 * time.Hour
	// An instance has at most maxScheduled commands that wait for a reboot. The server keeps
	// the last maxRuns runs of each command.
	maxScheduled = 100
	maxRuns      = 1000
)

// commandTypes are the types of commands, each with its operating system.
var commandTypes = map[string]string{shellScript: "linux", "RunBatScript": "windows", "RunPowerShellScript": "windows"}

// command has the parameters of a RunCommand. Equal requests have equal commands.
type command struct {
	name, description, kind, content, mode string
	timeout                                int
	ids                                    string // of the instances
}

// invocation is a command that was sent to instances.
type invocation struct {
	command
	id, commandID, token string
	tasks                []*task
}

// task is an invocation on one instance. Its times are those of the server's clock.
type task struct {
	invocation        *invocation
	instanceID        string
	created           time.Time
	scheduled         bool // it waits for a reboot
	stopped           time.Time
	errorCode, reason string // of a command that could not be delivered
	runs              []run  // the last ones
	repeats           int    // how many there were
}

// run is one execution of a command.
type run struct {
	at     time.Time
	output string
	exit   int
}

// readsBootID reports whether a script prints the boot ID. No other script runs without
// Options.RunCommand.
func readsBootID(script string) bool {
	_, interpreted, found := strings.Cut(script, "\n")
	if found && strings.HasPrefix(script, "#!/bin/sh") {
		script = interpreted
	}
	return strings.TrimSpace(script) == "cat /proc/sys/kernel/random/boot_id"
}

// readCommand reads the parameters of RunCommand, except the instances.
func (s *Server) readCommand(req *request) (c command, refusal *answer) {
	get := req.params.Get
	c = command{
		name: get("Name"), description: get("Description"), kind: get("Type"), content: get("CommandContent"), mode: onlyOnce,
		ids: strings.Join(req.ids, ","),
	}
	for _, name := range []string{"Type", "CommandContent"} {
		if get(name) == "" {
			return c, missingParameter(name)
		}
	}
	keep, _ := req.boolean("KeepCommand")
	for _, name := range []string{"EnableParameter", "KeepCommand", "Timed"} {
		set, ok := req.boolean(name)
		if !ok {
			return c, invalidParameter(name)
		}
		if set && name == "EnableParameter" {
			return c, req.notImplemented("the parameter " + name)
		}
	}
	var ok bool
	if c.timeout, ok = req.number("Timeout", 60, 1<<30); !ok {
		return c, invalidParameter("Timeout")
	}
	encoded := c.content
	if strings.EqualFold(get("ContentEncoding"), "Base64") {
		content, err := base64.StdEncoding.DecodeString(c.content)
		if err != nil {
			return c, documented("CmdContent.DecodeError")
		}
		c.content = string(content)
	} else { // any other value means plain text
		encoded = base64.StdEncoding.EncodeToString([]byte(c.content))
	}
	limit := 24 << 10
	if keep {
		limit = 18 << 10
	}
	if mode := get("RepeatMode"); mode != "" {
		c.mode = mode
	}
	token := get("ClientToken")
	switch {
	case len(encoded) > limit:
		return c, documented("CmdContent.ExceedLimit")
	case utf8.RuneCountInString(c.name) > 128:
		return c, documented("CmdName.ExceedLimit")
	case utf8.RuneCountInString(c.description) > 512:
		return c, documented("CmdDesc.ExceedLimit")
	case commandTypes[c.kind] == "":
		return c, documented("InvalidCmdType.NotFound")
	case c.mode == "Period":
		return c, documented("MissingParam.Frequency")
	case c.mode != onlyOnce && c.mode != nextReboot && c.mode != everyReboot:
		return c, documented("InvalidRepeatMode.NotFound")
	case len(token) > 64 || strings.ContainsFunc(token, func(c rune) bool { return c >= utf8.RuneSelf }):
		return c, documented("InvalidClientToken.Malformed")
	case !readsBootID(c.content) && (s.options.RunCommand == nil || c.mode != onlyOnce):
		return c, req.notImplemented("this CommandContent")
	}
	return c, nil
}

// commandTargets returns the instances of the request.
func (s *Server) commandTargets(req *request, largest int) *answer {
	switch {
	case len(req.ids) == 0 || slices.Contains(req.ids, ""):
		return documented("MissingParam.InstanceId")
	case len(req.ids) > largest:
		return documented("InstanceIds.ExceedLimit")
	}
	return nil
}

type commandPayload struct {
	RequestID string `json:"RequestId" xml:"RequestId"`
	CommandID string `json:"CommandId" xml:"CommandId"`
	InvokeID  string `json:"InvokeId" xml:"InvokeId"`
}

func (p *commandPayload) identify(requestID string) { p.RequestID = requestID }

func (s *Server) runCommand(req *request, _ *ReceivedCall) *answer {
	if refusal := s.checkRegion(req); refusal != nil {
		return refusal
	}
	c, refusal := s.readCommand(req)
	if refusal != nil {
		return refusal
	}
	if refusal := s.commandTargets(req, maxIDs); refusal != nil {
		return refusal
	}
	if !s.allowedAll(req.action, req.ids) {
		return forbidden(req)
	}
	v, running, refusal := s.invokeOnce(c, req.params.Get("ClientToken"), req.ids)
	if refusal != nil {
		return refusal
	}
	for _, k := range running {
		output, exit := s.options.RunCommand(k.instanceID, c.content)
		s.mu.Lock()
		if m := s.machines[k.instanceID]; m != nil {
			m.finish(k, run{time.Now().Add(s.offset), output, exit})
		}
		s.mu.Unlock()
	}
	return &answer{status: http.StatusOK, payload: &commandPayload{CommandID: v.commandID, InvokeID: v.id}}
}

// invokeOnce sends a command to instances, unless an earlier call with the same token did.
// It returns the tasks for which Options.RunCommand must be called.
func (s *Server) invokeOnce(c command, token string, ids []string) (v *invocation, running []*task, refusal *answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if before := s.tokens[token]; before != nil {
		if before.command != c {
			return nil, nil, documented("IdempotentParameterMismatch")
		}
		return before, nil, nil
	}
	for _, id := range ids {
		m := s.machines[id]
		switch {
		case m == nil:
			return nil, nil, documented("InvalidInstance.NotFound")
		case m.OSType != commandTypes[c.kind]:
			return nil, nil, documented("InvalidInstance.NotMatch")
		case c.mode != onlyOnce && len(m.scheduled) >= maxScheduled:
			return nil, nil, documented("Invocation.ExceedQuota")
		}
	}
	v, running = s.invoke(c, token, ids)
	return v, running, nil
}

// invoke sends a command to instances. The lock is held.
func (s *Server) invoke(c command, token string, ids []string) (v *invocation, running []*task) {
	number := fmt.Sprintf("hz%010d", s.invocations.added+1)
	v = &invocation{command: c, id: "t-" + number, commandID: "c-" + number, token: token}
	now := time.Now()
	at := now.Add(s.offset)
	for _, dropped := range s.invocations.add(at, at, v) {
		delete(s.tokens, dropped.of.token)
	}
	if token != "" {
		s.tokens[token] = v
	}
	for n, id := range ids {
		if slices.Index(ids, id) < n {
			continue
		}
		m := s.machines[id]
		s.note(m, now)
		m.runScheduled(now, s.offset)
		k := &task{invocation: v, instanceID: id, created: at}
		v.tasks = append(v.tasks, k)
		switch status, _ := m.state(now); {
		case status != ecsreboot.StatusRunning:
			k.errorCode, k.reason = "InstanceNotRunning", "ecstest: the instance is not Running"
		case !m.agentUp(now):
			k.errorCode, k.reason = "ClientNotRunning", "ecstest: the agent does not run"
		case c.mode != onlyOnce:
			k.scheduled = true
			m.scheduled = append(m.scheduled, k)
		case readsBootID(c.content):
			m.execute(k, at)
		default:
			running = append(running, k)
		}
	}
	return v, running
}

// execute runs the script that prints the boot ID.
func (m *machine) execute(k *task, at time.Time) { m.finish(k, run{at, m.bootID + "\n", 0}) }

func (m *machine) finish(k *task, r run) {
	k.repeats++
	k.runs = append(k.runs, r)
	if len(k.runs) > maxRuns {
		k.runs = slices.Delete(k.runs, 0, len(k.runs)-maxRuns)
	}
	m.invoked++
	m.lastInvoked = r.at
}

// runScheduled runs the commands that waited for the guest's last boot, once its agent is
// up. The caller has called note with now.
func (m *machine) runScheduled(now time.Time, offset time.Duration) {
	if m.ranScheduled || !m.agentUp(now) {
		return
	}
	m.ranScheduled = true
	for _, k := range m.scheduled {
		m.execute(k, m.booted.Add(m.AgentDelay).Add(offset))
		k.scheduled = k.invocation.mode == everyReboot
	}
	m.scheduled = slices.DeleteFunc(m.scheduled, func(k *task) bool { return !k.scheduled })
}

// view returns what the service shows about the task and a run: the given one, or else the
// last one.
func (k *task) view(r *run) (status, recordStatus, errorCode, reason string) {
	switch {
	case k.errorCode != "":
		return "Aborted", "Failed", k.errorCode, k.reason
	case r != nil && r.exit != 0:
		status, recordStatus, errorCode, reason = "Failed", "Failed", "ExitCodeNonzero", "ecstest: the exit code is not zero"
	case r != nil:
		status, recordStatus = "Success", "Finished"
	case !k.stopped.IsZero():
		status = "Cancelled"
	default:
		status, recordStatus = "Running", "Running"
	}
	return status, recordStatus, errorCode, reason
}

// state returns the view of the task as a whole.
func (k *task) state() (status, recordStatus, errorCode, reason string) {
	status, recordStatus, errorCode, reason = k.view(k.last())
	if k.scheduled {
		status, recordStatus = "Scheduled", "Running"
	}
	if !k.stopped.IsZero() {
		recordStatus = "Stopped"
	}
	return status, recordStatus, errorCode, reason
}

func (k *task) last() *run {
	if len(k.runs) == 0 {
		return nil
	}
	return &k.runs[len(k.runs)-1]
}

// outputEncoding reads how texts are encoded in a response.
func (r *request) outputEncoding() (encode func(string) string, refusal *answer) {
	switch r.params.Get("ContentEncoding") {
	case "", "Base64":
		return func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }, nil
	case "PlainText":
		return func(text string) string { return text }, nil
	default:
		return nil, invalidParameter("ContentEncoding")
	}
}

func seconds(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(secondsFormat)
}

// noTags is the empty list of tags of a command.
type noTags struct{ Tag []tagView }

type resultView struct {
	InvokeID           string `json:"InvokeId" xml:"InvokeId"`
	CommandID          string `json:"CommandId" xml:"CommandId"`
	InstanceID         string `json:"InstanceId" xml:"InstanceId"`
	InvocationStatus   string
	InvokeRecordStatus string
	Repeats            int
	Output             string
	Dropped            int
	ExitCode           int64
	StartTime          string
	FinishedTime       string
	StopTime           string
	ErrorCode          string
	ErrorInfo          string
	Username           string
	ContainerID        string `json:"ContainerId" xml:"ContainerId"`
	ContainerName      string
	TerminationMode    string
	Tags               noTags

	place `json:"-" xml:"-"`
}

type resultsPayload struct {
	RequestID  string `json:"RequestId" xml:"RequestId"`
	Invocation struct {
		PageNumber        int
		PageSize          int
		TotalCount        int
		NextToken         string
		InvocationResults struct {
			InvocationResult []resultView
		}
	}
}

func (p *resultsPayload) identify(requestID string) { p.RequestID = requestID }

// cut shortens an output to 24 KB and returns how much it cut.
func cut(output string) (shown string, dropped int) {
	const most = 24 << 10
	dropped = max(len(output)-most, 0)
	return output[:len(output)-dropped], dropped
}

// result is the view of a run of the task, or of the task if r is nil.
func (k *task) result(encode func(string) string, r *run) resultView {
	v := resultView{
		InvokeID: k.invocation.id, CommandID: k.invocation.commandID, InstanceID: k.instanceID, Repeats: k.repeats,
		StopTime: seconds(k.stopped), TerminationMode: "Process", Tags: noTags{[]tagView{}},
	}
	if r == nil {
		v.InvocationStatus, v.InvokeRecordStatus, v.ErrorCode, v.ErrorInfo = k.state()
		r = k.last()
	} else {
		v.InvocationStatus, v.InvokeRecordStatus, v.ErrorCode, v.ErrorInfo = k.view(r)
	}
	if r != nil {
		output, dropped := cut(r.output)
		v.Output, v.Dropped, v.ExitCode = encode(output), dropped, int64(r.exit)
		v.StartTime, v.FinishedTime = seconds(r.at), seconds(r.at)
	}
	return v
}

// shownInvocations runs the commands that are due, and returns the invocations that are
// kept, the newest first. The lock is held.
func (s *Server) shownInvocations() []recorded[*invocation] {
	now := time.Now()
	for _, m := range s.machines {
		s.note(m, now)
		m.runScheduled(now, s.offset)
	}
	all := s.invocations.shown(now.Add(s.offset))
	slices.Reverse(all)
	return slices.DeleteFunc(all, func(v recorded[*invocation]) bool {
		return now.Add(s.offset).Sub(v.at) > invocationMemory && !slices.ContainsFunc(v.of.tasks, func(k *task) bool { return k.scheduled })
	})
}

// invocationList reads what the lists of invocations and of their results have in common.
func (s *Server) invocationList(req *request) (p agentPage, encode func(string) string, refusal *answer) {
	if refusal := s.checkRegion(req); refusal != nil {
		return p, nil, refusal
	}
	if p, refusal = req.agentPage(50); refusal != nil {
		return p, nil, refusal
	}
	encode, refusal = req.outputEncoding()
	return p, encode, refusal
}

func (s *Server) describeInvocationResults(req *request, _ *ReceivedCall) *answer {
	get := req.params.Get
	p, encode, refusal := s.invocationList(req)
	if refusal != nil {
		return refusal
	}
	history, ok := req.boolean("IncludeHistory")
	switch {
	case !ok:
		return invalidParameter("IncludeHistory")
	case history && get("InvokeId") == "":
		return missingParameter("InvokeId")
	case !s.allowed(req.action, ""):
		return forbidden(req)
	}
	wants := func(name, value string) bool { return get(name) == "" || get(name) == value }
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []resultView{}
	for _, v := range s.shownInvocations() {
		for n, k := range v.of.tasks {
			place := place{v.at, (v.sequence*maxIDs + maxIDs - 1 - n) * maxRuns}
			if !wants("InvokeId", v.of.id) || !wants("CommandId", v.of.commandID) || !wants("InstanceId", k.instanceID) {
				continue
			}
			views := []resultView{k.result(encode, nil)}
			if history && v.of.mode == everyReboot {
				views = nil
				for n := range k.runs {
					view := k.result(encode, &k.runs[n])
					view.Repeats = k.repeats - len(k.runs) + n + 1
					views = append(views, view)
				}
				slices.Reverse(views)
			}
			for n := range views {
				views[n].place = place
				views[n].sequence += len(views) - 1 - n
				if wants("InvokeRecordStatus", views[n].InvokeRecordStatus) || wants("InvokeRecordStatus", views[n].InvocationStatus) {
					all = append(all, views[n])
				}
			}
		}
	}
	body := &resultsPayload{}
	in := &body.Invocation
	in.PageNumber, in.PageSize, in.TotalCount = p.page, p.size, p.total(len(all))
	in.InvocationResults.InvocationResult, in.NextToken = cutAgentPage(p, all, func(v resultView) place { return v.place })
	return &answer{status: http.StatusOK, payload: body}
}

type invokeInstanceView struct {
	InstanceID           string `json:"InstanceId" xml:"InstanceId"`
	InvocationStatus     string
	InstanceInvokeStatus string
	Repeats              int
	Timed                bool
	Output               string
	Dropped              int
	ExitCode             int64
	CreationTime         string
	StartTime            string
	FinishTime           string
	StopTime             string
	UpdateTime           string
	ErrorCode            string
	ErrorInfo            string
}

type invocationView struct {
	InvokeID           string `json:"InvokeId" xml:"InvokeId"`
	CommandID          string `json:"CommandId" xml:"CommandId"`
	CommandName        string
	CommandDescription string
	CommandType        string
	CommandContent     string
	RepeatMode         string
	Frequency          string
	Timed              bool
	Timeout            int64
	Parameters         string
	CreationTime       string
	InvocationStatus   string
	InvokeStatus       string
	Username           string
	WorkingDir         string
	ContainerID        string `json:"ContainerId" xml:"ContainerId"`
	ContainerName      string
	TerminationMode    string
	InvokeInstances    struct{ InvokeInstance []invokeInstanceView }
	Tags               noTags

	place `json:"-" xml:"-"`
}

type invocationsPayload struct {
	RequestID   string `json:"RequestId" xml:"RequestId"`
	PageNumber  int
	PageSize    int
	TotalCount  int
	NextToken   string
	Invocations struct{ Invocation []invocationView }
}

func (p *invocationsPayload) identify(requestID string) { p.RequestID = requestID }

// whole is the status of an invocation on all its instances: the first of these that one of
// them has.
func whole(statuses []string, order ...string) string {
	for _, status := range order {
		if slices.Contains(statuses, status) {
			return status
		}
	}
	return ""
}

func (v *invocation) view(encode func(string) string, withOutput bool) invocationView {
	w := invocationView{
		InvokeID: v.id, CommandID: v.commandID, CommandName: v.name, CommandDescription: v.description, CommandType: v.kind,
		CommandContent: encode(v.content), RepeatMode: v.mode, Timeout: int64(v.timeout), Parameters: "{}", TerminationMode: "Process", Tags: noTags{[]tagView{}},
	}
	var statuses, records []string
	for _, k := range v.tasks {
		r := k.result(encode, nil)
		i := invokeInstanceView{
			InstanceID: k.instanceID, InvocationStatus: r.InvocationStatus, InstanceInvokeStatus: r.InvokeRecordStatus, Repeats: r.Repeats, Timed: k.scheduled,
			Output: r.Output, Dropped: r.Dropped, ExitCode: r.ExitCode, CreationTime: seconds(k.created), StartTime: r.StartTime,
			FinishTime: r.FinishedTime, StopTime: r.StopTime, UpdateTime: seconds(k.created), ErrorCode: r.ErrorCode, ErrorInfo: r.ErrorInfo,
		}
		for _, later := range []string{r.FinishedTime, r.StopTime} { // the texts are in the order of their times
			i.UpdateTime = max(i.UpdateTime, later)
		}
		if !withOutput {
			i.Output = ""
		}
		w.Timed, w.CreationTime = w.Timed || k.scheduled, seconds(k.created)
		w.InvokeInstances.InvokeInstance = append(w.InvokeInstances.InvokeInstance, i)
		statuses, records = append(statuses, r.InvocationStatus), append(records, r.InvokeRecordStatus)
	}
	failed := slices.Contains(statuses, "Aborted") || slices.Contains(statuses, "Failed")
	w.InvocationStatus = whole(statuses, "Scheduled", "Running", "Success", "Cancelled")
	w.InvokeStatus = whole(records, "Running", "Finished", "Failed", "Stopped")
	switch {
	case !failed || w.InvocationStatus == "Scheduled" || w.InvocationStatus == "Running":
	case w.InvocationStatus == "Success":
		w.InvocationStatus, w.InvokeStatus = "PartialFailed", "PartialFailed"
	default:
		w.InvocationStatus, w.InvokeStatus = "Failed", "Failed"
	}
	return w
}

func (s *Server) describeInvocations(req *request, _ *ReceivedCall) *answer {
	get := req.params.Get
	p, encode, refusal := s.invocationList(req)
	if refusal != nil {
		return refusal
	}
	withOutput, okOutput := req.boolean("IncludeOutput")
	timed, okTimed := req.boolean("Timed")
	switch {
	case !okOutput:
		return invalidParameter("IncludeOutput")
	case !okTimed:
		return invalidParameter("Timed")
	case withOutput && get("InvokeId") == "" && get("InstanceId") == "":
		return missingParameter("InvokeId")
	case !s.allowed(req.action, ""):
		return forbidden(req)
	}
	wants := func(name, value string) bool { return get(name) == "" || get(name) == value }
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []invocationView{}
	for _, r := range s.shownInvocations() {
		v := r.of.view(encode, withOutput)
		v.place = place{r.at, r.sequence}
		id := get("InstanceId")
		onInstance := slices.ContainsFunc(r.of.tasks, func(k *task) bool { return k.instanceID == id })
		if !wants("InvokeId", v.InvokeID) || !wants("CommandId", v.CommandID) || !wants("CommandType", v.CommandType) || v.Timed != timed || id != "" && !onInstance {
			continue
		}
		// These filters have no effect if an InstanceId is given.
		if id == "" && (!wants("CommandName", v.CommandName) || !wants("RepeatMode", v.RepeatMode)) || !wants("InvokeStatus", v.InvokeStatus) && !wants("InvokeStatus", v.InvocationStatus) {
			continue
		}
		all = append(all, v)
	}
	body := &invocationsPayload{PageNumber: p.page, PageSize: p.size, TotalCount: p.total(len(all))}
	body.Invocations.Invocation, body.NextToken = cutAgentPage(p, all, func(v invocationView) place { return v.place })
	return &answer{status: http.StatusOK, payload: body}
}

func (s *Server) stopInvocation(req *request, _ *ReceivedCall) *answer {
	if refusal := s.checkRegion(req); refusal != nil {
		return refusal
	}
	id := req.params.Get("InvokeId")
	if id == "" {
		return missingParameter("InvokeId")
	}
	if len(req.ids) > 0 {
		if refusal := s.commandTargets(req, 50); refusal != nil {
			return refusal
		}
	}
	if !s.allowedAll(req.action, req.ids) {
		return forbidden(req)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.shownInvocations()
	n := slices.IndexFunc(all, func(v recorded[*invocation]) bool { return v.of.id == id })
	if n < 0 {
		return documented("InvalidInvokeId.NotFound")
	}
	tasks := slices.Clone(all[n].of.tasks)
	if len(req.ids) > 0 {
		tasks = slices.DeleteFunc(tasks, func(k *task) bool { return !slices.Contains(req.ids, k.instanceID) })
	}
	if len(tasks) == 0 {
		return documented("InvalidInvokeId.NotFound")
	}
	for _, k := range tasks {
		if !k.scheduled {
			continue
		}
		k.scheduled, k.stopped = false, time.Now().Add(s.offset)
		if m := s.machines[k.instanceID]; m != nil {
			m.scheduled = slices.DeleteFunc(m.scheduled, func(other *task) bool { return other == k })
		}
	}
	return &answer{status: http.StatusOK, payload: &rebootPayload{}}
}

type consolePayload struct {
	RequestID      string `json:"RequestId" xml:"RequestId"`
	InstanceID     string `json:"InstanceId" xml:"InstanceId"`
	ConsoleOutput  string
	LastUpdateTime string
}

func (p *consolePayload) identify(requestID string) { p.RequestID = requestID }

// withStatus returns a documented error with another status code.
func withStatus(status int, a *answer) *answer {
	a.status = status
	return a
}

func (s *Server) getInstanceConsoleOutput(req *request, _ *ReceivedCall) *answer {
	if refusal := s.checkRegion(req); refusal != nil {
		return refusal
	}
	id := req.params.Get("InstanceId")
	if id == "" {
		return missingParameter("InstanceId")
	}
	remove, ok := req.boolean("RemoveSymbols")
	switch {
	case !ok:
		return withStatus(http.StatusNotFound, invalidParameter("RemoveSymbols"))
	case remove:
		return req.notImplemented("the parameter RemoveSymbols")
	case !s.allowed(req.action, id):
		return forbidden(req)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.machines[id]
	if m == nil {
		return withStatus(http.StatusNotFound, invalidParameter("InstanceId"))
	}
	now := time.Now()
	status, updated := m.state(now)
	switch {
	case m.OSType == "windows":
		return documented("NotSupported")
	case status == ecsreboot.StatusPending:
		return withStatus(http.StatusMethodNotAllowed, documented("IncorrectInstanceStatus"))
	}
	if m.last != nil && m.last.at.Add(s.offset).After(updated) {
		updated = m.last.at.Add(s.offset)
	}
	return &answer{status: http.StatusOK, payload: &consolePayload{
		InstanceID: id, ConsoleOutput: base64.StdEncoding.EncodeToString([]byte(m.ConsoleOutput)),
		LastUpdateTime: updated.In(time.FixedZone("Beijing", 8*60*60)).Format(time.DateTime),
	}}
}
