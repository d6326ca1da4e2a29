// Package maintain shows how to test one's own code against package ecstest, a fake
// ECS service: Restart is the code under test, maintain_test.go the lesson.
package maintain

import (
	"context"
	"errors"
	"fmt"

	"github.com/ecsreboot/ecsreboot"
)

// Action is what the caller of [Restart] does next.
type Action string

// The actions.
const (
	Done     Action = "done"      // the instance has restarted
	TryLater Action = "try later" // it has not restarted; another try may succeed
	GiveUp   Action = "give up"   // it has not restarted; another try would fail too
	AskHuman Action = "ask"       // it may have restarted: a person looks at it
)

// Restart restarts an instance, waits for the proof, and says what to do next. The
// error says why, unless the action is Done.
func Restart(ctx context.Context, client *ecsreboot.Client, id string) (Action, error) {
	_, err := client.RebootAndWait(ctx, ecsreboot.RebootInstanceRequest{InstanceID: id}, ecsreboot.WaitOptions{})
	switch {
	case err == nil:
		return Done, nil
	case errors.Is(err, ecsreboot.ErrOutcomeUnknown), errors.Is(err, ecsreboot.ErrAccepted):
		return AskHuman, fmt.Errorf("look at %s before you restart it again: %w", id, err)
	case errors.Is(err, ecsreboot.ErrThrottled):
		return TryLater, err
	}
	return GiveUp, err
}
