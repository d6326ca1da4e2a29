package fleet_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/fleet"
)

// This restarts what runs with the tag role=web, a few at a time. It is not run as
// a test, as it needs an account; package ecstest stands in for one.
func Example() { //nolint:testableexamples // it needs an account
	ctx := context.Background()
	client, err := ecsreboot.NewClient("cn-hangzhou")
	if err != nil {
		log.Fatal(err)
	}
	plan, err := fleet.NewPlan(ctx, client, fleet.Selection{Tags: map[string]string{"role": "web"}, GroupBy: fleet.ByZone})
	if err != nil {
		log.Fatal(err)
	}
	options := fleet.Options{
		Journal: "web.journal",
		Health: func(ctx context.Context, target fleet.Target) error {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+target.Name+"/healthz", http.NoBody)
			if err != nil {
				return err
			}
			answer, err := http.DefaultClient.Do(request)
			if err != nil {
				return err
			}
			defer answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				return fmt.Errorf("healthz: %s", answer.Status)
			}
			return nil
		},
	}
	forecast, err := fleet.Preflight(ctx, client, plan, options)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(forecast)
	if len(forecast.Problems) > 0 {
		return
	}
	report, err := fleet.Run(ctx, client, plan, options)
	if err != nil {
		log.Fatal(err)
	}
	for _, left := range report.NotRestarted() {
		fmt.Println(left.ID, left.State, left.Reason, left.Error, left.RequestID)
	}
}

// After a crash, the journal has the plan.
func ExampleResume() { //nolint:testableexamples // it needs an account
	client, err := ecsreboot.NewClient("cn-hangzhou")
	if err != nil {
		log.Fatal(err)
	}
	history, err := fleet.Load("web.journal")
	if err != nil {
		log.Fatal(err)
	}
	report, err := fleet.Resume(context.Background(), client, history.Plan, fleet.Options{Journal: "web.journal"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Count(fleet.StateHealthy), "of", len(report.Records), "have restarted")
}
