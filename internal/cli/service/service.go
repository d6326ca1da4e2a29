// Package service connects a program to the ECS service: to the real one or, for
// -emulate, to an emulated one in the same process.
package service

import (
	"fmt"
	"io"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/target"
)

// Connector makes connections. Tests replace its functions, such as to serve in
// memory.
type Connector struct {
	NewServer func(ecstest.Options) (*ecstest.Server, error)                              // nil: [ecstest.NewServer]
	NewClient func(region string, options ...ecsreboot.Option) (*ecsreboot.Client, error) // nil: [ecsreboot.NewClient]
}

// Connection is a client, and the service that it calls if that is emulated.
type Connection struct {
	*ecsreboot.Client
	Server *ecstest.Server // nil for the real service
}

// Emulation describes an emulated service.
type Emulation struct {
	Options   ecstest.Options
	Instances []ecstest.Instance
	Faults    []ecstest.Fault
}

// Note prints what goes on, for a person.
type Note func(format string, args ...any)

// NoteTo returns a Note that prints to w.
func NoteTo(w io.Writer) Note {
	return func(format string, args ...any) { fmt.Fprintf(w, format, args...) }
}

// Connect returns a connection to a target: for -emulate, to an emulated service
// that Connect starts as described. Note prints which service it is, and the
// requests that the client retries. The caller closes the connection.
func (c Connector) Connect(to target.Target, program string, emulated Emulation, note Note) (*Connection, error) {
	if !to.Emulate {
		newClient := ecsreboot.NewClient
		if c.NewClient != nil {
			newClient = c.NewClient
		}
		client, err := newClient(to.Region, to.Options(program, note)...)
		if err != nil {
			return nil, err
		}
		return &Connection{Client: client}, nil
	}
	connection, err := c.emulate(to, program, emulated, note)
	if err != nil {
		return nil, fmt.Errorf("%s: failed to start the emulated service: %w", program, err)
	}
	note("emulated service at %s, in this process; no real instance is touched\n", connection.Server.URL)
	return connection, nil
}

func (c Connector) emulate(to target.Target, program string, emulated Emulation, note Note) (*Connection, error) {
	newServer := ecstest.NewServer
	if c.NewServer != nil {
		newServer = c.NewServer
	}
	server, err := newServer(emulated.Options)
	if err != nil {
		return nil, err
	}
	for _, instance := range emulated.Instances {
		if err := server.AddInstance(instance); err != nil {
			server.Close()
			return nil, err
		}
	}
	server.Inject(emulated.Faults...)
	client, err := server.NewClient(to.Options(program, note)...)
	if err != nil {
		server.Close()
		return nil, err
	}
	return &Connection{Client: client, Server: server}, nil
}

// Environ returns environment variables for a command that calls the same service:
// ENDPOINT, and the key of the service if that is emulated.
func (c *Connection) Environ() []string {
	environ := []string{"ENDPOINT=" + c.Endpoint()}
	if c.Server != nil {
		environ = append(environ, "ALIBABA_CLOUD_ACCESS_KEY_ID=testid", "ALIBABA_CLOUD_ACCESS_KEY_SECRET=testsecret")
	}
	return environ
}

// Close closes the client's idle connections and ends the emulated service.
func (c *Connection) Close() {
	c.CloseIdleConnections()
	if c.Server != nil {
		c.Server.Close()
	}
}
