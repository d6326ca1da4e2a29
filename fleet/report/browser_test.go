package report_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/fleet/report"
)

// browser opens a file in a headless Chromium that reaches no network, and returns
// the document after its scripts have run, and what it logged.
func browser(t *testing.T, path string) (dom, log string) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if found, err := exec.LookPath(name); err == nil {
			program = found
			break
		}
	}
	if program == "" {
		t.Skip("there is no Chromium in PATH; on Debian, apt-get install chromium")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	args := []string{
		"--headless", "--disable-gpu", "--disable-extensions", "--no-first-run", "--user-data-dir=" + t.TempDir(),
		"--host-resolver-rules=MAP * 0.0.0.0", "--enable-logging=stderr", "--dump-dom", "file://" + filepath.ToSlash(path),
	}
	if os.Geteuid() == 0 { // its sandbox refuses root
		args = append([]string{"--no-sandbox"}, args...)
	}
	command := exec.CommandContext(ctx, program, args...)
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr, command.WaitDelay = &out, &errs, 5*time.Second
	require.NoError(t, command.Run(), errs.String)
	return out.String(), errs.String()
}

func TestBrowserTellsOfErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bad.html")
	require.NoError(t, os.WriteFile(path, []byte(`<script>nothing.at.all()</script>`), 0o600))
	_, log := browser(t, path)
	require.Contains(t, log, "CONSOLE", "or else the other test could not fail")
}

func TestBrowserShowsThePage(t *testing.T) {
	for _, name := range []string{"three", "three hundred", "halted", "ten thousand"} {
		t.Run(name, func(t *testing.T) {
			history := simulate(t, samples[name])
			path := filepath.Join(t.TempDir(), "report.html")
			file, err := os.Create(path)
			require.NoError(t, err)
			require.NoError(t, report.HTML(file, history, options))
			require.NoError(t, file.Close())
			dom, log := browser(t, path)
			require.NotContains(t, log, "CONSOLE")
			require.Contains(t, dom, `data-script="ran"`, "the content security policy lets the page's own script run")
			requireAgrees(t, dom, history)
			require.Equal(t, 1, strings.Count(dom, "<main"))
		})
	}
}

// TestBrowserFilters types into the search box.
func TestBrowserFilters(t *testing.T) {
	text := write(t, simulate(t, samples["three hundred"]), options)
	policy := regexp.MustCompile(`<meta http-equiv="Content-Security-Policy"[^>]*>`)
	require.Len(t, policy.FindAllString(text, -1), 1)
	text = strings.Replace(policy.ReplaceAllString(text, ""), "</body>", `<script>
		const input = document.querySelector("input");
		input.value = " WEB-0123 ";
		input.dispatchEvent(new Event("input"));
		document.body.dataset.shown = document.querySelectorAll(".rows tbody tr:not([hidden])").length;
	</script></body>`, 1)
	path := filepath.Join(t.TempDir(), "report.html")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	dom, log := browser(t, path)
	require.NotContains(t, log, "CONSOLE")
	require.Contains(t, dom, `data-shown="1"`)
	require.Contains(t, dom, `<output>1 of 300</output>`)
}
