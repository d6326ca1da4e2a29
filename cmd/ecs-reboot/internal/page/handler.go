package page

import (
	"crypto/sha256"
	_ "embed" // the parts of the page
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/control"
)

//go:embed live.html
var liveText string

//go:embed live.css
var liveStyle string

//go:embed live.js
var liveScript string

var live = strings.NewReplacer("/*style*/", liveStyle, "/*script*/", liveScript).Replace(liveText)

// policy lets the page run its own script only and connect to its own server only. The
// style of the report is inline.
var policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-" + hash(liveScript) +
	"'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// reportPolicy is that of the report as a page of its own, which names its own script.
const reportPolicy = "frame-ancestors 'none'; form-action 'none'; base-uri 'none'; connect-src 'none'"

func hash(script string) string {
	sum := sha256.Sum256([]byte(script))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// handler checks each request before it is routed.
func (p *Page) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.serveShell)
	mux.HandleFunc("GET /report", p.serveReport)
	mux.HandleFunc("GET /events", p.serveEvents)
	if p.options.Controls != nil {
		controls := control.Handler(p.options.Controls)
		mux.Handle("GET /state", controls)
		for _, name := range []string{"pause", "unpause", "abort", "approve", "disapprove"} {
			mux.Handle("POST /"+name, controls)
		}
	}
	protected := http.StripPrefix("/"+p.token, http.NewCrossOriginProtection().Handler(mux))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Content-Security-Policy", policy)
		controller := http.NewResponseController(w)
		_ = controller.SetWriteDeadline(time.Now().Add(writeTimeout))
		token, _, inside := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if !p.isHost(r.Host) || !p.isToken(token) {
			header.Set("Connection", "close") // a stranger holds no connection open, also not by a body that never comes
			_ = controller.SetReadDeadline(time.Now())
			http.Error(w, "403 Forbidden: open the page with the complete URL that the program printed", http.StatusForbidden)
			return
		}
		if !inside {
			http.Redirect(w, r, "/"+p.token+"/", http.StatusSeeOther)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, 0)
		protected.ServeHTTP(w, r)
	})
}

// isHost reports whether the Host of a request names this machine. The port is not
// compared, because a tunnel may have another one.
func (p *Page) isHost(given string) bool {
	host, _, err := net.SplitHostPort(given)
	if err != nil {
		host = strings.Trim(given, "[]") // without a port
	}
	if isLoopback(host) {
		return true
	}
	if !p.options.Public {
		return false
	}
	if _, err := netip.ParseAddr(host); err == nil || strings.EqualFold(host, p.host) && host != "" {
		return true // no foreign site has an IP address of this machine as its name
	}
	name, err := os.Hostname()
	return err == nil && strings.EqualFold(host, name)
}

func (p *Page) serveShell(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, live)
}

func (p *Page) serveReport(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", reportPolicy)
	_, _ = w.Write(p.render(true).html)
}

const (
	checkInterval = 500 * time.Millisecond // between two looks at the history
	aliveInterval = 15 * time.Second       // between two signs of life
)

// serveEvents sends the report whenever there is more of it, and the state of the controls
// whenever it changes, as server-sent events: "report" with the HTML as a JSON string,
// "state" with a state, and "end" as the last one.
func (p *Page) serveEvents(w http.ResponseWriter, r *http.Request) {
	select {
	case p.readers <- struct{}{}:
		defer func() { <-p.readers }()
	default:
		w.Header().Set("Retry-After", strconv.Itoa(int(aliveInterval.Seconds())))
		http.Error(w, "too many browsers follow this run", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	stream := &stream{w: w, flush: http.NewResponseController(w)}
	tick := time.NewTicker(checkInterval)
	defer tick.Stop()
	version, stated, last := 0, []byte(nil), time.Now()
	for {
		closing := false
		select {
		case <-p.closing:
			closing = true
		default:
		}
		if report := p.render(closing); report.version != version {
			stream.send("report", report.data)
			version, last = report.version, time.Now()
		}
		if state, err := json.Marshal(viewOf(p.currentState(r.Context()), p.options.Controls != nil)); err == nil && string(state) != string(stated) {
			stream.send("state", state)
			stated, last = state, time.Now()
		}
		if closing {
			stream.send("end", []byte("{}"))
			return
		}
		if time.Since(last) >= aliveInterval {
			stream.write(": the run is in progress\n\n")
			last = time.Now()
		}
		if stream.err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-p.closing:
		case <-r.Context().Done():
			return
		}
	}
}

// stateView is the state of the controls for the script of the page.
type stateView struct {
	control.State

	Controls bool `json:"controls"` // there are any
}

func viewOf(state control.State, controls bool) stateView { return stateView{state, controls} }

// stream writes server-sent events until writing fails.
type stream struct {
	w     io.Writer
	flush *http.ResponseController
	err   error
}

func (s *stream) send(event string, data []byte) {
	s.write(fmt.Sprintf("event: %s\ndata: %s\n\n", event, data))
}

func (s *stream) write(text string) {
	if s.err != nil {
		return
	}
	_ = s.flush.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, s.err = io.WriteString(s.w, text); s.err == nil {
		s.err = s.flush.Flush()
	}
}
