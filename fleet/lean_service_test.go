package fleet_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aliyun/credentials-go/credentials"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
)

// leanService is a service for more instances than ecstest can hold in a test. It keeps 16
// bytes for each instance, computes all else from them, and serves what a run sends to the
// API: restarts, and lists by ids and by status. It verifies no signature.
type leanService struct {
	t     *testing.T
	limit int // reads that the service allows in a minute of the clock; 0: any number
	begun time.Time

	mu        sync.Mutex
	machines  []leanMachine
	window    int64 // the minute of the clock that inWindow is for
	inWindow  int
	requests  int // of all kinds
	reads     []leanRead
	throttled int
}

// leanMachine is an instance. Its restart is Stopping for half of the time, then Starting.
type leanMachine struct {
	sent     int64 // when the last restart was accepted, in ns since the service began; 0: never
	takes    int32 // how long a restart takes, in ms
	restarts int32
}

// leanRead is a request for DescribeInstances.
type leanRead struct {
	at        time.Duration // since the service began
	byStatus  bool
	throttled bool
}

// leanLatency is how long each request takes.
const leanLatency = 50 * time.Millisecond

// newLeanService returns a service of n instances whose restarts take 30 to 90 s.
func newLeanService(t *testing.T, n, limit int) *leanService {
	t.Helper()
	s := &leanService{t: t, limit: limit, begun: time.Now().Add(-time.Minute), machines: make([]leanMachine, n)}
	random := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range s.machines {
		s.machines[i].takes = 30_000 + random.Int32N(60_000)
	}
	return s
}

func (s *leanService) newClient(options ...ecsreboot.Option) *ecsreboot.Client {
	s.t.Helper()
	credential, err := credentials.NewCredential(new(credentials.Config).SetType("access_key").SetAccessKeyId("testid").SetAccessKeySecret("testsecret"))
	require.NoError(s.t, err)
	client, err := ecsreboot.NewClient("cn-hangzhou", append([]ecsreboot.Option{
		ecsreboot.WithEndpoint("http://127.0.0.1:1"), // nothing is there
		ecsreboot.WithCredential(credential),
		ecsreboot.WithHTTPClient(&http.Client{Transport: s}),
	}, options...)...)
	require.NoError(s.t, err)
	return client
}

// ids returns the ids of all instances.
func (s *leanService) ids() []string {
	ids := make([]string, len(s.machines))
	for i := range ids {
		ids[i] = leanID(i)
	}
	return ids
}

func leanID(i int) string { return fmt.Sprintf("i-%06d", i) }

// takes returns how long a restart of an instance takes.
func (s *leanService) takes(id string) time.Duration {
	i, err := strconv.Atoi(strings.TrimPrefix(id, "i-"))
	require.NoError(s.t, err)
	return time.Duration(s.machines[i].takes) * time.Millisecond
}

// throttling returns when the service throttled first and last.
func (s *leanService) throttling() (first, last time.Duration) {
	for _, read := range s.reads {
		if read.throttled && first == 0 {
			first = read.at
		}
		if read.throttled {
			last = read.at
		}
	}
	return first, last
}

// most returns the most requests in any 60 s that begin after a time.
func (s *leanService) most(since time.Duration) (most int) {
	first := 0
	for i, read := range s.reads {
		for s.reads[first].at <= since || read.at-s.reads[first].at >= time.Minute {
			if first++; first > i {
				break
			}
		}
		most = max(most, i-first+1)
	}
	return most
}

func (s *leanService) RoundTrip(req *http.Request) (*http.Response, error) {
	time.Sleep(leanLatency / 2)
	status, body := s.answer(req.Header.Get("X-Acs-Action"), req.URL.Query())
	date := time.Now()
	time.Sleep(leanLatency / 2)
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header:        http.Header{"Date": {date.UTC().Format(http.TimeFormat)}, "Content-Type": {"application/json"}},
		ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
	}, nil
}

