package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
)

// planFile is a plan that was looked at and is to be carried out as it is.
type planFile struct {
	Digest string      `json:"digest"`
	Plan   fleet.Plan  `json:"plan"`
	Rules  fleet.Rules `json:"rules"` // unless the command line says otherwise
}

func writePlan(name string, plan fleet.Plan, rules fleet.Rules) error {
	text, err := json.MarshalIndent(planFile{Digest: plan.Digest(), Plan: plan, Rules: rules}, "", "  ")
	if err != nil {
		return fmt.Errorf("rolling: %w", err)
	}
	if err := os.WriteFile(name, append(text, '\n'), 0o600); err != nil { //nolint:gosec // it is the user's
		return fmt.Errorf("rolling: %w", err)
	}
	return nil
}

// readPlan reads a plan and checks that it is the one that was written.
func readPlan(name string) (planFile, error) {
	text, err := os.ReadFile(name) //nolint:gosec // it is the user's
	if err != nil {
		return planFile{}, cmdline.Errorf("-plan: %v", err)
	}
	var file planFile
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		return planFile{}, cmdline.Errorf("-plan %s is no plan: %v", name, err)
	}
	if is := file.Plan.Digest(); is != file.Digest {
		return planFile{}, cmdline.Errorf("-plan %s was changed: its digest is %.12s, not %.12s; make a new one", name, is, file.Digest)
	}
	return file, nil
}
