package once

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/ecsreboot/ecsreboot/internal/apart"
)

// maxBody is how much of the body of a response is read. The client reads less than that.
const maxBody = 5 << 20

var errBodyTooLong = errors.New("the body of the response is too long")

// Send sends the request under the context of the attempt, and reads the response with its
// body. It returns within [apart.Grace] of the end of the attempt, whatever RoundTrippers
// do: one that does not heed the context goes on in a goroutine of its own, and what it
// returns is dropped. Whether the request left is as unknown then as after a lost
// response; GiveUp and End see to it that it does not leave later.
func (a *Attempt) Send(req *http.Request) (*http.Response, error) {
	type response struct {
		*http.Response

		err error
	}
	got, ok := apart.Do(a.ctx, func() response {
		resp, err := a.transport.send(a.bind(req))
		if err == nil {
			resp.Body = readAhead(resp)
		}
		return response{resp, err}
	})
	if !ok {
		return nil, context.Cause(a.ctx)
	}
	return got.Response, got.err
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

// readAhead reads the body of a response and returns one that is read, with the error that
// ended it.
func readAhead(resp *http.Response) io.ReadCloser {
	var read bytes.Buffer
	read.Grow(int(min(max(0, resp.ContentLength), maxBody)) + bytes.MinRead)
	n, err := read.ReadFrom(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err == nil && n <= maxBody:
		err = io.EOF
	case err == nil:
		err = errBodyTooLong
	}
	_ = resp.Body.Close()
	return &readBody{read: &read, end: err}
}

// readBody is a body that was read ahead.
type readBody struct {
	read *bytes.Buffer
	end  error
}

// Read returns what was read, and then the error that ended it.
func (b *readBody) Read(p []byte) (int, error) {
	if b.read.Len() == 0 {
		return 0, b.end
	}
	return b.read.Read(p)
}

// Close does nothing: the body of the response is closed already.
func (b *readBody) Close() error { return nil }
