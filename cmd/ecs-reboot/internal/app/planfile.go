package app

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/ecsreboot/ecsreboot/fleet"
	"github.com/ecsreboot/ecsreboot/internal/cli/cmdline"
)

// planFile is the content of a file with a plan, which run carries out unchanged.
type planFile struct {
	Checksum string     `json:"checksum"` // of the plan, with its settings and hooks
	Plan     fleet.Plan `json:"plan"`
}

func writePlan(name string, plan fleet.Plan) error {
	sum, err := checksum(plan)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(planFile{sum, plan}, "", "  ")
	if err != nil {
		return err
	}
	err = writeFile(name, func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
	if err != nil {
		return fmt.Errorf("failed to write the plan: %w", err)
	}
	return nil
}

// readPlan reads a plan and verifies its checksum.
func readPlan(name string) (fleet.Plan, error) {
	text, err := os.ReadFile(name) //nolint:gosec // it is the user's
	if err != nil {
		return fleet.Plan{}, cmdline.Errorf("--plan %s: %v", name, reasonOf(err))
	}
	var file planFile
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		return fleet.Plan{}, cmdline.Errorf("--plan %s is not a plan: %v", name, err)
	}
	switch sum, err := checksum(file.Plan); {
	case err != nil:
		return fleet.Plan{}, err
	case sum != file.Checksum:
		return fleet.Plan{}, cmdline.Errorf("--plan %s was changed: its checksum is %.12s, not %.12s; make a new plan", name, sum, file.Checksum)
	}
	return file.Plan, nil
}

func checksum(plan fleet.Plan) (string, error) {
	text, err := json.Marshal(plan)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}
