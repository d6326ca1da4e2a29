package report_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/internal/browsertest"
)

// TestBrowser opens pages one after the other in one browser, which reaches no network.
func TestBrowser(t *testing.T) {
	if os.Getenv("LONG_TESTS") == "" {
		t.Skip("starts a browser; LONG_TESTS is not set")
	}
	b := browsertest.Start(t)
	open := func(text string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "report.html")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		b.Open("file://" + filepath.ToSlash(path))
	}

	for _, name := range []string{"three", "three hundred", "halted", "ten thousand"} {
		history := simulate(t, samples[name])
		open(write(t, history, options))
		require.Empty(t, b.Logged(), name)
		require.Equal(t, "ran", b.Eval("document.documentElement.dataset.script"), "the content security policy lets the page's own script run")
		requireAgrees(t, b.Eval("document.documentElement.outerHTML").(string), history)
		require.EqualValues(t, 1, b.Eval("document.querySelectorAll('main').length"), name)
	}

	// The search box filters.
	open(write(t, simulate(t, samples["three hundred"]), options))
	b.Eval(`const input = document.querySelector("input"); input.value = " WEB-0123 "; input.dispatchEvent(new Event("input"))`)
	require.EqualValues(t, 1, b.Eval(`document.querySelectorAll(".rows tbody tr:not([hidden])").length`))
	require.Equal(t, "1 of 300", b.Eval(`document.querySelector("output").innerText`))
	require.Empty(t, b.Logged())

	// The browser logs errors of scripts, so the empty logs above show that there were none.
	open(`<script>nothing.at.all()</script>`)
	require.Contains(t, b.Logged(), "nothing is not defined")
}
