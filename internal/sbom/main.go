// Sbom writes the bill of materials of a Go program to standard output: CycloneDX 1.6 in
// JSON. It lists the modules that the go command recorded in the binary. It writes no
// serial number and no time, so the same binary always has the same bill.
//
// Usage:
//
//	go run ./internal/sbom BINARY >BINARY.cdx.json
package main

import (
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"runtime/debug"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	if len(args) != 1 {
		return errors.New("usage: sbom BINARY")
	}
	info, err := buildinfo.ReadFile(args[0])
	if err != nil {
		return err
	}
	b, err := describe(info)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(stdout)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(b)
}

type bill struct {
	Schema       string       `json:"$schema"`
	Format       string       `json:"bomFormat"`
	SpecVersion  string       `json:"specVersion"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Ref        string     `json:"bom-ref"`
	Type       string     `json:"type"`
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	Scope      string     `json:"scope,omitempty"`
	Hashes     []hash     `json:"hashes,omitempty"`
	PURL       string     `json:"purl"`
	Properties []property `json:"properties,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn"`
}

// describe makes the bill of one binary. The binary does not record which module requires
// which, so the bill has the program depend on all of them.
func describe(info *debug.BuildInfo) (*bill, error) {
	program, err := describeModule(&info.Main)
	if err != nil {
		return nil, err
	}
	program.Type, program.Scope = "application", ""
	program.Properties = []property{{"package", info.Path}, {"go", info.GoVersion}}
	for _, setting := range info.Settings {
		if setting.Value == "" || setting.Key == "vcs.time" {
			continue
		}
		program.Properties = append(program.Properties, property{"build:" + setting.Key, setting.Value})
	}
	std := strings.TrimPrefix(info.GoVersion, "go")
	libraries := []component{{Type: "library", Name: "std", Version: std, Scope: "required", Ref: purl("std", std), PURL: purl("std", std)}}
	for _, module := range info.Deps {
		library, err := describeModule(module)
		if err != nil {
			return nil, err
		}
		libraries = append(libraries, library)
	}
	refs := make([]string, len(libraries))
	for i := range libraries {
		refs[i] = libraries[i].Ref
	}
	return &bill{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", SpecVersion: "1.6", Version: 1,
		Metadata: metadata{program}, Components: libraries,
		Dependencies: []dependency{{Ref: program.Ref, DependsOn: refs}},
	}, nil
}

func describeModule(module *debug.Module) (component, error) {
	if module.Replace != nil {
		return component{}, fmt.Errorf("module %s is replaced by %s: not a release", module.Path, path.Clean(module.Replace.Path))
	}
	c := component{
		Type: "library", Name: module.Path, Version: module.Version, Scope: "required",
		Ref: purl(module.Path, module.Version), PURL: purl(module.Path, module.Version),
	}
	if module.Sum != "" { // SHA-256 over the names and hashes of the files, as in go.sum
		sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(module.Sum, "h1:"))
		if err != nil {
			return component{}, fmt.Errorf("checksum %q of module %s: %w", module.Sum, module.Path, err)
		}
		c.Hashes = []hash{{"SHA-256", hex.EncodeToString(sum)}}
	}
	return c, nil
}

// purl returns the package URL of a module.
func purl(module, version string) string {
	return "pkg:golang/" + module + "@" + url.QueryEscape(version) + "?type=module"
}
