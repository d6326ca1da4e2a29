package ecstest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
)

// sockets runs a test over a socket and in memory: faults look the same.
func sockets(t *testing.T, test func(t *testing.T, s *Server)) {
	t.Helper()
	for name, create := range map[string]func(Options) (*Server, error){"socket": NewServer, "memory": NewInMemoryServer} {
		t.Run(name, func(t *testing.T) {
			s, err := create(Options{})
			require.NoError(t, err)
			t.Cleanup(s.Close)
			require.NoError(t, s.AddInstance(Instance{ID: id, Reboot: RebootProfile{Graceful: -1}}))
			test(t, s)
		})
	}
}

// A call that gets no answer: with Act the instance restarts, else not.
func TestFaultsThatCut(t *testing.T) {
	reset := func(t *testing.T, err error) { t.Helper(); require.ErrorIs(t, err, syscall.ECONNRESET) }
	eof := func(t *testing.T, err error) { t.Helper(); require.ErrorIs(t, err, io.EOF) }
	half := func(t *testing.T, err error) { t.Helper(); require.ErrorContains(t, err, "malformed HTTP") }
	for kind, check := range map[FaultKind]func(*testing.T, error){FaultDrop: reset, FaultFIN: eof, FaultHalfStatusLine: half} {
		for _, act := range []bool{false, true} {
			t.Run(string(kind), func(t *testing.T) {
				sockets(t, func(t *testing.T, s *Server) {
					s.Inject(Fault{Kind: kind, Act: act})
					c := newCaller(s)
					_, err := c.do(t, actionReboot, "InstanceId", id)
					check(t, err)
					require.Equal(t, act, s.Reboots(id) == 1)
					call := s.Calls()[0]
					require.Equal(t, act, call.Acted)
					require.Equal(t, kind, call.Fault)
					require.Zero(t, call.Status)
					require.Empty(t, call.Code)

					require.Equal(t, http.StatusOK, c.reboot(t).status, "once only")
					require.Equal(t, 2, s.Connections())
				})
			})
		}
	}
}

func TestFaultRefuse(t *testing.T) {
	sockets(t, func(t *testing.T, s *Server) {
		s.Inject(Fault{Kind: FaultRefuse, Skip: 1})
		c := newCaller(s)
		require.Equal(t, http.StatusOK, c.reboot(t).status)
		c.client.CloseIdleConnections()
		_, err := c.do(t, actionReboot, "InstanceId", id)
		require.Error(t, err)
		require.Equal(t, http.StatusOK, c.reboot(t).status)
		require.Equal(t, 3, s.Connections())
		require.Len(t, s.Calls(), 2)
		require.Equal(t, 3, s.Calls()[1].Conn)
	})
}

// A fault of real calls does not count dry runs, and does not hit them.
func TestFaultReal(t *testing.T) {
	sockets(t, func(t *testing.T, s *Server) {
		s.Inject(Fault{Kind: FaultDrop, Action: actionReboot, Real: true})
		c := newCaller(s)
		dry := c.must(t, actionReboot, "InstanceId", id, "DryRun", "true")
		require.Equal(t, "DryRunOperation", dry.code())
		_, err := c.do(t, actionReboot, "InstanceId", id)
		require.Error(t, err)
		require.Equal(t, http.StatusOK, c.reboot(t).status)
	})
}

func TestFaultHang(t *testing.T) {
	for _, act := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			settled := 0
			s := inMemory(t, Options{OnCall: func(c ReceivedCall) {
				settled++
				require.Equal(t, FaultHang, c.Fault)
			}})
			s.Inject(Fault{Kind: FaultHang, Act: act, Times: 2})
			c := newCaller(s)
			c.client.Timeout = time.Hour
			begin := time.Now()
			_, err := c.do(t, actionReboot, "InstanceId", id)
			require.Error(t, err)
			require.Equal(t, time.Hour, time.Since(begin))
			synctest.Wait()
			require.Equal(t, 1, settled, "the client went")

			go func() {
				synctest.Wait()
				require.Len(t, s.Calls(), 2, "a call that hangs is listed")
				require.Equal(t, act, s.Calls()[1].Acted)
				s.Close()
			}()
			_, err = c.do(t, actionReboot, "InstanceId", id)
			require.ErrorIs(t, err, io.EOF)
			synctest.Wait()
			require.Equal(t, 2, settled, "the server went")
		})
	}
}

