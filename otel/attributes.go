package ecsotel

import (
	"context"
	"errors"
	"net/url"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/ecsreboot/ecsreboot"
)

// Attributes for which the conventions have no name.
const (
	instanceIDKey = attribute.Key("aliyun.ecs.instance_id")
	statusKey     = attribute.Key("aliyun.ecs.status")
	requestIDKey  = attribute.Key("aliyun.request_id")
	dryRunKey     = attribute.Key("ecs.reboot.dry_run")
	forceStopKey  = attribute.Key("ecs.reboot.force_stop")
	attemptsKey   = attribute.Key("ecs.reboot.attempts")
	outcomeKey    = attribute.Key("ecs.reboot.outcome") // of a span
	proofKey      = attribute.Key("ecs.reboot.proof")
	sendIDKey     = attribute.Key("ecs.reboot.send_id")
	witnessKey    = attribute.Key("ecs.reboot.witness")
	findingKey    = attribute.Key("ecs.reboot.finding")

	apiKey    = attribute.Key("api")     // of metrics
	resultKey = attribute.Key("outcome") // of metrics
)

// rpcSystem is by analogy to aws-api; the conventions have no name for the
// signature-and-query calls of this vendor.
const rpcSystem = "aliyun-rpc"

const rebootInstance = "RebootInstance"

// other is the type of errors that have no name.
var other = semconv.ErrorTypeOther.Value.AsString()

func serverAttributes(server *url.URL) []attribute.KeyValue {
	return []attribute.KeyValue{semconv.ServerAddress(server.Hostname()), semconv.ServerPort(portOf(server))}
}

func portOf(server *url.URL) int {
	if port, err := strconv.Atoi(server.Port()); err == nil {
		return port
	}
	if server.Scheme == "http" {
		return 80
	}
	return 443
}

// errorType says in a word why a call failed: the service's code where it gave one.
func errorType(err error) string {
	answer, answered := errors.AsType[*ecsreboot.APIError](err)
	switch {
	case answered && answer.Code != "":
		return word(string(answer.Code))
	case answered && answer.StatusCode != 0:
		return strconv.Itoa(answer.StatusCode)
	case errors.Is(err, ecsreboot.ErrInvalidInput):
		return "invalid_input"
	case errors.Is(err, ecsreboot.ErrCredentials):
		return "no_credentials"
	case errors.Is(err, ecsreboot.ErrThrottled):
		return "throttled"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return "timeout"
	case errors.Is(err, ecsreboot.ErrNotSent):
		return "not_sent"
	case errors.Is(err, ecsreboot.ErrOutcomeUnknown):
		return "no_answer"
	case errors.Is(err, ecsreboot.ErrDryRunIgnored):
		return "dry_run_ignored"
	}
	return other
}

// isTimeout reports the end of a time limit that is not the context's.
func isTimeout(err error) bool {
	timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && timeout.Timeout()
}

// word returns an error code of the service, and "_OTHER" for what cannot be one:
// an answer may hold anything, such as a key that it repeats. Codes are of letters
// and dots; the vendor's keys have digits.
func word(code string) string {
	const longest = 80
	if len(code) > longest {
		return other
	}
	for _, c := range []byte(code) {
		if c != '.' && (c|0x20 < 'a' || c|0x20 > 'z') {
			return other
		}
	}
	return code
}

// sendIDOf returns a send ID as an attribute, or none.
func sendIDOf(id string) []attribute.KeyValue {
	if id == "" {
		return nil
	}
	return []attribute.KeyValue{sendIDKey.String(id)}
}

// testimonyOf returns the finding of a witness as attributes, or none.
func testimonyOf(t ecsreboot.Testimony) []attribute.KeyValue {
	if t.Witness == "" {
		return nil
	}
	attributes := []attribute.KeyValue{witnessKey.String(t.Witness), findingKey.String(string(t.Finding))}
	if attr, ok := requestIDOf(t.RequestID); ok {
		attributes = append(attributes, attr)
	}
	if t.Code != "" {
		attributes = append(attributes, semconv.ErrorTypeKey.String(word(string(t.Code))))
	}
	return attributes
}

// requestIDOf returns a request id as an attribute if it looks like one, which are
// UUIDs: an answer may hold anything.
func requestIDOf(id string) (attribute.KeyValue, bool) {
	const length = 36
	if len(id) != length {
		return attribute.KeyValue{}, false
	}
	for i, c := range []byte(id) {
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return attribute.KeyValue{}, false
			}
		default:
			if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
				return attribute.KeyValue{}, false
			}
		}
	}
	return requestIDKey.String(id), true
}
