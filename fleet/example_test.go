package fleet_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ecsreboot/ecsreboot"
	"github.com/ecsreboot/ecsreboot/ecstest"
	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/fleet/report"
)

// This restarts what runs with the tag role=web, a few at a time. It is not run as
// a test, as it needs an account; package ecstest stands in for one.
func Example() { //nolint:testableexamples // it needs an account
	ctx := context.Background()
	client, err := ecsreboot.NewClient("cn-hangzhou")
	if err != nil {
		log.Fatal(err)
	}
	plan, err := fleet.NewPlan(ctx, client, fleet.Selection{Tags: fleet.HasTags(map[string]string{"role": "web"}), GroupBy: fleet.ByZone})
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

// practise calls an example with a client of a service in memory, in virtual time, and
// with a plan for the instances.
func practise(example func(client *ecsreboot.Client, plan fleet.Plan), instances ...ecstest.Instance) {
	synctest.Test(new(testing.T), func(*testing.T) {
		server, err := ecstest.NewInMemoryServer(ecstest.Options{})
		if err != nil {
			panic(err)
		}
		defer server.Close()
		var selection fleet.Selection
		for _, instance := range instances {
			if err := server.AddInstance(instance); err != nil {
				panic(err)
			}
			selection.InstanceIDs = append(selection.InstanceIDs, instance.ID)
		}
		client, err := server.NewClient()
		if err != nil {
			panic(err)
		}
		defer client.CloseIdleConnections()
		plan, err := fleet.NewPlan(context.Background(), client, selection)
		if err != nil {
			panic(err)
		}
		example(client, plan)
	})
}

// Preflight finds what a run would meet, and restarts nothing.
func ExamplePreflight() {
	practise(func(client *ecsreboot.Client, plan fleet.Plan) {
		options := fleet.Options{Settings: fleet.Settings{Rules: fleet.Rules{MaxUnavailable: fleet.Count(1)}}}
		forecast, err := fleet.Preflight(context.Background(), client, plan, options)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, finding := range forecast.Findings {
			fmt.Println(finding.ID, finding.State, finding.Reason, string(finding.Code))
		}
		fmt.Println("problems:", len(forecast.Problems))
	}, ecstest.Instance{ID: "i-1"}, ecstest.Instance{ID: "i-2"}, ecstest.Instance{ID: "i-3", Locks: []string{"security"}})
	// Output:
	// i-3 skipped locked InstanceLockedForSecurity
	// problems: 0
}

// Package report draws a run from its journal alone, while the run goes on and after
// its end.
func Example_report() {
	dir, err := os.MkdirTemp("", "fleet-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "web.journal")
	practise(func(client *ecsreboot.Client, plan fleet.Plan) {
		if _, err := fleet.Run(context.Background(), client, plan, fleet.Options{Journal: path}); err != nil {
			fmt.Println(err)
		}
	}, ecstest.Instance{ID: "i-1"}, ecstest.Instance{ID: "i-2"})

	history, err := fleet.Load(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	var page bytes.Buffer
	if err := report.HTML(&page, history, report.Options{Journal: path}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("an HTML page:", strings.HasPrefix(page.String(), "<!"))
	fmt.Println(history.Report().Count(fleet.StateHealthy), "of", len(history.Plan.Targets), "have restarted")
	// Output:
	// an HTML page: true
	// 2 of 2 have restarted
}
