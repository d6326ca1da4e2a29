package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

// buffer may be written while it is read.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// start runs the emulator; stop ends it and returns its exit code.
func start(t *testing.T, stderr io.Writer, args ...string) (url string, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	exit := make(chan int, 1)
	go func() {
		exit <- run(ctx, args, in, stderr)
		in.Close()
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSuffix(line, "\n"), func() int {
		cancel()
		return <-exit
	}
}

var nonce int

// call does what the curl line of -h does.
func call(t *testing.T, url, action, query string) (status int, body string, err error) {
	t.Helper()
	nonce++
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/?SignatureType=BEARERTOKEN&"+query, http.NoBody)
	require.NoError(t, err)
	r.Header = http.Header{
		"X-Acs-Action": {action}, "X-Acs-Version": {"2014-05-26"}, "X-Acs-Bearer-Token": {"testtoken"},
		"X-Acs-Signature-Nonce": {fmt.Sprint("nonce-", nonce)}, "X-Acs-Date": {time.Now().UTC().Format("2006-01-02T15:04:05Z")},
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(content), err
}

func TestServes(t *testing.T) {
	var stderr buffer
	url, stop := start(t, &stderr, "--instances", "i-a, i-b", "--region", "eu-west-1", "--reboot-time=-1s", "--limit", "2")
	require.Regexp(t, `^http://127\.0\.0\.1:[1-9][0-9]*$`, url)
	for range 2 {
		status, body, err := call(t, url, "RebootInstance", "InstanceId=i-b")
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status, body)
	}
	_, body, err := call(t, url, "DescribeInstances", "RegionId=eu-west-1")
	require.NoError(t, err)
	require.Contains(t, body, `"TotalCount":2`)
	require.Zero(t, stop())

	logged := stderr.String()
	require.Contains(t, logged, "msg=call action=RebootInstance id=i-b status=200 code=- restarted=true fault=-")
	require.NotContains(t, logged, "testtoken")
	require.NotContains(t, logged, "nonce-")
}

func TestFleet(t *testing.T) {
	log := filepath.Join(t.TempDir(), "restarts.log")
	var stderr buffer
	url, stop := start(t, &stderr, "--quiet", "--count", "4", "--zones", "a,b", "--tag", "role=web,queue", "--tag", "team=x",
		"--reboot-time", "1h", "--reboot-jitter", "1s", "--restart-log", log, "--limit", "2", "--fault", "drop,act,action=RebootInstance")
	_, body, err := call(t, url, "DescribeInstances", "RegionId=cn-hangzhou&Tag.1.Key=role&Tag.1.Value=queue")
	require.NoError(t, err)
	require.Contains(t, body, `"TotalCount":2`)
	require.Contains(t, body, "i-00000002")
	require.Contains(t, body, "i-00000004")
	require.Contains(t, body, "cn-hangzhou-b")
	require.NotContains(t, body, "cn-hangzhou-a")
	_, _, err = call(t, url, "RebootInstance", "InstanceId=i-00000003")
	require.Error(t, err, "the answer is lost")
	status, body, err := call(t, url, "RebootInstance", "InstanceId=i-00000003")
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, status, "it is starting: %s", body)
	require.Zero(t, stop())
	require.Empty(t, stderr.String())
	lines, err := os.ReadFile(log)
	require.NoError(t, err)
	require.Regexp(t, `^[-0-9]+T[0-9:.]+Z i-00000003\n$`, string(lines), "one restart, although nobody was told of it")
}

func TestRefusesAStranger(t *testing.T) {
	var stderr buffer
	url, stop := start(t, &stderr, "--bearer-token", "")
	status, body, err := call(t, url, "RebootInstance", "InstanceId=i-bp67acfmxazb4ph0001")
	require.NoError(t, err)
	require.Equal(t, http.StatusBadRequest, status, body)
	require.Zero(t, stop())
	require.Contains(t, stderr.String(), "status=400 code=InvalidBearerToken restarted=false")
}

func TestFaults(t *testing.T) {
	var stderr buffer
	url, stop := start(t, &stderr, "--fault", "drop,act,action=RebootInstance", "--fault", "answer:all,action=DescribeInstances")
	_, _, err := call(t, url, "RebootInstance", "InstanceId=i-bp67acfmxazb4ph0001")
	require.Error(t, err)
	for range 2 {
		status, body, err := call(t, url, "DescribeInstances", "")
		require.NoError(t, err)
		require.Equal(t, http.StatusBadGateway, status)
		require.Contains(t, body, "<html>")
	}
	require.Zero(t, stop())
	require.Contains(t, stderr.String(), "msg=status id=i-bp67acfmxazb4ph0001 status=Starting")
	require.Contains(t, stderr.String(), "status=0 code=- restarted=true fault=drop")
}

func TestExitCodes(t *testing.T) {
	url, stop := start(t, io.Discard)
	taken := strings.TrimPrefix(url, "http://")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{nil, exitcode.Done, ""},
		{[]string{"-h"}, exitcode.Done, ""},
		{[]string{"help"}, exitcode.Done, ""},
		{[]string{"--nonsense"}, exitcode.Usage, "--nonsense"},
		{[]string{"--limit", "2", "extra", "--region", "x"}, exitcode.Usage, `unexpected argument "extra"`},
		{[]string{"--fault", "nonsense"}, exitcode.Usage, `unknown kind "nonsense"`},
		{[]string{"--instances", "i-a,i-a"}, exitcode.Usage, "i-a"},
		{[]string{"--count", "-1"}, exitcode.Usage, "negative"},
		{[]string{"--tag", "=x"}, exitcode.Usage, "key=value"},
		{[]string{"--restart-log", t.TempDir()}, exitcode.Failed, "directory"},
		{[]string{"--addr", "0.0.0.0:0"}, exitcode.Failed, "loopback"},
		{[]string{"--addr", taken}, exitcode.Failed, "in use"},
		{[]string{"--key-secret", ""}, exitcode.Failed, "both or none"},
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, test.code, run(ended, test.args, &stdout, &stderr), test.args)
		require.Contains(t, stderr.String(), test.says)
	}
	require.Zero(t, stop())
	closed, in := io.Pipe()
	require.NoError(t, closed.Close())
	require.Equal(t, exitcode.Failed, run(ended, nil, in, io.Discard), "nobody reads the URL")
}
