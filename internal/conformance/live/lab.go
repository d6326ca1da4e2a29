package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxRestarts limits the requests for a restart that a run sends, whatever happens.
const maxRestarts = 6

// maxInstances is the largest number of instances that a trace shows.
const maxInstances = 300

// lab is what the experiments of one run share.
type lab struct {
	ctx      context.Context //nolint:containedctx // of the one run that the lab is for
	wire     wire
	region   string
	instance string
	log      io.Writer
	throttle bool
	records  bool
	commands bool
	denied   credentials // a key without permissions, or none
	// recordsDelay is how long after a restart or a refusal the run reads its event.
	recordsDelay time.Duration
	// oneEndpoint means that all products are at the endpoint of the wire.
	oneEndpoint bool
	machine     any    // the instance as it was listed at the beginning
	turnedAway  *reply // the response to a dry run with a wrong secret
	throttled   *reply // the first response that throttled
	guest       guest
	redactor    redactor
	trace       trace
	began       time.Time
	course      map[string]*course // the restarts by name
}

// course is what a run saw of a restart.
type course struct {
	accepted             *reply
	path                 []moment
	before, after        string // StartTime before and after the restart
	busy, busyDryRun     *reply
	command              *reply // the response to a command for the restarting instance
	firstSeen, completed time.Duration
}

// facts are the results of an experiment.
type facts map[string]string

// unexpected returns an error that ends the run, because something happened that no
// experiment is about.
func unexpected(format string, args ...any) error {
	return fmt.Errorf("unexpected, so the run stops: "+format, args...)
}

// run makes all experiments in order, and stops at the first error. The trace then holds the
// experiments before the error.
func (l *lab) run() error {
	l.redactor.keep(l.wire.key.id, l.wire.key.secret, l.wire.key.token, l.wire.key.bearer, l.instance, l.denied.id, l.denied.secret)
	l.course = map[string]*course{}
	l.began = time.Now()
	l.trace = trace{Kit: 1, Date: time.Now().UTC().Format(time.DateOnly), Region: l.region}
	err := l.prepare()
	for _, e := range experiments {
		if err != nil {
			break
		}
		r := row{ID: e.id}
		if e.skip != nil {
			r.Skipped = e.skip(l)
		}
		if r.Skipped == "" {
			fmt.Fprintf(l.log, "%6.1f s  %s\n", time.Since(l.began).Seconds(), e.id)
			var seen facts
			if seen, err = e.run(l); err != nil {
				err = fmt.Errorf("%s: %w", e.id, err)
				break
			}
			r.Facts = seen
			if c := l.course[e.id]; c != nil {
				r.Timeline = c.path
			}
		}
		l.trace.Rows = append(l.trace.Rows, r)
	}
	err = errors.Join(err, l.disarm())
	if err != nil {
		l.trace.Stopped = l.redactor.sentence(err.Error())
	}
	return err
}

// prepare checks the clock and the instance before the first experiment.
func (l *lab) prepare() error {
	first, err := l.do(l.list())
	if err != nil {
		return err
	}
	date, err := http.ParseTime(first.header.Get("Date"))
	if err != nil {
		return unexpected("the service sends no date")
	}
	if l.wire.offset = date.Sub(first.at).Round(time.Second); l.wire.offset.Abs() < 2*time.Second {
		l.wire.offset = 0
	}
	instance, err := l.only(first)
	if err != nil {
		return err
	}
	if problem := unsuitable(instance, date); problem != "" {
		return errors.New(problem)
	}
	l.machine = instance
	all, err := l.do(request{action: "DescribeInstances", params: map[string]string{"RegionId": l.region, "PageSize": "1"}})
	if err != nil {
		return err
	}
	total, _ := all.fields["TotalCount"].(float64)
	l.trace.Instances = min(int(total), maxInstances)
	if l.records { // sent now, because its event, if there is one, becomes visible only later
		l.turnedAway, err = l.do(l.wrongKey(l.check()))
	}
	return err
}

// unsuitable returns why the instance must not be used, or "".
func unsuitable(instance any, now time.Time) string {
	text := func(name string) string { s, _ := at(instance, name).(string); return s }
	if status := text("Status"); status != "Running" {
		return fmt.Sprintf("the instance is %q and not Running", status)
	}
	if charge := text("InstanceChargeType"); charge != "PostPaid" {
		return fmt.Sprintf("the instance is %q and not pay-as-you-go", charge)
	}
	if locks, _ := at(instance, "OperationLocks", "LockReason").([]any); len(locks) > 0 {
		return "the instance is locked"
	}
	start, err := parseTime(text("StartTime"))
	if err != nil {
		return "the instance has no StartTime"
	}
	if now.Sub(start) < 3*time.Minute {
		return "the instance started less than three minutes ago; wait, because StartTime has whole minutes"
	}
	return ""
}

func parseTime(text string) (time.Time, error) {
	if t, err := time.Parse("2006-01-02T15:04Z", text); err == nil {
		return t, nil
	}
	return time.Parse("2006-01-02T15:04:05Z", text)
}

