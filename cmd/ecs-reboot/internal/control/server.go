package control

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"
)

// requestTimeout limits a request on a socket.
const requestTimeout = 10 * time.Second

// Server offers the controls of a run on a Unix socket, by HTTP. Only the user of the
// process can connect to it.
type Server struct {
	listener net.Listener
	http     *http.Server
	done     chan struct{} // closed when it serves no more
}

// Serve begins to serve the controls of the run with the given ID. The socket is in the
// first of the places, usually [Places], that can hold it. Serve also removes the sockets
// of runs that have crashed.
func Serve(places []string, id string, controls Controls) (*Server, error) {
	listener, err := listen(places, id)
	if err != nil {
		return nil, err
	}
	s := &Server{
		listener: listener, done: make(chan struct{}),
		http: &http.Server{
			Handler: Handler(controls), ReadTimeout: requestTimeout, WriteTimeout: requestTimeout, MaxHeaderBytes: 8 << 10,
		},
	}
	go func() {
		defer close(s.done)
		_ = s.http.Serve(listener) // until Close
	}()
	return s, nil
}

// Path returns the path of the socket.
func (s *Server) Path() string { return s.listener.Addr().String() }

// Close removes the socket, after the requests in progress are answered.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = s.http.Close()
	}
	<-s.done
	return err
}

// Handler returns the requests of the socket: GET /state, and POST /pause, /unpause,
// /abort, /approve?stage=N and /disapprove?stage=N. The response is a [State], or an
// object with a field error.
func Handler(controls Controls) http.Handler {
	mux := http.NewServeMux()
	respond := func(w http.ResponseWriter, r *http.Request, err error) {
		var state State
		if err == nil {
			state, err = controls.State(r.Context())
		}
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			code := http.StatusInternalServerError
			if errors.Is(err, ErrEnding) || errors.Is(err, ErrNotPending) {
				code = http.StatusConflict
			}
			w.WriteHeader(code)
			_ = json.NewEncoder(w).Encode(failure{Error: err.Error(), Ending: errors.Is(err, ErrEnding)})
			return
		}
		_ = json.NewEncoder(w).Encode(state)
	}
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, r *http.Request) { respond(w, r, nil) })
	for name, act := range map[string]func(context.Context) error{"pause": controls.Pause, "unpause": controls.Unpause, "abort": controls.Abort} {
		mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) { respond(w, r, act(r.Context())) })
	}
	for name, act := range map[string]func(context.Context, int) error{"approve": controls.Approve, "disapprove": controls.Disapprove} {
		mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) {
			stage, err := strconv.Atoi(r.URL.Query().Get("stage"))
			if err != nil || stage < 1 {
				http.Error(w, `{"error":"invalid stage"}`, http.StatusBadRequest)
				return
			}
			respond(w, r, act(r.Context(), stage))
		})
	}
	return mux
}

// failure is the response to a request that failed.
type failure struct {
	Error  string `json:"error"`
	Ending bool   `json:"ending,omitempty"`
}
