package acceptance_test

import (
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
)

var rootFrame = regexp.MustCompile(`^github\.com/ecsreboot/ecsreboot\.((?:\(\*\w+\)\.)?[\w.]+)`)

// Three functions of the root package stand between the caller and the transport.
func TestFramesAboveTheTransport(t *testing.T) {
	server := newService(t, ecstest.Options{})
	var stacks string
	client := newClient(t, server, ecsreboot.WithTransportWrapper(func(next http.RoundTripper) http.RoundTripper {
		return roundTripFunc(func(req *http.Request) (*http.Response, error) {
			all := make([]byte, 16<<20)
			stacks = string(all[:runtime.Stack(all, true)]) // of all goroutines: a RoundTripper has one of its own
			return next.RoundTrip(req)
		})
	}))
	callFromTestFrames(t, client)

	var frames []string
	for stack := range strings.SplitSeq(stacks, "\n\n") {
		if !strings.Contains(stack, "callFromTestFrames") {
			continue
		}
		for line := range strings.Lines(stack) {
			if frame := rootFrame.FindStringSubmatch(line); frame != nil {
				frames = append(frames, frame[1])
			}
		}
	}
	assert.Equal(t, []string{"(*Client).attempt", "(*Client).do", "(*Client).RebootInstance"}, frames)
}

//go:noinline
func callFromTestFrames(t *testing.T, client *ecsreboot.Client) {
	_, err := client.RebootInstance(t.Context(), request)
	require.NoError(t, err)
}
