package ecsotel

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// answer is what the client has read of an answer.
type answer struct {
	status int
	header http.Header
	body   []byte
	long   bool // body is not all of it
}

// maxBody is how much of a body is kept. Errors and the answer to a restart are
// smaller; long lists of instances say nothing that is needed here.
const maxBody = 16 << 10

// read returns the service's code and request id, and in a word why the call failed.
func (a answer) read(dryRun bool) (code, requestID, problem string) {
	requestID = a.header.Get("X-Acs-Request-Id")
	var body struct {
		RequestID string `json:"RequestId"`
		Code      string `json:"Code"`
	}
	if !a.long && json.Unmarshal(a.body, &body) == nil {
		if body.RequestID != "" {
			requestID = body.RequestID
		}
		if body.Code != "" {
			code = word(body.Code)
		}
	}
	switch {
	case dryRun && code == "DryRunOperation": // it passed
	case code != "":
		problem = code
	case a.status/100 != 2:
		problem = strconv.Itoa(a.status)
	case requestID == "" && !a.long: // not the service's answer
		problem = semconv.ErrorTypeOther.Value.AsString()
	}
	return code, requestID, problem
}

// watchedBody keeps what is read of a body, and tells when the reader is done.
type watchedBody struct {
	io.ReadCloser

	ctx    context.Context //nolint:containedctx // the request's
	answer answer
	end    func(a answer, failure string) // nil once told
}

// Read reads on.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch kept := &b.answer; {
	case kept.long:
	case len(kept.body)+n > maxBody:
		kept.body, kept.long = nil, true
	default:
		kept.body = append(kept.body, p[:n]...)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.tell(transportErrorType(b.ctx, err))
	}
	return n, err
}

// Close closes the body. The client does so once it has read what it wants.
func (b *watchedBody) Close() error {
	b.tell("")
	return b.ReadCloser.Close()
}

func (b *watchedBody) tell(failure string) {
	if b.end != nil {
		b.end(b.answer, failure)
		b.end = nil
	}
}
