package main

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/exitcode"
)

// What nobody checks any more would count as healthy, so a session that goes on must
// have the hooks of the one before, or say that it goes on without.
func TestHooksAgain(t *testing.T) {
	tests := map[string]struct {
		given []string
		again string
	}{
		"health":  {[]string{"-health-url", "http://127.0.0.1:1/{id}"}, "-health-url or -health-cmd was given to the session before: give it again, or -no-health"},
		"command": {[]string{"-health-cmd", "false"}, "-health-url or -health-cmd was given to the session before: give it again, or -no-health"},
		"blocker": {[]string{"-blocker-cmd", "false"}, "-blocker-cmd was given to the session before: give it again, or -no-blocker"},
		"approve": {[]string{"-approve"}, "-approve was given to the session before: give it again, or -no-approve"},
		"window":  {[]string{"-window", "02:00-03:00"}, "-window was given to the session before: give it again, or -no-window"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 3, func(b *bubble) {
				// Before the run there is a stop, so that nothing has to pass.
				p := b.process("", b.first(append(test.given, "-timeout", "1ns")...)...)
				p.terminal = true
				require.Contains(b, []int{exitcode.Interrupted, exitcode.Unknown}, p.run(), p.stderr.String())
				hint := p.summary().NotRestarted[0].Next
				flags, _, _ := strings.Cut(test.again, " was given")
				require.Contains(b, hint, "(with "+flags+" as before)")

				reads := len(b.server.Calls())
				code, _, stderr := b.do(b.later("resume", "-yes", "-min-ready", "0")...)
				require.Equal(b, exitcode.Usage, code)
				require.Contains(b, stderr, test.again)
				require.Len(b, b.server.Calls(), reads, "refused before anything is asked")

				p = b.process("", "status", "-journal", b.journal)
				p.run()
				require.Contains(b, p.stdout.String(), "as before)")

				_, waiver, _ := strings.Cut(test.again, "again, or ")
				code, m, stderr := b.do(b.later("resume", "-yes", "-min-ready", "0", waiver)...)
				require.Equal(b, exitcode.Done, code, stderr)
				require.Equal(b, 3, m.Restarted)
			})
		})
	}
}

func TestResolveAsksForHealthOnly(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		b.server.Inject(ecstest.Fault{Kind: ecstest.FaultDrop, Action: "RebootInstance", InstanceID: "i-0"})
		code, _, stderr := b.do(b.first("-window", "00:00-24:00", "-health-cmd", "true", "-settle", "10s")...)
		require.Equal(b, exitcode.Unknown, code, stderr)
		code, _, stderr = b.do(b.later("resolve", "-settle", "10s")...)
		require.Equal(b, exitcode.Usage, code)
		require.Contains(b, stderr, "give it again, or -no-health")
		code, m, stderr := b.do(b.later("resolve", "-settle", "10s", "-no-health")...)
		require.Equal(b, exitcode.Unknown, code, stderr)
		require.Contains(b, m.NotRestarted[0].Next, "resolve -journal "+b.journal+" (with -health-url or -health-cmd as before)")
	})
}

func TestHealthIsShown(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		p := b.process("", b.first("-health-cmd", "echo db is down; exit 3", "-ready-timeout", "3m")...)
		require.Equal(b, exitcode.Halted, p.run(), p.stderr.String())
		require.Contains(b, p.stderr.String(), "1 not healthy, such as i-0: exit status 3: db is down")

		client, err := b.server.NewClient()
		require.NoError(b, err)
		plan, err := fleet.NewPlan(b.Context(), client, fleet.Selection{All: true})
		require.NoError(b, err)
		tr, err := newTracker(session{client: client, plan: plan})
		require.NoError(b, err)
		require.Nil(b, tr.watchHealth(nil))
		answers := map[string]error{"i-0": errNoAnswer, "i-1": errDeclined}
		health := tr.watchHealth(func(_ context.Context, one fleet.Target) error { return answers[one.ID] })
		for _, id := range []string{"i-0", "i-1"} {
			require.ErrorIs(b, health(b.Context(), fleet.Target{ID: id}), answers[id])
		}
		require.Equal(b, "2 not healthy, such as i-1: "+errDeclined.Error(), tr.now().health)
		answers["i-1"] = nil
		require.NoError(b, health(b.Context(), fleet.Target{ID: "i-1"}))
		require.Contains(b, tr.now().String(), "; 1 not healthy, such as i-0: "+errNoAnswer.Error())
		answers["i-0"] = nil
		require.NoError(b, health(b.Context(), fleet.Target{ID: "i-0"}))
		require.Empty(b, tr.now().health)
	})
}
