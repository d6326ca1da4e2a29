package ecstest

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
)

func TestOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"half a key": {AccessKeyID: "a"}, "other half": {AccessKeySecret: "b"}, "hint": {ThrottleHint: "retry-after"},
		"all interfaces": {Addr: ":0"}, "any": {Addr: "0.0.0.0:0"}, "name": {Addr: "example.com:80"}, "no port": {Addr: "127.0.0.1"},
		"port": {Addr: "127.0.0.1:x"},
	} {
		s, err := NewServer(o)
		require.Error(t, err, name)
		require.Nil(t, s)
	}
	for _, addr := range []string{"", "localhost:0", "[::1]:0"} {
		s, err := NewServer(Options{Addr: addr, AccessKeyID: "me", AccessKeySecret: "mine", Region: "eu-west-1"})
		if addr == "[::1]:0" && err != nil {
			continue // a machine without IPv6
		}
		require.NoError(t, err)
		c := newCaller(s)
		c.keyID, c.secret = "me", "mine"
		require.Equal(t, "DryRunOperation", c.must(t, actionList, "RegionId", "eu-west-1", "DryRun", "true").code())
		s.Close()
	}
	_, err := NewInMemoryServer(Options{AccessKeyID: "a"})
	require.Error(t, err)
}

func TestCloseEndsWhatHangs(t *testing.T) {
	sockets(t, func(t *testing.T, s *Server) {
		s.Inject(Fault{Kind: FaultHang, Times: 2}, Fault{Kind: FaultStall, Times: 2}, Fault{Delay: time.Hour, Times: 2})
		c := newCaller(s)
		var calls sync.WaitGroup
		for range 6 {
			r := c.request(t, actionReboot, "InstanceId", id)
			calls.Go(func() {
				_, err := c.send(r)
				require.Error(t, err)
			})
		}
		require.Eventually(t, func() bool { return len(s.Calls()) == 6 }, 5*time.Second, time.Millisecond)
		s.Close()
		s.Close()
		calls.Wait()
		_, err := c.do(t, actionReboot, "InstanceId", id)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		for _, call := range s.Calls() {
			require.Equal(t, call.Fault == FaultStall, call.Status == http.StatusOK)
		}
	})
}

// Everything a server starts ends with Close: a bubble waits for it.
func TestCloseLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, Options{OnStatus: func(string, ecsreboot.Status) {}})
		require.NoError(t, s.AddInstance(Instance{ID: "i-slow", Reboot: RebootProfile{Graceful: time.Hour}}))
		s.Inject(Fault{Kind: FaultHang, Skip: 2})
		c := newCaller(s)
		require.Equal(t, http.StatusOK, c.must(t, actionReboot, "InstanceId", "i-slow").status)
		conn, err := c.client.Transport.(*http.Transport).DialContext(t.Context(), "tcp", memoryAddr)
		require.NoError(t, err)
		_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
		require.NoError(t, err)
		s.Close()
	})
}

func TestIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, Options{IdleTimeout: 25 * time.Second})
		defer s.Close()
		c := newCaller(s)
		c.reboot(t)
		time.Sleep(24 * time.Second)
		c.reboot(t)
		require.Equal(t, 1, s.Connections())
		time.Sleep(26 * time.Second)
		c.reboot(t)
		require.Equal(t, 2, s.Connections())
	})
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, Options{})
		defer s.Close()
		c := newCaller(s)
		c.reboot(t)
		time.Sleep(24 * time.Hour)
		s.SetClockOffset(0)
		c.reboot(t)
		require.Equal(t, 1, s.Connections(), "for ever by default")
	})
}

