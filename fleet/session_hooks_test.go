package fleet_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// TestPanicsOfHooks: they surface in the caller's goroutine, nobody is left behind,
// and the run can be resumed.
func TestPanicsOfHooks(t *testing.T) {
	for name, hook := range map[string]func(*fleet.Options, func()){
		"OnEvent": func(o *fleet.Options, boom func()) {
			down := 0
			o.OnEvent = func(e fleet.Event) {
				// Before, the panic may come between an intent and its request: then the
				// instance is unknown.
				if e.Kind == fleet.EventDown {
					if down++; down == 8 {
						boom()
					}
				}
			}
		},
		"Health": func(o *fleet.Options, boom func()) {
			o.Health = func(context.Context, fleet.Target) error { boom(); return nil }
		},
		"Blocker": func(o *fleet.Options, boom func()) {
			o.Blocker = func(context.Context, fleet.Target) error { boom(); return nil }
		},
		"Approve": func(o *fleet.Options, boom func()) {
			o.Canary = nil
			o.Approve = func(context.Context, int) error { boom(); return nil }
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 8, ecstest.Options{}, func(t *testing.T, s *service) {
				path := filepath.Join(t.TempDir(), "run.journal")
				options := fleet.Options{Settings: fleet.Settings{Rules: atOnce, MinReady: -1}, Journal: path}
				hook(&options, func() { panic("a bug of the caller's") })
				plan := s.plan()
				require.PanicsWithValue(t, "a bug of the caller's", func() {
					_, _ = fleet.Run(context.Background(), s.client, plan, options)
				})
				synctest.Wait()
				report, err := fleet.Resume(context.Background(), s.client, plan, fleet.Options{
					Settings: fleet.Settings{Rules: atOnce, MinReady: -1},
					Journal:  path, Health: agree, Blocker: agree, Approve: func(context.Context, int) error { return nil },
				})
				require.NoError(t, err)
				require.Empty(t, report.NotRestarted())
				s.restartedOnce(s.ids...)
			})
		})
	}
}

func agree(context.Context, fleet.Target) error { return nil }

// TestHooksMustBeGivenAgain: a sick canary must not pass for want of a health check.
func TestHooksMustBeGivenAgain(t *testing.T) {
	inBubble(t, 4, ecstest.Options{}, func(t *testing.T, s *service) {
		path := filepath.Join(t.TempDir(), "run.journal")
		sick := func(context.Context, fleet.Target) error { return errors.New("sick") }
		always := &fleet.Window{End: 24 * time.Hour}
		options := fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{Canary: []int{1}}, Window: always, MinReady: -1, ReadyTimeout: 2 * time.Minute}, Journal: path, Health: sick, Blocker: agree}
		report, err := s.run(options)
		require.NoError(t, err)
		require.Equal(t, fleet.ReasonCanary, report.Reason)
		for name, change := range map[string]func(*fleet.Options){
			"Health":  func(o *fleet.Options) { o.Health = nil },
			"Blocker": func(o *fleet.Options) { o.Blocker = nil },
		} {
			changed := options
			change(&changed)
			_, err := fleet.Resume(context.Background(), s.client, s.plan(), changed)
			require.ErrorIs(t, err, ecsreboot.ErrInvalidInput)
			require.ErrorContains(t, err, name+" was given to the last session")
		}
		_, err = fleet.Resolve(context.Background(), s.client, s.plan(), fleet.Options{Journal: path})
		require.ErrorContains(t, err, "Health was given")
		report, err = fleet.Resolve(context.Background(), s.client, s.plan(), fleet.Options{Journal: path, Health: sick})
		require.NoError(t, err)
		require.Equal(t, 1, report.Count(fleet.StateFailed))
		_, err = fleet.Resume(context.Background(), s.client, s.plan(), fleet.Options{Journal: path, Health: sick})
		require.ErrorContains(t, err, "Blocker was given", "also after a look")
		history, err := fleet.Load(path)
		require.NoError(t, err)
		require.Equal(t, always.End, history.Report().Settings.Window.End, "which leaves the window in force")
		options.Health = agree
		report, err = fleet.Resume(context.Background(), s.client, s.plan(), options)
		require.NoError(t, err)
		require.Equal(t, 4, report.Count(fleet.StateHealthy))
		s.restartedOnce(s.ids...)
	})
}
