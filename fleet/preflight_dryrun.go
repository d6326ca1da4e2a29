package fleet

import (
	"context"
	"errors"
	"slices"

	"github.com/ecsreboot/ecsreboot"
)

// maxDryRuns is how many dry runs preflight sends at most to find out which instances
// are denied, once a dry run is.
const maxDryRuns = 100

// dryRun sends n dry runs, spread evenly over the targets, and one more for each region that
// these do not reach. If some are denied, it goes
// on with the other targets, up to maxDryRuns, to tell which ones: permissions may
// depend on tags. If all are denied, and at least deniedInARow, it does not go on.
func (f *Forecast) dryRun(ctx context.Context, clients clients, sound []Target, n int) error {
	n = min(max(n, 0), len(sound))
	asked := make(map[int]bool, n)
	denied := 0
	defer func() { f.Asked = len(asked) }()
	ask := func(i int) error {
		asked[i] = true
		found, err := f.dryRunOne(ctx, clients.client(sound[i]), sound[i])
		denied += b2i(found == ReasonDenied)
		return err
	}
	for i := range n {
		if err := ask(i * len(sound) / n); err != nil || f.isHopeless() {
			return err
		}
	}
	if n > 0 {
		for _, i := range f.unasked(sound, asked) {
			if err := ask(i); err != nil || f.isHopeless() {
				return err
			}
		}
	}
	for i := 0; i < len(sound) && denied > 0 && len(asked) < max(n, maxDryRuns); i++ {
		if denied == len(asked) && denied >= deniedInARow {
			break
		}
		if asked[i] {
			continue
		}
		if err := ask(i); err != nil || f.isHopeless() {
			return err
		}
	}
	if denied == len(asked) && denied > 0 {
		f.problem("no instance can be restarted: %s", f.Findings[len(f.Findings)-1].Error)
		f.Findings = slices.DeleteFunc(f.Findings, func(one Finding) bool { return one.Reason == ReasonDenied })
	}
	return nil
}

// unasked returns the first target of each region in which none was asked.
func (f *Forecast) unasked(sound []Target, asked map[int]bool) (places []int) {
	reached := make(map[string]bool)
	for i := range asked {
		reached[f.Plan.RegionOf(sound[i])] = true
	}
	for i, t := range sound {
		if region := f.Plan.RegionOf(t); !reached[region] {
			reached[region] = true
			places = append(places, i)
		}
	}
	return places
}

// isHopeless reports whether an error met a dry run that would meet every other one.
func (f *Forecast) isHopeless() bool { return len(f.Problems) > 0 }

// dryRunOne sends a dry run for a target, and notes what it finds.
func (f *Forecast) dryRunOne(ctx context.Context, client *ecsreboot.Client, t Target) (Reason, error) {
	_, err := client.RebootInstance(ctx, ecsreboot.RebootInstanceRequest{InstanceID: t.ID, ForceStop: f.Plan.ForceStop, DryRun: true})
	apiErr, answered := errors.AsType[*ecsreboot.APIError](err)
	finding := Finding{Target: t, State: StateFailed, Reason: ReasonRefused, Status: ecsreboot.StatusRunning, Error: text(err)}
	switch {
	case err == nil:
		f.DryRuns++
		return "", nil
	case ctx.Err() != nil:
		return "", err
	case forAll(err):
		f.problem("no instance can be restarted: %s", text(err))
		return ReasonAccess, nil
	case isDenied(err):
		finding.Reason = ReasonDenied
	case !answered:
		return "", err
	}
	if answered {
		finding.Code = apiErr.Code
	}
	f.Findings = append(f.Findings, finding)
	return finding.Reason, nil
}
