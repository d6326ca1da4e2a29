package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ErrNotFound is returned by [Find] if there is no such run, or no single one.
var ErrNotFound = errors.New("run not found")

// Client controls a run of another process of this user by its socket.
type Client struct {
	path string
	http *http.Client
}

var _ Controls = (*Client)(nil)

func newClient(path string) *Client {
	dialer := net.Dialer{Timeout: requestTimeout}
	return &Client{path: path, http: &http.Client{
		Timeout: requestTimeout,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dialer.DialContext(ctx, "unix", path) },
		},
	}}
}

// List returns the states of the runs of this user that are in progress on this machine,
// with clients to control them. It removes the sockets of runs that have crashed.
func List(ctx context.Context, places []string) (map[*Client]State, error) {
	runs := make(map[*Client]State)
	for _, dir := range places {
		for _, path := range sockets(dir) {
			client := newClient(path)
			state, err := client.State(ctx)
			switch {
			case ctx.Err() != nil:
				return nil, context.Cause(ctx)
			case err == nil:
				runs[client] = state
			}
		}
		clean(dir)
	}
	return runs, nil
}

// Find returns a client for a run of this user that is in progress on this machine. The
// name is the ID of the run, or the path of its journal. An empty name means the only run
// in progress.
func Find(ctx context.Context, places []string, name string) (*Client, error) {
	runs, err := List(ctx, places)
	if err != nil {
		return nil, err
	}
	var found *Client
	var ids []string
	for client, state := range runs {
		description := state.Run
		if state.Journal != "" {
			description += " (" + state.Journal + ")"
		}
		ids = append(ids, description)
		switch {
		case name == "" && len(runs) == 1, state.Run == name:
			return client, nil
		case name != "" && isJournal(name, state.Journal):
			found = client
		}
	}
	slices.Sort(ids)
	switch list := strings.Join(ids, ", "); {
	case found != nil:
		return found, nil
	case len(ids) == 0:
		return nil, fmt.Errorf("%w: this user has no run in progress on this machine", ErrNotFound)
	case name == "":
		return nil, fmt.Errorf("%w: several runs are in progress, choose one: %s", ErrNotFound, list)
	default:
		return nil, fmt.Errorf("%w: %q; in progress: %s", ErrNotFound, name, list)
	}
}

// isJournal reports whether two paths are those of one journal.
func isJournal(name, journal string) bool {
	if journal == "" {
		return false
	}
	if absolute, err := filepath.Abs(name); err == nil && absolute == journal {
		return true
	}
	one, err := os.Stat(name)
	if err != nil {
		return false
	}
	other, err := os.Stat(journal)
	return err == nil && os.SameFile(one, other)
}

// Pause implements [Controls].
func (c *Client) Pause(ctx context.Context) error { return c.post(ctx, "pause") }

// Unpause implements [Controls].
func (c *Client) Unpause(ctx context.Context) error { return c.post(ctx, "unpause") }

// Abort implements [Controls].
func (c *Client) Abort(ctx context.Context) error { return c.post(ctx, "abort") }

// Approve implements [Controls].
func (c *Client) Approve(ctx context.Context, stage int) error {
	return c.post(ctx, "approve?stage="+strconv.Itoa(stage))
}

// Disapprove implements [Controls].
func (c *Client) Disapprove(ctx context.Context, stage int) error {
	return c.post(ctx, "disapprove?stage="+strconv.Itoa(stage))
}

// State implements [Controls].
func (c *Client) State(ctx context.Context) (State, error) {
	var state State
	return state, c.do(ctx, http.MethodGet, "state", &state)
}

func (c *Client) post(ctx context.Context, what string) error {
	return c.do(ctx, http.MethodPost, what, nil)
}

func (c *Client) do(ctx context.Context, method, what string, result any) error {
	request, err := http.NewRequestWithContext(ctx, method, "http://run/"+what, http.NoBody)
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("no response from %s: %w", c.path, err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	const enough = 1 << 20
	body, err := io.ReadAll(io.LimitReader(response.Body, enough))
	if err != nil {
		return fmt.Errorf("no response from %s: %w", c.path, err)
	}
	if response.StatusCode != http.StatusOK {
		return refusal(response.StatusCode, body)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(body, result)
}

// refusal is the error of a run, with the same identity as in its process.
func refusal(status int, body []byte) error {
	var failed failure
	if err := json.Unmarshal(body, &failed); err != nil || failed.Error == "" {
		return fmt.Errorf("the run responded with %d %s", status, http.StatusText(status))
	}
	if status != http.StatusConflict {
		return errors.New(failed.Error)
	}
	kind := ErrNotPending
	if failed.Ending {
		kind = ErrEnding
	}
	if details, found := strings.CutPrefix(failed.Error, kind.Error()+": "); found {
		return fmt.Errorf("%w: %s", kind, details)
	}
	return fmt.Errorf("%w: %s", kind, failed.Error)
}
