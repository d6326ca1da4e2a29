package acceptance_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot"
)

// endless is a service whose lists never end. Each of its pages has a number of instances
// that nobody asked for, unless it is one of those that have none.
func endless(requests *atomic.Int64, instances int, hasNone func(page int64) bool) http.RoundTripper {
	return roundTripFunc(func(req *http.Request) (*http.Response, error) {
		if req.Header.Get("X-Acs-Action") != "DescribeInstances" {
			return answered(http.StatusOK, nil, `{"RequestId":"R"}`, -1).RoundTrip(req)
		}
		at := requests.Add(1)
		var ids []string
		for i := range instances {
			if !hasNone(at) {
				ids = append(ids, fmt.Sprintf("i-p%d-%d", at, i))
			}
		}
		return answered(http.StatusOK, nil, page(fmt.Sprintf("token-%d", at), ids...), -1).RoundTrip(req)
	})
}

// A list that does not end is an error after the documented number of pages.
func TestEndlessList(t *testing.T) {
	ids := func(n int) (ids []string) {
		for i := range n {
			ids = append(ids, nth(i))
		}
		return ids
	}
	never := func(int64) bool { return false }
	always := func(int64) bool { return true }
	describe := func(n int) func(context.Context, *ecsreboot.Client) error {
		return func(ctx context.Context, client *ecsreboot.Client) error {
			_, err := list(ctx, client, ids(n)...)
			return err
		}
	}
	baseline := func(ctx context.Context, client *ecsreboot.Client) error {
		_, err := client.TakeBaseline(ctx, id)
		return err
	}
	check := func(ctx context.Context, client *ecsreboot.Client) error {
		_, err := client.Check(ctx, request)
		return err
	}
	for name, c := range map[string]struct {
		call      func(context.Context, *ecsreboot.Client) error
		instances int
		hasNone   func(page int64) bool
		requests  int64
		text      string
	}{
		"all, empty":              {describe(0), 1, always, 10, "10 empty pages in a row"},
		"all, now and then empty": {describe(0), 1, func(page int64) bool { return page%10 != 0 }, 10_000, "has not ended after 10000 pages"},
		"one id":                  {describe(1), 2, never, 11, "has not ended after 11 pages"},
		"a hundred ids":           {describe(100), 2, never, 110, "has not ended after 110 pages"},
		"more: the first hundred": {describe(250), 2, never, 110, "has not ended after 110 pages"},
		"ids, empty":              {describe(100), 2, always, 10, "10 empty pages in a row"},
		"TakeBaseline":            {baseline, 2, never, 11, "has not ended after 11 pages"},
		"TakeBaseline, empty":     {baseline, 2, always, 10, "10 empty pages in a row"},
		"Check":                   {check, 2, never, 11, "has not ended after 11 pages"},
		"Check, empty":            {check, 2, always, 10, "10 empty pages in a row"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var requests atomic.Int64
				client := fuzzClient(t, endless(&requests, c.instances, c.hasNone))
				err := c.call(t.Context(), client)
				require.ErrorContains(t, err, c.text)
				assertOutcome(t, ecsreboot.OutcomeNone, err)
				assert.Equal(t, c.requests, requests.Load())
			})
		})
	}
}

// To a wait an endless list is a failed poll, and no sign that its instance is gone.
func TestEndlessPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var requests atomic.Int64
		client := fuzzClient(t, endless(&requests, 2, func(int64) bool { return false }))
		before := ecsreboot.Baseline{InstanceID: id, Status: ecsreboot.StatusRunning, TakenAt: time.Now()}
		_, err := client.WaitUntilRestarted(t.Context(), before, ecsreboot.WaitOptions{})
		require.ErrorContains(t, err, "6 polls in a row failed")
		require.NotErrorIs(t, err, ecsreboot.ErrInvalidInstanceIDNotFound)
		assert.Equal(t, int64(6*11), requests.Load())
	})
}

// Many small pages are no endless list.
func TestSmallPages(t *testing.T) {
	const n = 300
	at := 0
	client := fuzzClient(t, roundTripFunc(func(req *http.Request) (*http.Response, error) {
		token := fmt.Sprintf("token-%d", at)
		if at++; at == n {
			token = ""
		}
		return answered(http.StatusOK, nil, page(token, nth(at)), -1).RoundTrip(req)
	}))
	got, err := list(t.Context(), client)
	require.NoError(t, err)
	assert.Len(t, got, n)
	assert.True(t, strings.HasPrefix(got[0].ID, "i-"))
}
