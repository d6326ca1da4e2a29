package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

// What scripts hold on to: the lines and their fields, exactly.
func TestWaitJSON(t *testing.T) {
	instance := ecstest.Instance{Reboot: ecstest.RebootProfile{Path: []ecsreboot.Status{ecsreboot.StatusStopping}, Graceful: 2 * time.Second}}
	inBubble(t, instance, nil, func(t *testing.T, b *bubble) {
		got := b.follow(t.Context(), "--json")
		require.Equal(t, exitcode.Done, got.code, got.stderr)
		require.Equal(t, "RebootAndWait "+id+" at http://127.0.0.1:1\n", got.stderr)
		lines := got.jsonLines(t)
		require.Len(t, lines, 6)
		restart := restartOf(b.server)
		request := restart.RequestID
		_, sendID, _ := strings.Cut(restart.Header.Get("User-Agent"), " send/")
		before, after := "1999-12-31T23:00:00Z", "2000-01-01T00:00:00Z"
		begin, first, last := lines[0]["at"], lines[3]["at"], lines[4]["at"]
		require.Equal(t, []map[string]any{
			{"type": "event", "at": begin, "instanceId": id, "event": "baseline", "status": "Running", "startTime": before},
			{"type": "event", "at": begin, "instanceId": id, "event": "sending", "sendId": sendID},
			{"type": "event", "at": begin, "instanceId": id, "event": "accepted", "requestId": request, "sendId": sendID},
			{"type": "event", "at": "2000-01-01T00:00:01Z", "instanceId": id, "event": "status", "status": "Stopping", "startTime": before},
			{"type": "event", "at": last, "instanceId": id, "event": "status", "status": "Running", "startTime": after},
			{
				"type": "result", "instanceId": id, "operation": "RebootAndWait", "outcome": "restarted", "requestId": request,
				"proof": "status", "elapsedSeconds": lines[5]["elapsedSeconds"], "requests": 1.0, "sentAt": begin, "sendIds": []any{sendID},
				"startTimeBefore": before, "startTimeAfter": after, "exitCode": 0.0,
				"readings": []any{
					map[string]any{"at": first, "status": "Stopping", "startTime": before},
					map[string]any{"at": last, "status": "Running", "startTime": after},
				},
			},
		}, lines)
		require.GreaterOrEqual(t, lines[5]["elapsedSeconds"], 2.0)
	})
}

// A command line that makes no sense has a result of the same kind.
func TestWaitJSONUsage(t *testing.T) {
	got := invoke(t.Context(), t, "--json", "--emulate", "--wait", "--dry-run", id)
	line := got.jsonLine(t)
	require.Equal(t, "result", line["type"])
	require.Equal(t, "not sent", line["outcome"])
}
