package once

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/ecsreboot/ecsreboot/internal/apart"
)

// MaxBody is how much of the body of a response is read. The service's are far smaller.
const MaxBody = 4 << 20

// ErrBodyTooLong is in place of what was not read of a body.
var ErrBodyTooLong = errors.New("the body of the response is too long")

// Response is a response that was read whole, or as far as its body arrived.
type Response struct {
	StatusCode int
	Header     http.Header
	Body       []byte
	BodyErr    error // why the body is cut short; nil if it is whole
}

// Send sends the request under the context of the attempt, and reads the response with its
// body. It returns within [apart.Grace] of the end of the attempt, whatever RoundTrippers
// do: one that does not heed the context goes on in a goroutine of its own, and what it
// returns is dropped. Whether the request left is as unknown then as after a lost
// response; GiveUp and End see to it that it does not leave later.
func (a *Attempt) Send(req *http.Request) (*Response, error) {
	type ending struct {
		response *Response
		err      error
	}
	got, ok := apart.Do(a.ctx, func() ending {
		resp, err := a.transport.send(a.bind(req))
		if err != nil {
			return ending{err: err}
		}
		return ending{response: Read(resp)}
	})
	if !ok {
		return nil, context.Cause(a.ctx)
	}
	return got.response, got.err
}

// bind returns the request under the context of the attempt. A wrapper may detach a copy
// of the request from that context, but not from its Cancel channel: without it, net/http
// could go on for ever to dial anew for a copy whose connections are closed.
func (a *Attempt) bind(req *http.Request) *http.Request {
	req = req.WithContext(a.ctx)
	if a.transport.wrapped {
		req.Cancel = a.ctx.Done() //nolint:staticcheck // the context does not reach such a copy
	}
	return req
}

// Read reads the body of a response and closes it. A body of another length than the one
// that was announced is cut short.
func Read(resp *http.Response) *Response {
	var body bytes.Buffer
	if n := resp.ContentLength; 0 < n && n <= MaxBody {
		body.Grow(int(n) + bytes.MinRead)
	}
	n, err := body.ReadFrom(io.LimitReader(resp.Body, MaxBody+1))
	_ = resp.Body.Close()
	switch {
	case err != nil:
	case n > MaxBody:
		err = ErrBodyTooLong
	case resp.ContentLength >= 0 && n != resp.ContentLength:
		err = io.ErrUnexpectedEOF
	}
	return &Response{StatusCode: resp.StatusCode, Header: resp.Header, Body: body.Bytes(), BodyErr: err}
}