// Behind another server, over HTTP/2, faults reset the stream.
func TestServeHTTP(t *testing.T) {
	s := inMemory(t, Options{})
	outer := httptest.NewUnstartedServer(s)
	outer.EnableHTTP2 = true
	outer.StartTLS()
	defer outer.Close()
	defer s.Close()
	c := newCaller(s)
	c.client = outer.Client()
	s.URL = outer.URL
	require.Equal(t, http.StatusOK, c.reboot(t).status)
	require.Equal(t, "HTTP/2.0", s.Calls()[0].Proto)
	require.Zero(t, s.Calls()[0].Conn)
	for n, kind := range []FaultKind{FaultDrop, FaultFIN, FaultHalfStatusLine, FaultTruncate} {
		s.Inject(Fault{Kind: kind, Act: true})
		_, err := c.do(t, actionReboot, "InstanceId", id)
		require.ErrorContains(t, err, "INTERNAL_ERROR")
		require.Equal(t, n+2, s.Reboots(id))
	}
	s.Inject(Fault{Kind: FaultHang})
	r := c.request(t, actionReboot, "InstanceId", id)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := c.send(r.WithContext(ctx))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	s.Close()
	_, err = c.do(t, actionReboot, "InstanceId", id)
	require.Error(t, err, "closed behind a server that lives")
}

// A reset must reach the TCP connection under TLS.
func TestDropUnderTLS(t *testing.T) {
	s := inMemory(t, Options{})
	outer := httptest.NewTLSServer(s)
	defer outer.Close()
	c := newCaller(s)
	c.client, s.URL = outer.Client(), outer.URL
	s.Inject(Fault{Kind: FaultDrop})
	_, err := c.do(t, actionReboot, "InstanceId", id)
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

// No client sees a response before OnCall ran and Calls has the call.
func TestOnCall(t *testing.T) {
	var mu sync.Mutex
	var told []ReceivedCall
	s := inMemory(t, Options{OnCall: func(c ReceivedCall) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, c)
	}})
	c := newCaller(s)
	for n := range 50 {
		r := c.reboot(t)
		calls := s.Calls()
		require.Len(t, calls, n+1)
		require.Equal(t, http.StatusOK, calls[n].Status)
		require.Equal(t, r.field("RequestId"), calls[n].RequestID)
		mu.Lock()
		require.Equal(t, calls, told)
		mu.Unlock()
	}
	s.ForgetCalls()
	require.Empty(t, s.Calls())
	require.Equal(t, 50, s.Reboots(id))
}

func TestManyCallsAtOnce(t *testing.T) {
	sockets(t, func(t *testing.T, s *Server) {
		c := newCaller(s)
		var calls sync.WaitGroup
		for range 20 {
			calls.Go(func() {
				for range 5 {
					require.Equal(t, http.StatusOK, c.reboot(t).status)
				}
			})
		}
		calls.Wait()
		require.Equal(t, 100, s.Reboots(id))
		require.Len(t, s.Calls(), 100)
	})
}

func TestMemoryConn(t *testing.T) {
	s := inMemory(t, Options{})
	dial := s.HTTPClient().Transport.(*http.Transport).DialContext
	conn, err := dial(t.Context(), "tcp", "anywhere:1")
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Millisecond)))
	_, err = conn.Read(make([]byte, 1))
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout())
	require.NoError(t, conn.Close())

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	s.Close()
	_, err = dial(gone, "tcp", "anywhere:1")
	require.Error(t, err)
}

// In memory a refused connection is always one that the client got.
func TestRefusedConnectionWasGot(t *testing.T) {
	s := inMemory(t, Options{})
	s.Inject(Fault{Kind: FaultRefuse})
	got := false
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { got = true }})
	c := newCaller(s)
	_, err := c.send(c.request(t, actionReboot, "InstanceId", id).WithContext(ctx))
	require.Error(t, err)
	require.True(t, got)
}

func TestReceivedCallIsLoggedWithoutSecrets(t *testing.T) {
	call := ReceivedCall{Action: "RebootInstance", AccessKeyID: "LTAI", Nonce: "n", Header: http.Header{"Authorization": {"Signature=x"}}, Code: "Throttling"}
	require.Equal(t, "[action=RebootInstance instance_id= force_stop=false dry_run=false status=0 code=Throttling request_id= acted=false fault=]",
		call.LogValue().String())
}
