package report_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecsreboot/ecsreboot/fleet/report"
)

func BenchmarkHTML(b *testing.B) {
	history := simulate(b, samples["ten thousand"])
	var page bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		page.Reset()
		require.NoError(b, report.HTML(&page, history, options))
	}
	b.ReportMetric(float64(page.Len()), "page-bytes")
	b.ReportMetric(float64(len(history.Events)), "events")
}
