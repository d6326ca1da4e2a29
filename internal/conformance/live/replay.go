package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/endpoint"
)

// difference is a fact that differs between the service and the fake.
type difference struct{ id, fact, service, fake string }

// readTrace reads a trace. It returns an error if the data are not a trace.
func readTrace(data []byte) (*trace, error) {
	var t trace
	if err := json.Unmarshal(data, &t); err != nil {
		return nil, fmt.Errorf("not a trace: %w", err)
	}
	if t.Kit != 1 || endpoint.RegionProblem(t.Region) != "" || t.Instances > maxInstances {
		return nil, fmt.Errorf("not a trace of this kit: kit %d, region %q, %d instances", t.Kit, t.Region, t.Instances)
	}
	// Texts of the trace are printed, and must not control the terminal.
	if strings.ContainsFunc(fmt.Sprint(t.Stopped, t.Rows), func(c rune) bool { return !unicode.IsPrint(c) }) {
		return nil, errors.New("not a trace of this kit: it holds characters that cannot be printed")
	}
	return &t, nil
}

// replay makes the same experiments with a fake in this process, and returns the trace. It
// opens no socket.
func replay(ctx context.Context, t *trace, log io.Writer) (*trace, error) {
	seen := func(id string) bool {
		return slices.ContainsFunc(t.Rows, func(r row) bool { return r.ID == id && r.Skipped == "" })
	}
	options := ecstest.Options{Region: t.Region, AccessKeyID: "testid", AccessKeySecret: "testsecret"}
	key := credentials{id: options.AccessKeyID, secret: options.AccessKeySecret}
	if seen("auth.bearer") {
		options.BearerToken, key.bearer = "testbearer", "testbearer"
	}
	if seen("auth.token") {
		options.SecurityToken, key.token = "testtoken", "testtoken"
	}
	if seen("flow.throttle") || seen("flow.quotas") {
		options.LimitPerMinute = 400
	}
	options.AuditDelay = -1 // the replay does not wait for events
	server, err := ecstest.NewInMemoryServer(options)
	if err != nil {
		return nil, err
	}
	defer server.Close()
	const instance = "i-bp67acfmxazb4ph0001"
	machine := ecstest.Instance{ID: instance}
	if seen("list.tags-one-key") {
		machine.Tags = map[string]string{"purpose": "test"}
	}
	if err := server.AddInstance(machine); err != nil {
		return nil, err
	}
	for n := 1; n < t.Instances; n++ {
		older := time.Now().Add(-24*time.Hour - time.Duration(n)*time.Minute)
		if err := server.AddInstance(ecstest.Instance{ID: "i-bp67acfmxazb4ph1" + strconv.Itoa(1000+n), CreationTime: older}); err != nil {
			return nil, err
		}
	}
	client := server.HTTPClient()
	defer client.CloseIdleConnections()
	var denied credentials
	if seen("auth.denied") {
		denied = credentials{id: "deniedid", secret: "deniedsecret"}
		refusing, err := ecstest.NewInMemoryServer(ecstest.Options{
			Region: t.Region, AccessKeyID: denied.id, AccessKeySecret: denied.secret, Allow: func(string, string) bool { return false },
		})
		if err != nil {
			return nil, err
		}
		defer refusing.Close()
		client.Transport = byKey{client.Transport, refusing.HTTPClient().Transport, denied.id}
	}
	l := &lab{
		ctx: ctx, wire: wire{http: client, endpoint: server.URL, key: key}, region: t.Region, instance: instance,
		log: log, throttle: seen("flow.throttle"), records: seen("flow.quotas"), commands: seen("command.run"),
		denied: denied, oneEndpoint: true,
	}
	err = l.run()
	return &l.trace, err
}

// byKey passes the requests of one key on to another server.
type byKey struct {
	usual, denied http.RoundTripper
	id            string
}

func (b byKey) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.Contains(r.Header.Get("Authorization"), "Credential="+b.id+",") {
		return b.denied.RoundTrip(r)
	}
	return b.usual.RoundTrip(r)
}

// CloseIdleConnections closes the connections to both servers, for http.Client.
func (b byKey) CloseIdleConnections() {
	for _, transport := range []http.RoundTripper{b.usual, b.denied} {
		(&http.Client{Transport: transport}).CloseIdleConnections()
	}
}

// compare returns the differences, in the order of the rows in the trace of the service. It
// leaves out rows that one side skipped.
func compare(service, fake *trace) []difference {
	var all []difference
	for _, r := range service.Rows {
		other := fake.row(r.ID)
		if r.Skipped != "" || other.Skipped != "" {
			continue
		}
		names := map[string]string{}
		maps.Copy(names, r.Facts)
		maps.Copy(names, other.Facts)
		for _, name := range slices.Sorted(maps.Keys(names)) {
			if a, b := r.Facts[name], other.Facts[name]; !strings.HasPrefix(name, "~") && !same(name, a, b) {
				all = append(all, difference{r.ID, name, a, b})
			}
		}
	}
	return all
}

// same compares a fact. Two durations are the same if they differ by less than 2 s, or if the
// longer one is less than 1.5 times the shorter one.
func same(name, a, b string) bool {
	if !strings.HasSuffix(name, "Ms") {
		return a == b
	}
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	low, high := min(x, y), max(x, y)
	return errX == nil && errY == nil && (high-low < 2000 || high < 1.5*low)
}

// print prints a difference. Of lists of names, it prints only the names that one side lacks.
func (d difference) print(w io.Writer) {
	if d.fact != "keys" && d.fact != "fields" && d.fact != "headers" {
		fmt.Fprintf(w, "%s %s: the service has %q, the fake %q\n", d.id, d.fact, d.service, d.fake)
		return
	}
	a, b := strings.Split(d.service, ","), strings.Split(d.fake, ",")
	lacks := func(all, of []string) string {
		return strings.Join(slices.DeleteFunc(slices.Clone(of), func(name string) bool { return slices.Contains(all, name) }), " ")
	}
	fmt.Fprintf(w, "%s %s: only the service has %q, only the fake has %q\n", d.id, d.fact, lacks(b, a), lacks(a, b))
}
