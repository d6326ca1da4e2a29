// Package call is what the compared clients have in common: one restart, asked for
// in one way.
package call

import (
	"context"
	"net/http"
	"os"
)

// The key that every client signs with, which package ecstest accepts.
const (
	Region          = "cn-hangzhou"
	AccessKeyID     = "testid"
	AccessKeySecret = "testsecret"
)

// Config says how a client is made.
type Config struct {
	// Endpoint is the service's address, like "http://127.0.0.1:1".
	Endpoint string
	// Transport replaces the client's own, if not nil.
	Transport http.RoundTripper
	// Retry names one of the client's switches for repeating calls; empty leaves it
	// as it is by default.
	Retry string
}

// Restart restarts an instance. Clients that know no context ignore it.
type Restart func(ctx context.Context, instanceID string) error

// New makes a client.
type New func(Config) (Restart, error)

// Main is a whole program that restarts one instance: its arguments are the
// endpoint and the instance's id.
func Main(newClient New) {
	if len(os.Args) != 3 {
		fail("usage: program endpoint instance-id")
	}
	restart, err := newClient(Config{Endpoint: os.Args[1]})
	if err != nil {
		fail(err.Error())
	}
	if err := restart(context.Background(), os.Args[2]); err != nil {
		fail(err.Error())
	}
}

func fail(message string) {
	_, _ = os.Stderr.WriteString(message + "\n")
	os.Exit(1)
}
