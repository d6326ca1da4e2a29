package ecstest

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// whatIs is all that must have a row: the operations, the codes, the faults and the switches.
func whatIs() []string {
	var all []string
	for name := range operations {
		all = append(all, "operation "+name)
	}
	for code := range problems {
		all = append(all, "code "+code)
	}
	for _, kind := range FaultKinds() {
		all = append(all, "fault "+string(kind))
	}
	for _, header := range hintHeaders {
		if header != NoHint {
			all = append(all, "hint "+string(header))
		}
	}
	for _, switches := range []any{Options{}, Instance{}, RebootProfile{}, Fault{}} {
		for field := range reflect.TypeOf(switches).Fields() {
			all = append(all, reflect.TypeOf(switches).Name()+"."+field.Name)
		}
	}
	for method := range reflect.TypeFor[*Server]().Methods() {
		if strings.HasPrefix(method.Name, "Set") || strings.HasPrefix(method.Name, "Rotate") {
			all = append(all, "Server."+method.Name)
		}
	}
	return all
}

// TestBehaviorsCoverAll fails for an operation, a code, a fault or a switch without a row,
// for one with two rows, and for a row about something that is gone.
func TestBehaviorsCoverAll(t *testing.T) {
	var covered []string
	for _, b := range Behaviors() {
		covered = append(covered, b.Covers...)
	}
	assert.ElementsMatch(t, whatIs(), covered, "behaviours.go: each needs exactly one row")
}

func TestBehaviorsAreComplete(t *testing.T) {
	id := regexp.MustCompile(`^[a-z]+\.[a-z0-9-]+$`)
	seen := map[string]bool{}
	for _, b := range Behaviors() {
		assert.Regexp(t, id, b.ID)
		assert.False(t, seen[b.ID], "%s: two rows", b.ID)
		seen[b.ID] = true
		assert.NotEmpty(t, b.Does, b.ID)
		assert.NotEmpty(t, b.Source, b.ID)
		assert.Contains(t, []string{"page", "metadata", "sdk", "recording", "inference", "ours"}, b.Kind, b.ID)
		if b.Kind == "ours" {
			assert.Empty(t, b.Confidence, b.ID)
		} else {
			assert.Contains(t, []string{"high", "medium", "low"}, b.Confidence, b.ID)
		}
		if b.Source == noSource {
			assert.Equal(t, "inference", b.Kind, b.ID)
		}
		if b.Validated != "" {
			date, fixture, found := strings.Cut(b.Validated, " ")
			_, err := time.Parse(time.DateOnly, date)
			assert.True(t, found && err == nil, "%s: Validated %q is no date and fixture", b.ID, b.Validated)
			assert.FileExists(t, filepath.FromSlash(fixture), b.ID)
		}
	}
}

// validatedClaims is how many of the claims about the service were compared with it.
func validatedClaims() (validated, claims int) {
	for _, b := range Behaviors() {
		if b.Kind != "ours" {
			claims++
		}
		if b.Kind != "ours" && b.Validated != "" {
			validated++
		}
	}
	return validated, claims
}

const behaviorsHead = `# What the fake claims, and why

Each row describes what [ecstest](testing.md) does. Except for the rows of kind "ours", this is a claim about the service. Today
%d of %d claims (%d %%) have been compared with the service. [validate.md](validate.md) describes how you can compare most of the others if
you have an account.

| kind | what the claim is based on |
|---|---|
| page | a page of the vendor's documentation |
| metadata | the vendor's published API metadata |
| sdk | the vendor's source code |
| recording | a published recording of what the service did, such as in an issue |
| inference | our conclusions from other sources |
| ours | a feature of the fake. The row claims nothing about the service |

<!-- This page is generated from ecstest/behaviours.go by: make docs -->

| id | what the fake does | kind | source | confidence | validated | covers |
|---|---|---|---|---|---|---|
`

func behaviorsPage() string {
	var b strings.Builder
	validated, claims := validatedClaims()
	fmt.Fprintf(&b, behaviorsHead, validated, claims, 100*validated/claims)
	for _, row := range Behaviors() {
		validated := "never"
		if row.Kind == "ours" {
			validated = ""
		}
		if row.Validated != "" {
			validated = row.Validated
		}
		covers := slices.Clone(row.Covers)
		for i := range covers {
			covers[i] = "`" + covers[i] + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", row.ID, row.Does, row.Kind, row.Source, row.Confidence, validated, strings.Join(covers, ", "))
	}
	return strings.ReplaceAll(b.String(), "|  |", "| |")
}

// docs/behaviours.md is generated, and README.md has its share.
func TestDocsBehaviours(t *testing.T) {
	const path = "../docs/behaviours.md"
	want := behaviorsPage()
	if *updateDocs {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o600))
	}
	read := func(path string) string {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		return strings.ReplaceAll(string(data), "\r\n", "\n")
	}
	if read(path) != want {
		t.Error(path, "is stale, run: make docs")
	}
	validated, claims := validatedClaims()
	assert.Contains(t, strings.Join(strings.Fields(read("../README.md")), " "), fmt.Sprintf("%d %% of [what the fake service claims]", 100*validated/claims))
}
