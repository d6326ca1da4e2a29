// Package service connects a program to the ECS service: to the real one or, for
// -emulate, to an emulated one in the same process.
package service

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
	"github.com/ecsreboot/ecsreboot/internal/cli/target"
	"github.com/ecsreboot/ecsreboot/internal/redact"
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

// EmulatedRecords returns the options of an emulator that shows its records of a restart
// soon, so that users who practice need not wait for 10 minutes.
func EmulatedRecords() ecstest.Options {
	return ecstest.Options{AuditDelay: 2 * time.Second, StateChangeDelay: time.Second}
}

// Note prints what goes on, for a person.
type Note func(format string, args ...any)

// NoteTo returns a Note that prints to w.
func NoteTo(w io.Writer) Note {
	return func(format string, args ...any) { fmt.Fprintf(w, format, args...) }
}

// Connect returns a connection to a target: for -emulate, to an emulated service
// that Connect starts as described. Note prints which service it is, and the
// requests that the client retries. Further options of the client come last. The caller
// closes the connection.
func (c Connector) Connect(to target.Target, program string, emulated Emulation, note Note, more ...ecsreboot.Option) (*Connection, error) {
	if !to.Emulate {
		newClient := ecsreboot.NewClient
		if c.NewClient != nil {
			newClient = c.NewClient
		}
		client, err := newClient(to.Region, append(to.Options(program, note), more...)...)
		if err != nil {
			return nil, inFlags(to, err)
		}
		return &Connection{Client: client}, nil
	}
	connection, err := c.emulate(to, program, emulated, note, more)
	if err != nil {
		return nil, fmt.Errorf("%s: failed to start the emulated service: %w", program, err)
	}
	note("emulated service at %s, in this process; no real instance is touched\n", connection.Server.URL)
	return connection, nil
}

// inFlags turns an error about the region or an option into one about the flag that gave it.
func inFlags(to target.Target, err error) error {
	input, ok := errors.AsType[*ecsreboot.InputError](err)
	if !ok {
		return err
	}
	switch input.Field {
	case "region":
		if to.RegionFrom != "" && to.RegionFrom != "--region" {
			return cmdline.Errorf("region %q of %s %s", to.Region, to.RegionFrom, input.Problem)
		}
		return cmdline.Errorf("--region %q %s", to.Region, input.Problem)
	case "WithEndpoint":
		return cmdline.Errorf("--endpoint %q %s", redact.Unknown(to.Endpoint, len(to.Endpoint)+1), input.Problem)
	case "WithVPCEndpoint":
		return cmdline.Errorf("--vpc %s", input.Problem)
	}
	return err
}

func (c Connector) emulate(to target.Target, program string, emulated Emulation, note Note, more []ecsreboot.Option) (*Connection, error) {
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
	client, err := server.NewClient(append(to.Options(program, note), more...)...)
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
