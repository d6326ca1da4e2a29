// Package browsertest drives a headless Chromium in tests.
package browsertest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Browser is a headless Chromium that the test drives by its debugging protocol, over a
// pair of pipes: messages in JSON, each followed by a zero byte.
type Browser struct {
	t       *testing.T
	to      io.Writer
	session string // of the only tab

	mu      sync.Mutex
	next    int
	replies map[int]chan reply
	console []string // what was logged
}

type reply struct {
	ID     int             `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// Start starts a browser. It skips the test where there is none, except among the long tests.
func Start(t *testing.T) *Browser {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	if runtime.GOOS == "windows" {
		t.Skip("the pipes are of Unix")
	}
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if found, err := exec.LookPath(name); err == nil {
			program = found
			break
		}
	}
	if program == "" && os.Getenv("LONG_TESTS") != "" {
		t.Fatal("there is no Chromium in PATH")
	}
	if program == "" {
		t.Skip("there is no Chromium in PATH; on Debian, apt-get install chromium")
	}
	args := []string{
		"--headless", "--disable-gpu", "--disable-extensions", "--no-first-run", "--user-data-dir=" + t.TempDir(),
		"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--remote-debugging-pipe",
	}
	if os.Geteuid() == 0 { // its sandbox refuses root
		args = append(args, "--no-sandbox")
	}
	command := exec.Command(program, args...) //nolint:gosec,noctx // a browser in PATH, which ends with its pipe
	var log bytes.Buffer
	command.Stderr, command.WaitDelay = &log, 5*time.Second
	in, to, err := os.Pipe()
	require.NoError(t, err)
	from, out, err := os.Pipe()
	require.NoError(t, err)
	command.ExtraFiles = []*os.File{in, out} // 3 and 4
	require.NoError(t, command.Start())
	_, _ = in.Close(), out.Close()
	b := &Browser{t: t, to: to, replies: make(map[int]chan reply)}
	go b.read(from)
	t.Cleanup(func() {
		_ = to.Close() // it ends then
		ended := make(chan struct{})
		go func() { _ = command.Wait(); close(ended) }()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = command.Process.Kill()
			<-ended
		}
		_ = from.Close()
	})
	var target struct{ TargetID string }
	b.Call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.Call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	b.Call("Runtime.enable", nil, nil)
	b.Call("Log.enable", nil, nil)
	b.Call("Page.enable", nil, nil)
	return b
}

func (b *Browser) read(from io.Reader) {
	reader := bufio.NewReader(from)
	for {
		text, err := reader.ReadBytes(0)
		if err != nil {
			return
		}
		var r reply
		if json.Unmarshal(text[:len(text)-1], &r) != nil {
			continue
		}
		b.mu.Lock()
		switch r.Method {
		case "":
			if waiting := b.replies[r.ID]; waiting != nil {
				waiting <- r
			}
		case "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded":
			b.console = append(b.console, string(r.Params))
		}
		b.mu.Unlock()
	}
}

// Call calls a method of the protocol.
func (b *Browser) Call(method string, params any, result any) {
	b.t.Helper()
	b.mu.Lock()
	b.next++
	id, waiting := b.next, make(chan reply, 1)
	b.replies[id] = waiting
	b.mu.Unlock()
	message := map[string]any{"id": id, "method": method}
	if params != nil {
		message["params"] = params
	}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	text, err := json.Marshal(message)
	require.NoError(b.t, err)
	_, err = b.to.Write(append(text, 0))
	require.NoError(b.t, err)
	select {
	case r := <-waiting:
		require.Nil(b.t, r.Error, "%s: %+v", method, r.Error)
		if result != nil {
			require.NoError(b.t, json.Unmarshal(r.Result, result))
		}
	case <-time.After(30 * time.Second):
		require.Fail(b.t, "no reply to "+method)
	}
}

// Eval evaluates an expression in the page.
func (b *Browser) Eval(expression string) any {
	b.t.Helper()
	var r struct {
		Result           struct{ Value any }
		ExceptionDetails any
	}
	b.Call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true, "userGesture": true}, &r)
	require.Nil(b.t, r.ExceptionDetails, expression)
	return r.Result.Value
}

// Wait waits until an expression is true.
func (b *Browser) Wait(expression string) {
	b.t.Helper()
	limit := time.Now().Add(20 * time.Second)
	for {
		if b.Eval("Boolean("+expression+")") == true {
			return
		}
		if time.Now().After(limit) {
			require.Fail(b.t, "never true: "+expression, "%v", b.Eval("document.body.innerText.slice(0, 600)"))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Open opens a page, and waits until it has been loaded.
func (b *Browser) Open(url string) {
	b.t.Helper()
	b.Call("Page.navigate", map[string]any{"url": url}, nil)
	b.Wait("document.readyState === 'complete' && location.href === " + fmt.Sprintf("%q", url))
}

// Size gives the window a size, and light or dark colors.
func (b *Browser) Size(width int, colors string) {
	b.t.Helper()
	b.Call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
	b.Call("Emulation.setEmulatedMedia", map[string]any{"features": []any{map[string]any{"name": "prefers-color-scheme", "value": colors}}}, nil)
}

// Click clicks a button that can be seen.
func (b *Browser) Click(name string) {
	b.t.Helper()
	selector := fmt.Sprintf("document.querySelector('button[data-post=%s]')", name)
	b.Wait(selector + "?.checkVisibility() && !" + selector + ".disabled")
	b.Eval(selector + ".click()")
}

// Logged returns what the page has logged, errors included.
func (b *Browser) Logged() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.console, "\n")
}

// Picture keeps a picture of the page in the directory that PAGE_PICTURES names.
func (b *Browser) Picture(name string) {
	b.t.Helper()
	dir := os.Getenv("PAGE_PICTURES")
	if dir == "" {
		return
	}
	var shot struct{ Data []byte }
	b.Call("Page.captureScreenshot", map[string]any{"format": "png"}, &shot)
	require.NoError(b.t, os.WriteFile(dir+"/"+name+".png", shot.Data, 0o600)) //nolint:gosec // the tester names it
}