func (s *leanService) answer(action string, query url.Values) (status int, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Since(s.begun)
	s.requests++
	requestID := fmt.Sprintf("00000000-0000-4000-8000-%012d", s.requests)
	refuse := func(status int, code string) (int, string) {
		return status, fmt.Sprintf(`{"RequestId":"%s","HostId":"ecs.aliyuncs.com","Code":"%s","Message":"refused"}`, requestID, code)
	}
	switch action {
	case "RebootInstance":
		i, err := strconv.Atoi(strings.TrimPrefix(query.Get("InstanceId"), "i-"))
		if err != nil || i >= len(s.machines) {
			return refuse(http.StatusNotFound, "InvalidInstanceId.NotFound")
		}
		m := &s.machines[i]
		if m.status(now) != ecsreboot.StatusRunning {
			return refuse(http.StatusForbidden, "IncorrectInstanceStatus")
		}
		m.sent = int64(now)
		m.restarts++
		return http.StatusOK, `{"RequestId":"` + requestID + `"}`
	case "DescribeInstances":
		read := leanRead{at: now, byStatus: query.Has("Status"), throttled: s.throttlesLocked()}
		s.reads = append(s.reads, read)
		if read.throttled {
			s.throttled++
			return refuse(http.StatusBadRequest, "Throttling.User")
		}
		return http.StatusOK, s.pageLocked(now, query, requestID)
	default:
		s.t.Errorf("unexpected %s", action)
		return refuse(http.StatusNotFound, "InvalidAction.NotFound")
	}
}

// throttlesLocked counts a read, and reports whether it is above the limit.
func (s *leanService) throttlesLocked() bool {
	if minute := time.Now().Unix() / 60; minute != s.window {
		s.window, s.inWindow = minute, 0
	}
	s.inWindow++
	return s.limit > 0 && s.inWindow > s.limit
}

// pageLocked returns a page of a list: of the ids, or of all instances of a status.
func (s *leanService) pageLocked(now time.Duration, query url.Values, requestID string) string {
	var page strings.Builder
	page.WriteString(`{"RequestId":"` + requestID + `","Instances":{"Instance":[`)
	listed := 0
	list := func(i int) {
		if listed++; listed > 1 {
			page.WriteByte(',')
		}
		m := &s.machines[i]
		fmt.Fprintf(&page, `{"InstanceId":"%s","RegionId":"cn-hangzhou","ZoneId":"cn-hangzhou-%c","Status":"%s","StartTime":"%s","CreationTime":"2020-01-01T00:00Z"}`,
			leanID(i), "hij"[i%3], m.status(now), s.begun.Add(m.started(now)).UTC().Format("2006-01-02T15:04Z"))
	}
	next := ""
	if query.Has("InstanceIds") {
		var ids []string
		if err := json.Unmarshal([]byte(query.Get("InstanceIds")), &ids); err != nil || len(ids) > 100 {
			s.t.Errorf("invalid InstanceIds %q", query.Get("InstanceIds"))
		}
		for _, id := range ids {
			if i, err := strconv.Atoi(strings.TrimPrefix(id, "i-")); err == nil && i < len(s.machines) {
				list(i)
			}
		}
	} else {
		first, _ := strconv.Atoi(query.Get("NextToken"))
		for i := first; i < len(s.machines); i++ {
			if string(s.machines[i].status(now)) != query.Get("Status") {
				continue
			}
			if listed == 100 {
				next = strconv.Itoa(i)
				break
			}
			list(i)
		}
	}
	page.WriteString(`]},"NextToken":"` + next + `"}`)
	return page.String()
}

// status returns the status at a time.
func (m *leanMachine) status(now time.Duration) ecsreboot.Status {
	takes := time.Duration(m.takes) * time.Millisecond
	switch since := now - time.Duration(m.sent); {
	case m.sent == 0 || since >= takes:
		return ecsreboot.StatusRunning
	case since >= takes/2:
		return ecsreboot.StatusStarting
	default:
		return ecsreboot.StatusStopping
	}
}

// started returns when the instance became Running last, which was an hour before the
// service began if it was never restarted.
func (m *leanMachine) started(now time.Duration) time.Duration {
	if m.sent == 0 || m.status(now) != ecsreboot.StatusRunning {
		return -time.Hour
	}
	return time.Duration(m.sent) + time.Duration(m.takes)*time.Millisecond
}