// list returns the request that lists the instance.
func (l *lab) list() request {
	return request{action: "DescribeInstances", params: map[string]string{"RegionId": l.region, "InstanceIds": `["` + l.instance + `"]`}}
}

// with returns the request with other parameters. A parameter that is set to "" is removed.
func (r request) with(pairs ...string) request {
	r.params = maps.Clone(r.params)
	for pair := range slices.Chunk(pairs, 2) {
		r.params[pair[0]] = pair[1]
	}
	maps.DeleteFunc(r.params, func(_, value string) bool { return value == "" })
	return r
}

// check returns the request for a dry run of a restart.
func (l *lab) check() request {
	return request{action: "RebootInstance", params: map[string]string{"InstanceId": l.instance, "DryRun": "true"}}
}

// only returns the one instance in a list.
func (l *lab) only(a *reply) (any, error) {
	instances, _ := at(a.fields, "Instances", "Instance").([]any)
	if len(instances) != 1 || at(instances[0], "InstanceId") != l.instance {
		return nil, unexpected("the list does not hold the instance and nothing else: status %d, code %q", a.status, a.text("Code"))
	}
	return instances[0], nil
}

// do sends a request. A response that no experiment is about is an error.
func (l *lab) do(r request) (*reply, error) {
	a, err := l.wire.send(l.ctx, r)
	if err != nil {
		return nil, unexpected("%w", err)
	}
	return a, l.take(r, a)
}

// take learns from a response which values to hide. It returns an error if no experiment is
// about such a response.
func (l *lab) take(r request, a *reply) error {
	l.redactor.learn(a.fields, "")
	code := a.text("Code")
	switch {
	case strings.Contains(code, "Throttling") && !r.floods:
		return unexpected("throttled: %s", code)
	case a.status >= 500:
		return unexpected("status %d, code %q", a.status, code)
	case a.status < http.StatusBadRequest && a.text("RequestId") == "" && a.header.Get("X-Acs-Request-Id") == "":
		return unexpected("status %d without a request ID: the response is not from the service", a.status)
	}
	return nil
}

// harmless sends a request that must restart nothing.
func (l *lab) harmless(r request) (*reply, error) {
	a, err := l.do(r)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(r.action, "Reboot") && a.status < http.StatusMultipleChoices {
		return nil, unexpected("the service accepted a request that should restart nothing; the instance may restart now")
	}
	return a, nil
}

// refused returns the facts of a request that must restart nothing.
func (l *lab) refused(r request) (facts, error) {
	a, err := l.harmless(r)
	if err != nil {
		return nil, err
	}
	return l.seen(a), nil
}

// seen returns the facts of any response.
func (l *lab) seen(a *reply) facts {
	f := facts{"status": strconv.Itoa(a.status), "type": l.contentType(a), "keys": l.redactor.names(slices.Collect(maps.Keys(a.fields)))}
	if code := a.text("Code"); code != "" {
		f["code"] = l.redactor.name(code)
		f["message"] = l.redactor.sentence(a.text("Message"))
	}
	if a.root != "" {
		f["root"] = l.redactor.name(a.root)
	}
	switch id := a.header.Get("X-Acs-Request-Id"); id {
	case "":
		f["requestId"] = "no header"
	case a.text("RequestId"):
		f["requestId"] = "header and body agree"
	default:
		f["requestId"] = "header and body differ"
	}
	return f
}

var mediaType = regexp.MustCompile(`^[a-z]+/[a-z+-]+(; ?charset=[A-Za-z0-9-]{3,10})?$`)

func (l *lab) contentType(a *reply) string {
	if text := l.redactor.clean(a.header.Get("Content-Type")); mediaType.MatchString(text) {
		return text
	}
	return removed
}

// brief adds the status and code of a response to the facts, each with a prefix.
func (l *lab) brief(f facts, prefix string, a *reply) {
	f[prefix+".status"] = strconv.Itoa(a.status)
	if code := a.text("Code"); code != "" {
		f[prefix+".code"] = l.redactor.name(code)
	}
}

// page adds the facts of a list of instances.
func (l *lab) page(f facts, prefix string, a *reply) {
	l.brief(f, prefix, a)
	if a.status != http.StatusOK {
		return
	}
	instances, _ := at(a.fields, "Instances", "Instance").([]any)
	f[prefix+".count"] = strconv.Itoa(len(instances))
	for _, name := range []string{"PageSize", "PageNumber", "TotalCount"} {
		if n, ok := a.fields[name].(float64); ok {
			f[prefix+"."+name] = strconv.Itoa(min(int(n), maxInstances))
		}
	}
	f[prefix+".NextToken"] = "no"
	if a.text("NextToken") != "" {
		f[prefix+".NextToken"] = "yes"
	}
}

// statusOf polls the instance.
func (l *lab) statusOf() (status, start string, at *reply, err error) {
	a, err := l.do(l.list())
	if err != nil {
		return "", "", nil, err
	}
	instance, err := l.only(a)
	if err != nil {
		return "", "", nil, err
	}
	fields, _ := instance.(map[string]any)
	status, _ = fields["Status"].(string)
	start, _ = fields["StartTime"].(string)
	return status, start, a, nil
}
