// Package page serves the live page of a run: the report of package fleet/report while the
// run is in progress, with buttons to pause, unpause and abort the run and to approve its
// canary stages.
//
// The page loads no external file, and listens on a loopback address unless Options.Public
// is set. Its URL has a random token; the page serves nothing without the token. A request needs
// a Host that names this machine, so that a foreign web site cannot reach the page by
// rebinding its own name, and a button needs an Origin that is the page's.
package page

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/control"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/report"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
)

const (
	headerTimeout = 5 * time.Second
	writeTimeout  = 30 * time.Second
	stateTimeout  = 5 * time.Second
	closeTimeout  = 3 * time.Second
	maxReaders    = 32 // browsers that follow the run at once
)

// Options configure a page.
type Options struct {
	// Public allows an address that other machines can reach. The token travels in the
	// clear, because the page has no TLS.
	Public bool
	// Controls are behind the buttons. If nil, the page has no buttons.
	Controls control.Controls
	// Report says how the report is written.
	Report report.Options
}

// Page is the live page of one run.
type Page struct {
	options  Options
	listener net.Listener
	host     string // as given in the address
	token    string
	server   *http.Server
	served   chan struct{} // closed when it serves no more
	closing  chan struct{} // closed by Close
	once     sync.Once
	readers  chan struct{} // has a token for each that follows the run

	mu      sync.Mutex // held for a moment only: OnEvent takes it
	history fleet.History
	version int // of the history: counts its changes

	rendering sync.Mutex // held while a report is written
	rendered  rendered

	asking sync.Mutex // held while the state is asked for
	state  control.State
	asked  time.Time
}

// rendered is the report of a version of the history.
type rendered struct {
	version int
	html    []byte
	data    []byte        // the HTML as a JSON string
	ended   time.Time     // when it was written
	took    time.Duration // to write it
}

// Listen begins to serve a page on a TCP address such as 127.0.0.1:0, where port 0 means
// any free port. The page says that the run has not begun until it has an event.
// An error about the address is a usage error.
func Listen(address string, options Options) (*Page, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, cmdline.Errorf("invalid --page %q: want HOST:PORT, such as 127.0.0.1:0", address)
	}
	if !options.Public && !isLoopback(host) {
		return nil, cmdline.Errorf("invalid --page %q: other machines can reach it; use 127.0.0.1, or allow it by --page-public", address)
	}
	listener, err := net.Listen("tcp", address) //nolint:noctx // it does not block
	if err != nil {
		if failed, ok := errors.AsType[*net.OpError](err); ok {
			err = failed.Err
		}
		return nil, cmdline.Errorf("invalid --page %q: %v", address, err)
	}
	p := &Page{
		options: options, listener: listener, host: host, token: strings.ToLower(rand.Text()),
		served: make(chan struct{}), closing: make(chan struct{}), readers: make(chan struct{}, maxReaders),
		version: 1,
	}
	const maxHeader = 16 << 10
	p.server = &http.Server{Handler: p.handler(), ReadHeaderTimeout: headerTimeout, MaxHeaderBytes: maxHeader}
	go func() {
		defer close(p.served)
		_ = p.server.Serve(listener) // until Close
	}()
	return p, nil
}

// isLoopback reports whether a host is this machine and cannot be reached from others.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}

// URL returns the URL of the page. The URL holds the token: show it to the operator only.
func (p *Page) URL() string {
	host := p.listener.Addr().String()
	if address, err := netip.ParseAddrPort(host); err == nil && address.Addr().IsUnspecified() {
		if name, err := os.Hostname(); err == nil {
			_, port, _ := net.SplitHostPort(host)
			host = net.JoinHostPort(name, port)
		}
	}
	return "http://" + host + "/" + p.token + "/"
}

// Update replaces the history that the page shows: by the events of earlier sessions before
// a run is resumed, and for a durable run whenever there is more. A run that begins needs
// no Update. The page keeps the history and does not change it. Update returns at once.
func (p *Page) Update(history *fleet.History) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.history = *history
	p.history.Events = slices.Clip(p.history.Events) // OnEvent does not append to the caller's
	p.version++
}

// OnEvent adds an event of the run to the history. It returns at once.
func (p *Page) OnEvent(e fleet.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Kind == fleet.EventRun && e.Plan != nil {
		p.history.Plan = *e.Plan
	}
	p.history.Events = append(p.history.Events, e)
	p.version++
}

// Close shows the last state of the run in all browsers, for which it takes 3 s at most,
// and ends the service. It may be called more than once.
func (p *Page) Close() error {
	p.once.Do(func() { close(p.closing) })
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := p.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = p.server.Close()
	}
	<-p.served
	return err
}

// current returns the history as it is now. Its events do not change any more.
func (p *Page) current() (history fleet.History, version int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.history, p.version
}

// render returns the report, and writes it anew if there are new events. A report that
// takes long to write is written less often, unless it must be new.
func (p *Page) render(fresh bool) rendered {
	p.rendering.Lock()
	defer p.rendering.Unlock()
	history, version := p.current()
	const share = 4 // of the time, writing takes one part at most
	if r := p.rendered; r.version == version || !fresh && r.version > 0 && time.Since(r.ended) < share*r.took {
		return r
	}
	begun := time.Now()
	var html bytes.Buffer
	if err := report.HTML(&html, &history, p.options.Report); err != nil {
		html.Reset()
		html.WriteString("<!DOCTYPE html><title>Restarts</title><main><p>The run has not begun.</p></main>")
	}
	data, err := json.Marshal(html.String())
	if err != nil {
		panic(err) // a string
	}
	p.rendered = rendered{version: version, html: html.Bytes(), data: data, ended: time.Now(), took: time.Since(begun)}
	return p.rendered
}

// currentState returns the state of the controls, of at most a second ago.
func (p *Page) currentState(ctx context.Context) control.State {
	if p.options.Controls == nil {
		return control.State{}
	}
	p.asking.Lock()
	defer p.asking.Unlock()
	if time.Since(p.asked) >= time.Second {
		ctx, cancel := context.WithTimeout(ctx, stateTimeout)
		defer cancel()
		if state, err := p.options.Controls.State(ctx); err == nil {
			p.state = state
		}
		p.asked = time.Now()
	}
	return p.state
}

// isToken compares in constant time.
func (p *Page) isToken(given string) bool {
	return subtle.ConstantTimeCompare([]byte(given), []byte(p.token)) == 1
}
