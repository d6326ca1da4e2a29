package hook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/internal/redact"
)

const (
	// maxRead is how much of a response is read.
	maxRead = 64 << 10
	// maxQuote bounds what an error quotes of a response.
	maxQuote = 200
	// maxText bounds the text of the error of a connection.
	maxText = 300
)

// UserAgent is the User-Agent of the requests of hooks and notifications.
const UserAgent = "ecs-reboot/" + ecsreboot.Version

// Requester sends the requests of hooks and notifications.
type Requester struct{ Client *http.Client }

// NewRequester returns a Requester that opens a connection for each request, because an
// instance does not know its connections from before a restart. It follows no
// redirect, because a login page says nothing about the instance.
func NewRequester() *Requester {
	return &Requester{&http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// request sends the request of a hook.
func (r *Requester) request(ctx context.Context, address *template, p Payload) error {
	u, err := address.expand(p.Instance)
	if err != nil {
		return err
	}
	method, body := http.MethodGet, io.Reader(http.NoBody)
	if !p.Hook.asks() {
		text, err := json.Marshal(p)
		if err != nil {
			return err
		}
		method, body = http.MethodPost, bytes.NewReader(text)
	}
	status, text, err := r.Do(ctx, method, u, body)
	switch {
	case err != nil:
		return fmt.Errorf("%s %s: %w", method, shown(u.String()), err)
	case status < 200 || status > 299:
		return fmt.Errorf("%s %s: %s", method, shown(u.String()), answer(status, text))
	}
	return nil
}

// Do sends a request, with a body in JSON if it is a POST, and returns the status code and the
// beginning of the body. If the body of a 2xx response cannot be read, Do returns the status code
// and an error. The error names no URL.
func (r *Requester) Do(ctx context.Context, method string, u *url.URL, body io.Reader) (status int, text []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return 0, nil, errors.New("invalid request")
	}
	request.Header.Set("User-Agent", UserAgent)
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := r.Client.Do(request)
	if err == nil {
		defer response.Body.Close() //nolint:errcheck // only read
		status = response.StatusCode
		text, err = io.ReadAll(io.LimitReader(response.Body, maxRead))
		if err == nil || status < 200 || status > 299 {
			return status, text, nil
		}
	}
	if ctx.Err() != nil {
		return status, nil, context.Cause(ctx)
	}
	if failed, ok := errors.AsType[*url.Error](err); ok { // it quotes the URL
		err = failed.Err
	}
	return status, nil, errors.New(redact.Unknown(err.Error(), maxText))
}

// answer describes a response that is not 2xx.
func answer(status int, body []byte) string {
	text := fmt.Sprintf("%d %s", status, http.StatusText(status))
	if quoted := redact.Unknown(strings.ToValidUTF8(string(body), ""), maxQuote); quoted != "" {
		text += ": " + quoted
	}
	return text
}
