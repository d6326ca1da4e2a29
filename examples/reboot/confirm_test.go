package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
	"github.com/ecsreboot/ecsreboot/internal/cli/reboot"
)

func TestConfirm(t *testing.T) {
	tests := map[string]struct {
		answer string
		code   int
	}{
		"y":                {"y\n", exitcode.Done},
		"yes":              {" Yes \r\n", exitcode.Done},
		"the id":           {id + "\n", exitcode.Done},
		"cut-off line":     {"y", exitcode.Done},
		"no":               {"n\n", exitcode.Failed},
		"another id":       {"i-2\n", exitcode.Failed},
		"an empty line":    {"\n", exitcode.Failed},
		"nobody, as /null": {"", exitcode.Usage},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := serve(t, ecstest.Instance{})
			var stdout, stderr bytes.Buffer
			p := newProgram(strings.NewReader(test.answer), &stdout, &stderr)
			p.Interactive = true
			code := p.run(t.Context(), at(server, "--force", id))
			require.Equal(t, test.code, code, stderr.String())
			require.Contains(t, stderr.String(), "like a power cut")
			calls := server.Calls()
			if test.code != exitcode.Done {
				require.Empty(t, calls)
				return
			}
			require.Len(t, calls, 1)
			require.True(t, calls[0].ForceStop)
		})
	}
}

func TestConfirmInterrupted(t *testing.T) {
	server := serve(t, ecstest.Instance{})
	silent, end := io.Pipe()
	defer end.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var stdout bytes.Buffer
	p := newProgram(silent, &stdout, &watcher{until: "to confirm: ", then: cancel})
	p.Interactive = true
	require.Equal(t, exitcode.Interrupted, p.run(ctx, at(server, "--force", id)))
	require.Equal(t, id+": not sent\n", stdout.String())
	require.Empty(t, server.Calls())
}

// The time to think is not taken off --timeout.
func TestConfirmBeforeTheTimeout(t *testing.T) {
	server := serve(t, ecstest.Instance{})
	slow, answer := io.Pipe()
	go func() {
		time.Sleep(30 * time.Millisecond)
		_, _ = io.WriteString(answer, "y\n")
	}()
	p := newProgram(slow, io.Discard, io.Discard)
	p.Interactive = true
	s, err := reboot.Parse(at(server, "--force", "--timeout", "10ms", id))
	require.NoError(t, err)
	require.NoError(t, s.Confirm(t.Context(), p.Streams))
}

// An answer that is piped in is nobody's confirmation.
func TestConfirmNeedsATerminal(t *testing.T) {
	server := serve(t, ecstest.Instance{})
	var stderr bytes.Buffer
	code := newProgram(strings.NewReader("y\n"), io.Discard, &stderr).run(t.Context(), at(server, "--force", id))
	require.Equal(t, exitcode.Usage, code)
	require.Contains(t, stderr.String(), "--force needs --yes")
	require.Empty(t, server.Calls())
}
