package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	answerBody = `{"RequestId":"473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E"}`
	answer     = "HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=utf-8\r\nContent-Length: 52\r\n\r\n" + answerBody

	serverVariable = "BENCHMARKS_SERVER"
)

func TestMain(m *testing.M) {
	if file := os.Getenv(serverVariable); file != "" {
		if err := serve(file, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serve answers every request at once, as cheaply as it can, over http and https.
// It writes its certificate to a file and its two addresses to out, then, for each
// line that it reads, how many connections it has accepted and the CPU time that it
// has taken. It ends with its input.
func serve(certificateFile string, in io.Reader, out io.Writer) error {
	config, err := tlsConfig(certificateFile)
	if err != nil {
		return err
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	secure, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var accepted atomic.Int64
	go accept(plain, &accepted)
	go accept(tls.NewListener(secure, config), &accepted)
	if _, err := fmt.Fprintln(out, plain.Addr(), secure.Addr()); err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if _, err := fmt.Fprintln(out, accepted.Load(), int64(cpuTime())); err != nil {
			return err
		}
	}
	return lines.Err()
}

func accept(listener net.Listener, accepted *atomic.Int64) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		accepted.Add(1)
		go answerAll(conn)
	}
}

// tlsConfig makes a certificate for this machine and writes it to a file.
func tlsConfig(certificateFile string) (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	if err := os.WriteFile(certificateFile, text, 0o600); err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: key}}}, nil
}

func answerAll(conn net.Conn) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	for {
		req, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return
		}
		if _, err := io.WriteString(conn, answer); err != nil {
			return
		}
	}
}

// cpuTime is what this process has taken so far.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// service is a server in a process of its own, so that what it costs is not taken
// for the client's.
type service struct {
	url map[string]string // by scheme
	in  io.WriteCloser
	out *bufio.Reader
}

// startService starts the one server of this process, and makes all clients trust
// its certificate. It ends with the process, when its input is closed.
var startService = sync.OnceValues(func() (*service, error) {
	file, err := os.CreateTemp("", "benchmarks-*.pem")
	if err != nil {
		return nil, err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverVariable+"="+file.Name())
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &service{in: in, out: bufio.NewReader(out)}
	var plain, secure string
	if _, err := fmt.Fscanln(s.out, &plain, &secure); err != nil {
		return nil, err
	}
	s.url = map[string]string{"http": "http://" + plain, "https": "https://" + secure}
	// Where Go looks for the system's roots: the only way into every client
	// without a transport of ours.
	if err := os.Setenv("SSL_CERT_FILE", file.Name()); err != nil {
		return nil, err
	}
	_, err = x509.SystemCertPool() // reads it
	return s, err
})

// usage is what the server has seen and cost so far.
func (s *service) usage(tb testing.TB) (connections int64, cpu time.Duration) {
	tb.Helper()
	_, err := fmt.Fprintln(s.in)
	require.NoError(tb, err)
	var nanoseconds int64
	_, err = fmt.Fscanln(s.out, &connections, &nanoseconds)
	require.NoError(tb, err)
	return connections, time.Duration(nanoseconds)
}
