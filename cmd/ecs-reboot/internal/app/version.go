package app

import (
	"cmp"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

func versionCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			info, _ := debug.ReadBuildInfo()
			p.print(describeBuild(info) + "\n")
			return nil
		},
	}
}

// describeBuild returns the line that identifies a build: the version of the module, its
// checksum, the commit, the Go version and the platform. "go install" of a version
// records a checksum and no commit; a build in a clone records a commit and no checksum.
// What info does not hold, the line leaves out. A nil info is that of an unknown build.
func describeBuild(info *debug.BuildInfo) string {
	if info == nil {
		info = &debug.BuildInfo{}
	}
	settings := make(map[string]string, len(info.Settings))
	for _, setting := range info.Settings {
		settings[setting.Key] = setting.Value
	}
	words := []string{Name, cmp.Or(info.Main.Version, "(devel)")}
	if info.Main.Sum != "" {
		words = append(words, "("+info.Main.Sum+")")
	}
	if commit := settings["vcs.revision"]; commit != "" {
		words = append(words, "commit "+commit)
	}
	if settings["vcs.modified"] == "true" {
		words = append(words, "dirty")
	}
	platform := cmp.Or(settings["GOOS"], runtime.GOOS) + "/" + cmp.Or(settings["GOARCH"], runtime.GOARCH)
	return strings.Join(append(words, cmp.Or(info.GoVersion, runtime.Version()), platform), " ")
}