func TestFaultTruncate(t *testing.T) {
	sockets(t, func(t *testing.T, s *Server) {
		s.Inject(Fault{Kind: FaultTruncate}, Fault{Kind: FaultTruncate, Code: "Forbidden.RAM"})
		c := newCaller(s)
		r, err := c.do(t, actionReboot, "InstanceId", id)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Equal(t, http.StatusOK, r.status)
		require.Equal(t, `{"RequestId":"`, r.body[:14])
		require.Equal(t, "52", r.header.Get("Content-Length"))
		require.Len(t, r.body, 26)
		require.Equal(t, s.Calls()[0].RequestID, r.header.Get("X-Acs-Request-Id"))
		require.Equal(t, 1, s.Reboots(id), "its own answer")

		r, err = c.do(t, actionReboot, "InstanceId", id)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Equal(t, http.StatusForbidden, r.status)
		require.Equal(t, 1, s.Reboots(id))
		require.Equal(t, "Forbidden.RAM", s.Calls()[1].Code)
	})
}

func TestFaultStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, Options{})
		defer s.Close()
		s.Inject(Fault{Kind: FaultStall})
		c := newCaller(s)
		c.client.Timeout = time.Minute
		r, err := c.do(t, actionReboot, "InstanceId", id)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, http.StatusOK, r.status)
		require.Len(t, r.body, 26)
		require.Equal(t, 1, s.Reboots(id))
	})
}

func TestFaultAnswers(t *testing.T) {
	for _, test := range []struct {
		fault  Fault
		status int
		code   string
		body   string
	}{
		{Fault{Kind: FaultError}, 500, "InternalError", "unknown error"},
		{Fault{Kind: FaultError, Code: "DiskError"}, 403, "DiskError", "IncorrectDiskStatus."},
		{Fault{Kind: FaultError, Code: "New.Code", Message: "what", Status: 409}, 409, "New.Code", "what"},
		{Fault{Kind: FaultError, Code: "New.Code", Status: -7}, 500, "New.Code", `"Message":""`},
		{Fault{Kind: FaultThrottle}, 400, "Throttling.User", "user flow control"},
		{Fault{Kind: FaultThrottle, Code: "Throttling.Other"}, 400, "Throttling.Other", `"Message":""`},
		{Fault{Kind: FaultAnswer}, 502, "", proxyPage},
		{Fault{Kind: FaultAnswer, Status: 200}, 200, "", ""},
		{Fault{Kind: FaultAnswer, Body: "<html>"}, 200, "", "<html>"},
		{Fault{Kind: FaultAnswer, Status: 302, Header: http.Header{"location": {"http://127.0.0.1:2/"}}}, 302, "", ""},
		{Fault{Kind: "typo"}, 500, "InternalError", `unknown fault kind \"typo\"`},
	} {
		for _, act := range []bool{false, true} {
			s := inMemory(t, Options{})
			test.fault.Act = act
			s.Inject(test.fault)
			c := newCaller(s)
			c.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			r := c.reboot(t)
			require.Equal(t, test.status, r.status)
			require.Equal(t, test.code, r.code())
			require.Contains(t, r.body, test.body)
			require.Equal(t, act, s.Reboots(id) == 1)
			require.Equal(t, test.fault.Kind, s.Calls()[0].Fault)
			require.Equal(t, test.status, s.Calls()[0].Status)
			if test.fault.Kind == FaultAnswer {
				require.Empty(t, r.header.Get("X-Acs-Request-Id"))
				require.Equal(t, test.body, r.body)
			}
			if test.status == 302 {
				require.Equal(t, "http://127.0.0.1:2/", r.header.Get("Location"))
			}
		}
	}
}

func TestFaultThrottleHint(t *testing.T) {
	for header, want := range map[HintHeader]string{
		NoHint: "2500", HintRetryAfter: "2500", HintRateLimitAPI: "Limit:1,Remain:0,TimeLeft:2500,Reset:946684802",
	} {
		synctest.Test(t, func(t *testing.T) {
			s := inMemory(t, Options{})
			defer s.Close()
			s.Inject(Fault{Kind: FaultThrottle, Hint: 2500 * time.Millisecond, HintHeader: header, Header: http.Header{"X-Extra": {"1"}}})
			r := newCaller(s).reboot(t)
			if header == NoHint {
				header = HintRetryAfter
			}
			require.Equal(t, want, r.header.Get(string(header)))
			require.Equal(t, "1", r.header.Get("X-Extra"))
		})
	}
}

func TestFaultDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, Options{})
		defer s.Close()
		s.Inject(
			Fault{Delay: 5 * time.Second},
			Fault{Kind: FaultError, Delay: time.Second, Code: "DiskError"},
			Fault{Kind: FaultDelay, Delay: time.Minute},
			Fault{Kind: FaultDelay, Delay: time.Minute, Act: true},
		)
		c := newCaller(s)
		begin := time.Now()
		require.Equal(t, http.StatusOK, c.reboot(t).status)
		require.Equal(t, 5*time.Second, time.Since(begin))
		require.Equal(t, "DiskError", c.reboot(t).code())
		require.Equal(t, 6*time.Second, time.Since(begin))

		c.client.Timeout = time.Second
		_, err := c.do(t, actionReboot, "InstanceId", id)
		require.Error(t, err)
		time.Sleep(time.Hour)
		require.Equal(t, 1, s.Reboots(id), "the client left before it was carried out")
		_, err = c.do(t, actionReboot, "InstanceId", id)
		require.Error(t, err)
		require.Equal(t, 2, s.Reboots(id))
	})
}

// The request arrives after its sender has given it up.
func TestFaultLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, Options{})
		defer s.Close()
		s.Inject(
			Fault{Kind: FaultDrop, Late: time.Minute},
			Fault{Kind: FaultDrop, Late: 61 * time.Second}, // instance is Starting by then
			Fault{Kind: FaultTruncate, Late: time.Second, Action: actionStatus},
			Fault{Kind: FaultDrop, Late: time.Hour},
		)
		require.NoError(t, s.AddInstance(Instance{ID: "i-slow"}))
		c := newCaller(s)
		for range 2 {
			_, err := c.do(t, actionReboot, "InstanceId", "i-slow")
			require.Error(t, err)
		}
		_, err := c.do(t, actionStatus, "RegionId", "cn-hangzhou")
		require.Error(t, err)
		time.Sleep(time.Minute - 1)
		require.Zero(t, s.Reboots("i-slow"))
		require.Equal(t, ecsreboot.StatusRunning, s.Status("i-slow"))
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.Equal(t, ecsreboot.StatusStarting, s.Status("i-slow"))
		require.True(t, s.Calls()[0].Acted)
		time.Sleep(time.Minute)
		require.Equal(t, 1, s.Reboots("i-slow"))
		_, err = c.do(t, actionReboot, "InstanceId", "i-slow")
		require.Error(t, err)
		s.Close() // with a call that is still to come
		require.Equal(t, 1, s.Reboots("i-slow"))
	})
}

func TestFaultMatching(t *testing.T) {
	s := inMemory(t, Options{})
	require.NoError(t, s.AddInstance(Instance{ID: "i-other"}))
	fault := func(code string, f Fault) Fault { f.Kind, f.Code = FaultError, code; return f }
	s.Inject(
		fault("A", Fault{Action: actionReboot, InstanceID: "i-other"}),
		fault("B", Fault{Action: actionReboot, Skip: 1, Times: 2}),
		fault("C", Fault{InstanceID: "i-list", Times: -1}),
	)
	c := newCaller(s)
	codes := func(action string, params ...string) string { return c.must(t, action, params...).code() }
	require.Empty(t, codes(actionReboot, "InstanceId", id), "skipped by B")
	require.Equal(t, "A", codes(actionReboot, "InstanceId", "i-other"))
	require.Equal(t, "B", codes(actionReboot, "InstanceId", id))
	require.Equal(t, "B", codes(actionReboot, "InstanceId", id))
	require.Empty(t, codes(actionReboot, "InstanceId", id))
	for range 3 {
		require.Equal(t, "C", codes(actionList, "RegionId", "cn-hangzhou", "InstanceIds", `["i-a","i-list"]`))
		require.Equal(t, "C", codes(actionStatus, "RegionId", "cn-hangzhou", "InstanceId.1", "i-list"))
	}
	require.Empty(t, codes(actionList, "RegionId", "cn-hangzhou"))
	s.ClearFaults()
	require.Equal(t, "InvalidInstanceId.NotFound", codes(actionAttribute, "InstanceId", "i-list"))
}

// A stranger's call neither meets a fault nor uses it up.
func TestFaultsAreForTheAuthenticated(t *testing.T) {
	s := inMemory(t, Options{})
	s.Inject(Fault{Kind: FaultDrop})
	c := newCaller(s)
	c.secret = "wrong"
	require.Equal(t, "SignatureDoesNotMatch", c.reboot(t).code())
	c.secret = "testsecret"
	_, err := c.do(t, actionReboot, "InstanceId", id)
	require.True(t, errors.Is(err, syscall.ECONNRESET))
}

func TestFaultKinds(t *testing.T) {
	seen := map[FaultKind]bool{}
	for _, kind := range FaultKinds() {
		require.NotEmpty(t, kind)
		require.False(t, seen[kind])
		seen[kind] = true
	}
	require.Len(t, seen, 11)
}
