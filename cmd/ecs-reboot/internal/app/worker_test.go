package app

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/cmd/ecs-reboot/internal/notify"
	"github.com/ecsreboot/ecsreboot/fleet"
	ecstemporal "github.com/ecsreboot/ecsreboot/temporal"
)

func TestMessageOfANotice(t *testing.T) {
	notice := ecstemporal.Notice{
		WorkflowID: "web-1", Event: fleet.Event{Kind: fleet.EventHalt, Reason: fleet.ReasonCanary}, Regions: []string{"cn-hangzhou", "cn-beijing"},
		Progress: ecstemporal.Progress{Digest: strings.Repeat("0123456789abcdef", 4), Targets: 2, Counts: map[fleet.State]int{fleet.StateFailed: 1, fleet.StateWaiting: 1}},
	}
	m, ok := messageOf(notice)
	require.True(t, ok)
	require.Equal(t, notify.Halt, m.Kind)
	require.Equal(t, "0123456789ab", m.Plan)
	require.Equal(t, "Run web-1 in cn-hangzhou, cn-beijing sends nothing more; of 2: 1 failed, 1 waiting. Why: canary failed.", m.Text)
	notice.Event.InstanceID = "i-1"
	_, ok = messageOf(notice)
	require.False(t, ok, "it is about an instance")
}
